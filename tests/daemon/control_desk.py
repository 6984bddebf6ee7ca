"""Key packages for devices of a rig, queued as provisioning does, and what became of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.relay.rig import NOW, BookBearer, Rig, wrapped
from tsm_gateway.envelope.replay import initial_window
from tsm_gateway.keys.wrap import DEVICE_KEYS
from tsm_gateway.messages import Fate, Submission, Submitted
from tsm_gateway.registry.control import ControlMessage, ControlState
from tsm_gateway.registry.device import Device, DeviceState, KeyState
from tsm_gateway.registry.enrolment import Enrolment
from tsm_gateway.registry.key_package import Delivery, StoredPackage
from tsm_gateway.secret import Secret
from tsm_gateway.virtual.identity import new_identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.store.sqlite_store import SqliteStore

FIRST_PIV, KEM = 5000, 0x10
PACKAGE_OCTETS = 240  # two parts
MSISDN = "+491701234599"


class SlowBearer(BookBearer):
    """Answers only when it is told to, one part at a time."""

    def __init__(self, name: str = "air", window: int = 50) -> None:
        super().__init__(name)
        self.window, self._answered = window, 0

    def submit(self, parts: Sequence[Submission]) -> None:
        assert len(parts) <= self.room()
        self._busy += len(parts)
        self.sent.extend(parts)

    @property
    def unanswered(self) -> list[Submission]:
        """What it was given and has not answered for."""
        return self.sent[self._answered :]

    def reply(self, fate: Fate = Fate.ACCEPTED) -> None:
        """Answer for the oldest part."""
        part = self.sent[self._answered]
        self._answered += 1
        self._busy -= 1
        self.script.append(fate)
        self.on_submitted(self.name, [self._result(part)])

    @classmethod
    def on(cls, rig: Rig, name: str = "slow", window: int = 50) -> SlowBearer:
        """The only link of a rig that is up."""
        made = cls(name, window)
        add_link(rig, made)
        rig.parts.senders.link_down("air")
        rig.parts.senders.link_up(name)
        return made


def add_link(rig: Rig, link: BookBearer) -> BookBearer:
    """Another link, not up yet."""
    link.on_submitted = rig.parts.senders.submitted
    rig.parts.intake.attach(link)
    rig.parts.senders.attach(link)
    return link


def stage_package(store: SqliteStore, *, octets: int = PACKAGE_OCTETS, due_at: int = NOW) -> ControlMessage:
    """Put a device, its first key and the package with it into the open transaction."""
    identity, kid, package = new_identity(NOW), os.urandom(4), os.urandom(octets)
    owner = identity.device_id
    device = Device(owner, DeviceState.ENROLLED, identity.certificate, MSISDN, NOW, NOW, "")
    store.provisioning.enrol(device, Enrolment(owner, "maker", b"", b"", NOW))
    key = wrapped(DEVICE_KEYS, kid, owner, Secret(os.urandom(32)), KeyState.PENDING)
    known = StoredPackage(
        kid, owner, key.epoch, FIRST_PIV, KEM, os.urandom(32), package, Delivery.SMS, NOW, confirmed_at=0
    )
    control = ControlMessage(
        os.urandom(16), owner, kid, MSISDN, package, ControlState.QUEUED, 0, due_at, NOW, NOW, ""
    )
    store.provisioning.deliver(key, initial_window(FIRST_PIV), known, control, at=NOW)
    return control


async def queue_package(rig: Rig, *, octets: int = PACKAGE_OCTETS, due_at: int = NOW) -> ControlMessage:
    """A package on its way to a device of its own."""
    return await rig.parts.committer.commit(lambda _: stage_package(rig.store, octets=octets, due_at=due_at))


def stored(rig: Rig, control: ControlMessage) -> ControlMessage:
    """The package as the store has it now."""
    (found,) = rig.store.provisioning.controls(control.device_id)
    return found


def parts_of_control(sent: Sequence[Submission], control: ControlMessage) -> list[Submission]:
    """What a bearer was given of one package, in order."""
    return [part for part in sent if part.part.message_id == control.message_id]


def joined(parts: Sequence[Submission]) -> bytes:
    """The octets behind the headers."""
    return b"".join(part.user_data[part.user_data[0] + 1 :] for part in parts)


def lost(part: Submission, fate: Fate = Fate.ACCEPTED) -> Submitted:
    """An answer that comes behind the loss of its link."""
    return Submitted(part.part, fate, 0, ())
