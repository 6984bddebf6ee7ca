"""The virtual SMSC's other side: what becomes of a submit_sm, by script, by hook, and by subscription."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tsm_gateway.virtual.part import Part
from tsm_gateway.virtual.smpp_octets import RESPONSE, UDHI, WANTS_RECEIPT, Command, Status, c_octets
from tsm_gateway.virtual.smsc_faults import Faults, Judgement, judge
from tsm_gateway.virtual.smsc_options import SmscEvent
from tsm_gateway.virtual.smsc_receipt import receipt_body, spell

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.virtual.smpp_octets import SubmitSm
    from tsm_gateway.virtual.smsc_deliveries import Deliveries
    from tsm_gateway.virtual.smsc_options import SmscOptions, Statistics
    from tsm_gateway.virtual.smsc_receipt import ReceiptStyle
    from tsm_gateway.virtual.smsc_session import SmscSession


class Submissions:
    """Answers submit_sm and hands the parts to whoever subscribed to their destination."""

    def __init__(
        self,
        options: SmscOptions,
        faults: Faults,
        statistics: Statistics,
        deliveries: Deliveries,
    ) -> None:
        """`deliveries`: where receipts leave by."""
        self.subscribers: dict[str | None, Callable[[Part], None]] = {}
        self.verdict: Callable[[Part], int | None] | None = None  # a status for each part; None: 0
        self.tell: Callable[[SmscEvent], None] | None = None
        self._options = options
        self._faults = faults
        self._statistics = statistics
        self._deliveries = deliveries
        self._number = 0  # message ids count up
        self._late: set[asyncio.TimerHandle] = set()

    def submitted(self, session: SmscSession, sequence: int, submit: SubmitSm) -> None:
        """Decide about one submit_sm, and answer it."""
        self._statistics.submits += 1
        part = _part(submit)
        judgement = self._judge(part)
        if judgement.status != Status.ROK:
            self._statistics.refusals[judgement.status] += 1
            self._note("refused", session, part, judgement.status)
            self._answer(session, judgement.status, sequence, b"")
            return
        if judgement.taken:
            self._take(session, sequence, submit, part, answered=judgement.answered)
        if judgement.wrong_nack:
            session.send(Command.GENERIC_NACK, Status.RINVCMDID, sequence + 1)
        if judgement.enquire:
            session.enquire()
        if judgement.unbind:
            session.unbind()
        if judgement.drop:
            session.drop()

    def stop(self) -> None:
        """Forget every answer and receipt still to come."""
        for late in self._late:
            late.cancel()
        self._late.clear()

    def _judge(self, part: Part) -> Judgement:
        """The script first, then the routing, then the hook."""
        judgement = judge(self._faults, self._statistics.submits)
        if judgement.status != Status.ROK or not judgement.taken:
            return judgement
        if self._options.strict_routing and part.destination not in self.subscribers:
            return Judgement(status=Status.RINVDSTADR, taken=False)
        status = self.verdict(part) if self.verdict is not None else None
        return Judgement(status=status, taken=False) if status else judgement

    def _take(
        self, session: SmscSession, sequence: int, submit: SubmitSm, part: Part, *, answered: bool
    ) -> None:
        self._statistics.taken += 1
        self._number += 1
        number, style = self._number, self._options.receipts
        self._note("submitted", session, part, 0)
        wanted = style if submit.registered_delivery & WANTS_RECEIPT else None
        if wanted is not None and wanted.before_response:
            self._receipt(session, submit, number, wanted)
        if answered:
            base = style.response_id_base if style is not None else 10
            self._answer(session, Status.ROK, sequence, c_octets(spell(number, base)))
        if wanted is not None and not wanted.before_response:
            self._later(wanted.delay_s, lambda: self._receipt(session, submit, number, wanted))
        subscriber = self.subscribers.get(part.destination) or self.subscribers.get(None)
        if subscriber is not None:
            subscriber(part)

    def _answer(self, session: SmscSession, status: int, sequence: int, body: bytes) -> None:
        def answer() -> None:
            session.send(Command.SUBMIT_SM | RESPONSE, status, sequence, body)
            session.flush()

        if self._faults.slow_ms:
            self._later(self._faults.slow_ms / 1000, answer)
        else:
            session.send(Command.SUBMIT_SM | RESPONSE, status, sequence, body)

    def _receipt(self, session: SmscSession, submit: SubmitSm, number: int, style: ReceiptStyle) -> None:
        body = receipt_body(submit.destination, submit.source, number, style, self._options.clock())
        self._deliveries.add_receipt(body, session, at_once=style.before_response)
        self._deliveries.pump()

    def _later(self, delay_s: float, call: Callable[[], None]) -> None:
        if delay_s <= 0:
            call()
            return

        def run() -> None:
            self._late.discard(timer)
            call()

        timer = asyncio.get_running_loop().call_later(delay_s, run)
        self._late.add(timer)

    def _note(self, name: str, session: SmscSession, part: Part, status: int) -> None:
        if self.tell is not None:
            self.tell(SmscEvent(name, session.account, part, status))


def _part(submit: SubmitSm) -> Part:
    """What was submitted, header and body apart."""
    data = submit.user_data
    header = 1 + data[0] if submit.esm_class & UDHI and data else 0
    return Part(
        submit.source,
        submit.destination,
        submit.data_coding,
        submit.protocol_id,
        data[:header],
        data[header:],
    )
