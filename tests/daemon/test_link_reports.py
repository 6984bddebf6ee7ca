"""A link that cannot come back is told of now and then, not at every attempt."""

from __future__ import annotations

import io
import json
from typing import Any

from tsm_gateway.daemon.link_reports import AGAIN_S, LinkReports
from tsm_gateway.daemon.logs import configure
from tsm_gateway.radio.smpp.link_event import LinkEvent

AWAY = LinkEvent("a", "link.connect_failed", {"reason": "refused", "host": "127.0.0.1", "port": 1})


class Desk:
    def __init__(self) -> None:
        self.now, self.stream = 0.0, io.BytesIO()
        self.reports = LinkReports(configure("json", "debug", self.stream), lambda: self.now)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


def test_the_same_failure_is_told_once_a_minute_with_its_count() -> None:
    desk = Desk()
    for second in range(0, int(AGAIN_S) + 1, 5):
        desk.now = float(second)
        desk.reports.tell(AWAY)
    assert [line.get("count") for line in desk.lines()] == [None, 12]


def test_another_reason_and_another_host_are_news() -> None:
    desk = Desk()
    for told in (
        AWAY,
        AWAY._replace(fields={**AWAY.fields, "host": "127.0.0.2"}),
        AWAY._replace(fields={**AWAY.fields, "reason": "timeout"}),
        AWAY._replace(link="b"),
        AWAY,
    ):
        desk.reports.tell(told)
    assert len(desk.lines()) == 4


def test_after_a_bind_the_next_failure_is_news_again() -> None:
    desk = Desk()
    desk.reports.tell(AWAY)
    desk.reports.tell(LinkEvent("a", "link.bound", {"host": "127.0.0.1", "port": 1}))
    desk.reports.tell(AWAY)
    assert [line["event"] for line in desk.lines()].count("link.connect_failed") == 2
