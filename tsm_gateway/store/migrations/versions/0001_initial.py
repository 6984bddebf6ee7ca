"""The first schema; `store/schema.py` says what every column means."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CLUSTERED = {"sqlite_with_rowid": False}


def upgrade() -> None:
    """Create every table."""
    _store()
    _owners()
    _keys()
    _messages()
    _segments()
    _parts()


def downgrade() -> None:
    """There is nothing before the first schema."""
    message = "the first schema cannot be downgraded"
    raise RuntimeError(message)


def _store() -> None:
    """The store about itself."""
    op.create_table(
        "meta",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("store_id", sa.LargeBinary(), nullable=False),
        sa.Column("epoch", WHOLE, nullable=False),
        sa.Column("generation", WHOLE, nullable=False),
        sa.Column("registry_version", WHOLE, nullable=False),
        sa.Column("queue_version", WHOLE, nullable=False),
        sa.Column("copied", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meta")),
        sa.CheckConstraint("id = 1", name=op.f("ck_meta_single")),
    )


def _owners() -> None:
    """Devices and providers."""
    op.create_table(
        "device",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("msisdn", sa.Text(), nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("changed_at", WHOLE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device")),
    )
    op.create_table(
        "provider",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("msisdn", sa.Text(), nullable=False),
        sa.Column("routes", sa.Text(), nullable=False),
        sa.Column("verify", sa.Text(), nullable=False),
        sa.Column("amount_limit", WHOLE, nullable=False),
        sa.Column("biometric_above", WHOLE, nullable=False),
        sa.Column("receipt", sa.Boolean(), nullable=False),
        sa.Column("validity_s", WHOLE, nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("changed_at", WHOLE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_provider")),
    )
    op.create_table(
        "provider_address",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_provider_address")),
        sa.ForeignKeyConstraint(["name"], ["provider.name"], name=op.f("fk_provider_address_name")),
    )
    op.create_index("ix_provider_address_name", "provider_address", ["name"])


def _keys() -> None:
    """Their keys, wrapped, with replay windows and counters."""
    op.create_table(
        "wrapped_key",
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("epoch", WHOLE, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("master_version", WHOLE, nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("accepted_until", WHOLE, nullable=True),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_wrapped_key")),
        sa.CheckConstraint(
            "(device_id IS NULL) <> (provider IS NULL)", name=op.f("ck_wrapped_key_one_owner")
        ),
        sa.UniqueConstraint("device_id", "epoch", name=op.f("uq_wrapped_key_device_id_epoch")),
        sa.UniqueConstraint("provider", "epoch", name=op.f("uq_wrapped_key_provider_epoch")),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_wrapped_key_device_id")),
        sa.ForeignKeyConstraint(["provider"], ["provider.name"], name=op.f("fk_wrapped_key_provider")),
    )
    only = sa.text("accepted_until IS NOT NULL")
    op.create_index(
        "ix_wrapped_key_overlap", "wrapped_key", ["accepted_until"], sqlite_where=only, postgresql_where=only
    )
    op.create_table(
        "replay_window",
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("highest", WHOLE, nullable=False),
        sa.Column("bitmap", WHOLE, nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_replay_window")),
        sa.ForeignKeyConstraint(["kid"], ["wrapped_key.kid"], name=op.f("fk_replay_window_kid")),
        **CLUSTERED,
    )
    op.create_table(
        "piv_counter",
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("next_piv", WHOLE, nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_piv_counter")),
        sa.ForeignKeyConstraint(["kid"], ["wrapped_key.kid"], name=op.f("fk_piv_counter_kid")),
        **CLUSTERED,
    )


def _messages() -> None:
    """Accepted payments and what keeps them from being accepted twice."""
    op.create_table(
        "message",
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("piv", WHOLE, nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_kid", sa.LargeBinary(), nullable=False),
        sa.Column("provider_piv", WHOLE, nullable=False),
        sa.Column("bearer", sa.Text(), nullable=False),
        sa.Column("received_at", WHOLE, nullable=False),
        sa.Column("reference", sa.SmallInteger(), nullable=False),
        sa.Column("receipt", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", WHOLE, nullable=True),
        sa.Column("changed_at", WHOLE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message")),
        sa.UniqueConstraint("kid", "piv", name=op.f("uq_message_kid_piv")),
    )
    only = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_message_due",
        "message",
        ["provider", "due_at", "received_at"],
        sqlite_where=only,
        postgresql_where=only,
    )
    op.create_index("ix_message_state_changed_at", "message", ["state", "changed_at"])
    op.create_table(
        "outbox",
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("packet", sa.LargeBinary(), nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_outbox")),
        **CLUSTERED,
    )
    op.create_table(
        "cti",
        sa.Column("cti", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("expires", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("cti", "device_id", name=op.f("pk_cti")),
        **CLUSTERED,
    )
    op.create_index("ix_cti_expires", "cti", ["expires"])


def _segments() -> None:
    """Parts of messages that are not complete."""
    op.create_table(
        "segment",
        sa.Column("row", WHOLE, autoincrement=False, nullable=False),
        sa.Column("bearer", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("protocol_id", sa.SmallInteger(), nullable=False),
        sa.Column("data_coding", sa.SmallInteger(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("reference", sa.Integer(), nullable=True),
        sa.Column("total", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("row", name=op.f("pk_segment")),
    )


def _parts() -> None:
    """Parts handed over, and their receipts."""
    op.create_table(
        "part",
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("total", sa.SmallInteger(), nullable=False),
        sa.Column("smsc_id", sa.Text(), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("receipt_at", WHOLE, nullable=True),
        sa.PrimaryKeyConstraint("message_id", "number", name=op.f("pk_part")),
        **CLUSTERED,
    )
    op.create_table(
        "part_spelling",
        sa.Column("spelling", sa.Text(), nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("spelling", "message_id", "number", name=op.f("pk_part_spelling")),
        **CLUSTERED,
    )
    op.create_index("ix_part_spelling_message_id", "part_spelling", ["message_id"])
    op.create_table(
        "early_receipt",
        sa.Column("best", sa.Text(), nullable=False),
        sa.Column("spelling", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("bearer", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("arrived_at", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("best", "spelling", name=op.f("pk_early_receipt")),
        **CLUSTERED,
    )
    op.create_index("ix_early_receipt_arrived_at", "early_receipt", ["arrived_at"])
    op.create_index("ix_early_receipt_spelling", "early_receipt", ["spelling"])
