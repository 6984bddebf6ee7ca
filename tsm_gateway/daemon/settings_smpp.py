"""The tables `[[smpp]]` and `[smpp.tls]`: one bind to one message centre."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tsm_gateway.daemon.settings_fields import (
    AbsolutePath,
    Endpoints,
    Host,
    IdBase,
    Name,
    Octet,
    Patience,
    Pause,
    Port,
    SecretReference,
    Section,
    SourceAddress,
    octets,
    split_host,
)


class TlsSettings(Section):
    """How a link is encrypted; the peer's name and chain are always verified."""

    ca: AbsolutePath | None = None  # PEM; None = the system's trust store
    certificate: AbsolutePath | None = None  # PEM, our client certificate with its chain
    key: AbsolutePath | None = None  # PEM, mode 0600 or 0640
    server_name: str = ""  # name in the peer's certificate; "" = the host we connect to
    minimum: Literal["1.2", "1.3"] = "1.2"


class SmppSettings(Section):
    """One bind (SMPP 3.4 §2.2). Times are seconds."""

    name: Name  # in logs, metrics and a provider's routes
    host: Host
    port: Port
    failover: Endpoints = ()  # "host:port", tried in order behind host:port
    system_id: Annotated[str, AfterValidator(octets(15, "§5.2.1"))]
    password: SecretReference
    system_type: Annotated[str, AfterValidator(octets(12, "§5.2.3"))] = ""
    bind: Literal["transceiver", "receiver", "transmitter"] = "transceiver"
    window: Annotated[int, Field(ge=1, le=10_000)] = 50  # submits in flight
    rate_per_s: Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)] = 0.0  # parts; 0 = unlimited
    enquire_s: Pause = 30.0  # quiet time before enquire_link
    answer_s: Patience = 10.0  # wait for enquire_link_resp, then drop the link
    response_s: Pause = 30.0  # wait for submit_sm_resp
    bind_s: Patience = 10.0  # connect, TLS handshake and bind, each
    pdu_read_s: Patience = 10.0  # from a PDU's first octet to its last
    inactivity_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 0.0  # 0 = never unbind
    rebind_min_s: Pause = 1.0
    rebind_max_s: Pause = 5.0  # a carrier that is back is bound again within it
    denied_s: Annotated[float, Field(ge=0.1, le=86_400, allow_inf_nan=False)] = 60.0  # after a wrong password
    throttle_min_s: Pause = 1.0  # first pause when asked to be slower
    throttle_max_s: Pause = 30.0
    address_range: Annotated[str, AfterValidator(octets(40, "§5.2.7"))] = ""
    address_ton: Octet = 0  # of address_range (SMPP 3.4 §5.2.5)
    address_npi: Octet = 0  # (§5.2.6)
    source_address: SourceAddress = ""  # "" = the gateway's
    source_ton: Octet | None = None  # None = by the form of the address
    source_npi: Octet | None = None
    destination_ton: Octet | None = None
    destination_npi: Octet | None = None
    service_type: Annotated[str, AfterValidator(octets(5, "§5.2.11"))] = ""
    receipt_id: IdBase = "auto"  # how a receipt spells the message id
    response_id: IdBase = "auto"  # how submit_sm_resp spells it
    max_pdu: Annotated[int, Field(ge=1024, le=1_048_576)] = 65_536  # octets
    allow_plaintext: bool = False  # without TLS beyond loopback (a VPN, say)
    tls: TlsSettings | None = None

    @property
    def hosts(self) -> tuple[tuple[str, int], ...]:
        """(host, port) pairs in the order they are tried."""
        return ((self.host, self.port), *map(split_host, self.failover))

    @property
    def can_send(self) -> bool:
        """Whether submit_sm may be sent on this bind."""
        return self.bind != "receiver"

    @property
    def can_receive(self) -> bool:
        """Whether deliver_sm may come on this bind."""
        return self.bind != "transmitter"
