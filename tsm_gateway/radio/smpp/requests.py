"""What each request of the peer leads to, as a table over its command_id.

| request | answer |
|---|---|
| deliver_sm, data_sm | the relay's verdict, later; at once when nothing may be taken |
| enquire_link | at once, in every state |
| unbind | at once, then the connection ends |
| alert_notification | none (SMPP 3.4 §4.12); it is no message |
| outbind | generic_nack: we bind by ourselves and listen for nobody |
| any other known one | its own response with RINVCMDID: only a message centre serves it |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsm_gateway.messages import Ticket, Verdict
from tsm_gateway.radio.smpp import codec, commands, fast
from tsm_gateway.radio.smpp.bind_life import BindEvent
from tsm_gateway.radio.smpp.inbound import to_arrival
from tsm_gateway.radio.smpp.pdu import DataSmResp, UnbindResp
from tsm_gateway.radio.smpp.status import VERDICT_STATUS, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsm_gateway.radio.smpp.pdu import AlertNotification, DataSm, DeliverSm, EnquireLink, Outbind, Pdu
    from tsm_gateway.radio.smpp.session import Session

    # Any: each row takes the PDU class of its own command_id, which a mapping cannot say
    Serve = Callable[[Session, Any], None]

BUSY = VERDICT_STATUS[Verdict.BUSY]


def respond(session: Session, command_id: int, sequence: int, status: int) -> None:
    """Answer a deliver_sm or data_sm."""
    if command_id == commands.DELIVER_SM:
        session.out.append(fast.deliver_sm_resp(sequence, status))
    else:
        session.out.append(codec.encode(DataSmResp(sequence, status)))


def refuse(session: Session, command_id: int, sequence: int, status: int) -> None:
    """Answer a request with its own response and an error, and note it."""
    session.out.append(fast.error_response(command_id, sequence, status))
    session.notes.refused(command_id, status, session.now)


def nack(session: Session, command_id: int, sequence: int, status: int) -> None:
    """Answer what has no response of its own, and note it."""
    session.out.append(fast.generic_nack(sequence, status))
    session.notes.refused(command_id, status, session.now)


def overdue(session: Session, now: float) -> None:
    """Answer "temporary" for the relay where it is late: a peer does not wait for long."""
    late = session.intake.late(now)
    for sequence, command_id in late:
        respond(session, command_id, sequence, BUSY)
    session.notes.counters.answers_overdue += len(late)
    session.notes.tell_some("answer.overdue", now, len(late))


def message(session: Session, pdu: DeliverSm | DataSm) -> None:
    """Hand a message over. Raises BodyMalformed, which is answered like one from the codec."""
    command_id, sequence = pdu.command_id, pdu.sequence
    if not session.move(BindEvent.GOT_MESSAGE):
        refuse(session, command_id, sequence, Status.RINVBNDSTS)
        return
    ticket = Ticket(session.options.name, session.number, sequence, command_id)
    arrival = to_arrival(pdu, ticket, session.options.receipt_id_base)
    refusal = session.intake.refusal(session.now)
    if refusal:
        session.notes.counters.messages_refused += 1
        respond(session, command_id, sequence, VERDICT_STATUS[refusal])
    elif session.intake.take(sequence, command_id, session.now):
        session.notes.counters.messages += 1
        session.timers.active_at = session.now
        session.arrivals.append(arrival)
    else:
        _twin(session, command_id, sequence)


def _twin(session: Session, command_id: int, sequence: int) -> None:
    """Two messages under one number: the peer keeps both and sends them again."""
    first = session.intake.forestall(sequence)
    session.notes.counters.messages_refused += 2
    respond(session, first, sequence, BUSY)
    respond(session, command_id, sequence, BUSY)


def enquiry(session: Session, pdu: EnquireLink) -> None:
    """Say that we are there."""
    session.out.append(fast.enquire_link_resp(pdu.sequence))


def unbind(session: Session, pdu: Pdu) -> None:
    """The peer says goodbye."""
    session.out.append(codec.encode(UnbindResp(pdu.sequence)))
    session.move(BindEvent.GOT_UNBIND)
    session.end("peer_unbound", session.now)


def alert(session: Session, _pdu: AlertNotification) -> None:
    """A subscriber can be reached again: nobody here waits for that."""
    session.notes.counters.alerts += 1


def outbind(session: Session, pdu: Outbind) -> None:
    """The peer asks to be bound to, on a connection we made to bind."""
    nack(session, pdu.command_id, pdu.sequence, Status.RINVCMDID)


def unserved(session: Session, pdu: Pdu) -> None:
    """A request that only a message centre serves."""
    refuse(session, pdu.command_id, pdu.sequence, Status.RINVCMDID)


SERVED: Mapping[int, Serve] = {
    commands.DELIVER_SM: message,
    commands.DATA_SM: message,
    commands.ENQUIRE_LINK: enquiry,
    commands.UNBIND: unbind,
    commands.ALERT_NOTIFICATION: alert,
    commands.OUTBIND: outbind,
}
