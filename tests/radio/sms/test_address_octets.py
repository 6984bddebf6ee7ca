"""Addresses inside a TPDU."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tsm_gateway.radio.sms.address import AddressError
from tsm_gateway.radio.sms.address_octets import (
    AddressOctetsMalformed,
    address_octets,
    read_address_octets,
)

# Worked by hand from 3GPP TS 23.040 §9.1.2.5 and TS 23.038 §6.1.2.1.
KNOWN = [
    ("+46708251358", "0b916407281553f8"),  # 11 digits: the last octet is filled up
    ("+491701234567", "0c91947110325476"),
    ("71234", "05811732f4"),
    ("*100#", "05811a00fb"),
    ("A", "02d041"),
    ("AB", "04d04121"),  # 14 bits are four semi-octets
    ("hello", "09d0e8329bfd06"),  # 35 bits reach into the ninth semi-octet
]


@pytest.mark.parametrize(("address", "octets"), KNOWN)
def test_an_address_has_its_octets(address: str, octets: str) -> None:
    assert address_octets(address).hex() == octets
    assert read_address_octets(bytes.fromhex(octets)) == (address, len(octets) // 2)


def test_an_address_is_read_where_it_stands() -> None:
    assert read_address_octets(bytes.fromhex("ff05811732f4aa"), at=1) == ("71234", 6)


def test_eleven_characters_fill_ten_octets() -> None:
    octets = address_octets("Eleven char")
    assert len(octets) == 12
    assert octets[0] == 20
    assert read_address_octets(octets) == ("Eleven char", 12)


BROKEN = [
    "",
    "05",
    "0581",
    "05811732",  # a digit short
    "15811732f41732f41732f41732",  # 21 semi-octets
    "16d0" + 11 * "00",  # a name of more octets than a value has
    "0581f732f4",  # fill among the digits
    "06811732f4",  # fill where the sixth digit should be
    "02911b",  # "b" and "*" in... an international number has digits only
    "02d01b",  # a character outside the part of the alphabet we read
]


@pytest.mark.parametrize("octets", BROKEN)
def test_a_broken_address_is_refused(octets: str) -> None:
    with pytest.raises(AddressOctetsMalformed):
        read_address_octets(bytes.fromhex(octets))


@pytest.mark.parametrize("address", ["a{b", "[x]", "a^b"])
def test_a_character_of_the_extension_table_is_refused(address: str) -> None:
    with pytest.raises(AddressError):
        address_octets(address)


@given(st.binary(max_size=16))
@example(bytes.fromhex("02d01b"))
def test_any_octets_are_an_address_or_malformed(octets: bytes) -> None:
    try:
        address, end = read_address_octets(octets)
    except AddressOctetsMalformed:
        return
    assert 2 <= end <= len(octets)
    assert address.isascii()


@given(st.from_regex(r"\+?[0-9]{1,20}|[A-Za-z][A-Za-z0-9 @$_]{0,10}", fullmatch=True))
def test_an_address_survives_the_tpdu(address: str) -> None:
    octets = address_octets(address)
    assert read_address_octets(octets) == (address, len(octets))
