"""What pydantic found, in the words of the person who wrote the file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple, get_args

from tsm_gateway.daemon.settings_delivery import DeliverySettings
from tsm_gateway.daemon.settings_issuer import AgentIssuerSettings, IssuerSettings
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
from tsm_gateway.daemon.settings_smpp import SmppSettings, TlsSettings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from tsm_gateway.daemon.settings_fields import Section
    from tsm_gateway.daemon.settings_lines import Path


class Finding(NamedTuple):
    """One thing that is wrong, not yet tied to a line."""

    path: Path
    problem: str
    suggestion: str = ""


TABLES: Mapping[tuple[str, ...], type[Section]] = {
    (): Settings,
    ("gateway",): GatewaySettings,
    ("store",): StoreSettings,
    ("keys",): KeysSettings,
    ("smpp",): SmppSettings,
    ("smpp", "tls"): TlsSettings,
    ("relay",): RelaySettings,
    ("provisioning",): ProvisioningSettings,
    ("provisioning", "issuer"): IssuerSettings,
    ("provisioning", "delivery"): DeliverySettings,
    ("provisioning", "delivery", "issuer"): AgentIssuerSettings,
    ("log",): LogSettings,
    ("metrics",): MetricsSettings,
}

LISTS = (("smpp",), ("provisioning", "issuer"), ("provisioning", "delivery", "issuer"))  # written as [[…]]

# pydantic's error type -> our sentence; {names} are its context, {got} the TOML type that was found.
SENTENCES: Mapping[str, str] = {
    "missing": "is required",
    "int_type": "must be a whole number, not {got}",
    "int_from_float": "must be a whole number, not {got}",
    "float_type": "must be a number, not {got}",
    "finite_number": "must be a finite number",
    "string_type": "must be text in quotes, not {got}",
    "path_type": "must be text in quotes, not {got}",
    "is_instance_of": "must be text in quotes, not {got}",
    "bool_type": "must be true or false, not {got}",
    "tuple_type": "must be a list, not {got}",
    "model_type": "must be a table, not {got}",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "tsm_value": "{problem}",
}

KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "text"),
    ((list, tuple), "a list"),
    (dict, "a table"),
    ((datetime, date, time), "a date or time"),
)


def dotted(path: Path) -> str:
    """`smpp[0].host`; names that need it in quotes, control characters escaped."""
    written = ""
    for step in path:
        if isinstance(step, int):
            written += f"[{step}]"
        else:
            plain = step.isascii() and step.replace("-", "_").isidentifier()
            written += f".{step if plain else ascii(step)}"
    return written.removeprefix(".")


def finding_of(detail: ErrorDetails) -> Finding:
    """Translate one of pydantic's errors. The value found is never repeated."""
    path, kind = detail["loc"], detail["type"]
    if kind == "extra_forbidden":
        return Finding(path, "is not a known key", _known(path))
    words = {**detail.get("ctx", {}), "got": _kind(detail["input"])}
    sentence = SENTENCES.get(kind, "is not valid").format_map(words)
    return Finding(path, sentence, _suggestion(kind, path, detail["input"]))


def _kind(value: object) -> str:
    return next((words for kind, words in KINDS if isinstance(value, kind)), "this")


def _suggestion(kind: str, path: Path, value: object) -> str:
    table = _table(path)
    if kind == "literal_error" and isinstance(value, str):
        options = get_args(table.model_fields[str(path[-1])].annotation)
        return _closest(value, [option for option in options if isinstance(option, str)])
    if kind == "tuple_type" and path in LISTS and isinstance(value, Mapping):
        return f"write [[{dotted(path)}]], in double brackets: there may be several"
    if kind == "missing" and len(path) == 1:
        fields = TABLES[str(path[0]),].model_fields
        return f"add [{path[0]}] with {', '.join(name for name in fields if fields[name].is_required())}"
    return ""


def _table(path: Path) -> type[Section]:
    """Find the model of the table that holds the key at the end of `path`."""
    names = tuple(step for step in path if isinstance(step, str))
    return TABLES.get(names[:-1], Settings)


def _closest(word: str, options: list[str]) -> str:
    close = get_close_matches(word.lower(), options, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else ""


def _known(path: Path) -> str:
    """For an unknown key: the one that was meant, the table it belongs into, or all there are."""
    key, own = str(path[-1]), list(_table(path).model_fields)
    close = get_close_matches(key.lower().replace("-", "_"), own, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    homes = [".".join(names) for names, table in TABLES.items() if names and key in table.model_fields]
    if homes:
        return f"it belongs into [{homes[0]}]"
    return f"known here: {', '.join(own)}"
