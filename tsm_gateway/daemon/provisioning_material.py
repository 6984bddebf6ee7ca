"""The keys, certificates and rules provisioning works with, as one value that a reload replaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

    from tsm_gateway.daemon.settings_delivery import DeliverySettings
    from tsm_gateway.daemon.settings_provisioning import ProvisioningSettings
    from tsm_gateway.keys.wrap import MasterKeys
    from tsm_gateway.provisioning.issuer import Issuer
    from tsm_gateway.provisioning.pki import SigningKey


@dataclass(frozen=True, slots=True)
class DeliveryMaterial:
    """What channel 2 works with."""

    section: DeliverySettings
    issuers: tuple[Issuer, ...]  # of agents
    signing_certificate: Certificate  # load files are sent only when it verifies them
    token_key: SigningKey | None  # signs tokens of delegated management; None = none are wanted
    earlier_certificates: tuple[Certificate, ...] = ()  # what their keys signed may be deleted, never loaded


@dataclass(frozen=True, slots=True)
class Material:
    """All of it is read before any of it is used."""

    section: ProvisioningSettings
    masters: MasterKeys
    issuers: tuple[Issuer, ...]
    signing_key: EllipticCurvePrivateKey  # signs key packages
    tsm_certificate: bytes  # X.509 DER, by which crypto SEs verify them
    delivery: DeliveryMaterial | None = None  # None = no channel 2


class Held:
    """What is in force; whoever uses it asks here each time."""

    __slots__ = ("now",)

    def __init__(self, material: Material) -> None:
        """Start with `material`; `now` is set again by a reload."""
        self.now = material
