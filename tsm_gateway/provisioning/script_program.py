"""Programs: what a job says to a card, written as a generator that knows nothing of scripts or channels.

A program is given the opened card. It yields commands, as many as can be sent without knowing the answers,
and is given the answers in the same order: each succeeded, or is one that its step tolerates
(card_steps.py); any other ends the job before the program hears of it. It may yield `Store` and goes on
when the key set is kept. It returns a result, or raises a TsmError.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple

from tsm_gateway.provisioning.apdu import Response
from tsm_gateway.provisioning.app_command import AppSeCommand
from tsm_gateway.provisioning.card_keys import KeySet  # noqa: TC001  # named tuples are read at run time
from tsm_gateway.provisioning.delivery_events import Result, Store

Batch = tuple[AppSeCommand, ...]  # not empty
Answers = tuple[Response, ...]  # as many; () after a Store
Request = Batch | Store
Program = Generator[Request, Answers, Result]


class OpenedCard(NamedTuple):
    """The card at the other end of the secure channel."""

    sd_aid: bytes  # of the security domain
    keys: KeySet  # those it proved to hold
    max_data: int  # octets of plain data that one command carries
    fresh: Callable[[int], bytes]  # as many random octets


class Task(NamedTuple):
    """One job with its program."""

    job_id: bytes  # 8 octets
    program: Callable[[OpenedCard], Program]
