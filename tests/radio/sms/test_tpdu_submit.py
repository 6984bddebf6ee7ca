"""SMS-SUBMIT: what a modem is given to send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.radio.sms.address import AddressError
from tsm_gateway.radio.sms.header import payment_header
from tsm_gateway.radio.sms.timestamp import Timestamp
from tsm_gateway.radio.sms.tpdu_errors import Flaw, TpduMalformed, TpduOverflow
from tsm_gateway.radio.sms.tpdu_submit import Submit, read_submit, submit_octets
from tsm_gateway.radio.sms.validity import (
    NO_VALIDITY,
    absolute_validity,
    enhanced_validity,
    relative_validity,
)

PART = payment_header(16500, 9, 7, 3, 1)
NUMBER = "+491701234567"
UNTIL = Timestamp(1_742_203_425, 8)


def submit(**fields: object) -> Submit:
    return Submit(**({"destination": NUMBER, "user_data": b"\x00\x1a"} | fields))  # type: ignore[arg-type]


def test_a_part_is_written_as_the_standard_lays_it_out() -> None:
    message = submit(
        user_data=PART + b"\x00\x1a\xff",
        has_header=True,
        reference=7,
        validity=relative_validity(86400),
        report_wanted=True,
    )
    assert submit_octets(message).hex() == (
        "71"  # SMS-SUBMIT, relative validity, report wanted, header
        "07"
        "0c91947110325476"
        "00"
        "04"
        "a7"
        "0f"
        "0b0504407400090003070301"
        "001aff"
    )


@pytest.mark.parametrize(
    ("fields", "first"),
    [
        ({}, 0x01),
        ({"reject_duplicates": True}, 0x05),
        ({"validity": enhanced_validity(60)}, 0x09),
        ({"validity": relative_validity(60)}, 0x11),
        ({"validity": absolute_validity(UNTIL)}, 0x19),
        ({"report_wanted": True}, 0x21),
        ({"has_header": True}, 0x41),
        ({"reply_path": True}, 0x81),
    ],
)
def test_each_field_has_its_bit(fields: dict[str, object], first: int) -> None:
    octets = submit_octets(submit(**fields))
    assert octets[0] == first
    assert read_submit(octets) == submit(**fields)


def test_a_part_of_140_octets_is_the_longest() -> None:
    assert len(submit_octets(submit(user_data=PART + bytes(128), has_header=True))) == 153
    with pytest.raises(TpduOverflow):
        submit_octets(submit(user_data=PART + bytes(129), has_header=True))


def test_text_is_written_with_its_count_of_characters() -> None:
    text = bytes.fromhex("e8329bfd4697d9ec37")
    octets = submit_octets(submit(user_data=text, data_coding=0, characters=10))
    assert octets[-10:] == b"\x0a" + text
    assert read_submit(octets).characters == 10


@pytest.mark.parametrize("destination", ["", "a{b", "+", "+12x", "1" * 21])
def test_a_destination_that_is_none_is_not_written(destination: str) -> None:
    with pytest.raises(AddressError):
        submit_octets(submit(destination=destination))


@pytest.mark.parametrize("fields", [{"reference": 256}, {"protocol_id": -1}, {"data_coding": 256}])
def test_what_no_field_can_hold_is_not_written(fields: dict[str, object]) -> None:
    with pytest.raises((ValueError, IndexError)):
        submit_octets(submit(**fields))


@pytest.mark.parametrize("address", ["0081", "02d01b", "0491947f", "0091", "0c8194c1" + 4 * "32"])
def test_a_submission_to_nobody_is_malformed(address: str) -> None:
    octets = bytes.fromhex("0100" + address + "0004" + "021a1a")
    with pytest.raises(TpduMalformed) as caught:
        read_submit(octets)
    assert caught.value.reason is Flaw.ADDRESS


@pytest.mark.parametrize("first", [0x00, 0x02, 0x03])
def test_another_kind_is_no_submission(first: int) -> None:
    octets = submit_octets(submit())
    with pytest.raises(TpduMalformed) as caught:
        read_submit(bytes((first,)) + octets[1:])
    assert caught.value.reason is Flaw.OTHER_KIND


def test_neither_destination_nor_octets_are_printed() -> None:
    shown = repr(submit(user_data=b"ddd"))
    assert "4917" not in shown
    assert "ddd" not in shown


validities = st.one_of(
    st.just(NO_VALIDITY),
    st.builds(relative_validity, st.integers(0, 40_000_000)),
    st.builds(enhanced_validity, st.integers(0, 40_000_000), single_shot=st.booleans()),
    st.builds(
        absolute_validity, st.builds(Timestamp, st.integers(700_000_000, 3_700_000_000), st.integers(-79, 79))
    ),
)
submissions = st.builds(
    Submit,
    destination=st.from_regex(r"\+?[0-9]{1,20}", fullmatch=True),
    user_data=st.binary(max_size=140),
    has_header=st.booleans(),
    reference=st.integers(0, 255),
    data_coding=st.sampled_from((4, 0xF5, 8)),
    protocol_id=st.integers(0, 255),
    validity=validities,
    characters=st.just(0),
    report_wanted=st.booleans(),
    reject_duplicates=st.booleans(),
    reply_path=st.booleans(),
)


@given(submissions)
def test_what_is_written_is_read_again(message: Submit) -> None:
    assert read_submit(submit_octets(message)) == message


@given(submissions, st.data())
def test_a_submission_cut_short_is_never_another(message: Submit, data: st.DataObject) -> None:
    octets = submit_octets(message)
    at = data.draw(st.integers(0, len(octets) - 1))
    with pytest.raises(TpduMalformed):
        read_submit(octets[:at])
