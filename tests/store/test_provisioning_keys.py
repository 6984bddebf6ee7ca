"""The life of a device's keys, in whatever order things happen: three sentences that are always true.

- a device that registered, and was not terminated, has a key that is accepted and that it may hold;
- epochs of a device only go up;
- a device has at most one current key.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.store.provisioning_samples import (
    FIRST_PIV,
    UNUSED,
    control,
    enrolment,
    kid_of,
    newcomer,
    order,
    package,
    pending,
    registration,
)
from tests.store.samples import NOW, device_id, open_store, window_at
from tsm_gateway.errors import TsmError
from tsm_gateway.registry.device import DeviceState, KeyState
from tsm_gateway.registry.suspension import SuspensionKind
from tsm_gateway.relay.interfaces import Batch, WindowMove

ACCEPTED = {KeyState.PENDING, KeyState.CURRENT, KeyState.OVERLAP}
PROVED = {DeviceState.REGISTERED, DeviceState.ACTIVE, DeviceState.SUSPENDED}
OVERLAPS = st.sampled_from([0, 50, 500])


class KeyLife(RuleBasedStateMachine):
    """One device, whose crypto SE holds the highest epoch it was handed, as it refuses to go back."""

    empty: ClassVar[Path]  # a store to copy: making one takes its time

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        shutil.copytree(self.empty, Path(self.folder.name) / "store")
        self.store = open_store(Path(self.folder.name) / "store")
        self.epoch = 0  # the last one made
        self.held = 0  # the one in the crypto SE
        self.highest = 0  # the highest epoch ever stored
        self.now = NOW

    def teardown(self) -> None:
        assert self.store.check() == []
        self.store.close()
        self.folder.cleanup()

    @initialize()
    def enrol(self) -> None:
        self.store.provisioning.enrol(newcomer(), enrolment())
        self.make_key(by_air=False)

    @rule(by_air=st.booleans())
    def make_key(self, *, by_air: bool) -> None:
        epoch = self.epoch + 1
        message = control(10, epoch) if by_air else None
        if self.tried(
            lambda: self.store.provisioning.deliver(
                pending(10, epoch), UNUSED, package(10, epoch), message, at=self.now
            )
        ):
            self.epoch = epoch

    @rule(epoch=st.integers(1, 6))
    def make_an_old_key(self, epoch: int) -> None:
        if epoch <= self.epoch:
            key = pending(10, epoch, kid=b"\xee\xee\x00" + bytes([epoch]))
            parcel = package(10, epoch, kid=key.kid)
            assert not self.tried(lambda: self.store.provisioning.deliver(key, UNUSED, parcel, at=self.now))

    @rule()
    def install(self) -> None:
        """The device fetches the newest package; it may never say so."""
        self.held = self.epoch

    @rule(overlap_s=OVERLAPS)
    def prove(self, overlap_s: int) -> None:
        if self.held:
            proof = registration(10, self.held, registered_at=self.now)
            self.tried(lambda: self.store.provisioning.register(proof, overlap_s=overlap_s, at=self.now))

    @rule(epoch=st.integers(1, 6), overlap_s=OVERLAPS)
    def prove_an_old_key(self, epoch: int, overlap_s: int) -> None:
        """A proof that was long on its way: of a key the device held once."""
        if epoch <= self.held:
            proof = registration(10, epoch, registered_at=self.now)
            self.tried(lambda: self.store.provisioning.register(proof, overlap_s=overlap_s, at=self.now))

    @rule()
    def use(self) -> None:
        """A packet under the key it holds."""
        kid = kid_of(10, self.held or 1)
        old = self.store.registry.window_of(kid)
        if old is not None and self.held:
            move = WindowMove(kid, old, window_at(max(old[0] + 1, FIRST_PIV)))
            self.tried(lambda: self.store.stage(Batch(windows=[move])))

    @rule(overlap_s=OVERLAPS)
    def upkeep(self, overlap_s: int) -> None:
        for key in self.store.provisioning.used_pending():
            assert key.epoch <= self.held  # only what it holds can have been used
            self.tried(
                lambda kid=key.kid: self.store.provisioning.confirm(kid, overlap_s=overlap_s, at=self.now)
            )

    @rule(seconds=st.integers(1, 600))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        self.tried(lambda: self.store.purge(self.now, 10**6, 10**6, 100))

    @rule(kind=st.sampled_from(SuspensionKind), proof_wanted=st.booleans())
    def suspend(self, kind: SuspensionKind, *, proof_wanted: bool) -> None:
        self.tried(
            lambda: self.store.provisioning.suspend(
                device_id(10), kind, proof_wanted=proof_wanted, reason="", at=self.now
            )
        )

    @rule()
    def resume(self) -> None:
        self.tried(lambda: self.store.provisioning.resume(device_id(10), reason="", at=self.now))

    @rule()
    def activate(self) -> None:
        self.tried(lambda: self.store.provisioning.activate(device_id(10), reason="", at=self.now))

    @rule(digit=st.integers(0, 9))
    def change_number(self, digit: int) -> None:
        self.tried(
            lambda: self.store.provisioning.change_number(
                device_id(10), f"+49{digit}", reason="", at=self.now
            )
        )

    @rule()
    def ask_for_a_key(self) -> None:
        self.tried(lambda: self.store.provisioning.order(order(ordered_at=self.now)))

    @rule()
    def rewrap(self) -> None:
        rows = [
            (stored.key.kid, stored.key.wrapped, stored.key.wrapped, stored.key.master_version + 1)
            for stored in self.store.registry.all_keys()
        ]
        self.store.registry.rewrap_all(rows)

    def tried(self, step: object) -> bool:
        """Do it and make it durable; whether it was allowed."""
        try:
            step()  # type: ignore[operator]
        except TsmError:
            return False
        finally:
            self.store.flush()
        return True

    @invariant()
    def three_sentences(self) -> None:
        standing = self.store.provisioning.standing(device_id(10))
        if standing is None:
            return
        states = {key.epoch: key.state for key in standing.keys}
        assert list(states.values()).count(KeyState.CURRENT) <= 1
        assert list(states) == sorted(states, reverse=True)
        assert max(states) >= self.highest
        self.highest = max(states)
        if self.held:  # a lost confirmation locks nobody out
            assert states[self.held] in ACCEPTED
        if standing.registration is not None:
            assert any(states[epoch] in ACCEPTED for epoch in range(1, self.held + 1))
            assert standing.device.state in PROVED | {DeviceState.KEYED}


@pytest.fixture(scope="module", autouse=True)
def _empty(tmp_path_factory: pytest.TempPathFactory) -> None:
    KeyLife.empty = tmp_path_factory.mktemp("keys") / "empty"
    open_store(KeyLife.empty).close()


TestKeyLife = KeyLife.TestCase
TestKeyLife.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
