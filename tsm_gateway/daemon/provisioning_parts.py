"""Provisioning put together: one function builds every part and says who talks to whom."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tsm_gateway.daemon.agent_judge import AgentJudge
from tsm_gateway.daemon.certificate_watch import CertificateWatch
from tsm_gateway.daemon.challenges import Challenges
from tsm_gateway.daemon.committer import Committer
from tsm_gateway.daemon.control_arrivals import ControlArrivals
from tsm_gateway.daemon.delivery_book import Clocks
from tsm_gateway.daemon.delivery_parts import delivery_desk
from tsm_gateway.daemon.device_judge import DeviceJudge
from tsm_gateway.daemon.enrolling import Enrolling
from tsm_gateway.daemon.key_maker import KeyMaker
from tsm_gateway.daemon.key_orders import KeyOrders
from tsm_gateway.daemon.key_promotion import KeyPromotion
from tsm_gateway.daemon.keying import Keying
from tsm_gateway.daemon.moderation import Moderation
from tsm_gateway.daemon.provisioning_desk import Desk
from tsm_gateway.daemon.provisioning_ledger import Ledger
from tsm_gateway.daemon.recipients import Recipients
from tsm_gateway.daemon.registering import Registering
from tsm_gateway.daemon.rekey_policy import RekeyPolicy
from tsm_gateway.daemon.revocation_sweep import RevocationSweep
from tsm_gateway.provisioning.confirmation import CHALLENGE_OCTETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.delivery_desk import DeliveryDesk
    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.provisioning.ocsp_link import OcspLink
    from tsm_gateway.store.sqlite_store import SqliteStore


@dataclass(slots=True)
class Watched:
    """How the process is."""

    ready: bool = False


@dataclass(frozen=True, slots=True)
class ProvisioningParts:
    """Everything that runs in the provisioning daemon, but for the listener."""

    settings: Settings
    store: SqliteStore
    held: Held
    committer: Committer
    challenges: Challenges
    judge: DeviceJudge
    desk: Desk
    arrivals: ControlArrivals
    orders: KeyOrders
    policy: RekeyPolicy
    promotion: KeyPromotion
    sweep: RevocationSweep
    delivery: DeliveryDesk
    agents: AgentJudge
    certificates: CertificateWatch
    reports: ProvisioningReports
    wall: Callable[[], float]
    watched: Watched = field(default_factory=Watched)

    def status_line(self) -> str:
        """One line for `systemctl status`."""
        ending = "".join(f", {each.owner} {each.use} ends" for each in self.certificates.ending()[:1])
        return f"{len(self.held.now.issuers)} issuers trusted, {len(self.challenges)} challenges wait{ending}"


def assemble(
    settings: Settings,
    store: SqliteStore,
    held: Held,
    responders: OcspLink,
    reports: ProvisioningReports,
    *,
    wall: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> ProvisioningParts:
    """Build provisioning on an open store; nothing runs yet."""
    committer = Committer(store, reports.metrics.committed)
    ledger = Ledger(store, committer)
    challenges = Challenges(lambda: secrets.token_bytes(CHALLENGE_OCTETS))
    judge = DeviceJudge(held, responders, wall)
    recipients = Recipients(judge, held)
    maker = KeyMaker(settings.gateway.id, held)
    keying = Keying(ledger, recipients, maker, reports, wall)
    moderation = Moderation(monotonic)
    enrolling = Enrolling(
        *(ledger, recipients, maker, reports, moderation, wall),
        test_devices=settings.takes_test_parties,
    )
    registering = Registering(ledger, held, challenges, reports, moderation, wall)
    return ProvisioningParts(
        settings=settings,
        store=store,
        held=held,
        committer=committer,
        challenges=challenges,
        judge=judge,
        desk=Desk(ledger, held, (enrolling, keying, registering), reports, moderation, wall),
        arrivals=ControlArrivals(
            *(ledger, held, reports, moderation, (wall, monotonic)),
            port=settings.gateway.application_port,
        ),
        orders=KeyOrders(ledger, keying, reports, monotonic),
        policy=RekeyPolicy(ledger, held, reports, wall),
        promotion=KeyPromotion(ledger, reports, wall, held),
        sweep=RevocationSweep(ledger, judge, reports, (wall, monotonic)),
        delivery=delivery_desk(settings, ledger, held, reports, moderation, Clocks(wall, monotonic)),
        agents=AgentJudge(
            lambda: held.now.delivery.issuers if held.now.delivery else (),
            responders,
            lambda device_id: store.registry.device(device_id) is not None,
            wall,
        ),
        certificates=CertificateWatch(held, reports, wall),
        reports=reports,
        wall=wall,
    )
