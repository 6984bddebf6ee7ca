"""Provisioning dies at a chosen call or step of an enrolment; the next life completes it, with the same key.

| where it dies | counted from |
|---|---|
| at the n-th write or sync of an enrolment's commits | strace at the process, attached ahead of the phone |
| at the n-th write or sync of its start | the same, attached to a process that is held |
| between two requests | the phone's own steps |

Whoever was cut off completes in the life after, ahead of that one's own end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from tests.faults.premises import Premises, Unexpected
from tests.faults.tracer import DURABLE, traced
from tsm_gateway.registry.device import DeviceState, KeyState
from tsm_gateway.virtual.errors import ChannelBroken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.premises import Life, Phone
    from tests.faults.zygote import Zygote
    from tsm_gateway.registry.standing import Standing

KILLED = -9
STEPS = ("enrolled", "keyed", "proved", "registered")  # what a phone tells about


class Kills:
    """A gateway whose provisioning dies again and again; use as `with`."""

    def __init__(self, folder: Path, zygote: Zygote) -> None:
        self.folder, self.premises = folder, Premises(folder, zygote)
        self.phones: list[Phone] = []
        self.problems: list[str] = []
        self.deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.premises.__exit__()

    def at_call(self, number: int) -> bool:
        """Die at a call of an enrolment; False when an enrolment has no `number` calls."""
        life = self._next_life()
        phone = self._phone()
        with traced(life, self.folder / "trace", f"{DURABLE}:signal=SIGKILL:when={number}"):
            return not self._cut_off(life, phone, lambda _step: None)

    def at_step(self, step: str) -> None:
        """Die when the phone has come to one of STEPS."""
        life = self._next_life()

        def tell(told: str) -> None:
            if told == step:
                life.kill()

        if self._cut_off(life, self._phone(), tell) and step != "registered":
            raise Unexpected(f"it was not cut off at {step}")

    def at_start(self, number: int) -> bool:
        """Die at a call of a start; False when a start has no `number` calls."""
        life = self.premises.start(held=True)
        with traced(life, self.folder / "trace", f"{DURABLE}:signal=SIGKILL:when={number}"):
            try:
                life.ready()
            except Unexpected:
                self._died(life)
                return True
            life.kill()
            return False

    def at_end(self, number: int) -> bool:
        """Die at a call of an orderly end; False when it has no `number` calls."""
        life = self._next_life()
        with traced(life, self.folder / "trace", f"{DURABLE}:signal=SIGKILL:when={number}"):
            if life.stop() == 0:
                return False
            self._died(life)
            return True

    def verdict(self) -> list[str]:
        """Let everybody complete, and judge."""
        life = self._next_life()
        if life.stop() != 0:
            self.problems.append(f"it did not end in order: {life.tail()}")
        return self.problems + self.premises.problems(self.phones)

    def _phone(self) -> Phone:
        self.phones.append(self.premises.phone())
        return self.phones[-1]

    def _next_life(self) -> Life:
        """Start; who was cut off completes, and if nobody was then somebody new: the writer has begun."""
        life = self.premises.start().ready()
        for phone in [each for each in self.phones if not each.state] or [self._phone()]:
            phone.enrol()
        return life

    def _cut_off(self, life: Life, phone: Phone, tell: Callable[[str], None]) -> bool:
        """Whether the phone was registered all the same; what a death left behind is looked at."""
        try:
            phone.enrol(hurried=True, tell=tell)
        except ChannelBroken:
            self._died(life)
            with self.premises.opened() as store:
                self.problems += half_done(store.provisioning.standing(phone.record.device_id))
            return False
        life.kill()
        return True

    def _died(self, life: Life) -> None:
        if life.ended() != KILLED:
            self.problems.append(f"it ended by itself: {life.tail()}")
        self.deaths += 1


def half_done(standing: Standing | None) -> list[str]:
    """Nothing, or what is wrong with a device cut off: it is keyed, registered, or neither."""
    if standing is None:
        return []
    device, keys = standing.device, [(key.epoch, key.state) for key in standing.keys]
    parts = bool(standing.enrolment), len(standing.packages), bool(standing.registration)
    whole = {
        DeviceState.KEYED: ([(1, KeyState.PENDING)], (True, 1, False)),
        DeviceState.REGISTERED: ([(1, KeyState.CURRENT)], (True, 1, True)),
    }
    if whole.get(device.state) == (keys, parts):
        return []
    return [f"half done: {device.device_id} is {device.state.value} with {keys} and {parts}"]
