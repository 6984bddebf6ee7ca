"""What `doctor` looks at with `[provisioning]`: certificates, issuers, process, devices that stand still."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tsm_gateway.cli.context import existing_store
from tsm_gateway.cli.doctor_finding import Finding, failed, fine, warned
from tsm_gateway.cli.errors import GatewayUnreachable
from tsm_gateway.cli.key_known import provisioning_runs
from tsm_gateway.cli.status_page import fetch_page
from tsm_gateway.daemon.rekey_policy import SILENCE_S, TRIES
from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning.expiry import OWN, Urgency, items_of_certificates, items_of_issuers
from tsm_gateway.provisioning.issuer import RevocationPolicy
from tsm_gateway.provisioning.issuer_store import load_issuer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.daemon.settings_issuer import AgentIssuerSettings
    from tsm_gateway.daemon.settings_provisioning import ProvisioningSettings
    from tsm_gateway.provisioning.expiry import ExpiringItem
    from tsm_gateway.provisioning.issuer import Issuer

UNIT = "tsm-gateway-provisioning"
STUCK_S = 86_400  # a device registers within minutes of being keyed, or something is wrong
UNCONFIRMED_S = SILENCE_S
LONGEST_CERTIFICATE = 65_536  # octets
CRL = "crl"


def examine_provisioning(settings: Settings) -> Iterator[Finding]:
    """All findings; none where it is not configured."""
    section = settings.provisioning
    if section is None:
        return
    now = int(time.time())
    yield from _own_certificates(section, now)
    yield from _issuers(section, now)
    yield from _process(settings, section)
    yield from _devices(settings, now)


def _own_certificates(section: ProvisioningSettings, now: int) -> Iterator[Finding]:
    named = [("channel-1", section.certificate), ("key-delivery", section.key_delivery_certificate)]
    if section.delivery is not None:
        named += [
            ("channel-2", section.delivery.certificate),
            ("application-signing", section.delivery.signing_certificate),
        ]
    for use, path in named:
        name = f"certificate {use}"
        try:
            items = items_of_certificates(OWN, use, _octets(path))
        except OSError as error:
            yield failed(
                name, f"{path} cannot be read: {error.strerror}", "tsm-gateway pki init, or mend the path"
            )
        except TsmError as error:
            yield failed(name, f"{path}: {error}", "restore it from its copy, or tsm-gateway pki renew")
        else:
            yield _ending(name, items, now, section.expiry_warning_days, "tsm-gateway pki renew")


def _octets(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LONGEST_CERTIFICATE)


def _ending(name: str, items: list[ExpiringItem], now: int, warning_days: int, fix: str) -> Finding:
    """The one that ends first."""
    first = min(items, key=lambda each: each.not_after)
    days, text = first.days_left(now), f"{first.use} {first.subject}"
    urgency = first.urgency(now, warning_days)
    if urgency is Urgency.EXPIRED:
        return failed(name, f"{text} has expired", fix)
    if urgency is Urgency.SOON:
        return warned(name, f"{text} expires in {days} days", fix)
    return fine(name, f"{len(items)} valid, {text} expires in {days} days")


def _issuers(section: ProvisioningSettings, now: int) -> Iterator[Finding]:
    if not section.issuer:
        yield warned("issuers", "none is trusted: no device can enrol", "add a [[provisioning.issuer]] table")
    for configured in section.issuer:
        yield from _configured(f"issuer {configured.name}", "provisioning.issuer", configured, section, now)
    if section.delivery is None:
        return
    if not section.delivery.issuer:
        fix = "add a [[provisioning.delivery.issuer]] table, such as that of agents.pem"
        yield warned("agents' issuers", "none is trusted: no agent can come to channel 2", fix)
    for agents in section.delivery.issuer:
        table = "provisioning.delivery.issuer"
        yield from _configured(f"agents' issuer {agents.name}", table, agents, section, now)


def _configured(
    name: str, table: str, configured: AgentIssuerSettings, section: ProvisioningSettings, now: int
) -> Iterator[Finding]:
    try:
        issuer = load_issuer(
            configured.name,
            anchors=configured.anchors,
            intermediates=configured.intermediates,
            crls=configured.crls,
            ocsp=configured.ocsp,
            revocation=configured.revocation,
        )
    except TsmError as error:
        yield failed(name, str(error), f"see the files of its [[{table}]] table")
    else:
        yield from _issuer(name, issuer, now, section.expiry_warning_days)


def _issuer(name: str, issuer: Issuer, now: int, warning_days: int) -> Iterator[Finding]:
    items = items_of_issuers([issuer])
    certificates = [each for each in items if each.use != CRL]
    fix = "ask the issuer for its new certificate, and add it before this one ends"
    yield _ending(name, certificates, now, warning_days, fix)
    if issuer.revocation is RevocationPolicy.OFF:
        yield warned(
            name,
            "nobody asks whether its certificates are revoked",
            'set its crls or ocsp, and revocation = "required"',
        )
    elif not issuer.crls and not issuer.ocsp:
        yield warned(name, "has no revocation data: a revoked certificate is taken", "set its crls or ocsp")
    for stale in (each for each in items if each.use == CRL and each.urgency(now, 0) is Urgency.EXPIRED):
        text = f"its revocation list {stale.subject} is out of date"
        way_out = f"fetch the new list, then `systemctl reload {UNIT}`"
        if issuer.revocation is RevocationPolicy.REQUIRED and not issuer.ocsp:
            yield failed(name, f"{text}: its devices are refused", way_out)
        else:
            yield warned(name, text, way_out)


def _process(settings: Settings, section: ProvisioningSettings) -> Iterator[Finding]:
    if not settings.store.path.parent.is_dir() or not provisioning_runs(settings):
        yield warned("provisioning", "does not run", f"systemctl start {UNIT}, or tsm-gateway provisioning")
        return
    if section.metrics_address is None:
        yield warned("provisioning", "runs, but has no metrics listener to ask", "set [provisioning] metrics")
        return
    try:
        page = fetch_page(section.metrics_address)
    except GatewayUnreachable as error:
        yield failed("provisioning", f"runs, but does not answer: {error}", f"journalctl --unit={UNIT}")
        return
    yield fine("provisioning", f"version {page.get('version')} answers, up {int(page.get('uptime_s', 0))} s")
    for trouble in page["degraded"]:
        yield warned("provisioning", str(trouble), f"journalctl --unit={UNIT}; tsm-gateway pki status")


def _devices(settings: Settings, now: int) -> Iterator[Finding]:
    """Those that do not get on. Trouble of the store itself is another check's."""
    try:
        with existing_store(settings, accept_rollback=True) as store:
            stuck, _ = store.provisioning.unfinished(now - STUCK_S)
            _, unconfirmed = store.provisioning.unfinished(now - UNCONFIRMED_S)
            given_up = store.provisioning.given_up(silent_before=now - SILENCE_S, tries=TRIES)
    except TsmError:
        return
    if stuck:
        fix = "`device list --state keyed`: let their agents go on, or ask the issuer what they lack"
        yield warned("devices", f"{stuck} have a key and have not registered for over a day", fix)
    if unconfirmed:
        fix = "their old keys stay in use; `device rekey ID --delivery sms` reaches a phone without data"
        yield warned("devices", f"{unconfirmed} have not confirmed their new key for over a week", fix)
    if given_up:
        fix = "`rekey.given_up` in the log names them: see that their phones are reached, then `device rekey`"
        yield warned("devices", f"{given_up} confirmed none of {TRIES} new keys: they get no other", fix)
    if not stuck and not unconfirmed:
        yield fine("devices", "none waits for its registration, or for a new key's confirmation, too long")
