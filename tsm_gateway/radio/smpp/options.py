"""What one SMPP link is told: where to bind, as whom, how fast and how patiently.

Times are seconds, sizes octets. `problems` names everything that would keep a link from working, so that
a configuration is refused as a whole, with all its faults, before anything connects.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.radio.sms.address import AddressError, split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsm_gateway.secret import Secret


class BindMode(Enum):
    """What a bind carries; the value stands in the configuration."""

    TRANSMITTER = "transmitter"  # we submit
    RECEIVER = "receiver"  # the peer delivers
    TRANSCEIVER = "transceiver"  # both on one connection

    @property
    def sends(self) -> bool:
        """Whether submit_sm may travel on it."""
        return self is not BindMode.RECEIVER


class IdBase(Enum):
    """How a peer spells a message id, in its response or in its receipts."""

    TEXT = "text"  # as it stands
    DECIMAL = "decimal"
    HEXADECIMAL = "hexadecimal"
    AUTO = "auto"  # every reading that makes sense


class TlsVersion(Enum):
    """The lowest protocol version a link accepts."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


class Endpoint(NamedTuple):
    """One address of the peer."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How the peer proves who it is, and how we do; the host name is always checked."""

    ca: str = ""  # file of trusted authorities, PEM; "" = those of the system
    certificate: str = ""  # file of our certificate chain, PEM; "" = none is shown
    key: str = ""  # file of its private key, PEM; "" = inside `certificate`
    server_hostname: str = ""  # the name to find in the peer's certificate; "" = the host connected to
    minimum: TlsVersion = TlsVersion.TLS_1_2
    handshake_s: float = 10.0


@dataclass(frozen=True, slots=True)
class SmppOptions:
    """One link to one peer; every default is the careful one."""

    name: str  # "carrier-a"
    hosts: tuple[Endpoint, ...]  # in order of preference
    system_id: str
    password: Secret
    mode: BindMode = BindMode.TRANSCEIVER
    tls: TlsOptions | None = None
    plain_text: bool = False  # True: the way to the peer is private (a tunnel), TLS is not needed
    system_type: str = ""
    address_range: str = ""  # which destinations a receiver wants, the peer's own syntax
    address_ton: int = 0
    address_npi: int = 0

    source: str = ""  # whom our messages come from; "" = the peer fills it in
    source_ton: int | None = None  # None: by the form of the address
    source_npi: int | None = None
    destination_ton: int | None = None
    destination_npi: int | None = None
    service_type: str = ""
    response_id_base: IdBase = IdBase.AUTO  # how the peer spells ids in submit_sm_resp
    receipt_id_base: IdBase = IdBase.AUTO  # and in receipts

    window: int = 50  # submit_sm without an answer
    rate_per_s: float = 0.0  # parts; 0 = as fast as the peer answers
    intake: int = 2000  # deliver_sm we have not answered yet
    max_pdu: int = 65_536
    write_buffer: int = 65_536  # octets waiting for a slow peer before we stop sending

    connect_s: float = 10.0
    bind_s: float = 10.0
    enquire_s: float = 30.0  # silence after which enquire_link asks
    answer_s: float = 10.0  # until enquire_link is answered
    response_s: float = 30.0  # until submit_sm is answered; after that its fate is unknown
    intake_s: float = 4.5  # until we answer deliver_sm with "temporary": peers give up at 5
    pdu_read_s: float = 10.0  # from a PDU's first octet to its last
    stall_s: float = 30.0  # how long a peer may refuse to read
    inactivity_s: float = 0.0  # without messages, then unbind; 0 = never
    unbind_s: float = 5.0

    throttle_min_s: float = 1.0  # first pause after "throttled"; after "queue full" it is five times that
    throttle_max_s: float = 30.0  # the longest pause, when the peer says so again and again
    rebind_min_s: float = 0.5
    rebind_max_s: float = 5.0
    denied_s: float = 60.0  # between binds with a password the peer does not take
    stable_s: float = 10.0  # a bind that lasted so long was a good one


class Span(NamedTuple):
    """What a number may be."""

    key: str
    low: float
    high: float


class Cap(NamedTuple):
    """How long a C-octet string may be, its NUL not counted (SMPP 3.4 §4.1.1, §4.4.1)."""

    key: str
    longest: int


SPANS = (
    Span("window", 1, 10_000),
    Span("rate_per_s", 0, 100_000),
    Span("intake", 1, 1_000_000),
    Span("max_pdu", 1024, 1 << 20),
    Span("write_buffer", 1024, 1 << 24),
    Span("connect_s", 0.1, 300),
    Span("bind_s", 0.1, 300),
    Span("enquire_s", 0.1, 3600),
    Span("answer_s", 0.1, 300),
    Span("response_s", 0.1, 3600),
    Span("intake_s", 0.1, 300),
    Span("pdu_read_s", 0.1, 300),
    Span("stall_s", 0.1, 3600),
    Span("inactivity_s", 0, 86_400),
    Span("unbind_s", 0.1, 300),
    Span("throttle_min_s", 0.01, 3600),
    Span("throttle_max_s", 0.01, 3600),
    Span("rebind_min_s", 0.01, 3600),
    Span("rebind_max_s", 0.01, 3600),
    Span("denied_s", 0.1, 86_400),
    Span("stable_s", 0, 3600),
)
CAPS = (
    Cap("system_id", 15),
    Cap("system_type", 12),
    Cap("address_range", 40),
    Cap("service_type", 5),
)
NUMBER_KINDS = (
    "source_ton",
    "source_npi",
    "destination_ton",
    "destination_npi",
    "address_ton",
    "address_npi",
)
LONGEST_PASSWORD = 8  # SMPP 3.4 §4.1.1: nine octets with the NUL
HIGHEST_PORT = 65_535
ASCII_VISIBLE = range(0x20, 0x7F)


def problems(options: SmppOptions) -> list[str]:
    """Everything wrong with `options`, one "key: problem" each; an empty list when a link can be made."""
    return [*_numbers(options), *_texts(options), *_password(options), *_hosts(options)]


def _numbers(options: SmppOptions) -> Iterator[str]:
    for span in SPANS:
        value = getattr(options, span.key)
        if not span.low <= value <= span.high:
            yield f"{span.key}: {value} is not within {span.low} to {span.high}"
    for key in NUMBER_KINDS:
        value = getattr(options, key)
        if value is not None and not 0 <= value <= 0xFF:  # noqa: PLR2004 - one octet
            yield f"{key}: {value} is not one octet"
    for low, high in (("throttle_min_s", "throttle_max_s"), ("rebind_min_s", "rebind_max_s")):
        if getattr(options, low) > getattr(options, high):
            yield f"{low}: is above {high}"


def _texts(options: SmppOptions) -> Iterator[str]:
    if not options.name:
        yield "name: a link needs one"
    try:
        split(options.source or "0")
    except AddressError:
        yield "source: is neither a number nor a name of up to 11 characters"
    for cap in CAPS:
        text = getattr(options, cap.key)
        if len(text) > cap.longest:
            yield f"{cap.key}: {len(text)} characters, at most {cap.longest} are possible"
        if any(ord(letter) not in ASCII_VISIBLE for letter in text):
            yield f"{cap.key}: only printable ASCII is possible"


def _password(options: SmppOptions) -> Iterator[str]:
    octets = options.password.reveal()
    if len(octets) > LONGEST_PASSWORD:
        yield f"password: longer than the {LONGEST_PASSWORD} octets of SMPP 3.4"
    if any(octet not in ASCII_VISIBLE for octet in octets):
        yield "password: only printable ASCII is possible"


def _hosts(options: SmppOptions) -> Iterator[str]:
    if not options.hosts:
        yield "host: at least one is needed"
    for endpoint in options.hosts:
        if not endpoint.host:
            yield "host: is empty"
        if not 1 <= endpoint.port <= HIGHEST_PORT:
            yield f"port: {endpoint.port} is not within 1 to {HIGHEST_PORT}"
        if options.tls is None and not options.plain_text and not is_loopback(endpoint.host):
            yield "tls: SMPP shows password and payload to everyone on the way; use TLS, or say plain_text"
    if options.tls is not None and options.tls.key and not options.tls.certificate:
        yield "tls.key: needs tls.certificate"


def is_loopback(host: str) -> bool:
    """Whether `host` cannot leave this machine: a loopback address, or "localhost"."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
