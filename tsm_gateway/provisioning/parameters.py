"""What a payment application is told when it is personalised: where payments go, and how much one may be.

Nothing of it is secret, and there is no field a secret would fit: the address is in the registry's spelling,
everything else is a number or a telephone number. On the card it is data grouping identifier 0101 (design
§5.6):

| tag | value |
|---|---|
| 80 | the service provider's address, ASCII |
| 81 | the gateway's own number, ASCII |
| 82 | the application port of the short messages, 2 octets |
| 83 | the most one payment may be, in minor units of the currency, 8 octets; 0 = no limit |
| 84 | the currency, ISO 4217 numeric, 2 octets |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tsm_gateway.provisioning.tlv import tlv
from tsm_gateway.registry.address import INTERNATIONAL, NAME, SHORT_CODE

DGI: Final = 0x0101
PORTS: Final = range(1, 0x10000)
CURRENCIES: Final = range(1, 1000)
MOST: Final = 2**63 - 1

_GATEWAY: Final = re.compile(r"\+?[0-9]{3,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one payment application. Raises ValueError for what is out of bounds."""

    provider_address: str  # in the registry's spelling: "+49…", a short code, or "sp:name"
    gateway_number: str  # 3 to 15 digits, "+" ahead of an international one
    port: int  # 1..65535
    amount_limit: int  # minor units; 0 = no limit
    currency: int  # ISO 4217 numeric, 1..999

    def __post_init__(self) -> None:
        """Refuse what a field cannot mean; the complaint names the field and not the value."""
        address = self.provider_address
        sound = {
            "provider_address": any(kind.fullmatch(address) for kind in (INTERNATIONAL, SHORT_CODE, NAME)),
            "gateway_number": _GATEWAY.fullmatch(self.gateway_number) is not None,
            "port": self.port in PORTS,
            "amount_limit": 0 <= self.amount_limit <= MOST,
            "currency": self.currency in CURRENCIES,
        }
        wrong = ", ".join(name for name, holds in sound.items() if not holds)
        if wrong:
            message = f"out of bounds: {wrong}"
            raise ValueError(message)

    def encode(self) -> bytes:
        """The data grouping for STORE DATA: DGI (2), length (1), the five data objects."""
        content = b"".join(
            (
                tlv(0x80, self.provider_address.encode("ascii")),
                tlv(0x81, self.gateway_number.encode("ascii")),
                tlv(0x82, self.port.to_bytes(2, "big")),
                tlv(0x83, self.amount_limit.to_bytes(8, "big")),
                tlv(0x84, self.currency.to_bytes(2, "big")),
            )
        )
        return DGI.to_bytes(2, "big") + bytes((len(content),)) + content
