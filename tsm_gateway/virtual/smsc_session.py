"""One connection to the virtual SMSC: framing, bind state, sequence numbers, the window of deliver_sm.

| state | what the ESME may send | what it gets |
|---|---|---|
| open | a bind | its answer |
| bound | submit_sm (transmitter, transceiver), enquire_link, unbind | deliver_sm (receiver, transceiver) |
| leaving | answers | nothing new: one side asked to unbind |

What a submit_sm means and where deliver_sm come from is the office's business.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from tsm_gateway.virtual.errors import FormatMalformed
from tsm_gateway.virtual.smpp_octets import (
    MAX_SEQUENCE,
    RESPONSE,
    Command,
    Pdu,
    Status,
    Tlv,
    c_octets,
    frames,
    pdu,
    read_bind,
    read_submit,
    tlv,
)
from tsm_gateway.virtual.smsc_writer import Writer

if TYPE_CHECKING:
    from tsm_gateway.virtual.smpp_octets import Bind, SubmitSm
    from tsm_gateway.virtual.smsc_backlog import Delivery
    from tsm_gateway.virtual.smsc_faults import Faults

_BINDS = {
    Command.BIND_RECEIVER: (True, False),  # may receive, may send
    Command.BIND_TRANSMITTER: (False, True),
    Command.BIND_TRANSCEIVER: (True, True),
}
_SYSTEM_ID = c_octets("VIRTUAL")
_VERSION = tlv(Tlv.SC_INTERFACE_VERSION, b"\x34")


class Office(Protocol):
    """What a session asks of the SMSC."""

    def opened(self, session: SmscSession) -> None:
        """A connection came."""

    def admitted(self, bind: Bind) -> Status:
        """Whether `bind` may stand."""

    def submitted(self, session: SmscSession, sequence: int, submit: SubmitSm) -> None:
        """A submit_sm came; the office answers it."""

    def answered(self, session: SmscSession, delivery: Delivery, status: int) -> None:
        """The ESME answered a deliver_sm."""

    def strayed(self) -> None:
        """A response came that nobody waits for."""

    def malformed(self) -> None:
        """A PDU came that cannot be read."""

    def read(self) -> None:
        """One read's PDUs were all worked off: time to send."""

    def closed(self, session: SmscSession, unanswered: list[Delivery]) -> None:
        """The connection is gone, and `unanswered` never got an answer."""


class SmscSession(asyncio.Protocol):
    """One ESME's connection."""

    def __init__(self, office: Office, faults: Faults, window: int, sequence: int) -> None:
        """`window`: deliver_sm unanswered at a time; `sequence`: the first sequence number."""
        self.account = ""
        self.bound = False
        self.may_receive = False
        self.may_send = False
        self.leaving = False
        self.enquiries = 0  # sent and unanswered
        self._office = office
        self._faults = faults
        self._window = window
        self._sequence = sequence
        self._buffer = bytearray()
        self._pending: dict[int, tuple[Delivery, float]] = {}  # by sequence: what, and since when
        self._writer: Writer | None = None
        self._writable = True

    # the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_server gives; tells mypy so
        self._writer = Writer(transport, self._faults.dribble)
        self._office.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Give back what was never answered."""
        self.bound = self.may_receive = self.may_send = False
        self._writer = None
        unanswered = [delivery for delivery, _ in self._pending.values()]
        self._pending.clear()
        self._office.closed(self, unanswered)

    def pause_writing(self) -> None:
        """The ESME reads slowly: send no more deliver_sm for now."""
        self._writable = False

    def resume_writing(self) -> None:
        """It caught up."""
        self._writable = True
        self._office.read()

    def data_received(self, data: bytes) -> None:
        """Work off every whole PDU."""
        self._buffer += data
        try:
            for received in frames(self._buffer):
                if self._writer is None:
                    return  # dropped by a PDU before this one
                self._take(received)
        except FormatMalformed:
            self._office.malformed()
            self.send(Command.GENERIC_NACK, Status.RINVCMDLEN, 0)
            self.close()
        self._office.read()
        self.flush()

    def drop(self) -> None:
        """Break the connection without a word."""
        if self._writer is not None:
            self._writer.abort()
            self._writer = None

    def close(self) -> None:
        """Close the connection once everything is written."""
        self.leaving = True
        if self._writer is not None:
            self._writer.close()

    # sending

    @property
    def room(self) -> bool:
        """Whether one more deliver_sm may be sent now."""
        return self.may_receive and self._writable and not self.leaving and len(self._pending) < self._window

    def send(self, command: int, status: int, sequence: int, body: bytes = b"") -> None:
        """Put one PDU into the next write."""
        if self._writer is not None:
            self._writer.add(pdu(command, status, sequence, body))

    def flush(self) -> None:
        """Write what was put together."""
        if self._writer is not None:
            self._writer.flush()

    def deliver(self, delivery: Delivery) -> None:
        """Send a deliver_sm, even past the window: the caller looks at `room`."""
        sequence = self._next()
        self._pending[sequence] = delivery, asyncio.get_running_loop().time()
        self.send(Command.DELIVER_SM, 0, sequence, delivery.body)

    def enquire(self) -> None:
        """Ask whether the ESME is there."""
        self.enquiries += 1
        self.send(Command.ENQUIRE_LINK, 0, self._next())

    def unbind(self) -> None:
        """Ask the ESME to part."""
        if not self.leaving:
            self.leaving = True
            self.send(Command.UNBIND, 0, self._next())

    def overdue(self, before: float) -> list[Delivery]:
        """Take out what was sent before `before` (loop time) and is still unanswered."""
        late: list[int] = []
        for sequence, (_, sent_at) in self._pending.items():  # in the order of sending
            if sent_at >= before:
                break
            late.append(sequence)
        return [self._pending.pop(sequence)[0] for sequence in late]

    def _next(self) -> int:
        sequence = self._sequence
        self._sequence = sequence % MAX_SEQUENCE + 1
        return sequence

    # receiving

    def _take(self, received: Pdu) -> None:
        """Work off one PDU."""
        command = received.command
        if command == Command.SUBMIT_SM and self.may_send:
            self._submit(received)
        elif command & RESPONSE:
            self._response(received)
        elif command in _BINDS:
            self._bind(received)
        elif command in {Command.ENQUIRE_LINK, Command.UNBIND}:
            self.send(command | RESPONSE, 0, received.sequence)
            if command == Command.UNBIND:
                self.close()
        elif command == Command.SUBMIT_SM:
            self.send(command | RESPONSE, Status.RINVBNDSTS, received.sequence)
        else:
            self.send(Command.GENERIC_NACK, Status.RINVCMDID, received.sequence)

    def _submit(self, received: Pdu) -> None:
        try:
            submit = read_submit(received.body)
        except FormatMalformed:
            self._office.malformed()
            self.send(Command.SUBMIT_SM | RESPONSE, Status.RINVMSGLEN, received.sequence)
        else:
            self._office.submitted(self, received.sequence, submit)

    def _response(self, received: Pdu) -> None:
        command, sequence = received.command, received.sequence
        if command == Command.DELIVER_SM | RESPONSE and sequence in self._pending:
            delivery, _ = self._pending.pop(sequence)
            self._office.answered(self, delivery, received.status)
        elif command == Command.ENQUIRE_LINK | RESPONSE and self.enquiries:
            self.enquiries -= 1
        elif command == Command.UNBIND | RESPONSE and self.leaving:
            self.close()
        else:
            self._office.strayed()

    def _bind(self, received: Pdu) -> None:
        answer = received.command | RESPONSE
        try:
            bind = read_bind(received.body)
        except FormatMalformed:
            self._office.malformed()
            self.send(answer, Status.RBINDFAIL, received.sequence)
            return
        status = Status.RALYBND if self.bound else self._office.admitted(bind)
        if status != Status.ROK:
            self.send(answer, status, received.sequence)
            return
        self.send(answer, status, received.sequence, _SYSTEM_ID + _VERSION)
        self.account = bind.system_id
        self.may_receive, self.may_send = _BINDS[Command(received.command)]
        self.bound = True
