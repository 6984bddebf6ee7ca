"""One opened port: what is read becomes replies, hints and messages; what is due becomes commands.

A port knows how to go on, not where to: when the modem is in trouble, or is not set any more as it was,
the engine is told, which may throw this port away while it is at work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from tsm_gateway.radio.modem.acknowledge import Acknowledgements
from tsm_gateway.radio.modem.at_command import Command, Limit
from tsm_gateway.radio.modem.at_reply import NEED_MORE, Indicated, Reader
from tsm_gateway.radio.modem.duties import Agenda
from tsm_gateway.radio.modem.exchange import Exchange
from tsm_gateway.radio.modem.faults import LineTooLong
from tsm_gateway.radio.modem.indication import Kind
from tsm_gateway.radio.modem.jobs import Jobs
from tsm_gateway.radio.modem.talk import Outcome, Reply, Talk, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsm_gateway.radio.modem.duties import Duty
    from tsm_gateway.radio.modem.sending import Sending
    from tsm_gateway.radio.modem.station import Station

_HINTS: Final[Mapping[Kind, str]] = {  # the duty that an indication makes due
    Kind.STORED: "sweep",
    Kind.FULL: "sweep",
    Kind.REGISTRATION: "look",
    Kind.BOOTED: "verify",
    Kind.CARD: "verify",
}
_LATE_IN_A_ROW: Final = 2  # a modem that twice did not answer in time is in trouble


class Owner(Protocol):
    """Who decides what becomes of a port."""

    def in_trouble(self, trouble: Trouble, now: float) -> None:
        """The modem does not do what it should."""

    def setting_lost(self, name: str, now: float) -> None:
        """The modem is not set as it was: it restarted."""


class Port:
    """One opened port, from its first octet."""

    def __init__(
        self, station: Station, sending: Sending, owner: Owner, write: Callable[[bytes], None], now: float
    ) -> None:
        """Nothing read, nothing said; `write` takes octets that must go out in one piece."""
        self.serves = False  # the modem is ready: duties are done
        self._station = station
        self._sending = sending
        self._owner = owner
        self._reader = Reader()
        self._exchange = Exchange(station.options.timing, self._reader, write)
        self._jobs = Jobs(station, self._exchange)
        self._acknowledgements = Acknowledgements(station)
        self._acknowledging = False
        self._agenda = Agenda(station, self._acknowledgements, sending, now)
        self._late = 0  # time-outs in a row

    @property
    def wake_at(self) -> float | None:
        """When `tick` has something to do."""
        times = [self._exchange.deadline, self._jobs.wake_at]
        if self.serves:
            times.append(self._acknowledgements.next_at())
            if not self._jobs:
                times.append(self._agenda.next_at())
        return min((at for at in times if at is not None), default=None)

    def begin(self, talk: Talk[object], done: Callable[[object], None]) -> None:
        """Have a talk instead of all that is under way; no duty is done before `serve`."""
        self.drop()
        self._jobs.start(talk, done)

    def serve(self, now: float) -> None:
        """The modem is ready."""
        self.serves, self._late = True, 0
        self._agenda = Agenda(self._station, self._acknowledgements, self._sending, now)
        if self._station.disturbed:  # it restarted, or became ready itself, while it was set
            self.hint("verify", now)

    def drop(self) -> None:
        """End everything under way where it is."""
        self.serves = self._acknowledging = False
        self._jobs.drop()

    def cut(self, now: float) -> None:
        """The port is gone: a message under way learns its fate at once."""
        self._exchange.cut(now)
        reply = self._exchange.take_reply()
        if reply is not None:
            self._jobs.answered(reply)
        self.drop()

    def hint(self, duty: str, now: float) -> None:
        """A duty is worth doing sooner."""
        self._agenda.hint(duty, now)

    def receive(self, octets: bytes, now: float) -> None:
        """Octets were read."""
        counters = self._station.counters
        self._reader.feed(octets)
        self._exchange.heard(now)
        while True:
            try:
                event = self._reader.pull()
            except LineTooLong:
                counters.lines_too_long += 1
                continue
            if event is NEED_MORE:
                break
            if isinstance(event, Indicated):
                self._indicated(event, now)
            else:
                self._exchange.take(event, now)
            self.go_on(now)
        counters.noise += self._reader.noise
        self._reader.noise = 0

    def tick(self, now: float) -> None:
        """Time passed."""
        self._exchange.tick(now)
        if self.serves:
            self._acknowledgements.tick(now)

    def go_on(self, now: float) -> None:
        """Do all that can be done now."""
        while not self._exchange.busy:
            reply = self._exchange.take_reply()
            if reply is not None:
                self._answered(reply, now)
            elif self.serves and self._acknowledgements.due and not self._acknowledging:
                self._acknowledging = True
                self._jobs.start(self._acknowledgements.acknowledge(), self._acknowledged)
            elif self._jobs:
                if not self._jobs.step(now):
                    return
            elif not self._take_duty(now):
                return

    def _take_duty(self, now: float) -> bool:
        duty = self._agenda.next(now) if self.serves else None
        if duty is None:
            return False
        self._agenda.begin(duty.name, now)
        self._jobs.start(duty.talk(self._agenda), lambda result: self._did(duty, result))
        return True

    def _did(self, duty: Duty, result: object) -> None:
        now = self._station.now
        self._agenda.end(duty.name, result, now)
        if duty.name == "arm":
            self.hint("sweep", now)
            self.hint("verify", now)
        if duty.name == "verify" and isinstance(result, str) and result:
            self._not_as_set(result, now)
        else:
            self._settled(result)

    def _not_as_set(self, name: str, now: float) -> None:
        if name == "indications" and self._station.setting.direct:
            self._acknowledgements.missed("disarmed", now)  # silence for a missed acknowledgement
        else:
            self._owner.setting_lost(name, now)

    def _acknowledged(self, result: object) -> None:
        self._acknowledging = False
        self._settled(result)

    def _settled(self, result: object) -> None:
        if result is Trouble.DEAF or result is Trouble.MUTE:
            self._owner.in_trouble(result, self._station.now)
        elif result is Trouble.REBOOTED:
            self.hint("verify", self._station.now)

    def _answered(self, reply: Reply, now: float) -> None:
        asked = self._jobs.answered(reply)
        self._station.counters.errors += reply.outcome is Outcome.ERROR
        if reply.outcome in (Outcome.OK, Outcome.ERROR):
            self._late = 0
        elif reply.outcome is Outcome.LATE and isinstance(asked, Command):
            self._station.counters.timeouts += 1
            self._station.tell("modem.resynchronised", command=asked.line.partition("=")[0])
            # the network may take its time with a message; a listing that hangs never comes
            self._late += {Limit.SEND: 0, Limit.LIST: _LATE_IN_A_ROW}.get(asked.limit, 1)
            if self._late >= _LATE_IN_A_ROW and self.serves:
                self._owner.in_trouble(Trouble.LATE, now)

    def _indicated(self, indicated: Indicated, now: float) -> None:
        self._station.counters.indications += 1
        kind = indicated.kind
        if kind in (Kind.BOOTED, Kind.CARD):
            self._station.disturbed = True
        if kind in _HINTS:
            self.hint(_HINTS[kind], now)
        elif kind in (Kind.MESSAGE, Kind.REPORT):
            self._handed_over(indicated, now)

    def _handed_over(self, indicated: Indicated, now: float) -> None:
        direct = self._station.setting.direct
        if indicated.pdu is None:
            if direct:
                self._acknowledgements.arrived_without_pdu(now)
            return
        told = self._station.incoming(indicated.line, indicated.pdu, "", -1)
        if direct:
            self._acknowledgements.arrived(told, now)
        else:  # class 0, or a report: the modem acknowledged it by itself, nobody waits for our answer
            self._station.fates.pop(told.number)
