"""The line of a modem in PDU mode."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.radio.sms.address import AddressError
from tsm_gateway.radio.sms.modem_pdu import Line, Received, modem_pdu, read_modem_pdu
from tsm_gateway.radio.sms.tpdu_errors import Flaw, ModemPduMalformed


def flaw_of(line: bytes | str, length: int) -> Flaw:
    with pytest.raises(ModemPduMalformed) as caught:
        read_modem_pdu(line, length)
    return caught.value.reason


# The first one: encoding/pdumode/pdu_test.go of github.com/warthog618/sms.
KNOWN = [
    ("0791361907002039010203040506070809", "+639170000293", "010203040506070809"),
    ("00010203", "", "010203"),
    ("018151", "", "51"),  # a type without digits, as gammu writes it
    ("01f151", "", "51"),
    ("0581214365f701", "1234567", "01"),
    ("0791947106004034ff", "+491760000443", "ff"),
    ("0b91214365870921436587f901", "+1234567890123456789", "01"),  # nineteen digits
    ("0b9121436587092143658709ff", "+12345678901234567890", "ff"),  # twenty
    ("02910001", "+00", "01"),
    ("0291ff01", "", "01"),  # cannot be read, and stops no message
    ("04d0e8329b01", "hel", "01"),
]


@pytest.mark.parametrize(("line", "centre", "tpdu"), KNOWN)
def test_a_line_is_taken_apart(line: str, centre: str, tpdu: str) -> None:
    expected = Received(centre, bytes.fromhex(tpdu))
    assert read_modem_pdu(line, len(tpdu) // 2) == expected
    assert read_modem_pdu(line.upper().encode(), len(tpdu) // 2) == expected


BROKEN = [
    ("", 0, Flaw.SERVICE_CENTRE),
    ("07913619", 0, Flaw.SERVICE_CENTRE),
    ("0c91" + 11 * "21" + "01", 1, Flaw.SERVICE_CENTRE),
    ("ff" * 200, 10, Flaw.SERVICE_CENTRE),
    ("00010", 2, Flaw.NOT_HEXADECIMAL),
    ("0001 02", 2, Flaw.NOT_HEXADECIMAL),
    ("000102\r", 2, Flaw.NOT_HEXADECIMAL),
    ("0001zz", 2, Flaw.NOT_HEXADECIMAL),
    ("0001\N{FULLWIDTH DIGIT ONE}2", 2, Flaw.NOT_HEXADECIMAL),
    ("00010203", 2, Flaw.STATED_LENGTH),
    ("00010203", 4, Flaw.STATED_LENGTH),
    ("00010203", -1, Flaw.STATED_LENGTH),
    ("0" * 10_000, 4999, Flaw.TOO_LONG),
]


@pytest.mark.parametrize(("line", "length", "flaw"), BROKEN)
def test_a_broken_line_is_refused(line: str, length: int, flaw: Flaw) -> None:
    assert flaw_of(line, length) is flaw


def test_a_broken_line_of_octets_is_refused() -> None:
    assert flaw_of(b"\xff\xfe\x00\x00", 1) is Flaw.NOT_HEXADECIMAL


def test_a_line_is_written_with_the_length_of_the_tpdu() -> None:
    assert modem_pdu(b"\x01\xab") == Line("0001AB", 2)
    assert modem_pdu(b"\x01\xab", "+491760000443") == Line("079194710600403401AB", 2)


@pytest.mark.parametrize("centre", ["a{b", "1" * 21])
def test_a_service_centre_that_is_no_address_is_not_written(centre: str) -> None:
    with pytest.raises(AddressError):
        modem_pdu(b"\x01", centre)


def test_the_error_holds_no_octets() -> None:
    with pytest.raises(ModemPduMalformed) as caught:
        read_modem_pdu("00deadbeef", 3)
    assert "dead" not in str(caught.value)
    assert "stated-length" in str(caught.value)


@given(st.binary(max_size=255), st.from_regex(r"(\+?[0-9]{1,20})?", fullmatch=True))
def test_a_line_is_read_again(tpdu: bytes, centre: str) -> None:
    line = modem_pdu(tpdu, centre)
    assert read_modem_pdu(line.text, line.length) == Received(centre, tpdu)


@given(st.binary(max_size=60) | st.text(max_size=60), st.integers(-5, 300))
def test_any_line_is_taken_apart_or_refused(line: bytes | str, length: int) -> None:
    try:
        received = read_modem_pdu(line, length)
    except ModemPduMalformed:
        return
    assert len(received.tpdu) == length
