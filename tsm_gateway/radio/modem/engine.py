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
from tsm_gateway.radio.modem.initialise import initialise
from tsm_gateway.radio.modem.modem_life import MODEM_LIFE, LifeEvent, ModemState
from tsm_gateway.radio.modem.modem_value import Reopen, Value
from tsm_gateway.radio.modem.port import Port
from tsm_gateway.radio.modem.recovery import MISSING_ALARM, Cure, Recovery
from tsm_gateway.radio.modem.sending import Sending
from tsm_gateway.radio.modem.station import Station
from tsm_gateway.radio.modem.talk import Outcome, Talk, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tsm_gateway.radio.modem.modem_value import Health, ModemCounters
    from tsm_gateway.radio.modem.options import ModemOptions
    from tsm_gateway.radio.modem.recovery import Treatment

_CURES: Final[Mapping[Cure, LifeEvent]] = {
    Cure.INITIALISE: LifeEvent.CURED_BY_INITIALISING,
    Cure.REOPEN: LifeEvent.CURED_BY_REOPENING,
    Cure.RESET: LifeEvent.CURED_BY_RESETTING,
}
_QUEUE_WAITS: Final = (ModemState.READY, ModemState.STARTING)  # in any other state it is given back


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
        self._port = self._new_port(0.0)

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
        times = (self._port.wake_at, self._look_at)
        return min((at for at in times if at is not None), default=None)

    def take_out(self) -> list[bytes]:
        """What is to be written, in order; each element in one piece."""
        out, self._out = self._out, []
        return out

    def take_values(self) -> list[Value]:
        """What is to be told, in order."""
        values, self._station.values = self._station.values, []
        return values

    def opened(self, now: float) -> None:
        """The port is open; nothing was read from it yet."""
        self._station.now = now
        self._close(LifeEvent.LOST, now)
        self._recovery.opened()
        self.counters.opens += 1
        self._station.tell("modem.opened")
        self._move(LifeEvent.OPENED)
        self._start(now)

    def receive(self, octets: bytes, now: float) -> None:
        """Octets were read."""
        self._station.now = now
        if self.state is not ModemState.CLOSED:
            self._port.receive(octets, now)

    def tick(self, now: float) -> None:
        """Time passed."""
        self._station.now = now
        self._port.tick(now)
        if self._look_at is not None and now >= self._look_at:
            self._look_at = None
            self._move(LifeEvent.LOOK_AGAIN)
            self._start(now)
        self._port.go_on(now)

    def lost(self, reason: str, now: float) -> None:
        """The port is gone, or could not be opened; `reason` is a word for the log, nothing a peer said."""
        self._station.now = now
        was_open = self.state is not ModemState.CLOSED
        self._close(LifeEvent.LOST, now)
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
        self._station.settle(numbers, durable=True)
        self._go_on(now)

    def refused(self, numbers: Iterable[int], now: float) -> None:
        """These cannot be taken now: the modem, or the network, keeps them."""
        self._station.settle(numbers, durable=False)
        self._go_on(now)

    def sweep_soon(self, now: float) -> None:
        """Look at the memories at the next opportunity: the spool has room again."""
        self._port.hint("sweep", now)
        self._go_on(now)

    def in_trouble(self, trouble: Trouble, now: float) -> None:
        """The modem does not do what it should (the port says so): cure it."""
        treatment = self._recovery.trouble(trouble, now)
        tell = self._station.alarm if treatment.alarm else self._station.tell
        tell("modem.recovering", cure=treatment.cure.value, reason=trouble.value, after_s=treatment.after_s)
        if treatment.cure is Cure.REOPEN:
            self._leave(treatment, LifeEvent.CURED_BY_REOPENING)
            return
        self._move(_CURES[treatment.cure])
        if treatment.cure is Cure.INITIALISE:
            self._start(now)
        else:
            self._port.begin(_restart(), lambda result: self._restarted(treatment, result))

    def setting_lost(self, name: str, now: float) -> None:
        """The modem is not set as it was (the port says so): it restarted, so set everything again."""
        self.counters.reboots += 1
        self._station.tell("modem.rebooted", changed=name)
        self._move(LifeEvent.CURED_BY_INITIALISING)
        self._start(now)

    def _new_port(self, now: float) -> Port:
        return Port(self._station, self._sending, self, self._write, now)

    def _write(self, octets: bytes) -> None:
        self._out.append(octets)

    def _go_on(self, now: float) -> None:
        self._station.now = now
        self._port.go_on(now)

    def _start(self, now: float) -> None:
        self._port.begin(initialise(self._station), self._initialised)
        self._port.go_on(now)

    def _initialised(self, result: object) -> None:
        now = self._station.now
        if result is None:
            self._move(LifeEvent.INITIALISED)
            self._recovery.ready(now)
            health = self._station.health
            self._station.tell("modem.ready", profile=health.profile, mode=health.mode, model=health.model)
            self._port.serve(now)
        elif result is Trouble.LOCKED:
            self._move(LifeEvent.SIM_LOCKED)
            self._look_at = now + self._options.timing.locked_s
        elif isinstance(result, Trouble) and result is not Trouble.CUT:
            self.in_trouble(result, now)

    def _restarted(self, treatment: Treatment, result: object) -> None:
        if result is not Trouble.CUT:  # then the link knows already
            self._leave(treatment, LifeEvent.RESET)

    def _leave(self, treatment: Treatment, event: LifeEvent) -> None:
        self._close(event, self._station.now)
        self._station.values.append(Reopen(treatment.after_s))

    def _close(self, event: LifeEvent, now: float) -> None:
        """Nothing of this port is believed or written any more."""
        self._port.cut(now)
        self._move(event)
        self._out.clear()
        self._station.forget()
        self._look_at = None
        self._port = self._new_port(now)

    def _move(self, event: LifeEvent) -> None:
        """Go along the modem's table; a missing row changes nothing."""
        self.state = MODEM_LIFE.get((self.state, event), self.state)
        self._station.health.state = self.state.value
        if self.state not in _QUEUE_WAITS:
            self._sending.flush()


def _restart() -> Talk[Trouble | None]:
    """AT+CFUN=1,1, whatever the modem says to it."""
    reply = yield at_command.RESTART
    return Trouble.CUT if reply.outcome is Outcome.CUT else None
