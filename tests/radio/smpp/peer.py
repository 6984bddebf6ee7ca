"""A scripted message centre of raw streams, and a recorder of what a link tells: shared by the link's tests.

The octets are written by hand here, not by the codec under test.
"""

from __future__ import annotations

import asyncio
import functools
from contextlib import asynccontextmanager
from dataclasses import replace
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple

from tsm_gateway.messages import Arrival, Fate, PartId, Submission, Submitted, Ticket, Verdict
from tsm_gateway.radio.smpp.link_event import LinkEvent, Memory
from tsm_gateway.radio.smpp.options import Endpoint, SmppOptions
from tsm_gateway.radio.smpp.pacing import Throttle
from tsm_gateway.radio.smpp.session import Session
from tsm_gateway.radio.smpp.smpp_link import SmppLink
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Coroutine

DEADLINE_S = 8.0
HEAD = Struct(">IIII")
RESP = 0x80000000

BIND_RX, BIND_TX, SUBMIT, DELIVER, UNBIND, BIND_TRX, ENQUIRE = 1, 2, 4, 5, 6, 9, 0x15
ALERT, DATA = 0x102, 0x103
NACK = RESP

RINVMSGLEN, RINVCMDLEN, RINVCMDID, RINVBNDSTS, RALYBND, RSYSERR = 0x01, 0x02, 0x03, 0x04, 0x05, 0x08
RINVPASWD, RINVSYSID, RMSGQFUL, RTHROTTLED, RX_T_APPN = 0x0E, 0x0F, 0x14, 0x58, 0x64

UDH = bytes.fromhex("06 05 04 40 74 40 74")  # ports 16500 to 16500
PAYLOAD = UDH + bytes(range(133))
RECEIPT_TEXT = (
    b"id:00AB12 sub:001 dlvrd:001 submit date:YYMMDDhhmm done date:250102030405 "
    b"stat:DELIVRD err:000 text:\x00\xff\x06\x05\x04"
)


class Heard(NamedTuple):
    """One PDU as the message centre read it."""

    command_id: int
    status: int
    sequence: int
    body: bytes


def pdu(command_id: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    """One PDU by hand."""
    return HEAD.pack(16 + len(body), command_id, status, sequence) + body


def tlv(tag: int, value: bytes) -> bytes:
    """One optional parameter by hand."""
    return Struct(">HH").pack(tag, len(value)) + value


def deliver_body(
    short_message: bytes = PAYLOAD,
    *,
    source: bytes = b"4915112345678",
    destination: bytes = b"16500",
    esm_class: int = 0x40,
    protocol_id: int = 0,
    data_coding: int = 4,
    tlvs: bytes = b"",
) -> bytes:
    """The body of a deliver_sm by hand, in the order of SMPP 3.4 §4.6.1."""
    return b"".join(
        (
            b"\0",
            b"\x01\x01" + source + b"\0",
            b"\x01\x01" + destination + b"\0",
            bytes((esm_class, protocol_id, 0)),
            b"\0\0",
            bytes((0, 0, data_coding, 0)),
            bytes((len(short_message),)) + short_message,
            tlvs,
        )
    )


def deliver(sequence: int, **fields: Any) -> bytes:
    """A deliver_sm by hand."""
    return pdu(DELIVER, sequence, deliver_body(**fields))


def data_body(payload: bytes = PAYLOAD, esm_class: int = 0x40) -> bytes:
    """The body of a data_sm by hand, in the order of SMPP 3.4 §4.7.1."""
    return b"\0\x01\x0149151\0\x01\x0116500\0" + bytes((esm_class, 0, 4)) + tlv(0x0424, payload)


class Line:
    """One connection at the message centre."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def hear(self) -> Heard:
        """The next PDU, whatever it is."""
        async with asyncio.timeout(DEADLINE_S):
            head = await self.reader.readexactly(16)
            length, command_id, status, sequence = HEAD.unpack(head)
            return Heard(command_id, status, sequence, await self.reader.readexactly(length - 16))

    async def hear_only(self, command_id: int) -> Heard:
        """The next PDU, which has to be this one."""
        heard = await self.hear()
        assert heard.command_id == command_id, f"0x{heard.command_id:08X} instead of 0x{command_id:08X}"
        return heard

    async def bind(self, answer: int | None = None, status: int = 0) -> Heard:
        """Take the bind and answer it."""
        heard = await self.hear()
        assert heard.command_id in {BIND_RX, BIND_TX, BIND_TRX}
        body = b"" if status else b"smsc\0"
        self.say(pdu(answer or heard.command_id | RESP, heard.sequence, body, status))
        return heard

    async def alive(self) -> None:
        """The link answers: it is in step, and what it wrote before has been heard."""
        self.say(pdu(ENQUIRE, 4711))
        assert (await self.hear_only(ENQUIRE | RESP)).sequence == 4711

    async def gone(self) -> None:
        """Wait until the link closed the connection, whatever it still said."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                while await self.reader.read(65_536):
                    pass
            except ConnectionError:
                pass

    def hang_up(self) -> None:
        self.writer.transport.abort()


class Smsc:
    """A message centre on a port of its own."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[Line] = asyncio.Queue()
        self.every: list[Line] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self, context: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for line in self.every:
            line.hang_up()
        self.every.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer)
        self.every.append(line)
        await self.lines.put(line)

    async def line(self) -> Line:
        async with asyncio.timeout(DEADLINE_S):
            return await self.lines.get()

    async def bound_line(self) -> Line:
        line = await self.line()
        await line.bind()
        return line


class Record:
    """What a link told, with a way to wait for more."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.batches: list[int] = []
        self.submitted: list[Submitted] = []
        self.events: list[LinkEvent] = []
        self.rooms: list[int] = []
        self.verdict: Verdict | None = None  # answer everything with it at once
        self._news = asyncio.Event()

    def on_arrivals(self, link: SmppLink, arrivals: list[Arrival]) -> None:
        self.arrivals += arrivals
        self.batches.append(len(arrivals))
        if self.verdict:
            link.answer([(arrival.ticket, self.verdict) for arrival in arrivals])
        self._news.set()

    def on_submitted(self, _link: SmppLink, submitted: list[Submitted]) -> None:
        self.submitted += submitted
        self._news.set()

    def on_room(self, link: SmppLink) -> None:
        self.rooms.append(link.room())
        self._news.set()

    def on_event(self, event: LinkEvent) -> None:
        self.events.append(event)
        self._news.set()

    @property
    def names(self) -> list[str]:
        return [event.event for event in self.events]

    def event(self, name: str) -> LinkEvent:
        return next(event for event in self.events if event.event == name)

    @property
    def tickets(self) -> list[Ticket]:
        return [arrival.ticket for arrival in self.arrivals]

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something told makes `true` so."""
        async with asyncio.timeout(DEADLINE_S):
            while not true():
                self._news.clear()
                await self._news.wait()


class Scene(NamedTuple):
    """A link, what it told, and its message centre."""

    link: SmppLink
    record: Record
    smsc: Smsc
    run: asyncio.Task[None]


def options_for(*ports: int, **changes: Any) -> SmppOptions:
    """Options for message centres on this machine, quick to rebind."""
    base = SmppOptions(
        name="carrier-a",
        hosts=tuple(Endpoint("127.0.0.1", port) for port in ports or (1,)),
        system_id="gateway",
        password=Secret(b"canary77"),
        source="16500",
        rebind_min_s=0.02,
        rebind_max_s=0.1,
    )
    return replace(base, **changes)


def new_link(options: SmppOptions, record: Record) -> SmppLink:
    return SmppLink(
        options,
        on_arrivals=record.on_arrivals,
        on_submitted=record.on_submitted,
        on_room=record.on_room,
        on_event=record.on_event,
    )


@asynccontextmanager
async def scene(
    *, context: ssl.SSLContext | None = None, verdict: Verdict | None = None, **changes: Any
) -> AsyncIterator[Scene]:
    """A running link and its message centre; both are gone afterwards."""
    smsc = Smsc()
    await smsc.start(context)
    record = Record()
    record.verdict = verdict
    link = new_link(options_for(smsc.port, **changes), record)
    run = asyncio.create_task(link.run(), name="link under test")
    try:
        yield Scene(link, record, smsc, run)
    finally:
        run.cancel()
        await asyncio.wait({run}, timeout=DEADLINE_S)
        await smsc.stop()
        assert run.done()


@asynccontextmanager
async def bound_scene(**changes: Any) -> AsyncIterator[tuple[Scene, Line]]:
    """The same, with the bind done."""
    async with scene(**changes) as stage:
        line = await stage.smsc.bound_line()
        await stage.record.until(lambda: "link.bound" in stage.record.names)
        yield stage, line


def part(number: int = 1, user_data: bytes = PAYLOAD, destination: str = "+4930123456") -> Submission:
    return Submission(PartId(bytes(16), number), destination, user_data, receipt=True, validity_s=604_800)


def story(tell: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test that is a coroutine, with a deadline."""

    @functools.wraps(tell)
    def run(*args: Any, **kwargs: Any) -> None:
        async def timed() -> None:
            async with asyncio.timeout(30):
                await tell(*args, **kwargs)

        asyncio.run(timed())

    return run


class Desk:
    """A session without a socket: octets and the time by hand."""

    def __init__(self, *, bind: bool = True, **changes: Any) -> None:
        self.memory = Memory(Throttle(changes.get("throttle_max_s", 30.0)))
        options = options_for(**changes)
        self.session = Session(options, options.hosts[0], 1, self.memory, 0.0)
        self.session.begin(0.0)
        if bind:
            (request,) = self.said()
            self.hear(pdu(request.command_id | RESP, request.sequence, b"smsc\0"))

    def hear(self, octets: bytes, now: float = 0.0) -> None:
        self.session.receive(octets, now)

    def said(self) -> list[Heard]:
        """What the session wanted to write since the last call."""
        octets, heard = b"".join(self.session.out), []
        self.session.out.clear()
        while octets:
            length, command_id, status, sequence = HEAD.unpack_from(octets)
            heard.append(Heard(command_id, status, sequence, octets[16:length]))
            octets = octets[length:]
        return heard

    def send(self, *parts: Submission, now: float = 0.0) -> list[int]:
        """Submit parts; the sequence numbers they left under."""
        self.session.submit(parts or [part()], now)
        return [heard.sequence for heard in self.said() if heard.command_id == SUBMIT]

    @property
    def fates(self) -> list[Fate]:
        return [submitted.fate for submitted in self.session.submitted]

    @property
    def events(self) -> list[str]:
        return [event.event for event in self.session.notes.events]
