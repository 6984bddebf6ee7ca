"""What the relay keeps of a device, and what it asks anew each time."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.relay.rig import MASTERS, NOW, PORT, wrapped
from tsm_gateway.envelope.replay import initial_window
from tsm_gateway.keys.wrap import DEVICE_KEYS
from tsm_gateway.registry.device import Device, DeviceEntry, DeviceState, KeyState
from tsm_gateway.relay import directory as directory_module
from tsm_gateway.relay.directory import Directory
from tsm_gateway.secret import Secret
from tsm_gateway.virtual.identity import new_identity

KID = b"\x01\x02\x03\x04"


class OneDevice:
    """A registry of one device; counts how often it was asked."""

    def __init__(self, state: DeviceState, key: KeyState = KeyState.CURRENT) -> None:
        identity = new_identity(NOW)
        device = Device(identity.device_id, state, identity.certificate, "", NOW, NOW, "")
        self.secret = Secret(os.urandom(32))
        row = wrapped(DEVICE_KEYS, KID, identity.device_id, self.secret, key)
        self.entry: DeviceEntry | None = DeviceEntry(device, row, initial_window(1))
        self.asked = 0

    def device_for(self, kid: bytes) -> DeviceEntry | None:
        self.asked += 1
        return self.entry if kid == KID else None

    def change(self, **changes: Any) -> None:
        assert self.entry
        self.entry = self.entry._replace(device=self.entry.device._replace(**changes))

    def change_key(self, **changes: Any) -> None:
        assert self.entry
        self.entry = self.entry._replace(key=self.entry.key._replace(**changes))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The kids for which a cipher was made, in order."""
    kids: list[bytes] = []
    make = directory_module.__dict__["traffic_key"]

    def noted(ikm: object, kid: bytes, *rest: object) -> object:
        kids.append(kid)
        return make(ikm, kid, *rest)

    monkeypatch.setattr(directory_module, "traffic_key", noted)
    return kids


def directory(registry: OneDevice) -> Directory:
    return Directory(registry, MASTERS, port=PORT)  # type: ignore[arg-type]


def test_an_active_device_is_looked_up_once(made):
    registry = OneDevice(DeviceState.ACTIVE)
    known = directory(registry)
    assert known.device(KID) is known.device(KID)
    assert (registry.asked, made) == (1, [KID])


@pytest.mark.parametrize(
    ("state", "key"),
    [
        *((state, KeyState.CURRENT) for state in DeviceState if state is not DeviceState.ACTIVE),
        (DeviceState.ACTIVE, KeyState.RETIRED),
        (DeviceState.ACTIVE, KeyState.STALE),
    ],
)
def test_a_flood_from_any_other_costs_one_look_a_batch_and_one_cipher_in_all(state, key, made):
    registry = OneDevice(state, key)
    known = directory(registry)
    for number in range(20):
        if number % 5 == 0:
            known.begin_batch()
        found = known.device(KID)
        assert found is not None
        assert not found.admission.full
    assert (registry.asked, made) == (4, [KID])


def test_a_device_is_seen_as_it_stands_now_until_it_is_active():
    registry = OneDevice(DeviceState.KEYED, KeyState.PENDING)
    known = directory(registry)
    seen = []
    for state in (DeviceState.KEYED, DeviceState.REGISTERED, DeviceState.SUSPENDED, DeviceState.ACTIVE):
        registry.change(state=state)
        known.begin_batch()
        seen.append(known.device(KID).device.state)  # type: ignore[union-attr]
    assert seen == [DeviceState.KEYED, DeviceState.REGISTERED, DeviceState.SUSPENDED, DeviceState.ACTIVE]
    known.begin_batch()
    registry.change(state=DeviceState.SUSPENDED)  # of which the registry's version would tell
    assert known.device(KID).device.state is DeviceState.ACTIVE  # type: ignore[union-attr]
    known.forget()
    assert known.device(KID).device.state is DeviceState.SUSPENDED  # type: ignore[union-attr]


def test_a_new_certificate_of_a_device_that_is_not_active_is_used_at_once(made):
    registry = OneDevice(DeviceState.KEYED)
    known = directory(registry)
    first = known.device(KID)
    registry.change(certificate=new_identity(NOW).certificate)
    known.begin_batch()
    second = known.device(KID)
    assert first is not None
    assert second is not None
    assert first.public_key != second.public_key
    assert made == [KID, KID]


def test_a_key_wrapped_anew_is_opened_anew(made):
    registry = OneDevice(DeviceState.KEYED)
    known = directory(registry)
    known.device(KID)
    assert registry.entry
    again = wrapped(DEVICE_KEYS, KID, registry.entry.device.device_id, registry.secret)
    registry.change_key(wrapped=again.wrapped)
    known.begin_batch()
    known.device(KID)
    assert made == [KID, KID]


def test_a_key_that_is_gone_is_unknown_and_kept_no_longer(made):
    registry = OneDevice(DeviceState.SUSPENDED)
    known = directory(registry)
    known.device(KID)
    entry, registry.entry = registry.entry, None
    known.begin_batch()
    assert known.device(KID) is None
    registry.entry = entry
    known.device(KID)
    assert made == [KID, KID]
