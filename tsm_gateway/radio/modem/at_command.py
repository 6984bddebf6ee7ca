"""Every command we may say to a modem: a closed set of builders with typed arguments.

Nothing a peer ever sent can stand in a line: arguments are numbers in their range, names of memories from
a closed list, a PIN of digits, and hex that is written at the prompt, never in the line. What is shown of
a command has neither the PIN nor the body.

| from | command |
|---|---|
| ITU-T V.250 | AT, ATE0V1, +IPR |
| 3GPP TS 27.007 | +CMEE, +CPIN, +CGMI, +CGMM, +CGMR, +CGSN, +CFUN, +CREG, +CEREG, +CSQ, +COPS |
| 3GPP TS 27.005 | +CMGF, +CPMS, +CSMS, +CNMI, +CMGL, +CMGR, +CMGD, +CMGS, +CNMA |
| the makers | +CCID and its kin, ^CURC |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.radio.modem.faults import CommandInvalid

if TYPE_CHECKING:
    from tsm_gateway.secret import Secret

ESCAPE = b"\x1b"  # leaves a prompt without sending
SUBMIT = b"\x1a"  # Ctrl-Z
LONGEST_TPDU = 175  # octets: SMS-SUBMIT with 12 octets of address and 140 of user data is 164
_OWN_SMSC = "00"  # length of the SMSC's address: none, use the SIM's


class Memory(Enum):
    """Message memories (TS 27.005 §3.1). Others are left alone: their names would be a peer's text."""

    SIM = "SM"
    PHONE = "ME"
    BOTH = "MT"
    ADAPTER = "TA"
    REPORTS = "SR"


class Limit(Enum):
    """Which of the times of `Timing` a command may take."""

    QUICK = "quick_s"
    CARD = "card_s"
    LIST = "list_s"
    SEND = "send_s"


class Indications(NamedTuple):
    """The arguments of AT+CNMI (TS 27.005 §3.4.1)."""

    mode: int
    mt: int  # messages: 0 none, 1 stored and announced, 2 handed over
    bm: int  # cell broadcast: always 0
    ds: int  # status reports: 0 none, 1 handed over, 2 stored and announced
    bfr: int


@dataclass(frozen=True, slots=True, repr=False)
class Command:
    """One line to write, and how its answer looks."""

    line: str  # without the CR
    prefixes: tuple[str, ...] = ()  # of its information lines
    bare: bool = False  # its information lines have no prefix
    entries: bool = False  # each information line is followed by one with a PDU
    required: bool = False  # OK without information belongs to another command
    numeric: bool = False  # the modem may still answer in digits (ATV0)
    limit: Limit = Limit.QUICK
    body: str = ""  # hex to be written at the prompt
    shown: str = ""  # instead of the line

    @property
    def octets(self) -> bytes:
        """The line as it goes out."""
        return self.line.encode("ascii") + b"\r"

    @property
    def body_octets(self) -> bytes:
        """Body and Ctrl-Z, to be written in one go: between them nothing may come."""
        return self.body.encode("ascii") + SUBMIT

    def __repr__(self) -> str:
        """The line without its secret, the body's size."""
        size = f" +{len(self.body) // 2} octets" if self.body else ""
        return f"<{self.shown or self.line}{size}>"


def _number(value: int, highest: int) -> str:
    if type(value) is not int or not 0 <= value <= highest:
        raise CommandInvalid(highest=highest)
    return str(value)


def _query(name: str, mark: str = "?") -> Command:
    return Command(f"AT{name}{mark}", (f"{name}:",), required=True)


WAKE = Command("AT", numeric=True)
MANNERS = Command("ATE0V1", numeric=True)  # no echo, results in words
NUMBERED_ERRORS = Command("AT+CMEE=1")
ASK_ERRORS = _query("+CMEE")
MAKER = Command("AT+CGMI", ("+CGMI:",), bare=True)
MODEL = Command("AT+CGMM", ("+CGMM:",), bare=True)
FIRMWARE = Command("AT+CGMR", ("+CGMR:",), bare=True)
IMEI = Command("AT+CGSN", ("+CGSN:",), bare=True)
_CARD_NUMBER_ANSWERS = ("+CCID:", "+ICCID:", "^ICCID:", "#CCID:", "+QCCID:", "^SCID:")
CARD_NUMBERS = {  # the ways to ask for an ICCID; no two makers agree
    name: Command(f"AT{name}", _CARD_NUMBER_ANSWERS, bare=True, limit=Limit.CARD)
    for name in ("+CCID", "+ICCID", "+CICCID", "^ICCID?", "#CCID", "+QCCID", "^SCID")
}
SIM_STATE = Command("AT+CPIN?", ("+CPIN:",), required=True, limit=Limit.CARD)
FUNCTIONALITY = _query("+CFUN")
SWITCH_ON = Command("AT+CFUN=1", limit=Limit.CARD)
RESTART = Command("AT+CFUN=1,1", limit=Limit.CARD)
PDU_MODE = Command("AT+CMGF=0")
FORMAT = _query("+CMGF")
MEMORIES_OFFERED = _query("+CPMS", "=?")
MEMORIES = Command("AT+CPMS?", ("+CPMS:",), required=True, limit=Limit.CARD)
SERVICES_OFFERED = _query("+CSMS", "=?")
SERVICE = _query("+CSMS")
INDICATIONS_OFFERED = _query("+CNMI", "=?")
INDICATIONS = _query("+CNMI")
WATCH_REGISTRATION = (Command("AT+CREG=1"), Command("AT+CEREG=1"))
REGISTRATIONS = (_query("+CREG"), _query("+CEREG"))
SIGNAL = Command("AT+CSQ", ("+CSQ:",), required=True)
OPERATOR_NAMES = Command("AT+COPS=3,0")  # names, not numbers, in the answers of AT+COPS?
OPERATOR = Command("AT+COPS?", ("+COPS:",), required=True, limit=Limit.CARD)
LIST = Command("AT+CMGL=4", ("+CMGL:",), entries=True, limit=Limit.LIST)  # read and unread, sent and unsent
ACKNOWLEDGE = Command("AT+CNMA")  # RP-ACK for the oldest message handed over
HUSH_HUAWEI = Command("AT^CURC=0")  # no ^RSSI every few seconds


def enter_pin(pin: Secret) -> Command:
    """`pin` is 4 to 8 ASCII digits. Raises CommandInvalid."""
    octets = pin.reveal()
    if not (4 <= len(octets) <= 8 and octets.isdigit()):  # noqa: PLR2004 -- TS 31.101 §9.4
        raise CommandInvalid(digits=len(octets))
    return Command(f'AT+CPIN="{octets.decode("ascii")}"', limit=Limit.CARD, shown='AT+CPIN="…"')


def select_memory(memory: Memory) -> Command:
    """Choose the memory that LIST, `read` and `delete` mean; its answer tells how full it is."""
    return select_memories((memory,))


def select_memories(memories: tuple[Memory, ...]) -> Command:
    """Choose one to three: to read and delete, to write and send, to receive. Raises CommandInvalid."""
    if not 1 <= len(memories) <= 3:  # noqa: PLR2004 -- mem1, mem2, mem3
        raise CommandInvalid(memories=len(memories))
    names = ",".join(f'"{Memory(memory).value}"' for memory in memories)
    return Command(f"AT+CPMS={names}", ("+CPMS:",), limit=Limit.CARD)


def select_service(service: int) -> Command:
    """0 or 1; with 1, messages handed over wait for ACKNOWLEDGE (TS 27.005 §3.2.1). Raises CommandInvalid."""
    return Command(f"AT+CSMS={_number(service, 1)}", ("+CSMS:",))


def set_indications(wanted: Indications) -> Command:
    """Raises CommandInvalid when a number is none of TS 27.005."""
    return Command("AT+CNMI=" + ",".join(_number(value, 3) for value in wanted))


def read(index: int) -> Command:
    """One message of the memory chosen, index 0 to 65535. Raises CommandInvalid."""
    return Command(f"AT+CMGR={_number(index, 65_535)}", ("+CMGR:",), entries=True, limit=Limit.CARD)


def delete(index: int) -> Command:
    """One message of the memory chosen, index 0 to 65535. Raises CommandInvalid."""
    return Command(f"AT+CMGD={_number(index, 65_535)}", limit=Limit.CARD)


def send(tpdu: bytes) -> Command:
    """An SMS-SUBMIT TPDU, at most LONGEST_TPDU octets, through the SIM's own SMSC. Raises CommandInvalid."""
    if not 0 < len(tpdu) <= LONGEST_TPDU:
        raise CommandInvalid(octets=len(tpdu))
    body = _OWN_SMSC + tpdu.hex().upper()
    return Command(f"AT+CMGS={len(tpdu)}", ("+CMGS:",), required=True, limit=Limit.SEND, body=body)


def fix_speed(speed_bd: int) -> Command:
    """Stop a modem from guessing the line's speed; 300 to 4,000,000 Bd. Raises CommandInvalid."""
    return Command(f"AT+IPR={_number(speed_bd, 4_000_000)}")
