"""The tables of registry and relay, with a word on every column; the same for SQLite and PostgreSQL.

Those of provisioning and of the audit log stand in `schema_provisioning.py`.

Times are Unix seconds. States and moves are the texts of `relay.states` and `registry`, so that a person
can read a row. `crc` is a CRC-32 (store/checksum.py) of what must not silently change: a flipped bit is
found before a payment is sent elsewhere, sealed with a used counter or accepted twice.

Tables that every payment touches carry no foreign keys and no checks of values: their rows are written
together in one transaction by one writer, each check costs as much as the insert itself (measured), and
`store check` verifies what they would.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from tsm_gateway.store.schema_base import CLUSTERED, Whole, metadata

meta = Table(
    "meta",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1: there is one row
    Column("store_id", LargeBinary, nullable=False),  # 16 random octets; new ones at every resync
    Column("epoch", Whole, nullable=False),  # 1, and one more at every resync
    Column("generation", Whole, nullable=False),  # one more in every writing transaction
    Column("registry_version", Whole, nullable=False),  # one more per administrative write
    Column("queue_version", Whole, nullable=False),  # one more per operator's move of a message
    Column("copied", Boolean, nullable=False),  # this file is a backup: not to be started as it is
    CheckConstraint("id = 1", name="single"),
)

# --- registry ---

device = Table(
    "device",
    metadata,
    Column("device_id", Text, primary_key=True),  # "d:" and 16 hexadecimal digits
    Column("state", Text, nullable=False),  # registry.device.DeviceState
    Column("certificate", LargeBinary, nullable=False),  # X.509 DER
    Column("msisdn", Text, nullable=False),  # "+E.164", "" when unknown
    Column("created_at", Whole, nullable=False),
    Column("changed_at", Whole, nullable=False),
    Column("reason", Text, nullable=False),  # why it is in this state
    Column("crc", Whole, nullable=False),  # over all columns ahead
)

provider = Table(
    "provider",
    metadata,
    Column("name", Text, primary_key=True),  # the owner-id of its keys
    Column("state", Text, nullable=False),  # registry.provider.ProviderState
    Column("msisdn", Text, nullable=False),  # where packets are sent
    Column("routes", Text, nullable=False),  # JSON array of link names, best first
    Column("verify", Text, nullable=False),  # registry.provider.Verify
    Column("amount_limit", Whole, nullable=False),  # minor units; 0 = none
    Column("biometric_above", Whole, nullable=False),  # minor units; 0 = never demanded
    Column("receipt", Boolean, nullable=False),  # ask for delivery receipts
    Column("validity_s", Whole, nullable=False),  # 0 = the network's default
    Column("created_at", Whole, nullable=False),
    Column("changed_at", Whole, nullable=False),
    Column("reason", Text, nullable=False),  # why it is in this state
    Column("crc", Whole, nullable=False),  # over all columns ahead and the addresses in order
)

provider_address = Table(
    "provider_address",
    metadata,
    Column("address", Text, primary_key=True),  # registry/address.py
    Column("name", Text, ForeignKey("provider.name"), nullable=False, index=True),  # whose it is
    Column("position", SmallInteger, nullable=False),  # 0, 1, … in the order they were given
)

wrapped_key = Table(
    "wrapped_key",
    metadata,
    Column("kid", LargeBinary, primary_key=True),  # 4 octets, unique among devices and providers alike
    Column("device_id", Text, ForeignKey("device.device_id")),  # the owner is a device …
    Column("provider", Text, ForeignKey("provider.name")),  # … or a provider
    Column("epoch", Whole, nullable=False),  # the owner's 1st, 2nd, … key
    Column("state", Text, nullable=False),  # registry.device.KeyState
    Column("wrapped", LargeBinary, nullable=False),  # never in clear
    Column("master_version", Whole, nullable=False),  # which master key wraps it
    Column("created_at", Whole, nullable=False),
    Column("accepted_until", Whole),  # set while OVERLAP: retired after it
    Column("crc", Whole, nullable=False),  # over all columns ahead
    CheckConstraint("(device_id IS NULL) <> (provider IS NULL)", name="one_owner"),
    UniqueConstraint("device_id", "epoch"),
    UniqueConstraint("provider", "epoch"),
)
Index(
    "ix_wrapped_key_overlap",
    wrapped_key.c.accepted_until,
    sqlite_where=wrapped_key.c.accepted_until.is_not(None),
    postgresql_where=wrapped_key.c.accepted_until.is_not(None),
)
# Which keys of devices are old. The conditions are texts: a plan finds the index by its very words.
_OF_A_DEVICE = text("state = 'current' AND device_id IS NOT NULL")
Index(
    "ix_wrapped_key_age",
    wrapped_key.c.created_at,
    wrapped_key.c.kid,
    sqlite_where=_OF_A_DEVICE,
    postgresql_where=_OF_A_DEVICE,
)
# Keys that replace another one and wait to be confirmed: few, where nearly every device had a first one.
_NOT_THE_FIRST = text("state = 'pending' AND epoch > 1")
Index(
    "ix_wrapped_key_waiting",
    wrapped_key.c.kid,
    sqlite_where=_NOT_THE_FIRST,
    postgresql_where=_NOT_THE_FIRST,
)

replay_window = Table(
    "replay_window",
    metadata,
    Column("kid", LargeBinary, ForeignKey("wrapped_key.kid"), primary_key=True),  # 4 octets
    Column("highest", Whole, nullable=False),  # PIV
    Column("bitmap", Whole, nullable=False),  # 64 bits as a signed number; bit 0 = highest
    Column("crc", Whole, nullable=False),  # over all columns ahead
    **CLUSTERED,
)

piv_counter = Table(
    "piv_counter",
    metadata,
    Column("kid", LargeBinary, ForeignKey("wrapped_key.kid"), primary_key=True),  # 4 octets
    Column("next_piv", Whole, nullable=False),  # not used yet; only ever grows
    Column("crc", Whole, nullable=False),  # over all columns ahead
    **CLUSTERED,
)

# --- messages ---

# Not clustered: done messages are kept for weeks, and random ids in a clustered table of their size would
# write a page per row (measured with 400,000 rows: 19 instead of 14 µs, and six times the log at hand-over).
message = Table(
    "message",
    metadata,
    Column("message_id", LargeBinary, primary_key=True),  # 16 octets
    Column("kid", LargeBinary, nullable=False),  # the device's key …
    Column("piv", Whole, nullable=False),  # … and its counter: together accepted at most once
    Column("device_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("provider_kid", LargeBinary, nullable=False),
    Column("provider_piv", Whole, nullable=False),
    Column("bearer", Text, nullable=False),  # the link it came by
    Column("received_at", Whole, nullable=False),
    Column("reference", SmallInteger, nullable=False),  # concatenation reference of its parts
    Column("receipt", Boolean, nullable=False),  # delivery receipts are asked for
    Column("state", Text, nullable=False),  # relay.states.MessageState
    Column("attempts", Integer, nullable=False),  # claims, less those returned unsent
    Column("due_at", Whole),  # set while queued (0: at once) or deferred (not before)
    Column("changed_at", Whole, nullable=False),  # the last move
    Column("reason", Text, nullable=False),  # why it was deferred, given up, held, …
    UniqueConstraint("kid", "piv"),
    Index(None, "state", "changed_at"),  # recover, purge, list, count
)
# What may be claimed; a message that a lane took at once never enters it.
Index(
    "ix_message_due",
    message.c.provider,
    message.c.due_at,
    message.c.received_at,
    sqlite_where=message.c.due_at.is_not(None),
    postgresql_where=message.c.due_at.is_not(None),
)

outbox = Table(
    "outbox",
    metadata,
    Column("message_id", LargeBinary, primary_key=True),
    Column("packet", LargeBinary, nullable=False),  # sealed for the provider; deleted when done with
    Column("crc", Whole, nullable=False),  # over the packet and where it goes
    **CLUSTERED,
)

cti = Table(
    "cti",
    metadata,
    Column("cti", LargeBinary, primary_key=True),  # 8 octets, the certificate's id; first, to look up many
    Column("device_id", Text, primary_key=True),  # who presented it
    Column("expires", Whole, nullable=False, index=True),  # the certificate's exp
    **CLUSTERED,
)

segment = Table(
    "segment",
    metadata,
    Column("row", Whole, primary_key=True, autoincrement=False),  # given by the relay, increasing
    Column("bearer", Text, nullable=False),  # all that outlives a restart of its ticket
    Column("source", Text, nullable=False),  # who sent it
    Column("destination", Text, nullable=False),  # the number it was sent to
    Column("protocol_id", SmallInteger, nullable=False),  # TP-PID
    Column("data_coding", SmallInteger, nullable=False),  # TP-DCS
    Column("port", Integer),  # destination port; NULL without application port addressing
    Column("reference", Integer),  # concatenation reference; NULL when not concatenated
    Column("total", SmallInteger, nullable=False),  # parts of the whole message
    Column("number", SmallInteger, nullable=False),  # this part, 1..total
    Column("body", LargeBinary, nullable=False),  # ciphertext
    Column("received_at", Whole, nullable=False),
)

part = Table(
    "part",
    metadata,
    Column("message_id", LargeBinary, primary_key=True),
    Column("number", SmallInteger, primary_key=True),  # 1..total
    Column("total", SmallInteger, nullable=False),  # parts of its message
    Column("smsc_id", Text, nullable=False),  # the id it was given, best spelling; "" when none
    Column("at", Whole, nullable=False),  # when it was taken
    Column("receipt", Text, nullable=False),  # "", or messages.ReceiptState "delivered", "failed"
    Column("receipt_at", Whole),  # when its receipt came
    **CLUSTERED,
)

part_spelling = Table(
    "part_spelling",
    metadata,
    Column("spelling", Text, primary_key=True),  # of the part's id in a receipt
    Column("message_id", LargeBinary, primary_key=True, index=True),
    Column("number", SmallInteger, primary_key=True),
    **CLUSTERED,
)

early_receipt = Table(
    "early_receipt",
    metadata,
    Column("best", Text, primary_key=True),  # the receipt's first spelling: names the receipt
    Column("spelling", Text, primary_key=True, index=True),
    Column("position", SmallInteger, nullable=False),  # of the spelling, 0 = best
    Column("bearer", Text, nullable=False),  # the link it came by
    Column("state", Text, nullable=False),  # messages.ReceiptState
    Column("error", Text, nullable=False),  # the network's error field
    Column("arrived_at", Whole, nullable=False, index=True),
    **CLUSTERED,
)
