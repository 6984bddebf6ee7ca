"""What `doctor` looks at with `[provisioning.delivery]`: certificates, catalogue, rules, failures, alarms."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tsm_gateway.cli.application_key import certificate_of
from tsm_gateway.cli.application_words import number_told, whom
from tsm_gateway.cli.context import existing_store
from tsm_gateway.cli.doctor_finding import Finding, failed, fine, warned
from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning.delivery_errors import ExclusionRefused, SecretBound
from tsm_gateway.provisioning.signing import application_key, is_signed
from tsm_gateway.registry.application import ApplicationState, InstallState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.registry.application import Application, Rule
    from tsm_gateway.store.sqlite_store import SqliteStore

DAY_S: Final = 86_400
ALARM_DAYS: Final = 7  # how far back alarms are told
LOOKED_AT: Final = 100_000  # entries of the audit log, from its end
SLICE: Final = 1000
ALARMS: Final = frozenset({SecretBound.code, ExclusionRefused.code})
NAMED: Final = 3  # how many of a kind are named
CHECK: Final = "applications"


def examine_delivery(settings: Settings) -> Iterator[Finding]:
    """All findings; none without channel 2. Trouble of the store itself is another check's."""
    if settings.provisioning is None or settings.provisioning.delivery is None:
        return
    try:
        with existing_store(settings, accept_rollback=True) as store:
            yield from _catalogue(store, settings)
            yield from _rules(store)
            yield from _dap_keys(store)
            yield from _failures(store)
            now = int(time.time())
            yield from _failed_jobs(store, now)
            yield from _alarms(store, now)
    except TsmError:
        return


def _catalogue(store: SqliteStore, settings: Settings) -> Iterator[Finding]:
    published = _published(store.delivery.applications())
    if not published:
        yield warned(
            CHECK, "none is published: channel 2 has nothing to deliver", "tsm-gateway application publish"
        )
        return
    unsigned = _unsigned(store, settings, published)
    if unsigned:
        text = f"{len(unsigned)} are not signed by the present key, and not sent: {_some(unsigned)}"
        yield failed(CHECK, text, "tsm-gateway application sign --all, when it was you who published them")
    if any(each.provider for each in published) and not number_told(settings):
        text = "are installed without parameters: the gateway has no number to tell them"
        yield warned(CHECK, text, "set [provisioning.delivery] gateway_number")
    if not unsigned:
        yield fine(CHECK, f"{len(published)} versions are published and signed by the present key")


def _unsigned(store: SqliteStore, settings: Settings, published: Sequence[Application]) -> list[str]:
    """Those without a signature by the key of the certificate. Whether that can be read, others tell."""
    try:
        certificate = certificate_of(settings, Path())
        present = application_key(certificate.public_key())
    except TsmError:
        return []
    return [
        _title(each)
        for each in published
        if not is_signed(present, each.digest, store.delivery.signatures(each.digest))
    ]


def _dap_keys(store: SqliteStore) -> Iterator[Finding]:
    """Cards that would refuse what is newest: the key they verify with has not signed it."""
    newest: dict[str, Application] = {}
    for each in _published(store.delivery.applications()):  # the newest version first
        newest.setdefault(each.name, each)
    signed = {each: _key_ids(store, each.digest) for each in newest.values()}
    wanting = {
        f"{_title(each)} by key {dap_key.hex()} of {count} cards"
        for dap_key, count in store.delivery.dap_key_counts().items()
        for each, key_ids in signed.items()
        if dap_key and dap_key not in key_ids
    }
    if wanting:
        text = f"cards verify with a key that has not signed the newest version: {_some(sorted(wanting))}"
        fix = (
            "`application sign NAME --version V --key OLDKEY --also-for OLDCERT.pem`; `card dap-key`, once "
            "the issuer replaced the key on the cards"
        )
        yield warned("cards' DAP keys", text, fix)


def _key_ids(store: SqliteStore, digest: bytes) -> frozenset[bytes]:
    return frozenset(each.key_id for each in store.delivery.signatures(digest))


def _rules(store: SqliteStore) -> Iterator[Finding]:
    """Rules that nothing comes of."""
    rules, applications = store.delivery.rules(), store.delivery.applications()
    published = _published(applications)
    known = {(each.name, each.version) for each in published}
    names = {each.name for each in published}
    idle = [
        rule
        for rule in rules
        if rule.wanted
        and (
            rule.application not in names
            if rule.version is None
            else (rule.application, rule.version) not in known
        )
    ]
    if idle:
        text = f"{len(idle)} name versions that are retired or unknown: {_some(map(_rule_title, idle))}"
        yield warned("rules", text, "tsm-gateway application assign, with a version of `application list`")
    elif not any(rule.wanted for rule in rules) and published:
        yield warned(
            "rules", "there is none: no device is to have an application", "tsm-gateway application assign"
        )


def _failures(store: SqliteStore) -> Iterator[Finding]:
    counts = store.delivery.standing_counts()
    failures = {
        f"{name} {version} on {count}"
        for (name, version, state), count in counts.items()
        if state is InstallState.FAILED
    }
    if failures:
        fix = "`device show` and `audit list --action application.fail` tell why; then `application retry`"
        yield warned("deliveries", f"applications failed on devices: {_some(sorted(failures))}", fix)


def _failed_jobs(store: SqliteStore, now: int) -> Iterator[Finding]:
    """What was given up of late, of jobs on cards themselves as well."""
    counts = store.delivery.failed_jobs(since=now - ALARM_DAYS * DAY_S)
    if counts:
        most = sorted(counts.items(), key=lambda each: (-each[1], each[0][0].value, each[0][1]))
        told = _some([f"{count} x {kind.value} for {reason}" for (kind, reason), count in most])
        fix = (
            "`explain` the reason; `device show ID` lists a device's. Then `application retry`, or for the "
            "card itself `card renew-keys`, `card inventory`; wrong keys: `card forget`, `card import`"
        )
        yield warned("jobs", f"in the last {ALARM_DAYS} days failed on cards: {told}", fix)


def _alarms(store: SqliteStore, now: int) -> Iterator[Finding]:
    """What the exclusion guard stopped of late."""
    devices = set(_stopped(store, now - ALARM_DAYS * DAY_S))
    if devices:
        text = (
            f"in the last {ALARM_DAYS} days it stopped what must never go to an app SE, for {len(devices)} "
            f"devices: {_some(sorted(devices))}"
        )
        fix = f"`explain {SecretBound.code}`; `audit list --outcome refused --action application.deliver`"
        yield failed("exclusion guard", text, fix)


def _stopped(store: SqliteStore, since: int) -> Iterator[str]:
    """The devices concerned, looked for from the end of the audit log."""
    head, _ = store.provisioning.audit_head()
    end, last = head, max(head - LOOKED_AT, 0)
    while end > last:
        begin = max(end - SLICE, last)
        entries = [each.entry for each in store.provisioning.audit(begin, end - begin)]
        yield from (each.subject for each in entries if each.reason in ALARMS and each.at >= since)
        if entries and entries[0].at < since:
            return
        end = begin


def _published(applications: Sequence[Application]) -> list[Application]:
    return [each for each in applications if each.state is ApplicationState.PUBLISHED]


def _title(application: Application) -> str:
    return f"{application.name} {application.version}"


def _rule_title(rule: Rule) -> str:
    return f"{rule.application} {rule.version or ''}".rstrip() + f" for {whom(rule.scope, rule.subject)}"


def _some(names: Iterator[str] | Sequence[str]) -> str:
    """The first of them, and how many more."""
    every = list(names)
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more
