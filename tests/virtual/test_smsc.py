"""The virtual SMSC against an ESME that speaks through a foreign codec."""

from __future__ import annotations

import asyncio
import ssl
import struct
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.virtual.errors import FaultSpecInvalid, SmscFull
from tsm_gateway.virtual.part import Part, cut
from tsm_gateway.virtual.smpp_octets import Status, frames, pdu
from tsm_gateway.virtual.smsc import VirtualSmsc
from tsm_gateway.virtual.smsc_deliveries import SILENCE
from tsm_gateway.virtual.smsc_faults import NO_FAULTS, Faults, Judgement, judge, read_faults
from tsm_gateway.virtual.smsc_options import Account, SmscEvent, SmscOptions
from tsm_gateway.virtual.smsc_receipt import ReceiptStyle
from tsm_gateway.virtual.smsc_writer import Writer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from tests.virtual.conftest import Esme

    Connect = Callable[[VirtualSmsc], Awaitable[Esme]]

ACCOUNTS = {"tsm": Account("secret")}
QUICK = SmscOptions(redeliver_s=0.01, response_s=0.2)
SHOP = "+4930999"


def run(story: Coroutine[Any, Any, None]) -> None:
    async def within() -> None:
        async with asyncio.timeout(20):
            await story

    asyncio.run(within())


def user_data(delivery: Any) -> bytes:
    payload = getattr(delivery, "message_payload", None)
    return bytes(payload or delivery.short_message)


def test_a_part_is_delivered_octet_by_octet_and_its_answer_comes_back(
    connect: Connect, parts: list[Part]
) -> None:
    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS) as smsc:
            esme = await connect(smsc)
            assert await esme.bind() == 0
            assert await smsc.send(parts) == [0, 0]
            assert [user_data(delivery) for delivery in esme.deliveries] == [
                part.udh + part.data for part in parts
            ]
            first = esme.deliveries[0]
            assert (first.source_addr, first.source_addr_ton) == (b"491701234567", 1)
            assert (first.destination_addr, first.dest_addr_ton) == (b"16500", 0)
            assert (first.esm_class, first.data_coding, first.protocol_id) == (0x40, 4, 0)
            assert smsc.unanswered == 0
            await esme.close()

    run(story())


@pytest.mark.parametrize(
    ("carriage", "short", "tlvs"),
    [("payload", 0, {"message_payload": 140}), ("sar", 135, {"sar_msg_ref_num": 7, "sar_total_segments": 2})],
)
def test_parts_are_carried_as_carriers_do(
    connect: Connect, parts: list[Part], carriage: str, short: int, tlvs: dict[str, int]
) -> None:
    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS, options=SmscOptions(carriage=carriage)) as smsc:
            esme = await connect(smsc)
            await esme.bind("receiver")
            await smsc.send(parts)
            first = esme.deliveries[0]
            assert first.sm_length == short
            for name, value in tlvs.items():
                got = getattr(first, name)
                assert (len(got) if isinstance(got, bytes) else got) == value
            if carriage == "sar":
                assert bytes(first.short_message[:7]).hex() == "06050440744074"
            await esme.close()

    run(story())


def test_a_bind_is_let_in_by_name_and_password_only(connect: Connect) -> None:
    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS) as smsc:
            esme = await connect(smsc)
            assert await esme.bind(password="wrong") == Status.RINVPASWD
            assert await esme.bind(system_id="who") == Status.RINVSYSID
            assert await esme.bind() == 0
            assert await esme.bind() == Status.RALYBND
            assert smsc.statistics.binds == 1
            await esme.close()

    run(story())


def test_submits_reach_the_subscriber_of_their_number(connect: Connect, parts: list[Part]) -> None:
    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS) as smsc:
            shop, others = smsc.inbox(SHOP), smsc.inbox()
            esme = await connect(smsc)
            await esme.bind("transmitter")
            answer = await esme.response(esme.submit(parts[0]._replace(destination=SHOP)))
            await esme.response(esme.submit(parts[1]._replace(destination="+1")))
            assert (answer.status, answer.message_id) == (0, b"0000000001")
            assert await shop.get() == parts[0]._replace(source="+491701234567", destination=SHOP)
            assert (await others.get()).data == parts[1].data
            assert shop.empty()
            await esme.close()

    run(story())


def test_a_receiver_submits_nothing_and_a_transmitter_gets_nothing(
    connect: Connect, parts: list[Part]
) -> None:
    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS) as smsc:
            receiver, transmitter = await connect(smsc), await connect(smsc)
            unbound = await connect(smsc)
            assert (await unbound.response(unbound.submit(parts[0]))).status == Status.RINVBNDSTS
            await transmitter.bind("transmitter")
            sending = smsc.send(parts)
            await receiver.bind("receiver")
            await sending
            assert (len(receiver.deliveries), transmitter.deliveries) == (2, [])
            assert (await receiver.response(receiver.submit(parts[0]))).status == Status.RINVBNDSTS
            for esme in (receiver, transmitter, unbound):
                await esme.close()

    run(story())


def test_a_temporary_answer_and_silence_bring_the_part_again_and_a_permanent_one_does_not(
    connect: Connect, parts: list[Part]
) -> None:
    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS, options=QUICK) as smsc:
            esme = await connect(smsc)
            await esme.bind()
            script: list[int | None] = [Status.RX_T_APPN, Status.RMSGQFUL, None, 0]
            esme.answer = lambda _pdu: script.pop(0)
            assert await smsc.send(parts[:1]) == [0]
            assert len({user_data(delivery) for delivery in esme.deliveries}) == 1
            assert len(esme.deliveries) == 4
            assert smsc.statistics.deferrals == {Status.RX_T_APPN: 1, Status.RMSGQFUL: 1}
            assert smsc.statistics.timeouts == 1
            esme.answer = lambda _pdu: Status.RINVDSTADR
            assert await smsc.send(parts[:1]) == [Status.RINVDSTADR]
            assert smsc.statistics.given_up == {Status.RINVDSTADR: 1}
            await esme.close()

    run(story())


def test_tries_may_be_counted(connect: Connect, parts: list[Part]) -> None:
    async def story() -> None:
        options = SmscOptions(redeliver_s=0.01, response_s=0.1, attempts=2)
        async with VirtualSmsc(ACCOUNTS, options=options) as smsc:
            esme = await connect(smsc)
            await esme.bind()
            esme.answer = lambda _pdu: Status.RX_T_APPN
            assert await smsc.send(parts[:1]) == [Status.RX_T_APPN]
            esme.answer = lambda _pdu: None
            assert await smsc.send(parts[:1]) == [SILENCE]
            assert len(esme.deliveries) == 4
            await esme.close()

    run(story())


def test_what_a_broken_link_left_unanswered_comes_again_over_the_next_in_order(
    connect: Connect, parts: list[Part]
) -> None:
    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS) as smsc:
            esme = await connect(smsc)
            esme.answer = lambda _pdu: None
            await esme.bind()
            sending = smsc.send(parts * 3)
            await esme.until(lambda: len(esme.deliveries) == 6)
            smsc.drop_links()
            await esme.until(esme.ended.is_set)
            again = await connect(smsc)
            await again.bind()
            assert await sending == [0] * 6
            assert [user_data(one) for one in again.deliveries] == [user_data(one) for one in esme.deliveries]
            assert smsc.statistics.lost == 6
            await esme.close()
            await again.close()

    run(story())


def test_the_window_is_never_exceeded(connect: Connect, parts: list[Part]) -> None:
    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS, options=SmscOptions(window=3)) as smsc:
            esme = await connect(smsc)
            esme.answer = lambda _pdu: None
            await esme.bind()
            sending = smsc.send(parts * 5)
            await esme.until(lambda: len(esme.deliveries) == 3)
            for answered in range(10):
                assert len(esme.deliveries) == min(10, answered + 3)
                esme._reply(esme.deliveries[answered], "deliver_sm_resp", 0)
                await esme.until(lambda at=answered: len(esme.deliveries) == min(10, at + 4))  # type: ignore[misc]
            await sending
            await esme.close()

    run(story())


def test_parts_are_spread_over_the_binds_of_an_account_and_kept_from_other_accounts(
    connect: Connect, parts: list[Part]
) -> None:
    async def story() -> None:
        accounts = {"tsm": Account("secret"), "other": Account("secret", numbers=("999",))}
        async with VirtualSmsc(accounts) as smsc:
            binds = [await connect(smsc) for _ in range(2)]
            for esme in binds:
                await esme.bind()
            await smsc.send(parts * 4)
            assert [len(esme.deliveries) for esme in binds] == [4, 4]
            for _ in range(4):
                await smsc.send(parts[:1])  # one at a time: the binds take turns all the same
            assert [len(esme.deliveries) for esme in binds] == [6, 6]
            own = smsc.send([parts[0]._replace(destination="999")])
            other = await connect(smsc)
            await other.bind(system_id="other")
            await own
            assert len(other.deliveries) == 1
            assert [smsc.bound(), smsc.bound("tsm")] == [3, 2]
            for esme in (*binds, other):
                await esme.close()

    run(story())


def test_the_backlog_is_bounded(parts: list[Part]) -> None:
    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS, options=SmscOptions(capacity=3)) as smsc:
            smsc.send(parts)
            with pytest.raises(SmscFull):
                smsc.send(parts)
            assert smsc.unanswered == 2
            smsc.send(parts[:1])

    run(story())


FAULTY = [
    ("throttle=2", [0, 0x58, 0, 0x58]),
    ("queue_full=2", [0, 0x14, 0, 0x14]),
    ("system_error=3", [0, 0, 8, 0]),
    ("reject=4", [0, 0, 0, 0x0B]),
    ("vendor=2,vendor_status=0x4FF", [0, 0x4FF, 0, 0x4FF]),
    ("throttle=2,reject=3", [0, 0x58, 0x0B, 0x58]),
    ("dribble=1,slow_ms=5", [0, 0, 0, 0]),
    ("enquire=1", [0, 0, 0, 0]),
]


@pytest.mark.parametrize(("spec", "statuses"), FAULTY)
def test_faults_come_as_scripted_and_a_refused_part_is_not_taken(
    connect: Connect, parts: list[Part], spec: str, statuses: list[int]
) -> None:
    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS, faults=read_faults(spec)) as smsc:
            inbox = smsc.inbox()
            esme = await connect(smsc)
            await esme.bind()
            sequences = [esme.submit(part) for part in parts * 2]
            assert [(await esme.response(sequence)).status for sequence in sequences] == statuses
            assert inbox.qsize() == statuses.count(0) == smsc.statistics.taken
            if spec == "enquire=1":
                await smsc.until(lambda: smsc.sessions[0].enquiries == 0, 5)
                assert [pdu.command for pdu in esme.requests] == ["enquire_link"] * 4
            await esme.close()

    run(story())


@pytest.mark.parametrize(("spec", "taken"), [("lose_request=2", 3), ("lose_response=2", 4)])
def test_a_lost_request_is_not_taken_and_a_lost_response_is(
    connect: Connect, parts: list[Part], spec: str, taken: int
) -> None:
    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS, faults=read_faults(spec.replace("=2", "=3"))) as smsc:
            esme = await connect(smsc)
            await esme.bind()
            sequences = [esme.submit(part) for part in parts * 2]
            await esme.response(sequences[-1])
            assert sorted(set(sequences) - set(esme.responses)) == [sequences[2]]
            assert smsc.statistics.taken == taken
            await esme.close()

    run(story())


def test_a_link_drops_unbinds_or_nacks_when_told_to(connect: Connect, parts: list[Part]) -> None:
    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS, faults=Faults(drop=2)) as smsc:
            esme = await connect(smsc)
            await esme.bind()
            second = [esme.submit(part) for part in parts][1]
            await esme.until(esme.ended.is_set)
            assert second not in esme.responses
            assert smsc.statistics.taken == 2
            await esme.close()
        async with VirtualSmsc(ACCOUNTS, faults=Faults(unbind=1)) as smsc:
            esme = await connect(smsc)
            await esme.bind()
            assert (await esme.response(esme.submit(parts[0]))).status == 0
            await esme.until(esme.ended.is_set)
            assert [pdu.command for pdu in esme.requests] == ["unbind"]
            await esme.close()
        async with VirtualSmsc(ACCOUNTS, faults=Faults(wrong_nack=1)) as smsc:
            esme = await connect(smsc)
            await esme.bind()
            sequence = esme.submit(parts[0])
            nack = await esme.response(sequence + 1)
            assert (nack.command, sequence in esme.responses) == ("generic_nack", False)
            await esme.close()

    run(story())


def test_binds_may_be_refused_and_sequences_start_anywhere(connect: Connect, parts: list[Part]) -> None:
    async def story() -> None:
        faults = Faults(refuse_binds=2, random_sequence=1, double=2)
        async with VirtualSmsc(ACCOUNTS, faults=faults) as smsc:
            esme = await connect(smsc)
            assert [await esme.bind() for _ in range(3)] == [Status.RALYBND, Status.RALYBND, 0]
            await smsc.send(parts)
            await smsc.until(lambda: smsc.unanswered == 0, 5)
            assert esme.deliveries[0].sequence > 1000
            assert len(esme.deliveries) == 3
            await esme.close()

    run(story())


@pytest.mark.parametrize(
    ("style", "order", "message_id"),
    [
        (ReceiptStyle(), ["submit_sm_resp", "deliver_sm"], b"0000000001"),
        (ReceiptStyle(before_response=True), ["deliver_sm", "submit_sm_resp"], b"0000000001"),
        (ReceiptStyle(response_id_base=16), ["submit_sm_resp", "deliver_sm"], b"1"),
        (
            ReceiptStyle(state="UNDELIV", error="034", delay_s=0.01),
            ["submit_sm_resp", "deliver_sm"],
            b"0000000001",
        ),
    ],
)
def test_receipts_come_as_the_carrier_s_style_has_them(
    connect: Connect, parts: list[Part], style: ReceiptStyle, order: list[str], message_id: bytes
) -> None:
    async def story() -> None:
        options = SmscOptions(receipts=style, clock=lambda: 1_760_000_000.0)
        async with VirtualSmsc(ACCOUNTS, options=options) as smsc:
            esme = await connect(smsc)
            await esme.bind()
            answer = await esme.response(esme.submit(parts[0], registered_delivery=1))
            await esme.until(lambda: bool(esme.deliveries))
            receipt = esme.deliveries[0]
            assert esme.order[-2:] == order
            assert answer.message_id == message_id
            assert receipt.esm_class == 0x04
            assert bytes(receipt.receipted_message_id).rstrip(b"\0") == b"0000000001"
            assert f"stat:{style.state} err:{style.error}".encode() in receipt.short_message
            assert b"id:0000000001 sub:001" in receipt.short_message
            assert b"done date:2510090853 " in receipt.short_message
            await esme.response(esme.submit(parts[1]))
            await smsc.until(lambda: smsc.unanswered == 0, 5)
            assert smsc.statistics.receipts == 1  # the second asked for none
            await esme.close()

    run(story())


def test_a_receipt_that_overtakes_goes_over_the_receiver_of_a_pair(
    connect: Connect, parts: list[Part]
) -> None:
    async def story() -> None:
        options = SmscOptions(receipts=ReceiptStyle(before_response=True))
        async with VirtualSmsc(ACCOUNTS, options=options) as smsc:
            transmitter, receiver = await connect(smsc), await connect(smsc)
            await transmitter.bind("transmitter")
            await receiver.bind("receiver")
            answer = await transmitter.response(transmitter.submit(parts[0], registered_delivery=1))
            await receiver.until(lambda: bool(receiver.deliveries))
            assert answer.message_id in receiver.deliveries[0].short_message
            await transmitter.close()
            await receiver.close()

    run(story())


def test_the_smsc_speaks_tls(parts: list[Part]) -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)

    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS, host="127.0.0.1", options=SmscOptions(tls=server)) as smsc:
            streams = await asyncio.open_connection(
                smsc.host, smsc.port, ssl=client, server_hostname="localhost"
            )
            body = b"tsm\0secret\0\0\x34\0\0\0"
            streams[1].write(pdu(0x09, 0, 1, body))
            await smsc.until_bound()
            sending = smsc.send(parts)
            length = int.from_bytes(await streams[0].readexactly(4), "big")
            await streams[0].readexactly(length - 4)
            for sequence in (1, 2):
                streams[1].write(pdu(0x80000005, 0, sequence, b"\0"))
            assert await sending == [0, 0]
            streams[1].close()

    run(story())


def test_a_hook_judges_submits_and_an_observer_sees_every_hop(connect: Connect, parts: list[Part]) -> None:
    async def story() -> None:
        events: list[SmscEvent] = []
        async with VirtualSmsc(
            ACCOUNTS,
            options=SmscOptions(strict_routing=True),
            on_submit=lambda part: 0x45 if part.data == parts[1].data else None,
            observer=events.append,
        ) as smsc:
            smsc.inbox(SHOP)
            esme = await connect(smsc)
            await esme.bind()
            await smsc.send(parts[:1])
            to_shop = [part._replace(destination=SHOP) for part in parts]
            sequences = [esme.submit(part) for part in (*to_shop, parts[0])]
            assert [(await esme.response(one)).status for one in sequences] == [0, 0x45, Status.RINVDSTADR]
            await esme.close()
        assert [event.name for event in events] == [
            "bound",
            "delivering",
            "delivered",
            "submitted",
            "refused",
            "refused",
            "unbound",
        ]

    run(story())


@pytest.mark.parametrize("length", [0, 15, 0x10001, 0xFFFFFFFF])
def test_a_lost_stream_is_nacked_and_closed(length: int) -> None:
    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS) as smsc:
            reader, writer = await asyncio.open_connection(smsc.host, smsc.port)
            writer.write(struct.pack(">IIII", length, 4, 0, 9))
            answer = await reader.read()
            assert struct.unpack(">IIII", answer) == (16, 0x80000000, Status.RINVCMDLEN, 0)
            assert smsc.statistics.malformed == 1
            writer.close()

    run(story())


def test_what_is_unknown_or_cut_short_is_answered_and_the_link_stays(connect: Connect) -> None:
    async def story() -> None:
        async with VirtualSmsc(ACCOUNTS) as smsc:
            esme = await connect(smsc)
            await esme.bind()
            for command, body, status in ((0x103, b"", 3), (4, b"\0\0\0", 1), (4, bytes(14) + b"\x09ab", 1)):
                sequence = esme.next_sequence()
                esme.writer.write(struct.pack(">IIII", 16 + len(body), command, 0, sequence) + body)
                assert (await esme.response(sequence)).status == status
            assert (await esme.response(esme.request("enquire_link"))).status == 0
            assert (await esme.response(esme.request("unbind"))).status == 0
            await esme.until(esme.ended.is_set)
            await smsc.until(lambda: not smsc.sessions, 5)
            await esme.close()

    run(story())


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.integers(1, 97))
def test_any_split_of_the_stream_reads_the_same(bodies: list[bytes], step: int) -> None:
    stream = b"".join(pdu(0x15, 0, number, body) for number, body in enumerate(bodies))
    whole, buffer, read = frames(bytearray(stream)), bytearray(), []
    for at in range(0, len(stream), step):
        buffer += stream[at : at + step]
        read += frames(buffer)
    assert read == whole
    assert [one.body for one in read] == bodies


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("dribble", "written"), [(0, [b"abcde"]), (2, [b"ab", b"cd", b"e"]), (1, [b"a", b"b", b"c", b"d", b"e"])]
)
def test_a_session_writes_at_once_or_dribbles_and_closes_behind_the_last_octet(
    dribble: int, written: list[bytes]
) -> None:
    async def story() -> None:
        wire = Wire()
        writer = Writer(wire, dribble)
        writer.add(b"abc")
        writer.add(b"de")
        writer.close()
        for _ in range(6):
            await asyncio.sleep(0)
        assert wire.written == written
        assert wire.closed

    run(story())


def test_a_fault_spec_is_read_whole_or_refused() -> None:
    assert read_faults("") == NO_FAULTS
    assert read_faults("throttle=5, drop=100") == Faults(throttle=5, drop=100)
    assert judge(NO_FAULTS, 7) == Judgement()
    for wrong in ("thrott=1", "throttle", "throttle=x", "throttle=-1"):
        with pytest.raises(FaultSpecInvalid):
            read_faults(wrong)


def test_an_account_never_shows_its_password() -> None:
    assert "secret" not in repr(ACCOUNTS)
    assert len(cut(b"x", 16500, 1)) == 1
