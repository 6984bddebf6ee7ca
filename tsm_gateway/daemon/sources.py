"""Figures that are looked up when somebody asks: links, messages by state, the disk, the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    from tsm_gateway.radio.smpp.link_event import LinkSnapshot

BOUND = "bound"  # the state of a link that serves


class Figures(NamedTuple):
    """The daemon at one instant."""

    ready: bool
    messages: Mapping[str, int]  # by state
    segments_waiting: int  # parts whose message is not complete
    unanswered: int  # short messages that have no answer yet
    under_way: int  # messages being sent
    lanes_waiting: int  # messages in memory that wait for a link
    controls_waiting: int  # key packages that wait to be sent as short messages
    controls_under_way: int  # key packages being sent
    confirmations_waiting: int  # confirmations that provisioning has not judged
    store_free_bytes: int
    log_lines: Mapping[str, int]  # by level
    log_lost: int


# (name without "tsm_", documentation, attribute of Figures)
GAUGES = (
    ("ready", "Whether payments are taken: 1 or 0.", "ready"),
    ("segments_waiting", "Journalled parts whose message is not complete.", "segments_waiting"),
    ("arrivals_unanswered", "Short messages without an answer yet.", "unanswered"),
    ("messages_under_way", "Messages being sent.", "under_way"),
    ("lanes_waiting", "Messages in memory that wait for a link.", "lanes_waiting"),
    ("controls_waiting", "Key packages that wait to be sent as short messages.", "controls_waiting"),
    ("controls_under_way", "Key packages being sent.", "controls_under_way"),
    (
        "confirmations_waiting",
        "Confirmations that provisioning has not judged yet.",
        "confirmations_waiting",
    ),
    ("store_free_bytes", "Free space where the store lies.", "store_free_bytes"),
)

LINK_GAUGES: tuple[tuple[str, str, Callable[[LinkSnapshot], float]], ...] = (
    ("link_up", "Whether the bind stands: 1 or 0.", lambda link: link.state == BOUND),
    ("link_window", "Submits that may be without an answer.", lambda link: link.window),
    ("link_window_used", "Submits that are without an answer.", lambda link: link.window_used),
    ("link_intake", "Deliveries that may be without our answer.", lambda link: link.intake),
    ("link_intake_used", "Deliveries that are without our answer.", lambda link: link.intake_used),
    ("link_pause_seconds", "How long it still pauses because it was throttled.", lambda link: link.pause_s),
    ("link_reading", "Whether it reads: 1, or 0 while the store catches up.", lambda link: link.reading),
)


class Sources(Collector):
    """Asks the running daemon; registered by `Metrics.watch`."""

    def __init__(self, figures: Callable[[], Figures], links: Callable[[], Iterable[LinkSnapshot]]) -> None:
        """Both are called once per request for metrics, on the event loop."""
        self._figures, self._links = figures, links

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: there may be no daemon yet to ask."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Look everything up."""
        figures = self._figures()
        for name, documentation, attribute in GAUGES:
            yield GaugeMetricFamily(f"tsm_{name}", documentation, value=getattr(figures, attribute))
        messages = GaugeMetricFamily("tsm_messages", "Messages in the store, by state.", labels=["state"])
        for state, count in figures.messages.items():
            messages.add_metric([state], count)
        yield messages
        lines = CounterMetricFamily("tsm_log_lines", "Log lines written, by level.", labels=["level"])
        for level, count in figures.log_lines.items():
            lines.add_metric([level], count)
        yield lines
        yield CounterMetricFamily("tsm_log_lost", "Log lines that could not be written.", figures.log_lost)
        yield from _of_links(list(self._links()))


def _of_links(links: list[LinkSnapshot]) -> Iterator[Metric]:
    for name, documentation, look in LINK_GAUGES:
        gauge = GaugeMetricFamily(f"tsm_{name}", documentation, labels=["link"])
        for link in links:
            gauge.add_metric([link.name], float(look(link)))
        yield gauge
    events = CounterMetricFamily("tsm_link_events", "What happened on a link.", labels=["link", "event"])
    for link in links:
        for event, count in link.counters.items():
            events.add_metric([link.name, event], count)
    yield events
