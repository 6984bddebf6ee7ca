"""A strict reader of deterministic CBOR (RFC 8949 §4.2.1) for the fixed layouts of TSM-1.

Every format here has one order of items, so a cursor that asks for the item it expects reads it whole:
map heads and keys are literals, and what the cursor cannot ask for (tags, floats, indefinite lengths,
duplicate or unknown keys) cannot come in. An integer or length in more octets than it needs is refused,
because a value with two spellings is a packet with two spellings.

Arrays of texts, octets and unsigned integers need no such care to write: `cbor2.dumps` spells them
shortest, in order.
"""

from __future__ import annotations

from tsm_gateway.envelope.errors import Malformed

_UINT, _BYTES, _TEXT, _ARRAY = (major << 5 for major in (0, 2, 3, 4))
_DIRECT = 24  # arguments below this stand in the initial octet itself (RFC 8949 §3)

# Additional information -> octets the argument takes, and the least value that needs that many.
_LONGER = {24: (1, 24), 25: (2, 1 << 8), 26: (4, 1 << 16), 27: (8, 1 << 32)}


class Reader:
    """A cursor over octets; every method takes one item off the front or raises Malformed."""

    __slots__ = ("_at", "_octets")

    def __init__(self, octets: bytes, at: int = 0) -> None:
        """Read `octets` from offset `at`."""
        self._octets = octets
        self._at = at

    def literal(self, expected: bytes) -> None:
        """Take exactly these octets: a map head, a key, a fixed header."""
        if not self._octets.startswith(expected, self._at):
            raise Malformed
        self._at += len(expected)

    def uint(self, least: int, most: int) -> int:
        """Take an unsigned integer of `least` to `most`."""
        value = self._argument(_UINT)
        if not least <= value <= most:
            raise Malformed
        return value

    def octets(self, least: int, most: int) -> bytes:
        """Take a byte string of `least` to `most` octets."""
        return self._string(_BYTES, least, most)

    def text(self, least: int, most: int) -> str:
        """Take a text of `least` to `most` characters, all visible ASCII: neither space nor control.

        Nothing in TSM-1 needs more, and nothing else can then reach a log, a query or a terminal.
        """
        octets = self._string(_TEXT, least, most)
        text = octets.decode("ascii", "replace")
        if not octets.isascii() or not text.isprintable() or " " in text:
            raise Malformed
        return text

    def array(self, least: int, most: int) -> int:
        """Take the head of an array of `least` to `most` items; returns how many follow."""
        count = self._argument(_ARRAY)
        if not least <= count <= most:
            raise Malformed
        return count

    def rest(self) -> bytes:
        """Take all that is left."""
        at = self._at
        self._at = len(self._octets)
        return self._octets[at:]

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._octets):
            raise Malformed

    def _string(self, major: int, least: int, most: int) -> bytes:
        length = self._argument(major)
        start = self._at
        end = start + length
        if not least <= length <= most or end > len(self._octets):
            raise Malformed
        self._at = end
        return self._octets[start:end]

    def _argument(self, major: int) -> int:
        """Take the head of an item of type `major` (already shifted); returns its argument."""
        octets, at = self._octets, self._at
        if at >= len(octets):
            raise Malformed
        information = octets[at] - major
        at += 1
        if 0 <= information < _DIRECT:
            self._at = at
            return information
        size, least = _LONGER.get(information, (0, 1))  # another type, reserved or indefinite: no value is 1
        end = at + size
        value = int.from_bytes(octets[at:end], "big")
        if value < least or end > len(octets):
            raise Malformed
        self._at = end
        return value
