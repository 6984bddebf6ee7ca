"""Validity periods."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.radio.sms.timestamp import Timestamp
from tsm_gateway.radio.sms.validity import (
    DAY,
    HOUR,
    LONGEST,
    MINUTE,
    NO_VALIDITY,
    WEEK,
    Validity,
    ValidityForm,
    absolute_validity,
    enhanced_validity,
    relative_octet,
    relative_seconds,
    relative_validity,
)

PERIODS = [
    (0, 5 * MINUTE),
    (1, 10 * MINUTE),
    (143, 12 * HOUR),
    (144, 12 * HOUR + 30 * MINUTE),
    (167, 24 * HOUR),
    (168, 2 * DAY),
    (196, 30 * DAY),
    (197, 5 * WEEK),
    (255, 63 * WEEK),
]


@pytest.mark.parametrize(("value", "seconds"), PERIODS)
def test_a_relative_period_has_its_octet(value: int, seconds: int) -> None:
    assert relative_seconds(value) == seconds
    assert relative_octet(seconds) == value
    assert relative_octet(seconds - 1) == value


def test_every_octet_is_a_period_longer_than_the_one_before() -> None:
    periods = [relative_seconds(value) for value in range(256)]
    assert periods == sorted(set(periods))
    assert [relative_octet(seconds) for seconds in periods] == list(range(256))


@given(st.integers(-10, 2 * LONGEST))
def test_a_period_is_never_shorter_than_asked_for_nor_longer_than_it_must_be(seconds: int) -> None:
    value = relative_octet(seconds)
    assert relative_seconds(value) >= min(seconds, LONGEST)
    assert value == 0 or relative_seconds(value - 1) < seconds


def test_a_relative_period_says_its_seconds() -> None:
    validity = relative_validity(25 * HOUR)
    assert (validity.form, validity.octets) == (ValidityForm.RELATIVE, b"\xa8")
    assert (validity.seconds, validity.until, validity.single_shot) == (2 * DAY, None, False)


def test_an_absolute_period_says_its_end() -> None:
    until = Timestamp(1742203425, 8)
    validity = absolute_validity(until)
    assert validity.octets.hex() == "52307111325480"
    assert (validity.seconds, validity.until, validity.single_shot) == (None, until, False)
    assert Validity(ValidityForm.ABSOLUTE, bytes(7)).until is None


def test_no_period_says_nothing() -> None:
    assert (NO_VALIDITY.seconds, NO_VALIDITY.until, NO_VALIDITY.single_shot) == (None, None, False)
    assert NO_VALIDITY.octets == b""


@pytest.mark.parametrize(
    ("asked", "octets", "seconds"),
    [
        (None, "00000000000000", None),
        (0, "02010000000000", 1),
        (255, "02ff0000000000", 255),
        (256, "03004061000000", 256),
        (99 * HOUR + 59 * MINUTE + 59, "03999595000000", 359999),
        (100 * HOUR, "01ab0000000000", 5 * DAY),
    ],
)
def test_an_enhanced_period_takes_the_finest_form_that_holds_it(
    asked: int | None, octets: str, seconds: int | None
) -> None:
    validity = enhanced_validity(asked)
    assert validity.octets.hex() == octets
    assert (validity.seconds, validity.single_shot) == (seconds, False)


def test_a_single_attempt_is_told() -> None:
    validity = enhanced_validity(60, single_shot=True)
    assert validity.octets.hex() == "423c0000000000"
    assert (validity.seconds, validity.single_shot) == (60, True)


@pytest.mark.parametrize(
    "octets",
    [
        "82 3c 0000000000",  # another indicator follows
        "02 00 0000000000",  # no seconds: reserved
        "03 00 06 00 000000",  # 60 minutes
        "03 00 00 06 000000",
        "03 0a 00 00 000000",  # no digit
        "04 3c 0000000000",
        "07 3c 0000000000",
    ],
)
def test_an_enhanced_period_we_do_not_know_says_nothing(octets: str) -> None:
    assert Validity(ValidityForm.ENHANCED, bytes.fromhex(octets)).seconds is None


@given(st.sampled_from(ValidityForm), st.binary(min_size=7, max_size=7))
def test_any_octets_are_a_period_or_none(form: ValidityForm, octets: bytes) -> None:
    validity = Validity(form, octets[: form.octets])
    assert validity.seconds is None or 0 <= validity.seconds <= LONGEST
    assert validity.until is None or form is ValidityForm.ABSOLUTE
