"""The statements of the second channel, each with a sentence; compiled when loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, delete, func, or_, select, tuple_, union_all, update

from tsm_gateway.registry.application import InstallState, Scope
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.job import JobState
from tsm_gateway.store.dialect import compiled, fixed, given, insert_row, limited, put_row
from tsm_gateway.store.schema import device, wrapped_key
from tsm_gateway.store.schema_delivery import (
    application,
    application_signature,
    card,
    card_inventory,
    card_key,
    device_application,
    job,
    load_file,
    rule,
)

if TYPE_CHECKING:
    from sqlalchemy import Table


def _find(table: Table, *key: str) -> str:
    """The row with that key, or those with that head of their key, in order of it."""
    statement = select(table).where(*(table.c[name] == given(name) for name in key))
    rest = [column for column in table.primary_key.columns if column.name not in key]
    return compiled(statement.order_by(*rest), *key)


def _delete(table: Table, *key: str) -> str:
    """The row with that key, or those with that head of their key."""
    names = [f"of_{name}" for name in key]
    pairs = zip(key, names, strict=True)
    return compiled(delete(table).where(*(table.c[column] == given(name) for column, name in pairs)), *names)


# --- applications ---

INSERT_LOAD_FILE: Final = insert_row(load_file)
FIND_LOAD_FILE: Final = _find(load_file, "digest")

INSERT_APPLICATION: Final = insert_row(application)
FIND_APPLICATION: Final = _find(application, "name", "major", "minor", "patch")
FIND_BY_DIGEST: Final = compiled(select(application).where(application.c.digest == given("digest")), "digest")
LIST_VERSIONS: Final = _find(application, "name")
LIST_APPLICATIONS: Final = compiled(
    select(application).order_by(
        application.c.name, *(application.c[part].desc() for part in ("major", "minor", "patch"))
    )
)
UPDATE_APPLICATION: Final = compiled(
    update(application)
    .values(state=given("to"), crc=given("checksum"))
    .where(application.c.digest == given("of_digest")),
    *("to", "checksum", "of_digest"),
)

PUT_SIGNATURE: Final = put_row(application_signature)
LIST_SIGNATURES: Final = _find(application_signature, "digest")

PUT_RULE: Final = put_row(rule)
DELETE_RULE: Final = _delete(rule, "scope", "subject", "application")
LIST_RULES: Final = compiled(select(rule).order_by(rule.c.scope, rule.c.subject, rule.c.application))
LIST_RULES_FOR: Final = compiled(
    select(rule).where(
        or_(
            and_(rule.c.scope == fixed(Scope.DEVICE), rule.c.subject == given("device_id")),
            and_(rule.c.scope == fixed(Scope.ISSUER), rule.c.subject == given("issuer")),
            and_(rule.c.scope == fixed(Scope.ALL), rule.c.subject == fixed("")),
        )
    ),
    *("device_id", "issuer"),
)

PUT_INSTALLED: Final = put_row(device_application)
FIND_INSTALLED: Final = _find(device_application, "device_id", "application")
LIST_INSTALLED: Final = _find(device_application, "device_id")
COUNT_INSTALLED: Final = compiled(
    select(device_application.c.application, device_application.c.version, func.count())
    .join(device, device.c.device_id == device_application.c.device_id)
    .where(
        device_application.c.state == fixed(InstallState.INSTALLED),
        device.c.state != fixed(DeviceState.TERMINATED),
    )
    .group_by(device_application.c.application, device_application.c.version)
)
COUNT_STANDING: Final = compiled(
    select(*(device_application.c[name] for name in ("application", "version", "state")), func.count())
    .join(device, device.c.device_id == device_application.c.device_id)
    .where(device.c.state != fixed(DeviceState.TERMINATED))
    .group_by(*(device_application.c[name] for name in ("application", "version", "state")))
)

# --- cards ---

INSERT_CARD: Final = insert_row(card)
PUT_CARD: Final = put_row(card)
FIND_CARD: Final = _find(card, "app_se")
DELETE_CARD: Final = _delete(card, "app_se")
LIST_CARDS: Final = compiled(
    limited(select(card).where(card.c.app_se > given("after")).order_by(card.c.app_se), "limit"),
    *("after", "limit"),
)

COUNT_DAP_KEYS: Final = compiled(select(card.c.dap_key, func.count()).group_by(card.c.dap_key))

PUT_CARD_KEYS: Final = put_row(card_key)
FIND_CARD_KEYS: Final = _find(card_key, "app_se", "kvn")
LIST_CARD_KEYS: Final = _find(card_key, "app_se")
DELETE_CARD_KEYS: Final = _delete(card_key, "app_se", "kvn")
DELETE_KEYS_OF_CARD: Final = _delete(card_key, "app_se")
_has_octets = func.length(card_key.c.wrapped) > fixed(0)
LIST_ALL_CARD_KEYS: Final = compiled(
    limited(
        select(card_key)
        .where(
            tuple_(card_key.c.app_se, card_key.c.kvn) > tuple_(given("after"), given("after_kvn")),
            _has_octets,
        )
        .order_by(card_key.c.app_se, card_key.c.kvn),
        "limit",
    ),
    *("after", "after_kvn", "limit"),
)
_wrapped = union_all(
    select(wrapped_key.c.master_version),
    select(card_key.c.master_version).where(_has_octets),
).subquery()
# Keys of devices, providers and cards alike: what no version may be removed under.
COUNT_WRAPPED_BY_MASTER: Final = compiled(
    select(_wrapped.c.master_version, func.count()).group_by(_wrapped.c.master_version)
)

PUT_INVENTORY: Final = put_row(card_inventory)
FIND_INVENTORY: Final = _find(card_inventory, "app_se")
DELETE_INVENTORY: Final = _delete(card_inventory, "app_se")

# --- jobs ---

OPEN: Final = (JobState.QUEUED, JobState.ACTIVE)
CLOSED: Final = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)
_open = job.c.state.in_([fixed(state) for state in OPEN])
_closed = job.c.state.in_([fixed(state) for state in CLOSED])

INSERT_JOB: Final = insert_row(job)
PUT_JOB: Final = put_row(job)
FIND_JOB: Final = _find(job, "job_id")
DELETE_JOB: Final = _delete(job, "job_id")
LIST_JOBS_OF: Final = compiled(
    select(job).where(job.c.device_id == given("device_id")).order_by(job.c.created_at), "device_id"
)
LIST_OPEN_JOBS_OF: Final = compiled(
    select(job).where(job.c.device_id == given("device_id"), _open).order_by(job.c.created_at), "device_id"
)
LIST_OPEN_JOBS: Final = compiled(
    limited(select(job).where(_open, job.c.job_id > given("after")).order_by(job.c.job_id), "limit"),
    *("after", "limit"),
)
COUNT_OPEN_JOBS: Final = compiled(select(job.c.state, func.count()).where(_open).group_by(job.c.state))
COUNT_FAILED_JOBS: Final = compiled(
    select(job.c.kind, job.c.reason, func.count())
    .where(_closed, job.c.state == fixed(JobState.FAILED), job.c.changed_at >= given("since"))
    .group_by(job.c.kind, job.c.reason),
    "since",
)
# Closed jobs of a device above the newest so many.
LIST_SURPLUS_JOBS: Final = compiled(
    select(job.c.job_id)
    .where(job.c.device_id == given("device_id"), _closed)
    .order_by(job.c.created_at.desc())
    .limit(fixed(-1))
    .offset(given("kept")),
    *("device_id", "kept"),
)
LIST_OLD_JOBS: Final = compiled(
    limited(
        select(job.c.job_id).where(_closed, job.c.changed_at < given("before")).order_by(job.c.changed_at),
        "limit",
    ),
    *("before", "limit"),
)
