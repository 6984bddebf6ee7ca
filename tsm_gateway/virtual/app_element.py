"""The app element: runs the payment application, and never holds a key.

It makes orders out of what the user typed and short messages out of sealed packets. Through its interface
pass addresses, amounts and ciphertext; the crypto element is no part of it and not reachable from it.

The application is the one installed on the element's card, with the parameters it was personalised with; an
element without a card is one whose makers installed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.virtual.amount import read_amount
from tsm_gateway.virtual.card_state import Parameters
from tsm_gateway.virtual.crypto_element import Order
from tsm_gateway.virtual.errors import AmountInvalid
from tsm_gateway.virtual.part import EIGHT_BIT, Part, cut

if TYPE_CHECKING:
    from collections.abc import Callable

_BY_MAKERS = Parameters()  # an application that was told nothing


class Carriage(NamedTuple):
    """How the application sends its short messages."""

    source: str  # the handset's own number
    gateway: str  # the gateway's number
    port: int  # the gateway's application port
    wide: bool = False  # 16-bit concatenation references


class AppElement:
    """A virtual application secure element with the payment application."""

    def __init__(
        self,
        carriage: Carriage,
        providers: tuple[str, ...],
        application: Callable[[], Parameters] = lambda: _BY_MAKERS,
    ) -> None:
        """`providers`: the addresses the application offers to its user.

        `application` gives the parameters of the one installed on a card (`Card.application`), and raises
        ApplicationNotInstalled while there is none. They go before those of `carriage`.
        """
        self._carriage = carriage
        self._application = application
        self.providers = providers

    @property
    def own_provider(self) -> str:
        """The address the application was personalised with; "" when it was told none.

        Raises ApplicationNotInstalled.
        """
        return self._application().provider_address

    def order(self, address: str, amount: str, currency: str) -> Order:
        """What the user is asked to approve.

        Raises ApplicationNotInstalled; AmountInvalid, for more than the application's limit in its currency,
        too.
        """
        installed = self._application()
        minor, numeric = read_amount(amount, currency)
        limit = installed.amount_limit or 0
        if 0 < limit < minor and numeric == installed.currency:
            raise AmountInvalid(what="above the application's limit", limit=limit)
        return Order(address, minor, numeric)

    def parts(self, packet: bytes, reference: int) -> list[Part]:
        """The short messages that carry `packet`; `reference` tells one message from the next.

        Raises ApplicationNotInstalled.
        """
        way, installed = self._carriage, self._application()
        gateway, port = installed.gateway_number or way.gateway, installed.port or way.port
        reference %= 0x10000 if way.wide else 0x100
        return [
            Part(way.source, gateway, EIGHT_BIT, 0, udh, body)
            for udh, body in cut(packet, port, reference, wide=way.wide)
        ]
