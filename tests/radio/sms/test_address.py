"""Addresses: one text for each, nothing cut, nothing guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.radio.sms.address import AddressError, SmppAddress, normalise, split

TWENTY = "12345678901234567890"

RECEIVED = [
    # digits, type of number, text
    ("491701234567", 1, "+491701234567"),
    ("+491701234567", 1, "+491701234567"),
    ("+491701234567", 0, "+491701234567"),  # some gateways put a plus and no type
    ("+491701234567", 2, "+491701234567"),
    ("491701234567", 0, "491701234567"),  # international or national: only the network knows
    ("01701234567", 2, "01701234567"),
    ("00491701234567", 0, "00491701234567"),
    ("71234", 3, "71234"),
    ("*100#", 0, "*100#"),
    ("71234", 6, "71234"),
    ("71234", 9, "71234"),  # a reserved type of number
    ("My Bank", 5, "My Bank"),
    ("+49170", 5, "+49170"),
    ("+Bank", 5, "+Bank"),
    ("MyBank", 0, "MyBank"),
    ("", 0, ""),
    ("", 1, ""),
    (TWENTY, 0, TWENTY),
    (TWENTY, 1, "+" + TWENTY),
    ("+" + TWENTY, 1, "+" + TWENTY),
]


@pytest.mark.parametrize(("digits", "ton", "text"), RECEIVED)
def test_a_received_address_has_one_text(digits: str, ton: int, text: str) -> None:
    assert normalise(digits, ton) == text


BAD = [
    (TWENTY + "1", 0),
    (TWENTY + "1", 1),
    ("+" + TWENTY + "1", 1),
    ("MyBank", 1),
    ("49 170", 1),
    ("+", 1),
    ("+", 0),
    ("++49", 1),
    ("+49-170", 0),
    ("\N{ARABIC-INDIC DIGIT ONE}23", 1),
    ("\N{SUPERSCRIPT TWO}23", 1),
    ("49\n170", 0),
    ("49\x00170", 0),
    ("\x1b[31mred", 5),
    ("\N{RIGHT-TO-LEFT OVERRIDE}123", 5),
    ("Käse", 5),
]


@pytest.mark.parametrize(("digits", "ton"), BAD)
def test_an_address_that_is_none_is_refused(digits: str, ton: int) -> None:
    with pytest.raises(AddressError):
        normalise(digits, ton)


SENT = [
    ("+491701234567", (1, 1, "491701234567")),
    ("+" + TWENTY, (1, 1, TWENTY)),
    ("01701234567", (0, 1, "01701234567")),
    ("71234", (0, 1, "71234")),
    ("*100#", (0, 1, "*100#")),
    ("MyBank", (5, 0, "MyBank")),
    ("Eleven char", (5, 0, "Eleven char")),
    ("7up", (5, 0, "7up")),
]


@pytest.mark.parametrize(("address", "fields"), SENT)
def test_an_address_is_split_for_sending(address: str, fields: tuple[int, int, str]) -> None:
    assert split(address) == fields


@pytest.mark.parametrize(
    "address", ["", "+", "+49 170", "+" + TWENTY + "1", TWENTY + "1", "Twelve chars", "a\tb", "Käse"]
)
def test_nothing_is_cut_to_make_it_fit(address: str) -> None:
    with pytest.raises(AddressError):
        split(address)


def test_the_error_holds_no_number() -> None:
    with pytest.raises(AddressError) as caught:
        split("+49170123456x")
    assert "49170" not in str(caught.value)


@given(st.text(max_size=25), st.integers(0, 255))
def test_any_text_is_an_address_or_an_address_error(digits: str, ton: int) -> None:
    try:
        text = normalise(digits, ton)
    except AddressError:
        return
    assert text.isascii()
    assert text.isprintable()
    assert len(text) <= 21
    assert text.removeprefix("+") == digits.removeprefix("+")


@given(st.from_regex(r"\+?[0-9]{1,20}", fullmatch=True))
def test_a_number_survives_sending_and_receiving(address: str) -> None:
    ton, _, digits = split(address)
    assert normalise(digits, ton) == address


def test_the_fields_have_names() -> None:
    assert SmppAddress(ton=1, npi=1, digits="4917") == split("+4917")
