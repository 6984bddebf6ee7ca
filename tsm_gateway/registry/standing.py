"""Everything the registry knows of one device, as of one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tsm_gateway.registry.device import Device, WrappedKey
    from tsm_gateway.registry.enrolment import Enrolment
    from tsm_gateway.registry.key_package import StoredPackage
    from tsm_gateway.registry.registration import Registration
    from tsm_gateway.registry.suspension import Suspension


class Standing(NamedTuple):
    """One device with all that provisioning decides by."""

    device: Device
    enrolment: Enrolment | None  # None: an operator added it by hand
    suspension: Suspension | None
    registration: Registration | None
    keys: tuple[WrappedKey, ...]  # newest first
    packages: tuple[StoredPackage, ...]  # newest first; a key given by hand has none
