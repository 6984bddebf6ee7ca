"""Applications, their signatures and the rules about them, inside the transaction whose cursor is given."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from tsm_gateway.registry.application import ApplicationState, Scope
from tsm_gateway.registry.errors import MoveNotAllowed, NotKnown
from tsm_gateway.store.acts import Act, facts
from tsm_gateway.store.delivery_rows import (
    application_row,
    load_file_row,
    read_application,
    rule_row,
    signature_row,
)
from tsm_gateway.store.delivery_statements import (
    DELETE_RULE,
    FIND_APPLICATION,
    FIND_BY_DIGEST,
    INSERT_APPLICATION,
    INSERT_LOAD_FILE,
    LIST_VERSIONS,
    PUT_RULE,
    PUT_SIGNATURE,
    UPDATE_APPLICATION,
)
from tsm_gateway.store.owner_store import belong_together, known_already, live_device

if TYPE_CHECKING:
    import sqlite3

    from tsm_gateway.registry.application import Application, ApplicationSignature, Rule, Version

NEWEST = "newest"  # the version that a rule without one names, to people


def publish(
    cursor: sqlite3.Cursor,
    application: Application,
    load_file: bytes,
    signature: ApplicationSignature,
    at: int,
) -> Act:
    """Insert a version with its load file and signature. Raises AlreadyKnown, ValueError."""
    name, version, digest, *_ = application
    belong_together((sha256(load_file).digest(), len(load_file)), (digest, application.size))
    belong_together(digest, signature.digest)
    with known_already(what="load file", name=name, version=str(version), digest=digest.hex()):
        cursor.execute(INSERT_LOAD_FILE, load_file_row(digest, load_file))
    with known_already(what="application", name=name, version=str(version)):
        cursor.execute(INSERT_APPLICATION, application_row(application))
    cursor.execute(PUT_SIGNATURE, signature_row(signature))
    told = facts(version=str(version), digest=digest, size=application.size, key=signature.key_id)
    return Act(at, "application.publish", name, "", told)


def sign(cursor: sqlite3.Cursor, signature: ApplicationSignature) -> Act:
    """Put another key's signature over a published digest. Raises NotKnown, RowDamaged."""
    row = cursor.execute(FIND_BY_DIGEST, (signature.digest,)).fetchone()
    if row is None:
        raise NotKnown(what="application", digest=signature.digest.hex())
    known = read_application(row)
    cursor.execute(PUT_SIGNATURE, signature_row(signature))
    told = facts(version=str(known.version), digest=known.digest, key=signature.key_id)
    return Act(signature.signed_at, "application.sign", known.name, "", told)


def retire(
    cursor: sqlite3.Cursor, name: str, version: Version, reason: str, at: int
) -> tuple[Application, Act]:
    """Take a version from the published ones. Raises NotKnown, MoveNotAllowed, RowDamaged."""
    known = published_application(cursor, name, version, "retire")
    retired = known._replace(state=ApplicationState.RETIRED)
    *_, state, _, crc = application_row(retired)
    cursor.execute(UPDATE_APPLICATION, (state, crc, known.digest))
    return retired, Act(at, "application.retire", name, reason, facts(version=str(version)))


def assign(cursor: sqlite3.Cursor, rule: Rule, reason: str) -> Act:
    """Put a rule. Raises NotKnown, MoveNotAllowed, ValueError for a subject that its scope does not have."""
    belong_together(rule.scope is Scope.ALL, not rule.subject)
    if rule.version is not None:
        find = published_application if rule.wanted else find_application
        find(cursor, rule.application, rule.version)
    elif cursor.execute(LIST_VERSIONS, (rule.application,)).fetchone() is None:
        raise NotKnown(what="application", name=rule.application)
    if rule.scope is Scope.DEVICE:
        live_device(cursor, rule.subject, "assign")
    cursor.execute(PUT_RULE, rule_row(rule))
    version = NEWEST if rule.version is None else str(rule.version)
    wanted = "yes" if rule.wanted else "no"
    told = facts(scope=rule.scope.value, whom=rule.subject, version=version, wanted=wanted)
    return Act(rule.made_at, "application.assign", rule.application, reason, told)


def unassign(cursor: sqlite3.Cursor, key: tuple[Scope, str, str], reason: str, at: int) -> Act:
    """Delete the rule with that scope, subject and application. Raises NotKnown."""
    scope, subject, application = key
    if not cursor.execute(DELETE_RULE, (scope.value, subject, application)).rowcount:
        raise NotKnown(what="rule", name=application, scope=scope.value, subject=subject)
    told = facts(scope=scope.value, whom=subject)
    return Act(at, "application.unassign", application, reason, told)


def find_application(cursor: sqlite3.Cursor, name: str, version: Version) -> Application:
    """One version. Raises NotKnown, RowDamaged."""
    row = cursor.execute(FIND_APPLICATION, (name, *version)).fetchone()
    if row is None:
        raise NotKnown(what="application", name=name, version=str(version))
    return read_application(row)


def published_application(
    cursor: sqlite3.Cursor, name: str, version: Version, move: str = "assign"
) -> Application:
    """One version that is not retired. Raises NotKnown, MoveNotAllowed naming the `move`, RowDamaged."""
    known = find_application(cursor, name, version)
    if known.state is ApplicationState.RETIRED:
        state = f"{known.state.value} already" if move == "retire" else known.state.value
        raise MoveNotAllowed(name=name, version=str(version), move=move, state=state)
    return known
