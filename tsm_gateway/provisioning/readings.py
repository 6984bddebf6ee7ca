"""The readings of outgoing octets under which a secret could hide from a plain search.

| reading | broken by |
|---|---|
| the octets as they are, or the halves of each swapped (as the digits of telephone numbers are) | nothing |
| every second octet (a constant behind its opcode) | any octet between |
| hexadecimal digits in either case, the halves as above | all but letters and digits; 0x, u00, h, (byte) |
| base64, base64url, base32 and base32hex in either case | white space, quotes, "+" between quotes |
| a list of decimal numbers, -128 to 255 | white space, brackets, `,;:|./`, (byte) |

Each is read forwards and backwards, and in text that was widened to UTF-16 or UTF-32. A run is read from
every digit on, so its beginning need not be known.

Nothing else is read: no encoding within another, no base85, no hexadecimal number without its leading zero,
no words in the other byte order, no constants at a wider distance, and nothing that was compressed, masked
or enciphered. Against whoever hides a secret on purpose this is no wall: the types of the commands and the
signature over the application are.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

from tsm_gateway.provisioning.live_secrets import GRAM_OCTETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WIDE: Final = (  # with where the narrow octets stand, and how far apart
    (re.compile(rb"(?:.\x00){8,}", re.DOTALL), 0, 2),
    (re.compile(rb"(?:\x00.){8,}", re.DOTALL), 1, 2),
    (re.compile(rb"(?:.\x00\x00\x00){8,}", re.DOTALL), 0, 4),
    (re.compile(rb"(?:\x00\x00\x00.){8,}", re.DOTALL), 3, 4),
)
_PREFIXES: Final = re.compile(rb"byte|short|int|[uU](?:00)?|0?[xX]|[hH]")
_NO_DIGITS: Final = bytes(octet for octet in range(256) if not (octet < 0x80 and chr(octet).isalnum()))  # noqa: PLR2004
_JOINTS: Final = re.compile(rb"[\"']\s*\+\s*[\"']|\\[nrt]")
_GAPS: Final = b" \t\n\r\v\f\"'\\"
# No run that holds eight octets is missed.
_HEX: Final = re.compile(rb"[0-9A-Fa-f]{16,}")
_BASE64: Final = re.compile(rb"[0-9A-Za-z+/\-_]{11,}")
_BASE32: Final = re.compile(rb"[A-Za-z2-7]{13,}")
_BASE32_HEX: Final = re.compile(rb"[0-9A-Va-v]{13,}")
_DECIMAL: Final = re.compile(
    rb"(?:[0-9]{1,3}[\s,;:|./(){}\[\]]{1,8}(?:byte\)\s{0,4})?-?){7,}[0-9]{1,3}", re.ASCII
)
_NUMBER: Final = re.compile(rb"-?[0-9]+")
_URL_DIGITS: Final = bytes.maketrans(b"-_", b"+/")
_HALVES: Final = bytes((octet << 4 | octet >> 4) & 0xFF for octet in range(256))


def windows(octets: bytes, stride: int) -> frozenset[bytes]:
    """Every run of eight octets at each `stride`-th place of every reading of `octets`."""
    return frozenset(
        reading[start : start + GRAM_OCTETS]
        for reading in readings(octets)
        for start in range(0, len(reading) - GRAM_OCTETS + 1, stride)
    )


def readings(octets: bytes) -> Iterator[bytes]:
    """`octets` themselves, with their halves swapped, every second of them, and what any of it decodes to."""
    yield from _either_half_first(octets)
    yield octets[0::2]
    yield octets[1::2]
    for way in (octets, octets[::-1]):
        yield from _decoded(way)
        for order, at, width in _WIDE:
            for wide in order.findall(way):
                yield wide[at::width]
                yield from _decoded(wide[at::width])


def _decoded(text: bytes) -> Iterator[bytes]:
    escaped = text.replace(b"\\x", b"").replace(b"\\X", b"")  # the x of "00\\x00" takes no digit along
    for run in _HEX.findall(_PREFIXES.sub(b"", escaped.translate(None, _NO_DIGITS))):
        for start in (0, 1):
            yield from _either_half_first(binascii.a2b_hex(_whole(run[start:], 2, b"0")))
    close = _JOINTS.sub(b"", text).translate(None, _GAPS)
    for run in _BASE64.findall(close):
        for start in range(4):
            yield binascii.a2b_base64(_whole(run[start:].translate(_URL_DIGITS), 4, b"A"))
    yield from _of_base32(_BASE32, base64.b32decode, b"A", close)
    yield from _of_base32(_BASE32_HEX, base64.b32hexdecode, b"0", close)
    for run in _DECIMAL.findall(text):
        yield bytes(int(number) & 0xFF for number in _NUMBER.findall(run))


def _either_half_first(octets: bytes) -> Iterator[bytes]:
    yield octets
    yield octets.translate(_HALVES)


def _of_base32(
    runs: re.Pattern[bytes], decode: Callable[[bytes], bytes], zero: bytes, text: bytes
) -> Iterator[bytes]:
    for run in runs.findall(text):
        for start in range(8):
            yield decode(_whole(run[start:].upper(), 8, zero))


def _whole(digits: bytes, group: int, zero: bytes) -> bytes:
    """Whole groups of digits: the last one is filled up, so that none of its octets is lost."""
    return digits + zero * (-len(digits) % group)
