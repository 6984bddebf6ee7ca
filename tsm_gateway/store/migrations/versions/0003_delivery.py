"""The second channel; `store/schema_delivery.py` says what every column means."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CLUSTERED = {"sqlite_with_rowid": False}


def upgrade() -> None:
    """Add its tables; those that are there stay as they are."""
    _applications()
    _assignments()
    _cards()
    _jobs()


def downgrade() -> None:
    """Key sets of cards would be lost, and with them the cards: use the copy made by the upgrade."""
    message = "the schema of the second channel cannot be downgraded"
    raise RuntimeError(message)


def _applications() -> None:
    """What was published and signed."""
    op.create_table(
        "load_file",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_load_file")),
    )
    op.create_table(
        "application",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("major", sa.Integer(), nullable=False),
        sa.Column("minor", sa.Integer(), nullable=False),
        sa.Column("patch", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("package_aid", sa.LargeBinary(), nullable=False),
        sa.Column("package_version", sa.Text(), nullable=False),
        sa.Column("applet_aids", sa.Text(), nullable=False),
        sa.Column("java_card", sa.Text(), nullable=False),
        sa.Column("size", WHOLE, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("published_at", WHOLE, nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("name", "major", "minor", "patch", name=op.f("pk_application")),
        sa.UniqueConstraint("digest", name=op.f("uq_application_digest")),
        sa.ForeignKeyConstraint(["digest"], ["load_file.digest"], name=op.f("fk_application_digest")),
    )
    op.create_table(
        "application_signature",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("signed_at", WHOLE, nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("digest", "key_id", name=op.f("pk_application_signature")),
        sa.ForeignKeyConstraint(
            ["digest"], ["load_file.digest"], name=op.f("fk_application_signature_digest")
        ),
        **CLUSTERED,
    )


def _assignments() -> None:
    """Who is to have what, and has it."""
    op.create_table(
        "rule",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("made_at", WHOLE, nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("scope", "subject", "application", name=op.f("pk_rule")),
        **CLUSTERED,
    )
    op.create_table(
        "device_application",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("changed_at", WHOLE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("device_id", "application", name=op.f("pk_device_application")),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.device_id"], name=op.f("fk_device_application_device_id")
        ),
        **CLUSTERED,
    )


def _cards() -> None:
    """App SEs as cards: their key sets, and what they hold."""
    op.create_table(
        "card",
        sa.Column("app_se", sa.LargeBinary(), nullable=False),
        sa.Column("sd_aid", sa.LargeBinary(), nullable=False),
        sa.Column("protocol", sa.Integer(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("dap_key", sa.LargeBinary(), nullable=False),
        sa.Column("imported_at", WHOLE, nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("app_se", name=op.f("pk_card")),
        **CLUSTERED,
    )
    op.create_table(
        "card_key",
        sa.Column("app_se", sa.LargeBinary(), nullable=False),
        sa.Column("kvn", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("master_version", WHOLE, nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("app_se", "kvn", name=op.f("pk_card_key")),
        sa.ForeignKeyConstraint(["app_se"], ["card.app_se"], name=op.f("fk_card_key_app_se")),
        **CLUSTERED,
    )
    op.create_table(
        "card_inventory",
        sa.Column("app_se", sa.LargeBinary(), nullable=False),
        sa.Column("contents", sa.Text(), nullable=False),
        sa.Column("free_memory", WHOLE, nullable=True),
        sa.Column("taken_at", WHOLE, nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("app_se", name=op.f("pk_card_inventory")),
        sa.ForeignKeyConstraint(["app_se"], ["card.app_se"], name=op.f("fk_card_inventory_app_se")),
    )


def _jobs() -> None:
    """What is to be done on app SEs, and was."""
    op.create_table(
        "job",
        sa.Column("job_id", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("blocks_done", sa.Integer(), nullable=False),
        sa.Column("blocks_total", sa.Integer(), nullable=False),
        sa.Column("due_at", WHOLE, nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("changed_at", WHOLE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job")),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_job_device_id")),
        **CLUSTERED,
    )
    op.create_index("ix_job_device_id_created_at", "job", ["device_id", "created_at"])
    still_open = sa.text("state IN ('queued', 'active')")
    op.create_index("ix_job_open", "job", ["job_id"], sqlite_where=still_open, postgresql_where=still_open)
    closed = sa.text("state IN ('done', 'failed', 'cancelled')")
    op.create_index(
        "ix_job_closed",
        "job",
        ["changed_at", "job_id"],
        sqlite_where=closed,
        postgresql_where=closed,
    )
