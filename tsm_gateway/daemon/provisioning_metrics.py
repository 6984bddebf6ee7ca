"""Every figure of provisioning: Prometheus names `tsm_provisioning_…`, base units."""

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
from tsm_gateway.daemon.metrics import COMMIT_S, SIZES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class ProvisioningMetrics:
    """All counters, gauges and histograms of one process, with a registry of their own."""

    def __init__(self) -> None:
        """Build them; the listener of channel 1 adds its own through `counter`, `gauge` and `histogram`."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series per counter that nobody asks for
        self.registry = CollectorRegistry()
        self.enrolments = self.counter("enrolments", "Devices enrolled, anew or again.", ("outcome",))
        self.packages = self.counter("key_packages", "Key packages made, by how they travel.", ("delivery",))
        self.challenges = self.counter("challenges", "Registration challenges issued.")
        self.registrations = self.counter("registrations", "Proofs accepted, by bearer.", ("bearer",))
        self.rekeys = self.counter("rekeys", "New keys ordered, by why.", ("cause",))
        self.confirmed = self.counter("keys_confirmed_by_use", "Keys a device began to use without a proof.")
        self.refused = self.counter("refusals", "Requests refused, by use case and code.", ("use", "code"))
        self.commit_seconds = self.histogram("commit_seconds", "One group commit, fsync included.", COMMIT_S)
        self.commit_works = self.histogram("commit_works", "Pieces of work in one group commit.", SIZES)
        self.responders_silent = self.counter("responders_silent", "Times no OCSP answer of use came.")
        self.swept = self.counter("certificates_swept", "Certificates looked at again.", ("outcome",))
        self.sweep_ended = self.gauge(
            "certificates_swept_timestamp_seconds", "When all were last looked at: Unix time; 0 = not yet."
        )
        self.watchdog_missed = self.counter("watchdog_missed", "Feedings left out, by loop.", ("loop",))
        self.expiry = self.gauge(
            "expiry_timestamp_seconds", "When a certificate or list ends: Unix time.", ("owner", "use")
        )
        build = self.gauge("build_info", "Which release runs; always 1.", ("version", "python"))
        build.labels(__version__, platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)

    def text(self) -> bytes:
        """Everything in the text exposition format."""
        return generate_latest(self.registry)

    def committed(self, seconds: float, works: int) -> None:
        """One group became durable."""
        self.commit_seconds.observe(seconds)
        self.commit_works.observe(works)

    def looked_up(self, name: str, documentation: str, look: Callable[[], float]) -> None:
        """A gauge whose value is asked for when somebody reads it."""
        self.gauge(name, documentation).set_function(look)

    def counter(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
        """A new counter `tsm_provisioning_<name>_total`."""
        return Counter(f"tsm_provisioning_{name}", documentation, labels, registry=self.registry)

    def gauge(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
        """A new gauge `tsm_provisioning_<name>`."""
        return Gauge(f"tsm_provisioning_{name}", documentation, labels, registry=self.registry)

    def histogram(self, name: str, documentation: str, bounds: Sequence[float]) -> Histogram:
        """A new histogram `tsm_provisioning_<name>` with buckets up to each of `bounds`."""
        histogram = Histogram(f"tsm_provisioning_{name}", documentation, bounds)
        self.registry.register(histogram)
        return histogram
