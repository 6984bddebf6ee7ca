"""A service provider: joins what its number receives, opens it, and verifies the device's own signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.virtual.amount import write_amount
from tsm_gateway.virtual.cbor_literal import decode
from tsm_gateway.virtual.certificate import Payment, read_payment, require_current, verify_payment
from tsm_gateway.virtual.cose_literal import as_list
from tsm_gateway.virtual.errors import DeviceUnknown, FormatMalformed, PacketNotAuthentic, VirtualError
from tsm_gateway.virtual.identity import verifying_key
from tsm_gateway.virtual.inbox import Inbox
from tsm_gateway.virtual.packet import Direction, Traffic, read_packet
from tsm_gateway.virtual.part import read_header

if TYPE_CHECKING:
    from tsm_gateway.virtual.inbox import Gap
    from tsm_gateway.virtual.part import Part
    from tsm_gateway.virtual.party_records import ProviderRecord
    from tsm_gateway.virtual.signature_literal import VerifyingKey

MESSAGE_ID_OCTETS = 16


class OpenedPayment(NamedTuple):
    """A payment that reached its provider and holds."""

    message_id: bytes  # 16 octets, the gateway's
    payment: Payment
    certificate: bytes  # as the device signed it
    received_at: int  # Unix seconds, when the gateway took it
    piv: int
    duplicate: bool  # the same (kid, PIV) was opened before

    def __repr__(self) -> str:
        """Name the message, never the payment."""
        return f"OpenedPayment({self.message_id.hex()})"

    def as_json(self) -> dict[str, object]:
        """One line of `virtual open`."""
        paid = self.payment
        amount, currency = write_amount(paid.amount, paid.currency)
        line: dict[str, object] = {
            "message_id": self.message_id.hex(),
            "device_id": paid.device_id,
            "amount": amount,
            "currency": currency,
            "to": paid.address,
            "cti": paid.cti.hex(),
            "issued_at": paid.issued,
            "expires_at": paid.expires,
            "received_at": self.received_at,
            "instrument": paid.instrument.hex(),
            "amr": list(paid.methods),
            "piv": self.piv,
        }
        return line | {"duplicate": True} if self.duplicate else line


class Provider:
    """A virtual service provider."""

    def __init__(self, record: ProviderRecord) -> None:
        """The provider of `record`, which has received nothing yet."""
        self.record = record
        self._inbox = Inbox()
        self._keys: dict[str, VerifyingKey] = {}  # by device id, loaded when first needed
        self._traffic: dict[int, Traffic] = {}  # by port
        self._seen: set[tuple[bytes, int]] = set()  # (kid, PIV)

    def receive(self, part: Part) -> OpenedPayment | None:
        """Take one short message; the payment it completes, None while parts are missing.

        Raises a VirtualError when what it completes is no payment: FormatMalformed, PacketNotAuthentic,
        PaymentRefused, DeviceUnknown.
        """
        header = read_header(part.udh)
        if header.port is None:
            raise FormatMalformed(what="no application port")
        if header.total == 1:
            return self.open_packet(part.data, header.port)
        refusal: VirtualError | None = None
        for bodies in self._inbox.offer(header, part.data):
            try:
                opened = self.open_packet(b"".join(bodies), header.port)
            except VirtualError as error:
                refusal = error
                continue
            self._inbox.settle(header, bodies)
            return opened
        if refusal is not None:
            raise refusal
        return None

    def open_packet(self, octets: bytes, port: int) -> OpenedPayment:
        """Open one whole packet that came to application port `port`; raises as `receive`."""
        packet = read_packet(octets)
        if packet.kid != self.record.kid:
            raise PacketNotAuthentic(what="another key", kid=packet.kid.hex())
        certificate, received_at, message_id = _provider_payload(self._cipher(port).open(packet))
        payment = verify_payment(certificate, self._public_key(read_payment(certificate).device_id))
        require_current(payment, self.record.address, received_at)
        mark = packet.kid, packet.piv
        duplicate = mark in self._seen
        self._seen.add(mark)
        return OpenedPayment(message_id, payment, certificate, received_at, packet.piv, duplicate)

    def gaps(self) -> list[Gap]:
        """Messages whose parts are still missing."""
        return self._inbox.gaps()

    def _cipher(self, port: int) -> Traffic:
        traffic = self._traffic.get(port)
        if traffic is None:
            mine = self.record
            traffic = Traffic(mine.key, mine.kid, Direction.TSM_TO_PROVIDER, mine.name, port)
            self._traffic[port] = traffic
        return traffic

    def _public_key(self, device_id: str) -> VerifyingKey:
        public_key = self._keys.get(device_id)
        if public_key is None:
            certificate = self.record.devices.get(device_id)
            if certificate is None:
                raise DeviceUnknown(device_id=device_id)
            try:
                public_key = self._keys[device_id] = verifying_key(certificate)
            except ValueError:
                raise DeviceUnknown(device_id=device_id) from None
        return public_key


def _provider_payload(plaintext: bytes) -> tuple[bytes, int, bytes]:
    match as_list(decode(plaintext), 3):
        case [bytes(certificate), int(received_at), bytes(message_id)]:
            if len(message_id) == MESSAGE_ID_OCTETS and received_at >= 0:
                return certificate, received_at, message_id
    raise FormatMalformed(what="provider's plaintext")
