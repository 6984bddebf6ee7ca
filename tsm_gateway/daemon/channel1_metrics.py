"""The figures of channel 1's listener; labels come from closed lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.daemon.metrics import LATENCY_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.channel1_handshakes import Refusal
    from tsm_gateway.daemon.provisioning_metrics import ProvisioningMetrics


class Channel1Metrics:
    """Counted where it happens; how many connections there are is looked up when somebody asks."""

    def __init__(self, metrics: ProvisioningMetrics) -> None:
        """Add the series to those of the process."""
        self._metrics = metrics
        self._requests = metrics.counter("requests", "Requests answered.", ("route", "status"))
        self._handshakes = metrics.counter("handshakes", "TLS handshakes whose device was believed.")
        self._handshakes_refused = metrics.counter(
            "handshakes_refused", "Connections that never became one, by reason.", ("reason",)
        )
        self._identities_refused = metrics.counter(
            "identities_refused", "Certificates not believed after TLS held, by reason.", ("reason",)
        )
        self._cut = metrics.counter("connections_cut", "Connections ended by us, by reason.", ("reason",))
        self._request_seconds = metrics.histogram(
            "request_seconds", "From the head of a request to its answer.", LATENCY_S
        )
        self._handshake_seconds = metrics.histogram(
            "handshake_seconds", "From accept to an admitted device.", LATENCY_S
        )

    def watch(self, connections: Callable[[], float], handshakes: Callable[[], float]) -> None:
        """Publish how many connections are open and how many are on their way."""
        self._metrics.looked_up("connections", "Connections of admitted devices.", connections)
        self._metrics.looked_up("handshakes_open", "Connections whose peer is not known yet.", handshakes)

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
