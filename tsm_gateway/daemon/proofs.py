"""Registration proofs, whatever brought them: which key one may prove, and what makes it believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.daemon.provisioning_standing import PROVABLE
from tsm_gateway.keys.wrap import DEVICE_KEYS, traffic_place, unwrap
from tsm_gateway.provisioning.element_id import check_element_id
from tsm_gateway.provisioning.registration import AwaitedProof, verify_proof
from tsm_gateway.registry.errors import KeyNotWaiting

if TYPE_CHECKING:
    from tsm_gateway.daemon.provisioning_material import Material
    from tsm_gateway.provisioning.registration import Proof
    from tsm_gateway.registry.device import Device, WrappedKey
    from tsm_gateway.registry.registration import Registration
    from tsm_gateway.registry.standing import Standing
    from tsm_gateway.secret import Secret


class ProvableKey(NamedTuple):
    """A key that a device may prove, opened."""

    row: WrappedKey
    secret: Secret  # 32 octets


def provable_key(standing: Standing, kid: bytes, material: Material) -> ProvableKey:
    """The device's key `kid`. Raises KeyNotWaiting, MasterKeyMissing, KeyUnwrapFailed."""
    for key in standing.keys:
        if key.kid == kid and key.state in PROVABLE:
            place = traffic_place(DEVICE_KEYS, key.owner, key.kid)
            return ProvableKey(key, unwrap(material.masters, key.wrapped, key.master_version, place))
    raise KeyNotWaiting


def believed(
    proof: Proof, challenge: bytes, device: Device, key: ProvableKey, material: Material, at: int
) -> Registration:
    """What `device` proves of `key` by its answer to `challenge` (32 octets) at Unix second `at`.

    Raises a ProofRefused; DeviceCertificateUnusable when the certificate on record does not read.
    """
    registration = verify_proof(
        proof,
        AwaitedProof(device.device_id, key.row.kid, key.row.epoch, challenge),
        signing_certificate=device.certificate,
        key=key.secret,
        at=at,
    )
    check_element_id(registration.crypto_se, device.certificate, material.issuers, at)
    return registration
