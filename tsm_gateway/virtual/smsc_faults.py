"""What the virtual SMSC does wrong, on purpose and by a script.

Every fault is a number. A count n means: at every n-th submit_sm the SMSC gets, counted over all binds, so
that a rebind does not start the count anew. 0 is never.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

from tsm_gateway.virtual.errors import FaultSpecInvalid
from tsm_gateway.virtual.smpp_octets import Status


@dataclass(frozen=True, slots=True)
class Faults:
    """A script of faults; the default is an honest SMSC."""

    throttle: int = 0  # n: refuse with RTHROTTLED
    queue_full: int = 0  # n: refuse with RMSGQFUL
    system_error: int = 0  # n: refuse with RSYSERR
    reject: int = 0  # n: refuse with RINVDSTADR, which no retry mends
    vendor: int = 0  # n: refuse with `vendor_status`
    vendor_status: int = Status.VENDOR
    lose_request: int = 0  # n: neither taken nor answered
    lose_response: int = 0  # n: taken, never answered
    drop: int = 0  # n: taken, and the connection breaks instead of an answer
    unbind: int = 0  # n: answered, then the SMSC unbinds
    enquire: int = 0  # n: an enquire_link in the middle of the load
    slow_ms: int = 0  # every answer comes this much later
    dribble: int = 0  # octets written at a time; 0 = as they come
    refuse_binds: int = 0  # this many binds are refused with RALYBND first
    random_sequence: int = 0  # 1: sequence numbers start anywhere
    double: int = 0  # n, of deliver_sm: sent twice
    wrong_nack: int = 0  # n: lost, and a generic_nack with another sequence number comes instead


NO_FAULTS = Faults()

_REFUSALS = {
    "reject": Status.RINVDSTADR,
    "throttle": Status.RTHROTTLED,
    "queue_full": Status.RMSGQFUL,
    "system_error": Status.RSYSERR,
}


class Judgement(NamedTuple):
    """What happens to one submit_sm."""

    status: int = Status.ROK
    taken: bool = True
    answered: bool = True
    drop: bool = False
    unbind: bool = False
    enquire: bool = False
    wrong_nack: bool = False


HONEST = Judgement()


def judge(faults: Faults, count: int) -> Judgement:
    """What happens to the `count`-th submit_sm, counted from 1."""
    if faults is NO_FAULTS:
        return HONEST

    def due(every: int) -> bool:
        return every > 0 and count % every == 0

    if due(faults.drop):
        return Judgement(answered=False, drop=True)
    if due(faults.lose_request) or due(faults.wrong_nack):
        return Judgement(taken=False, answered=False, wrong_nack=due(faults.wrong_nack))
    if due(faults.vendor):
        return Judgement(status=faults.vendor_status, taken=False)
    for fault, status in _REFUSALS.items():
        if due(getattr(faults, fault)):
            return Judgement(status=status, taken=False)
    return Judgement(
        answered=not due(faults.lose_response),
        unbind=due(faults.unbind),
        enquire=due(faults.enquire),
    )


def read_faults(spec: str) -> Faults:
    """Faults written as "throttle=5,drop=100". Raises FaultSpecInvalid."""
    known = {field.name for field in fields(Faults)}
    counts: dict[str, int] = {}
    for item in filter(None, (item.strip() for item in spec.split(","))):
        name, _, count = item.partition("=")
        if name not in known:
            raise FaultSpecInvalid(what=f"no fault of the name {name!r}; known: {', '.join(sorted(known))}")
        try:
            counts[name] = int(count, 0)
        except ValueError:
            raise FaultSpecInvalid(what=f"{name} needs a number") from None
        if counts[name] < 0:
            raise FaultSpecInvalid(what=f"{name} is negative")
    return Faults(**counts)
