"""What the talks with one modem share: its options, what it can do, what was set, and what to tell.

A station lives as long as its engine; what belongs to one opened port is forgotten by `forget`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tsm_gateway.radio.modem import profiles
from tsm_gateway.radio.modem.at_values import ANYTHING, Offer
from tsm_gateway.radio.modem.modem_value import Health, Incoming, ModemCounters, ModemEvent
from tsm_gateway.radio.modem.options import Mode
from tsm_gateway.radio.modem.pdu_line import read_pdu

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tsm_gateway.radio.modem.at_command import Indications, Memory
    from tsm_gateway.radio.modem.modem_value import Value
    from tsm_gateway.radio.modem.options import ModemOptions
    from tsm_gateway.radio.modem.profiles import Profile


@dataclass(slots=True)
class Setting:
    """What was set on the modem and is verified from time to time."""

    profile: Profile = profiles.GENERIC
    sweeps: tuple[Memory, ...] = ()  # the memories to look through
    receives: str = ""  # the one for new messages, as AT+CPMS? tells it; "" = it does not
    offered: Offer = ANYTHING  # services, AT+CSMS=?
    indications: Indications | None = None  # None: it announces nothing
    shown: tuple[int | None, ...] = ()  # how it tells them
    direct: bool = False  # messages are handed over, and wait for our acknowledgement


@dataclass(slots=True, eq=False)
class Station:
    """One modem, whatever port it is on."""

    options: ModemOptions
    now: float = 0.0  # monotonic seconds; the engine sets it ahead of every step
    disturbed: bool = False  # it hinted at a reboot since the talk began: nothing selected is sure
    setting: Setting = field(default_factory=Setting)
    health: Health = field(default_factory=Health)
    counters: ModemCounters = field(default_factory=ModemCounters)
    values: list[Value] = field(default_factory=list)  # to be taken by the link, in order
    fates: dict[int, bool | None] = field(default_factory=dict)  # numbers told: durable, refused, open
    tried: set[str] = field(default_factory=set)  # SIMs whose PIN was tried by this engine
    full: set[str] = field(default_factory=set)  # memories without a free place
    stubborn: dict[str, int] = field(default_factory=dict)  # memories: sweeps in a row that left something
    _last: int = 0

    def forget(self) -> None:
        """The port is closed: nothing is known of what stands behind the next one."""
        self.setting = Setting()
        self.fates.clear()
        self.health.signal_dbm, self.health.registration = None, ""

    @property
    def wants_direct(self) -> bool:
        """Whether messages are to be handed over."""
        return self.options.mode is Mode.DIRECT

    def number(self) -> int:
        """A new number to be answered by the caller."""
        self._last += 1
        self.fates[self._last] = None
        return self._last

    def settle(self, numbers: Iterable[int], *, durable: bool) -> None:
        """The caller's answer; a number nobody waits for any more is ignored."""
        for number in numbers:
            if number in self.fates:
                self.fates[number] = durable

    def incoming(self, header: str, pdu: str, memory: str, index: int) -> Incoming:
        """Tell a PDU."""
        cut = read_pdu(header, pdu)
        told = Incoming(self.number(), cut.content, memory, index, pdu, cut.tpdu, cut.fault, cut.digest)
        self.counters.incoming += 1
        self.values.append(told)
        return told

    def tell(self, event: str, **fields: float | str) -> None:
        """One event."""
        self.values.append(ModemEvent(self.options.name, event, fields))

    def alarm(self, event: str, **fields: float | str) -> None:
        """One event that somebody has to look at."""
        self.values.append(ModemEvent(self.options.name, event, fields, alarm=True))
