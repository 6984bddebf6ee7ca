"""The strict cursor, item by item, at the ends of its octets and of its ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.envelope.cbor import Reader
from tsm_gateway.envelope.cose import MAX_STRUCTURE, build_sign1, parse_sign1
from tsm_gateway.envelope.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable

ANY = 2**64

TAKE: dict[str, Callable[[Reader], object]] = {
    "uint": lambda reader: reader.uint(0, ANY),
    "octets": lambda reader: reader.octets(0, ANY),
    "text": lambda reader: reader.text(0, ANY),
}


@given(value=st.integers(0, 2**64 - 1))
def test_an_unsigned_integer_is_read_whole_and_nothing_behind_it(value: int) -> None:
    reader = Reader(cbor2.dumps(value) + b"\x00")
    assert reader.uint(0, ANY) == value
    assert reader.rest() == b"\x00"


@pytest.mark.parametrize("value", [23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**64 - 1])
def test_an_integer_cut_anywhere_is_malformed(value: int) -> None:
    whole = cbor2.dumps(value)
    for length in range(len(whole)):
        with pytest.raises(Malformed):
            Reader(whole[:length]).uint(0, ANY)


@pytest.mark.parametrize(
    "longer",
    ["1817", "190018", "1900ff", "1a00000100", "1a0000ffff", "1b0000000000010000", "1b00000000ffffffff"],
)
def test_an_integer_in_more_octets_than_it_needs_is_malformed(longer: str) -> None:
    with pytest.raises(Malformed):
        Reader(bytes.fromhex(longer)).uint(0, ANY)


@pytest.mark.parametrize("size", [0, 1, 23, 24, 255, 256, 300])
def test_a_string_cut_anywhere_is_malformed(size: int) -> None:
    for whole, take in ((cbor2.dumps(b"x" * size), "octets"), (cbor2.dumps("x" * size), "text")):
        TAKE[take](Reader(whole))
        for length in range(len(whole)):
            with pytest.raises(Malformed):
                TAKE[take](Reader(whole[:length]))


@pytest.mark.parametrize(("take", "major", "forms"), [("uint", 0, 28), ("octets", 2, 24), ("text", 3, 24)])
def test_only_the_type_asked_for_is_taken(take: str, major: int, forms: int) -> None:
    """Of every initial octet there is, with 40 more behind it: too few for any longer string."""
    for initial in range(256):
        reader = Reader(bytes([initial]) + b"a" * 40)
        if initial >> 5 == major and initial & 0x1F < forms:
            TAKE[take](reader)
        else:
            with pytest.raises(Malformed):
                TAKE[take](reader)


@pytest.mark.parametrize(
    ("least", "most", "taken"), [(3, 9, True), (4, 9, False), (0, 3, True), (0, 2, False)]
)
def test_ranges_include_their_ends(least: int, most: int, *, taken: bool) -> None:
    reads: list[Callable[[], object]] = [
        lambda: Reader(b"\x03").uint(least, most),
        lambda: Reader(b"\x43abc").octets(least, most),
        lambda: Reader(b"\x63abc").text(least, most),
    ]
    for read in reads:
        if taken:
            read()
        else:
            with pytest.raises(Malformed):
                read()


@given(text=st.text(min_size=1, max_size=8))
def test_a_text_is_visible_ascii_or_malformed(text: str) -> None:
    reader = Reader(cbor2.dumps(text))
    if all("!" <= character <= "~" for character in text):
        assert reader.text(1, 99) == text
    else:
        with pytest.raises(Malformed):
            reader.text(1, 99)


def test_a_text_that_is_no_utf_8_is_malformed() -> None:
    with pytest.raises(Malformed):
        Reader(b"\x62\xff\xfe").text(0, 9)


def test_a_literal_is_taken_only_as_it_stands() -> None:
    reader = Reader(b"\xa6\x01\x03")
    reader.literal(b"\xa6\x01")
    with pytest.raises(Malformed):
        reader.literal(b"\x04")
    with pytest.raises(Malformed):
        reader.end()
    reader.literal(b"\x03")
    reader.end()


def test_a_length_of_two_to_the_64_allocates_nothing() -> None:
    with pytest.raises(Malformed):
        Reader(b"\x5b" + b"\xff" * 8 + b"abc").octets(0, ANY)


def test_a_sign1_may_have_1024_octets_and_not_one_more() -> None:
    around = len(build_sign1(bytes(256), bytes(64))) - 256
    assert len(parse_sign1(build_sign1(bytes(MAX_STRUCTURE - around), bytes(64))).payload) == 1024 - around
    with pytest.raises(Malformed):
        parse_sign1(build_sign1(bytes(MAX_STRUCTURE - around + 1), bytes(64)))
