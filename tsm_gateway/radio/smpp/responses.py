"""What each response of the peer leads to, as a table over its command_id.

A response counts only when a request of ours of that kind waits under its sequence number; otherwise the
function returns False and the response is ignored and counted. generic_nack answers any kind, provided
its number is one of ours: some peers invent it, and then the request waits on for its deadline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.radio.smpp import commands
from tsm_gateway.radio.smpp.bind_life import BindEvent, BindState
from tsm_gateway.radio.smpp.rebind import Ending
from tsm_gateway.radio.smpp.status import BindAdvice, Status, after_bind
from tsm_gateway.radio.smpp.window import Control

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsm_gateway.radio.smpp.session import Session

    # (session, sequence, status, message_id) -> whether it answered anything
    Answer = Callable[[Session, int, int, str], bool]

REFUSALS: Mapping[BindAdvice, Ending] = {
    BindAdvice.BACK_OFF: Ending.REFUSED,
    BindAdvice.ALARM: Ending.DENIED,
}


def bound(session: Session, sequence: int, status: int, _message_id: str) -> bool:
    """Any of the three bind responses, under our bind's number: some peers take the wrong one."""
    if not _settles(session, sequence, Control.BIND):
        return False
    session.timers.binding_at = None
    if session.state is not BindState.BINDING:  # we said goodbye meanwhile
        return True
    if status:
        _bind_refused(session, status)
        return True
    session.move(BindEvent.GOT_BIND_OK)
    session.timers.bound = True
    session.bound_at = session.timers.active_at = session.now
    session.notes.counters.binds += 1
    session.notes.tell("link.bound")
    return True


def _bind_refused(session: Session, status: int) -> None:
    ending = REFUSALS[after_bind(status)]
    session.move(BindEvent.GOT_BIND_REFUSED)
    session.notes.counters.binds_refused += 1
    tell = session.notes.alarm if ending is Ending.DENIED else session.notes.tell
    tell("link.bind_refused", status=status)
    session.end("bind_refused", session.now, ending)


def submitted(session: Session, sequence: int, status: int, message_id: str) -> bool:
    """The fate of a part."""
    answered = session.submitter.answered(sequence, status, message_id, session.now)
    if answered is None:
        return False
    session.submitted.append(answered.submitted)
    if answered.pause_s:
        session.notes.tell("link.throttled", status=status, pause_s=answered.pause_s)
    if status == Status.RINVBNDSTS:  # alive, and yet it forgot who we are: only a new bind helps
        session.end("bind_forgotten", session.now)
    return True


def alive(session: Session, sequence: int, _status: int, _message_id: str) -> bool:
    """The peer is there."""
    if not _settles(session, sequence, Control.PROBE):
        return False
    session.timers.probed_at = None
    return True


def unbound(session: Session, sequence: int, _status: int, _message_id: str) -> bool:
    """The end we asked for."""
    if not _settles(session, sequence, Control.UNBIND):
        return False
    session.move(BindEvent.GOT_UNBIND_ANSWER)
    session.end("unbound", session.now)
    return True


def nacked(session: Session, sequence: int, status: int, _message_id: str) -> bool:
    """A refusal of whatever waits under this number."""
    session.notes.counters.nacks += 1
    control = session.submitter.window.asked(sequence)
    serve = NACKED[control] if control else submitted
    return serve(session, sequence, status or Status.RUNKNOWNERR, "")  # a refusal cannot say "no error"


def _settles(session: Session, sequence: int, control: Control) -> bool:
    if session.submitter.window.asked(sequence) is not control:
        return False
    session.submitter.window.settle(sequence)
    return True


NACKED: Mapping[Control, Answer] = {Control.BIND: bound, Control.PROBE: alive, Control.UNBIND: unbound}
ANSWERED: Mapping[int, Answer] = {
    **dict.fromkeys(commands.BIND_RESPONSES, bound),
    commands.SUBMIT_SM_RESP: submitted,
    commands.ENQUIRE_LINK_RESP: alive,
    commands.UNBIND_RESP: unbound,
    commands.GENERIC_NACK: nacked,
}
