"""Checks of `[provisioning]` that look at more than one key, or at the machine."""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tsm_gateway.daemon.settings_delivery import DeliverySettings
from tsm_gateway.daemon.settings_delivery_checks import DELIVERY, check_delivery_keys
from tsm_gateway.daemon.settings_fields import is_loopback, split_host
from tsm_gateway.daemon.settings_issuer import AgentIssuerSettings, IssuerSettings
from tsm_gateway.daemon.settings_model import MetricsSettings
from tsm_gateway.daemon.settings_provisioning import ProvisioningSettings
from tsm_gateway.daemon.settings_secrets import SecretUnreadable, secret_path, secret_value
from tsm_gateway.daemon.settings_words import Finding, dotted
from tsm_gateway.provisioning.certificate_errors import IssuerUnusable
from tsm_gateway.provisioning.issuer_store import load_issuer
from tsm_gateway.provisioning.pki_errors import PkiUnfit
from tsm_gateway.provisioning.pki_fitness import read_pair

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tsm_gateway.daemon.settings_lines import Path

Table = dict[str, object]
SECTION = "provisioning"
MADE_BY = "`pki init` makes it; `pki status` shows which files there are"
BELONGS = "`pki status` shows which certificate belongs to which key"
PEM_WANTED = "name the .pem file of the certificate and the .key file made with it, both in PEM"
FROM_ISSUER = {  # setting -> what to do
    "anchors": "name a file with PEM certificates of authorities, as the SE issuer gave it",
    "intermediates": "name a file with PEM certificates of authorities, as the SE issuer gave it",
    "crls": "fetch the list of this authority again from the SE issuer",
}
PAIRS = (("certificate", "key"), ("key_delivery_certificate", "key_delivery_key"))
DELIVERY_PAIRS = (("certificate", "key"),)


def check_provisioning(document: Mapping[str, object]) -> Iterator[Finding]:
    """What is wrong whoever looks; nothing when there is no such section."""
    if SECTION not in document:
        return
    section = _table(document)
    yield from _same_issuers((SECTION,), section)
    yield from _same_issuers(DELIVERY, _delivery(document))
    yield from _same_ports(document, section)
    yield from _remote_metrics(document, section)


def check_provisioning_to_run(document: Mapping[str, object], *, thorough: bool) -> Iterator[Finding]:
    """What the process needs beside: a section, an issuer, keys, certificates and lists that can be read.

    `thorough` reads lists to their end, too, and compares keys, as the process does itself once the settings
    are good.
    """
    if SECTION not in document:
        fields = ProvisioningSettings.model_fields
        needed = ", ".join(name for name in fields if fields[name].is_required())
        yield Finding((SECTION,), "is required to enrol devices", f"add [{SECTION}] with {needed}")
        return
    section = _table(document)
    if not _issuers((SECTION,), section):
        problem = "no issuer is trusted: no crypto SE could ever enrol"
        yield Finding((SECTION, "issuer"), problem, f"add [[{SECTION}.issuer]] with name and anchors")
    yield from _pairs((SECTION,), section, PAIRS)
    for path, issuer in _issuers((SECTION,), section):
        yield from _whole(path, issuer, IssuerSettings) if thorough else _issuer_files(path, issuer)
    if "delivery" in section:
        delivery = _delivery(document)
        yield from _check_delivery_to_run(delivery, thorough=thorough)
        if thorough:
            agents = _issuers(DELIVERY, delivery)
            yield from check_delivery_keys(section, delivery, _issuers((SECTION,), section), agents)


def _check_delivery_to_run(delivery: Table, *, thorough: bool) -> Iterator[Finding]:
    """What channel 2 needs beside: an issuer of agents, and files that can be read."""
    if not _issuers(DELIVERY, delivery):
        problem = "no issuer of agents is trusted: no application could ever be delivered"
        fix = f"add [[{dotted(DELIVERY)}.issuer]] with name and anchors"
        yield Finding((*DELIVERY, "issuer"), problem, fix)
    yield from _pairs(DELIVERY, delivery, DELIVERY_PAIRS)
    certificate = delivery.get("signing_certificate")
    if isinstance(certificate, str):
        yield from _readable((*DELIVERY, "signing_certificate"), certificate)
    for path, issuer in _issuers(DELIVERY, delivery):
        yield from _whole(path, issuer, AgentIssuerSettings) if thorough else _issuer_files(path, issuer)


def secrets_of(document: Mapping[str, object]) -> list[tuple[Path, Table]]:
    """(path, table) of every secret that this process reads beside the master key."""
    section, delivery = _table(document), _delivery(document)
    found: list[tuple[Path, Table]] = [((SECTION, key), section) for _, key in PAIRS]
    keys = [key for key in ("key", "token_key") if key in delivery]
    return [*found, *(((*DELIVERY, key), delivery) for key in keys)]


def _table(document: Mapping[str, object]) -> Table:
    value = document.get(SECTION)
    return value if isinstance(value, dict) else {}


def _delivery(document: Mapping[str, object]) -> Table:
    value = _table(document).get("delivery")
    return value if isinstance(value, dict) else {}


def _issuers(where: Path, section: Table) -> list[tuple[Path, Table]]:
    value = section.get("issuer")
    tables = value if isinstance(value, list) else []
    return [((*where, "issuer", at), each) for at, each in enumerate(tables) if isinstance(each, dict)]


def _same_issuers(where: Path, section: Table) -> Iterator[Finding]:
    seen: dict[str, Path] = {}
    for path, issuer in _issuers(where, section):
        name = issuer.get("name")
        if isinstance(name, str) and name in seen:
            yield Finding((*path, "name"), f"{dotted(seen[name])} has this name already", "choose another")
        elif isinstance(name, str):
            seen[name] = path


def _same_ports(document: Mapping[str, object], section: Table) -> Iterator[Finding]:
    """Four listeners in two processes of one machine."""
    seen: list[tuple[Path, str, int]] = []
    for path, host, port in _listeners(document, section):
        for other, taken, same in seen:
            if port == same and _overlap(host, taken):
                yield Finding(path, f"{dotted(other)} listens there already", "choose another port")
                break
        seen.append((path, host, port))


def _listeners(document: Mapping[str, object], section: Table) -> Iterator[tuple[Path, str, int]]:
    metrics = document.get("metrics")
    places = (
        (("metrics", "listen"), metrics if isinstance(metrics, dict) else {}, MetricsSettings),
        ((SECTION, "listen"), section, ProvisioningSettings),
        ((SECTION, "metrics"), section, ProvisioningSettings),
        ((*DELIVERY, "listen"), section.get("delivery"), DeliverySettings),
    )
    for path, table, model in places:
        if not isinstance(table, dict):
            continue
        key = str(path[-1])
        text = table.get(key, model.model_fields[key].default)
        try:
            host, port = split_host(str(text))
        except ValueError:  # "" for none, or a finding of its own
            continue
        yield path, host, port


def _overlap(one: str, other: str) -> bool:
    return one == other or any(_everywhere(host) for host in (one, other))


def _everywhere(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _remote_metrics(document: Mapping[str, object], section: Table) -> Iterator[Finding]:
    metrics = document.get("metrics")
    if isinstance(metrics, dict) and metrics.get("allow_remote") is True:
        return
    for path, host, _ in _listeners({}, section):
        if path == (SECTION, "metrics") and not is_loopback(host):
            problem = "is reachable from other machines, and whoever asks needs no password"
            yield Finding(path, problem, "use 127.0.0.1, or set allow_remote = true in [metrics]")


def _pairs(where: Path, section: Table, pairs: tuple[tuple[str, str], ...]) -> Iterator[Finding]:
    """Each certificate with its key, as OpenSSL sees them: also a key of another certificate is found."""
    for certificate, key in pairs:
        path, reference = section.get(certificate), section.get(key)
        if not (isinstance(path, str) and isinstance(reference, str)):
            continue
        try:
            secret_value(reference)
        except SecretUnreadable:  # a finding of its own
            yield from _readable((*where, certificate), path)
            continue
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(path, secret_path(reference), password=lambda: b"")  # never ask
        except OSError as error:
            yield _pair_finding((*where, certificate), path, reference, error)


def _pair_finding(where: Path, path: str, reference: str, error: OSError) -> Finding:
    """What is wrong with a certificate and its key, told with the file at fault and what to do."""
    if not isinstance(error, ssl.SSLError):
        return Finding(where, f"{path} cannot be read: {error.strerror}", MADE_BY)
    try:
        read_pair(path, FilePath(path).read_bytes(), secret_value(reference))
    except PkiUnfit as unfit:
        apart = "do not belong together" in unfit.problem
        problem = f"{path} and its key {secret_path(reference)}: {unfit.problem}"
        return Finding(where, problem, BELONGS if apart else PEM_WANTED)
    except OSError as gone:
        return Finding(where, f"{path} cannot be read: {gone.strerror}", MADE_BY)
    return Finding(where, f"{path} {unusable(error)}", PEM_WANTED)


def _whole(path: Path, issuer: Table, model: type[AgentIssuerSettings]) -> Iterator[Finding]:
    """Anchors, intermediates and lists as the process reads them; the first file at fault."""
    try:
        settings = model.model_validate(issuer)
    except ValidationError:  # findings of their own
        return
    try:
        load_issuer(**settings.model_dump())
    except IssuerUnusable as error:
        at: Path = (error.number,) if error.setting == "crls" else ()
        setting: Path = (error.setting,) if error.setting else ()
        yield Finding((*path, *setting, *at), error.problem, FROM_ISSUER.get(error.setting, ""))


def _issuer_files(path: Path, issuer: Table) -> Iterator[Finding]:
    for key in ("anchors", "intermediates"):
        file = issuer.get(key)
        if isinstance(file, str):
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(file)
            except OSError as error:
                yield Finding((*path, key), f"{file} {unusable(error)}", FROM_ISSUER[key])
    crls = issuer.get("crls")
    for at, file in enumerate(crls if isinstance(crls, list) else []):
        if isinstance(file, str):
            yield from _readable((*path, "crls", at), file)


def _readable(path: Path, file: str) -> Iterator[Finding]:
    try:
        with FilePath(file).open("rb"):
            pass
    except OSError as error:
        yield Finding(path, f"{file} cannot be read: {error.strerror}")


def unusable(error: OSError) -> str:
    """A sentence on a file that cannot be read, or that OpenSSL can do nothing with."""
    return f"cannot be used: {error.reason if isinstance(error, ssl.SSLError) else error.strerror}"
