"""What an operator may say about one modem, and the times its engine goes by."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsm_gateway.secret import Secret


class Mode(Enum):
    """How messages come in; the value stands in the configuration."""

    STORE = "store"  # the modem stores and acknowledges them; its memories are swept
    DIRECT = "direct"  # they are routed here and acknowledged by us; the memories are swept all the same


@dataclass(frozen=True, slots=True)
class Timing:
    """Every time of the engine, in seconds; none is a promise of the modem."""

    quick_s: float = 5.0  # a command that only looks or sets
    card_s: float = 20.0  # a command that goes to the SIM
    list_s: float = 60.0  # a whole memory
    prompt_s: float = 10.0  # from AT+CMGS to its prompt
    send_s: float = 120.0  # from the body to its result; some modems wait for the network that long
    quiet_s: float = 0.3  # this much silence, and whatever was late is out
    noisy_s: float = 5.0  # a modem that never falls silent: go on after this
    markers: int = 5  # how often `AT` is tried before a modem counts as deaf
    marker_s: float = 2.0
    durable_s: float = 30.0  # how long a sweep waits for the spool before it leaves messages where they are
    poll_s: float = 60.0  # sweep without any indication
    poll_busy_s: float = 5.0  # the same, after a sweep that found something
    look_s: float = 60.0  # registration, signal, operator
    verify_s: float = 180.0  # are CNMI, CPMS and CMGF still what we set?
    verify_gap_s: float = 10.0  # a modem that hints at a reboot all the time is asked no more often
    unlock_s: float = 20.0  # from a PIN to a SIM that is ready
    locked_s: float = 60.0  # a locked SIM is looked at again
    network_timer_s: float = 20.0  # after it an unacknowledged message has made the modem forget CNMI
    retry_s: float = 2.0  # a busy modem: the first wait, doubled from try to try
    reopen_min_s: float = 0.5
    reopen_max_s: float = 10.0
    reset_s: float = 15.0  # from AT+CFUN=1,1 to the next look for the port
    backoff_min_s: float = 30.0  # the ladder's upper end
    backoff_max_s: float = 600.0
    stable_s: float = 120.0  # ready this long: the ladder begins anew


@dataclass(frozen=True, slots=True)
class ModemOptions:
    """One modem."""

    name: str  # the bearer's name
    profile: str = "auto"  # one of `profiles.PROFILES`; "auto" asks the modem
    mode: Mode = Mode.STORE
    pin: Secret | None = None  # 4 to 8 digits
    imei: str = ""  # 15 digits: another modem is never touched; "" = any
    iccid: str = ""  # 18 to 20 digits: another SIM is never touched; "" = any
    reports: bool = True  # ask the modem to pass status reports
    speed_bd: int = 0  # fixed on modems that guess theirs; 0 = leave it
    queue: int = 64  # messages to send that may wait
    tries: int = 5  # of one message, when the modem is busy
    timing: Timing = field(default_factory=Timing)
