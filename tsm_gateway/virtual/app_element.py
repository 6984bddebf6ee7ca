"""The app element: runs the payment application, and never holds a key.

It makes orders out of what the user typed and short messages out of sealed packets. Through its interface
pass addresses, amounts and ciphertext; the crypto element is no part of it and not reachable from it.
"""

from __future__ import annotations

from typing import NamedTuple

from tsm_gateway.virtual.amount import read_amount
from tsm_gateway.virtual.crypto_element import Order
from tsm_gateway.virtual.part import EIGHT_BIT, Part, cut


class Carriage(NamedTuple):
    """How the application sends its short messages."""

    source: str  # the handset's own number
    gateway: str  # the gateway's number
    port: int  # the gateway's application port
    wide: bool = False  # 16-bit concatenation references


class AppElement:
    """A virtual application secure element with the payment application installed."""

    def __init__(self, carriage: Carriage, providers: tuple[str, ...]) -> None:
        """`providers`: the addresses the application offers to its user."""
        self._carriage = carriage
        self.providers = providers

    def order(self, address: str, amount: str, currency: str) -> Order:
        """What the user is asked to approve. Raises AmountInvalid."""
        minor, numeric = read_amount(amount, currency)
        return Order(address, minor, numeric)

    def parts(self, packet: bytes, reference: int) -> list[Part]:
        """The short messages that carry `packet`; `reference` tells one message from the next."""
        way = self._carriage
        reference %= 0x10000 if way.wide else 0x100
        return [
            Part(way.source, way.gateway, EIGHT_BIT, 0, udh, body)
            for udh, body in cut(packet, way.port, reference, wide=way.wide)
        ]
