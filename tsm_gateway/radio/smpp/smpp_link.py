"""A link to one SMPP peer: connects, binds, serves, and does it all again until it is told to stop.

| the link is | what goes on |
|---|---|
| waiting | the pause before the next attempt |
| connecting | TCP, and TLS with its handshake |
| binding … closed | a connection lives (`bind_life`) |
| stopped | `run` is not running |

A failing connection is an event and another attempt, for ever; `run` ends only by `close`, by being
cancelled, or with the exception of a callback, which is a defect of the daemon.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import asdict
from functools import partial
from itertools import count
from random import SystemRandom
from typing import TYPE_CHECKING, TypedDict

from tsm_gateway.messages import Fate, Submitted
from tsm_gateway.radio.smpp.bind_life import BindState
from tsm_gateway.radio.smpp.link_event import LinkEvent, LinkSnapshot, Memory
from tsm_gateway.radio.smpp.pacing import Throttle
from tsm_gateway.radio.smpp.rebind import Ending, Rebind
from tsm_gateway.radio.smpp.session import Session
from tsm_gateway.radio.smpp.tls_link import TlsUnusable, client_context
from tsm_gateway.radio.smpp.wire_link import Outlets, Wire, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tsm_gateway.messages import Arrival, Submission, Ticket, Verdict
    from tsm_gateway.radio.smpp.options import Endpoint, SmppOptions

SECOND_ADDRESS_S = 0.25  # a host with several addresses: when the next one is tried beside the first
ALARMING = (ssl.SSLError, TlsUnusable)  # somebody must change a file or a certificate

_dice = SystemRandom().random
# Connections are numbered through the process, not by link: one that replaces another under its name must
# not take answers to the messages of that one for answers to its own.
_numbers = count(1)


class Security(TypedDict, total=False):
    """The TLS arguments of a connection."""

    ssl: ssl.SSLContext
    server_hostname: str
    ssl_handshake_timeout: float
    ssl_shutdown_timeout: float


class SmppLink:
    """One bind to one peer; a bearer of the relay. All calls belong to the event loop's thread."""

    def __init__(
        self,
        options: SmppOptions,
        *,
        on_arrivals: Callable[[SmppLink, list[Arrival]], None],
        on_submitted: Callable[[SmppLink, list[Submitted]], None],
        on_room: Callable[[SmppLink], None],
        on_event: Callable[[LinkEvent], None],
    ) -> None:
        """Take options without `problems`, and whom to tell; each callback gets all of one wake-up.

        `on_room` is called when a bind succeeds and when room comes back after there was none.
        """
        self.name = options.name
        self._options = options
        self._on_submitted = on_submitted
        self._on_event = on_event
        self._outlets = Outlets(
            partial(on_arrivals, self), partial(on_submitted, self), partial(on_room, self), self._told
        )
        self._memory = Memory(Throttle(options.throttle_max_s))
        self._wire: Wire | None = None
        self._phase = "stopped"
        self._held = False
        self._closing = asyncio.Event()
        self._patience: asyncio.Timeout | None = None

    @property
    def can_send(self) -> bool:
        """Whether parts may ever be submitted here."""
        return self._options.mode.sends

    @property
    def bound(self) -> bool:
        """Whether messages may travel now."""
        return self._wire is not None and self._wire.session.state is BindState.BOUND

    def room(self) -> int:
        """How many parts may be submitted now; after a 0 `on_room` tells when that changes."""
        return self._wire.room() if self._wire else 0

    def submit(self, parts: Sequence[Submission]) -> None:
        """Send parts in order; each is answered once through `on_submitted`, never from within this call."""
        if self._wire:
            self._wire.submit(parts)
            return
        away = [Submitted(part.part, Fate.NOT_SENT, 0, ()) for part in parts]
        asyncio.get_running_loop().call_soon(self._on_submitted, self, away)

    def answer(self, answers: Iterable[tuple[Ticket, Verdict]]) -> None:
        """Answer messages in one write; what belongs to an earlier connection is dropped and counted."""
        if self._wire:
            self._wire.answer(answers)

    def pause_intake(self) -> None:
        """Take no messages for now: the network keeps them, at first by not being read."""
        self._held = True
        if self._wire:
            self._wire.hold(held=True)

    def resume_intake(self) -> None:
        """Take messages again."""
        self._held = False
        if self._wire:
            self._wire.hold(held=False)

    async def run(self) -> None:
        """Be bound as much as possible, until closed or cancelled. Raises what a callback raised."""
        rebind = Rebind(self._options)
        attempt = rebind.first()
        try:
            while True:
                await self._rest(attempt.delay_s)
                if self._closing.is_set():
                    return
                ending = await self._live(attempt.endpoint)
                attempt = rebind.after(ending, _dice())
        finally:
            self._phase = "stopped"

    async def close(self, drain_s: float) -> None:
        """Submit no more, let answers come for `drain_s` at most, unbind; then `run` returns."""
        self._closing.set()
        if self._patience and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time())
        if self._wire:
            await self._wire.leave(drain_s)

    def snapshot(self) -> LinkSnapshot:
        """The link at this instant."""
        options, wire = self._options, self._wire
        session = wire.session if wire else None
        endpoint = session.endpoint if session else options.hosts[0]
        return LinkSnapshot(
            name=self.name,
            state=session.state.value if session else self._phase,
            host=endpoint.host,
            port=endpoint.port,
            window=options.window,
            window_used=len(session.submitter.window) if session else 0,
            intake=options.intake,
            intake_used=len(session.intake) if session else 0,
            pause_s=self._memory.throttle.wait_s(asyncio.get_running_loop().time()),
            reading=wire.reading if wire else False,
            counters=asdict(self._memory.counters),
        )

    async def _rest(self, delay_s: float) -> None:
        self._phase = "waiting"
        if not delay_s:
            return
        try:
            async with asyncio.timeout(delay_s):
                await self._closing.wait()
        except TimeoutError:
            pass  # the usual end of a pause

    async def _live(self, endpoint: Endpoint) -> Ending:
        """One connection from its first packet to its last."""
        self._phase = "connecting"
        wire = await self._connect(endpoint)
        if wire is None:
            return Ending.FAILED
        self._wire = wire
        try:
            # not awaited itself: our being cancelled must not cancel it
            await asyncio.wait({wire.lost})
            return wire.lost.result()
        finally:
            await wire.cut()
            self._wire = None

    async def _connect(self, endpoint: Endpoint) -> Wire | None:
        options, loop = self._options, asyncio.get_running_loop()
        patience_s = options.connect_s + (options.tls.handshake_s if options.tls else 0.0)
        try:
            async with asyncio.timeout(patience_s) as self._patience:
                _, wire = await loop.create_connection(
                    lambda: self._wire_to(endpoint, loop),
                    endpoint.host,
                    endpoint.port,
                    happy_eyeballs_delay=SECOND_ADDRESS_S,
                    **self._security(endpoint),
                )
        except (OSError, UnicodeError, TlsUnusable) as fault:  # TimeoutError and ssl.SSLError are OSErrors
            self._failed(endpoint, fault)
            return None
        finally:
            self._patience = None
        self._memory.counters.connects += 1
        return wire

    def _wire_to(self, endpoint: Endpoint, loop: asyncio.AbstractEventLoop) -> Wire:
        session = Session(self._options, endpoint, next(_numbers), self._memory, loop.time())
        return Wire(session, self._outlets, loop)

    def _security(self, endpoint: Endpoint) -> Security:
        tls = self._options.tls
        if tls is None:
            return {}
        return {
            "ssl": client_context(tls),
            "server_hostname": tls.server_hostname or endpoint.host,
            "ssl_handshake_timeout": tls.handshake_s,
            "ssl_shutdown_timeout": self._options.unbind_s,
        }

    def _told(self, event: LinkEvent) -> None:
        if event.event == "link.bound" and self._held and self._wire:
            self._wire.hold(held=True)  # not earlier: the answer to our bind has to be read
        self._on_event(event)

    def _failed(self, endpoint: Endpoint, fault: Exception) -> None:
        self._memory.counters.connects_failed += 1
        if self._closing.is_set():
            return  # it was our closing that ended the attempt
        fields: dict[str, float | str] = {
            "reason": reason_of(fault),
            "host": endpoint.host,
            "port": endpoint.port,
        }
        self._on_event(LinkEvent(self.name, "link.connect_failed", fields, isinstance(fault, ALARMING)))
