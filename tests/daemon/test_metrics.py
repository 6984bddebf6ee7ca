"""Metrics: names and labels as promised, figures as counted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tsm_gateway.daemon.histogram import Histogram
from tsm_gateway.daemon.metrics import Metrics
from tsm_gateway.daemon.sources import Figures, Sources
from tsm_gateway.messages import Fate
from tsm_gateway.radio.smpp.link_event import LinkSnapshot
from tsm_gateway.relay.reasons import Reason

if TYPE_CHECKING:
    from prometheus_client import Metric

FIGURES = Figures(
    ready=True,
    messages={"queued": 3, "failed": 1},
    segments_waiting=5,
    unanswered=7,
    under_way=11,
    lanes_waiting=13,
    controls_waiting=29,
    controls_under_way=31,
    confirmations_waiting=37,
    store_free_bytes=17,
    log_lines={"info": 19},
    log_lost=23,
)
LINK = LinkSnapshot(
    name="carrier-a",
    state="bound",
    host="127.0.0.1",
    port=2775,
    window=50,
    window_used=4,
    intake=2000,
    intake_used=9,
    pause_s=1.5,
    reading=True,
    counters={"binds": 2, "nacks": 6},
)


@pytest.fixture
def metrics() -> Metrics:
    found = Metrics()
    found.watch(Sources(lambda: FIGURES, lambda: [LINK]))
    return found


def families(metrics: Metrics) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(metrics.text().decode())}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_every_figure_has_our_prefix_a_base_unit_and_a_sentence(metrics: Metrics) -> None:
    for name, family in families(metrics).items():
        assert re.match(r"(tsm|process)_[a-z_]+$", name)
        assert not re.search(r"_(ms|milliseconds|kb|mb|minutes)$", name)
        assert family.documentation.endswith(".")


def test_two_processes_in_one_do_not_share_figures() -> None:
    one, other = Metrics(), Metrics()
    one.accepted.inc()
    assert value(other, "tsm_payments_accepted_total") == 0


def test_arrivals_are_counted_by_bearer_and_kind(metrics: Metrics) -> None:
    metrics.came("carrier-a", "part", 3)
    metrics.came("carrier-a", "receipt", 0)
    assert value(metrics, "tsm_arrivals_total", bearer="carrier-a", kind="part") == 3
    assert value(metrics, "tsm_arrivals_total", bearer="carrier-a", kind="receipt") is None


def test_every_reason_of_refusal_begins_at_zero(metrics: Metrics) -> None:
    assert {value(metrics, "tsm_payments_refused_total", reason=reason.value) for reason in Reason} == {0}
    metrics.refused([Reason.REPLAY, Reason.REPLAY, Reason.EXPIRED])
    assert value(metrics, "tsm_payments_refused_total", reason="replay") == 2
    assert value(metrics, "tsm_payments_refused_total", reason="expired") == 1


def test_submits_are_counted_by_link_and_fate(metrics: Metrics) -> None:
    metrics.submitted("carrier-a", [Fate.ACCEPTED, Fate.BUSY, Fate.ACCEPTED])
    assert value(metrics, "tsm_submits_total", link="carrier-a", fate="accepted") == 2
    assert value(metrics, "tsm_submits_total", link="carrier-a", fate="busy") == 1


def test_a_commit_is_seen_by_its_time_and_its_size(metrics: Metrics) -> None:
    metrics.committed(0.003, 4)
    assert value(metrics, "tsm_commit_seconds_count") == 1
    assert value(metrics, "tsm_commit_seconds_sum") == 0.003
    assert value(metrics, "tsm_commit_seconds_bucket", le="0.0025") == 0
    assert value(metrics, "tsm_commit_seconds_bucket", le="0.005") == 1
    assert value(metrics, "tsm_commit_works_bucket", le="5.0") == 1


def test_the_daemon_s_state_is_looked_up_when_asked(metrics: Metrics) -> None:
    assert value(metrics, "tsm_ready") == 1
    assert value(metrics, "tsm_messages", state="queued") == 3
    assert value(metrics, "tsm_segments_waiting") == 5
    assert value(metrics, "tsm_arrivals_unanswered") == 7
    assert value(metrics, "tsm_messages_under_way") == 11
    assert value(metrics, "tsm_lanes_waiting") == 13
    assert value(metrics, "tsm_controls_waiting") == 29
    assert value(metrics, "tsm_controls_under_way") == 31
    assert value(metrics, "tsm_confirmations_waiting") == 37
    assert value(metrics, "tsm_store_free_bytes") == 17
    assert value(metrics, "tsm_log_lines_total", level="info") == 19
    assert value(metrics, "tsm_log_lost_total") == 23


def test_a_link_shows_its_bind_its_window_and_all_it_counted(metrics: Metrics) -> None:
    expected = {
        "tsm_link_up": 1,
        "tsm_link_window": 50,
        "tsm_link_window_used": 4,
        "tsm_link_intake": 2000,
        "tsm_link_intake_used": 9,
        "tsm_link_pause_seconds": 1.5,
        "tsm_link_reading": 1,
    }
    assert {name: value(metrics, name, link="carrier-a") for name in expected} == expected
    assert value(metrics, "tsm_link_events_total", link="carrier-a", event="nacks") == 6


def test_a_link_that_is_not_bound_is_down() -> None:
    metrics = Metrics()
    metrics.watch(Sources(lambda: FIGURES, lambda: [LINK._replace(state="connecting")]))
    assert value(metrics, "tsm_link_up", link="carrier-a") == 0


def test_the_release_and_the_process_are_published(metrics: Metrics) -> None:
    found = families(metrics)
    (build,) = found["tsm_build_info"].samples
    assert set(build.labels) == {"version", "python"}
    assert "process_resident_memory_bytes" in found


@given(st.lists(st.floats(0, 100)), st.lists(st.floats(0.001, 100), min_size=1, max_size=8, unique=True))
def test_a_histogram_counts_every_value_under_every_bound_it_fits(
    values: list[float], bounds: list[float]
) -> None:
    histogram = Histogram("tsm_x_seconds", "X.", sorted(bounds))
    histogram.observe_all(values)
    (family,) = histogram.collect()
    found = {sample.labels["le"]: sample.value for sample in family.samples if "le" in sample.labels}
    for bound in bounds:
        assert found[str(bound)] == sum(value <= bound for value in values)
    assert found["+Inf"] == len(values)
    assert {sample.name: sample.value for sample in family.samples}["tsm_x_seconds_count"] == len(values)


def test_one_value_counts_as_a_batch_of_one() -> None:
    one, batch = (Histogram("tsm_x_seconds", "X.", [1.0, 2.0]) for _ in range(2))
    one.observe(2.0)
    batch.observe_all([2.0])
    assert list(one.collect()) == list(batch.collect())
