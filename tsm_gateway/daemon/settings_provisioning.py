"""The table `[provisioning]`: channel 1, keys and whom it trusts; channel 2 is `settings_delivery`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tsm_gateway.daemon.settings_delivery import DeliverySettings  # noqa: TC001 - pydantic reads it
from tsm_gateway.daemon.settings_fields import (
    AbsolutePath,
    Count,
    Endpoint,
    Listener,
    Patience,
    SecretReference,
    Section,
    split_host,
)
from tsm_gateway.daemon.settings_issuer import Issuers  # noqa: TC001 - pydantic reads it


class ProvisioningSettings(Section):
    """`[provisioning]`: its own process, user and listener."""

    listen: Endpoint = "0.0.0.0:8443"  # only with a certificate
    certificate: AbsolutePath  # PEM, of the listener, with its chain
    key: SecretReference  # PEM, of that certificate
    key_delivery_certificate: AbsolutePath  # PEM, by which crypto SEs verify key packages
    key_delivery_key: SecretReference  # PEM, of that certificate: signs key packages
    metrics: Listener = "127.0.0.1:9465"  # "" = none
    hybrid: Literal["off", "offered", "required"] = "off"  # X-Wing keys
    rekey_after_days: Annotated[int, Field(ge=0, le=36_500)] = 0  # 0 = never by age
    rekey_after_packets: Annotated[int, Field(ge=0, le=2**40)] = 0  # 0 = never by use
    rekey_delivery: Literal["channel", "sms"] = "channel"
    key_overlap_s: Annotated[int, Field(ge=0, le=31_536_000)] = 259_200  # 72 h
    challenge_s: Annotated[int, Field(ge=10, le=3600)] = 300
    connections: Count = 2000
    handshake_s: Patience = 10.0
    request_s: Patience = 10.0
    idle_s: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = 60.0
    body_octets: Annotated[int, Field(ge=4096, le=1_048_576)] = 16_384
    requests_per_minute: Count = 120  # of one device
    expiry_warning_days: Annotated[int, Field(ge=1, le=3650)] = 30
    issuer: Issuers = ()
    delivery: DeliverySettings | None = None  # None = no channel 2

    @property
    def address(self) -> tuple[str, int]:
        """(host, port) that devices reach."""
        return split_host(self.listen)

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """(host, port) of metrics, health and status; None when switched off."""
        return split_host(self.metrics) if self.metrics else None
