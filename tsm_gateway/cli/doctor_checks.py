"""The checks of `doctor`, in the order in which one thing needs another.

A check yields findings and never raises for what it came to find.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from tsm_gateway.cli.context import existing_store, master_path, read_masters
from tsm_gateway.cli.doctor_delivery import examine_delivery
from tsm_gateway.cli.doctor_finding import Finding, Verdict, failed, fine, warned
from tsm_gateway.cli.doctor_links import examine_link
from tsm_gateway.cli.doctor_provisioning import examine_provisioning
from tsm_gateway.cli.errors import GatewayUnreachable, InputInvalid
from tsm_gateway.cli.explain_errors import REMEDIES
from tsm_gateway.cli.status_page import fetch_status
from tsm_gateway.daemon.settings import SettingsErrors, load_settings
from tsm_gateway.daemon.settings_secrets import SecretUnreadable, secret_value
from tsm_gateway.errors import TsmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tsm_gateway.daemon.settings import Settings

__all__ = ["Finding", "Verdict", "examine"]

MIB = 1 << 20
BUILT = 1_735_689_600  # 2025-01-01: a clock before it was never set
UNIT = "tsm-gateway.service"
AUDIT_FIX = (
    "keep the store as it is; `audit verify --against` the last export, and find out who could write it"
)


def examine(config_path: Path, within_s: float) -> Iterator[Finding]:
    """All findings; `within_s` seconds is what each peer gets to answer."""
    try:
        settings = load_settings(config_path, to_run=False)
    except SettingsErrors as errors:
        for problem in errors.problems:
            yield failed("configuration", str(problem), "mend it; `tsm-gateway config check` lists all again")
        return
    yield fine("configuration", f"{config_path} is valid")
    for check in CHECKS:
        yield from check(settings)
    for link in settings.smpp:
        yield from examine_link(link, within_s)
    if not settings.smpp:
        yield failed("links", "there is none", "add a [[smpp]] table: without a link there is nothing to do")


def _master(settings: Settings) -> Iterator[Finding]:
    credential = master_path(settings) is None
    if credential and not os.environ.get("CREDENTIALS_DIRECTORY"):
        yield fine("master key", f"{settings.keys.master}: only the service sees it, not looked at")
        return
    try:
        masters = read_masters(settings)
    except TsmError as error:
        yield failed("master key", str(error), REMEDIES.get(error.code, ""))
    else:
        current = masters.current
        text = f"version {current.version}, check value {current.check_value()}"
        yield fine("master key", f"present, for its owner only; {text}")


def _secrets(settings: Settings) -> Iterator[Finding]:
    """Secret files' modes; what lies with systemd is systemd's."""
    references = {f"link {link.name}, password": link.password for link in settings.smpp}
    if settings.log.number_key:
        references["log.number_key"] = settings.log.number_key
    for name, reference in references.items():
        if reference.startswith("credential:") and not os.environ.get("CREDENTIALS_DIRECTORY"):
            continue
        try:
            secret_value(reference)
        except SecretUnreadable as error:
            yield failed(name, f"{reference} {error.problem}", error.suggestion)
        else:
            yield fine(name, f"{reference} is readable for its owner only")


def _store(settings: Settings) -> Iterator[Finding]:
    """Owner, mode, integrity, rules and epoch mark."""
    path = settings.store.path
    if not path.exists():
        if path.parent.is_dir():
            yield warned("store", f"{path} is not there yet", "nothing: the first start makes it")
        else:
            yield failed("store", f"{path.parent} is not there", "create it, owned by the gateway's user")
        return
    try:
        with existing_store(settings, accept_rollback=True) as store:
            faults, rolled_back = store.check(), store.rolled_back
    except TsmError as error:
        yield failed("store", str(error), REMEDIES.get(error.code, ""))
        return
    for fault in faults:
        of_audit = fault.startswith("audit ")
        fix = AUDIT_FIX if of_audit else "restore a copy made by `store backup`, then `store resync`"
        yield failed("audit log" if of_audit else "store", fault, fix)
    if not faults:
        yield fine("store", f"{path}: owner, mode, pages, rules and checksums are right")
    if rolled_back:
        yield failed("epoch mark", "the store is older than its mark, or a copy", "tsm-gateway store resync")
    else:
        yield fine("epoch mark", f"{settings.epoch_mark} agrees with the store")


def _disk(settings: Settings) -> Iterator[Finding]:
    path = settings.store.path.parent
    if not path.is_dir():
        return
    free = shutil.disk_usage(path).free // MIB
    least = settings.store.min_free_mb
    if free < least:
        fix = f"free space on the disk of {path}: payments are put off below {least} MiB"
        yield failed("disk", f"{free} MiB are free", fix)
    elif free < 2 * least:
        yield warned("disk", f"{free} MiB are free", f"payments are put off below {least} MiB")
    else:
        yield fine("disk", f"{free} MiB are free where the store lies")


def _clock(settings: Settings) -> Iterator[Finding]:
    """Payments expire by the clock, so it has to be right to within the skew allowed."""
    now = time.time()
    if now < BUILT:
        yield failed("clock", "it was never set", "set it and let NTP keep it: payments expire by it")
        return
    changed = settings.store.path.stat().st_mtime if settings.store.path.exists() else 0.0
    if changed > now + settings.relay.clock_skew_s:
        yield failed("clock", "the store was written in the future", "the clock went back: set it right")
        return
    synchronised = _output("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if synchronised == "no":
        yield warned("clock", "nobody keeps it in step", "enable NTP, for example systemd-timesyncd")
    else:
        yield fine("clock", f"{time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(now))}")


def _gateway(settings: Settings) -> Iterator[Finding]:
    """The unit, and the running gateway or its free port."""
    state = _output("systemctl", "is-active", UNIT)
    if state == "active":
        yield fine("unit", f"{UNIT} is active")
    elif state in {"failed", "activating", "deactivating"}:
        yield failed("unit", f"{UNIT} is {state}", f"journalctl --unit={UNIT} says why")
    try:
        page = fetch_status(settings)
    except InputInvalid as error:
        yield warned("gateway", error.problem, "")
    except GatewayUnreachable as error:
        yield from _not_answering(settings, str(error))
    else:
        yield fine("gateway", f"version {page['version']} answers, up {int(page['uptime_s'])} s")
        for trouble in page["degraded"]:
            yield warned("gateway", trouble, "tsm-gateway status; tsm-gateway tail --level warning")


def _not_answering(settings: Settings, told: str) -> Iterator[Finding]:
    address = settings.metrics.address
    if address is None:
        return
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        with socket.create_server(address, family=family):
            pass
    except OSError as error:
        fix = "another program has it: `ss -ltnp` names it; or choose another [metrics] listen"
        yield failed("metrics port", f"{address[0]}:{address[1]}: {error.strerror}; {told}", fix)
    else:
        yield fine("metrics port", f"{address[0]}:{address[1]} is free")
        yield warned("gateway", "does not run", "systemctl start tsm-gateway, or tsm-gateway run")


def _output(*command: str) -> str | None:
    """What a program of the system says; None where it is missing or does not work."""
    program = shutil.which(command[0])
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            [program, *command[1:]], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip()


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _master,
    _secrets,
    _store,
    _disk,
    _clock,
    _gateway,
    examine_provisioning,
    examine_delivery,
)
