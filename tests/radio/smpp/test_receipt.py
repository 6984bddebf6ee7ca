"""Receipts are known by their type and matched however a peer spells the id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.radio.smpp.samples import Tlvs
from tsm_gateway.messages import Receipt, ReceiptState, Ticket
from tsm_gateway.radio.smpp.layouts import Tlv
from tsm_gateway.radio.smpp.options import IdBase
from tsm_gateway.radio.smpp.receipt import is_receipt, read_receipt, read_text, spellings

TICKET = Ticket("carrier-a", 1, 7, 5)
STANDARD = (
    b"id:0123456789 sub:001 dlvrd:001 submit date:2401011200 done date:2401011201 "
    b"stat:DELIVRD err:000 text:Hello"
)
NAMED = (Tlv(0x001E, b"4f2a\0"),)


def read(text: bytes = b"", tlvs: tuple[Tlv, ...] = (), esm_class: int = 0x04) -> Receipt:
    """The receipt, which must be there."""
    receipt = read_receipt(TICKET, esm_class, tlvs, text)
    assert receipt is not None
    return receipt


# What is a receipt


@pytest.mark.parametrize("esm_class", [0x04, 0x20, 0x05, 0x44, 0xC4, 0x23])
def test_receipts_and_notifications_are_known_by_bits_5_to_2(esm_class: int) -> None:
    assert is_receipt(esm_class)


@pytest.mark.parametrize(
    "esm_class", [0x00, 0x01, 0x02, 0x03, 0x40, 0x41, 0x80, 0x08, 0x10, 0x18, 0x0C, 0x3C]
)
def test_messages_acknowledgements_and_conversations_are_no_receipts(esm_class: int) -> None:
    assert not is_receipt(esm_class)


def test_the_id_of_a_receipt_beside_a_plain_message_makes_it_one() -> None:
    assert is_receipt(0x00, NAMED)
    assert not is_receipt(0x00, (Tlv(0x001E, b"\0"),))
    assert not is_receipt(0x08, NAMED)
    assert not is_receipt(0x40, NAMED)  # a payment part is no receipt, whatever hangs on it


# What it says


def test_the_standard_text_is_read() -> None:
    assert read(STANDARD) == Receipt(TICKET, ("123456789", "4886718345"), ReceiptState.DELIVERED, "000")


@pytest.mark.parametrize(
    ("text", "state", "error"),
    [
        (b"ID:1 STAT:delivrd ERR:012 TEXT:", ReceiptState.DELIVERED, "012"),
        (
            b"id:1 submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:UNDELIV err:1 text:x",
            ReceiptState.FAILED,
            "1",
        ),
        (b"id:1 submit date:240101120059 done date:240101120101 stat:EXPIRED", ReceiptState.FAILED, ""),
        (b"id:1 sub: dlvrd: submit date: done date: stat:REJECTD err: text:", ReceiptState.FAILED, ""),
        (b"id: 1 stat: ACCEPTD err: 7", ReceiptState.PENDING, "7"),
        (b"id:1", ReceiptState.UNKNOWN, ""),
        (b"id:1 stat:", ReceiptState.UNKNOWN, ""),
        (b"id:1 stat:WHATEVER err:no-no", ReceiptState.UNKNOWN, ""),
        (b"id:1 stat:ENROUTE text:stat:DELIVRD", ReceiptState.PENDING, ""),
        (b"id:1 stat:DELIVRD text:\x00\xff\x06\x05 id:2 stat:UNDELIV", ReceiptState.DELIVERED, ""),
        (b"id:1 text:x stat:DELIVRD err:5", ReceiptState.UNKNOWN, ""),
        (b"id:1 id:2 stat:DELIVRD stat:UNDELIV", ReceiptState.DELIVERED, ""),
        (b"id:1\tstat:DELETED\r\nerr:99", ReceiptState.FAILED, "99"),
        (b"id:1 err:" + b"9" * 17, ReceiptState.UNKNOWN, ""),
    ],
)
def test_texts_of_the_wild_are_read(text: bytes, state: ReceiptState, error: str) -> None:
    receipt = read(text)
    assert receipt.message_ids == ("1",)
    assert (receipt.state, receipt.error) == (state, error)


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (1, ReceiptState.PENDING),
        (2, ReceiptState.DELIVERED),
        (3, ReceiptState.FAILED),
        (4, ReceiptState.FAILED),
        (5, ReceiptState.FAILED),
        (6, ReceiptState.PENDING),
        (7, ReceiptState.UNKNOWN),
        (8, ReceiptState.FAILED),
    ],
)
def test_parameters_come_before_the_text(number: int, state: ReceiptState) -> None:
    tlvs = (*NAMED, Tlv(0x0427, bytes((number,))), Tlv(0x0423, b"\x03\x00\x22"))
    text = b"id:9 stat:ENROUTE err:001"
    assert read(text, tlvs) == Receipt(TICKET, ("4f2a", "20266", "9"), state, "3:34")


def test_a_parameter_that_says_nothing_leaves_it_to_the_text() -> None:
    tlvs = (Tlv(0x001E, b""), Tlv(0x0427, b"\x63"), Tlv(0x0423, b"\x03"))
    assert read(b"id:9 stat:DELIVRD err:001", tlvs) == Receipt(TICKET, ("9",), ReceiptState.DELIVERED, "001")


def test_an_id_without_nul_keeps_its_last_character() -> None:
    assert read(tlvs=(Tlv(0x001E, b"4f2a"),)).message_ids[0] == "4f2a"


def test_an_intermediate_notification_is_never_the_end() -> None:
    for state in (b"UNDELIV", b"DELIVRD", b"ENROUTE"):
        assert read(b"id:1 stat:" + state, esm_class=0x20).state is ReceiptState.PENDING
    assert read(b"id:1", esm_class=0x20).state is ReceiptState.UNKNOWN


@pytest.mark.parametrize("text", [b"", b"hello", b"stat:DELIVRD", b"id: stat:DELIVRD", b"id:" + b"1" * 65])
def test_a_receipt_that_names_no_message_is_none(text: bytes) -> None:
    assert read_receipt(TICKET, 0x04, (), text) is None


@given(st.integers(0, 255), Tlvs, st.binary(max_size=300))
def test_any_octets_are_a_receipt_or_none(esm_class: int, tlvs: tuple[Tlv, ...], text: bytes) -> None:
    receipt = read_receipt(TICKET, esm_class, tlvs, text)
    assert receipt is None or receipt.message_ids
    assert receipt is None or len(receipt.error) <= 16


def test_a_long_text_is_not_read_to_its_end() -> None:
    assert read_text(b"x " * 200 + b"id:1") == {"id": "1"}
    assert read_text(b"x " * 300 + b"id:1") == {}


# Ids

SAME = [
    ("1A2B", "6699"),  # hexadecimal in the response, decimal in the receipt
    ("6699", "1a2b"),
    ("6699", "1A2B"),
    ("00001a2b", "0000006699"),
    ("1234", "4660"),  # digits which are hexadecimal all the same
    ("4660", "1234"),
    ("0012345678", "12345678"),
    ("ABCDEF", "abcdef"),
    ("FFFFFFFFFFFFFFFF", "18446744073709551615"),
    ("550E8400-E29B-41D4-A716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
    ("550e8400-e29b-41d4-a716-446655440000", "550e8400e29b41d4a716446655440000"),
    ("Msg_77", "msg_77"),
    (" 77 ", "77"),
    ("0", "000"),
]


@pytest.mark.parametrize(("answered", "received"), SAME)
def test_two_spellings_of_one_id_meet(answered: str, received: str) -> None:
    assert set(spellings(answered, IdBase.AUTO)) & set(spellings(received, IdBase.AUTO))


@pytest.mark.parametrize(("one", "other"), [("1a2b", "1a2c"), ("77", "78"), ("x1", "1"), ("10-1", "10-2")])
def test_different_ids_do_not_meet(one: str, other: str) -> None:
    assert not set(spellings(one, IdBase.AUTO)) & set(spellings(other, IdBase.AUTO))


def test_a_stated_base_leaves_one_reading() -> None:
    assert spellings("00001234", IdBase.HEXADECIMAL) == ("4660",)
    assert spellings("0000004660", IdBase.DECIMAL) == ("4660",)
    assert spellings("1A2B", IdBase.HEXADECIMAL) == ("6699",)


def test_an_id_that_is_no_number_in_its_base_stays_as_it_is() -> None:
    assert spellings("XYZ-1", IdBase.HEXADECIMAL) == ("xyz-1",)
    assert spellings("1A2B", IdBase.DECIMAL) == ("1a2b",)
    assert spellings("f" * 32, IdBase.HEXADECIMAL) == ("f" * 32,)


def test_as_text_only_case_and_blanks_go() -> None:
    assert spellings(" 00AB-1 ", IdBase.TEXT) == ("00ab-1",)


def test_the_best_spelling_comes_first() -> None:
    assert spellings("0001A2B", IdBase.AUTO) == ("1a2b", "6699")


@pytest.mark.parametrize("nothing", ["", "  ", "\0", "1" * 65])
def test_no_id_has_no_spelling(nothing: str) -> None:
    for base in IdBase:
        assert spellings(nothing, base) == ()


@given(st.integers(0, 2**64 - 1), st.integers(0, 4))
def test_hexadecimal_and_decimal_meet_for_every_number(number: int, zeros: int) -> None:
    decimal, hexadecimal = "0" * zeros + str(number), "0" * zeros + f"{number:X}"
    assert set(spellings(decimal, IdBase.AUTO)) & set(spellings(hexadecimal, IdBase.AUTO))
    assert spellings(hexadecimal, IdBase.HEXADECIMAL) == spellings(decimal, IdBase.DECIMAL)


@given(st.text(max_size=70))
def test_any_text_has_at_most_two_spellings(message_id: str) -> None:
    for base in IdBase:
        assert len(spellings(message_id, base)) <= 2
