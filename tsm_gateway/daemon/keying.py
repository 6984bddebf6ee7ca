"""New keys for known devices: because they have none that serves, or because one was ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.daemon.enrolling import TRIES
from tsm_gateway.daemon.key_maker import MasterRotated
from tsm_gateway.daemon.provisioning_answers import DeviceTerminated, NoKeyPackage, NumberUnknown
from tsm_gateway.daemon.provisioning_standing import (
    admitted,
    has_usable_key,
    needs_key,
    next_epoch,
    refuse_by_air,
    refuse_hoarder,
    refuse_suspended,
    waiting_package,
)
from tsm_gateway.daemon.relay_parts import new_message_id
from tsm_gateway.registry.control import ControlMessage, ControlState
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed, NotKnown
from tsm_gateway.registry.key_package import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.key_maker import KeyMaker
    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
    from tsm_gateway.daemon.recipients import Recipients
    from tsm_gateway.provisioning.device_trust import TrustedDevice
    from tsm_gateway.registry.key_package import KeyOrder, StoredPackage
    from tsm_gateway.registry.standing import Standing
    from tsm_gateway.store.provisioning_store import ProvisioningStore


class Keying:
    """Makes the keys that follow the first."""

    def __init__(
        self,
        ledger: Ledger,
        recipients: Recipients,
        maker: KeyMaker,
        reports: ProvisioningReports,
        wall: Callable[[], float],
    ) -> None:
        """`wall`: Unix seconds."""
        self._ledger, self._recipients, self._maker = ledger, recipients, maker
        self._reports, self._wall = reports, wall

    async def fetch(self, who: TrustedDevice) -> StoredPackage:
        """The package that waits for `who`; a new one when ordered, without usable key, for a new recipient.

        Raises DeviceUnknown, DeviceTerminated, DeviceSuspended, IdentityConflict, NoKeyPackage, TooManyKeys,
        what `Recipients.judged` raises, StoreBusy, StoreFull or StoreBroken.
        """
        async with self._ledger.turn(who.device_id):
            standing = self._served(who)
            if waiting_package(standing) is None and has_usable_key(standing):
                standing = await self._ordered(who, standing)
            if needs_key(standing, self._recipients.stored(standing).fingerprint):
                refuse_hoarder(standing, int(self._wall()))
                await self._make(who.device_id, Delivery.CHANNEL, "no usable key")
                standing = self._served(who)
        package = waiting_package(standing)
        if package is None:
            raise NoKeyPackage
        self._reports.fetched(package)
        return package

    async def fulfil(self, order: KeyOrder) -> None:
        """Make the key that was ordered; with its short messages, if it is to travel so.

        Raises what `fetch` raises but NoKeyPackage and TooManyKeys; NumberUnknown, and KeyTooEarly for one
        that would be sent in the very second the device was suspended in.
        """
        async with self._ledger.turn(order.device_id):
            if self._ledger.store.order_of(order.device_id) == order:  # else its device was faster
                await self._make(order.device_id, order.delivery, order.reason)

    async def _ordered(self, who: TrustedDevice, standing: Standing) -> Standing:
        """The standing with the key made that `who` may fetch and nobody made yet. Raises NoKeyPackage."""
        order = self._ledger.store.order_of(standing.device.device_id)
        if order is None or order.delivery is not Delivery.CHANNEL:
            raise NoKeyPackage
        await self._make(order.device_id, order.delivery, order.reason)
        return self._served(who)

    def _served(self, who: TrustedDevice) -> Standing:
        standing = admitted(self._ledger.standing(who.device_id), who)
        refuse_suspended(standing, proof_helps=True)
        return standing

    async def _make(self, device_id: str, delivery: Delivery, reason: str) -> None:
        for left in reversed(range(TRIES)):
            standing = self._ledger.standing(device_id)
            if standing is None:
                raise NotKnown(what="device", name=device_id)
            try:
                await self._make_for(standing, delivery, reason)
                break
            # the kid is taken, another process was first, or an operator has moved the device meanwhile
            except (AlreadyKnown, MasterRotated, MoveNotAllowed):
                if not left:
                    raise

    async def _make_for(self, standing: Standing, delivery: Delivery, reason: str) -> None:
        device, at = standing.device, int(self._wall())
        if device.state is DeviceState.TERMINATED:
            raise DeviceTerminated
        refuse_suspended(standing, proof_helps=True)
        if delivery is Delivery.SMS:
            refuse_by_air(standing, at)
            if not device.msisdn:
                raise NumberUnknown
        recipient = await self._recipients.judged(standing)
        made = self._maker.make(
            device.device_id, recipient, epoch=next_epoch(standing), delivery=delivery, at=at
        )
        control = _control(made.package, device.msisdn, at) if delivery is Delivery.SMS else None

        def act(store: ProvisioningStore) -> None:
            self._maker.check_master(made)
            store.deliver(*made, control, at=at)

        await self._ledger.write(act)
        self._reports.made(made.package, reason)


def _control(package: StoredPackage, msisdn: str, at: int) -> ControlMessage:
    """The package as it is queued for the air: the relay cuts and sends it."""
    return ControlMessage(
        *(new_message_id(), package.device_id, package.kid, msisdn, package.package),
        ControlState.QUEUED,
        attempts=0,
        due_at=at,
        created_at=at,
        changed_at=at,
        reason="",
    )
