"""The binds of one daemon: started, watched, replaced on reload, drained at the end."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tsm_gateway.daemon.events import Event
from tsm_gateway.daemon.link_reports import LinkReports
from tsm_gateway.radio.smpp.smpp_link import SmppLink

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tsm_gateway.daemon.intake import Intake
    from tsm_gateway.daemon.reports import Reports
    from tsm_gateway.daemon.senders import Senders
    from tsm_gateway.messages import Arrival, Submitted
    from tsm_gateway.radio.smpp.link_event import LinkEvent
    from tsm_gateway.radio.smpp.options import SmppOptions

UP, DOWN = "link.bound", frozenset({"link.lost", "link.unbound"})


class LinkSet:
    """Every link by name, each running in a task of its own."""

    def __init__(self, intake: Intake, senders: Senders, reports: Reports) -> None:
        """Links hand arrivals to `intake` and results to `senders`."""
        self._intake, self._senders, self._reports = intake, senders, reports
        self._said = LinkReports(reports.log, time.monotonic)
        self._links: dict[str, SmppLink] = {}
        self._options: dict[str, SmppOptions] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._paused = self._draining = False

    @property
    def links(self) -> Mapping[str, SmppLink]:
        """Every link by its name."""
        return self._links

    def start(self, options: Iterable[SmppOptions], group: asyncio.TaskGroup) -> None:
        """Start links that are not running yet."""
        for each in options:
            link = SmppLink(
                each,
                on_arrivals=self._arrived,
                on_submitted=self._submitted,
                on_room=self._room,
                on_event=self._event,
            )
            self._links[each.name], self._options[each.name] = link, each
            if self._paused:
                link.pause_intake()
            self._intake.attach(link)
            self._senders.attach(link)
            self._tasks[each.name] = group.create_task(link.run(), name=f"link {each.name}")

    async def replace(
        self, wanted: Iterable[SmppOptions], group: asyncio.TaskGroup, *, drain_s: float
    ) -> list[str]:
        """Make the running links those of `wanted`; returns the names of those that were touched."""
        by_name = {options.name: options for options in wanted}
        gone = [name for name in self._links if by_name.get(name) != self._options[name]]
        await asyncio.gather(*(self._stop(name, drain_s) for name in gone))
        fresh = [options for name, options in by_name.items() if name not in self._links]
        self.start(fresh, group)
        return sorted({*gone, *(options.name for options in fresh)})

    async def close(self, drain_s: float) -> None:
        """Unbind all, each within `drain_s`."""
        await asyncio.gather(*(self._stop(name, drain_s) for name in list(self._links)))

    def drain(self) -> None:
        """Take no more messages in, for good."""
        self._draining = True
        self.throttle_reading()

    def throttle_reading(self) -> None:
        """Let the links read no further while too much is unanswered, and again when it is not."""
        wanted = self._intake.crowded or self._draining
        if wanted != self._paused:
            self._paused = wanted
            event = Event.LINK_PAUSED if self._paused else Event.LINK_RESUMED
            for name, link in self._links.items():
                if self._paused:
                    link.pause_intake()
                else:
                    link.resume_intake()
                if not self._draining:  # daemon.stopping has said so
                    self._reports.log.emit(event, link=name, waiting=self._intake.unanswered)

    async def _stop(self, name: str, drain_s: float) -> None:
        link, task = self._links.pop(name), self._tasks.pop(name)
        del self._options[name]
        self._senders.link_down(name)
        await link.close(drain_s)
        task.cancel()
        await asyncio.wait([task])

    def _arrived(self, link: SmppLink, arrivals: list[Arrival]) -> None:
        self._reports.arrived(link.name, arrivals)
        self._intake.offer(arrivals)
        self.throttle_reading()

    def _submitted(self, link: SmppLink, results: list[Submitted]) -> None:
        self._senders.submitted(link.name, results)

    def _room(self, link: SmppLink) -> None:
        self._senders.pump(link.name)

    def _event(self, event: LinkEvent) -> None:
        self._said.tell(event)
        link = self._links.get(event.link)
        if link is None:
            return
        if event.event == UP and link.can_send:
            self._senders.link_up(event.link)
        elif event.event in DOWN:
            self._senders.link_down(event.link)
