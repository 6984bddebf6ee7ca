"""Channel 2's use cases put together: who talks to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.daemon.card_key_shelf import CardKeyShelf
from tsm_gateway.daemon.delivering import Delivering, DeliveringParts
from tsm_gateway.daemon.delivery_book import DeliveryBook
from tsm_gateway.daemon.delivery_desk import DeliveryDesk
from tsm_gateway.daemon.delivery_metrics import DeliveryMetrics
from tsm_gateway.daemon.delivery_opening import DeliveryOpening, OpeningParts
from tsm_gateway.daemon.delivery_orders import DeliveryOrders
from tsm_gateway.daemon.delivery_planning import DeliveryPlanning
from tsm_gateway.daemon.delivery_reports import DeliveryReports
from tsm_gateway.daemon.delivery_retry import RENEWAL_REST_S
from tsm_gateway.daemon.delivery_sessions import DeliverySessions
from tsm_gateway.daemon.load_file_shelf import LoadFileShelf
from tsm_gateway.daemon.secrets_of_device import SecretsOfDevice

if TYPE_CHECKING:
    from tsm_gateway.daemon.delivery_book import Clocks
    from tsm_gateway.daemon.moderation import Moderation
    from tsm_gateway.daemon.provisioning_ledger import Ledger
    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
    from tsm_gateway.daemon.settings import Settings


def delivery_desk(
    settings: Settings,
    ledger: Ledger,
    held: Held,
    reports: ProvisioningReports,
    moderation: Moderation,
    clocks: Clocks,
) -> DeliveryDesk:
    """The desk of channel 2; without a section for it nobody comes to it."""
    store, registry = ledger.delivery, ledger.registry
    told = DeliveryReports(reports.log, DeliveryMetrics(reports.metrics))
    shelf, sessions = CardKeyShelf(held), DeliverySessions()
    planning = DeliveryPlanning(ledger, told, clocks.wall)
    orders = DeliveryOrders(store, registry, LoadFileShelf(store), settings.gateway)
    ready = OpeningParts(planning, orders, shelf, SecretsOfDevice(registry, held))
    parts = DeliveringParts(
        store=store,
        sessions=sessions,
        opening=DeliveryOpening(ledger, held, ready, told, clocks.wall),
        book=DeliveryBook(ledger, shelf, planning, told, moderation, clocks),
        reports=told,
        clocks=clocks,
    )

    def poll_s() -> int:
        delivery = held.now.delivery
        return delivery.section.poll_s if delivery else RENEWAL_REST_S

    return DeliveryDesk(
        *(ledger, Delivering(parts, poll_s), sessions, told, moderation, clocks),
        test_agents=settings.takes_test_parties,
    )
