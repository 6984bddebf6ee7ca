"""SMS-STATUS-REPORT, and what its status means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.radio.sms.address_octets import address_octets
from tsm_gateway.radio.sms.delivery_status import StatusClass, status_class, status_name
from tsm_gateway.radio.sms.timestamp import Timestamp
from tsm_gateway.radio.sms.tpdu_errors import Flaw, TpduMalformed
from tsm_gateway.radio.sms.tpdu_status_report import (
    StatusReport,
    read_status_report,
    status_report_octets,
)

RECIPIENT = bytes.fromhex("0c91947110325476")
OCTETS = bytes.fromhex("06070c91947110325476523071113254805230711132558000")


def test_a_report_says_which_message_and_what_became_of_it() -> None:
    read = read_status_report(OCTETS)
    assert read == StatusReport(
        reference=7,
        recipient=RECIPIENT,
        status=0,
        sent=Timestamp(1742203425, 8),
        discharged=Timestamp(1742203435, 8),
    )
    assert read.destination == "+491701234567"
    assert read.verdict is StatusClass.DELIVERED


@pytest.mark.parametrize(
    ("first", "flags"),
    [(0x02, {"more_wait"}), (0x06, set()), (0x26, {"of_command"}), (0x46, {"has_header"})],
)
def test_each_flag_has_its_bit(first: int, flags: set[str]) -> None:
    octets = bytes((first,)) + OCTETS[1:]
    read = read_status_report(octets)
    assert {name for name in ("more_wait", "of_command", "has_header") if getattr(read, name)} == flags
    assert status_report_octets(read) == octets


@pytest.mark.parametrize("rest", ["", "00", "07", "07 00 04 03 aabb", "ff" * 20, "80"])
def test_no_tail_hides_the_status(rest: str) -> None:
    octets = OCTETS + bytes.fromhex(rest)
    read = read_status_report(octets)
    assert (read.status, read.rest) == (0, bytes.fromhex(rest))
    assert status_report_octets(read) == octets


def test_times_that_are_none_and_a_recipient_that_cannot_be_read_stop_no_report() -> None:
    read = read_status_report(bytes.fromhex("06 07 02d01b" + "00" * 14 + "46"))
    assert (read.sent, read.discharged, read.destination) == (None, None, "")
    assert read.verdict is StatusClass.PERMANENT


@pytest.mark.parametrize("at", range(len(OCTETS)))
def test_a_report_cut_anywhere_is_malformed(at: int) -> None:
    with pytest.raises(TpduMalformed) as caught:
        read_status_report(OCTETS[:at])
    assert caught.value.reason in {Flaw.CUT_SHORT, Flaw.ADDRESS}


@pytest.mark.parametrize("first", [0x00, 0x01, 0x03])
def test_another_kind_is_no_report(first: int) -> None:
    with pytest.raises(TpduMalformed) as caught:
        read_status_report(bytes((first,)) + OCTETS[1:])
    assert caught.value.reason is Flaw.OTHER_KIND


STATUSES = {
    StatusClass.DELIVERED: {0x00},
    StatusClass.UNCONFIRMED: {0x01, *range(0x10, 0x20)},
    StatusClass.STILL_TRYING: {*range(0x20, 0x26), *range(0x30, 0x40)},
    StatusClass.PERMANENT: {0x02, *range(0x40, 0x4A), *range(0x50, 0x60)},
}


def test_every_status_has_its_class_and_the_reserved_ones_are_service_rejected() -> None:
    for verdict, statuses in STATUSES.items():
        assert {status for status in range(256) if status_class(status) is verdict} == statuses
    others = set(range(256)).difference(*STATUSES.values())
    assert {status_class(status) for status in others} == {StatusClass.TEMPORARY}
    assert {*range(0x60, 0x80), *range(0x03, 0x10), *range(0x26, 0x30), *range(0x80, 0x100)} <= others


def test_only_a_centre_that_goes_on_sends_another_report() -> None:
    assert [each for each in StatusClass if not each.final] == [StatusClass.STILL_TRYING]


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (0x00, "delivered"),
        (0x20, "congestion"),
        (0x25, "error in the recipient's equipment"),
        (0x46, "validity period expired"),
        (0x62, "no answer from the recipient"),
        (0x03, "reserved 0x03"),
        (0x2F, "reserved 0x2f"),
        (0x1F, "service centre 0x1f"),
        (0x70, "service centre 0x70"),
        (0x90, "reserved 0x90"),
    ],
)
def test_a_status_has_a_name(status: int, name: str) -> None:
    assert status_name(status) == name


@given(
    st.builds(
        StatusReport,
        reference=st.integers(0, 255),
        recipient=st.from_regex(r"\+?[0-9]{1,20}", fullmatch=True).map(address_octets),
        status=st.integers(0, 255),
        sent=st.none() | st.builds(Timestamp, st.integers(700_000_000, 3_700_000_000), st.integers(-79, 79)),
        discharged=st.none()
        | st.builds(Timestamp, st.integers(700_000_000, 3_700_000_000), st.integers(-79, 79)),
        more_wait=st.booleans(),
        of_command=st.booleans(),
        has_header=st.booleans(),
        rest=st.binary(max_size=40),
    )
)
def test_what_is_written_is_read_again(report: StatusReport) -> None:
    assert read_status_report(status_report_octets(report)) == report
