"""The relay put together: one function builds every part and says who talks to whom."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsm_gateway.daemon.committer import Committer
from tsm_gateway.daemon.control_sender import MOST, ControlSender, Retrying
from tsm_gateway.daemon.dispatch import Dispatcher, SendOptions
from tsm_gateway.daemon.intake import Clocks, Crew, Intake
from tsm_gateway.daemon.link_set import LinkSet
from tsm_gateway.daemon.reports import Reports
from tsm_gateway.daemon.senders import Senders
from tsm_gateway.daemon.status_snapshot import Watched
from tsm_gateway.daemon.verifier import Verifier
from tsm_gateway.radio.sms.join import Joiner, JoinLimits
from tsm_gateway.registry.provider import ProviderState
from tsm_gateway.relay.accept import AcceptLimits, Acceptor
from tsm_gateway.relay.control_lane import ControlLane
from tsm_gateway.relay.directory import Directory
from tsm_gateway.relay.intake import PartIntake
from tsm_gateway.relay.retry import RetryPolicy

if TYPE_CHECKING:
    from tsm_gateway.daemon.logs import Log
    from tsm_gateway.daemon.metrics import Metrics
    from tsm_gateway.daemon.settings import RelaySettings, Settings
    from tsm_gateway.keys.wrap import MasterKeys
    from tsm_gateway.registry.provider import Provider
    from tsm_gateway.store.sqlite_store import SqliteStore

TIME_OCTETS, RANDOM_OCTETS = 6, 10  # of a message id


@dataclass(frozen=True, slots=True)
class RelayParts:
    """Everything that runs in the relay daemon."""

    settings: Settings
    store: SqliteStore
    directory: Directory
    committer: Committer
    verifier: Verifier
    dispatcher: Dispatcher
    controls: ControlSender
    senders: Senders
    intake: Intake
    links: LinkSet
    reports: Reports
    watched: Watched

    def status_line(self) -> str:
        """One line for `systemctl status`."""
        bound = sum(link.bound for link in self.links.links.values())
        return (
            f"{bound} of {len(self.links.links)} links bound, {self.intake.unanswered} unanswered, "
            f"{self.dispatcher.waiting + self.dispatcher.under_way} on their way out"
        )


def assemble(
    settings: Settings, store: SqliteStore, masters: MasterKeys, log: Log, metrics: Metrics
) -> RelayParts:
    """Build the relay on an open store; nothing runs yet, nothing is read from the store but by the parts."""
    clocks, relay = Clocks(time.time, time.monotonic), settings.relay
    port, skew_s = settings.gateway.application_port, int(relay.clock_skew_s)
    reports = Reports(log, metrics)
    directory = Directory(store.registry, masters, port=port)
    committer = Committer(store, reports.committed)
    verifier = Verifier(relay.verify_threads)
    jitter, options = random.SystemRandom().random, _send_options(port, relay)
    dispatcher = Dispatcher(committer, reports, clocks, jitter, options, lambda: _active_providers(store))
    controls = ControlSender(
        store.provisioning,
        committer,
        reports.controls,
        clocks,
        Retrying(options.policy, jitter),
        ControlLane(MOST, port=port),
    )
    senders = Senders(dispatcher, controls)
    acceptor = Acceptor(
        directory,
        AcceptLimits(relay.max_counter_jump, skew_s),
        new_id=new_message_id,
        direct=dispatcher.direct,
    )
    parts = PartIntake(Joiner(_join_limits(relay)), directory, port=port, skew_s=skew_s)
    crew = Crew(parts, directory, acceptor, verifier, committer, store, dispatcher, reports)
    intake = Intake(crew, clocks, batch=relay.batch, limit=relay.intake_limit)
    return RelayParts(
        settings=settings,
        store=store,
        directory=directory,
        committer=committer,
        verifier=verifier,
        dispatcher=dispatcher,
        controls=controls,
        senders=senders,
        intake=intake,
        links=LinkSet(intake, senders, reports),
        reports=reports,
        watched=Watched(),
    )


def new_message_id() -> bytes:
    """16 octets, never twice: milliseconds since 1970, then random, so that new rows lie side by side."""
    return (time.time_ns() // 1_000_000).to_bytes(TIME_OCTETS, "big") + os.urandom(RANDOM_OCTETS)


def _send_options(port: int, relay: RelaySettings) -> SendOptions:
    policy = RetryPolicy(relay.attempts, int(relay.retry_first_s) or 1, int(relay.retry_cap_s) or 1)
    return SendOptions(port, policy, relay.lane_limit)


def _join_limits(relay: RelaySettings) -> JoinLimits:
    return JoinLimits(
        per_sender=relay.parts_per_sender, in_all=relay.parts_in_all, wait_s=max(1, int(relay.join_wait_s))
    )


def _active_providers(store: SqliteStore) -> dict[str, Provider]:
    found = store.registry.providers()
    return {each.name: each for each in found if each.state is ProviderState.ACTIVE}
