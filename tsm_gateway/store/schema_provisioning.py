"""The tables of provisioning and of the audit log, with a word on every column; see `schema.py`.

What is looked up with a device has the device's id as its key, or is found by the device's kids: an
index more is a page more to write for each of a million enrolments.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)

from tsm_gateway.store.schema_base import CLUSTERED, Whole, metadata

enrolment = Table(
    "enrolment",
    metadata,
    Column("device_id", Text, ForeignKey("device.device_id"), primary_key=True),
    Column("issuer", Text, nullable=False),  # name of the SE issuer that vouches; "" = added by hand
    Column("key_certificate", LargeBinary, nullable=False),  # X.509 DER; empty = the signing certificate
    Column("hybrid_key", LargeBinary, nullable=False),  # X-Wing public key; empty = none
    Column("enrolled_at", Whole, nullable=False),
    Column("crc", Whole, nullable=False),  # over all columns ahead
)

key_package = Table(
    "key_package",
    metadata,
    Column("kid", LargeBinary, ForeignKey("wrapped_key.kid"), primary_key=True),  # the key it carries
    Column("device_id", Text, nullable=False),  # the key's owner …
    Column("epoch", Whole, nullable=False),  # … and epoch: signed into the package
    Column("first_piv", Whole, nullable=False),
    Column("kem", Integer, nullable=False),  # how it is sealed
    Column("recipient", LargeBinary, nullable=False),  # SHA-256 over the DER it is sealed to
    Column("package", LargeBinary, nullable=False),  # COSE_Sign1, what every retry is answered with
    Column("delivery", Text, nullable=False),  # registry.key_package.Delivery
    Column("made_at", Whole, nullable=False),
    Column("confirmed_at", Whole, nullable=False),  # 0 = not
    # The window's highest PIV while nothing came under the key. A resync moves both, and is no use.
    Column("unused_at", Whole, nullable=False),
    Column("crc", Whole, nullable=False),  # over all columns ahead
)

registration = Table(
    "registration",
    metadata,
    Column("device_id", Text, ForeignKey("device.device_id"), primary_key=True),
    Column("kid", LargeBinary, nullable=False),  # the key whose possession was proved
    Column("crypto_se", LargeBinary, nullable=False),  # 8..32 octets
    Column("app_se", LargeBinary, nullable=False),  # 8..32 octets
    Column("methods", Text, nullable=False),  # JSON array of [method, handle hash in hex, enrolled at]
    Column("proof", LargeBinary, nullable=False),  # COSE_Sign1
    Column("registered_at", Whole, nullable=False),
    Column("crc", Whole, nullable=False),  # over all columns ahead
)

secure_element = Table(
    "secure_element",
    metadata,
    Column("se_id", LargeBinary, primary_key=True),  # in use once among live devices, whatever its role
    Column("device_id", Text, nullable=False),  # who registered with it
    Column("crc", Whole, nullable=False),  # over all columns ahead
    **CLUSTERED,
)

suspension = Table(
    "suspension",
    metadata,
    Column("device_id", Text, ForeignKey("device.device_id"), primary_key=True),
    Column("kind", Text, nullable=False),  # registry.suspension.SuspensionKind
    Column("resumes_to", Text, nullable=False),  # registry.device.DeviceState
    Column("proof_wanted", Integer, nullable=False),  # 1: only a registration proof lifts it
    Column("since", Whole, nullable=False),
    Column("reason", Text, nullable=False),
    Column("crc", Whole, nullable=False),  # over all columns ahead
    **CLUSTERED,
)

key_order = Table(
    "key_order",
    metadata,
    Column("device_id", Text, ForeignKey("device.device_id"), primary_key=True),
    Column("delivery", Text, nullable=False),  # registry.key_package.Delivery
    Column("reason", Text, nullable=False),
    Column("ordered_at", Whole, nullable=False, index=True),
    Column("crc", Whole, nullable=False),  # over all columns ahead
    **CLUSTERED,
)

# --- over the air ---

control_in = Table(
    "control_in",
    metadata,
    Column("kid", LargeBinary, primary_key=True),  # authenticated under this key of a device …
    Column("piv", Whole, primary_key=True),  # … and taken once
    Column("device_id", Text, nullable=False),
    Column("packet", LargeBinary, nullable=False),  # sealed, as it came
    Column("received_at", Whole, nullable=False, index=True),
    Column("crc", Whole, nullable=False),  # over all columns ahead
    **CLUSTERED,
)

control_out = Table(
    "control_out",
    metadata,
    Column("message_id", LargeBinary, primary_key=True),  # 16 octets
    Column("device_id", Text, ForeignKey("device.device_id"), nullable=False),
    Column("kid", LargeBinary, nullable=False),  # the key the package carries
    Column("msisdn", Text, nullable=False),  # the device's number when it was queued
    Column("packet", LargeBinary, nullable=False),  # the package
    Column("state", Text, nullable=False),  # registry.control.ControlState
    Column("attempts", SmallInteger, nullable=False),
    Column("due_at", Whole, nullable=False),  # not before
    Column("created_at", Whole, nullable=False),
    Column("changed_at", Whole, nullable=False),
    Column("reason", Text, nullable=False),  # why the last attempt failed
    Column("crc", Whole, nullable=False),  # over all columns ahead
    Index(None, "device_id", "created_at"),
)
_QUEUED = text("state = 'queued'")
Index(
    "ix_control_out_due",
    control_out.c.due_at,
    control_out.c.created_at,
    sqlite_where=_QUEUED,
    postgresql_where=_QUEUED,
)

# --- audit log: append-only by the triggers of `audit_triggers.py`, chained by `registry/audit.py` ---

audit = Table(
    "audit",
    metadata,
    Column("sequence", Whole, primary_key=True, autoincrement=False),  # 1, 2, … without a gap
    Column("at", Whole, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),  # noun.verb
    Column("subject", Text, nullable=False),  # device id, provider name, or "store"
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("facts", Text, nullable=False),  # JSON array of [name, value], sorted
    Column("hash", LargeBinary, nullable=False),  # 32 octets, over this entry and the hash ahead of it
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1: there is one row
    Column("sequence", Whole, nullable=False),  # of the last entry; 0 ahead of the first
    Column("hash", LargeBinary, nullable=False),  # its hash: a log whose end was cut off does not meet it
    CheckConstraint("id = 1", name="single"),
)
