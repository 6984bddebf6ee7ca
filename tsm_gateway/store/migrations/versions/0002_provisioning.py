"""Provisioning and the audit log; `store/schema_provisioning.py` says what every column means."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CLUSTERED = {"sqlite_with_rowid": False}
APPEND_ONLY = "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"


def upgrade() -> None:
    """Add its tables, two indices of keys and what keeps the audit log append-only."""
    _keys()
    _devices()
    _elements()
    _orders()
    _air()
    _audit()
    _triggers()


def downgrade() -> None:
    """Registrations and the audit log would be lost: use the copy made by the upgrade."""
    message = "the schema of provisioning cannot be downgraded"
    raise RuntimeError(message)


def _keys() -> None:
    """Which keys are old, which wait."""
    current = sa.text("state = 'current' AND device_id IS NOT NULL")
    op.create_index(
        "ix_wrapped_key_age",
        "wrapped_key",
        ["created_at", "kid"],
        sqlite_where=current,
        postgresql_where=current,
    )
    pending = sa.text("state = 'pending' AND epoch > 1")
    op.create_index(
        "ix_wrapped_key_waiting", "wrapped_key", ["kid"], sqlite_where=pending, postgresql_where=pending
    )


def _devices() -> None:
    """What channel 1 learnt of devices."""
    op.create_table(
        "enrolment",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("key_certificate", sa.LargeBinary(), nullable=False),
        sa.Column("hybrid_key", sa.LargeBinary(), nullable=False),
        sa.Column("enrolled_at", WHOLE, nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_enrolment")),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_enrolment_device_id")),
    )
    op.create_table(
        "key_package",
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("epoch", WHOLE, nullable=False),
        sa.Column("first_piv", WHOLE, nullable=False),
        sa.Column("kem", sa.Integer(), nullable=False),
        sa.Column("recipient", sa.LargeBinary(), nullable=False),
        sa.Column("package", sa.LargeBinary(), nullable=False),
        sa.Column("delivery", sa.Text(), nullable=False),
        sa.Column("made_at", WHOLE, nullable=False),
        sa.Column("confirmed_at", WHOLE, nullable=False),
        sa.Column("unused_at", WHOLE, nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_key_package")),
        sa.ForeignKeyConstraint(["kid"], ["wrapped_key.kid"], name=op.f("fk_key_package_kid")),
    )


def _elements() -> None:
    """Registrations and the secure elements they use up."""
    op.create_table(
        "registration",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("crypto_se", sa.LargeBinary(), nullable=False),
        sa.Column("app_se", sa.LargeBinary(), nullable=False),
        sa.Column("methods", sa.Text(), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False),
        sa.Column("registered_at", WHOLE, nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_registration")),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_registration_device_id")),
    )
    op.create_table(
        "secure_element",
        sa.Column("se_id", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("se_id", name=op.f("pk_secure_element")),
        **CLUSTERED,
    )


def _orders() -> None:
    """Suspensions in force and keys that were asked for."""
    op.create_table(
        "suspension",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("resumes_to", sa.Text(), nullable=False),
        sa.Column("proof_wanted", sa.Integer(), nullable=False),
        sa.Column("since", WHOLE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_suspension")),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_suspension_device_id")),
        **CLUSTERED,
    )
    op.create_table(
        "key_order",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("delivery", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ordered_at", WHOLE, nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_key_order")),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_key_order_device_id")),
        **CLUSTERED,
    )
    op.create_index("ix_key_order_ordered_at", "key_order", ["ordered_at"])


def _air() -> None:
    """Keys sent as short messages, and their confirmations."""
    op.create_table(
        "control_in",
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("piv", WHOLE, nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("packet", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", WHOLE, nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("kid", "piv", name=op.f("pk_control_in")),
        **CLUSTERED,
    )
    op.create_index("ix_control_in_received_at", "control_in", ["received_at"])
    op.create_table(
        "control_out",
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("msisdn", sa.Text(), nullable=False),
        sa.Column("packet", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", WHOLE, nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("changed_at", WHOLE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("crc", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_control_out")),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_control_out_device_id")),
    )
    op.create_index("ix_control_out_device_id_created_at", "control_out", ["device_id", "created_at"])
    queued = sa.text("state = 'queued'")
    op.create_index(
        "ix_control_out_due",
        "control_out",
        ["due_at", "created_at"],
        sqlite_where=queued,
        postgresql_where=queued,
    )


def _audit() -> None:
    """The log and its head, which stands ahead of the first entry."""
    op.create_table(
        "audit",
        sa.Column("sequence", WHOLE, autoincrement=False, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit")),
    )
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", WHOLE, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_single")),
    )
    op.bulk_insert(head, [{"id": 1, "sequence": 0, "hash": bytes(32)}])


def _triggers() -> None:
    """SQLite's wording."""
    for name, when in (
        ("audit_no_update", "UPDATE ON audit"),
        ("audit_no_delete", "DELETE ON audit"),
        ("audit_at_the_end", "INSERT ON audit WHEN NEW.sequence <> (SELECT sequence FROM audit_head) + 1"),
        (
            "audit_head_forward",
            "UPDATE ON audit_head WHEN NEW.sequence <> OLD.sequence + 1 OR NEW.id <> OLD.id",
        ),
        ("audit_head_no_delete", "DELETE ON audit_head"),
        ("audit_head_no_second", "INSERT ON audit_head WHEN EXISTS (SELECT 1 FROM audit_head)"),
    ):
        op.execute(f"CREATE TRIGGER {name} BEFORE {when} {APPEND_ONLY}")
