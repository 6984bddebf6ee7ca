"""V11, goal G18: an oracle. Whatever is wrong with a message, the outside sees one and the same outcome.

Over-the-air platforms have answered wrong padding, wrong checksum and old counter by different signed
errors, which gave their keys away. Here every cause of failure gives the same octets, the same status and
no short message; and all of a batch are answered by one write, so that no cause is told by its time.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.carrier import packed
from tests.faults.forge import CAUSES, causes_for
from tests.radio.smpp.peer import DELIVER, RESP, Smsc, story
from tests.relay.rig import ADDRESS, Rig
from tsm_gateway.messages import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.faults.daemon import Daemon
    from tsm_gateway.messages import Ticket

EXPECTED = 0  # the status of a message that was taken


def test_there_are_enough_causes() -> None:
    assert len(CAUSES) >= 12


def test_each_cause_is_answered_by_the_same_octets_and_nothing_else_is_ever_said(
    new_daemon: Callable[..., Daemon],
) -> None:
    daemon = new_daemon(devices=2)
    made = causes_for(daemon.handsets, at=int(time.time()))
    daemon.start()

    @story
    async def run() -> None:
        smsc = Smsc()
        await smsc.start(port=daemon.port)
        line = await smsc.bound_line()
        said: dict[str, set[bytes]] = {}
        sequence = 0
        for cause, parts in made.items():
            for part in parts:
                sequence += 1
                line.say(packed(part, sequence))
                answer = await line.hear()  # a submit, or anything else, would stand here
                assert answer.sequence == sequence, cause
                said.setdefault(cause, set()).add(
                    answer.command_id.to_bytes(4, "big") + answer.status.to_bytes(4, "big") + answer.body
                )
        expected = (DELIVER | RESP).to_bytes(4, "big") + EXPECTED.to_bytes(4, "big") + b"\0"
        assert said == {cause: {expected} for cause in made}
        await line.alive()  # and nothing came behind the last answer
        await smsc.stop()

    run()
    assert daemon.figure("tsm_submits_total") == 0
    assert daemon.figure("tsm_messages") == 0
    reasons = {line["reason"] for line in daemon.events("payment.refused")}
    assert len(reasons) >= 9, reasons  # inside, they are told apart


def test_a_batch_of_every_cause_and_a_good_payment_is_answered_by_one_call(tmp_path: Path) -> None:
    """One path in time: no cause is answered earlier than another, or than a payment."""

    async def run() -> None:
        async with Rig(tmp_path, devices=2) as rig:
            made = causes_for(rig.handsets, at=int(rig.now))
            parts = [part for each in made.values() for part in each] + rig.pay(handset=rig.handsets[1])
            calls: list[list[Verdict]] = []
            answer = rig.bearer.answer

            def counted(answers: Iterable[tuple[Ticket, Verdict]]) -> None:
                given = list(answers)
                calls.append([verdict for _, verdict in given])
                answer(given)

            rig.bearer.answer = counted  # type: ignore[method-assign]
            await rig.offer(parts)
            assert calls == [[Verdict.TAKEN] * len(parts)]
            assert len(await rig.opened(1)) == 1

    asyncio.run(run())


@pytest.mark.parametrize("cause", sorted(CAUSES))
def test_one_cause_alone_changes_nothing_that_the_next_payment_could_show(cause: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with Rig(tmp_path, devices=2) as rig:
            wrong = CAUSES[cause](rig.handsets, int(rig.now))
            assert set(await rig.offer(wrong)) == {Verdict.TAKEN}
            sent = len(rig.bearer.sent)
            cti = os.urandom(8)
            good = rig.handsets[1].pay(ADDRESS, "1.00", "EUR", at=int(rig.now), cti=cti)
            assert set(await rig.offer(good)) == {Verdict.TAKEN}
            opened = await rig.opened(1)
            assert [payment.payment.cti for payment in opened] == [cti]
            assert sent == 0

    asyncio.run(run())
