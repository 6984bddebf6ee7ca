"""V2: sm_length against what the PDU holds, sm_length 255, and none at all where a header is announced.

A length trusted has overflowed a buffer in one product and ended the whole session in another. Here a PDU
that does not add up is refused under its own number, one that does is taken, and the same connection goes
on in either case.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from tests.faults.carrier import carrier_for
from tests.radio.smpp.peer import DELIVER, RESP, deliver_body, pdu, story

if TYPE_CHECKING:
    from tests.faults.daemon import Daemon

LENGTHS = (0, 1, 6, 7, 8, 12, 139, 140, 141, 159, 160, 253, 254, 255)
SURPLUS = (-255, -8, -7, -1, 0, 1, 2, 3, 4, 5, 40, 255)
UDHI = 0x40
LONGEST = 254  # octets of short_message (SMPP 3.4 §5.2.22: sm_length is at most 254)
FILL = b"\xff"  # as an optional parameter it is longer than any PDU


def with_length(sequence: int, said: int, there: int, esm_class: int) -> bytes:
    """A deliver_sm that says `said` octets and has `there`."""
    body = deliver_body(b"", esm_class=esm_class)
    return pdu(DELIVER, sequence, body[:-1] + bytes((said,)) + FILL * there)


@story
async def test_every_length_is_answered_by_what_it_deserves_and_the_session_survives(daemon: Daemon) -> None:
    cases = [
        (said, max(0, said + surplus), esm_class)
        for said, surplus, esm_class in product(LENGTHS, SURPLUS, (0, UDHI))
    ]
    async with carrier_for(daemon) as (carrier, smsc):
        for sequence, (said, there, esm_class) in enumerate(cases, 1):
            carrier.say(with_length(sequence, said, there, esm_class))
        answers = await carrier.answers(range(1, len(cases) + 1))
        for (said, there, esm_class), status in zip(cases, answers, strict=True):
            sound = said == there and said <= LONGEST
            assert (status == 0) is sound, (said, there, esm_class, status)
        await carrier.alive()
        await carrier.pay()
        assert len(smsc.every) == 1


@story
async def test_a_header_longer_than_its_message_is_consumed_and_reaches_nobody(daemon: Daemon) -> None:
    async with carrier_for(daemon) as (carrier, _):
        before = daemon.figure("tsm_payments_refused_total", reason="malformed")
        bodies = [bytes((length,)) + bytes(there) for length in range(0, 256, 5) for there in (0, 1, 3, 4)]
        broken = [body for body in bodies if body[0] > len(body) - 1]
        for sequence, body in enumerate(broken, 1):
            carrier.say(pdu(DELIVER, sequence, deliver_body(body, esm_class=UDHI)))
        assert set(await carrier.answers(range(1, len(broken) + 1))) == {0}
        assert not carrier.submits
        await carrier.pay()
        assert daemon.figure("tsm_payments_refused_total", reason="malformed") - before == len(broken)


@story
async def test_a_body_cut_at_any_octet_is_refused_under_its_own_number(daemon: Daemon) -> None:
    whole = deliver_body()
    async with carrier_for(daemon) as (carrier, _):
        for sequence in range(1, len(whole)):
            carrier.say(pdu(DELIVER, sequence, whole[:sequence]))
        assert all(await carrier.answers(range(1, len(whole))))
        carrier.say(pdu(DELIVER, len(whole), whole))
        assert await carrier.answers([len(whole)]) == [0]
        assert DELIVER | RESP not in {heard.command_id for heard in carrier.heard}
        await carrier.pay()
