"""The card's own reading of a load file data block, and what it does not link."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.virtual.card_host import APPLET, PACKAGE, component, load_file
from tsm_gateway.virtual.cap_reader import Package, read_load_file
from tsm_gateway.virtual.card_apdu import Refusal

BLOCK = load_file(code=40)
HEADER_AT, FLAGS_AT, AID_AT = 0, 9, 12


def altered(where: int, octets: str, block: bytes = BLOCK) -> bytes:
    new = bytes.fromhex(octets)
    return block[:where] + new + block[where + len(new) :]


def without(tag: int) -> bytes:
    return b"".join(part for part in components(BLOCK) if part[0] != tag)


def components(block: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(block):
        end = at + 3 + int.from_bytes(block[at + 1 : at + 3], "big")
        parts.append(block[at:end])
        at = end
    return parts


def applet_at() -> int:
    """Where the info of the applet component begins."""
    ahead = components(BLOCK)[: [part[0] for part in components(BLOCK)].index(3)]
    return len(b"".join(ahead)) + 3


def test_package_and_applets_are_read() -> None:
    assert read_load_file(BLOCK) == Package(PACKAGE, (1, 0), (APPLET,))
    two = load_file(applets=(APPLET, b"\xf0" * 16), version=(3, 9))
    assert read_load_file(two) == Package(PACKAGE, (3, 9), (APPLET, b"\xf0" * 16))
    assert read_load_file(load_file(applets=())) == Package(PACKAGE, (1, 0), ())


@pytest.mark.parametrize("format_", ["0102", "0202", "0302"])
def test_the_formats_of_all_compact_files_are_read(format_: str) -> None:
    assert read_load_file(altered(7, format_)).aid == PACKAGE


@pytest.mark.parametrize(
    ("why", "block"),
    [
        ("nothing at all", b""),
        ("cut off in a head", BLOCK[:2]),
        ("cut off in a component", BLOCK[:-1]),
        ("octets behind", BLOCK + b"\0"),
        ("no magic", altered(3, "DECAFFEE")),
        ("a format to come", altered(7, "0103")),
        ("an extended file", altered(FLAGS_AT, "0C")),
        ("flags without applets", altered(FLAGS_AT, "00")),
        ("flags with an export", altered(FLAGS_AT, "06")),
        ("a short AID", altered(AID_AT, "04")),
        ("a long AID", altered(AID_AT, "11")),
        ("no directory", without(2)),
        ("no methods", without(7)),
        ("no applets, and flags that say so", without(3)),
        ("a component twice", BLOCK + component(9, bytes(4))),
        ("another order", b"".join([*components(BLOCK)[:-2], *reversed(components(BLOCK)[-2:])])),
        ("a debug component", BLOCK + component(12, b"")),
        ("another size in the directory", altered(BLOCK.index(b"\2\0\x1f") + 3, "00FF")),
        ("no applet", altered(applet_at(), "00")),
        ("more applets than there are", altered(applet_at(), "02")),
        ("an applet with a short AID", altered(applet_at() + 1, "04")),
        ("an applet that is too long", altered(applet_at() + 1, "10")),
    ],
)
def test_what_is_no_load_file_is_refused(why: str, block: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        read_load_file(block)
    assert refused.value.status == 0x6A80, why


@given(st.integers(0, len(BLOCK) - 1), st.binary(min_size=1, max_size=4))
def test_any_octets_in_a_load_file_are_read_or_refused(where: int, octets: bytes) -> None:
    with suppress(Refusal):
        assert isinstance(read_load_file(altered(where, octets.hex())), Package)


@given(st.binary(max_size=120))
def test_any_octets_are_a_load_file_or_refused(octets: bytes) -> None:
    with suppress(Refusal):
        assert isinstance(read_load_file(octets), Package)
