"""The daemon at one instant, as `tsm-gateway status` and the metrics show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tsm_gateway import __version__
from tsm_gateway.daemon.sources import BOUND, Figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.daemon.relay_parts import RelayParts


@dataclass(slots=True)
class Watched:
    """What housekeeping looks up now and then, so that no request has to."""

    messages: Mapping[str, int] = field(default_factory=dict)  # by state
    packages_queued: int = 0  # key packages to be sent as short messages
    confirmations: int = 0  # that provisioning has not judged yet
    free_bytes: int = 0
    low_space: bool = False
    ready: bool = False


def figures(parts: RelayParts) -> Figures:
    """For the metrics."""
    log = parts.reports.log
    return Figures(
        ready=parts.watched.ready,
        messages=parts.watched.messages,
        segments_waiting=parts.intake.waiting_parts,
        unanswered=parts.intake.unanswered,
        under_way=parts.dispatcher.under_way,
        lanes_waiting=parts.dispatcher.waiting,
        controls_waiting=parts.watched.packages_queued,
        controls_under_way=parts.controls.under_way,
        confirmations_waiting=parts.watched.confirmations,
        store_free_bytes=parts.watched.free_bytes,
        log_lines=log.written,
        log_lost=log.lost,
    )


def degraded(parts: RelayParts) -> list[str]:
    """What keeps the relay from working fully, in words."""
    troubles = []
    if not parts.watched.ready:
        troubles.append("starting or stopping")
    if parts.watched.low_space:
        troubles.append("the store's disk is nearly full: payments are put off")
    for name, link in parts.links.links.items():
        state = link.snapshot().state
        if state != BOUND:
            troubles.append(f"link {name} is {state}")
    return troubles


def snapshot(parts: RelayParts, uptime_s: float) -> dict[str, object]:
    """For `tsm-gateway status`: JSON without a secret or a number in it."""
    now = figures(parts)
    return {
        "version": __version__,
        "gateway": parts.settings.gateway.id,
        "uptime_s": round(uptime_s, 1),
        "ready": now.ready,
        "degraded": degraded(parts),
        "master_versions": list(parts.directory.master_versions),  # `key rotate` asks before it rewraps
        "messages": dict(now.messages),
        "segments_waiting": now.segments_waiting,
        "unanswered": now.unanswered,
        "under_way": now.under_way,
        "lanes_waiting": now.lanes_waiting,
        "controls": {
            "waiting": now.controls_waiting,
            "under_way": now.controls_under_way,
            "confirmations": now.confirmations_waiting,
        },
        "store": {"path": str(parts.settings.store.path), "free_bytes": now.store_free_bytes},
        "links": [
            {
                "name": link.name,
                "state": link.state,
                "host": link.host,
                "port": link.port,
                "window": link.window,
                "window_used": link.window_used,
                "unanswered": link.intake_used,
                "pause_s": round(link.pause_s, 1),
                "counters": dict(link.counters),
            }
            for link in (each.snapshot() for each in parts.links.links.values())
        ],
    }
