"""The socket of one connection: moves octets between a transport and a `Session`, and tells the link.

Everything happens inside the event loop's own calls: no task, no await and no timer per message. One
wake-up is one read, one pass of the session, one write, and one call each for what came of it. A slow
periodic tick looks at the timers.

The peer is never waited for without an end: what it does not read is bounded by the transport's buffer,
which stops our sending and, as our answers need room there too, our reading.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import TYPE_CHECKING, NamedTuple, cast

from tsm_gateway.errors import TsmError
from tsm_gateway.radio.smpp.rebind import Ending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tsm_gateway.messages import Arrival, Submission, Submitted, Ticket, Verdict
    from tsm_gateway.radio.smpp.link_event import LinkEvent
    from tsm_gateway.radio.smpp.session import Session

TICK_S = 0.25
LINGER_S = 1.0  # for the peer to take our last octets

REASONS: Sequence[tuple[type[BaseException], str]] = (
    (ssl.SSLCertVerificationError, "tls_certificate"),
    (ssl.SSLError, "tls"),
    (socket.gaierror, "name_unknown"),
    (TimeoutError, "timeout"),
    (ConnectionRefusedError, "refused"),
    (ConnectionResetError, "reset"),
    (BrokenPipeError, "reset"),
    (ConnectionAbortedError, "aborted"),
    (UnicodeError, "name_unknown"),
)


class Outlets(NamedTuple):
    """Whom a wire tells; each call stands for everything of one wake-up."""

    arrivals: Callable[[list[Arrival]], None]
    submitted: Callable[[list[Submitted]], None]
    room: Callable[[], None]
    event: Callable[[LinkEvent], None]


def reason_of(fault: BaseException | None) -> str:
    """A closed-list word for what the network did to us; never the text of an exception."""
    if fault is None:
        return "peer_closed"
    if isinstance(fault, TsmError):
        return fault.code
    for kind, reason in REASONS:
        if isinstance(fault, kind):
            return reason
    number = fault.errno if isinstance(fault, OSError) else None
    return errno.errorcode.get(number or 0, "network").lower()


class Wire(asyncio.Protocol):
    """One connection. `lost` resolves with how it ended, or with the exception of a failing outlet."""

    def __init__(self, session: Session, outlets: Outlets, loop: asyncio.AbstractEventLoop) -> None:
        """Serve `session`; nothing happens before the transport calls."""
        self.session = session
        self.lost: asyncio.Future[Ending] = loop.create_future()
        self.reading = True
        self._outlets = outlets
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._settling = False
        self._settle_handle: asyncio.Handle | None = None
        self._starved = True  # somebody was told that there is no room
        self._quiet = asyncio.Event()
        self._tick_timer: asyncio.TimerHandle | None = None
        self._room_timer: asyncio.TimerHandle | None = None
        self._abort_timer: asyncio.TimerHandle | None = None

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, TLS included: bind."""
        self._transport = cast("asyncio.Transport", transport)  # it is TCP
        self._transport.set_write_buffer_limits(high=self.session.options.write_buffer)
        self._guard(lambda: self.session.begin(self._loop.time()))
        self._tick_timer = self._loop.call_later(TICK_S, self._tick)

    def data_received(self, data: bytes) -> None:
        """One read, of any size."""
        self._guard(lambda: self.session.receive(data, self._loop.time()))

    def pause_writing(self) -> None:
        """The peer does not read: stop sending, and stop reading what would have to be answered."""
        self.session.timers.stalled_at = self._loop.time()
        self._steer_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self.session.timers.stalled_at = None
        self.settle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone, for whatever reason; a reason given before stands."""
        for timer in (self._tick_timer, self._room_timer, self._abort_timer):
            if timer:
                timer.cancel()
        self._transport = None
        self.session.end(reason_of(exc), self._loop.time())
        self.settle()
        if not self.lost.done():
            ended = self.session.ended
            self.lost.set_result(ended.ending if ended else Ending.FAILED)

    # Called by the link

    def room(self) -> int:
        """How many parts may be submitted now; whoever hears 0 is told when that changes."""
        room = self.session.room(self._loop.time())
        self._starved = self._starved or not room
        return room

    def submit(self, parts: Sequence[Submission]) -> None:
        """Send parts; everything submitted and answered in one turn of the loop is one write."""
        self.session.submit(parts, self._loop.time())
        self.room()  # whoever filled it is told when it empties
        self._settle_soon()

    def answer(self, answers: Iterable[tuple[Ticket, Verdict]]) -> None:
        """Answer messages."""
        self.session.answer(answers)
        self._settle_soon()

    def hold(self, *, held: bool) -> None:
        """Stop or go on taking messages."""
        if held:
            self.session.intake.hold(self._loop.time())
        else:
            self.session.intake.release()
        self._steer_reading()

    async def leave(self, drain_s: float) -> None:
        """Let what is under way end, for `drain_s` at most, then unbind and close."""
        self.session.retire()
        try:
            async with asyncio.timeout(drain_s):
                while not (self.session.idle or self.session.ended):
                    self._quiet.clear()
                    await self._quiet.wait()
        except TimeoutError:
            pass  # the peer sends again what was not answered, the relay what has an unknown fate
        self._guard(lambda: self.session.unbind("closing", self._loop.time()))
        await self._gone(self.session.options.unbind_s + LINGER_S)

    async def cut(self) -> None:
        """Unbind without waiting for an answer, and close: we were cancelled."""
        if self._transport is None:
            return
        now = self._loop.time()
        self.session.unbind("cancelled", now)
        self.session.end("cancelled", now)
        self.settle()
        await self._gone(LINGER_S)

    async def _gone(self, within_s: float) -> None:
        try:
            await asyncio.wait({self.lost}, timeout=within_s)
        finally:
            if self._transport:
                self._transport.abort()

    # One wake-up

    def settle(self) -> None:
        """Write what is to be written, tell what is to be told, until there is nothing left."""
        if self._settling:
            return
        self._settling = True
        try:
            self._write()
            while self._pass_on():
                self._write()
            self._offer_room()
            self._write()
        except Exception as defect:  # noqa: BLE001 - the edge: whoever runs the link gets it
            self._fail(defect)
        finally:
            self._settling = False
        self._steer_reading()
        if self.session.idle or self.session.ended:
            self._quiet.set()
        if self.session.ended:
            self._close()

    def _guard(self, step: Callable[[], None]) -> None:
        """Run one step of the session: a defect which a peer's octets reach costs its link only."""
        try:
            step()
        except Exception as defect:  # noqa: BLE001 - the edge: told by class, as an alarm; then a new bind
            self.session.end(f"defect_{type(defect).__name__}", self._loop.time(), alarm=True)
        self.settle()

    def _pass_on(self) -> bool:
        """One round of telling; whether there was anything. Fates first: receipts refer to their ids."""
        session = self.session
        events, session.notes.events = session.notes.events, []
        for event in events:
            self._outlets.event(event)
        submitted, session.submitted = session.submitted, []
        if submitted:
            self._outlets.submitted(submitted)
        arrivals, session.arrivals = session.arrivals, []
        if arrivals:
            self._outlets.arrivals(arrivals)
        return bool(events or submitted or arrivals)

    def _offer_room(self) -> None:
        """Tell of room once there is some; a full window wakes us by its answers, rate and pause by time."""
        if not self._starved or self.session.ended:
            return
        now = self._loop.time()
        if self.session.room(now):
            self._starved = False
            self._outlets.room()
            return
        wait_s = self.session.submitter.wait_s(now)
        if wait_s and self._room_timer is None:
            self._room_timer = self._loop.call_later(wait_s, self._room_due)

    def _room_due(self) -> None:
        self._room_timer = None
        self.settle()

    def _tick(self) -> None:
        self._tick_timer = self._loop.call_later(TICK_S, self._tick)
        self._guard(lambda: self.session.tick(self._loop.time()))

    def _write(self) -> None:
        out = self.session.out
        if out and self._transport:
            self._transport.write(b"".join(out))
        out.clear()

    def _steer_reading(self) -> None:
        now = self._loop.time()
        wanted = self.session.reads(now)
        if wanted is self.reading or self._transport is None:
            return
        self.reading = wanted
        if wanted:
            self.session.resumed(now)
            self._transport.resume_reading()
        else:
            self.session.paused(now)
            self._transport.pause_reading()

    def _settle_soon(self) -> None:
        if self._settle_handle is None and not self._settling:
            self._settle_handle = self._loop.call_soon(self._settle_due)

    def _settle_due(self) -> None:
        self._settle_handle = None
        self.settle()

    def _close(self) -> None:
        if self._transport and self._abort_timer is None:
            self._abort_timer = self._loop.call_later(LINGER_S, self._transport.abort)
            self._transport.close()

    def _fail(self, defect: Exception) -> None:
        if not self.lost.done():
            self.lost.set_exception(defect)
        if self._transport:
            self._transport.abort()
