"""What keeps the audit log append-only whoever writes, for SQLite; a migration puts it in place.

Against mistakes and against a hole in our own statements: whoever may change the schema can drop a
trigger, which is why the entries are chained (registry/audit.py). A replacing insert deletes without
firing a trigger, so an insert, too, is allowed at the end only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TRIGGERS: Final[Mapping[str, str]] = {
    "audit_no_update": """
        CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    "audit_no_delete": """
        CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    "audit_at_the_end": """
        CREATE TRIGGER audit_at_the_end BEFORE INSERT ON audit
        WHEN NEW.sequence <> (SELECT sequence FROM audit_head) + 1
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    "audit_head_forward": """
        CREATE TRIGGER audit_head_forward BEFORE UPDATE ON audit_head
        WHEN NEW.sequence <> OLD.sequence + 1 OR NEW.id <> OLD.id
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    "audit_head_no_delete": """
        CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    "audit_head_no_second": """
        CREATE TRIGGER audit_head_no_second BEFORE INSERT ON audit_head
        WHEN EXISTS (SELECT 1 FROM audit_head)
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
}
