"""Confirmations that came as short messages: opened with the key they confirm, then judged.

The relay authenticated them, struck their number out and left them sealed (registry/control.py). Inside is
the registration proof; its challenge is SHA-256 over the package that carried the key, as there was no
dialogue. So one proof is worth one key, and one that was accepted changes nothing when it comes again.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from tsm_gateway.daemon.postponed import Postponed
from tsm_gateway.daemon.proofs import believed, provable_key
from tsm_gateway.daemon.provisioning_answers import (
    ChallengeStale,
    DeviceSuspended,
    DeviceTerminated,
    DeviceUnknown,
    NoKeyPackage,
)
from tsm_gateway.daemon.provisioning_reports import SMS, Use
from tsm_gateway.daemon.provisioning_standing import (
    package_of,
    proof_owed_since,
    proves_nothing_new,
    repeats,
)
from tsm_gateway.daemon.refusals import refusal
from tsm_gateway.envelope.tsm1 import (
    Direction,
    open_packet,
    parse_packet,
    read_device_payload,
    traffic_key,
)
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.provisioning.confirmation import challenge_of
from tsm_gateway.provisioning.proof_errors import ProofMalformed
from tsm_gateway.provisioning.registration import read_proof
from tsm_gateway.registry.control import CONFIRM
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.suspension import ends_by_air
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy, StoreFull

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.moderation import Moderation
    from tsm_gateway.daemon.proofs import ProvableKey
    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
    from tsm_gateway.registry.control import ControlArrival
    from tsm_gateway.registry.device import Device
    from tsm_gateway.registry.key_package import StoredPackage
    from tsm_gateway.registry.registration import Registration
    from tsm_gateway.registry.standing import Standing
    from tsm_gateway.store.provisioning_store import ProvisioningStore

AT_ONCE: Final = 100


class ControlArrivals:
    """Judges confirmations over the air."""

    def __init__(
        self,
        ledger: Ledger,
        held: Held,
        reports: ProvisioningReports,
        moderation: Moderation,
        clocks: tuple[Callable[[], float], Callable[[], float]],
        *,
        port: int,
    ) -> None:
        """`clocks`: Unix seconds and monotonic ones; `port`: the application port packets are bound to."""
        self._ledger, self._held, self._reports = ledger, held, reports
        self._wall, monotonic = clocks
        self._moderation, self._port = moderation, port
        self._postponed = Postponed(monotonic)

    async def settle(self) -> bool:
        """Judge the oldest confirmations; whether there may be more. Raises StoreBroken, StoreBusy."""
        arrivals = self._ledger.store.control_arrivals(AT_ONCE + len(self._postponed))
        ready = [each for each in arrivals if not self._postponed.waits(each)]
        for arrival in ready[:AT_ONCE]:
            await self._one(arrival)
        self._postponed.keep(set(arrivals))
        return len(ready) >= AT_ONCE

    async def _one(self, arrival: ControlArrival) -> None:
        """Settle one arrival with what it leads to, in one transaction."""
        async with self._ledger.turn(arrival.device_id):
            try:
                await self._settle(arrival)
            except (StoreBusy, StoreFull):
                pass  # the next second tries again
            except StoreBroken:
                raise
            except TsmError as error:
                if error.side is Side.OURS:  # a master key is missing, a row damaged
                    pause = self._postponed.again(arrival)
                    self._reports.postponed(arrival.device_id, error, pause)
                else:
                    await self._refuse(arrival, error)

    async def _settle(self, arrival: ControlArrival) -> None:
        standing, at = self._ledger.standing(arrival.device_id), int(self._wall())
        if standing is None:
            raise DeviceUnknown
        key = provable_key(standing, arrival.kid, self._held.now)
        package = package_of(standing, arrival.kid)
        if package is None:
            raise NoKeyPackage
        registration = self._believed(standing.device, arrival, key, package)
        known = standing.registration
        if (known is not None and known.proof == registration.proof) or repeats(standing, registration):
            await self._ledger.write(lambda store: store.settle_arrival(arrival.kid, arrival.piv))
            return
        _refuse_state(standing, package)

        def act(store: ProvisioningStore) -> Device:
            store.settle_arrival(arrival.kid, arrival.piv)
            device = store.register(registration, overlap_s=self._held.now.section.key_overlap_s, at=at)
            # Nobody else writes any more until this is committed: what is read now was true up to here.
            if store.suspension(device.device_id) != standing.suspension:
                raise ChallengeStale
            return device

        idle = proves_nothing_new(standing, key.row)
        with self._moderation.change(key.row.owner) if idle else nullcontext():
            device = await self._ledger.write(act)
        self._reports.registered(registration, key.row.epoch, device, SMS)

    def _believed(
        self, device: Device, arrival: ControlArrival, key: ProvableKey, package: StoredPackage
    ) -> Registration:
        """What the proof inside an arrival proves. Raises what opening and judging it raise."""
        kid, secret = key.row.kid, key.secret
        traffic = traffic_key(secret, kid, Direction.DEVICE_TO_TSM, device.device_id, self._port)
        payload = read_device_payload(open_packet(parse_packet(arrival.packet), traffic))
        if payload.address != CONFIRM:
            raise ProofMalformed
        proof, challenge = read_proof(payload.certificate), challenge_of(package.package)
        return believed(proof, challenge, device, key, self._held.now, int(self._wall()))

    async def _refuse(self, arrival: ControlArrival, error: TsmError) -> None:
        at, action = int(self._wall()), Use.REGISTRATION.action
        entry = refusal(at, action, arrival.device_id, error, bearer=SMS, kid=arrival.kid.hex())

        def act(store: ProvisioningStore) -> None:
            store.refuse_arrival(arrival.kid, arrival.piv)
            if news:
                store.note(entry)

        with self._moderation.news(arrival.device_id, error) as news:
            await self._ledger.write(act)
        self._reports.disbelieved(arrival.device_id, arrival.kid, error)


def _refuse_state(standing: Standing, package: StoredPackage) -> None:
    """Raises DeviceTerminated; DeviceSuspended, unless a proof is wanted and this one can only be newer.

    A proof over the air is as old as its package at most: it lifts no suspension that came after that, and
    is not what a device owes that resumed without its registration (ChallengeStale).
    """
    state, since = standing.device.state, proof_owed_since(standing)
    if state is DeviceState.TERMINATED:
        raise DeviceTerminated
    if state is DeviceState.SUSPENDED and not ends_by_air(standing.suspension):
        raise DeviceSuspended
    if since is not None and package.made_at <= since:
        raise DeviceSuspended if state is DeviceState.SUSPENDED else ChallengeStale
