"""The figures of a channel's listener; labels come from closed lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.daemon.metrics import LATENCY_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.channel_handshakes import Refusal
    from tsm_gateway.daemon.provisioning_metrics import ProvisioningMetrics


class ChannelMetrics:
    """Counted where it happens; how many connections there are is looked up when somebody asks."""

    def __init__(self, metrics: ProvisioningMetrics, prefix: str = "") -> None:
        """Add the series to those of the process; `prefix` tells those of another channel from these."""
        self._metrics, self._prefix = metrics, prefix
        self._requests = metrics.counter(f"{prefix}requests", "Requests answered.", ("route", "status"))
        self._handshakes = metrics.counter(f"{prefix}handshakes", "TLS handshakes whose peer was believed.")
        self._handshakes_refused = metrics.counter(
            f"{prefix}handshakes_refused", "Connections that never became one, by reason.", ("reason",)
        )
        self._identities_refused = metrics.counter(
            f"{prefix}identities_refused", "Certificates not believed after TLS held, by reason.", ("reason",)
        )
        self._cut = metrics.counter(
            f"{prefix}connections_cut", "Connections ended by us, by reason.", ("reason",)
        )
        self._request_seconds = metrics.histogram(
            f"{prefix}request_seconds", "From the head of a request to its answer.", LATENCY_S
        )
        self._handshake_seconds = metrics.histogram(
            f"{prefix}handshake_seconds", "From accept to an admitted peer.", LATENCY_S
        )

    def watch(self, connections: Callable[[], float], handshakes: Callable[[], float]) -> None:
        """Publish how many connections are open and how many are on their way."""
        self._metrics.looked_up(f"{self._prefix}connections", "Connections of admitted peers.", connections)
        self._metrics.looked_up(
            f"{self._prefix}handshakes_open", "Connections whose peer is not known yet.", handshakes
        )

    def answered(self, route: str, status: int, seconds: float) -> None:
        """One request; `route` is a name of the table, or "none"."""
        self._requests.labels(route, str(status)).inc()
        self._request_seconds.observe(seconds)

    def admitted(self, seconds: float) -> None:
        """One connection whose device is believed."""
        self._handshakes.inc()
        self._handshake_seconds.observe(seconds)

    def handshake_refused(self, reason: Refusal) -> None:
        """No TLS came of it."""
        self._handshakes_refused.labels(reason.value).inc()

    def identity_refused(self, code: str) -> None:
        """TLS held, the judge said no."""
        self._identities_refused.labels(code).inc()

    def cut(self, reason: str) -> None:
        """We ended it."""
        self._cut.labels(reason).inc()
