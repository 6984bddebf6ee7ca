"""The readings of outgoing octets under which a secret could hide from a plain search.

Octets are read as they are, as text that was widened to UTF-16, and, either way and forwards as well as
backwards, as runs of hexadecimal digits, base64, base64url or base32, broken by white space or the usual
separators. A run is read from every digit on, so its beginning need not be known.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

from tsm_gateway.provisioning.live_secrets import GRAM_OCTETS

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDE: Final = (  # with where the narrow octets stand
    (re.compile(rb"(?:.\x00){8,}", re.DOTALL), 0),
    (re.compile(rb"(?:\x00.){8,}", re.DOTALL), 1),
)
_HEX_SEPARATORS: Final = re.compile(rb"0[xX]|\\[xX]|[\s:,;\-_./]")
_SPACE: Final = re.compile(rb"\s+")
# No run that holds eight octets is missed.
_HEX: Final = re.compile(rb"[0-9A-Fa-f]{16,}")
_BASE64: Final = re.compile(rb"[0-9A-Za-z+/\-_]{11,}")
_BASE32: Final = re.compile(rb"[A-Za-z2-7]{13,}")
_URL_DIGITS: Final = bytes.maketrans(b"-_", b"+/")


def windows(octets: bytes, stride: int) -> frozenset[bytes]:
    """Every run of eight octets at each `stride`-th place of every reading of `octets`."""
    return frozenset(
        reading[start : start + GRAM_OCTETS]
        for reading in readings(octets)
        for start in range(0, len(reading) - GRAM_OCTETS + 1, stride)
    )


def readings(octets: bytes) -> Iterator[bytes]:
    """`octets` themselves and what they decode to; never empty, and mostly this one alone."""
    yield octets
    for way in (octets, octets[::-1]):
        yield from _decoded(way)
        for order, at in _WIDE:
            for wide in order.findall(way):
                yield wide[at::2]
                yield from _decoded(wide[at::2])


def _decoded(text: bytes) -> Iterator[bytes]:
    for run in _HEX.findall(_HEX_SEPARATORS.sub(b"", text)):
        for start in (0, 1):
            yield binascii.a2b_hex(_whole(run[start:], 2, b"0"))
    close = _SPACE.sub(b"", text)
    for run in _BASE64.findall(close):
        for start in range(4):
            yield binascii.a2b_base64(_whole(run[start:].translate(_URL_DIGITS), 4, b"A"))
    for run in _BASE32.findall(close):
        for start in range(8):
            yield base64.b32decode(_whole(run[start:].upper(), 8, b"A"))


def _whole(digits: bytes, group: int, zero: bytes) -> bytes:
    """Whole groups of digits: the last one is filled up, so that none of its octets is lost."""
    return digits + zero * (-len(digits) % group)
