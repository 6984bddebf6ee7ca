"""Times in a TPDU."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.radio.sms.timestamp import Timestamp, read_timestamp, timestamp_octets

# The first three: messaging/test/test_sms.py of python-messaging, after www.dreamfabric.com/sms/scts.html.
KNOWN = [
    ("99202150750321", Timestamp(918788250, 12)),  # 1999-02-12 05:57:30 +03:00
    ("99202150750300", Timestamp(918799050, 0)),
    ("99202150750329", Timestamp(918809850, -12)),
    ("00101000000000", Timestamp(946684800, 0)),  # 2000-01-01 00:00:00
    ("52307111325477", Timestamp(1742210625 - 77 * 900, 77)),  # the widest sign and digits
]


@pytest.mark.parametrize(("octets", "moment"), KNOWN)
def test_a_moment_has_its_octets(octets: str, moment: Timestamp) -> None:
    assert read_timestamp(bytes.fromhex(octets)) == moment
    assert timestamp_octets(moment).hex() == octets


def test_the_ends_of_the_century_are_told_apart() -> None:
    assert read_timestamp(bytes.fromhex("09101000000000")) == Timestamp(631152000)  # 1990
    assert read_timestamp(bytes.fromhex("98211332959500")) == Timestamp(3786911999)  # 2089
    assert timestamp_octets(Timestamp(631152000)).hex() == "09101000000000"
    assert timestamp_octets(Timestamp(3786911999)).hex() == "98211332959500"


NO_DATES = {
    "nothing set": "00000000000000",
    "filled up": "ffffffffffffff",
    "month 13": "52311171113200",
    "30 February": "52200300000000",
    "29 February of a common year": "52209200000000",
    "hour 24": "52301142000000",
    "minute 60": "52301100060000",
    "second 60": "52301100000600",
    "a nibble that is no digit": "5230110000a000",
    "a high nibble that is no digit": "52301100000a00",
    "a zone that is no digit": "523011000000a0",
}


@pytest.mark.parametrize("octets", NO_DATES.values(), ids=NO_DATES.keys())
def test_what_is_no_date_is_none(octets: str) -> None:
    assert read_timestamp(bytes.fromhex(octets)) is None


def test_29_february_of_a_leap_year_is_a_date() -> None:
    assert read_timestamp(bytes.fromhex("42209200000000")) == Timestamp(1709164800)


def test_no_moment_is_written_as_no_date() -> None:
    assert timestamp_octets(None) == bytes(7)


@pytest.mark.parametrize(
    "moment", [Timestamp(631151999), Timestamp(3786912000), Timestamp(0, 80), Timestamp(10**9, -80)]
)
def test_a_moment_its_octets_cannot_tell_is_not_written(moment: Timestamp) -> None:
    with pytest.raises(ValueError, match=r"^a (zone|year)"):
        timestamp_octets(moment)


@given(st.integers(631_300_000, 3_786_800_000), st.integers(-79, 79))
def test_a_moment_is_read_again(seconds: int, quarters: int) -> None:
    moment = Timestamp(seconds, quarters)
    assert read_timestamp(timestamp_octets(moment)) == moment


@given(st.binary(min_size=7, max_size=7))
def test_any_octets_are_a_moment_or_none(octets: bytes) -> None:
    moment = read_timestamp(octets)
    assert moment is None or read_timestamp(timestamp_octets(moment)) == moment
