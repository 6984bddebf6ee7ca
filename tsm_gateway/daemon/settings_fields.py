"""The kinds of value a configuration file holds, each with its range and the sentence of its refusal.

A refusal never repeats the value: it may be a password somebody wrote into the wrong place.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Callable

HIGHEST_PORT = 65535


class Section(BaseModel):
    """One table of the file: frozen, its types exact, an unknown key an error."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


def refused(problem: str) -> PydanticCustomError:
    """An error with a text of ours; braces have no meaning in it."""
    return PydanticCustomError("tsm_value", "{problem}", {"problem": problem})


def matching(pattern: str, problem: str) -> Callable[[str], str]:
    """A check that the whole text matches `pattern`; raises `problem`."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise refused(problem)
        return text

    return check


def split_host(text: str) -> tuple[str, int]:
    """("host", port) of "host:port" or "[IPv6]:port". Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = str(ip_address(host[1:-1]))
    elif ":" in host:
        raise ValueError(text)
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) <= HIGHEST_PORT):
        raise ValueError(text)
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether what is said to `host` stays on this machine; a name other than "localhost" is not trusted."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _as_path(value: object) -> object:
    return Path(value) if isinstance(value, str) else value


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        problem = "must be an absolute path: a service has no working directory of its own"
        raise refused(problem)
    return path


def as_tuple(value: object) -> object:
    """A list as a tuple, which is frozen; anything else as it is, to be refused by its type."""
    return tuple(value) if isinstance(value, list) else value


def _listener(text: str) -> str:
    return text and _endpoint(text)


def _endpoint(text: str) -> str:
    try:
        split_host(text)
    except ValueError:
        problem = 'must be "host:port" with a port from 1 to 65535 (IPv6: "[address]:port")'
        raise refused(problem) from None
    return text


def _reference(text: str) -> str:
    kind, _, rest = text.partition(":")
    if kind == "file" and rest.startswith("/"):
        return text
    if kind == "credential" and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", rest):
        return text
    problem = {
        "file": 'needs an absolute path: "file:/path"',
        "credential": 'needs the name given to LoadCredential=: "credential:NAME"',
    }.get(
        kind,
        "a secret is never written into the configuration: put it into a file of mode 0600 and write "
        '"file:/path", or "credential:NAME" for a systemd credential',
    )
    raise refused(problem)


def _store_url(text: str) -> str:
    if not text.startswith("sqlite:///") or not text.removeprefix("sqlite://").strip("/"):
        problem = 'must be "sqlite:///absolute/path" (SQLite is the one database this release speaks)'
        raise refused(problem)
    return text


NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}"
Name = Annotated[
    str,
    AfterValidator(matching(NAME, "must be 1 to 32 letters, digits, dots, dashes or underscores")),
]
Port = Annotated[int, Field(ge=1, le=HIGHEST_PORT)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Seconds = Annotated[float, Field(gt=0, le=31_536_000, allow_inf_nan=False)]  # a year
Patience = Annotated[float, Field(ge=0.1, le=300, allow_inf_nan=False)]  # seconds a peer gets to answer
Pause = Annotated[float, Field(ge=0.1, le=3600, allow_inf_nan=False)]  # seconds between two tries
Octet = Annotated[int, Field(ge=0, le=255)]
AbsolutePath = Annotated[Path, BeforeValidator(_as_path), AfterValidator(_absolute)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Listener = Annotated[str, AfterValidator(_listener)]  # an endpoint, or "" for none
Endpoints = Annotated[tuple[Endpoint, ...], BeforeValidator(as_tuple)]
Host = Annotated[
    str,
    AfterValidator(
        matching(r"[A-Za-z0-9._:%-]{1,253}", "must be a host name or an IP address, without a port")
    ),
]
SecretReference = Annotated[str, AfterValidator(_reference)]
StoreUrl = Annotated[str, AfterValidator(_store_url)]
SourceAddress = Annotated[
    str,
    AfterValidator(
        matching(
            r"|\+[0-9]{7,15}|[0-9]{3,20}|(?=.*[A-Za-z])[A-Za-z0-9 ._-]{1,11}",
            'must be "+" and 7 to 15 digits, a short code of 3 to 20 digits, or a sender name of at most 11 '
            "letters and digits",
        )
    ),
]
IdBase = Literal["auto", "as_is", "hex", "decimal"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "json", "text"]


def octets(most: int, clause: str) -> Callable[[str], str]:
    """A check for a C-octet string of SMPP 3.4: printable ASCII, at most `most` octets without its NUL."""
    problem = f"must be at most {most} printable ASCII characters (SMPP 3.4 {clause})"
    return matching(rf"[ -~]{{0,{most}}}", problem)
