"""Every command is read and written, and whatever is wrong with one has its name and its status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpplib.command_codes import commands as smpplib_codes
from smpplib.consts import OPTIONAL_PARAMS

from tests.radio.smpp import samples
from tests.radio.smpp.samples import frame, pdus, smpplib_encode
from tsm_gateway.radio.smpp import codec, commands, pdu, tlv
from tsm_gateway.radio.smpp.faults import BodyMalformed, FieldTooLong, FrameLength, UnknownCommand
from tsm_gateway.radio.smpp.layouts import Tlv
from tsm_gateway.radio.smpp.status import Status
from tsm_gateway.radio.smpp.tables import PDUS
from tsm_gateway.radio.smpp.tlv import MAX_TLVS
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

DELIVER = pdu.DeliverSm.command_id
FIXED = bytes(9)  # behind the destination: esm_class to sm_default_msg_id, both times empty
PLAIN = b"\0" + b"\1\1" + b"491\0" + b"\0\1" + b"77\0" + FIXED  # a message up to its sm_length


def malformed(command_id: int, body: bytes, status: int = 0) -> BodyMalformed:
    """The error that such a PDU gives."""
    with pytest.raises(BodyMalformed) as caught:
        codec.decode(frame(command_id, body, status=status, sequence=9))
    assert (caught.value.command_id, caught.value.sequence) == (command_id, 9)
    return caught.value


@given(st.sampled_from(samples.KINDS).flatmap(pdus))
def test_every_command_is_read_as_it_was_written(value: Any) -> None:
    read = codec.decode(codec.encode(value))
    assert type(read) is type(value)
    assert read == value


def test_every_command_that_smpplib_names_is_known_by_the_same_number() -> None:
    ours = {name.lower(): number for name, number in vars(commands).items() if name.isupper()}
    assert {name: ours[name] for name in smpplib_codes} == smpplib_codes
    assert set(PDUS) == set(smpplib_codes.values())


def test_every_optional_parameter_has_the_tag_smpplib_gives_it() -> None:
    tags = {name[4:].lower(): number for name, number in vars(commands).items() if name.startswith("TAG_")}
    assert tags == {name: OPTIONAL_PARAMS[name] for name in tags}


@given(pdus(pdu.BindTransceiver))
def test_a_bind_is_written_as_smpplib_writes_it(value: pdu.BindTransceiver) -> None:
    value = value._replace(tlvs=(), interface_version=0x34)
    fields = value._asdict()
    password = value.password.reveal().decode("latin-1")
    fields = {name: fields[name] for name in fields if name not in {"sequence", "tlvs", "interface_version"}}
    fields["password"] = password
    for kind in (pdu.BindReceiver, pdu.BindTransmitter, pdu.BindTransceiver):
        name = {"BindReceiver": "bind_receiver", "BindTransmitter": "bind_transmitter"}.get(
            kind.__name__, "bind_transceiver"
        )
        assert codec.encode(kind(*value)) == smpplib_encode(name, value.sequence, **fields)


@given(pdus(pdu.DataSm), samples.IntegerTlvs)
def test_a_data_sm_is_written_as_smpplib_writes_it(value: pdu.DataSm, integers: dict[str, int]) -> None:
    integers = {name: integers[name] for name in integers if name.startswith("sar_")}
    value = value._replace(
        source_addr=value.source_addr[:20],
        destination_addr=value.destination_addr[:20],
        tlvs=samples.integer_tlvs(integers),
    )
    fields = {name: field for name, field in value._asdict().items() if name not in {"sequence", "tlvs"}}
    assert codec.encode(value) == smpplib_encode("data_sm", value.sequence, **fields, **integers)


@given(samples.Sequence, samples.Id, samples.Address)
def test_query_and_alert_are_written_as_smpplib_writes_them(sequence: int, name: str, address: str) -> None:
    query = pdu.QuerySm(sequence, name or "1", 1, 1, address)
    fields: dict[str, Any] = {"source_addr_ton": 1, "source_addr_npi": 1, "source_addr": address}
    assert codec.encode(query) == smpplib_encode("query_sm", sequence, message_id=name or "1", **fields)
    alert = pdu.AlertNotification(sequence, 1, 1, address, 0, 0, "x", (Tlv(0x0422, b"\1"),))
    octets = smpplib_encode("alert_notification", sequence, esme_addr="x", ms_availability_status=1, **fields)
    assert codec.encode(alert) == octets


# Bodies that do not follow their layout


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", Status.RINVMSGLEN),
        (b"\0", Status.RINVMSGLEN),
        (b"\0\1", Status.RINVMSGLEN),
        (b"CMT", Status.RINVSERTYP),
        (b"TOOLONG\0\1\1491\0", Status.RINVSERTYP),
        (b"\0\1\1" + b"4" * 21 + b"\0\1\0012\0" + FIXED + b"\0", Status.RINVSRCADR),
        (b"\0\1\1" + b"4917", Status.RINVSRCADR),
        (b"\0\1\1" + b"491\0\1\1" + b"7" * 21 + b"\0" + FIXED + b"\0", Status.RINVDSTADR),
        (b"\0\1\1" + b"491\0\1\1" + b"7", Status.RINVDSTADR),
        (b"\0\1\1" + b"491\0\1\1" + b"7\0", Status.RINVMSGLEN),
        (PLAIN[:-6] + b"9" * 17 + bytes(8), Status.RINVSCHED),
        (PLAIN[:-5] + b"9" * 17 + bytes(8), Status.RINVEXPIRY),
        (PLAIN[:-6] + b"9\0" + b"9" * 17 + bytes(8), Status.RINVEXPIRY),
        (b"TOOBIG\0" + PLAIN[1:] + b"\0", Status.RINVSERTYP),
        (PLAIN[:-1], Status.RINVMSGLEN),
        (PLAIN, Status.RINVMSGLEN),
        (PLAIN + b"\1", Status.RINVMSGLEN),
        (PLAIN + b"\x8c" + bytes(139), Status.RINVMSGLEN),
        (PLAIN + b"\xff" + bytes(255), Status.RINVMSGLEN),
        (PLAIN + b"\xff", Status.RINVMSGLEN),
        (PLAIN + b"\2" + bytes(3), Status.RINVOPTPARSTREAM),
        (PLAIN + b"\0" + b"\x04\x24\x00", Status.RINVOPTPARSTREAM),
        (PLAIN + b"\0" + b"\x04\x24\x00\x01", Status.RINVPARLEN),
        (PLAIN + b"\0" + b"\x04\x24\xff\xff" + bytes(65_000), Status.RINVPARLEN),
        (PLAIN + b"\0" + b"\x14\x00\x00\x00" * (MAX_TLVS + 1), Status.RINVOPTPARSTREAM),
        (PLAIN + b"\0" + b"\x14\x00\x00\x00" * 16_000, Status.RINVOPTPARSTREAM),
    ],
)
def test_a_broken_message_names_the_status_to_answer(body: bytes, status: int) -> None:
    for command_id in (commands.DELIVER_SM, commands.SUBMIT_SM):
        fault = malformed(command_id, body)
        assert fault.status == status
        assert not fault.is_response
        assert "491" not in str(fault)


@pytest.mark.parametrize(
    ("command_id", "body", "status"),
    [
        (commands.BIND_TRANSCEIVER, b"s" * 16 + b"\0", Status.RINVSYSID),
        (commands.BIND_TRANSCEIVER, b"s\0" + b"p" * 9 + b"\0", Status.RINVPASWD),
        (commands.BIND_TRANSCEIVER, b"s\0p\0" + b"t" * 13 + b"\0", Status.RINVSYSTYP),
        (commands.BIND_TRANSCEIVER, b"s\0p\0t\0\x34\0\0" + b"9" * 41 + b"\0", Status.RINVPARLEN),
        (commands.BIND_TRANSCEIVER, b"s\0p\0", Status.RINVCMDLEN),
        (commands.BIND_TRANSCEIVER, b"", Status.RINVCMDLEN),
        (commands.OUTBIND, b"s\0" + b"p" * 9, Status.RINVPASWD),
        (commands.QUERY_SM, b"m" * 65 + b"\0", Status.RINVMSGID),
        (commands.CANCEL_SM, b"\0" + b"m" * 65 + b"\0", Status.RINVMSGID),
        (commands.REPLACE_SM, b"m\0\1\0011\0\0\0\0\0\5abc", Status.RINVMSGLEN),
        (commands.DATA_SM, b"\0\1\0011\0\1\0012\0\0\0", Status.RINVMSGLEN),
        (commands.DATA_SM, b"\0\1\1" + b"1" * 65, Status.RINVSRCADR),
        (commands.ENQUIRE_LINK, b"\0", Status.RINVOPTPARSTREAM),
        (commands.UNBIND, b"\x04\x24\x00\x09", Status.RINVPARLEN),
    ],
)
def test_other_broken_requests_name_the_status_to_answer(command_id: int, body: bytes, status: int) -> None:
    assert malformed(command_id, body).status == status


@pytest.mark.parametrize("command_id", [0, 0x0A, 0x22, 0x104, 0x111, 0x10000, 0x7FFFFFFF])
def test_an_unknown_request_is_told_by_its_number(command_id: int) -> None:
    with pytest.raises(UnknownCommand) as caught:
        codec.decode(frame(command_id, b"whatever", sequence=77))
    assert (caught.value.command_id, caught.value.sequence) == (command_id, 77)
    assert not caught.value.is_response


@pytest.mark.parametrize("command_id", [0x8000000A, 0x80000102, 0xFFFFFFFF])
def test_an_unknown_response_says_that_it_is_one(command_id: int) -> None:
    with pytest.raises(UnknownCommand) as caught:
        codec.decode(frame(command_id))
    assert caught.value.is_response


@pytest.mark.parametrize(
    "octets", [b"", b"\0" * 15, frame(0x15) + b"\0", frame(0x15, b"abcd")[:-1], bytes(16)]
)
def test_octets_that_are_not_one_pdu_are_no_frame(octets: bytes) -> None:
    with pytest.raises(FrameLength):
        codec.decode(octets)


# (name, limit, how a deliver_sm with that much in it looks)
LIMITS = [
    ("service_type", 5, lambda text: text + PLAIN + b"\0"),
    ("source_addr", 20, lambda text: b"\0\1\1" + text + b"\0\0\1\0" + FIXED + b"\0"),
    ("destination_addr", 20, lambda text: b"\0\1\1\0\0\1" + text + b"\0" + FIXED + b"\0"),
    ("schedule_delivery_time", 16, lambda text: PLAIN[:-6] + text + bytes(7)),
    ("validity_period", 16, lambda text: PLAIN[:-5] + text + bytes(6)),
    ("short_message", 254, lambda octets: PLAIN + bytes((len(octets),)) + octets),
]


@pytest.mark.parametrize(("name", "limit", "body"), LIMITS)
def test_a_field_may_be_as_long_as_the_specification_grants_and_no_longer(
    name: str, limit: int, body: Callable[[bytes], bytes]
) -> None:
    for command_id in (commands.DELIVER_SM, commands.SUBMIT_SM):
        read: Any = codec.decode(frame(command_id, body(b"5" * limit)))
        assert len(getattr(read, name)) == limit
        malformed(command_id, body(b"5" * (limit + 1)))


def test_a_message_id_may_have_64_characters_and_no_more() -> None:
    for command_id in (commands.SUBMIT_SM_RESP, commands.DELIVER_SM_RESP, commands.DATA_SM_RESP):
        read: Any = codec.decode(frame(command_id, b"7" * 64 + b"\0"))
        assert read.message_id == "7" * 64
        assert malformed(command_id, b"7" * 65 + b"\0").status == Status.RINVMSGID


# Responses as peers really send them


@pytest.mark.parametrize(
    "kind",
    [kind for kind in samples.KINDS if commands.is_response(kind.command_id)],
    ids=lambda kind: kind.__name__,
)
def test_a_response_may_come_without_its_body(kind: Any) -> None:
    for status in (0, 0x58, 0x0400, 0xFFFFFFFF):
        assert codec.decode(frame(kind.command_id, status=status, sequence=5)) == kind(5, status)


def test_an_error_response_may_have_a_body_of_any_kind() -> None:
    for body in (b"\0", b"4711\0", b"4711", b"\xff" * 80):
        read: Any = codec.decode(frame(commands.SUBMIT_SM_RESP, body, status=0x58, sequence=5))
        assert (read.sequence, read.status) == (5, 0x58)
        assert read.message_id in {"", "4711"}


def test_a_success_with_a_broken_body_still_tells_what_it_answers() -> None:
    for command_id in (commands.SUBMIT_SM_RESP, commands.DATA_SM_RESP):
        fault = malformed(command_id, b"4711")
        assert fault.is_response
        assert (fault.command_status, fault.status) == (0, Status.RINVMSGID)


def test_a_bind_response_needs_neither_system_id_nor_parameters() -> None:
    for body, system_id in ((b"\0", ""), (b"smsc\0", "smsc"), (b"", "")):
        read = codec.decode(frame(commands.BIND_TRANSCEIVER_RESP, body, sequence=3))
        assert read == pdu.BindTransceiverResp(3, 0, system_id)


def test_a_bind_response_may_say_its_version_and_anything_else() -> None:
    body = b"smsc\0\x02\x10\x00\x01\x34\x04\x24\x00\x00"
    read: Any = codec.decode(frame(commands.BIND_RECEIVER_RESP, body))
    assert tlv.integer(read.tlvs, commands.TAG_SC_INTERFACE_VERSION) == 0x34
    assert len(read.tlvs) == 2


def test_what_is_written_for_an_error_is_its_header_except_for_deliver_sm() -> None:
    for kind in (pdu.SubmitSmResp, pdu.DataSmResp, pdu.BindTransceiverResp):
        assert codec.encode(kind(5, 0x58)) == frame(kind.command_id, status=0x58, sequence=5)
    assert codec.encode(pdu.DeliverSmResp(5, 0x58)) == frame(0x80000005, b"\0", status=0x58, sequence=5)


def test_an_error_that_has_something_to_say_keeps_its_body() -> None:
    value = pdu.DataSmResp(5, 0xFE, tlvs=(Tlv(0x0425, b"\1"),))
    assert codec.decode(codec.encode(value)) == value


# Requests as peers really send them


def test_a_request_with_a_status_is_read_like_any_other() -> None:
    assert codec.decode(frame(commands.ENQUIRE_LINK, status=8, sequence=4)) == pdu.EnquireLink(4)
    read: Any = codec.decode(frame(DELIVER, PLAIN + b"\1x", status=0x400))
    assert read.short_message == b"x"


def test_requests_without_layout_for_parameters_may_bring_some() -> None:
    assert codec.decode(frame(commands.UNBIND, b"\x14\x03\x00\x01\x00", sequence=4)) == pdu.Unbind(4)


def test_submit_multi_is_recognised_and_kept_unread() -> None:
    read = codec.decode(frame(commands.SUBMIT_MULTI, b"\0\1\1\xff\xff", sequence=6))
    assert read == pdu.SubmitMulti(6, 0, b"\0\1\1\xff\xff")
    assert type(read) is pdu.SubmitMulti


@pytest.mark.parametrize(
    "optional",
    [
        b"\x00\x30\x00\x00",  # known to smpplib, foreign to deliver_sm
        b"\x00\x05\x00\x01\x00",
        b"\x04\x22\x00\x01\x00",
        b"\x13\x0c\x00\x00",  # alert_on_message_delivery as specified
        b"\x13\x0c\x00\x01\x00",  # and with a value
        b"\x14\x03\x00\x03abc",  # vendor
        b"\xff\xff\x00\x00",  # reserved
        b"\x02\x0e\x00\x04\x00\x00\x00\x02",  # sar_total_segments in four octets
    ],
)
def test_parameters_that_trip_others_are_kept_raw_and_hide_nothing(optional: bytes) -> None:
    read: Any = codec.decode(frame(DELIVER, PLAIN + b"\0" + optional + b"\x04\x24\x00\x02hi" + optional))
    assert [found.tag for found in read.tlvs] == [read.tlvs[0].tag, 0x0424, read.tlvs[0].tag]
    assert tlv.find(read.tlvs, commands.TAG_MESSAGE_PAYLOAD) == b"hi"


# Reading optional parameters


def test_a_string_parameter_ends_at_its_nul_or_at_its_end() -> None:
    for value in (b"4f2a", b"4f2a\0", b"4f2a\0\0junk"):
        assert tlv.text((Tlv(0x001E, value),), 0x001E) == "4f2a"
    assert tlv.text((Tlv(0x001E, b""),), 0x001E) == ""
    assert tlv.text((), 0x001E) is None


def test_an_integer_parameter_may_have_any_size_up_to_eight() -> None:
    for value in (b"\x02", b"\0\x02", b"\0\0\x02", b"\0\0\0\x02", bytes(7) + b"\x02"):
        assert tlv.integer((Tlv(0x020E, value),), 0x020E) == 2
    for value in (b"", bytes(9)):
        assert tlv.integer((Tlv(0x020E, value),), 0x020E) is None
    assert tlv.integer((), 0x020E) is None


def test_of_a_repeated_parameter_the_last_counts() -> None:
    assert tlv.integer((Tlv(5, b"\1"), Tlv(6, b"\2"), Tlv(5, b"\3")), 5) == 3


# Secrets


@pytest.mark.parametrize("kind", [pdu.BindReceiver, pdu.BindTransmitter, pdu.BindTransceiver, pdu.Outbind])
def test_a_password_is_read_into_a_secret_and_never_printed(kind: Any) -> None:
    value: Any = codec.decode(codec.encode(kind(1, "us", Secret(b"pa55w0rd"))))
    assert value.password == Secret(b"pa55w0rd")
    assert "pa55" not in repr(value)


def test_a_password_that_is_too_long_is_refused_without_showing_it() -> None:
    with pytest.raises(FieldTooLong) as caught:
        codec.encode(pdu.BindTransceiver(1, "us", Secret(b"pa55w0rd9")))
    assert "pa55" not in str(caught.value)


@given(st.sampled_from(samples.KINDS).flatmap(pdus))
def test_no_pdu_prints_a_number_or_user_data(value: Any) -> None:
    shown = {"source_addr": "4917", "destination_addr": "4930", "esme_addr": "4940", "body": b"4950"}
    known = {name: shown[name] for name in shown if name in value._fields}
    assert not any(secret in repr(value._replace(**known)) for secret in ("4917", "4930", "4940", "4950"))
