"""What an engine tells its link: messages, results, questions, events, and when to open the port again.

`Incoming` and `PinAttempt` carry a number and wait for an answer: `engine.durable([number])` or
`engine.refused([number])`. Until then nothing is deleted, acknowledged or tried. The other values want
no answer. Reprs hold no octets of messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.messages import Fate

EVENTS = frozenset(
    {
        "modem.opened",  # the port is open
        "modem.ready",  # profile, mode, model
        "modem.lost",  # reason: the port is gone
        "modem.port_missing",  # tries; an alarm: it does not come back
        "modem.recovering",  # cure, reason, after_s; an alarm from the fourth time in a row
        "modem.resynchronised",  # command: it was late, its answer was thrown away
        "modem.rebooted",  # changed: the setting that was lost
        "modem.foreign",  # identity: an alarm: another modem or SIM than configured
        "modem.direct_unavailable",  # an alarm: it cannot hand messages over, its store is used
        "modem.indications_unavailable",  # it announces nothing: messages are found by polling only
        "modem.acknowledgement_missed",  # why: the network will send the message again
        "modem.store_full",  # memory, used, total; an alarm
        "modem.store_recovered",  # memory
        "modem.slot_unreadable",  # memory, count; an alarm: left where they are
        "modem.delete_failed",  # memory, count; an alarm: the store fills up
        "modem.send_unknown",  # the modem never said whether the message went out
        "sim.pin_tried",  # the one try
        "sim.locked",  # reason; an alarm
        "network.registered",  # roaming
        "network.lost",  # status; an alarm when the network refuses this SIM
    }
)


class Content(Enum):
    """What a PDU is by its first octet (3GPP TS 23.040 §9.2.3.1), and by its place."""

    MESSAGE = "message"  # SMS-DELIVER
    REPORT = "report"  # SMS-STATUS-REPORT
    OTHER = "other"  # a draft on the SIM, or nothing that can be read: fit for quarantine


@dataclass(frozen=True, slots=True, repr=False)
class Incoming:
    """One PDU the modem holds or handed over. It is not ours before `engine.durable([number])`."""

    number: int  # never used again by this engine
    content: Content
    memory: str  # "SM", "ME", ..; "" when it was handed over directly
    index: int  # in that memory; -1 when handed over directly
    pdu: str  # the line as read: hex with the SMSC's address in front, or whatever stood there
    tpdu: bytes  # without the SMSC's address; b"" when `fault` is set
    fault: str  # "", or why there is no TPDU: "hex", "length", "smsc"
    digest: bytes  # SHA-256 of the TPDU (of the line when there is none): the same message is the same digest

    def __repr__(self) -> str:
        """Place and size; no octets."""
        place = f"{self.memory},{self.index}" if self.memory else "direct"
        what = self.fault or f"{len(self.tpdu)} octets"
        return f"Incoming({self.number}, {self.content.value}, {place}, {what})"


class Sent(NamedTuple):
    """What became of one message given to `engine.submit`.

    | fate | when | again? |
    |---|---|---|
    | ACCEPTED | +CMGS: the network has it, `reference` is its TP-MR | no |
    | BUSY | the modem or the SIM stayed busy through every try | yes |
    | TEMPORARY, PERMANENT | refused with `status` | as it says |
    | UNKNOWN | the body was written, no result came | only because our octets are identical each time |
    | NOT_SENT | the body was never written | yes |
    """

    key: object  # as given to `submit`
    fate: Fate
    status: int  # the number of +CMS ERROR or +CME ERROR; 0 when there was none
    reference: int | None  # TP-Message-Reference, 0..255


class PinAttempt(NamedTuple):
    """The SIM wants its PIN. Note this durably, then answer `durable`; `refused` when it was noted before.

    A PIN is tried once per SIM, ever: the third wrong one would lock it.
    """

    number: int
    sim: str  # the SIM's ICCID, or "imei:" and the modem's when the SIM tells nothing before its PIN


class PinResult(NamedTuple):
    """How a try ended. Accepted: strike the note out, for the SIM wants its PIN again after a power cut."""

    sim: str
    accepted: bool


class Reopen(NamedTuple):
    """Close the port if it is open, wait, open it and call `opened` (or `lost` again)."""

    after_s: float


class ModemEvent(NamedTuple):
    """Something an operator may want to read; of the shape of a `LinkEvent`."""

    modem: str
    event: str  # one of EVENTS
    fields: Mapping[str, float | str]
    alarm: bool = False  # a person has to look


Value = Incoming | Sent | PinAttempt | PinResult | Reopen | ModemEvent


class Fill(NamedTuple):
    """How full a memory is."""

    used: int
    total: int


@dataclass(slots=True)
class Health:
    """A modem as last seen; for metrics and the status page. Unknown = None or empty."""

    state: str = "closed"  # a ModemState
    profile: str = ""
    mode: str = ""  # the mode in effect
    maker: str = ""
    model: str = ""
    firmware: str = ""
    imei: str = ""
    iccid: str = ""
    sim: str = ""  # ready, pin, puk, ..
    registration: str = ""  # a Registration
    signal_dbm: int | None = None
    operator: str = ""
    fill: dict[str, Fill] = field(default_factory=dict)


@dataclass(slots=True)
class ModemCounters:
    """What happened since the engine was made; each only grows."""

    opens: int = 0
    losses: int = 0
    initialisations: int = 0
    reboots: int = 0
    commands: int = 0
    errors: int = 0  # final results other than OK
    timeouts: int = 0
    noise: int = 0  # lines that were neither answer nor indication
    lines_too_long: int = 0
    indications: int = 0
    sweeps: int = 0
    incoming: int = 0  # PDUs told, doubles included
    deleted: int = 0
    deletes_failed: int = 0
    acknowledged: int = 0
    acknowledgements_missed: int = 0
    sent: int = 0
    send_retries: int = 0
    send_refused: int = 0
    send_unknown: int = 0
