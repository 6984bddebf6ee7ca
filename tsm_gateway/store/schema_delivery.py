"""The tables of the second channel, with a word on every column; see `schema.py`.

A million devices have a card, a key set or two, an application or two and a handful of jobs each: what is
asked with an app SE id or a device's id has that id as the head of its key. Jobs alone have indices besides:
of their device, of those that are open, of those that are closed.
"""

from __future__ import annotations

from sqlalchemy import (
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

# --- applications ---

load_file = Table(
    "load_file",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 over the octets
    Column("octets", LargeBinary, nullable=False),  # the load file data block
    Column("crc", Whole, nullable=False),  # over all columns ahead
)

application = Table(
    "application",
    metadata,
    Column("name", Text, primary_key=True),
    Column("major", Integer, primary_key=True),  # its version
    Column("minor", Integer, primary_key=True),
    Column("patch", Integer, primary_key=True),
    Column("digest", LargeBinary, ForeignKey("load_file.digest"), nullable=False, unique=True),
    Column("provider", Text, nullable=False),  # whose it is; "" = of no single provider
    Column("package_aid", LargeBinary, nullable=False),  # 5..16 octets
    Column("package_version", Text, nullable=False),  # "major.minor" of the CAP file
    Column("applet_aids", Text, nullable=False),  # JSON array in hex; the first is instantiated
    Column("java_card", Text, nullable=False),
    Column("size", Whole, nullable=False),  # octets of the load file data block
    Column("state", Text, nullable=False),  # registry.application.ApplicationState
    Column("published_at", Whole, nullable=False),
    Column("crc", Whole, nullable=False),  # over all columns ahead
)

application_signature = Table(
    "application_signature",
    metadata,
    Column("digest", LargeBinary, ForeignKey("load_file.digest"), primary_key=True),  # what is signed
    Column("key_id", LargeBinary, primary_key=True),  # 8 octets, by whom
    Column("scheme", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("signed_at", Whole, nullable=False),
    Column("crc", Whole, nullable=False),  # over all columns ahead
    **CLUSTERED,
)

rule = Table(
    "rule",
    metadata,
    Column("scope", Text, primary_key=True),  # registry.application.Scope: first, to find a device's …
    Column("subject", Text, primary_key=True),  # … own rules among a million
    Column("application", Text, primary_key=True),  # name
    Column("version", Text, nullable=False),  # "1.2.0"; "" = the newest
    Column("wanted", Integer, nullable=False),  # 0: they are not to have it
    Column("made_at", Whole, nullable=False),
    Column("crc", Whole, nullable=False),  # over all columns ahead
    **CLUSTERED,
)

device_application = Table(
    "device_application",
    metadata,
    Column("device_id", Text, ForeignKey("device.device_id"), primary_key=True),
    Column("application", Text, primary_key=True),  # name
    Column("version", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # of its load file
    Column("state", Text, nullable=False),  # registry.application.InstallState
    Column("changed_at", Whole, nullable=False),
    Column("reason", Text, nullable=False),
    Column("crc", Whole, nullable=False),  # over all columns ahead
    **CLUSTERED,
)

# --- cards ---

card = Table(
    "card",
    metadata,
    Column("app_se", LargeBinary, primary_key=True),  # 8..32 octets
    Column("sd_aid", LargeBinary, nullable=False),  # 5..16 octets
    Column("protocol", Integer, nullable=False),  # parameter "i" of SCP03
    Column("issuer", Text, nullable=False),  # who handed the manifest over
    Column("dap_key", LargeBinary, nullable=False),  # 8 octets; empty = the gateway's present key
    Column("imported_at", Whole, nullable=False),
    Column("crc", Whole, nullable=False),  # over all columns ahead
    **CLUSTERED,
)

card_key = Table(
    "card_key",
    metadata,
    Column("app_se", LargeBinary, ForeignKey("card.app_se"), primary_key=True),
    Column("kvn", Integer, primary_key=True),  # key version number
    Column("state", Text, nullable=False),  # registry.card.CardKeyState
    Column("wrapped", LargeBinary, nullable=False),  # never in clear; empty once retired
    Column("master_version", Whole, nullable=False),  # which master key wraps it
    Column("created_at", Whole, nullable=False),
    Column("crc", Whole, nullable=False),  # over all columns ahead
    **CLUSTERED,
)

card_inventory = Table(
    "card_inventory",
    metadata,
    Column("app_se", LargeBinary, ForeignKey("card.app_se"), primary_key=True),
    Column("contents", Text, nullable=False),  # JSON: entries, in hex, and silent kinds
    Column("free_memory", Whole),  # octets; NULL where the card does not tell
    Column("taken_at", Whole, nullable=False),
    Column("crc", Whole, nullable=False),  # over all columns ahead
)

# --- jobs ---

job = Table(
    "job",
    metadata,
    Column("job_id", LargeBinary, primary_key=True),  # 8 octets
    Column("device_id", Text, ForeignKey("device.device_id"), nullable=False),
    Column("kind", Text, nullable=False),  # registry.job.JobKind
    Column("application", Text, nullable=False),  # name; "" = on the card itself
    Column("digest", LargeBinary, nullable=False),  # of the load file it is about; empty = none
    Column("state", Text, nullable=False),  # registry.job.JobState
    Column("attempts", SmallInteger, nullable=False),  # sessions in which it was begun
    Column("blocks_done", Integer, nullable=False),  # that the card has …
    Column("blocks_total", Integer, nullable=False),  # … of so many
    Column("due_at", Whole, nullable=False),  # not before
    Column("created_at", Whole, nullable=False),
    Column("changed_at", Whole, nullable=False),
    Column("reason", Text, nullable=False),
    Column("crc", Whole, nullable=False),  # over all columns ahead
    Index(None, "device_id", "created_at"),
    **CLUSTERED,
)
# What is to be done, few of many. The conditions are texts: a plan finds the index by its very words.
_OPEN = text("state IN ('queued', 'active')")
Index("ix_job_open", job.c.job_id, sqlite_where=_OPEN, postgresql_where=_OPEN)
# What was done, by age: an index that is written at its end only.
_CLOSED = text("state IN ('done', 'failed', 'cancelled')")
Index("ix_job_closed", job.c.changed_at, job.c.job_id, sqlite_where=_CLOSED, postgresql_where=_CLOSED)
