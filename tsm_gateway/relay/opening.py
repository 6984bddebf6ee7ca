"""Open one joined message: from octets to a payment whose every claim but the signature is checked.

Order: form, key, tag, then what the authenticated text says. Everything before the tag is `Refusal` with
`authentic=False`: the parts may still belong to another combination, so nothing is struck out for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.envelope.certificate import CertificateMalformed, read_certificate
from tsm_gateway.envelope.cose import Malformed
from tsm_gateway.envelope.tsm1 import NotAuthentic, open_packet, parse_packet, read_device_payload
from tsm_gateway.registry.address import AddressInvalid, normalise_address
from tsm_gateway.registry.device import DeviceState, KeyState
from tsm_gateway.registry.provider import Verify
from tsm_gateway.relay.policy import policy_reason
from tsm_gateway.relay.reasons import Reason

if TYPE_CHECKING:
    from tsm_gateway.envelope.certificate import PaymentCertificate
    from tsm_gateway.relay.directory import Directory, KnownDevice, KnownProvider

ACCEPTED_KEYS = frozenset({KeyState.CURRENT, KeyState.OVERLAP})


class Payment:
    """An opened payment on its way through one batch; it never prints."""

    __slots__ = ("certificate", "device", "kid", "octets", "piv", "provider")

    def __init__(  # noqa: PLR0913 - one value of six parts, made in one place
        self,
        device: KnownDevice,
        provider: KnownProvider,
        kid: bytes,
        piv: int,
        certificate: PaymentCertificate,
        octets: bytes,
    ) -> None:
        """`octets` is the certificate exactly as the crypto SE signed it."""
        self.device, self.provider, self.kid, self.piv = device, provider, kid, piv
        self.certificate, self.octets = certificate, octets

    def __repr__(self) -> str:
        """Say which packet, never what it says."""
        return f"Payment(kid={self.kid.hex()}, piv={self.piv})"

    @property
    def needs_signature(self) -> bool:
        """Whether the gateway itself is to check the signature (the provider's policy)."""
        return self.provider.provider.verify is Verify.GATEWAY


class Refusal(NamedTuple):
    """Why a packet is no payment, and how far it got."""

    reason: Reason
    kid: bytes = b""
    piv: int = -1
    device_id: str = ""
    provider: str = ""
    authentic: bool = False


def open_payment(packet: bytes, directory: Directory, *, now: int, skew_s: int) -> Payment | Refusal:
    """Read one joined packet; `now` in Unix seconds, `skew_s` how far a phone's clock may be off."""
    try:
        sealed = parse_packet(packet)
    except Malformed:
        return Refusal(Reason.MALFORMED)
    device = directory.device(sealed.kid)
    if device is None:
        return Refusal(Reason.UNKNOWN_KEY, sealed.kid, sealed.piv)
    try:
        plaintext = open_packet(sealed, device.up)
    except NotAuthentic:
        return Refusal(Reason.NOT_AUTHENTIC, sealed.kid, sealed.piv)
    refused = Refusal(
        Reason.MALFORMED, sealed.kid, sealed.piv, device_id=device.device.device_id, authentic=True
    )
    reason = _standing(device)
    if reason is not None:
        return refused._replace(reason=reason)
    try:
        payload = read_device_payload(plaintext)
        certificate = read_certificate(payload.certificate)
        address = normalise_address(payload.address)
    except (Malformed, CertificateMalformed):
        return refused
    except AddressInvalid:
        return refused._replace(reason=Reason.PROVIDER_UNKNOWN)
    reason = _claims(certificate, device, payload.address, now=now, skew_s=skew_s)
    if reason is not None:
        return refused._replace(reason=reason)
    provider = directory.provider(address)
    if provider is None:
        return refused._replace(reason=Reason.PROVIDER_UNKNOWN)
    reason = policy_reason(provider.provider, certificate)
    if reason is not None:
        return refused._replace(reason=reason, provider=provider.provider.name)
    return Payment(device, provider, sealed.kid, sealed.piv, certificate, payload.certificate)


def _standing(device: KnownDevice) -> Reason | None:
    """Whether key and device may pay at all."""
    if device.key.state not in ACCEPTED_KEYS:
        return Reason.KEY_RETIRED
    if device.device.state is not DeviceState.ACTIVE:
        return Reason.DEVICE_NOT_ACTIVE
    return None


def _claims(
    certificate: PaymentCertificate, device: KnownDevice, address: str, *, now: int, skew_s: int
) -> Reason | None:
    """Hold the claims against the key's owner, the address beside them, and the clock."""
    if certificate.issuer != device.device.device_id:
        return Reason.OWNER_MISMATCH
    if certificate.audience != address:
        return Reason.ADDRESS_MISMATCH
    if certificate.expires + skew_s < now:
        return Reason.EXPIRED
    if certificate.issued > now + skew_s or certificate.issued > certificate.expires:
        return Reason.CERTIFICATE_INVALID
    return None
