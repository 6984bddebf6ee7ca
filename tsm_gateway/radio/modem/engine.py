"""One modem as a machine without IO and without a clock: octets and the time in, octets and values out.

How a link uses it, with a reader thread and a worker under one lock, or on an event loop:

| when | call | then |
|---|---|---|
| the port was opened | `opened(now)` | write, tell |
| it could not be opened, or failed in any way | `lost(reason, now)` | tell |
| octets were read | `receive(octets, now)` | write, tell |
| `wake_at` has come | `tick(now)` | write, tell |
| the relay has a message | `submit(key, tpdu, now)` | write, tell |
| a number is fsynced, or cannot be | `durable(numbers, now)`, `refused(numbers, now)` | write, tell |

*Write*: `take_out()`, each element by one write call and in order; nothing else may be written to the port.
*Tell*: `take_values()` (see `modem_value`), in order. A `Reopen` among them: close the port, wait, open
it again. Then sleep until `wake_at`, or until one of the others happens. `now` is monotonic, in seconds.
No call blocks, and none raises for anything a modem says; the engine is not for two threads at once.

The life of the modem is the table in `modem_life`; what is said to it stands in the talks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.radio.modem import at_command
from tsm_gateway.radio.modem.acknowledge import Acknowledgements
from tsm_gateway.radio.modem.at_command import Command, Limit
from tsm_gateway.radio.modem.at_reply import NEED_MORE, Indicated, Reader
from tsm_gateway.radio.modem.duties import Agenda
from tsm_gateway.radio.modem.exchange import Exchange
from tsm_gateway.radio.modem.faults import LineTooLong
from tsm_gateway.radio.modem.indication import Kind
from tsm_gateway.radio.modem.initialise import initialise
from tsm_gateway.radio.modem.jobs import Jobs
from tsm_gateway.radio.modem.modem_life import MODEM_LIFE, LifeEvent, ModemState
from tsm_gateway.radio.modem.modem_value import Reopen, Value
from tsm_gateway.radio.modem.recovery import MISSING_ALARM, Cure, Recovery
from tsm_gateway.radio.modem.sending import Sending
from tsm_gateway.radio.modem.station import Station
from tsm_gateway.radio.modem.talk import Outcome, Reply, Talk, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tsm_gateway.radio.modem.duties import Duty
    from tsm_gateway.radio.modem.modem_value import Health, ModemCounters
    from tsm_gateway.radio.modem.options import ModemOptions
    from tsm_gateway.radio.modem.recovery import Treatment

_HINTS: Final[Mapping[Kind, str]] = {  # the duty that an indication makes due
    Kind.STORED: "sweep",
    Kind.FULL: "sweep",
    Kind.REGISTRATION: "look",
    Kind.BOOTED: "verify",
    Kind.CARD: "verify",
}
_CURES: Final[Mapping[Cure, LifeEvent]] = {
    Cure.INITIALISE: LifeEvent.CURED_BY_INITIALISING,
    Cure.REOPEN: LifeEvent.CURED_BY_REOPENING,
    Cure.RESET: LifeEvent.CURED_BY_RESETTING,
}
_LATE_IN_A_ROW: Final = 2  # a modem that twice did not answer in time is in trouble
_UNCHANGED_QUEUE: Final = (ModemState.READY, ModemState.STARTING)


class Engine:
    """One modem."""

    def __init__(self, options: ModemOptions) -> None:
        """Closed; the link opens the port and says so."""
        self.state = ModemState.CLOSED
        self._options = options
        self._station = Station(options)
        self._recovery = Recovery(options.timing)
        self._sending = Sending(self._station)
        self._out: list[bytes] = []
        self._look_at: float | None = None  # at a locked SIM
        self._late: int  # time-outs in a row
        self._acknowledging: bool  # an acknowledgement is under way
        self._begin_port(0.0)

    def _begin_port(self, now: float) -> None:
        """Everything that belongs to one opened port."""
        self._reader = Reader()
        self._exchange = Exchange(self._options.timing, self._reader, self._out.append)
        self._jobs = Jobs(self._station, self._exchange)
        self._acknowledgements = Acknowledgements(self._station)
        self._agenda = Agenda(self._station, self._acknowledgements, self._sending, now)
        self._acknowledging = False
        self._late = 0

    # What the link and the relay ask

    @property
    def health(self) -> Health:
        """The modem as last seen."""
        return self._station.health

    @property
    def counters(self) -> ModemCounters:
        """What happened so far."""
        return self._station.counters

    @property
    def room(self) -> int:
        """How many messages `submit` takes now."""
        return self._sending.room if self.state is ModemState.READY else 0

    @property
    def wake_at(self) -> float | None:
        """When `tick` has something to do, if nothing else is called before; None = never."""
        times = [self._exchange.deadline, self._jobs.wake_at, self._look_at]
        if self.state is ModemState.READY:
            times.append(self._acknowledgements.next_at())
            if not self._jobs:
                times.append(self._agenda.next_at())
        return min((at for at in times if at is not None), default=None)

    def take_out(self) -> list[bytes]:
        """What is to be written, in order; each element in one piece."""
        out = self._out.copy()
        self._out.clear()  # the exchange holds its append
        return out

    def take_values(self) -> list[Value]:
        """What is to be told, in order."""
        values, self._station.values = self._station.values, []
        return values

    # What happens

    def opened(self, now: float) -> None:
        """The port is open; nothing was read from it yet."""
        self._move(LifeEvent.LOST)
        self._forget_port(now)
        self._recovery.opened()
        self.counters.opens += 1
        self._station.tell("modem.opened")
        self._move(LifeEvent.OPENED)
        self._start(now)

    def receive(self, octets: bytes, now: float) -> None:
        """Octets were read."""
        self._station.now = now
        if self.state is ModemState.CLOSED:
            return
        self._reader.feed(octets)
        self._exchange.heard(now)
        while True:
            try:
                event = self._reader.pull()
            except LineTooLong:
                self.counters.lines_too_long += 1
                continue
            if event is NEED_MORE:
                break
            if isinstance(event, Indicated):
                self._indicated(event, now)
            else:
                self._exchange.take(event, now)
            self._go_on(now)
        self.counters.noise += self._reader.noise
        self._reader.noise = 0

    def tick(self, now: float) -> None:
        """Time passed."""
        self._station.now = now
        self._exchange.tick(now)
        if self.state is ModemState.READY:
            self._acknowledgements.tick(now)
        if self._look_at is not None and now >= self._look_at:
            self._look_at = None
            self._move(LifeEvent.LOOK_AGAIN)
            self._start(now)
        self._go_on(now)

    def lost(self, reason: str, now: float) -> None:
        """The port is gone, or could not be opened; `reason` is a word for the log, nothing a peer said."""
        self._station.now = now
        was_open = self.state is not ModemState.CLOSED
        if self.state is ModemState.RESETTING:
            self._jobs.drop()  # just what it was told to do
        self._exchange.cut(now)
        reply = self._exchange.take_reply()
        if reply is not None:
            self._jobs.answered(reply)  # a message under way learns its fate at once
        self._move(LifeEvent.LOST)
        self._forget_port(now)
        after_s = self._recovery.port_missing(now)
        if was_open:
            self.counters.losses += 1
            self._station.tell("modem.lost", reason=reason)
        elif self._recovery.missing == MISSING_ALARM:
            self._station.alarm("modem.port_missing", tries=MISSING_ALARM)
        self._station.values.append(Reopen(after_s))

    def submit(self, key: object, tpdu: bytes, now: float) -> bool:
        """Queue an SMS-SUBMIT TPDU (no SMSC's address), at most 175 octets; False when there is no room.

        A `Sent` with `key` follows in any case. Raises CommandInvalid for a TPDU that is empty or longer.
        """
        if not self.room:
            return False
        self._sending.put(key, tpdu, now)
        self._go_on(now)
        return True

    def durable(self, numbers: Iterable[int], now: float) -> None:
        """These survive a power cut from now on: they may be deleted or acknowledged, the PIN be tried."""
        self._settle(numbers, now, durable=True)

    def refused(self, numbers: Iterable[int], now: float) -> None:
        """These cannot be taken now: the modem, or the network, keeps them."""
        self._settle(numbers, now, durable=False)

    def sweep_soon(self, now: float) -> None:
        """Look at the memories at the next opportunity: the spool has room again."""
        self._agenda.hint("sweep", now)
        self._go_on(now)

    # How it goes on

    def _settle(self, numbers: Iterable[int], now: float, *, durable: bool) -> None:
        self._station.settle(numbers, durable=durable)
        self._go_on(now)

    def _go_on(self, now: float) -> None:
        """Do all that can be done now."""
        self._station.now = now
        while not self._exchange.busy:
            reply = self._exchange.take_reply()
            if reply is not None:
                self._answered(reply, now)
            elif self._acknowledges():
                self._acknowledging = True
                self._jobs.start(self._acknowledgements.acknowledge(), self._acknowledged)
            elif self._jobs:
                if not self._jobs.step(now):
                    return
            elif not self._take_duty(now):
                return

    def _acknowledges(self) -> bool:
        """Whether an acknowledgement goes ahead of all else."""
        ready = self.state is ModemState.READY and not self._acknowledging
        return ready and self._acknowledgements.due

    def _acknowledged(self, result: object) -> None:
        self._acknowledging = False
        self._settled(result, self._station.now)

    def _take_duty(self, now: float) -> bool:
        duty = self._agenda.next(now) if self.state is ModemState.READY else None
        if duty is None:
            return False
        self._agenda.begin(duty.name, now)
        self._jobs.start(duty.talk(self._agenda), lambda result: self._did(duty, result))
        return True

    def _did(self, duty: Duty, result: object) -> None:
        now = self._station.now
        self._agenda.end(duty.name, result, now)
        if duty.name == "verify" and isinstance(result, str) and result:
            self._lost_setting(result, now)
        elif duty.name == "arm":
            self._agenda.hint("sweep", now)
            self._agenda.hint("verify", now)
        self._settled(result, now)

    def _lost_setting(self, name: str, now: float) -> None:
        """The modem is not set as we set it: it restarted, or fell silent for a missed acknowledgement."""
        if name == "indications" and self._station.setting.direct:
            self._acknowledgements.missed("disarmed", now)
            return
        self.counters.reboots += 1
        self._station.tell("modem.rebooted", changed=name)
        self._move(LifeEvent.CURED_BY_INITIALISING)
        self._start(now)

    def _answered(self, reply: Reply, now: float) -> None:
        asked = self._jobs.answered(reply)
        self.counters.errors += reply.outcome is Outcome.ERROR
        if reply.outcome in (Outcome.OK, Outcome.ERROR):
            self._late = 0
        elif reply.outcome is Outcome.LATE and isinstance(asked, Command):
            self.counters.timeouts += 1
            self._station.tell("modem.resynchronised", command=asked.line.partition("=")[0])
            # the network may take its time with a message; a listing that hangs never comes
            self._late += {Limit.SEND: 0, Limit.LIST: _LATE_IN_A_ROW}.get(asked.limit, 1)
            if self._late >= _LATE_IN_A_ROW and self.state is ModemState.READY:
                self._trouble(Trouble.LATE, now)

    def _settled(self, result: object, now: float) -> None:
        """A talk is over."""
        if result is Trouble.DEAF:
            self._trouble(Trouble.DEAF, now)
        elif result is Trouble.REBOOTED:
            self._agenda.hint("verify", now)

    def _indicated(self, indicated: Indicated, now: float) -> None:
        self.counters.indications += 1
        kind = indicated.kind
        if kind in (Kind.BOOTED, Kind.CARD):
            self._station.disturbed = True
        if kind in _HINTS:
            self._agenda.hint(_HINTS[kind], now)
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

    # Starting, and trouble

    def _start(self, now: float) -> None:
        self._jobs.drop()
        self._acknowledging = False
        self._jobs.start(initialise(self._station), self._initialised)
        self._go_on(now)

    def _initialised(self, result: object) -> None:
        now = self._station.now
        if result is None:
            self._move(LifeEvent.INITIALISED)
            self._ready(now)
        elif result is Trouble.LOCKED:
            self._move(LifeEvent.SIM_LOCKED)
            self._look_at = now + self._options.timing.locked_s
        elif isinstance(result, Trouble) and result is not Trouble.CUT:
            self._trouble(result, now)

    def _ready(self, now: float) -> None:
        self._late = 0
        self._recovery.ready(now)
        self._agenda = Agenda(self._station, self._acknowledgements, self._sending, now)
        if self._station.disturbed:  # it restarted, or became ready itself, while it was set
            self._agenda.hint("verify", now)
        health = self._station.health
        self._station.tell("modem.ready", profile=health.profile, mode=health.mode, model=health.model)

    def _trouble(self, trouble: Trouble, now: float) -> None:
        treatment = self._recovery.trouble(trouble, now)
        tell = self._station.alarm if treatment.alarm else self._station.tell
        tell("modem.recovering", cure=treatment.cure.value, reason=trouble.value, after_s=treatment.after_s)
        self._jobs.drop()
        self._move(_CURES[treatment.cure])
        if treatment.cure is Cure.INITIALISE:
            self._start(now)
        elif treatment.cure is Cure.RESET:
            self._jobs.start(_restart(), lambda _result: self._leave(treatment, LifeEvent.RESET))
        else:
            self._leave(treatment, None)

    def _leave(self, treatment: Treatment, event: LifeEvent | None) -> None:
        if event is not None:
            self._move(event)
        self._forget_port(self._station.now)
        self._station.values.append(Reopen(treatment.after_s))

    def _forget_port(self, now: float) -> None:
        self._jobs.drop()
        self._station.forget()
        self._look_at = None
        self._begin_port(now)

    def _move(self, event: LifeEvent) -> None:
        """Go along the modem's table; a missing row changes nothing."""
        self.state = MODEM_LIFE.get((self.state, event), self.state)
        self._station.health.state = self.state.value
        if self.state not in _UNCHANGED_QUEUE:
            self._sending.flush()


def _restart() -> Talk[None]:
    yield at_command.RESTART
