"""A channel as an agent speaks it: JSON over HTTP over TLS 1.3, tried again until it gets an answer.

| what happens | what follows |
|---|---|
| no connection, a cut, a silence | again, after a pause that doubles; then ChannelBroken |
| 429, 503 | again, after `Retry-After` |
| a TLS alert, or a hang-up right after the handshake, twice: they refuse our certificate | ChannelRefused |
| their certificate is not under the pinned root | ChannelRefused at once |
| any other status from 400 on | ChannelRefused with its `TSM-…` code |

With TLS 1.3 a server judges our certificate when the handshake is over for us, and whatever we sent by then
makes its end drop the alert that says why; some servers send none. So after a cut the next connection first
waits for a verdict.

Every request of either channel may be repeated: the service answers the second like the first.
"""

from __future__ import annotations

import base64
import http.client
import json
import select
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

from tsm_gateway.virtual.errors import ChannelBroken, ChannelRefused, FormatMalformed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONGEST = 65_536  # octets of an answer
_TRIES = 6
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 30.0
_VERDICT_S = 0.3
_AGAIN = (429, 503)


class _HungUp(OSError):
    """The server ended the connection when it had seen our certificate."""


class Handshake(NamedTuple):
    """What TLS agreed on."""

    version: str  # "TLSv1.3"
    cipher: str


class Channel:
    """A connection to the provisioning service, opened when needed and kept while it lasts."""

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext,
        *,
        timeout_s: float = 10.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`url`: https://tsm.example:8443. Raises ValueError for another scheme."""
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.path not in {"", "/"}:
            message = "a provisioning service is given as https://tsm.example:8443"
            raise ValueError(message)
        self._host, self._port = parts.hostname, parts.port or 443
        self._context, self._timeout_s, self._sleep = context, timeout_s, sleep
        self._connection: http.client.HTTPSConnection | None = None
        self._was_cut = False
        self._hang_ups = 0  # right after a handshake
        self.handshake: Handshake | None = None  # of the connection opened last

    def __enter__(self) -> Self:
        """Use it, and hang up behind."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self.close()

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The JSON object that answers. Raises ChannelBroken, ChannelRefused, FormatMalformed."""
        pause_s = _FIRST_PAUSE_S
        for _ in range(_TRIES):
            try:
                status, octets, wait_s = self._exchange(method, path, body)
            except ssl.SSLError as error:
                self.close()
                if _is_final(error):
                    raise ChannelRefused(what="TLS", reason=error.reason or "") from None
                self._was_cut = True
                wait_s = pause_s
            except _HungUp:
                self.close()
                self._hang_ups += 1
                if self._hang_ups > 1:
                    raise ChannelRefused(what="TLS", reason="hung up after the handshake") from None
                wait_s = pause_s
            except (OSError, http.client.HTTPException):
                self.close()
                self._was_cut = True
                wait_s = pause_s
            else:
                if status not in _AGAIN:
                    return _answer(status, octets)
            self._sleep(min(wait_s, _LONGEST_PAUSE_S))
            pause_s *= 2
        raise ChannelBroken(tries=_TRIES)

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None

    def _exchange(
        self, method: str, path: str, body: Mapping[str, object] | None
    ) -> tuple[int, bytes, float]:
        """(status, body, seconds to wait before another try)."""
        connection = self._opened()
        octets = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"} if octets is not None else {}
        connection.request(method, path, octets, headers)
        with connection.getresponse() as response:
            content = response.read(_LONGEST + 1)
            if len(content) > _LONGEST:
                raise FormatMalformed(what="an answer of more octets than any has")
            after = response.headers.get("Retry-After", "")
            return response.status, content, float(after) if after.isdigit() else _FIRST_PAUSE_S

    def _opened(self) -> http.client.HTTPSConnection:
        if self._connection is None:
            fresh = http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=self._context
            )
            self._connection = fresh
            fresh.connect()
            self.handshake = _handshake(fresh.sock)
            if self._was_cut:
                _await_verdict(fresh.sock, self._timeout_s)
                self._hang_ups = 0
        return self._connection


def _handshake(sock: object) -> Handshake:
    if not isinstance(sock, ssl.SSLSocket):
        return Handshake("", "")
    cipher = sock.cipher()
    return Handshake(sock.version() or "", cipher[0] if cipher else "")


def _await_verdict(sock: object, timeout_s: float) -> None:
    """Wait a moment for what follows a handshake: session tickets (we are welcome), or an alert.

    Raises ssl.SSLError for an alert, _HungUp for neither.
    """
    if not isinstance(sock, ssl.SSLSocket):
        return
    select.select([sock], [], [], _VERDICT_S)
    sock.settimeout(0)
    try:
        if not sock.recv(1):
            raise _HungUp
    except ssl.SSLWantReadError:
        pass
    except (ConnectionError, ssl.SSLEOFError):
        raise _HungUp from None
    finally:
        sock.settimeout(timeout_s)


def _is_final(error: ssl.SSLError) -> bool:
    """Whether one side said no; anything else of TLS is a cut."""
    return isinstance(error, ssl.SSLCertVerificationError) or "ALERT" in (error.reason or "")


def _answer(status: int, octets: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(octets)
    except ValueError:
        fields = None
    if status >= http.client.BAD_REQUEST:
        code = fields.get("code", "") if isinstance(fields, dict) else ""
        raise ChannelRefused(status=status, reason=str(code)[:64])
    if not isinstance(fields, dict):
        raise FormatMalformed(what="an answer that is no JSON object")
    return fields


def octets_of(answer: Mapping[str, Any], name: str) -> bytes:
    """The octets in a field, standard base64; none for null. Raises FormatMalformed."""
    value = answer.get(name)
    return base64_octets(value, name) if value is not None else b""


def base64_octets(value: object, name: str) -> bytes:
    """The octets of a value in the field `name`, standard base64. Raises FormatMalformed."""
    try:
        return base64.b64decode(value, validate=True)  # type: ignore[arg-type]  # TypeError says so
    except (ValueError, TypeError):
        raise FormatMalformed(what="a field that is no base64", field=name) from None


def base64_of(octets: bytes) -> str:
    """`octets` as a field."""
    return base64.b64encode(octets).decode()


def kid_of(answer: Mapping[str, Any]) -> bytes:
    """The field `kid`, 4 octets in hexadecimal. Raises FormatMalformed."""
    try:
        return bytes.fromhex(answer["kid"])
    except (KeyError, ValueError, TypeError):
        raise FormatMalformed(what="no kid") from None
