"""Checks that look at more than one key, or at the machine.

They read the parsed document, not the validated settings, so that they speak even when some other key
is of the wrong type: a person wants to hear everything at once.
"""

from __future__ import annotations

import re
import ssl
import stat
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from tsm_gateway.daemon.process import Process
from tsm_gateway.daemon.settings_fields import is_loopback, split_host
from tsm_gateway.daemon.settings_model import MetricsSettings, RelaySettings
from tsm_gateway.daemon.settings_provisioning_checks import (
    check_provisioning,
    check_provisioning_to_run,
    secrets_of,
    unusable,
)
from tsm_gateway.daemon.settings_secrets import SecretUnreadable, secret_value
from tsm_gateway.daemon.settings_smpp import SmppSettings
from tsm_gateway.daemon.settings_words import Finding, dotted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tsm_gateway.daemon.settings_fields import Section
    from tsm_gateway.daemon.settings_lines import Path

Table = dict[str, object]
KEY_MODE = 0o640  # of a TLS key at most
SMPP_PASSWORD = re.compile(rb"[ -~]{1,8}")
Links = list[tuple["Path", Table]]  # each `[[smpp]]` with its path

# (table, smaller key, larger key): the first may not exceed the second.
ORDERED: tuple[tuple[str, type[Section], str, str], ...] = (
    ("smpp", SmppSettings, "rebind_min_s", "rebind_max_s"),
    ("smpp", SmppSettings, "throttle_min_s", "throttle_max_s"),
    ("relay", RelaySettings, "retry_first_s", "retry_cap_s"),
    ("relay", RelaySettings, "parts_per_sender", "parts_in_all"),
    ("relay", RelaySettings, "batch", "intake_limit"),
)


def check_document(
    document: Mapping[str, object], to_run: Process | None, *, thorough: bool = False
) -> list[Finding]:
    """Everything found; `to_run` adds what only that process needs, `thorough` reads all it will read."""
    links: Links = [(("smpp", index), table) for index, table in enumerate(_tables(document, "smpp"))]
    found = [*_same_names(links), *_in_clear(links), *_out_of_order(document, links)]
    found += [*_half_pairs(links), *_remote_metrics(document), *_no_mark(document)]
    found += check_provisioning(document)
    if to_run is Process.RELAY:
        passwords: Links = [((*path, "password"), link) for path, link in links]
        found += [*_no_way(links), *_secrets(document, passwords), *_tls_files(links)]
    if to_run is Process.PROVISIONING:
        found += check_provisioning_to_run(document, thorough=thorough)
        found += _secrets(document, secrets_of(document))
    return found


def _tables(document: Mapping[str, object], name: str) -> list[Table]:
    """The elements of an array of tables; anything else is not looked at."""
    value = document.get(name)
    return [each if isinstance(each, dict) else {} for each in value] if isinstance(value, list) else []


def _table(document: Mapping[str, object], name: str) -> Table:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _same_names(links: Links) -> Iterator[Finding]:
    seen: dict[object, Path] = {}
    for path, link in links:
        name = link.get("name")
        if not isinstance(name, str):
            continue
        if name in seen:
            yield Finding((*path, "name"), f"{dotted(seen[name])} has this name already", "choose another")
        seen.setdefault(name, path)


def _in_clear(links: Links) -> Iterator[Finding]:
    """SMPP says its password in the clear (3.4 §4.1): beyond this machine TLS or a stated VPN carries it."""
    for path, link in links:
        if "tls" in link or link.get("allow_plaintext") is True:
            continue
        far = [key for key, host in _hosts(link) if not is_loopback(host)]
        if far:
            problem = "is another machine, and without TLS the password and every message travel in the clear"
            way_out = "add [smpp.tls], or set allow_plaintext = true when a VPN carries this link"
            yield Finding((*path, far[0]), problem, way_out)


def _hosts(link: Table) -> Iterator[tuple[str, str]]:
    """(key, host) for every readable host of a link."""
    host, failover = link.get("host"), link.get("failover")
    if isinstance(host, str):
        yield "host", host
    for each in failover if isinstance(failover, list) else []:
        try:
            yield "failover", split_host(each)[0]
        except (ValueError, AttributeError):  # a finding of its own
            continue


def _out_of_order(document: Mapping[str, object], links: Links) -> Iterator[Finding]:
    for name, model, small, large in ORDERED:
        tables = links if name == "smpp" else [((name,), _table(document, name))]
        for path, table in tables:
            low, high = (table.get(key, model.model_fields[key].default) for key in (small, large))
            if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
                key = small if small in table else large
                yield Finding((*path, key), f"{small} = {low} is more than {large} = {high}")


def _half_pairs(links: Links) -> Iterator[Finding]:
    for path, link in links:
        tls = _table(link, "tls")
        for one, other in (("certificate", "key"), ("key", "certificate")):
            if one in tls and other not in tls:
                yield Finding((*path, "tls", one), f"is of no use without {other}", f"add {other}")


def _remote_metrics(document: Mapping[str, object]) -> Iterator[Finding]:
    metrics = _table(document, "metrics")
    listen = metrics.get("listen", MetricsSettings.model_fields["listen"].default)
    if metrics.get("allow_remote") is True or not isinstance(listen, str):
        return
    try:
        host, _ = split_host(listen)
    except ValueError:
        return
    if not is_loopback(host):
        problem = "is reachable from other machines, and whoever asks needs no password"
        yield Finding(("metrics", "listen"), problem, "use 127.0.0.1, or set allow_remote = true")


def _no_mark(document: Mapping[str, object]) -> Iterator[Finding]:
    master, store = _table(document, "keys").get("master"), _table(document, "store")
    if isinstance(master, str) and master.startswith("credential:") and "epoch_mark" not in store:
        problem = "is required when the master key is a credential: there is no file to keep it beside"
        yield Finding(("store", "epoch_mark"), problem, 'name a file outside the store, "/var/lib/…/epoch"')


def _no_way(links: Links) -> Iterator[Finding]:
    """Without a link in each direction no payment ever gets through."""
    binds = {link.get("bind", "transceiver") for _, link in links}
    if not links:
        yield Finding(("smpp",), "is required: without a link there is nothing to do", "add [[smpp]]")
    elif binds == {"receiver"}:
        yield Finding(("smpp",), "no link can send: every bind is a receiver", 'add a "transmitter"')
    elif binds == {"transmitter"}:
        yield Finding(("smpp",), "no link can receive: every bind is a transmitter", 'add a "receiver"')


def _secrets(document: Mapping[str, object], own: Links) -> Iterator[Finding]:
    """`own`: (path, table) of secrets that only one process has."""
    places: Links = [
        (("keys", "master"), _table(document, "keys")),
        (("log", "number_key"), _table(document, "log")),
        *own,
    ]
    for path, table in places:
        reference = table.get(str(path[-1]))
        if not isinstance(reference, str):
            continue
        try:
            secret = secret_value(reference)
        except SecretUnreadable as error:
            yield Finding(path, error.problem, error.suggestion)
        else:
            if path[-1] == "password" and not SMPP_PASSWORD.fullmatch(secret.reveal()):
                yield Finding(path, "does not hold 1 to 8 printable ASCII characters (SMPP 3.4 §5.2.2)")


def _tls_files(links: Links) -> Iterator[Finding]:
    """Certificates and keys that OpenSSL cannot use or others can, before the first connection."""
    for path, link in links:
        tls = _table(link, "tls")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ca, certificate, key = (tls.get(name) for name in ("ca", "certificate", "key"))
        try:
            if isinstance(ca, str):
                context.load_verify_locations(ca)
        except OSError as error:
            yield Finding((*path, "tls", "ca"), unusable(error))
        if isinstance(key, str):
            yield from _exposed_key((*path, "tls", "key"), FilePath(key))
        try:
            if isinstance(certificate, str) and isinstance(key, str):
                context.load_cert_chain(certificate, key, password=lambda: b"")  # never ask the terminal
        except OSError as error:
            yield Finding((*path, "tls", "certificate"), f"{unusable(error)} (with its key)")


def _exposed_key(path: Path, key: FilePath) -> Iterator[Finding]:
    """Its group may read it, as a service does that does not own it; nobody else."""
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
    except OSError:  # OpenSSL says it
        return
    if mode & ~KEY_MODE:
        problem = f"others may read or write it (mode {mode:04o})"
        yield Finding(path, problem, f"chmod 600 {key}; replace it if they read it")
