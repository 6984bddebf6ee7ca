"""V7, goal G21: ten thousand hostile senders and texts; a record is a line of JSON with no control character.

Every one of them goes through a running daemon that logs at its chattiest level.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.carrier import carrier_for
from tests.interop.peers.smsc import wait_for
from tests.radio.smpp.peer import DELIVER, UDH, deliver_body, pdu, story

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.daemon import Daemon

SENDERS = 10_000
IN_A_BURST = 500
PIECES = (
    b"\r",
    b"\n",
    b"\r\n",
    b"\x1b[2J",
    b"\x1b]0;owned\x07",
    b"\x9b1m",
    b"\x7f",
    b"\x85",
    b"\xe2\x80\xae",  # right to left override
    b"\xe2\x80\xa8",  # line separator
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"%s",
    b"%n",
    b"{}",
    b"{0.__class__}",
    b'"}',
    b'","event":"payment.accepted',
    b"\\u000a",
    b"49170",
    b"+",
    b"\t",
)


def hostile(dice: random.Random, longest: int) -> bytes:
    """Text of up to `longest` octets and no NUL, which would end the field."""
    text = b"".join(dice.choice(PIECES) for _ in range(dice.randint(1, 4)))
    return (text + dice.randbytes(2).replace(b"\0", b"\n"))[:longest]


def message(dice: random.Random, sequence: int) -> bytes:
    """A text, a part of a payment, a broken one or a receipt, from a hostile sender of any type of number."""
    text = hostile(dice, 100)
    kind = dice.randrange(4)
    body = deliver_body(
        (text, UDH + text, text, b"id:" + text + b" stat:DELIVRD err:" + text[:3])[kind],
        source=hostile(dice, 20),
        esm_class=(0, 0x40, 0x40, 0x04)[kind],
        data_coding=(0, 4, 4, 0)[kind],
    )
    ton = dice.choice((0, 1, 2, 5, 0xFF))
    return pdu(DELIVER, sequence, body[:1] + bytes((ton,)) + body[2:])


@pytest.mark.timeout(120)
def test_every_record_of_ten_thousand_hostile_senders_is_one_clean_line(
    new_daemon: Callable[..., Daemon],
) -> None:
    daemon = new_daemon(level="debug")
    daemon.start()

    @story
    async def run() -> None:
        dice = random.Random(21)
        async with carrier_for(daemon) as (carrier, _):
            for first in range(1, SENDERS, IN_A_BURST):
                numbers = range(first, first + IN_A_BURST)
                carrier.say(b"".join(message(dice, number) for number in numbers))
                await carrier.answers(numbers)
            await carrier.pay()

    run()
    written = daemon.figure("tsm_log_lines_total")
    assert daemon.figure("tsm_log_lost_total") == 0
    wait_for(lambda: len(daemon.lines()) >= written, f"{written:g} lines")
    assert written > SENDERS
    assert len(daemon.lines()) <= daemon.figure("tsm_log_lines_total")
    events = set()
    for line in daemon.lines():
        assert line.isascii()
        assert line.isprintable()
        record = json.loads(line)
        assert isinstance(record, dict)
        assert {"at", "level", "event"} <= record.keys()
        events.add(record["event"])
        _clean(record)
    accepted = daemon.events("payment.accepted")
    assert len(accepted) == 1  # the genuine one: nobody wrote a line of his own
    assert {"payment.refused", "receipt.unmatched"} <= events


def _clean(value: object) -> None:
    """No control character, and no format character, in any text of a record, unescaped as it is now."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _clean(name)
            _clean(inner)
    elif isinstance(value, list):
        for inner in value:
            _clean(inner)
    elif isinstance(value, str):
        assert value.isprintable(), ascii(value)
        assert "\u202e" not in value
