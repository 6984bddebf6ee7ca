"""What the agent of an app SE asks of delivery and what it is answered, whatever carries the question.

A script is a run of commands for the card. The agent passes them on in their order, stops behind the first
that is not answered 9000, and brings back the answers it has so far. Then it is given the next script.
"""

from __future__ import annotations

from typing import NamedTuple

from tsm_gateway.errors import Side, TsmError


class ScriptRequest(NamedTuple):
    """The answers to one script; without a session the wish to be given a first one."""

    session: str  # as the gateway named it; "" = none yet
    number: int  # of the script they answer, 1, 2, …; 0 without a session
    responses: tuple[bytes, ...]  # R-APDUs, in order, each of 2 to 258 octets


class JobProgress(NamedTuple):
    """What is being done on the card."""

    job_id: bytes  # 8 octets
    kind: str  # registry/job.py
    application: str  # "" where the job is about the card itself
    version: str  # "1.2.0"; "" likewise
    blocks_done: int  # of the load file, that the card has
    blocks_total: int


class ScriptAnswer(NamedTuple):
    """The next script, or that there is none."""

    session: str  # "" when nothing is to be done
    number: int
    commands: tuple[bytes, ...]  # short C-APDUs; () when nothing is to be done
    done: bool  # nothing (more) is to be done now
    job: JobProgress | None
    retry_after_s: int | None  # when to come again; None = with the answers


class ApplicationStanding(NamedTuple):
    """One application of the device, as its agent may know it."""

    name: str
    version: str
    state: str  # registry/application.py, InstallState


class DeliveryStatus(NamedTuple):
    """Where the device behind an agent stands."""

    app_se: bytes  # 8..32 octets
    device_id: str | None  # None: no device has registered with this app SE
    device_state: str | None
    applications: tuple[ApplicationStanding, ...]
    jobs_waiting: int
    session: bool  # whether one is under way
    last_failed_job: str | None = None  # id in hex of the newest job that was given up, of those still kept


class DeviceNotRegistered(TsmError):
    """No registered device has this app SE: its crypto SE registers first, on channel 1."""

    code, side, temporary = "device-not-registered", Side.PEER, False


class CardUnknown(TsmError):
    """The gateway has no key set of this app SE: its issuer's manifest was not imported."""

    code, side, temporary = "card-unknown", Side.PEER, False


class SessionOver(TsmError):
    """This session has ended, or was taken over by a newer one: begin anew."""

    code, side, temporary = "session-over", Side.PEER, False


class ScriptOutOfTurn(TsmError):
    """These are no answers to the script whose turn it is, or other answers than before: begin anew."""

    code, side, temporary = "script-out-of-turn", Side.PEER, False


class ResponsesMalformed(TsmError):
    """There are more answers than commands, or one of them is no answer of a card: begin anew."""

    code, side, temporary = "responses-malformed", Side.PEER, False


class TooManySessions(TsmError):
    """The gateway is talking to as many cards as it can: come again as Retry-After says."""

    code, side, temporary = "too-many-sessions", Side.OURS, True
