"""SMS-DELIVER: what arrives on a modem."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.radio.sms.address_octets import address_octets
from tsm_gateway.radio.sms.data_coding import classify
from tsm_gateway.radio.sms.header import Element, HeaderMalformed, build_header, read_header
from tsm_gateway.radio.sms.timestamp import Timestamp
from tsm_gateway.radio.sms.tpdu import is_eight_bit
from tsm_gateway.radio.sms.tpdu_deliver import Deliver, deliver_octets, read_deliver
from tsm_gateway.radio.sms.tpdu_errors import Flaw, TpduMalformed, TpduOverflow
from tsm_gateway.radio.sms.tpdu_kind import Kind, content_hash, tpdu_kind
from tsm_gateway.radio.sms.user_data import packed

SENDER = "0c91947110325476"
SENT = "52307111325480"  # 2025-03-17 11:23:45 +02:00
EVERY_OCTET = bytes(range(256))


def tpdu(
    *,
    first: str = "04",
    sender: str = SENDER,
    protocol_id: str = "00",
    data_coding: str = "04",
    sent: str = SENT,
    user_data: str = "03 00 1a ff",
) -> bytes:
    return bytes.fromhex(first + sender + protocol_id + data_coding + sent + user_data)


def flaw_of(octets: bytes) -> Flaw:
    with pytest.raises(TpduMalformed) as caught:
        read_deliver(octets)
    return caught.value.reason


def test_a_message_is_read() -> None:
    assert read_deliver(tpdu()) == Deliver(
        originator=bytes.fromhex(SENDER),
        user_data=b"\x00\x1a\xff",
        data_coding=4,
        sent=Timestamp(1742203425, 8),
    )
    assert read_deliver(tpdu()).source == "+491701234567"


@pytest.mark.parametrize(
    ("first", "flags"),
    [
        ("00", {"more_wait"}),
        ("04", set()),
        ("24", {"report_returned"}),
        ("44", {"has_header"}),
        ("84", {"reply_path"}),
        ("e0", {"more_wait", "report_returned", "has_header", "reply_path"}),
    ],
)
def test_each_flag_has_its_bit(first: str, flags: set[str]) -> None:
    read = read_deliver(tpdu(first=first))
    names = ("more_wait", "report_returned", "has_header", "reply_path")
    assert {name for name in names if getattr(read, name)} == flags
    assert deliver_octets(read) == tpdu(first=first)


@pytest.mark.parametrize(("first", "is_deliver"), [(0, True), (1, False), (2, False), (3, True)])
def test_the_reserved_kind_is_a_message_and_the_others_are_not(first: int, is_deliver: bool) -> None:
    octets = tpdu(first=f"{first:02x}")
    assert (tpdu_kind(octets) is Kind.DELIVER) is is_deliver
    if is_deliver:
        assert read_deliver(octets).user_data == b"\x00\x1a\xff"
    else:
        assert flaw_of(octets) is Flaw.OTHER_KIND


def test_nothing_has_no_kind() -> None:
    with pytest.raises(TpduMalformed):
        tpdu_kind(b"")


@pytest.mark.parametrize("data_coding", [dcs for dcs in range(256) if is_eight_bit(dcs)])
def test_d3_no_octet_of_any_eight_bit_data_coding_is_lost_or_changed(data_coding: int) -> None:
    for at in (0, 128):
        user_data = EVERY_OCTET[at : at + 128]
        octets = tpdu(data_coding=f"{data_coding:02x}", user_data="80" + user_data.hex())
        read = read_deliver(octets)
        assert read.user_data == user_data
        assert read.characters == 0
        assert deliver_octets(read) == octets


@pytest.mark.parametrize("at", range(len(tpdu())))
def test_d4_a_message_cut_anywhere_is_malformed(at: int) -> None:
    assert flaw_of(tpdu()[:at]) in {Flaw.CUT_SHORT, Flaw.ADDRESS, Flaw.USER_DATA_CUT}


def test_d4_an_element_past_the_end_is_kept_and_its_header_malformed() -> None:
    read = read_deliver(tpdu(first="44", user_data="06 05 00ff 070201"))
    assert read.user_data.hex() == "0500ff070201"
    with pytest.raises(HeaderMalformed):
        read_header(read.user_data)


@pytest.mark.parametrize("sent", ["00" * 7, "ff" * 7, "52317111325480", "523071113254a0", "523071a1325480"])
def test_d4_a_time_stamp_that_is_no_date_stops_no_message(sent: str) -> None:
    read = read_deliver(tpdu(sent=sent))
    assert read.sent is None
    assert read.user_data == b"\x00\x1a\xff"


@pytest.mark.parametrize(
    ("iei", "data"), [(8, "0007 02 01"), (8, "00ff 02 02"), (5, "0050 0009"), (5, "00ff 0001")]
)
def test_d5_sixteen_bit_elements_of_small_numbers_stay_sixteen_bits_wide(iei: int, data: str) -> None:
    element = Element(iei, bytes.fromhex(data))
    message = Deliver(
        originator=bytes.fromhex(SENDER), user_data=build_header([element]) + b"x", has_header=True
    )
    read = read_deliver(deliver_octets(message))
    assert read == message
    assert read_header(read.user_data).elements == (element,)


def test_octets_behind_the_user_data_are_no_part_of_it() -> None:
    assert read_deliver(tpdu() + b"\xff" * 40) == read_deliver(tpdu())


@pytest.mark.parametrize(
    ("data_coding", "user_data", "flaw"),
    [
        ("04", "04 001aff", Flaw.USER_DATA_CUT),
        ("04", "8c" + 139 * "00", Flaw.USER_DATA_CUT),
        ("04", "8d" + 141 * "00", Flaw.USER_DATA_LONG),
        ("08", "8d" + 141 * "00", Flaw.USER_DATA_LONG),
        ("00", "a0" + 139 * "00", Flaw.USER_DATA_CUT),
        ("00", "a1" + 141 * "00", Flaw.USER_DATA_LONG),
        ("00", "08" + 6 * "00", Flaw.USER_DATA_CUT),
        ("20", "8d" + 141 * "00", Flaw.USER_DATA_LONG),
    ],
)
def test_user_data_that_its_length_does_not_fit_is_refused(
    data_coding: str, user_data: str, flaw: Flaw
) -> None:
    assert flaw_of(tpdu(data_coding=data_coding, user_data=user_data)) is flaw


def test_the_longest_user_data_is_read() -> None:
    assert len(read_deliver(tpdu(user_data="8c" + 140 * "ab")).user_data) == 140
    text = read_deliver(tpdu(data_coding="00", user_data="a0" + 140 * "ab"))
    assert (len(text.user_data), text.characters) == (140, 160)
    assert read_deliver(tpdu(user_data="00")).user_data == b""


def test_octets_that_are_text_are_told_from_payments_and_kept() -> None:
    read = read_deliver(tpdu(data_coding="00", user_data="0a e8329bfd4697d9ec37"))
    assert (read.characters, read.user_data.hex()) == (10, "e8329bfd4697d9ec37")
    compressed = read_deliver(tpdu(data_coding="20", user_data="03 010203"))
    assert (compressed.characters, compressed.user_data) == (0, b"\x01\x02\x03")


@pytest.mark.parametrize(
    ("sender", "source"),
    [
        ("0c91947110325476", "+491701234567"),
        ("1491" + 10 * "21", "+" + 10 * "12"),  # twenty digits
        ("0ba10180642143f5", "10084612345"),
        ("0481" + "1732", "7123"),
        ("05811732f4", "71234"),
        ("0081", ""),
        ("0091", ""),
        ("09d0e8329bfd06", "hello"),
        ("02d01b", ""),  # a name in characters we do not read
        ("0691947f10", ""),  # fill among the digits
        ("0491ba10", ""),  # an international number that is none
    ],
)
def test_a_sender_of_any_type_is_told_and_one_that_cannot_be_read_stops_no_message(
    sender: str, source: str
) -> None:
    read = read_deliver(tpdu(sender=sender))
    assert read.source == source
    assert read.originator.hex() == sender
    assert read.user_data == b"\x00\x1a\xff"
    assert deliver_octets(read) == tpdu(sender=sender)


def test_a_sender_of_more_than_twenty_digits_is_refused() -> None:
    assert flaw_of(tpdu(sender="1591" + 11 * "21")) is Flaw.ADDRESS


@pytest.mark.parametrize("protocol_id", range(256))
def test_the_protocol_identifier_is_kept(protocol_id: int) -> None:
    assert read_deliver(tpdu(protocol_id=f"{protocol_id:02x}")).protocol_id == protocol_id


def test_neither_sender_nor_octets_are_printed() -> None:
    shown = repr(read_deliver(tpdu(user_data="03 646464")))
    assert "ddd" not in shown
    assert "originator" not in shown
    with pytest.raises(TpduMalformed) as caught:
        read_deliver(tpdu()[:-1])
    assert "1aff" not in str(caught.value)
    assert "user-data-cut" in str(caught.value)


def test_more_than_fits_is_not_written() -> None:
    message = Deliver(originator=bytes.fromhex(SENDER), user_data=bytes(141))
    with pytest.raises(TpduOverflow):
        deliver_octets(message)


@pytest.mark.parametrize("characters", [0, 8, 10, 200])
def test_characters_that_do_not_fill_their_octets_are_not_written(characters: int) -> None:
    message = Deliver(
        originator=bytes.fromhex(SENDER), user_data=bytes(8), data_coding=0, characters=characters
    )
    with pytest.raises(ValueError, match="characters"):
        deliver_octets(message)


# --- the content hash -----------------------------------------------------------------------------------


def test_a_message_sent_again_is_known_though_others_wait_no_longer() -> None:
    again = tpdu(first="00")
    assert again != tpdu()
    assert content_hash(again) == content_hash(tpdu())
    assert len(content_hash(tpdu())) == 32


@pytest.mark.parametrize("at", range(len(tpdu())))
def test_a_message_that_differs_anywhere_else_is_another(at: int) -> None:
    other = bytearray(tpdu())
    other[at] ^= 0x40
    assert content_hash(bytes(other)) != content_hash(tpdu())


def test_a_status_report_sent_again_is_known_too() -> None:
    assert content_hash(b"\x02\x07") == content_hash(b"\x06\x07")


def test_the_same_bit_of_a_submission_makes_another_message() -> None:
    assert content_hash(b"\x01\x07") != content_hash(b"\x05\x07")
    assert content_hash(b"") != content_hash(b"\x00")


# --- properties -----------------------------------------------------------------------------------------

addresses = st.from_regex(r"\+?[0-9]{1,20}|[A-Za-z][A-Za-z0-9 ]{0,10}", fullmatch=True).map(address_octets)
moments = st.builds(Timestamp, st.integers(700_000_000, 3_700_000_000), st.integers(-79, 79))


@st.composite
def messages(draw: st.DrawFn) -> Deliver:
    data_coding = draw(st.integers(0, 255))
    counted = classify(data_coding).in_characters
    characters = draw(st.integers(0, 160)) if counted else 0
    size = packed(characters) if counted else draw(st.integers(0, 140))
    return Deliver(
        originator=draw(addresses),
        user_data=draw(st.binary(min_size=size, max_size=size)),
        has_header=draw(st.booleans()),
        data_coding=data_coding,
        protocol_id=draw(st.integers(0, 255)),
        sent=draw(st.none() | moments),
        characters=characters,
        more_wait=draw(st.booleans()),
        report_returned=draw(st.booleans()),
        reply_path=draw(st.booleans()),
    )


@given(messages(), st.binary(max_size=20))
def test_what_is_written_is_read_again(message: Deliver, behind: bytes) -> None:
    octets = deliver_octets(message)
    assert read_deliver(octets + behind) == message
    assert len(octets) <= 163


@given(messages(), st.data())
def test_a_written_message_cut_short_is_never_another(message: Deliver, data: st.DataObject) -> None:
    octets = deliver_octets(message)
    at = data.draw(st.integers(0, len(octets) - 1))
    with pytest.raises(TpduMalformed):
        read_deliver(octets[:at])


def test_values_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        read_deliver(tpdu()).data_coding = 0  # type: ignore[misc]
