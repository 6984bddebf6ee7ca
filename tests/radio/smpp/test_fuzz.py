"""A hundred thousand damaged PDUs: each is a value or one of the named errors, and none costs much."""

from __future__ import annotations

import random
import struct
import time
from collections import Counter

from tests.radio.smpp.samples import frame
from tsm_gateway.messages import Ticket
from tsm_gateway.radio.smpp import codec, commands, pdu
from tsm_gateway.radio.smpp.faults import BodyMalformed, FrameLength, UnknownCommand
from tsm_gateway.radio.smpp.framing import Framer
from tsm_gateway.radio.smpp.inbound import to_arrival
from tsm_gateway.radio.smpp.layouts import Tlv
from tsm_gateway.secret import Secret

CASES = 100_000
SEED = 34
TICKET = Ticket("carrier-a", 1, 7, 5)
UDH = bytes.fromhex("0b0504407400000003420201")
RECEIPT = (
    b"id:4f2a sub:001 dlvrd:001 submit date:2401011200 done date:2401011201 stat:DELIVRD err:000 text:\x00"
)
INTERESTING = (0x00, 0x01, 0x04, 0x40, 0x7F, 0x80, 0xFE, 0xFF)

SEEDS = [
    codec.encode(value)
    for value in (
        pdu.DeliverSm(
            7, "", 1, 1, "4917012345", 0, 1, "12345", 0x40, data_coding=4, short_message=UDH + bytes(99)
        ),
        pdu.DeliverSm(7, source_addr="1", destination_addr="2", esm_class=4, short_message=RECEIPT),
        pdu.DeliverSm(
            7,
            source_addr="1",
            destination_addr="2",
            esm_class=0x40,
            data_coding=4,
            tlvs=(
                Tlv(0x020C, b"\0\1"),
                Tlv(0x020E, b"\2"),
                Tlv(0x020F, b"\1"),
                Tlv(0x0424, UDH + bytes(300)),
            ),
        ),
        pdu.SubmitSm(
            7, "CMT", 5, 0, "Shop", 1, 1, "49", 0x40, validity_period="000007000000000R", short_message=UDH
        ),
        pdu.SubmitSmResp(7, 0, "4f2a11bc"),
        pdu.DeliverSmResp(7, 0x58),
        pdu.DataSm(7, source_addr="1", destination_addr="2", tlvs=(Tlv(0x0424, UDH), Tlv(0x1403, b"x"))),
        pdu.BindTransceiver(7, "gateway", Secret(b"secret"), "x", address_range="^49"),
        pdu.BindTransceiverResp(7, 0, "smsc", (Tlv(0x0210, b"\x34"),)),
        pdu.QuerySmResp(7, 0, "4f2a", "", 2, 0),
        pdu.ReplaceSm(7, "4f2a", 1, 1, "49", short_message=b"abc"),
        pdu.CancelSm(7, "", "4f2a", 1, 1, "49", 1, 1, "50"),
        pdu.AlertNotification(7, 1, 1, "49", 0, 0, "x", (Tlv(0x0422, b"\1"),)),
        pdu.EnquireLink(7),
    )
]


def cut(octets: bytearray, draw: random.Random) -> None:
    del octets[draw.randrange(16, len(octets) + 1) :]


def extend(octets: bytearray, draw: random.Random) -> None:
    octets += draw.randbytes(draw.randrange(1, 40))


def flip(octets: bytearray, draw: random.Random) -> None:
    octets[draw.randrange(4, len(octets))] ^= 1 << draw.randrange(8)


def overwrite(octets: bytearray, draw: random.Random) -> None:
    octets[draw.randrange(4, len(octets))] = draw.choice(INTERESTING)


def remove_a_nul(octets: bytearray, draw: random.Random) -> None:
    nuls = [at for at in range(16, len(octets)) if octets[at] == 0]
    if nuls:
        octets[draw.choice(nuls)] = 0x41


def repeat_a_piece(octets: bytearray, draw: random.Random) -> None:
    start = draw.randrange(16, len(octets) + 1)
    octets[start:start] = octets[start : start + draw.randrange(1, 30)] * draw.randrange(1, 4)


def bomb(octets: bytearray, draw: random.Random) -> None:
    octets += draw.choice((b"\x14\x00\x00\x00", b"\x04\x24\x00\x01x", b"\x00\x1e\xff\xff")) * draw.choice(
        (1, 64, 65)
    )


def grow(octets: bytearray, draw: random.Random) -> None:
    octets += struct.pack(
        ">HH", draw.choice((0x0424, 0x020C, 0x001E, 0x0427, 0x1400)), draw.choice((0, 1, 3, 0xFFFF))
    )
    octets += draw.randbytes(draw.choice((0, 1, 3)))


def rename(octets: bytearray, draw: random.Random) -> None:
    octets[4:8] = draw.choice((0x05, 0x04, 0x80000004, 0x103, 0x102, 0x03, 0x80000009, 0x21, 0x99)).to_bytes(
        4, "big"
    )


DAMAGES = (cut, extend, flip, flip, overwrite, overwrite, remove_a_nul, repeat_a_piece, bomb, grow, rename)


def damaged(draw: random.Random) -> bytes:
    """One PDU with one to three damages, its command_length right again."""
    octets = bytearray(draw.choice(SEEDS))
    for _ in range(draw.randrange(1, 4)):
        draw.choice(DAMAGES)(octets, draw)
    octets[:4] = len(octets).to_bytes(4, "big")
    return bytes(octets)


def read(octets: bytes) -> str:
    """What became of it, messages all the way to their arrival; anything but a named error is a failure."""
    try:
        value = codec.decode(octets)
        if isinstance(value, pdu.DeliverSm | pdu.DataSm):
            return type(to_arrival(value, TICKET)).__name__
    except (BodyMalformed, UnknownCommand) as fault:
        return type(fault).__name__
    return type(value).__name__


def test_a_hundred_thousand_damaged_pdus_are_values_or_named_errors() -> None:
    draw = random.Random(SEED)  # the same damages in every run
    started = time.monotonic()
    outcomes = Counter(read(damaged(draw)) for _ in range(CASES))
    assert time.monotonic() - started < 15
    # The damages reach every outcome: a fuzzer that only breaks, or never does, proves nothing.
    assert {"Segment", "Receipt", "Unusable", "BodyMalformed", "UnknownCommand", "SubmitSmResp"} <= set(
        outcomes
    )
    assert CASES * 0.1 < outcomes["BodyMalformed"] < CASES * 0.9


def test_damaged_streams_are_pdus_or_a_lost_stream() -> None:
    draw = random.Random(SEED)  # the same damages in every run
    lost = 0
    for _ in range(5_000):
        stream = bytearray(b"".join(draw.choice(SEEDS) for _ in range(3)))
        stream[draw.randrange(len(stream))] = draw.choice(INTERESTING)
        framer, at = Framer(), 0
        try:
            while at < len(stream):
                step = draw.randrange(1, 200)
                for whole in framer.feed(stream[at : at + step]):
                    read(whole)
                at += step
        except FrameLength as fault:
            lost += 1
            for whole in fault.frames:
                read(whole)
        assert framer.pending <= len(stream)
    assert lost


def test_the_longest_pdus_are_refused_or_read_within_milliseconds() -> None:
    body = bytes(9) + bytes(9)  # a message with nothing in it
    hostile = [
        frame(commands.DELIVER_SM, body + b"\x14\x00\x00\x00" * 16_000),
        frame(commands.DELIVER_SM, body + b"\x14\x00\xfe\x00" + bytes(0xFE00)),
        frame(commands.DELIVER_SM, b"\x41" * 65_000),
        frame(commands.DELIVER_SM, body[:4] + b"\x04" + body[5:] + b"\x04\x24\xfd\xe8" + b"id:1 " * 13_000),
        frame(commands.SUBMIT_SM_RESP, b"\x41" * 65_000),
        frame(commands.SUBMIT_MULTI, bytes(65_000)),
    ]
    for octets in hostile:
        started = time.process_time()
        for _ in range(10):
            read(octets)
        assert time.process_time() - started < 0.1
