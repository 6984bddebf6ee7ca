"""The foreign SMSCs tried against a foreign client, so that a failure elsewhere in this folder is ours."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
import smpp34
from smpplib import consts

from tests.interop.peers.libsmpp34 import compile_judge, verdicts
from tests.interop.peers.node_smsc import NodeSmsc
from tests.interop.peers.program import require
from tests.interop.peers.smpp34_smsc import Smpp34Smsc
from tests.interop.peers.smsc import deliver_all, take
from tests.interop.peers.tshark import Capture
from tsm_gateway.virtual.part import Part, cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.interop.peers.smsc import Smsc

pytestmark = pytest.mark.interop

PORT, REFERENCE = 16500, 0xA5
RECEIPTED_MESSAGE_ID = 0x001E
PACKET = bytes(range(222))
PARTS = [Part("+4915100000001", "+4915200000002", 4, 0, *part) for part in cut(PACKET, PORT, REFERENCE)]
SUBMITTED = {"esm_class": 0x40, "data_coding": 4, "dest_addr_ton": 1, "registered_delivery": 1}


@pytest.fixture(params=[NodeSmsc, Smpp34Smsc])
def smsc(request) -> Iterator[Smsc]:
    made = request.param()
    yield made
    made.stop()


async def session(port: int, work: Callable[[Any], Any]) -> Any:
    """Bind a foreign client as transceiver, do `work` with it, unbind."""
    client = smpp34.Client("127.0.0.1", port, "probe", "secret", bind_type="TRX")
    bound = await client.connect()
    try:
        return await asyncio.wait_for(work(bound), 20)
    finally:
        await bound.unbind()


def test_a_binary_part_goes_through_both_ways_octet_by_octet(smsc: Smsc) -> None:
    async def both_ways(bound: Any) -> list[Any]:
        await asyncio.to_thread(smsc.wait_bound)
        answered = asyncio.create_task(asyncio.to_thread(deliver_all, smsc, PARTS))
        events = [await bound.next() for _ in PARTS]
        for part in PARTS:
            given = await bound.submit_sm(
                "4915300000003", part.udh + part.data, source_addr="16500", **SUBMITTED
            )
            assert given.is_success
        assert await answered == [0, 0]
        return events

    events = asyncio.run(session(smsc.port, both_ways))
    delivered = sorted(event.short_message for event in events)  # two at a time: in no promised order
    assert delivered == sorted(part.udh + part.data for part in PARTS)
    assert {(event.source_addr, event.source_addr_ton, event.esm_class) for event in events} == {
        ("4915100000001", 1, 0x40)
    }
    taken = take(smsc, 2)
    assert [(each.part.udh, each.part.data) for each in taken] == [(part.udh, part.data) for part in PARTS]
    assert {(each.part.destination, each.part.dcs, each.registered) for each in taken} == {
        ("4915300000003", 4, 1)
    }
    assert len({each.message_id for each in taken}) == 2


@pytest.mark.parametrize(
    ("suffix", "status"), [("91", consts.SMPP_ESME_RTHROTTLED), ("92", consts.SMPP_ESME_RMSGQFUL)]
)
def test_the_node_smsc_shows_a_fault_once(suffix: str, status: int) -> None:
    smsc = NodeSmsc()

    async def twice(bound: Any) -> list[int]:
        return [(await bound.submit_sm("49153000000" + suffix, b"x")).command_status for _ in range(2)]

    try:
        assert asyncio.run(session(smsc.port, twice)) == [status, 0]
    finally:
        smsc.stop()


@pytest.mark.parametrize(("ids", "in_response", "in_receipt"), [("hex-dec", 16, 10), ("dec-hex", 10, 16)])
def test_the_node_smsc_spells_an_id_differently_in_its_receipt(
    ids: str, in_response: int, in_receipt: int
) -> None:
    smsc = NodeSmsc("--receipts", "--ids", ids)

    async def submit(bound: Any) -> tuple[str, Any]:
        given = await bound.submit_sm("4915300000003", b"x", source_addr="16500", registered_delivery=1)
        return given.message_id, await bound.next()

    try:
        message_id, receipt = asyncio.run(session(smsc.port, submit))
    finally:
        smsc.stop()
    spelt = next(tlv.as_string() for tlv in receipt.tlvs if tlv.tag == RECEIPTED_MESSAGE_ID)
    assert spelt
    assert receipt.esm_class == 0x04
    assert spelt != message_id
    assert int(spelt.rstrip("\0"), in_receipt) == int(message_id, in_response)


def test_wireshark_tells_a_good_pdu_from_a_broken_one(tmp_path: Path) -> None:
    require("tshark", "tshark")
    good = smpp34.SubmitSm("16500", "4915300000003", PACKET[:140], esm_class=0x40, data_coding=4).encode()
    length_at = good.index(PACKET[:140]) - 1
    too_long = good[:length_at] + b"\xfe" + good[length_at + 1 :]  # sm_length beyond the PDU's end
    for pdu, broken in ((good, False), (too_long, True)):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            capture = Capture(port, tmp_path / f"{broken}.pcapng")
            try:
                with socket.create_connection(("127.0.0.1", port)) as sender, listener.accept()[0] as taker:
                    sender.sendall(pdu)
                    sender.shutdown(socket.SHUT_WR)
                    while taker.recv(4096):
                        pass
                capture.wait_closed()
            finally:
                capture.stop()
        assert len(capture.rows("frame.number")) == 1
        assert bool(capture.complaints()) is broken


def test_libsmpp34_tells_a_good_pdu_from_a_broken_one(tmp_path: Path) -> None:
    good = smpp34.SubmitSm("16500", "4915300000003", PACKET[:140], esm_class=0x40, data_coding=4).encode()
    cut_short = (len(good) - 30).to_bytes(4, "big") + good[4:-30]
    judge = compile_judge(tmp_path)
    said = verdicts(judge, [good, cut_short, good[:12]])
    assert said[0] == "ok 0x00000004"
    assert said[1].startswith("bad 0x00000004")
    assert said[2].startswith("bad")
