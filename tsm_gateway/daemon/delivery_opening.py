"""The opening of a session: what is due for a device, made ready to be said to its card."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.daemon.delivery_answers import DeviceNotRegistered
from tsm_gateway.daemon.delivery_orders import At
from tsm_gateway.daemon.delivery_sessions import Undertaking, Whose
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.provisioning.conversation import Conversation
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy, StoreFull

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.card_key_shelf import CardKeyShelf, OpenedKeys
    from tsm_gateway.daemon.delivery_orders import DeliveryOrders
    from tsm_gateway.daemon.delivery_planning import DeliveryPlanning
    from tsm_gateway.daemon.delivery_reports import DeliveryReports
    from tsm_gateway.daemon.delivery_standing import Served
    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.daemon.provisioning_material import DeliveryMaterial, Held
    from tsm_gateway.daemon.secrets_of_device import SecretsOfDevice
    from tsm_gateway.provisioning.agent_trust import TrustedAgent
    from tsm_gateway.provisioning.live_secrets import LiveSecrets
    from tsm_gateway.provisioning.script_program import Task
    from tsm_gateway.registry.job import Job
    from tsm_gateway.secret import Secret

STORE: tuple[type[TsmError], ...] = (StoreBusy, StoreFull, StoreBroken)


class DeliveryOff(TsmError):
    """There is no [provisioning.delivery] any more: the listener goes at the next start."""

    code, side, temporary = "delivery-off", Side.OURS, True


class Opened(NamedTuple):
    """A conversation that has not begun."""

    whose: Whose
    conversation: Conversation
    undertakings: dict[bytes, Undertaking]
    receipt_key: Secret | None


class OpeningParts(NamedTuple):
    """What it takes to make jobs ready."""

    planning: DeliveryPlanning
    orders: DeliveryOrders
    shelf: CardKeyShelf
    secrets: SecretsOfDevice


class DeliveryOpening:
    """Opens sessions."""

    def __init__(
        self,
        ledger: Ledger,
        held: Held,
        parts: OpeningParts,
        reports: DeliveryReports,
        wall: Callable[[], float],
    ) -> None:
        """`held` holds what channel 2 works with; `wall`: Unix seconds."""
        self._ledger, self._held, self._reports, self._wall = ledger, held, reports, wall
        self._planning, self._orders, self._shelf, self._secrets = parts

    async def open(self, who: TrustedAgent, served: Served) -> Opened | int | None:
        """What is due, ready to begin; else when something will be (Unix seconds), None = nothing is open.

        A job that nothing can be made of fails. Raises DeviceNotRegistered, DeliveryOff, KeyUnwrapFailed,
        MasterKeyMissing, CardKeysMalformed, what the store raises.
        """
        standing = self._ledger.standing(served.device.device_id)
        if standing is None:
            raise DeviceNotRegistered
        issuer = standing.enrolment.issuer if standing.enrolment else ""
        whose = Whose(who.agent_id, who.app_se, served.device.device_id, issuer)
        plan = await self._planning.plan(served.device, issuer, who.app_se)
        if not plan.due:
            return plan.next_at
        keys = self._shelf.open(self._ledger.delivery.card_keys(who.app_se))
        tasks, undertakings = await self._ready(plan.due, At(served.card, keys, self._material()))
        if not tasks:
            return self.next_at(whose)
        conversation = self._conversation(served, keys, tasks)
        return Opened(whose, conversation, undertakings, keys.receipt_key)

    def next_at(self, whose: Whose) -> int | None:
        """When the agent is to come again: Unix seconds; None = nothing is open or to be planned."""
        return self._planning.next_at(whose.device_id, whose.issuer, whose.app_se)

    async def _ready(self, due: tuple[Job, ...], at: At) -> tuple[list[Task], dict[bytes, Undertaking]]:
        tasks: list[Task] = []
        undertakings: dict[bytes, Undertaking] = {}
        for job in due:
            try:
                application = self._orders.application(job)
                tasks.append(self._orders.ready(job, application, at))
                undertakings[job.job_id] = Undertaking(job, application)
            except STORE:
                raise
            except TsmError as unfit:
                await self._give_up(job, unfit.code)
        return tasks, undertakings

    async def _give_up(self, job: Job, reason: str) -> None:
        now = int(self._wall())
        await self._ledger.deliver(lambda store: store.fail(job.job_id, reason=reason, at=now))
        self._reports.given_up(job, reason)

    def _conversation(self, served: Served, keys: OpenedKeys, tasks: list[Task]) -> Conversation:
        device_id = served.device.device_id

        def live() -> LiveSecrets:
            standing = self._ledger.standing(device_id)
            if standing is None:
                raise DeviceNotRegistered
            return self._secrets.gather(standing)

        first = [live()]  # here, where what goes wrong fails no job
        return Conversation(
            served.card,
            keys.sets,
            tasks,
            lambda: first.pop() if first else live(),
            receipt_key=keys.receipt_key,
            script_commands=self._material().section.script_commands,
            fresh=secrets.token_bytes,
        )

    def _material(self) -> DeliveryMaterial:
        material = self._held.now.delivery
        if material is None:
            raise DeliveryOff
        return material
