"""Delivers to a virtual handset's card through channel 2, as an agent on a real handset does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tsm_gateway.virtual.app_agent import AppAgent
from tsm_gateway.virtual.channel import Channel
from tsm_gateway.virtual.errors import ApplicationNotInstalled, DeliveryIncomplete

if TYPE_CHECKING:
    from tsm_gateway.cli.virtual_enrolment import Service
    from tsm_gateway.virtual.app_agent import Delivered
    from tsm_gateway.virtual.card import Card
    from tsm_gateway.virtual.party_records import HandsetRecord

NOTHING_ASSIGNED = "no application is assigned to this device"


def deliver_through_channel_2(
    service: Service, record: HandsetRecord, card: Card, *, patience_s: float = 0.0
) -> Delivered:
    """Fetch and install what is assigned to the handset; come again as often as told within `patience_s`.

    Raises DeliveryIncomplete; ApplicationNotInstalled for a handset without an agent; ChannelBroken,
    ChannelRefused, DeliveryBrokenOff, FormatMalformed, ValueError for a URL that is none.
    """
    if record.app_agent is None or record.element is None:
        raise ApplicationNotInstalled(what="this handset has no card", device_id=record.device_id)

    def tell(step: str, what: str) -> None:
        service.tell(record.device_id, step, what)

    give_up_at = time.monotonic() + patience_s
    context = record.app_agent.context(record.element.tsm_root)
    with Channel(service.url, context, sleep=service.sleep) as channel:
        agent = AppAgent(card, channel, tell=tell)
        failed_before = str(agent.status().get("last_failed_job") or "")
        delivered = agent.deliver()
        while not delivered.complete and time.monotonic() + delivered.retry_after_s <= give_up_at:
            tell("waits", f"to come again in {delivered.retry_after_s} s")
            service.sleep(delivered.retry_after_s)
            delivered = agent.deliver()
    _require_complete(delivered, failed_before)
    return delivered


def _require_complete(delivered: Delivered, failed_before: str) -> None:
    """Whatever was installed before: a job that failed now counts. Raises DeliveryIncomplete."""
    if not delivered.installed and not delivered.applications:
        raise DeliveryIncomplete(what=NOTHING_ASSIGNED, device_state=delivered.device_state)
    for name, version, state in delivered.applications:
        if state not in {"installed", "removed"}:
            again_s = delivered.retry_after_s
            raise DeliveryIncomplete(application=name, version=version, state=state, retry_after_s=again_s)
    if delivered.last_failed_job not in {"", failed_before}:
        raise DeliveryIncomplete(job=delivered.last_failed_job, state="failed")
    if not delivered.complete:
        raise DeliveryIncomplete(jobs_waiting=delivered.jobs_waiting, retry_after_s=delivered.retry_after_s)
