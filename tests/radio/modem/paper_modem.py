"""A modem on paper: answers lines literally, keeps messages in memories, and counts what it must not see.

Deliberately its own reading of the formats: nothing of the product is used but what drives the engine.
`Desk` sits between it and an engine, with a clock that only tests move.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from tsm_gateway.radio.modem.engine import Engine
from tsm_gateway.radio.modem.modem_value import Incoming, ModemEvent, PinAttempt, PinResult, Reopen, Sent
from tsm_gateway.radio.modem.options import ModemOptions

if TYPE_CHECKING:
    from collections.abc import Callable

SMSC = "0791947122160000"  # 7 octets follow the first
TPDU = "040B919471325476F80004625011918340080102030405060708"  # a DELIVER: 8 octets, DCS 04
REPORT = "06050B919471325476F86250119183408062501191834080" + "00"


def pdu(tpdu: str = TPDU) -> str:
    return SMSC + tpdu


def deliver(number: int) -> str:
    """A DELIVER whose last two octets are `number`."""
    return TPDU[:-4] + f"{number:04X}"


def length(tpdu: str) -> int:
    return len(tpdu) // 2


class PaperModem:
    """One modem; a test changes `answers`, `says` and the state as it likes."""

    def __init__(self, *, memories=("SM", "ME"), capacity=20) -> None:
        self.memories: dict[str, dict[int, str]] = {name: {} for name in memories}
        self.capacity = capacity
        self.selected = [memories[0]] * 3
        self.cnmi = [0, 0, 0, 0, 0]
        self.csms = 0
        self.cmgf = 1
        self.echo = True
        self.pin_state = "READY"
        self.pin = "1234"
        self.iccid = "8949000000000000001"
        self.answers: dict[str, str | deque[str]] = {  # the whole answer to a line; "" = silence
            "AT+CGMI": "ACME\r\n\r\nOK",
            "AT+CGMM": "M1\r\n\r\nOK",
            "AT+CGMR": "1.0\r\n\r\nOK",
            "AT+CGSN": "350123451234560\r\n\r\nOK",
            "AT+CFUN?": "+CFUN: 1\r\n\r\nOK",
            "AT+CSMS=?": "+CSMS: (0,1)\r\n\r\nOK",
            "AT+CNMI=?": "+CNMI: (0-3),(0-3),(0,2),(0-2),(0,1)\r\n\r\nOK",
            "AT+CREG?": "+CREG: 1,1\r\n\r\nOK",
            "AT+CEREG?": "ERROR",
            "AT+CSQ": "+CSQ: 20,99\r\n\r\nOK",
            "AT+COPS?": '+COPS: 0,0,"Example",7\r\n\r\nOK',
        }
        self.lines: list[str] = []  # every line seen
        self.escapes = 0
        self.prompted: str | None = None
        self.sent: list[str] = []
        self.on_line: Callable[[str], object] = lambda _line: None
        self.on_body = lambda _body: f"+CMGS: {len(self.sent)}\r\n\r\nOK"
        self.prompt = "\r\n> "
        self._buffer = ""

    def store(self, tpdu: str, memory: str = "SM", index: int | None = None) -> int:
        place = self.memories[memory]
        index = next(i for i in range(1, 1000) if i not in place) if index is None else index
        place[index] = tpdu
        return index

    def write(self, octets: bytes) -> str:
        """What it says to what is written."""
        self._buffer += octets.decode("ascii")
        said = ""
        while self._buffer:
            if self._buffer[0] == "\x1b":
                self._buffer, self.prompted = self._buffer[1:], None
                self.escapes += 1
            elif self.prompted and "\x1a" in self._buffer:
                body, _, self._buffer = self._buffer.partition("\x1a")
                said += self._body(body)
            elif not self.prompted and "\r" in self._buffer:
                line, _, self._buffer = self._buffer.partition("\r")
                said += self._line(line)
            else:
                break
        return said

    def _body(self, body: str) -> str:
        self.prompted = None
        self.sent.append(body)
        answer = self.on_body(body)
        return f"\r\n{answer}\r\n" if answer else ""

    def _line(self, line: str) -> str:
        echo = f"{line}\r" if self.echo else ""
        self.lines.append(line)
        self.on_line(line)
        answer = self.answers.get(line)
        if isinstance(answer, deque):
            answer = answer.popleft() if answer else None
        if answer is None:
            answer = self._serve(line)
        if answer == ">":
            self.prompted = line
            return echo + self.prompt
        return f"{echo}\r\n{answer}\r\n" if answer else echo

    def _serve(self, line: str) -> str:
        for pattern, serve in self._TABLE:
            if match := re.fullmatch(pattern, line):
                return serve(self, *match.groups())
        return "ERROR"

    def _ok(self, *_: str) -> str:
        return "OK"

    def _no_echo(self) -> str:
        self.echo = False
        return "OK"

    def _cpin(self) -> str:
        return f"+CPIN: {self.pin_state}\r\n\r\nOK"

    def _enter(self, pin: str) -> str:
        if self.pin_state != "SIM PIN":
            return "+CME ERROR: 3"
        if pin != self.pin:
            return "+CME ERROR: 16"
        self.pin_state = "READY"
        return "OK"

    def _format(self, value: str) -> str:
        self.cmgf = int(value)
        return "OK"

    def _offer(self) -> str:
        names = ",".join(f'"{name}"' for name in self.memories)
        return f"+CPMS: ({names}),({names}),({names})\r\n\r\nOK"

    def _select(self, names: str) -> str:
        wanted = [name.strip('"') for name in names.split(",")]
        if any(name not in self.memories for name in wanted):
            return "+CMS ERROR: 302"
        self.selected[: len(wanted)] = wanted
        fill = ",".join(f"{len(self.memories[name])},{self.capacity}" for name in self.selected)
        return f"+CPMS: {fill}\r\n\r\nOK"

    def _selected(self) -> str:
        fill = ",".join(f'"{name}",{len(self.memories[name])},{self.capacity}' for name in self.selected)
        return f"+CPMS: {fill}\r\n\r\nOK"

    def _set_cnmi(self, values: str) -> str:
        self.cnmi = [int(value) for value in values.split(",")]
        return "OK"

    def _set_csms(self, value: str) -> str:
        self.csms = int(value)
        return "+CSMS: 1,1,1\r\n\r\nOK"

    def entry(self, name: str, index: int, tpdu: str) -> str:
        place = f"{index},0,,{length(tpdu)}" if name == "CMGL" else f"0,,{length(tpdu)}"
        return f"+{name}: {place}\r\n{pdu(tpdu)}"

    def _list(self) -> str:
        here = self.memories[self.selected[0]]
        return "\r\n".join(
            [*(self.entry("CMGL", index, tpdu) for index, tpdu in sorted(here.items())), "\r\nOK"]
        )

    def _read(self, index: str) -> str:
        tpdu = self.memories[self.selected[0]].get(int(index))
        return "+CMS ERROR: 321" if tpdu is None else self.entry("CMGR", int(index), tpdu) + "\r\n\r\nOK"

    def _delete(self, index: str) -> str:
        self.memories[self.selected[0]].pop(int(index), None)
        return "OK"

    _TABLE = (
        (r"AT", _ok),
        (r"ATE0V1", _no_echo),
        (r"AT\+CMEE=1|AT\+CREG=1|AT\+COPS=3,0|AT\+CNMA|AT\+CFUN=1(?:,1)?", _ok),
        (r"AT\+CCID", lambda self: f"+CCID: {self.iccid}\r\n\r\nOK"),
        (r"AT\+CPIN\?", _cpin),
        (r'AT\+CPIN="(\d+)"', _enter),
        (r"AT\+CMGF=(\d)", _format),
        (r"AT\+CMGF\?", lambda self: f"+CMGF: {self.cmgf}\r\n\r\nOK"),
        (r"AT\+CPMS=\?", _offer),
        (r"AT\+CPMS\?", _selected),
        (r'AT\+CPMS=("[",A-Z]+")', _select),
        (r"AT\+CSMS\?", lambda self: f"+CSMS: {self.csms},1,1,1\r\n\r\nOK"),
        (r"AT\+CSMS=(\d)", _set_csms),
        (r"AT\+CNMI=([\d,]+)", _set_cnmi),
        (r"AT\+CNMI\?", lambda self: f"+CNMI: {','.join(map(str, self.cnmi))}\r\n\r\nOK"),
        (r"AT\+CMGL=4", _list),
        (r"AT\+CMGR=(\d+)", _read),
        (r"AT\+CMGD=(\d+)", _delete),
        (r"AT\+CMGS=\d+", lambda _self: ">"),
    )


class Desk:
    """An engine, a modem, a clock, and a caller who makes durable what comes, unless told otherwise."""

    def __init__(self, modem: PaperModem | None = None, *, chunk: int = 0, **options) -> None:
        self.modem = modem or PaperModem()
        self.engine = Engine(ModemOptions("m1", **options))
        self.now = 100.0
        self.chunk = chunk
        self.keeps = True  # the caller answers at once
        self.pin_noted: set[str] = set()
        self.incoming: list[Incoming] = []
        self.sent: list[Sent] = []
        self.events: list[ModemEvent] = []
        self.reopens: list[Reopen] = []
        self.attempts: list[PinAttempt] = []
        self.others: list[PinResult] = []
        self.writes: list[bytes] = []
        self.before_write = lambda _octets: None
        self.plugged = True
        self.wire: list[bytes] = []  # octets the modem says before it serves the next write

    def open(self) -> Desk:
        self.engine.opened(self.now)
        return self.pump()

    def hear(self, said: str | bytes) -> Desk:
        """The modem says something by itself."""
        octets = said.encode("latin-1") if isinstance(said, str) else said
        for start in range(0, len(octets), self.chunk or len(octets) or 1):
            self.engine.receive(octets[start : start + (self.chunk or len(octets))], self.now)
        return self.pump()

    def urc(self, line: str) -> Desk:
        return self.hear(f"\r\n{line}\r\n")

    def pump(self) -> Desk:
        """Until neither side has anything to say."""
        for _ in range(10_000):
            self._take()
            out = self.engine.take_out()
            if not out:
                return self
            for octets in out:
                self.writes.append(octets)
                self.before_write(octets)
                said = self.modem.write(octets) if self.plugged else ""
                if said:
                    self._feed(said.encode("latin-1"))
        raise AssertionError("they never stop talking")

    def _feed(self, octets: bytes) -> None:
        for start in range(0, len(octets), self.chunk or len(octets)):
            self.engine.receive(octets[start : start + (self.chunk or len(octets))], self.now)

    def _take(self) -> None:
        numbers = []
        for value in self.engine.take_values():
            if isinstance(value, Incoming):
                self.incoming.append(value)
                numbers.append(value.number)
            elif isinstance(value, PinAttempt):
                self.attempts.append(value)
                fresh = value.sim not in self.pin_noted
                self.pin_noted.add(value.sim)
                (self.engine.durable if fresh else self.engine.refused)([value.number], self.now)
            elif isinstance(value, Sent):
                self.sent.append(value)
            elif isinstance(value, ModemEvent):
                self.events.append(value)
            elif isinstance(value, Reopen):
                self.reopens.append(value)
            else:
                self.others.append(value)
                if value.accepted:
                    self.pin_noted.discard(value.sim)
        if numbers and self.keeps:
            self.engine.durable(numbers, self.now)

    def wait(self, seconds: float) -> Desk:
        """Let time pass, tick by tick as the engine asks for."""
        end = self.now + seconds
        for _ in range(100_000):
            wake_at = self.engine.wake_at
            if wake_at is None or wake_at > end:
                self.now = end
                self.engine.tick(end)
                return self.pump()
            self.now = max(self.now, wake_at)
            self.engine.tick(self.now)
            self.pump()
        raise AssertionError("the engine never rests")

    def names(self) -> list[str]:
        return [event.event for event in self.events]

    def event(self, name: str) -> ModemEvent:
        return next(event for event in self.events if event.event == name)

    def tpdus(self) -> list[str]:
        return [each.tpdu.hex().upper() for each in self.incoming]

    def said(self, since: int = 0) -> list[str]:
        return self.modem.lines[since:]


def ready(modem: PaperModem | None = None, **options) -> Desk:
    """A desk whose modem is ready and was swept once."""
    desk = Desk(modem, **options).open().wait(2)
    assert desk.engine.health.state == "ready", (desk.engine.health, desk.modem.lines[-3:])
    return desk
