"""Who sends over the links, in the order of their rights: payments first, then key packages.

Payments take what room they need, key packages what is left of it. So that links full of payments do not
keep a device from its key for ever, a part that has waited too long goes ahead of them, one at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.daemon.control_sender import ControlSender
    from tsm_gateway.daemon.dispatch import Dispatcher
    from tsm_gateway.messages import Submitted
    from tsm_gateway.relay.interfaces import Bearer


class Senders:
    """What the links pull from."""

    def __init__(self, payments: Dispatcher, controls: ControlSender) -> None:
        """Share every link between `payments` and `controls`."""
        self._payments, self._controls = payments, controls

    def attach(self, bearer: Bearer) -> None:
        """Let a link send; it counts once `link_up` says so."""
        self._payments.attach(bearer)
        self._controls.attach(bearer)

    def link_up(self, name: str) -> None:
        """A link is bound and may send."""
        self._payments.link_up(name)
        self._controls.link_up(name)

    def link_down(self, name: str) -> None:
        """A link went away."""
        self._payments.link_down(name)
        self._controls.link_down(name)

    def pump(self, name: str) -> None:
        """A link has room."""
        controls = self._controls
        if controls.busy:
            controls.claim_turn(name)
        self._payments.pump(name)
        if controls.busy:
            controls.pump(name)

    def submitted(self, name: str, results: Sequence[Submitted]) -> None:
        """A link answered for parts, and so has room again."""
        controls = self._controls
        if not controls.busy:
            self._payments.submitted(name, results)
            return
        ours: list[Submitted] = []
        others: list[Submitted] = []
        for result in results:
            (ours if controls.owns(result) else others).append(result)
        if ours:
            controls.submitted(name, ours)
        controls.claim_turn(name)
        self._payments.submitted(name, others)
        controls.pump(name)

    def stop(self) -> None:
        """Drain: start nothing new; what was started goes on."""
        self._payments.stop_claiming()
        self._controls.stop()

    async def settled(self) -> None:
        """Wait until nothing is under way and every outcome is durable."""
        await self._payments.settled()
        await self._controls.settled()
