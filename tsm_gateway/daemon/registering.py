"""Registration: a challenge, and the proof by the crypto SE that it holds its key and its user's biometric.

A challenge is used up by the first proof of it that is judged. What fails through a fault of ours gives it
back; and the very proof that was accepted may be sent again, as its answer may have been lost. One of
before a suspension lifts nothing: it is stale, also when the suspension comes while the proof is judged.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from tsm_gateway.daemon.proofs import believed, provable_key
from tsm_gateway.daemon.provisioning_answers import ChallengeStale, KeyNotInstallable, RegistrationAnswer
from tsm_gateway.daemon.provisioning_reports import CHANNEL
from tsm_gateway.daemon.provisioning_standing import (
    admitted,
    key_to_prove,
    proves_nothing_new,
    refuse_suspended,
    repeats,
)
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.provisioning.registration import read_proof

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.challenges import Challenge, Challenges
    from tsm_gateway.daemon.moderation import Moderation
    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
    from tsm_gateway.provisioning.device_trust import TrustedDevice
    from tsm_gateway.provisioning.registration import Proof
    from tsm_gateway.registry.device import Device
    from tsm_gateway.registry.registration import Registration
    from tsm_gateway.registry.standing import Standing
    from tsm_gateway.store.provisioning_store import ProvisioningStore


class Registering:
    """Challenges crypto SEs and judges their proofs."""

    def __init__(
        self,
        ledger: Ledger,
        held: Held,
        challenges: Challenges,
        reports: ProvisioningReports,
        moderation: Moderation,
        wall: Callable[[], float],
    ) -> None:
        """`held` holds master keys and rules; `wall`: Unix seconds."""
        self._moderation = moderation
        self._ledger, self._held, self._challenges = ledger, held, challenges
        self._reports, self._wall = reports, wall

    def challenge(self, who: TrustedDevice) -> Challenge:
        """A new challenge for `who`.

        Raises DeviceUnknown, DeviceTerminated, DeviceSuspended, IdentityConflict, KeyNotInstallable.
        """
        return self.challenge_for(self._served(who))

    def challenge_for(self, standing: Standing) -> Challenge:
        """A new challenge for a device in good standing. Raises KeyNotInstallable."""
        key = key_to_prove(standing)
        if key is None:
            raise KeyNotInstallable
        challenge = self._challenges.issue(
            key.owner,
            kid=key.kid,
            epoch=key.epoch,
            now=int(self._wall()),
            lifetime_s=self._held.now.section.challenge_s,
            suspension=standing.suspension,
        )
        self._reports.challenged(key.owner, key.kid, key.epoch)
        return challenge

    async def register(self, who: TrustedDevice, octets: bytes) -> RegistrationAnswer:
        """Judge a proof and store what it proves; the same again for a proof that was accepted before.

        Raises what `challenge` raises but KeyNotInstallable, ProofMalformed, ChallengeStale, a ProofRefused,
        KeyNotWaiting, SecureElementTaken, ElementsChanged, TooManyChanges, StoreBusy, StoreFull or
        StoreBroken.
        """
        async with self._ledger.turn(who.device_id):
            standing = self._served(who)
            if standing.registration is not None and standing.registration.proof == octets:
                return _answer(standing, standing.registration, standing.device.state.value)
            proof = read_proof(octets)
            challenge = self._challenges.take(who.device_id, proof.challenge, int(self._wall()))
            if challenge is None or challenge.suspension != standing.suspension:
                raise ChallengeStale
            try:
                return await self._judged(standing, proof, challenge)
            except TsmError as error:
                if error.side is Side.OURS:
                    self._challenges.give_back(who.device_id, challenge)
                raise

    async def _judged(self, standing: Standing, proof: Proof, challenge: Challenge) -> RegistrationAnswer:
        at, overlap_s = int(self._wall()), self._held.now.section.key_overlap_s
        material = self._held.now
        key = provable_key(standing, challenge.kid, material)
        registration = believed(proof, challenge.octets, standing.device, key, material, at)
        if repeats(standing, registration):
            return _answer(standing, registration, standing.device.state.value)

        def act(store: ProvisioningStore) -> Device:
            device = store.register(registration, overlap_s=overlap_s, at=at)
            # Nobody else writes any more until this is committed: what is read now was true up to here.
            if store.suspension(registration.device_id) != challenge.suspension:
                raise ChallengeStale
            return device

        idle = proves_nothing_new(standing, key.row)
        with self._moderation.change(key.row.owner) if idle else nullcontext():
            device = await self._ledger.write(act)
        self._reports.registered(registration, challenge.epoch, device, CHANNEL)
        return _answer(standing, registration, device.state.value)

    def _served(self, who: TrustedDevice) -> Standing:
        standing = admitted(self._ledger.standing(who.device_id), who)
        refuse_suspended(standing, proof_helps=True)
        return standing


def _answer(standing: Standing, registration: Registration, state: str) -> RegistrationAnswer:
    epoch = next((key.epoch for key in standing.keys if key.kid == registration.kid), 0)
    return RegistrationAnswer(registration.device_id, state, registration.kid, epoch)
