"""The hand-packed codec is the reference codec, only faster; and both are smpplib where smpplib is right."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.radio.smpp import samples
from tests.radio.smpp.samples import frame, pdus, smpplib_decode, smpplib_encode
from tsm_gateway.radio.smpp import codec, commands, fast, layouts, pdu, reference
from tsm_gateway.radio.smpp.faults import BodyMalformed, FieldInvalid, FieldTooLong
from tsm_gateway.radio.smpp.layouts import Tlv
from tsm_gateway.radio.smpp.status import Status
from tsm_gateway.radio.smpp.tables import LAYOUTS, PDUS
from tsm_gateway.radio.smpp.tlv import MAX_TLVS

Message = st.sampled_from([pdu.SubmitSm, pdu.DeliverSm]).flatmap(pdus)
Answer = st.sampled_from([pdu.SubmitSmResp, pdu.DeliverSmResp]).flatmap(pdus)
Hot = st.sampled_from(sorted(fast.READERS)).flatmap(lambda command: pdus(PDUS[command]))
NAMES = {pdu.SubmitSm: "submit_sm", pdu.DeliverSm: "deliver_sm"}


def outcome(read: Any, octets: bytes) -> Any:
    """A value with its type, or an error with all it says."""
    try:
        value = read(octets)
    except BodyMalformed as fault:
        return BodyMalformed, fault.command_id, fault.sequence, fault.status, fault.command_status
    return type(value), value


@given(Hot)
def test_both_codecs_write_the_same_octets(value: pdu.Pdu) -> None:
    assert codec.encode(value) == reference.encode(value)


@given(Hot)
def test_both_codecs_read_the_same_values(value: pdu.Pdu) -> None:
    octets = reference.encode(value)
    assert outcome(codec.decode, octets) == outcome(reference.decode, octets) == (type(value), value)


@given(Message)
def test_a_regular_message_never_needs_the_reference(value: Any) -> None:
    octets = fast.write_message(value)
    assert fast.read_message(type(value), octets, 0, value.sequence) == value


def test_a_message_full_to_every_limit_never_needs_the_reference() -> None:
    value = pdu.SubmitSm(
        1,
        "5" * 5,
        source_addr="2" * 20,
        destination_addr="2" * 20,
        schedule_delivery_time="0" * 16,
        validity_period="0" * 16,
        short_message=bytes(254),
    )
    assert fast.read_message(pdu.SubmitSm, fast.write_message(value), 0, 1) == value


@given(st.sampled_from(sorted(fast.READERS)), st.binary(max_size=120), samples.Status, samples.Sequence)
def test_both_codecs_judge_any_octets_alike(command: int, body: bytes, status: int, sequence: int) -> None:
    octets = frame(command, body, status=status, sequence=sequence)
    assert outcome(codec.decode, octets) == outcome(reference.decode, octets)


@given(Message, st.data())
def test_both_codecs_judge_a_damaged_message_alike(value: Any, data: st.DataObject) -> None:
    octets = bytearray(reference.encode(value)[16:])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(octets) - 1))
        octets[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0xFE, 0xFF]))
    del octets[data.draw(st.integers(0, len(octets))) :]
    octets[:] = frame(value.command_id, bytes(octets))
    assert outcome(codec.decode, bytes(octets)) == outcome(reference.decode, bytes(octets))


# smpplib, the reference of the reference


@given(Message, samples.IntegerTlvs)
def test_messages_are_written_as_smpplib_writes_them(value: Any, integers: dict[str, int]) -> None:
    value = value._replace(tlvs=samples.integer_tlvs(integers))
    fields = {name: field for name, field in value._asdict().items() if name not in {"sequence", "tlvs"}}
    assert codec.encode(value) == smpplib_encode(NAMES[type(value)], value.sequence, **fields, **integers)


@given(Message, st.binary(min_size=1, max_size=400))
def test_a_message_payload_is_written_as_smpplib_writes_it(value: Any, payload: bytes) -> None:
    value = value._replace(short_message=b"", tlvs=(Tlv(commands.TAG_MESSAGE_PAYLOAD, payload),))
    fields = {name: field for name, field in value._asdict().items() if name not in {"sequence", "tlvs"}}
    octets = smpplib_encode(NAMES[type(value)], value.sequence, **fields, message_payload=payload)
    assert codec.encode(value) == octets


@given(Message, samples.IntegerTlvs)
def test_messages_are_read_as_smpplib_reads_them(value: Any, integers: dict[str, int]) -> None:
    octets = reference.encode(value._replace(tlvs=samples.integer_tlvs(integers)))
    read: Any = codec.decode(octets)
    theirs = smpplib_decode(octets)
    assert theirs.sequence == read.sequence
    theirs.short_message = theirs.short_message or b""  # None at the end of a body
    for name in read._fields:
        if name not in {"sequence", "tlvs"}:
            field = getattr(read, name)
            assert getattr(theirs, name) == (field.encode("latin-1") if isinstance(field, str) else field)
    assert {name: getattr(theirs, name) for name in integers} == integers


@given(samples.Sequence, samples.Id)
def test_responses_are_written_and_read_as_smpplib_does(sequence: int, message_id: str) -> None:
    octets = smpplib_encode("submit_sm_resp", sequence, message_id=message_id)
    assert codec.encode(pdu.SubmitSmResp(sequence, 0, message_id)) == octets
    assert codec.decode(octets) == pdu.SubmitSmResp(sequence, 0, message_id)
    assert fast.deliver_sm_resp(sequence) == smpplib_encode("deliver_sm_resp", sequence)
    assert fast.enquire_link(sequence) == smpplib_encode("enquire_link", sequence)
    assert fast.enquire_link_resp(sequence) == smpplib_encode("enquire_link_resp", sequence)


@given(samples.Sequence, samples.Status)
def test_short_cuts_write_what_values_write(sequence: int, status: int) -> None:
    assert fast.deliver_sm_resp(sequence, status) == codec.encode(pdu.DeliverSmResp(sequence, status))
    assert fast.generic_nack(sequence, status) == codec.encode(pdu.GenericNack(sequence, status))
    assert fast.enquire_link(sequence) == codec.encode(pdu.EnquireLink(sequence))
    assert fast.enquire_link_resp(sequence) == codec.encode(pdu.EnquireLinkResp(sequence))


@given(st.sampled_from(samples.KINDS), samples.Sequence, st.sampled_from([s for s in Status if s]))
def test_an_error_response_is_read_as_the_response_to_its_request(
    kind: type[pdu.Pdu], sequence: int, status: int
) -> None:
    if kind.command_id | commands.RESPONSE_BIT in PDUS and not commands.is_response(kind.command_id):
        read: Any = codec.decode(fast.error_response(kind.command_id, sequence, status))
        assert read.command_id == kind.command_id | commands.RESPONSE_BIT
        assert (read.sequence, read.status) == (sequence, status)


def test_a_deliver_sm_is_refused_with_the_message_id_every_answer_to_it_has() -> None:
    refusal = fast.error_response(commands.DELIVER_SM, 7, Status.RINVMSGLEN)
    assert refusal == fast.deliver_sm_resp(7, Status.RINVMSGLEN)
    assert len(refusal) == 17


# Octets written by hand from SMPP 3.4 §4.4.1, §4.6.1 and §4.6.2


def test_a_submit_sm_octet_by_octet() -> None:
    octets = bytes.fromhex(
        "0000004a 00000004 00000000 0000002a"  # 74 octets, submit_sm, -, sequence 42
        "434d5400"  # service_type "CMT"
        "0501 53686f7000"  # source: alphanumeric "Shop"
        "0101 34393330313233343500"  # destination: international 493012345
        "40 00 00"  # esm_class UDHI, protocol_id, priority_flag
        "00 3030303030373030303030303030305200"  # no schedule, seven days
        "01 00 04 00"  # receipt asked for, no replacement, 8-bit, no canned message
        "09 06050440740000 cafe"  # nine octets of user data
    )
    value = pdu.SubmitSm(
        42,
        "CMT",
        5,
        1,
        "Shop",
        1,
        1,
        "493012345",
        0x40,
        validity_period="000007000000000R",
        registered_delivery=1,
        data_coding=4,
        short_message=bytes.fromhex("06050440740000cafe"),
    )
    assert codec.encode(value) == octets
    assert codec.decode(octets) == value


def test_a_deliver_sm_with_parameters_octet_by_octet() -> None:
    octets = bytes.fromhex(
        "00000037 00000005 00000000 7fffffff"
        "00 0000 3100 0000 3200"
        "00 7f 00 00 00 00 00 f6 00 03 aabbcc"
        "020b 0002 4074"  # destination_port
        "1400 0000"  # a vendor's, empty
        "001e 0003 414200"  # receipted_message_id "AB"
    )
    value: Any = codec.decode(octets)
    assert value == pdu.DeliverSm(
        0x7FFFFFFF,
        source_addr="1",
        destination_addr="2",
        protocol_id=0x7F,
        data_coding=0xF6,
        short_message=b"\xaa\xbb\xcc",
        tlvs=(Tlv(0x020B, b"\x40\x74"), Tlv(0x1400, b""), Tlv(0x001E, b"AB\0")),
    )
    assert codec.encode(value) == octets


def test_an_answer_to_a_deliver_sm_octet_by_octet() -> None:
    octets = bytes.fromhex("00000011 80000005 00000064 00000007 00")
    assert fast.deliver_sm_resp(7, Status.RX_T_APPN) == octets
    assert codec.decode(octets) == pdu.DeliverSmResp(7, Status.RX_T_APPN)


# What cannot be written


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("service_type", "x" * 6, FieldTooLong),
        ("source_addr", "1" * 21, FieldTooLong),
        ("destination_addr", "1" * 21, FieldTooLong),
        ("short_message", bytes(255), FieldTooLong),
        ("short_message", bytes(256), FieldTooLong),
        ("validity_period", "1" * 17, FieldTooLong),
        ("validity_period", "000007000000000", FieldInvalid),
        ("schedule_delivery_time", "x", FieldInvalid),
        ("source_addr", "49\x00123", FieldInvalid),
        ("destination_addr", "٤٩", FieldInvalid),
        ("data_coding", 256, FieldInvalid),
        ("esm_class", -1, FieldInvalid),
        ("sequence", 2**32, FieldInvalid),
        ("tlvs", (Tlv(0x10000, b""),), FieldInvalid),
        ("tlvs", (Tlv(0x0424, bytes(0x10000)),), FieldTooLong),
    ],
)
def test_what_does_not_fit_is_named_and_never_cut(field: str, value: Any, error: type[Exception]) -> None:
    for kind in (pdu.SubmitSm, pdu.DeliverSm):
        with pytest.raises(error) as caught:
            codec.encode(kind(1)._replace(**{field: value}))
        assert "49" not in str(caught.value)


def test_a_message_id_that_does_not_fit_is_named() -> None:
    with pytest.raises(FieldTooLong):
        codec.encode(pdu.SubmitSmResp(1, 0, "x" * 65))
    with pytest.raises(FieldInvalid):
        codec.encode(pdu.SubmitSmResp(1, 0, "a\0b"))


@given(Message)
def test_printing_a_message_shows_neither_numbers_nor_user_data(value: Any) -> None:
    value = value._replace(source_addr="4917012345", destination_addr="4930", short_message=b"\xca\xfe")
    assert "4917012345" not in repr(value)
    assert "xfe" not in repr(value._replace(tlvs=(Tlv(0x0424, b"\xca\xfe"),)))


@pytest.mark.parametrize("length", [0, 1, 253, 254])
def test_a_short_message_may_have_up_to_254_octets(length: int) -> None:
    value = pdu.DeliverSm(1, short_message=bytes(length))
    assert codec.decode(codec.encode(value)) == value


def test_as_many_parameters_as_allowed_are_kept_in_order() -> None:
    tlvs = tuple(Tlv(number % 3, bytes((number,))) for number in range(MAX_TLVS))
    value: Any = codec.decode(codec.encode(pdu.DeliverSm(1, tlvs=tlvs)))
    assert value.tlvs == tlvs


def test_layouts_take_the_order_the_hot_path_relies_on() -> None:
    rows = [row.name for row in LAYOUTS[pdu.DeliverSm]]
    assert ["sequence", *rows, "tlvs"] == list(layouts.ShortMessage._fields)
