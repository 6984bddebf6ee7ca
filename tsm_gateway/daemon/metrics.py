"""Every figure the gateway publishes: Prometheus names `tsm_…`, base units, labels from closed lists.

Counters and histograms are written where things happen, once per batch; what can be looked up is looked
up when somebody asks (`Sources`), and costs nothing otherwise.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from tsm_gateway import __version__
from tsm_gateway.daemon.histogram import Histogram
from tsm_gateway.relay.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client.registry import Collector

    from tsm_gateway.messages import Fate

LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
COMMIT_S = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
HANDOVER_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21_600.0, 86_400.0)
SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


class Metrics:
    """All counters, gauges and histograms of one process, with a registry of their own."""

    def __init__(self) -> None:
        """Every series whose labels are known from the start begins at 0, so that rates work."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series per counter that nobody asks for
        self.registry = CollectorRegistry()
        self._arrivals()
        self._payments()
        self._outgoing()
        self._controls()
        self._store()
        build = self._gauge("build_info", "Which release runs; always 1.", ("version", "python"))
        build.labels(__version__, platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)

    def watch(self, collector: Collector) -> None:
        """Publish what `collector` looks up when asked; see `sources`."""
        self.registry.register(collector)

    def text(self) -> bytes:
        """Everything in the text exposition format."""
        return generate_latest(self.registry)

    # helpers of the hot path: once per batch

    def came(self, bearer: str, kind: str, count: int) -> None:
        """`count` short messages came in; `kind` is "part", "receipt" or "other"."""
        if count:
            self.arrivals.labels(bearer, kind).inc(count)

    def refused(self, reasons: Iterable[Reason]) -> None:
        """These payments were consumed in silence."""
        for reason in reasons:
            self._refused[reason].inc()

    def submitted(self, link: str, fates: Sequence[Fate]) -> None:
        """A link answered for these parts."""
        for fate in set(fates):
            self.submits.labels(link, fate.value).inc(fates.count(fate))

    def committed(self, seconds: float, works: int) -> None:
        """One group became durable."""
        self.commit_seconds.observe(seconds)
        self.commit_works.observe(works)

    # the figures, stage by stage

    def _arrivals(self) -> None:
        self.arrivals = self._counter("arrivals", "Short messages read off a link.", ("bearer", "kind"))
        self.batch_arrivals = self._histogram("batch_arrivals", "Short messages decided at once.", SIZES)
        self.answer_seconds = self._histogram(
            "answer_seconds", "From reading a short message to answering it.", LATENCY_S
        )
        self.parts_duplicate = self._counter("parts_duplicate", "Parts that were held already.")
        self.parts_expired = self._counter("parts_expired", "Parts whose message was never completed.")
        self.parts_evicted = self._counter("parts_evicted", "Parts dropped because a bound was reached.")

    def _payments(self) -> None:
        self.accepted = self._counter("payments_accepted", "Payments made durable and then acknowledged.")
        refused = self._counter("payments_refused", "Payments consumed in silence, by reason.", ("reason",))
        self._refused = {reason: refused.labels(reason.value) for reason in Reason}
        self.postponed = self._counter(
            "arrivals_postponed", "Short messages the radio was asked to send again.", ("reason",)
        )

    def _outgoing(self) -> None:
        self.submits = self._counter("submits", "Parts answered for by a link, by fate.", ("link", "fate"))
        self.handed_over = self._counter("payments_handed_over", "Payments the provider's side took.")
        self.handover_seconds = self._histogram(
            "handover_seconds", "From accepting a payment to handing it over.", HANDOVER_S
        )
        self.retries = self._counter("payments_deferred", "Hand-overs put off, by cause.", ("cause",))
        self.failed = self._counter("payments_failed", "Payments given up, by cause.", ("cause",))
        self.delivered = self._counter("payments_delivered", "Payments whose receipts all said delivered.")
        self.receipts = self._counter(
            "receipts", "Delivery receipts, by what they said.", ("state", "matched")
        )

    def _controls(self) -> None:
        self.controls_received = self._counter(
            "controls_received", "Confirmations of keys that came by short message."
        )
        self.controls_sent = self._counter("controls_sent", "Key packages the network took.")
        self.controls_deferred = self._counter(
            "controls_deferred", "Key packages put off, by cause.", ("cause",)
        )
        self.controls_failed = self._counter(
            "controls_failed", "Key packages given up, by cause.", ("cause",)
        )

    def _store(self) -> None:
        self.commit_seconds = self._histogram("commit_seconds", "One group commit, fsync included.", COMMIT_S)
        self.commit_works = self._histogram("commit_works", "Pieces of work in one group commit.", SIZES)
        self.conflicts = self._counter("store_conflicts", "Batches decided anew: somebody else was first.")
        self.registry_changes = self._counter("registry_changes", "Administrative changes taken over.")
        self.watchdog_missed = self._counter(
            "watchdog_missed", "Feedings left out, by stuck loop.", ("loop",)
        )

    def _counter(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(f"tsm_{name}", documentation, labels, registry=self.registry)

    def _gauge(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(f"tsm_{name}", documentation, labels, registry=self.registry)

    def _histogram(self, name: str, documentation: str, bounds: Sequence[float]) -> Histogram:
        histogram = Histogram(f"tsm_{name}", documentation, bounds)
        self.registry.register(histogram)
        return histogram
