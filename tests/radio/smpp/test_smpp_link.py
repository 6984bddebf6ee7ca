"""What a link promises beside the protocol: one write per wake-up, bounds, clean ends, faults of callers."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import TYPE_CHECKING

import pytest

from tests.radio.smpp.peer import (
    DEADLINE_S,
    DELIVER,
    NACK,
    RESP,
    RMSGQFUL,
    SUBMIT,
    UNBIND,
    Record,
    Smsc,
    bound_scene,
    deliver,
    new_link,
    options_for,
    part,
    pdu,
    scene,
    story,
)
from tsm_gateway.messages import Fate, Submitted, Verdict
from tsm_gateway.radio.smpp import codec
from tsm_gateway.radio.smpp.options import BindMode, Endpoint, TlsOptions
from tsm_gateway.radio.smpp.tls_link import TlsUnusable
from tsm_gateway.radio.smpp.wire_link import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.radio.smpp.pdu import Pdu
    from tsm_gateway.radio.smpp.smpp_link import SmppLink


def count_writes(link: SmppLink) -> list[int]:
    """The size of every write from now on."""
    assert link._wire
    assert link._wire._transport
    sizes: list[int] = []
    write = link._wire._transport.write

    def counting(octets: bytes) -> None:
        sizes.append(len(octets))
        write(octets)

    link._wire._transport.write = counting  # type: ignore[method-assign,assignment]
    return sizes


@story
async def test_messages_and_submissions_go_through() -> None:
    async with bound_scene() as (stage, line):
        line.say(deliver(7) + deliver(8))
        await stage.record.until(lambda: len(stage.record.arrivals) == 2)
        stage.link.answer([(ticket, Verdict.TAKEN) for ticket in stage.record.tickets])
        assert [(await line.hear_only(DELIVER | RESP)).sequence for _ in range(2)] == [7, 8]
        stage.link.submit([part(1), part(2)])
        first, second = await line.hear_only(SUBMIT), await line.hear_only(SUBMIT)
        line.say(pdu(SUBMIT | RESP, second.sequence, b"b2\0") + pdu(SUBMIT | RESP, first.sequence, b"b1\0"))
        await stage.record.until(lambda: len(stage.record.submitted) == 2)
        assert [(one.part.number, one.fate) for one in stage.record.submitted] == [
            (2, Fate.ACCEPTED),
            (1, Fate.ACCEPTED),
        ]


@story
async def test_a_batch_of_answers_and_a_batch_of_submissions_are_one_write_each() -> None:
    async with bound_scene(intake=1000) as (stage, line):
        line.say(b"".join(deliver(sequence) for sequence in range(1, 101)))
        await stage.record.until(lambda: len(stage.record.arrivals) == 100)
        sizes = count_writes(stage.link)
        stage.link.answer([(ticket, Verdict.TAKEN) for ticket in stage.record.tickets])
        await asyncio.sleep(0)
        assert sizes == [100 * 17]
        for number in range(50):
            stage.link.submit([part(number)])
        await asyncio.sleep(0)
        assert len(sizes) == 2


@story
async def test_answers_given_from_within_the_callback_are_one_write() -> None:
    async with bound_scene(verdict=Verdict.TAKEN) as (stage, line):
        sizes = count_writes(stage.link)
        line.say(b"".join(deliver(sequence) for sequence in range(1, 101)))
        for _ in range(100):
            await line.hear_only(DELIVER | RESP)
        assert sum(sizes) == 100 * 17
        assert len(sizes) == len(stage.record.batches)


@story
async def test_a_link_makes_no_task_per_message() -> None:
    async with bound_scene(verdict=Verdict.TAKEN) as (stage, line):
        before = len(asyncio.all_tasks())
        line.say(b"".join(deliver(sequence) for sequence in range(1, 101)))
        for _ in range(100):
            await line.hear_only(DELIVER | RESP)
        assert len(asyncio.all_tasks()) == before
        assert not stage.run.done()


@story
async def test_a_link_that_is_not_bound_sends_nothing_and_says_so() -> None:
    record = Record()
    link = new_link(options_for(1), record)
    assert (link.room(), link.bound, link.can_send, link.snapshot().state) == (0, False, True, "stopped")
    link.submit([part(1), part(2)])
    assert record.submitted == []  # never from within the call
    await record.until(lambda: len(record.submitted) == 2)
    assert {one.fate for one in record.submitted} == {Fate.NOT_SENT}


@story
async def test_only_a_bind_that_sends_can_send() -> None:
    async with bound_scene(mode=BindMode.RECEIVER) as (stage, _):
        assert not stage.link.can_send
        assert stage.link.room() == 0


@story
async def test_room_is_offered_at_the_bind_and_whenever_it_comes_back() -> None:
    async with bound_scene(window=2) as (stage, line):
        await stage.record.until(lambda: stage.record.rooms == [2])
        stage.link.submit([part(1), part(2)])
        assert stage.link.room() == 0
        heard = await line.hear_only(SUBMIT)
        line.say(pdu(SUBMIT | RESP, heard.sequence, b"id\0"))
        await stage.record.until(lambda: stage.record.rooms == [2, 1])


@story
async def test_the_next_parts_may_be_submitted_from_within_the_callback() -> None:
    async with bound_scene(window=1) as (stage, line):
        waiting = [part(number) for number in range(2, 6)]

        def feed(results: list[Submitted]) -> None:
            stage.record.on_submitted(stage.link, results)
            if waiting:
                stage.link.submit([waiting.pop(0)])

        assert stage.link._wire
        stage.link._wire._outlets = stage.link._wire._outlets._replace(submitted=feed)
        stage.link.submit([part(1)])
        for _ in range(5):
            heard = await line.hear_only(SUBMIT)
            line.say(pdu(SUBMIT | RESP, heard.sequence, b"id\0"))
        await stage.record.until(lambda: len(stage.record.submitted) == 5)
        assert [one.part.number for one in stage.record.submitted] == [1, 2, 3, 4, 5]


@story
async def test_a_rate_is_kept_and_room_is_offered_as_it_allows() -> None:
    async with bound_scene(rate_per_s=20.0) as (stage, line):
        loop, sent = asyncio.get_running_loop(), list[float]()

        def feed() -> None:
            for _ in range(stage.link.room()):
                sent.append(loop.time())
                stage.link.submit([part(len(sent))])
            stage.record.on_room(stage.link)

        assert stage.link._wire
        stage.link._wire._outlets = stage.link._wire._outlets._replace(room=feed)
        feed()
        await stage.record.until(lambda: len(sent) >= 22)
        assert sent[21] - sent[0] >= 0.9  # twenty a second, two of them in advance
        for _ in range(22):
            await line.hear_only(SUBMIT)


@story
async def test_the_intake_is_bounded_by_not_reading() -> None:
    async with bound_scene(intake=100) as (stage, line):
        sent = 20_000
        line.say(b"".join(deliver(sequence) for sequence in range(1, sent + 1)))
        await stage.record.until(lambda: bool(stage.record.arrivals) and not stage.link.snapshot().reading)
        assert len(stage.record.arrivals) < 3000  # the limit, and what one read held
        stage.record.verdict = Verdict.TAKEN
        stage.link.answer([(ticket, Verdict.TAKEN) for ticket in stage.record.tickets])
        for sequence in range(1, sent + 1):
            assert (await line.hear_only(DELIVER | RESP)).sequence == sequence


@story
async def test_a_held_intake_stops_reading_and_goes_on_when_released() -> None:
    async with bound_scene() as (stage, line):
        stage.link.pause_intake()
        assert not stage.link.snapshot().reading
        line.say(deliver(5))
        for _ in range(3):
            await asyncio.sleep(0)
        assert stage.record.arrivals == []
        stage.link.resume_intake()
        await stage.record.until(lambda: len(stage.record.arrivals) == 1)


@story
async def test_an_intake_held_for_long_says_queue_full() -> None:
    async with bound_scene() as (stage, line):
        stage.link.pause_intake()
        line.say(deliver(5))
        heard = await line.hear_only(DELIVER | RESP)
        assert (heard.sequence, heard.status) == (5, RMSGQFUL)
        assert stage.record.arrivals == []
        stage.link.resume_intake()
        line.say(deliver(5))
        await stage.record.until(lambda: len(stage.record.arrivals) == 1)


@story
async def test_a_hold_outlives_the_connection() -> None:
    async with bound_scene() as (stage, line):
        stage.link.pause_intake()
        line.hang_up()
        again = await stage.smsc.bound_line()
        await stage.record.until(lambda: stage.record.names.count("link.bound") == 2)
        assert not stage.link.snapshot().reading
        stage.link.resume_intake()
        await again.alive()


# Ends


@story
async def test_a_link_that_replaces_another_does_not_answer_for_its_messages() -> None:
    async with bound_scene() as (stage, line):
        line.say(deliver(7))
        await stage.record.until(lambda: len(stage.record.tickets) == 1)
        (old,) = stage.record.tickets
    async with bound_scene() as (stage, line):
        line.say(deliver(7))
        await stage.record.until(lambda: len(stage.record.tickets) == 1)
        assert stage.record.tickets[0].bearer == old.bearer
        stage.link.answer([(old, Verdict.TAKEN)])
        assert stage.link.snapshot().intake_used == 1


@story
async def test_a_cancelled_link_says_goodbye_and_settles_everything() -> None:
    async with bound_scene() as (stage, line):
        stage.link.submit([part()])
        await line.hear_only(SUBMIT)
        stage.run.cancel()
        await line.hear_only(UNBIND)
        await line.gone()
        await asyncio.wait({stage.run}, timeout=DEADLINE_S)
        assert stage.run.cancelled()
        assert [one.fate for one in stage.record.submitted] == [Fate.UNKNOWN]
        assert (stage.link.bound, stage.link.snapshot().state) == (False, "stopped")
        assert stage.record.event("link.unbound").fields["reason"] == "cancelled"


@story
async def test_a_link_cancelled_while_it_binds_leaves_nothing_open() -> None:
    async with scene() as stage:
        line = await stage.smsc.line()
        await line.hear()
        stage.run.cancel()
        await line.gone()
        await asyncio.wait({stage.run}, timeout=DEADLINE_S)
        assert stage.run.cancelled()


@pytest.mark.parametrize("when", ["before it runs", "between attempts", "while connecting"])
@story
async def test_a_link_can_be_closed_at_any_time(when: str) -> None:
    record = Record()
    with socket.socket() as full:  # listens for one connection, which is taken: more hang
        full.bind(("127.0.0.1", 0))
        port = full.getsockname()[1]
        plugs = []
        if when == "while connecting":
            full.listen(0)
            for _ in range(4):
                plug = socket.socket()
                plug.setblocking(False)
                assert plug.connect_ex(("127.0.0.1", port)) in {0, errno.EINPROGRESS}
                plugs.append(plug)
        link = new_link(options_for(port, rebind_min_s=60, rebind_max_s=60), record)
        if when == "before it runs":
            await link.close(1.0)
        run = asyncio.create_task(link.run())
        if when == "between attempts":
            await record.until(lambda: "link.connect_failed" in record.names)
        await asyncio.sleep(0.05)
        async with asyncio.timeout(1.0):
            await link.close(1.0)
            await run
        for plug in plugs:
            plug.close()
        assert record.names.count("link.connect_failed") == (when == "between attempts")


@story
async def test_a_close_that_finds_nothing_under_way_is_immediate() -> None:
    async with bound_scene() as (stage, line):
        closing = asyncio.create_task(stage.link.close(60.0))
        unbind = await line.hear_only(UNBIND)
        line.say(pdu(UNBIND | RESP, unbind.sequence))
        async with asyncio.timeout(1.0):
            await closing
            await stage.run


@story
async def test_a_failing_callback_ends_the_link_with_its_exception() -> None:
    async with bound_scene() as (stage, line):

        def fail(_arrivals: object) -> None:
            raise KeyError

        assert stage.link._wire
        stage.link._wire._outlets = stage.link._wire._outlets._replace(arrivals=fail)
        line.say(deliver(5))
        await asyncio.wait({stage.run}, timeout=DEADLINE_S)
        assert isinstance(stage.run.exception(), KeyError)
        await line.gone()


@story
async def test_a_defect_that_octets_reach_costs_the_connection_and_is_an_alarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decode: Callable[[bytes], Pdu] = codec.decode

    def flawed(frame: bytes) -> Pdu:
        if b"trigger" in frame:
            raise IndexError(frame)
        return decode(frame)

    monkeypatch.setattr(codec, "decode", flawed)
    async with bound_scene() as (stage, line):
        line.say(deliver(5, short_message=b"trigger", esm_class=0))
        await line.gone()
        again = await stage.smsc.bound_line()
        await again.alive()
        lost = stage.record.event("link.lost")
        assert (lost.fields["reason"], lost.alarm) == ("defect_IndexError", True)
        assert "trigger" not in repr(stage.record.events)


# Coming back


@story
async def test_a_peer_that_is_away_is_tried_until_it_is_back() -> None:
    smsc, record = Smsc(), Record()
    await smsc.start()
    port = smsc.port
    await smsc.stop()
    link = new_link(options_for(port), record)
    run = asyncio.create_task(link.run())
    await record.until(lambda: record.names.count("link.connect_failed") >= 3)
    assert record.event("link.connect_failed").fields == {
        "reason": "refused",
        "host": "127.0.0.1",
        "port": port,
    }
    await smsc.start(port=port)
    await smsc.bound_line()
    await record.until(lambda: link.bound)
    assert link.snapshot().counters["connects_failed"] == record.names.count("link.connect_failed")
    run.cancel()
    await asyncio.wait({run})
    await smsc.stop()


@story
async def test_a_flapping_peer_is_bound_to_every_time_and_nothing_is_lost_or_doubled() -> None:
    def reset(line: object) -> None:
        line.hang_up()  # type: ignore[attr-defined]

    def fin(line: object) -> None:
        line.writer.close()  # type: ignore[attr-defined]

    def unbind(line: object) -> None:
        line.say(pdu(UNBIND, 9))  # type: ignore[attr-defined]

    def garbage(line: object) -> None:
        line.say(b"AMQP\0\0\x09\x01")  # type: ignore[attr-defined]

    async with scene(rebind_max_s=0.03) as stage:
        for turn in range(60):
            line = await stage.smsc.bound_line()
            await stage.record.until(lambda turn=turn: stage.record.names.count("link.bound") == turn + 1)  # type: ignore[misc]
            stage.link.submit([part(turn)])
            heard = await line.hear_only(SUBMIT)
            line.say(pdu(SUBMIT | RESP, heard.sequence, b"id\0"))
            (reset, fin, unbind, garbage)[turn % 4](line)
            await stage.record.until(lambda turn=turn: len(stage.record.submitted) == turn + 1)  # type: ignore[misc]
        assert [one.part.number for one in stage.record.submitted] == list(range(60))
        assert stage.link.snapshot().counters["binds"] == 60


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (None, "peer_closed"),
        (ssl.SSLCertVerificationError(), "tls_certificate"),
        (ssl.SSLError(), "tls"),
        (socket.gaierror(-2, "canary"), "name_unknown"),
        (UnicodeError("canary"), "name_unknown"),
        (TimeoutError(), "timeout"),
        (ConnectionRefusedError(), "refused"),
        (ConnectionResetError(), "reset"),
        (OSError(errno.EHOSTUNREACH, "canary"), "ehostunreach"),
        (OSError("canary"), "network"),
        (TlsUnusable(setting="tls.ca"), "smpp-tls-unusable"),
    ],
)
def test_a_fault_of_the_network_is_told_by_a_word_and_never_by_its_text(
    fault: BaseException | None, reason: str
) -> None:
    assert reason_of(fault) == reason


@story
async def test_a_host_that_no_name_server_can_know_is_told_as_one() -> None:
    async with scene(hosts=(Endpoint("bad..name", 2775),)) as stage:
        await stage.record.until(lambda: "link.connect_failed" in stage.record.names)
        assert stage.record.event("link.connect_failed").fields["reason"] == "name_unknown"


@story
async def test_a_missing_certificate_file_is_an_alarm_and_tried_again() -> None:
    async with scene(tls=TlsOptions(ca="/nonexistent/ca.pem")) as stage:
        await stage.record.until(lambda: stage.record.names.count("link.connect_failed") == 2)
        assert all(event.alarm for event in stage.record.events)


@story
async def test_a_generic_nack_refuses_one_part_and_keeps_the_link() -> None:
    async with bound_scene() as (stage, line):
        stage.link.submit([part()])
        heard = await line.hear_only(SUBMIT)
        line.say(pdu(NACK, heard.sequence, status=3))
        await stage.record.until(lambda: bool(stage.record.submitted))
        assert stage.record.submitted[0].fate is Fate.PERMANENT
        await line.alive()
