"""Read a configuration file: frozen settings, or all that is wrong with it at once."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tsm_gateway.daemon.process import Process
from tsm_gateway.daemon.settings_checks import check_document
from tsm_gateway.daemon.settings_errors import Problem, SettingsErrors
from tsm_gateway.daemon.settings_issuer import IssuerSettings
from tsm_gateway.daemon.settings_lines import Path as KeyPath
from tsm_gateway.daemon.settings_lines import key_lines, line_of
from tsm_gateway.daemon.settings_model import (
    GatewaySettings,
    KeysSettings,
    LogSettings,
    MetricsSettings,
    RelaySettings,
    Settings,
    StoreSettings,
)
from tsm_gateway.daemon.settings_provisioning import ProvisioningSettings
from tsm_gateway.daemon.settings_secrets import SecretUnreadable, secret_value
from tsm_gateway.daemon.settings_smpp import SmppSettings, TlsSettings
from tsm_gateway.daemon.settings_words import Finding, dotted, finding_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = [
    "GatewaySettings",
    "IssuerSettings",
    "KeysSettings",
    "LogSettings",
    "MetricsSettings",
    "Problem",
    "ProvisioningSettings",
    "RelaySettings",
    "SecretUnreadable",
    "Settings",
    "SettingsErrors",
    "SmppSettings",
    "StoreSettings",
    "TlsSettings",
    "load_settings",
    "secret_value",
]

LONGEST = 1_048_576  # octets of a configuration file


def load_settings(
    path: Path, *, to_run: bool = True, process: Process = Process.RELAY, thorough: bool = False
) -> Settings:
    """Read the TOML file at `path`.

    `to_run` also demands what only `process` needs: for the relay links that can send and receive, for
    provisioning an issuer to trust, for both every secret and certificate of theirs readable, and a file
    that not everybody may change; with `thorough` also what the process looks at later, such as long
    lists of revoked certificates. Administrative commands leave it out, as their user may read neither.

    Raises SettingsErrors with every problem found, in the order of the file.
    """
    text, mode = _read(path)
    document, lines = _parse(path, text)
    settings, findings = _validate(document)
    findings += [
        finding
        for finding in check_document(document, process if to_run else None, thorough=thorough)
        if not any(_touches(finding.path, earlier.path) for earlier in findings)
    ]
    exposed = _exposed(path, mode) if to_run else []
    if settings is None or findings or exposed:
        raise SettingsErrors(exposed + _problems(path, lines, findings))
    return settings


def _exposed(path: Path, mode: int) -> list[Problem]:
    """Whoever may change the file names the host that our password is told to."""
    if not mode & stat.S_IWOTH:
        return []
    problem = f"everybody may write to it (mode {stat.S_IMODE(mode):04o})"
    return [Problem(str(path), 0, "", problem, f"chmod o-w {path}")]


def _read(path: Path) -> tuple[str, int]:
    """The file's text and mode. Raises SettingsErrors when it is unreadable, huge or not UTF-8."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            octets = file.read(LONGEST + 1)
    except OSError as error:
        raise SettingsErrors([Problem(str(path), 0, "", f"cannot be read: {error.strerror}")]) from None
    if len(octets) > LONGEST:
        raise SettingsErrors([Problem(str(path), 0, "", f"is longer than {LONGEST} octets")])
    try:
        return octets.decode(), mode
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise SettingsErrors([Problem(str(path), line, "", "is not UTF-8 text")]) from None


def _parse(path: Path, text: str) -> tuple[dict[str, object], dict[KeyPath, int]]:
    """The document and its lines. Raises SettingsErrors at the first error of syntax."""
    try:
        document: dict[str, object] = tomllib.loads(text)
        return document, key_lines(text)
    except RecursionError:
        problem = "is nested too deeply"
        line = 1
    except ValueError as error:  # TOMLDecodeError, and integers longer than Python converts
        what, _, where = str(error).partition(" (at ")
        place = re.search(r"line (\d+)", where)
        line = int(place.group(1)) if place else max(1, len(text.splitlines()))
        problem = f"is not TOML: {what[:1].lower()}{what[1:]}"
    raise SettingsErrors([Problem(str(path), line, "", problem)])


def _validate(document: dict[str, object]) -> tuple[Settings | None, list[Finding]]:
    """The settings, or what types and ranges say against them."""
    try:
        return Settings.model_validate(document), []
    except ValidationError as error:
        return None, [finding_of(detail) for detail in error.errors(include_url=False)]


def _touches(one: KeyPath, other: KeyPath) -> bool:
    """Whether one is the other or inside it: then a first finding is enough."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _problems(path: Path, lines: dict[KeyPath, int], findings: Iterable[Finding]) -> list[Problem]:
    """In the order of the file."""
    found = [
        Problem(str(path), line_of(lines, where), dotted(where), problem, suggestion)
        for where, problem, suggestion in findings
    ]
    return sorted(found, key=lambda problem: problem.line)
