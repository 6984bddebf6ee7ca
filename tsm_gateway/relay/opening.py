"""Open one joined message: a payment whose every claim but the signature is checked, or a control message.

Order: form, key, tag, then what the authenticated text says. Everything before the tag is `Refusal` with
`authentic=False`: the parts may still belong to another combination, so nothing is struck out for them.
What makes a control message is its address, `CONFIRM`; it is passed on as sealed as it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.envelope.certificate import read_certificate
from tsm_gateway.envelope.errors import (
    CertificateMalformed,
    DeviceCertificateUnusable,
    Malformed,
    NotAuthentic,
)
from tsm_gateway.envelope.tsm1 import open_packet, parse_packet, read_device_payload
from tsm_gateway.keys.errors import KeyUnwrapFailed, MasterKeyMissing
from tsm_gateway.registry.address import normalise_address
from tsm_gateway.registry.control import CONFIRM, ControlArrival
from tsm_gateway.registry.errors import AddressInvalid
from tsm_gateway.registry.provider import Verify
from tsm_gateway.relay.policy import policy_reason
from tsm_gateway.relay.reasons import Reason

if TYPE_CHECKING:
    from tsm_gateway.envelope.certificate import PaymentCertificate
    from tsm_gateway.envelope.tsm1 import DevicePayload, Packet
    from tsm_gateway.relay.directory import Directory, KnownDevice, KnownProvider
    from tsm_gateway.secret import Secret


class Payment:
    """An opened payment on its way through one batch; it never prints."""

    __slots__ = ("certificate", "device", "kid", "octets", "piv", "provider")

    def __init__(
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
    """Why a packet is not taken, and how far it got."""

    reason: Reason
    kid: bytes = b""
    piv: int = -1
    device_id: str = ""
    provider: str = ""
    authentic: bool = False


class _NoPaymentError(Exception):
    """An authentic packet that is not taken; never leaves this module."""

    def __init__(self, reason: Reason, provider: str = "") -> None:
        super().__init__()
        self.reason, self.provider = reason, provider


def open_payment(
    packet: bytes, directory: Directory, *, now: int, skew_s: int
) -> Payment | ControlArrival | Refusal:
    """Read one joined packet; `now` in Unix seconds, `skew_s` how far a phone's clock may be off."""
    try:
        sealed = parse_packet(packet)
    except Malformed:
        return Refusal(Reason.MALFORMED)
    refused, device = Refusal(Reason.UNKNOWN_KEY, sealed.kid, sealed.piv), None
    try:
        device = directory.device(sealed.kid)
        if device is None:
            return refused
        plaintext = open_packet(sealed, device.up)
        payload = _payload(plaintext)
        if payload.address == CONFIRM:
            _admit(device.admission.control)
            return ControlArrival(sealed.kid, sealed.piv, device.device.device_id, packet, now)
        _admit(device.admission.payment)
        return _payment(sealed, payload, device, directory, now=now, skew_s=skew_s)
    except (KeyUnwrapFailed, MasterKeyMissing, DeviceCertificateUnusable):
        return refused._replace(reason=Reason.KEY_UNREADABLE)
    except NotAuthentic:
        return refused._replace(reason=Reason.NOT_AUTHENTIC)
    except _NoPaymentError as no:
        owner = device.device.device_id if device is not None else ""
        return Refusal(no.reason, sealed.kid, sealed.piv, owner, no.provider, authentic=True)


def _payload(plaintext: Secret) -> DevicePayload:
    try:
        return read_device_payload(plaintext)
    except Malformed:
        raise _NoPaymentError(Reason.MALFORMED) from None


def _admit(refused: Reason | None) -> None:
    """Whether key and device may send this at all."""
    if refused is not None:
        raise _NoPaymentError(refused)


def _payment(
    sealed: Packet,
    payload: DevicePayload,
    device: KnownDevice,
    directory: Directory,
    *,
    now: int,
    skew_s: int,
) -> Payment:
    """Check all that an authentic payment says. Raises _NoPaymentError, KeyUnwrapFailed, MasterKeyMissing."""
    try:
        certificate = read_certificate(payload.certificate)
        address = normalise_address(payload.address)
    except CertificateMalformed:
        raise _NoPaymentError(Reason.MALFORMED) from None
    except AddressInvalid:
        raise _NoPaymentError(Reason.PROVIDER_UNKNOWN) from None
    _check_claims(certificate, device, payload.address, now=now, skew_s=skew_s)
    provider = directory.provider(address)
    if provider is None:
        raise _NoPaymentError(Reason.PROVIDER_UNKNOWN)
    reason = policy_reason(provider.provider, certificate)
    if reason is not None:
        raise _NoPaymentError(reason, provider.provider.name)
    return Payment(device, provider, sealed.kid, sealed.piv, certificate, payload.certificate)


def _check_claims(
    certificate: PaymentCertificate, device: KnownDevice, address: str, *, now: int, skew_s: int
) -> None:
    """Hold the claims against the key's owner, the address beside them, and the clock."""
    if certificate.issuer != device.device.device_id:
        raise _NoPaymentError(Reason.OWNER_MISMATCH)
    if certificate.audience != address:
        raise _NoPaymentError(Reason.ADDRESS_MISMATCH)
    if certificate.expires + skew_s < now:
        raise _NoPaymentError(Reason.EXPIRED)
    if certificate.issued > now + skew_s or certificate.issued > certificate.expires:
        raise _NoPaymentError(Reason.CERTIFICATE_INVALID)
