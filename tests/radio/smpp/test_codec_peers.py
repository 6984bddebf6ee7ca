"""Valid PDUs read and written alike by codecs of other people: smpp.pdu3 (Python) and smpp34 (Rust)."""

from __future__ import annotations

import io
import string
from typing import Any

import smpp34
from hypothesis import given
from hypothesis import strategies as st
from smpp.pdu.pdu_encoding import PDUEncoder

from tests.radio.smpp import samples
from tsm_gateway.radio.smpp import codec, pdu
from tsm_gateway.radio.smpp.layouts import Tlv
from tsm_gateway.secret import Secret

Digits = st.text(string.digits, min_size=1, max_size=20)
Word = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
FOREIGN = PDUEncoder()

# smpp.pdu3 knows each value of an octet by name: only what SMPP 3.4 names can be asked of it.
KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "sequence": st.integers(1, 0x7FFFFFFF),
    "service_type": st.sampled_from(["", "CMT", "WAP"]),
    "source_addr_ton": st.integers(0, 6),
    "source_addr_npi": st.sampled_from([0, 1, 3, 4, 6, 8, 9, 10, 14, 18]),
    "source_addr": Digits,
    "dest_addr_ton": st.integers(0, 6),
    "dest_addr_npi": st.sampled_from([0, 1, 3, 4, 6, 8, 9, 10, 14, 18]),
    "destination_addr": Digits,
    "esm_class": st.sampled_from([0x00, 0x03, 0x40, 0x43, 0x80, 0xC0, 0x04, 0x44]),
    "protocol_id": st.sampled_from([0x00, 0x7F]),
    "priority_flag": st.integers(0, 3),
    "schedule_delivery_time": st.just(""),
    "validity_period": st.sampled_from(["", "000007000000000R"]),
    "registered_delivery": st.sampled_from([0, 1, 2, 0x10]),
    "replace_if_present_flag": st.integers(0, 1),
    "data_coding": st.sampled_from([0x00, 0x02, 0x04, 0x08, 0xF4, 0xF6]),
    "sm_default_msg_id": st.integers(0, 254),
    "short_message": st.binary(max_size=254),
    "tlvs": st.sampled_from(
        [
            (),
            (Tlv(0x0204, b"\x12\x34"),),
            (Tlv(0x020A, b"\0\0"), Tlv(0x020B, b"\x40\x74")),
            (Tlv(0x020C, b"\0\x07"), Tlv(0x020E, b"\2"), Tlv(0x020F, b"\1")),
        ]
    ),
}
Message = st.sampled_from([pdu.SubmitSm, pdu.DeliverSm]).flatmap(
    lambda kind: st.builds(kind, **{name: KNOWN[name] for name in kind._fields})
)


def foreign(octets: bytes) -> Any:
    """What smpp.pdu3 makes of it."""
    return FOREIGN.decode(io.BytesIO(octets))


@given(Message)
def test_messages_pass_through_smpp_pdu3_unchanged(value: Any) -> None:
    octets = codec.encode(value)
    theirs = foreign(octets)
    assert theirs.seqNum == value.sequence
    assert (theirs.params["short_message"] or b"") == value.short_message
    for name in ("service_type", "source_addr", "destination_addr"):
        assert theirs.params[name] == getattr(value, name).encode()
    for name in ("protocol_id", "sm_default_msg_id"):
        assert theirs.params[name] == getattr(value, name)
    assert FOREIGN.encode(theirs) == octets


@given(samples.Sequence.filter(bool), Word, st.sampled_from([0, 0x58, 0x14, 0x08, 0x45]))
def test_responses_are_read_alike_by_smpp_pdu3(sequence: int, message_id: str, status: int) -> None:
    for value in (
        pdu.SubmitSmResp(sequence, status, "" if status else message_id),
        pdu.DeliverSmResp(sequence, status),
        pdu.EnquireLinkResp(sequence, status),
        pdu.UnbindResp(sequence, status),
        pdu.GenericNack(sequence, status),
        pdu.BindTransceiverResp(sequence, status, "" if status else message_id),
    ):
        theirs = foreign(codec.encode(value))
        assert theirs.seqNum == sequence
        if value.command_id == pdu.SubmitSmResp.command_id and not status:
            assert theirs.params["message_id"] == message_id.encode()
        assert codec.decode(FOREIGN.encode(theirs)) == value


@given(samples.Sequence.filter(bool), Word, Word, Digits)
def test_requests_of_a_session_are_read_alike_by_smpp_pdu3(
    sequence: int, name: str, word: str, digits: str
) -> None:
    for value in (
        pdu.BindTransceiver(sequence, name, Secret(word.encode()), "", 0x34, 0, 0, digits),
        pdu.BindReceiver(sequence, name, Secret(word.encode())),
        pdu.BindTransmitter(sequence, name, Secret(word.encode())),
        pdu.Outbind(sequence, name, Secret(word.encode())),
        pdu.EnquireLink(sequence),
        pdu.Unbind(sequence),
        pdu.QuerySm(sequence, word, 1, 1, digits),
        pdu.CancelSm(sequence, "", word, 1, 1, digits, 1, 1, digits),
        pdu.AlertNotification(sequence, 1, 1, digits, 1, 1, digits),
    ):
        octets = codec.encode(value)
        assert FOREIGN.encode(foreign(octets)) == octets
        assert codec.decode(octets) == value


FIELDS = tuple(name for name in pdu.DeliverSm._fields if name not in {"sequence", "tlvs"})
Ascii = st.text(string.ascii_letters + string.digits + "+*#", max_size=20)
Any34 = st.sampled_from([pdu.SubmitSm, pdu.DeliverSm]).flatmap(
    lambda kind: samples.pdus(kind).flatmap(
        lambda value: st.builds(
            value._replace,
            sequence=st.integers(1, 0x7FFFFFFF),
            service_type=st.sampled_from(["", "CMT"]),
            source_addr=Ascii,
            destination_addr=Ascii,
            schedule_delivery_time=st.just(""),
            validity_period=st.sampled_from(["", "000007000000000R"]),
        )
    )
)


@given(Any34)
def test_any_message_is_read_and_written_alike_by_smpp34(value: Any) -> None:
    octets = codec.encode(value)
    theirs: Any = smpp34.decode(octets)
    assert theirs.command_id == value.command_id
    assert theirs.sequence_number == value.sequence
    assert [getattr(theirs, name) for name in FIELDS] == [getattr(value, name) for name in FIELDS]
    assert [(found.tag, bytes(found.value)) for found in theirs.tlvs] == [
        tuple(found) for found in value.tlvs
    ]
    assert theirs.encode() == octets


@given(Any34)
def test_what_smpp34_writes_is_read_as_it_meant_it(value: Any) -> None:
    kind = getattr(smpp34, type(value).__name__)
    fields = {name: getattr(value, name) for name in FIELDS}
    tlvs = [smpp34.Tlv(found.tag, found.value) for found in value.tlvs]
    assert codec.decode(kind(**fields, tlvs=tlvs, sequence_number=value.sequence).encode()) == value
