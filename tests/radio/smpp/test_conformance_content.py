"""Behaviours 19 to 21 of an SMPP link: octets, receipts and addresses come through as they are."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.radio.smpp.peer import (
    DELIVER,
    RECEIPT_TEXT,
    RESP,
    SUBMIT,
    UDH,
    bound_scene,
    deliver,
    deliver_body,
    part,
    pdu,
    story,
    tlv,
)
from tsm_gateway.messages import Fate, Receipt, ReceiptState, Segment


@pytest.mark.parametrize("data_coding", [0x04, 0x02, 0xF4, 0xF5, 0xF6, 0xF7])
@story
async def test_19_an_eight_bit_message_arrives_octet_for_octet(data_coding: int) -> None:
    user_data = UDH + random.Random(19).randbytes(133)
    async with bound_scene() as (stage, line):
        line.say(deliver(5, short_message=user_data, data_coding=data_coding, protocol_id=0x7F))
        await stage.record.until(lambda: bool(stage.record.arrivals))
        (arrival,) = stage.record.arrivals
        assert isinstance(arrival, Segment)
        assert (arrival.body, arrival.port) == (user_data[7:], 16500)
        assert (arrival.data_coding, arrival.protocol_id) == (data_coding, 0x7F)


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("0003420201", (0x42, 2, 1)),
        ("0003000202", (0, 2, 2)),
        ("080412340302", (0x1234, 3, 2)),
        ("0003420200", (None, 1, 1)),
        ("0003420203", (None, 1, 1)),
        ("0003420001", (None, 1, 1)),
    ],
)
@story
async def test_19_concatenation_is_read_from_the_header_and_nonsense_is_none(
    element: str, expected: tuple[int | None, int, int]
) -> None:
    elements = UDH[1:] + bytes.fromhex(element)
    async with bound_scene() as (stage, line):
        line.say(deliver(5, short_message=bytes((len(elements),)) + elements + b"body"))
        await stage.record.until(lambda: bool(stage.record.arrivals))
        (arrival,) = stage.record.arrivals
        assert isinstance(arrival, Segment)
        assert (arrival.reference, arrival.total, arrival.number) == expected
        assert arrival.body == b"body"


@story
async def test_19_parts_pass_in_any_order_and_doubled_as_they_came() -> None:
    def one(number: int, sequence: int) -> bytes:
        elements = UDH[1:] + bytes((0, 3, 7, 3, number))
        return deliver(sequence, short_message=bytes((len(elements),)) + elements + bytes((number,)))

    async with bound_scene() as (stage, line):
        line.say(one(3, 1) + one(1, 2) + one(1, 3) + one(2, 4))
        await stage.record.until(lambda: len(stage.record.arrivals) == 4)
        assert [arrival.number for arrival in stage.record.arrivals if isinstance(arrival, Segment)] == [
            3,
            1,
            1,
            2,
        ]


@story
async def test_19_sar_parameters_and_payloads_are_parts_too() -> None:
    sar = tlv(0x020C, b"\0\7") + tlv(0x020E, b"\2") + tlv(0x020F, b"\1") + tlv(0x020B, b"\x40\x74")
    async with bound_scene() as (stage, line):
        line.say(deliver(5, short_message=b"", esm_class=0, tlvs=sar + tlv(0x0424, b"body")))
        await stage.record.until(lambda: bool(stage.record.arrivals))
        (arrival,) = stage.record.arrivals
        assert isinstance(arrival, Segment)
        assert (arrival.reference, arrival.total, arrival.number) == (7, 2, 1)
        assert (arrival.port, arrival.body) == (16500, b"body")


@story
async def test_19_what_is_submitted_leaves_octet_for_octet() -> None:
    user_data = UDH + random.Random(20).randbytes(133)
    async with bound_scene() as (stage, line):
        stage.link.submit([part(user_data=user_data)])
        heard = await line.hear_only(SUBMIT)
        assert heard.body.endswith(bytes((140,)) + user_data)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"esm_class": 0x04, "short_message": RECEIPT_TEXT}, ReceiptState.DELIVERED),
        ({"esm_class": 0x04, "short_message": b"id:00AB12 stat:UNDELIV"}, ReceiptState.FAILED),
        (
            {"esm_class": 0x04, "short_message": b"", "tlvs": tlv(0x1E, b"00AB12") + tlv(0x427, b"\2")},
            ReceiptState.DELIVERED,
        ),
        (
            {"esm_class": 0x04, "short_message": b"", "tlvs": tlv(0x1E, b"00AB12\0") + tlv(0x427, b"\5")},
            ReceiptState.FAILED,
        ),
        ({"esm_class": 0x20, "short_message": b"id:00AB12 stat:ENROUTE"}, ReceiptState.PENDING),
    ],
)
@story
async def test_20_a_receipt_is_recognised_before_anything_else(
    fields: dict[str, Any], state: ReceiptState
) -> None:
    async with bound_scene() as (stage, line):
        stage.link.submit([part()])
        submit = await line.hear_only(SUBMIT)
        line.say(deliver(5, data_coding=0, **fields))  # ahead of the response it belongs to
        line.say(pdu(SUBMIT | RESP, submit.sequence, b"ab12\0"))
        await stage.record.until(lambda: bool(stage.record.arrivals and stage.record.submitted))
        (receipt,) = stage.record.arrivals
        assert isinstance(receipt, Receipt)
        assert receipt.state is state
        assert set(receipt.message_ids) & set(stage.record.submitted[0].message_ids)


@story
async def test_20_a_response_and_its_receipt_in_one_read_are_told_in_that_order() -> None:
    async with bound_scene() as (stage, line):
        stage.link.submit([part()])
        submit = await line.hear_only(SUBMIT)
        order: list[str] = []
        wire = stage.link._wire
        assert wire
        wire._outlets = wire._outlets._replace(
            arrivals=lambda _: order.append("receipt"), submitted=lambda _: order.append("response")
        )
        receipt = deliver(5, esm_class=0x04, data_coding=0, short_message=b"id:7 stat:DELIVRD")
        line.say(receipt + pdu(SUBMIT | RESP, submit.sequence, b"7\0"))
        await line.alive()
        assert order == ["response", "receipt"]


@pytest.mark.parametrize(
    ("ton", "digits", "source"),
    [
        (1, b"4915112345678", "+4915112345678"),
        (1, b"+4915112345678", "+4915112345678"),
        (0, b"16500", "16500"),
        (5, b"Bank", "Bank"),
    ],
)
@story
async def test_21_an_address_is_normalised_by_its_type(ton: int, digits: bytes, source: str) -> None:
    body = deliver_body(source=digits)
    async with bound_scene() as (stage, line):
        line.say(pdu(DELIVER, 5, body[:1] + bytes((ton,)) + body[2:]))
        await stage.record.until(lambda: bool(stage.record.arrivals))
        (arrival,) = stage.record.arrivals
        assert isinstance(arrival, Segment)
        assert arrival.source == source


@pytest.mark.parametrize("destination", ["", "+4930123456789012345678", "+49 30", "much too long a name"])
@story
async def test_21_an_address_is_never_cut_to_fit(destination: str) -> None:
    async with bound_scene() as (stage, line):
        stage.link.submit([part(destination=destination)])
        await stage.record.until(lambda: bool(stage.record.submitted))
        assert stage.record.submitted[0].fate is Fate.PERMANENT
        await line.alive()
