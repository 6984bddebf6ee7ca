"""The figures of deliveries; labels come from closed lists: kinds of jobs, outcomes, codes of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsm_gateway.daemon.provisioning_metrics import ProvisioningMetrics


class DeliveryMetrics:
    """Counted where it happens; how many sessions there are is looked up when somebody asks."""

    def __init__(self, metrics: ProvisioningMetrics) -> None:
        """Add the series to those of the process."""
        self.jobs = metrics.counter("delivery_jobs", "Jobs on app SEs, by outcome.", ("kind", "outcome"))
        self.failures = metrics.counter("delivery_failures", "Jobs that did not end well.", ("reason",))
        self.scripts = metrics.counter("delivery_scripts", "Scripts given to agents.")
        self.blocks = metrics.counter("delivery_blocks", "Blocks of load files that cards confirmed.")
        self.sessions = metrics.counter("delivery_sessions", "Sessions with cards ended, by why.", ("end",))
        self.refused = metrics.counter("delivery_refusals", "Agents refused, by code.", ("code",))
        self.alarms = metrics.counter("exclusion_alarms", "Times the guard before app SEs stopped something.")
