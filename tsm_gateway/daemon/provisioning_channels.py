"""The channels of one provisioning process: the first always, the second when there is a section for it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from tsm_gateway.daemon import channel1_routes, channel2_routes
from tsm_gateway.daemon.channel_admission import Admission
from tsm_gateway.daemon.channel_limits import Limits
from tsm_gateway.daemon.channel_listener import Channel, ChannelParts
from tsm_gateway.daemon.channel_metrics import ChannelMetrics

if TYPE_CHECKING:
    import ssl

    from tsm_gateway.daemon.logs import Log
    from tsm_gateway.daemon.provisioning_parts import ProvisioningParts
    from tsm_gateway.daemon.provisioning_sources import Sources
    from tsm_gateway.daemon.settings_delivery import DeliverySettings

DELIVERY_PREFIX = "delivery_"  # of the figures of channel 2: tsm_provisioning_delivery_requests_total


class Channels:
    """Both listeners as one; `async with` listens."""

    def __init__(self, parts: ProvisioningParts, sources: Sources, log: Log) -> None:
        """Made inside the running loop."""
        material = sources.material
        self.first = Channel(material.section.address, _first(parts, sources, log))
        self.second: Channel | None = None
        if material.delivery and sources.delivery_context:
            section = material.delivery.section
            second = _second(parts, section, sources.delivery_context, log)
            self.second = Channel(section.address, second)
        self._stack = AsyncExitStack()

    @property
    def waiting(self) -> int:
        """How many requests are under way."""
        return sum(channel.waiting for channel in self._all())

    def renew(self, sources: Sources) -> None:
        """Certificates, issuers and limits were read again. A channel more or less waits for a restart."""
        material = sources.material
        self.first.renew(sources.context, Limits.of(material.section))
        if self.second and material.delivery and sources.delivery_context:
            self.second.renew(sources.delivery_context, Limits.of(material.delivery.section))

    async def drain(self, grace_s: float) -> None:
        """Take nobody new, finish what is under way for at most `grace_s` seconds, cut the rest."""
        await asyncio.gather(*(channel.drain(grace_s) for channel in self._all()))

    async def __aenter__(self) -> Self:
        """Listen. Raises ChannelListenFailed, and then on none of them."""
        async with AsyncExitStack() as stack:
            for channel in self._all():
                await stack.enter_async_context(channel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop at once."""
        await self._stack.aclose()

    def _all(self) -> list[Channel]:
        return [self.first, *([self.second] if self.second else [])]


def _first(parts: ProvisioningParts, sources: Sources, log: Log) -> ChannelParts:
    return ChannelParts(
        channel1_routes.SERVICE,
        parts.desk,
        Admission(parts.judge.device),
        sources.context,
        Limits.of(sources.material.section),
        log,
        ChannelMetrics(parts.reports.metrics),
    )


def _second(
    parts: ProvisioningParts, section: DeliverySettings, context: ssl.SSLContext, log: Log
) -> ChannelParts:
    return ChannelParts(
        channel2_routes.SERVICE,
        parts.delivery,
        Admission(parts.agents.agent),
        context,
        Limits.of(section),
        log,
        ChannelMetrics(parts.reports.metrics, DELIVERY_PREFIX),
    )
