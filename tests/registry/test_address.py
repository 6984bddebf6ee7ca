"""Addresses of providers: one spelling each, and nothing that is not an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.registry.address import normalise_address
from tsm_gateway.registry.errors import AddressInvalid


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("+4930123456", "+4930123456"),
        ("+49 (30) 123-456", "+4930123456"),
        (" +49/30.123456 ", "+4930123456"),
        ("+1234567", "+1234567"),
        ("+123456789012345", "+123456789012345"),
        ("123", "123"),
        ("00700", "00700"),
        ("12345678", "12345678"),
        (" 70707 ", "70707"),
        ("sp:bank", "sp:bank"),
        ("SP:Bank-1._x", "sp:bank-1._x"),
        ("sp:" + "a" * 32, "sp:" + "a" * 32),
    ],
)
def test_an_address_has_one_spelling(text: str, normalised: str) -> None:
    assert normalise_address(text) == normalised
    assert normalise_address(normalised) == normalised


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+",
        "+123456",  # 6 digits
        "+1234567890123456",  # 16 digits
        "+0930123456",
        "++4930123456",
        "4930123456",  # a national number, or an international one without its sign
        "12",
        "123456789",
        "12 345",
        "12-345",
        "+49301234a6",
        "+\u0664\u0669\u0663\u0660\u0661\u0662\u0663\u0664\u0665\u0666",  # digits, but not E.164's
        "\uff11\uff12\uff13\uff14\uff15",  # full-width digits
        "sp:",
        "sp:a b",
        "sp:bänk",
        "sp:" + "a" * 33,
        "sip:bank",
        "+4930123456\n",
        "\t12345",
        "12345\x00",
        "+" + " " * 60 + "4930123456",
    ],
)
def test_anything_else_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(AddressInvalid) as caught:
        normalise_address(text)
    assert caught.value.facts == {"length": len(text)}


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        normalised = normalise_address(text)
    except AddressInvalid:
        return
    assert normalise_address(normalised) == normalised
    assert normalised.isascii()
    assert len(normalised) <= 35


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), st.data())
def test_punctuation_never_changes_a_number(number: str, data: st.DataObject) -> None:
    written = number
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(0, len(written)))
        written = written[:place] + data.draw(st.sampled_from(" -./()")) + written[place:]
    assert normalise_address(written) == number
