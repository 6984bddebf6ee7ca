"""Messages that fail, one cause each: what a stranger, a thief, a broken handset or the air would send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.relay.rig import ADDRESS, GATEWAY, PORT
from tsm_gateway.virtual.packet import Direction, Traffic, read_packet
from tsm_gateway.virtual.part import Part, cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tsm_gateway.virtual.handset import Handset

    Make = Callable[[Sequence[Handset], int], list[Part]]

JUMP = 2_000_000  # counters ahead: more than the default limit
TAG = 16


def packet_of(parts: Sequence[Part]) -> bytes:
    """What the parts carry."""
    return b"".join(part.data for part in parts)


def carried(handset: Handset, packet: bytes, reference: int = 77) -> list[Part]:
    """Any octets as that handset would send them."""
    return [
        Part(handset.record.msisdn, GATEWAY, 4, 0, udh, body) for udh, body in cut(packet, PORT, reference)
    ]


def traffic_of(handset: Handset, *, owner: str | None = None, port: int = PORT) -> Traffic:
    """The handset's sending direction."""
    record = handset.record
    return Traffic(record.key, record.kid, Direction.DEVICE_TO_TSM, owner or record.device_id, port)


def plaintext_of(handset: Handset, parts: Sequence[Part]) -> bytes:
    """What a payment says, for whoever holds the device's key."""
    return traffic_of(handset).open(read_packet(packet_of(parts)))


def paid(handset: Handset, at: int, **more: int | str) -> list[Part]:
    """A payment of that handset."""
    to = str(more.pop("to", ADDRESS))
    return handset.pay(to, "1.00", "EUR", at=at, **more)  # type: ignore[arg-type]


def sealed(handset: Handset, plaintext: bytes, ahead: int = 3, **traffic: str | int) -> list[Part]:
    """Any plaintext under the handset's own key and a fresh counter."""
    handset.crypto._next_piv += ahead
    return carried(handset, traffic_of(handset, **traffic).seal(plaintext, handset.crypto.next_piv - 1))  # type: ignore[arg-type]


def _turned(handset: Handset, at: int, octet: int) -> list[Part]:
    packet = bytearray(packet_of(paid(handset, at)))
    packet[octet] ^= 1
    return carried(handset, bytes(packet))


def _wrong_device(handsets: Sequence[Handset], at: int) -> list[Part]:
    victim, thief = handsets[1], handsets[0]
    return sealed(thief, plaintext_of(victim, paid(victim, at)))


def _wrong_signer(handsets: Sequence[Handset], at: int) -> list[Part]:
    """The packet of one device, its certificate signed by the key of another."""
    own, made = handsets[0], handsets[0].crypto._made
    own.crypto._made = made._replace(private_key=handsets[1].record.private_key)
    try:
        return paid(own, at)
    finally:
        own.crypto._made = made


def _far_ahead(handsets: Sequence[Handset], at: int) -> list[Part]:
    own = handsets[0].crypto
    own._next_piv += JUMP
    try:
        return paid(handsets[0], at)
    finally:
        own._next_piv -= JUMP + 1


def _below_the_window(handsets: Sequence[Handset], at: int) -> list[Part]:
    own = handsets[0].crypto
    now, own._next_piv = own._next_piv, 1
    try:
        return paid(handsets[0], at)
    finally:
        own._next_piv = now


def _other_address(handsets: Sequence[Handset], at: int) -> list[Part]:
    own = handsets[0]
    plaintext = plaintext_of(own, paid(own, at))
    return sealed(own, plaintext.replace(ADDRESS.encode(), b"+4930123456780", 1))


def _other_port(handsets: Sequence[Handset], at: int) -> list[Part]:
    return [
        part._replace(udh=part.udh.replace(PORT.to_bytes(2, "big"), b"\x00\x07"))
        for part in paid(handsets[0], at)
    ]


CAUSES: Mapping[str, Make] = {
    "a tag turned by a bit": lambda handsets, at: _turned(handsets[0], at, -1),
    "a ciphertext turned by a bit": lambda handsets, at: _turned(handsets[0], at, -TAG - 40),
    "an unknown key": lambda handsets, at: _turned(handsets[0], at, 8),
    "a counter turned by a bit": lambda handsets, at: _turned(handsets[0], at, 14),
    "no packet at all": lambda handsets, _at: carried(handsets[0], bytes(200)),
    "a packet cut short": lambda handsets, at: carried(handsets[0], packet_of(paid(handsets[0], at))[:-30]),
    "an octet too many": lambda handsets, at: carried(handsets[0], packet_of(paid(handsets[0], at)) + b"\0"),
    "a counter from before the key": _below_the_window,
    "a counter too far ahead": _far_ahead,
    "expired": lambda handsets, at: paid(handsets[0], at - 10_000, validity_s=60),
    "issued in the future": lambda handsets, at: paid(handsets[0], at + 10_000),
    "a provider nobody knows": lambda handsets, at: paid(handsets[0], at, to="sp:nobody"),
    "another address than the signed one": _other_address,
    "another device's certificate": _wrong_device,
    "another device's signature": _wrong_signer,
    "sealed for another owner": lambda handsets, at: sealed(
        handsets[0], plaintext_of(handsets[0], paid(handsets[0], at)), owner="d:0000000000000000"
    ),
    "sealed for another port": lambda handsets, at: sealed(
        handsets[0], plaintext_of(handsets[0], paid(handsets[0], at)), port=PORT + 1
    ),
    "authentic nonsense": lambda handsets, _at: sealed(handsets[0], b"\x82\x01\x02"),
    "authentic and empty": lambda handsets, _at: sealed(handsets[0], b""),
    "addressed to another port": _other_port,
    "no port at all": lambda handsets, _at: [
        Part(handsets[0].record.msisdn, GATEWAY, 4, 0, b"\x03\x70\x01\x00", b"hello")
    ],
}


def causes_for(handsets: Sequence[Handset], at: int) -> dict[str, list[Part]]:
    """The parts of every cause, each under a concatenation reference of its own."""
    return {
        cause: [_referenced(part, number) for part in make(handsets, at)]
        for number, (cause, make) in enumerate(CAUSES.items(), 100)
    }


def _referenced(part: Part, reference: int) -> Part:
    """Under this reference, so that no cause joins another's parts; alone as it is."""
    if len(part.udh) < 12:
        return part
    return part._replace(udh=part.udh[:-3] + bytes((reference,)) + part.udh[-2:])
