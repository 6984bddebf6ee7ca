"""The tables `[provisioning.delivery]` and `[[provisioning.delivery.issuer]]`: channel 2 and its agents."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from tsm_gateway.daemon.settings_fields import (
    AbsolutePath,
    Count,
    Endpoint,
    Patience,
    SecretReference,
    Section,
    matching,
    split_host,
)
from tsm_gateway.daemon.settings_issuer import AgentIssuers  # noqa: TC001 - pydantic reads it

GatewayNumber = Annotated[
    str,
    AfterValidator(
        matching(r"|\+[0-9]{7,15}|[0-9]{3,15}", 'must be "+" and 7 to 15 digits, or a short code')
    ),
]


class DeliverySettings(Section):
    """`[provisioning.delivery]`: the second listener of the provisioning process."""

    listen: Endpoint = "0.0.0.0:8444"  # only with a certificate
    certificate: AbsolutePath  # PEM, of the listener, with its chain
    key: SecretReference  # PEM, of that certificate
    signing_certificate: AbsolutePath  # PEM: applications are sent only when it verifies them
    token_key: SecretReference | None = None  # PEM, signs tokens of delegated management; None = none wanted
    gateway_number: GatewayNumber = ""  # told to applications; "" = [gateway] source_address
    currency: Annotated[int, Field(ge=1, le=999)] = 978  # ISO 4217, of the limits told to applications
    script_commands: Annotated[int, Field(ge=2, le=64)] = 16  # that an agent is given at a time
    session_s: Annotated[float, Field(ge=5, le=3600, allow_inf_nan=False)] = 300.0  # between two scripts
    poll_s: Annotated[int, Field(ge=60, le=604_800)] = 86_400  # agents with nothing to do come again after
    connections: Count = 2000
    handshake_s: Patience = 10.0
    request_s: Patience = 10.0
    idle_s: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = 60.0
    body_octets: Annotated[int, Field(ge=16_384, le=1_048_576)] = 65_536
    requests_per_minute: Count = 600  # of one agent
    issuer: AgentIssuers = ()

    @property
    def address(self) -> tuple[str, int]:
        """(host, port) that agents reach."""
        return split_host(self.listen)
