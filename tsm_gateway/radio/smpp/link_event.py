"""What a link tells the daemon: events for the log, counters for metrics, a snapshot for the status page.

The link itself never logs. Events hold names, numbers and reasons from closed lists, never a password,
an address or octets of a PDU. What a peer can cause at will (refused and ignored PDUs) is counted, and
`Gate` lets one event of a kind through per interval, with how many it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.radio.smpp.options import Endpoint
    from tsm_gateway.radio.smpp.pacing import Throttle

EVERY_S = 10.0

EVENTS = frozenset(
    {
        "link.connect_failed",  # reason, host, port; an alarm when it is TLS that failed
        "link.bound",  # host, port
        "link.bind_refused",  # status, host, port; an alarm when the peer does not take our password
        "link.lost",  # reason, host, port, unanswered, unknown; an alarm when the defect is ours
        "link.unbound",  # reason, host, port, unanswered, unknown: we ended it
        "link.throttled",  # status, pause_s
        "pdu.refused",  # command, status, count: answered with an error
        "pdu.ignored",  # command, count: a response to nothing
        "answer.overdue",  # count: answered "temporary" because the relay was late
        "submit.unanswered",  # count: the peer never said what became of them
    }
)


class LinkEvent(NamedTuple):
    """Something an operator may want to read."""

    link: str
    event: str  # one of EVENTS
    fields: Mapping[str, float | str]
    alarm: bool = False  # a person has to look


@dataclass(slots=True)
class LinkCounters:
    """What happened since the link was made; each only grows."""

    connects: int = 0
    connects_failed: int = 0
    binds: int = 0
    binds_refused: int = 0
    losses: int = 0
    messages: int = 0  # deliver_sm and data_sm handed to the relay
    messages_refused: int = 0  # answered "temporary" without the relay
    answers: int = 0  # answers of the relay sent
    answers_overdue: int = 0  # answered "temporary" by us because the relay was late
    answers_void: int = 0  # answers of the relay nobody waited for
    alerts: int = 0  # alert_notification
    submits: int = 0
    submits_accepted: int = 0
    submits_refused: int = 0
    submits_throttled: int = 0
    submits_unanswered: int = 0  # no response in time
    submits_cut_off: int = 0  # sent, then the link was lost
    nacks: int = 0  # generic_nack received
    probes: int = 0  # enquire_link sent
    probes_unanswered: int = 0
    pdus: int = 0
    pdus_refused: int = 0
    pdus_ignored: int = 0


class LinkSnapshot(NamedTuple):
    """A link at one instant."""

    name: str
    state: str  # a BindState, or "connecting", "waiting", "stopped"
    host: str
    port: int
    window: int
    window_used: int
    intake: int
    intake_used: int
    pause_s: float  # how long the link still pauses because it was throttled
    reading: bool
    counters: Mapping[str, int]


class Gate:
    """One event of a kind per EVERY_S seconds, with the number of those it stands for."""

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        """Everything passes once."""
        self._kinds: dict[str, tuple[float, int]] = {}  # the kinds are ours: a few

    def admit(self, kind: str, now: float, count: int = 1) -> int:
        """How many happenings the event stands for; 0 = keep silent for now."""
        passed_at, held_back = self._kinds.get(kind, (now - EVERY_S, 0))
        if now - passed_at < EVERY_S:
            self._kinds[kind] = (passed_at, held_back + count)
            return 0
        self._kinds[kind] = (now, 0)
        return held_back + count


@dataclass(slots=True)
class Memory:
    """What a link remembers from one connection to the next."""

    throttle: Throttle  # a peer's patience does not begin anew with a connection
    counters: LinkCounters = field(default_factory=LinkCounters)
    gate: Gate = field(default_factory=Gate)


class Notes:
    """The events of one connection, gathered until the link takes them."""

    __slots__ = ("_gate", "_link", "_where", "counters", "events")

    def __init__(self, link: str, endpoint: Endpoint, memory: Memory) -> None:
        """Of `link`, whose peer is at `endpoint`."""
        self._link = link
        self._where: dict[str, float | str] = {"host": endpoint.host, "port": endpoint.port}
        self._gate = memory.gate
        self.counters = memory.counters
        self.events: list[LinkEvent] = []

    def tell(self, event: str, **fields: float | str) -> None:
        """One event."""
        self.events.append(LinkEvent(self._link, event, self._where | fields))

    def alarm(self, event: str, **fields: float | str) -> None:
        """One event that somebody has to look at."""
        self.events.append(LinkEvent(self._link, event, self._where | fields, alarm=True))

    def tell_some(self, event: str, now: float, count: int = 1, **fields: int) -> None:
        """Something a peer can cause at will: one event per kind and interval."""
        if count and (stands_for := self._gate.admit(event, now, count)):
            self.tell(event, count=stands_for, **fields)

    def refused(self, command_id: int, status: int, now: float) -> None:
        """A request of the peer was answered with an error."""
        self.counters.pdus_refused += 1
        self.tell_some("pdu.refused", now, command=command_id, status=status)

    def ignored(self, command_id: int, now: float) -> None:
        """A response of the peer answered nothing."""
        self.counters.pdus_ignored += 1
        self.tell_some("pdu.ignored", now, command=command_id)
