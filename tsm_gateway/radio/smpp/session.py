"""One connection as a machine without IO and without a clock: octets and the time in, octets and values out.

`Session` is fed what the socket read and is asked to submit, answer, tick and unbind; the octets to
write, the arrivals, the answers to submissions and the events gather in its lists until the link takes
them. The life of the bind is the table in `bind_life`; what a request of the peer leads to stands in
`requests`, what a response leads to in `responses`.

Nothing here raises for what a peer sends: a request that cannot be read is answered with its error at
once, a response to nothing is counted, a stream out of step ends the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.messages import Fate, Submitted
from tsm_gateway.radio.smpp import codec, commands, fast
from tsm_gateway.radio.smpp.bind_life import BIND_LIFE, BindEvent, BindState
from tsm_gateway.radio.smpp.faults import BodyMalformed, FrameLength, UnknownCommand
from tsm_gateway.radio.smpp.framing import Framer
from tsm_gateway.radio.smpp.intake import Intake
from tsm_gateway.radio.smpp.link_event import Notes
from tsm_gateway.radio.smpp.pdu import Unbind
from tsm_gateway.radio.smpp.rebind import Ending
from tsm_gateway.radio.smpp.requests import SERVED, nack, overdue, refuse, respond, unserved
from tsm_gateway.radio.smpp.responses import ANSWERED
from tsm_gateway.radio.smpp.status import VERDICT_STATUS, Status
from tsm_gateway.radio.smpp.submission import bind_request
from tsm_gateway.radio.smpp.submitter import Submitter
from tsm_gateway.radio.smpp.timers import GIVE_UP, Due, Timers
from tsm_gateway.radio.smpp.window import Control

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tsm_gateway.messages import Arrival, Submission, Ticket, Verdict
    from tsm_gateway.radio.smpp.link_event import Memory
    from tsm_gateway.radio.smpp.options import Endpoint, SmppOptions


class Ended(NamedTuple):
    """Why a connection is over and what that means for the next one."""

    reason: str
    ending: Ending


class Session:
    """One connection, from our bind to its end."""

    def __init__(
        self, options: SmppOptions, endpoint: Endpoint, number: int, memory: Memory, now: float
    ) -> None:
        """Connected to `endpoint` at `now` (monotonic seconds); `number` tells this link's sessions apart."""
        self.options = options
        self.endpoint = endpoint
        self.number = number
        self.now = now  # when the octets being served were read
        self.state = BindState.OPEN
        self.bound_at: float | None = None
        self.ended: Ended | None = None
        self.out: list[bytes] = []  # to be written, in order
        self.arrivals: list[Arrival] = []
        self.submitted: list[Submitted] = []
        self.notes = Notes(options.name, endpoint, memory)
        self.timers = Timers(options, heard_at=now, active_at=now)
        self.intake = Intake(options.intake, options.intake_s)
        self.submitter = Submitter(options, memory.counters, memory.throttle, now)
        self._framer = Framer(options.max_pdu)
        self._retired = False
        self._farewell = ""  # why we unbind

    def begin(self, now: float) -> None:
        """Send our bind."""
        self.move(BindEvent.SENT_BIND)
        self.timers.binding_at = now
        self.out.append(codec.encode(bind_request(self.options, self.submitter.window.ask(Control.BIND))))

    def receive(self, octets: bytes, now: float) -> None:
        """Serve what was read."""
        self.now = now
        try:
            frames, broken = self._framer.feed(octets), False
        except FrameLength as fault:
            frames, broken = fault.frames, True
        self.timers.heard(now, complete=bool(frames), partial=self._framer.pending > 0)
        self.notes.counters.pdus += len(frames)
        for frame in frames:
            if self.ended:
                return
            self._serve(frame)
        if broken and not self.ended:  # nothing behind an impossible length can be read (§4.3.1)
            nack(self, commands.GENERIC_NACK, 0, Status.RINVCMDLEN)
            self.end("framing", now)

    def submit(self, parts: Sequence[Submission], now: float) -> None:
        """Send parts as far as there is room; whatever is decided at once lands in `submitted`."""
        room = self.room(now)
        self.submitted += [Submitted(part.part, Fate.NOT_SENT, 0, ()) for part in parts[room:]]
        if room:
            self.timers.active_at = now
            self.submitted += self.submitter.submit(parts[:room], now, self.out)

    def answer(self, answers: Iterable[tuple[Ticket, Verdict]]) -> None:
        """Write the relay's answers; those for another session or already given are dropped."""
        given = void = 0
        for ticket, verdict in answers:
            command_id = self.intake.answered(ticket.sequence) if ticket.session == self.number else None
            if command_id is None:
                void += 1
                continue
            given += 1
            respond(self, command_id, ticket.sequence, VERDICT_STATUS[verdict])
        self.notes.counters.answers += given
        self.notes.counters.answers_void += void

    def tick(self, now: float) -> None:
        """Look at the timers; to be called a few times a second."""
        self.now = now
        if self.ended:
            return
        overdue(self, now)
        if self.timers.paused_at is None:
            self._expire(now)
        due = self.timers.tick(now)
        if due is Due.PROBE:
            self._probe(now)
        elif due is Due.UNBIND:
            self.unbind(due.value, now)
        elif due in GIVE_UP:
            self.notes.counters.probes_unanswered += due is Due.ANSWER_LATE
            self.end(due.value, now)

    def retire(self) -> None:
        """Take no more messages and submit no more parts; what is under way may end."""
        self._retired = True
        self.intake.close()

    def unbind(self, reason: str, now: float) -> None:
        """Say goodbye; the connection ends with the answer, or when its timer runs out."""
        self.retire()
        if self.state is BindState.UNBINDING:
            return
        self._farewell = reason
        if not self.move(BindEvent.SENT_UNBIND):
            self.end(reason, now)
            return
        self.timers.unbinding_at = now
        self.out.append(codec.encode(Unbind(self.submitter.window.ask(Control.UNBIND))))

    def end(self, reason: str, now: float, ending: Ending | None = None, *, alarm: bool = False) -> None:
        """The connection is over: settle what was under way. The first reason stands.

        With `ending` the caller has told why; otherwise that is told here.
        """
        if self.ended:
            return
        self.state = BindState.CLOSED
        self.ended = Ended(reason, ending or self._ending(now))
        cut_off = self.submitter.lost()
        self.submitted += cut_off
        unanswered = self.intake.empty()
        self.notes.counters.losses += self.bound_at is not None
        if ending is None:
            event = "link.unbound" if self._farewell else "link.lost"
            tell = self.notes.alarm if alarm else self.notes.tell
            tell(event, reason=self._farewell or reason, unanswered=unanswered, unknown=len(cut_off))

    def paused(self, now: float) -> None:
        """The link stopped reading."""
        self.timers.paused(now)

    def resumed(self, now: float) -> None:
        """The link reads again."""
        self.submitter.window.postpone(self.timers.resumed(now))

    @property
    def idle(self) -> bool:
        """Whether nothing waits for an answer, on either side."""
        return not self.submitter.window and not self.intake

    def room(self, now: float) -> int:
        """How many parts may be submitted now."""
        closed = self.state is not BindState.BOUND or self._retired or not self.options.mode.sends
        if closed or self.timers.stalled_at is not None:
            return 0
        return self.submitter.room(now)

    def reads(self, now: float) -> bool:
        """Whether the link is to read: not while it is full, held, or a slow peer owes us its reading."""
        return self.intake.reads(now) and self.timers.stalled_at is None

    def move(self, event: BindEvent) -> bool:
        """Go along the bind's table; False when it has no such row."""
        state = BIND_LIFE.get((self.state, event))
        if state is None:
            return False
        self.state = state
        return True

    def _serve(self, frame: bytes) -> None:
        try:
            pdu = codec.decode(frame)
            command_id = pdu.command_id
            if command_id < commands.RESPONSE_BIT:
                SERVED.get(command_id, unserved)(self, pdu)
            else:
                status, message_id = getattr(pdu, "status", 0), getattr(pdu, "message_id", "")
                self._answered(command_id, pdu.sequence, status, message_id)
        except BodyMalformed as fault:
            if fault.is_response:  # its header is sound: the request was answered
                self._answered(fault.command_id, fault.sequence, fault.command_status, "")
            else:
                refuse(self, fault.command_id, fault.sequence, fault.status)
        except UnknownCommand as fault:
            if fault.is_response:
                self.notes.ignored(fault.command_id, self.now)
            else:
                nack(self, fault.command_id, fault.sequence, Status.RINVCMDID)

    def _answered(self, command_id: int, sequence: int, status: int, message_id: str) -> None:
        serve = ANSWERED.get(command_id)
        if serve is None or not serve(self, sequence, status, message_id):
            self.notes.ignored(command_id, self.now)

    def _probe(self, now: float) -> None:
        self.notes.counters.probes += 1
        self.timers.probed_at = now
        self.out.append(fast.enquire_link(self.submitter.window.ask(Control.PROBE)))

    def _expire(self, now: float) -> None:
        late = self.submitter.late(now)
        self.submitted += late
        self.notes.tell_some("submit.unanswered", now, len(late))

    def _ending(self, now: float) -> Ending:
        if self.bound_at is None:
            return Ending.FAILED
        lasted = now - self.bound_at >= self.options.stable_s or bool(self._farewell)
        return Ending.LASTED if lasted else Ending.DROPPED
