"""Addresses inside a TPDU: length, type of address, swapped semi-octets (3GPP TS 23.040 §9.1.2.5).

```
length | 1 ton:3 npi:4 | value …
```
`length` counts the semi-octets in use: one a digit, or those that the septets of an alphanumeric value
reach into. Digits stand low nibble first; an odd number of them is filled up with F. Alphanumeric values
are septets, packed (3GPP TS 23.038 §6.1.2.1), of which we read those that the default alphabet (§6.2.1)
has in common with ASCII.
"""

from __future__ import annotations

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.radio.sms.address import ALPHANUMERIC, LONGEST, AddressError, normalise, split

SEMI_OCTETS = "0123456789*#abc"  # what 0 to 14 stand for; 15 fills up
_FILL = 0xF
_EXTENSION = 0x80  # the highest bit of the type of address is always 1
_SEPTET = 0x7F

# Seven-bit characters that mean the same as in ASCII; "_", "$" and "@" lie elsewhere in the alphabet.
_SAME = frozenset(range(0x20, 0x5B)) - {0x24, 0x40} | frozenset(range(0x61, 0x7B))
_MOVED = {0x00: "@", 0x02: "$", 0x11: "_"}
_CHARACTERS = {septet: chr(septet) for septet in _SAME} | _MOVED
_SEPTETS = {character: septet for septet, character in _CHARACTERS.items()}


class AddressOctetsMalformed(TsmError):
    """An address in a TPDU is cut short, too long, or has a value its type does not allow."""

    code, side, temporary = "address-octets", Side.PEER, False


def address_octets(address: str) -> bytes:
    """The octets for `address`, a text as `address.normalise` returns it: 3 to 12 octets.

    Raises AddressError for what no TPDU can carry.
    """
    ton, npi, digits = split(address)
    kind = _EXTENSION | ton << 4 | npi
    if ton == ALPHANUMERIC:
        return bytes((-(-len(digits) * 7 // 4), kind)) + _pack(digits)
    return bytes((len(digits), kind)) + _swap(digits)


def read_address_octets(octets: bytes, at: int = 0) -> tuple[str, int]:
    """The address whose length octet stands at `at`, and where the octets behind it begin.

    Raises AddressOctetsMalformed, nothing else.
    """
    end = address_end(octets, at)
    semi_octets, kind, value = octets[at], octets[at + 1], octets[at + 2 : end]
    ton = kind >> 4 & 7
    text = _unpack(value, semi_octets * 4 // 7) if ton == ALPHANUMERIC else _unswap(value, semi_octets)
    try:
        return normalise(text, ton), end
    except AddressError as error:
        raise AddressOctetsMalformed(semi_octets=semi_octets) from error


def address_end(octets: bytes, at: int = 0) -> int:
    """Where the octets behind the address at `at` begin, whatever its value says.

    Raises AddressOctetsMalformed when it is cut short or longer than 20 semi-octets, nothing else.
    """
    start = at + 2
    if start > len(octets):
        raise AddressOctetsMalformed(octets=len(octets) - at)
    semi_octets = octets[at]
    end = start + (semi_octets + 1) // 2
    if semi_octets > LONGEST or end > len(octets):
        raise AddressOctetsMalformed(octets=len(octets) - at, semi_octets=semi_octets)
    return end


def shown_address(octets: bytes) -> str:
    """The address these octets are, from 2 to 12 of them; empty when it cannot be read.

    For addresses that only tell who sent or got a message: one that cannot be read, a name with an
    accent for instance, must not stop the message. Empty is what an SMSC sends that tells nobody's.
    """
    try:
        return read_address_octets(octets)[0]
    except AddressOctetsMalformed:
        return ""


def _swap(digits: str) -> bytes:
    """Two digits an octet, the first one low."""
    nibbles = [SEMI_OCTETS.index(digit) for digit in digits] + [_FILL] * (len(digits) % 2)
    return bytes(high << 4 | low for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))


def _unswap(value: bytes, count: int) -> str:
    nibbles = [nibble for octet in value for nibble in (octet & 0xF, octet >> 4)][:count]
    if _FILL in nibbles:
        raise AddressOctetsMalformed(semi_octets=count)
    return "".join(SEMI_OCTETS[nibble] for nibble in nibbles)


def _pack(text: str) -> bytes:
    """Seven bits a character, the first one in the lowest bits. Raises AddressError."""
    if not all(character in _SEPTETS for character in text):
        raise AddressError(characters=len(text))
    bits = sum(_SEPTETS[character] << 7 * place for place, character in enumerate(text))
    return bits.to_bytes(-(-len(text) * 7 // 8), "little")


def _unpack(value: bytes, count: int) -> str:
    bits = int.from_bytes(value, "little")
    septets = [bits >> 7 * place & _SEPTET for place in range(count)]
    if not all(septet in _CHARACTERS for septet in septets):
        raise AddressOctetsMalformed(semi_octets=count)
    return "".join(_CHARACTERS[septet] for septet in septets)
