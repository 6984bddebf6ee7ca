"""Found while the catalogue was written: a provider suspended just as its queued payments were claimed.

The claim is on its way to the disk when the relay learns of the suspension. Nothing may end for that, and
the payments are neither lost nor sent twice.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.faults.beside import registry_beside
from tests.relay.test_payments import rigged
from tsm_gateway.registry.provider import ProviderMove

if TYPE_CHECKING:
    from tests.relay.rig import Rig

WITHIN_S = 10.0


def move(rig: Rig, what: ProviderMove) -> None:
    """As an operator does, from another process."""
    with registry_beside(rig) as registry:
        registry.move_provider("bank", what, reason="test", at=1)


@rigged()
async def test_a_suspension_during_a_claim_ends_nothing(rig: Rig):
    rig.parts.dispatcher.link_down("air")
    await rig.offer(rig.pay())
    move(rig, ProviderMove.SUSPEND)
    disk, reached = threading.Event(), threading.Event()
    flush = rig.store.flush

    def slow_flush() -> None:
        reached.set()
        assert disk.wait(WITHIN_S)
        flush()

    rig.store.flush = slow_flush  # type: ignore[method-assign]
    rig.parts.dispatcher.link_up("air")
    await rig.until(reached.is_set)
    rig.parts.dispatcher.refresh()  # the clockwork has noticed the suspension
    disk.set()
    assert len(await rig.opened(1)) == 1
    await rig.until(lambda: bool(rig.events("payment.handed_over")))
    move(rig, ProviderMove.RESUME)
    rig.parts.dispatcher.refresh()
    rig.parts.directory.forget()
    await rig.offer(rig.pay())
    assert len(await rig.opened(2)) == 2
    assert len(rig.bearer.sent) == 4
