"""Enrolment: a crypto SE becomes known by its certificate and gets its first key, in one transaction.

| the device is | what is stored |
|---|---|
| new | device, enrolment, key, replay window, package: all or nothing |
| known, with other certificates over its key | these; and a new key, if one waits sealed to the old ones |
| known, with its certificates signed anew | nothing: `same_certificate` |
| known, without a usable key | a new key, of the next epoch |
| known, nothing new | nothing: it is told the same again |

So whatever step a cut or a crash hits, trying again completes it, with the same key.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from tsm_gateway.daemon.key_maker import MasterRotated
from tsm_gateway.daemon.provisioning_answers import NumberInvalid, VirtualDeviceRefused
from tsm_gateway.daemon.provisioning_standing import (
    admitted,
    needs_key,
    next_epoch,
    refuse_hoarder,
    refuse_suspended,
)
from tsm_gateway.registry.address import INTERNATIONAL
from tsm_gateway.registry.device import Device, DeviceState
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed
from tsm_gateway.registry.key_package import Delivery
from tsm_gateway.registry.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.key_maker import KeyMaker, MadeKey
    from tsm_gateway.daemon.moderation import Moderation
    from tsm_gateway.daemon.provisioning_answers import EnrolmentRequest
    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
    from tsm_gateway.daemon.recipients import Recipients, Settled
    from tsm_gateway.provisioning.device_trust import TrustedDevice
    from tsm_gateway.store.provisioning_store import ProvisioningStore

TRIES: Final = 4  # a kid of 4 random octets is taken once in thousands; another process may be first, too
REASON: Final = "enrolled over channel 1"


class Enrolling:
    """Makes devices known."""

    def __init__(
        self,
        ledger: Ledger,
        recipients: Recipients,
        maker: KeyMaker,
        reports: ProvisioningReports,
        moderation: Moderation,
        wall: Callable[[], float],
        *,
        test_devices: bool,
    ) -> None:
        """`test_devices`: virtual ones are taken, too; `wall`: Unix seconds."""
        self._ledger, self._recipients, self._maker, self._moderation = ledger, recipients, maker, moderation
        self._reports, self._wall, self._test_devices = reports, wall, test_devices

    async def enrol(self, who: TrustedDevice, request: EnrolmentRequest) -> Standing:
        """Make `who` known and keyed; where it stands then.

        Raises NumberInvalid, VirtualDeviceRefused, DeviceTerminated, DeviceSuspended, IdentityConflict,
        TooManyKeys, TooManyChanges, what `Recipients.presented` and `settled` raise,
        StoreBusy, StoreFull or StoreBroken.
        """
        if request.msisdn and not INTERNATIONAL.fullmatch(request.msisdn):
            raise NumberInvalid
        if who.test_only and not self._test_devices:
            raise VirtualDeviceRefused
        at = int(self._wall())
        async with self._ledger.turn(who.device_id):
            standing = self._welcome(who)  # before its certificates are judged: it may not be wanted
            presented = await self._recipients.presented(who, request)
            if request.key_certificate is not None:  # a responder may have been asked meanwhile
                standing = self._welcome(who)
            left = TRIES
            while True:
                left -= 1
                try:
                    settled = self._recipients.settled(who, presented, standing, at)
                    return await self._settle(who, request.msisdn, standing, settled)
                except (AlreadyKnown, MasterRotated, MoveNotAllowed):  # MoveNotAllowed: suspended meanwhile
                    if not left:
                        raise
                standing = self._welcome(who)

    def _welcome(self, who: TrustedDevice) -> Standing | None:
        """Where `who` stands, None when it is new. Raises for one that may not enrol."""
        standing = self._ledger.standing(who.device_id)
        if standing is not None:
            refuse_suspended(admitted(standing, who), proof_helps=False)
        return standing

    async def _settle(
        self,
        who: TrustedDevice,
        msisdn: str,
        standing: Standing | None,
        settled: Settled,
    ) -> Standing:
        if standing is None:
            return await self._first(msisdn, settled)
        if await self._again(standing, settled):
            return admitted(self._ledger.standing(who.device_id), who)
        return standing

    async def _first(self, msisdn: str, settled: Settled) -> Standing:
        enrolment, at = settled.enrolment, settled.at
        device = Device(
            *(enrolment.device_id, DeviceState.ENROLLED, settled.certificate, msisdn, at, at, REASON)
        )
        made = self._make(None, settled)

        def act(store: ProvisioningStore) -> Device:
            self._maker.check_master(made)
            store.enrol(device, enrolment)
            return store.deliver(*made, at=at)

        keyed = await self._ledger.write(act)
        self._reports.enrolled(enrolment, made.key)
        self._reports.made(made.package, "first key")
        return Standing(keyed, enrolment, None, None, (made.key,), (made.package,))

    async def _again(self, standing: Standing, settled: Settled) -> bool:
        """Whether anything had to be stored."""
        certificate, enrolment, recipient, at = settled
        renewed = enrolment != standing.enrolment or certificate != standing.device.certificate
        made = None
        if needs_key(standing, recipient.fingerprint):
            refuse_hoarder(standing, at)
            made = self._make(standing, settled)

        def act(store: ProvisioningStore) -> None:
            if renewed:
                store.renew(enrolment.device_id, certificate=certificate, enrolment=enrolment, at=at)
            if made is not None:
                self._maker.check_master(made)
                store.deliver(*made, at=at)

        if not renewed and made is None:
            self._reports.repeated(standing.device)
            return False
        with self._moderation.change(enrolment.device_id) if renewed else nullcontext():
            await self._ledger.write(act)
        if renewed:
            self._reports.renewed(enrolment)
        if made is not None:
            self._reports.made(
                made.package, "no usable key" if not renewed else "sealed to a new certificate"
            )
        return True

    def _make(self, standing: Standing | None, settled: Settled) -> MadeKey:
        _, enrolment, recipient, at = settled
        epoch = next_epoch(standing)
        return self._maker.make(enrolment.device_id, recipient, epoch=epoch, delivery=Delivery.CHANNEL, at=at)
