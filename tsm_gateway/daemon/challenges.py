"""Registration challenges that wait for their proof: in memory, bounded, each good for one proof.

One per device: a new one voids the one before. They do not survive a restart, and need not: the device
asks for another. What time it is, and the 32 random octets, are given.

Each remembers the suspension it was given under, for a proof may be made long before it is sent: one of
before a change of number says nothing of who has the device since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.registry.suspension import Suspension

MOST: Final = 65_536  # waiting at a time: 200 enrolments a second for five minutes, and then the oldest go


class Challenge(NamedTuple):
    """What a device was asked to prove."""

    octets: bytes  # 32, random
    kid: bytes  # 4 octets: the key whose possession is to be proved
    epoch: int
    expires_at: int  # Unix seconds: not good any more from then on
    suspension: Suspension | None  # the one in force when it was issued; good while it is the same


class Challenges:
    """The challenges of all devices."""

    def __init__(self, draw: Callable[[], bytes], *, most: int = MOST) -> None:
        """`draw` gives 32 fresh octets of the operating system's generator."""
        self._draw, self._most = draw, most
        self._waiting: dict[str, Challenge] = {}  # in the order they were issued

    def issue(
        self,
        device_id: str,
        *,
        kid: bytes,
        epoch: int,
        now: int,
        lifetime_s: int,
        suspension: Suspension | None = None,
    ) -> Challenge:
        """A fresh one at Unix second `now`, in place of the device's earlier one."""
        challenge = Challenge(self._draw(), kid, epoch, now + lifetime_s, suspension)
        self._waiting.pop(device_id, None)
        self._waiting[device_id] = challenge
        if len(self._waiting) > self._most:
            del self._waiting[next(iter(self._waiting))]
        return challenge

    def take(self, device_id: str, octets: bytes, now: int) -> Challenge | None:
        """Use up the device's challenge, if `octets` are it and it is still good; None otherwise.

        A proof of another challenge, an old one say, leaves the device's present one as it is.
        """
        challenge = self._waiting.get(device_id)
        if challenge is None or challenge.octets != octets:
            return None
        del self._waiting[device_id]
        return challenge if now < challenge.expires_at else None

    def give_back(self, device_id: str, challenge: Challenge) -> None:
        """Let a challenge wait again whose proof could not be judged or stored, through no fault of its own.

        Void when the device has asked for another meanwhile.
        """
        self._waiting.setdefault(device_id, challenge)

    def expire(self, now: int) -> None:
        """Forget those whose time is over."""
        for device_id, challenge in list(self._waiting.items()):
            if now < challenge.expires_at:
                break  # those behind it were issued later; a reload may have made one shorter, which waits
            del self._waiting[device_id]

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)
