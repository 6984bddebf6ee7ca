from __future__ import annotations

import asyncio

from tests.radio.smpp.peer import (
    DELIVER,
    RESP,
    SUBMIT,
    bound_scene,
    deliver,
    part,
    pdu,
    story,
)
from tsm_gateway.messages import Fate, Verdict


@story
async def test_a_message_goes_through_and_its_answer_comes_back() -> None:
    async with bound_scene() as (stage, line):
        line.say(deliver(7) + deliver(8))
        await stage.record.until(lambda: len(stage.record.arrivals) == 2)
        stage.link.answer([(ticket, Verdict.TAKEN) for ticket in stage.record.tickets])
        assert (await line.hear_only(DELIVER | RESP)).sequence == 7
        assert (await line.hear_only(DELIVER | RESP)).sequence == 8
        stage.link.submit([part(1), part(2)])
        first = await line.hear_only(SUBMIT)
        second = await line.hear_only(SUBMIT)
        line.say(pdu(SUBMIT | RESP, second.sequence, b"b2\0") + pdu(SUBMIT | RESP, first.sequence, b"b1\0"))
        await stage.record.until(lambda: len(stage.record.submitted) == 2)
        assert [one.fate for one in stage.record.submitted] == [Fate.ACCEPTED] * 2
        assert [one.part.number for one in stage.record.submitted] == [2, 1]
        await asyncio.sleep(0)
