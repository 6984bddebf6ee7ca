"""What comes in is a part of a payment, a receipt, or nothing of ours; said twice it is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.radio.smpp import samples
from tsm_gateway.messages import Receipt, ReceiptState, Segment, Ticket, Unusable
from tsm_gateway.radio.smpp import codec, pdu
from tsm_gateway.radio.smpp.faults import BodyMalformed
from tsm_gateway.radio.smpp.inbound import to_arrival
from tsm_gateway.radio.smpp.layouts import Tlv
from tsm_gateway.radio.smpp.options import IdBase
from tsm_gateway.radio.smpp.status import Status
from tsm_gateway.relay.reasons import Reason

TICKET = Ticket("carrier-a", 1, 7, 5)
PORT = bytes.fromhex("06050440740000")
PART_2_OF_3 = bytes.fromhex("0b05044074000000034203 02")
WIDE_2_OF_3 = bytes.fromhex("0c0504407400000804123403 02")


def deliver(user_data: bytes, *tlvs: Tlv, **fields: Any) -> pdu.DeliverSm:
    """A payment's part as carriers deliver it, through the codec."""
    chosen: dict[str, Any] = {
        "source_addr_ton": 1,
        "source_addr_npi": 1,
        "source_addr": "4917012345",
        "destination_addr": "12345",
        "esm_class": 0x40,
        "data_coding": 0x04,
    } | fields
    value = codec.decode(codec.encode(pdu.DeliverSm(7, short_message=user_data, tlvs=tlvs, **chosen)))
    assert isinstance(value, pdu.DeliverSm)
    return value


def segment(user_data: bytes, *tlvs: Tlv, **fields: Any) -> Segment:
    """The segment it must become."""
    arrival = to_arrival(deliver(user_data, *tlvs, **fields), TICKET)
    assert isinstance(arrival, Segment)
    return arrival


def unusable(user_data: bytes, *tlvs: Tlv, **fields: Any) -> str:
    """Why it must be unusable."""
    arrival = to_arrival(deliver(user_data, *tlvs, **fields), TICKET)
    assert isinstance(arrival, Unusable)
    assert arrival.ticket == TICKET
    return arrival.reason


def sar(reference: bytes = b"\x12\x34", total: bytes = b"\3", number: bytes = b"\2") -> tuple[Tlv, ...]:
    """The three parameters of a part."""
    return Tlv(0x020C, reference), Tlv(0x020E, total), Tlv(0x020F, number)


def test_the_reasons_are_the_relays() -> None:
    assert {unusable(b"\xff"), unusable(b"text", esm_class=0, data_coding=0)} == {
        Reason.MALFORMED.value,
        Reason.NOT_FOR_US.value,
    }


def test_a_single_part_is_a_segment_with_its_port() -> None:
    assert segment(PORT + b"body") == Segment(
        TICKET, "+4917012345", "12345", 0, 0x04, 16500, None, 1, 1, b"body"
    )


def test_a_part_has_reference_total_and_number() -> None:
    assert segment(PART_2_OF_3 + b"body")[5:] == (16500, 0x42, 3, 2, b"body")
    assert segment(WIDE_2_OF_3 + b"body")[5:] == (16500, 0x1234, 3, 2, b"body")


def test_reference_zero_is_a_reference() -> None:
    assert segment(bytes.fromhex("0b05044074000000030002 01"))[5:] == (16500, 0, 2, 1, b"")


@pytest.mark.parametrize("numbers", ["0302 00", "0300 01", "0302 03"])
def test_an_impossible_part_is_no_part(numbers: str) -> None:
    assert segment(bytes.fromhex("05000342" + numbers[2:]) + b"body")[5:] == (None, None, 1, 1, b"body")


def test_a_full_message_of_140_octets_is_byte_exact() -> None:
    body = bytes(range(128))
    assert segment(PART_2_OF_3 + body).body == body


def test_a_message_payload_carries_header_and_body() -> None:
    body = bytes(range(256)) * 200
    assert segment(b"", Tlv(0x0424, PORT + body))[5:] == (16500, None, 1, 1, body)
    whole = PORT + bytes(65_535 - 100 - len(PORT))
    assert len(segment(b"", Tlv(0x0424, whole)).body) == len(whole) - len(PORT)


def test_ports_and_parts_may_come_as_parameters() -> None:
    port = Tlv(0x020B, b"\x40\x74")
    assert segment(b"body", port, *sar(), esm_class=0)[5:] == (16500, 0x1234, 3, 2, b"body")
    assert segment(b"", port, *sar(), Tlv(0x0424, b"body"), esm_class=0)[5:] == (16500, 0x1234, 3, 2, b"body")


def test_integers_of_odd_size_count_as_what_they_say() -> None:
    tlvs = sar(b"\0\0\x12\x34", b"\0\3", b"\0\2")
    assert segment(b"b", Tlv(0x020B, b"\0\0\x40\x74"), *tlvs, esm_class=0)[5:] == (16500, 0x1234, 3, 2, b"b")


def test_the_header_comes_before_the_parameters() -> None:
    tlvs = (Tlv(0x020B, b"\0\1"), *sar(b"\0\1", b"\2", b"\1"))
    assert segment(PART_2_OF_3 + b"body", *tlvs)[5:] == (16500, 0x42, 3, 2, b"body")


def test_parameters_fill_in_what_the_header_leaves_open() -> None:
    assert segment(PORT + b"body", *sar())[5:] == (16500, 0x1234, 3, 2, b"body")
    concatenated = bytes.fromhex("0500034203 02")
    assert segment(concatenated + b"body", Tlv(0x020B, b"\x40\x74"))[5:] == (16500, 0x42, 3, 2, b"body")


@pytest.mark.parametrize(
    "tlvs",
    [
        sar(total=b"\0"),
        sar(number=b"\0"),
        sar(number=b"\4"),
        sar(total=b"\1\0"),
        sar(reference=b"\1\0\0"),
        sar()[:2],
        sar()[1:],
    ],
)
def test_impossible_part_parameters_are_no_part(tlvs: tuple[Tlv, ...]) -> None:
    assert segment(b"body", *tlvs, esm_class=0)[6:] == (None, 1, 1, b"body")


def test_without_port_the_relay_decides() -> None:
    assert segment(b"body", esm_class=0).port is None


@pytest.mark.parametrize("data_coding", [0x02, 0x04, 0x15, 0xF4, 0xF5, 0xF6, 0xF7])
def test_eight_bit_data_is_taken_whatever_way_it_is_called(data_coding: int) -> None:
    assert segment(PORT + b"b", data_coding=data_coding).data_coding == data_coding


def test_sim_data_download_keeps_its_protocol_identifier() -> None:
    assert segment(PORT + b"b", data_coding=0xF6, protocol_id=0x7F)[3:5] == (0x7F, 0xF6)


@pytest.mark.parametrize("data_coding", [0x00, 0x01, 0x03, 0x08, 0xF0, 0xF2])
def test_text_is_not_for_us(data_coding: int) -> None:
    assert unusable(PORT + b"b", data_coding=data_coding) == "not_for_us"


@pytest.mark.parametrize("esm_class", [0x08, 0x10, 0x18, 0x48, 0x0C, 0x3C])
def test_acknowledgements_and_conversations_are_no_payments(esm_class: int) -> None:
    assert unusable(PORT + b"b", esm_class=esm_class) == "not_for_us"


@pytest.mark.parametrize("esm_class", [0x40, 0x41, 0x42, 0x43, 0xC0])
def test_message_mode_and_reply_path_do_not_matter(esm_class: int) -> None:
    assert segment(PORT + b"b", esm_class=esm_class).port == 16500


@pytest.mark.parametrize("user_data", [b"", b"\x06", b"\xff" * 10, bytes.fromhex("0605ff40740000")])
def test_a_broken_header_is_malformed(user_data: bytes) -> None:
    assert unusable(user_data) == "malformed"
    assert unusable(b"", Tlv(0x0424, user_data)) == "malformed"


@pytest.mark.parametrize("address", [("Shop", 1), ("49\x1b[2J", 0), ("\xe9", 5)])
def test_an_address_that_is_none_is_malformed(address: tuple[str, int]) -> None:
    assert unusable(PORT + b"b", source_addr=address[0], source_addr_ton=address[1]) == "malformed"


def test_a_message_said_twice_is_refused() -> None:
    with pytest.raises(BodyMalformed) as caught:
        to_arrival(deliver(PORT + b"b", Tlv(0x0424, PORT + b"c")), TICKET)
    fault = caught.value
    assert (fault.command_id, fault.sequence, fault.status) == (5, 7, Status.RINVMSGLEN)


def test_an_empty_payload_beside_a_message_is_still_said_twice() -> None:
    with pytest.raises(BodyMalformed):
        to_arrival(deliver(PORT + b"b", Tlv(0x0424, b"")), TICKET)


def test_an_empty_message_is_a_segment_without_body() -> None:
    assert segment(b"", esm_class=0).body == b""


def test_a_receipt_is_one_whatever_else_it_looks_like() -> None:
    for data_coding in (0x00, 0x04, 0xF6):
        arrival = to_arrival(deliver(b"id:1A stat:DELIVRD", esm_class=0x44, data_coding=data_coding), TICKET)
        assert arrival == Receipt(TICKET, ("1a", "26"), ReceiptState.DELIVERED, "")


def test_a_receipt_may_come_in_a_payload_and_in_a_stated_base() -> None:
    message = deliver(b"", Tlv(0x0424, b"id:0010 stat:UNDELIV err:5"), esm_class=0x04)
    assert to_arrival(message, TICKET, IdBase.HEXADECIMAL) == Receipt(
        TICKET, ("16",), ReceiptState.FAILED, "5"
    )


def test_a_receipt_that_names_nothing_is_malformed() -> None:
    assert unusable(b"hello", esm_class=0x04) == "malformed"


def test_a_payment_that_looks_like_a_receipt_stays_a_payment() -> None:
    assert segment(b"id:1 stat:DELIVRD", esm_class=0).body == b"id:1 stat:DELIVRD"


def test_data_sm_is_a_message_like_any_other() -> None:
    message = pdu.DataSm(
        8, "", 1, 1, "4917012345", 0, 1, "12345", 0x40, 0, 0x04, (Tlv(0x0424, PART_2_OF_3 + b"body"),)
    )
    ticket = TICKET._replace(kind=0x103)
    assert to_arrival(message, ticket) == Segment(
        ticket, "+4917012345", "12345", 0, 0x04, 16500, 0x42, 3, 2, b"body"
    )
    receipt = message._replace(esm_class=0x04, tlvs=(Tlv(0x001E, b"77\0"), Tlv(0x0427, b"\2")))
    assert to_arrival(receipt, ticket) == Receipt(ticket, ("77", "119"), ReceiptState.DELIVERED, "")


@given(st.sampled_from([pdu.DeliverSm, pdu.DataSm]).flatmap(samples.pdus))
def test_any_message_is_an_arrival_or_refused(message: Any) -> None:
    has_payload = any(found.tag == 0x0424 for found in message.tlvs)
    if has_payload and getattr(message, "short_message", None):
        with pytest.raises(BodyMalformed):
            to_arrival(message, TICKET)
    else:
        assert to_arrival(message, TICKET).ticket == TICKET


@pytest.mark.parametrize("source", [("Shop", 1), ("49\x1b[2J", 0)])
def test_what_is_no_address_is_shown_nowhere_and_hides_no_receipt(source: tuple[str, int]) -> None:
    fields = {"source_addr": source[0], "source_addr_ton": source[1]}
    assert to_arrival(deliver(b"b", data_coding=0, **fields), TICKET) == Unusable(TICKET, "", "not_for_us")
    assert isinstance(to_arrival(deliver(b"id:1 stat:DELIVRD", esm_class=4, **fields), TICKET), Receipt)


def test_a_receipt_may_have_a_header() -> None:
    text = bytes.fromhex("050003420201") + b"id:1 stat:DELIVRD"
    assert to_arrival(deliver(text, esm_class=0x44), TICKET) == Receipt(
        TICKET, ("1",), ReceiptState.DELIVERED, ""
    )
