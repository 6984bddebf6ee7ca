"""The provisioning daemon at one instant, as its status page and its figures show it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from tsm_gateway import __version__
from tsm_gateway.store.files_store import free_octets

if TYPE_CHECKING:
    from tsm_gateway.daemon.channel_listener import Channel
    from tsm_gateway.daemon.delivery_sessions import DeliverySession
    from tsm_gateway.daemon.provisioning_channels import Channels
    from tsm_gateway.daemon.provisioning_parts import ProvisioningParts


SHOWN: Final = 50  # sessions, by device


def publish(parts: ProvisioningParts) -> None:
    """Add what is looked up when somebody asks to the figures."""
    metrics, folder = parts.reports.metrics, parts.settings.store.path.parent
    metrics.looked_up("ready", "Whether devices are served: 1 or 0.", lambda: float(parts.watched.ready))
    metrics.looked_up("challenges_waiting", "Challenges without a proof yet.", lambda: len(parts.challenges))
    metrics.looked_up(
        "delivery_sessions_open", "Sessions with cards under way.", lambda: len(parts.delivery.sessions)
    )
    metrics.looked_up("store_free_bytes", "Free space where the store lies.", lambda: free_octets(folder))


def snapshot(parts: ProvisioningParts, channels: Channels, uptime_s: float) -> dict[str, object]:
    """For `tsm-gateway status`: JSON without a secret or a number in it."""
    settings, now = parts.settings, int(parts.wall())
    return {
        "version": __version__,
        "gateway": settings.gateway.id,
        "process": "provisioning",
        "uptime_s": round(uptime_s, 1),
        "ready": parts.watched.ready,
        "degraded": degraded(parts),
        "listen": _listens(channels.first),
        "delivery_listen": _listens(channels.second),
        "issuers": [issuer.name for issuer in parts.held.now.issuers],
        "master_versions": list(parts.held.now.masters.versions()),  # `key rotate` asks before it rewraps
        "requests": channels.waiting,
        "challenges": len(parts.challenges),
        "sessions": [_session(each) for each in islice(parts.delivery.sessions, SHOWN)],
        "sessions_open": len(parts.delivery.sessions),
        "store": {"path": str(settings.store.path), "free_bytes": free_octets(settings.store.path.parent)},
        "certificates": [
            {"owner": item.owner, "use": item.use, "ends_at": item.not_after, "days": item.days_left(now)}
            for item in parts.certificates.items
        ],
    }


def _listens(channel: Channel | None) -> str:
    address = channel.address if channel else None
    return f"{address[0]}:{address[1]}" if address else ""


def _session(session: DeliverySession) -> dict[str, object]:
    """What is done on one card, and how far it is."""
    undertaking, at = session.current, session.conversation.job
    return {
        "device": session.whose.device_id,
        "app_se": session.whose.app_se.hex(),
        "job": undertaking.job.kind.value if undertaking else "",
        "application": undertaking.job.application if undertaking else "",
        "blocks": at.done if at else 0,
        "blocks_total": at.total if at else 0,
        "scripts": session.number,
    }


def degraded(parts: ProvisioningParts) -> list[str]:
    """What keeps provisioning from working fully, in words."""
    troubles = [] if parts.watched.ready else ["starting or stopping"]
    for item in parts.certificates.ending():
        days = item.days_left(int(parts.wall()))
        when = f"ends in {days} days" if days >= 0 else "has ended"
        troubles.append(f"{item.owner} {item.use} {when}: {item.subject}")
    return troubles
