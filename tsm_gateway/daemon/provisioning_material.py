"""The keys, certificates and rules provisioning works with, as one value that a reload replaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from tsm_gateway.daemon.settings_provisioning import ProvisioningSettings
    from tsm_gateway.keys.wrap import MasterKeys
    from tsm_gateway.provisioning.issuer import Issuer


@dataclass(frozen=True, slots=True)
class Material:
    """All of it is read before any of it is used."""

    section: ProvisioningSettings
    masters: MasterKeys
    issuers: tuple[Issuer, ...]
    signing_key: EllipticCurvePrivateKey  # signs key packages
    tsm_certificate: bytes  # X.509 DER, by which crypto SEs verify them


class Held:
    """What is in force; whoever uses it asks here each time."""

    __slots__ = ("now",)

    def __init__(self, material: Material) -> None:
        """Start with `material`; `now` is set again by a reload."""
        self.now = material
