"""The SIM's lock: what AT+CPIN? says, and the one try a PIN gets.

| the SIM is | then |
|---|---|
| ready | go on; PIN2 and PUK2 guard other things |
| busy | look again, for a while |
| pin | try the configured PIN, if it was never tried on this SIM |
| puk, locked, missing, failed, blocked otherwise | nothing: a person has to come |

The try is noted durably before the PIN goes out, so a crash in between costs the try, never a second one.
A PUK is never sent, nor is a PIN where a PUK is wanted.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from tsm_gateway.radio.modem import at_command, final_code
from tsm_gateway.radio.modem.at_values import iccid_of, text_of
from tsm_gateway.radio.modem.final_code import Family
from tsm_gateway.radio.modem.modem_value import PinAttempt, PinResult
from tsm_gateway.radio.modem.talk import Await, Outcome, Pause, Reply, Talk, Trouble

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.radio.modem.station import Station
    from tsm_gateway.secret import Secret


class SimState(Enum):
    """What the SIM wants; the value is shown to operators."""

    READY = "ready"
    BUSY = "busy"
    PIN = "pin"
    PUK = "puk"
    LOCKED = "locked"  # to a phone or a network
    MISSING = "missing"
    FAILED = "failed"


_TEXTS: Final[Mapping[str, SimState]] = {
    "READY": SimState.READY,
    "SIM PIN2": SimState.READY,
    "SIM PUK2": SimState.READY,
    "SIM PIN": SimState.PIN,
    "SIM PUK": SimState.PUK,
    "NOT READY": SimState.BUSY,
    "SIM BUSY": SimState.BUSY,
    "NOT INSERTED": SimState.MISSING,
}
_NUMBERS: Final[Mapping[int, SimState]] = {
    final_code.SIM_MISSING: SimState.MISSING,
    final_code.PIN_WANTED: SimState.PIN,
    final_code.PUK_WANTED: SimState.PUK,
    final_code.SIM_FAILED: SimState.FAILED,
}
_LOOK_AGAIN_S: Final = 1.0


def unlock(station: Station) -> Talk[Trouble | None]:
    """Bring the SIM to ready; DEAF and LATE come through, anything else of the SIM is LOCKED."""
    state = yield from _settled(station)
    if state is SimState.PIN:
        state = yield from _try_pin(station)
    if isinstance(state, Trouble):
        return state
    if state is SimState.READY:
        station.health.sim = state.value
        return None
    return _locked(station, state.value)


def _settled(station: Station, *, believed: bool = False) -> Talk[SimState | Trouble]:
    """The SIM's state once it is not busy; `believed`: nor wants the PIN that was accepted just now."""
    state = SimState.BUSY
    for _ in range(int(station.options.timing.unlock_s / _LOOK_AGAIN_S)):
        reply = yield at_command.SIM_STATE
        if reply.outcome in (Outcome.DEAF, Outcome.CUT, Outcome.LATE):
            return Trouble(reply.outcome.value)
        state = _read(reply)
        if state is not SimState.BUSY and not (believed and state is SimState.PIN):
            return state
        yield Pause(_LOOK_AGAIN_S)
    return state


def _read(reply: Reply) -> SimState:
    if reply.ok:
        return _TEXTS.get(text_of(reply.lines[-1:]).upper(), SimState.LOCKED)
    if reply.result.family is Family.CME:
        return _NUMBERS.get(reply.result.number, SimState.BUSY)
    return SimState.BUSY


def _try_pin(station: Station) -> Talk[SimState | Trouble]:
    pin = station.options.pin
    if pin is None:
        return SimState.PIN
    sim = yield from _sim(station)
    if sim in station.tried:
        return _locked(station, "pin_tried")
    number = station.number()
    station.values.append(PinAttempt(number, sim))
    noted = yield Await((number,), station.options.timing.durable_s)
    if number not in noted.durable:
        return _locked(station, "pin_tried")
    return (yield from _enter(station, pin, sim))


def _enter(station: Station, pin: Secret, sim: str) -> Talk[SimState | Trouble]:
    station.tried.add(sim)
    station.tell("sim.pin_tried")
    reply = yield at_command.enter_pin(pin)
    if reply.outcome in (Outcome.DEAF, Outcome.CUT):
        return Trouble(reply.outcome.value)
    state = yield from _settled(station, believed=reply.ok)
    if isinstance(state, Trouble):
        return state
    accepted = state is SimState.READY
    station.values.append(PinResult(sim, accepted=accepted))
    if not accepted:
        return _locked(station, "pin_wrong")
    station.tried.discard(sim)  # it is right: the next power cut wants it again
    return state


def _sim(station: Station) -> Talk[str]:
    """What tells this SIM from others, as far as it can be known ahead of its PIN."""
    if not station.health.iccid:
        for name in station.setting.profile.card:
            reply = yield at_command.CARD_NUMBERS[name]
            station.health.iccid = iccid_of(reply.lines)
            if station.health.iccid or reply.outcome is not Outcome.ERROR:
                break
    return station.health.iccid or f"imei:{station.health.imei}"


def _locked(station: Station, reason: str) -> Trouble:
    if station.health.sim != reason:  # once, not at every look
        station.alarm("sim.locked", reason=reason)
    station.health.sim = reason
    return Trouble.LOCKED
