"""Kannel's own SMSC driver: separate binds, sequence number 0, empty message ids, and plain texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.gateway import Bind
from tests.interop.peers.drive_smpp import DriveSmpp
from tests.interop.peers.node_smsc import NodeSmsc
from tests.interop.peers.smsc import deliver_all, wait_for

if TYPE_CHECKING:
    from tests.interop.gateway import Make

pytestmark = pytest.mark.interop

TEXTS = 200


def test_kannels_driver_gets_every_text_answered_and_takes_our_payment(gateway: Make, started: Make) -> None:
    driver = started(DriveSmpp(TEXTS))
    smsc = started(NodeSmsc())
    running = gateway(
        Bind("sending", driver.port, "transmitter"),
        Bind("receiving", driver.port, "receiver"),
        Bind("node", smsc.port, "receiver"),
    )
    smsc.wait_bound()
    driver.wait_delivered()
    wait_for(lambda: driver.handled("deliver_sm_resp") == TEXTS, "an answer to every text", 20)
    wait_for(lambda: driver.handled("enquire_link_resp") == TEXTS, "an answer to every enquire_link", 20)
    # each text bears a receipted_message_id: a receipt for nothing of ours, and nothing more
    running.wait_figure(TEXTS, "tsm_receipts_total", matched="no")
    assert running.figure("tsm_payments_accepted_total") == 0
    assert deliver_all(smsc, running.pay()) == [0, 0]
    running.wait_figure(1, "tsm_payments_handed_over_total")
    assert driver.handled("submit_sm") == 2
    assert running.figure("tsm_submits_total", link="sending", fate="accepted") == 2
    assert driver.running()
    assert driver.complaints() == []
    assert (driver.handled("bind_transmitter"), driver.handled("bind_receiver")) == (1, 1)
    assert not smsc.taken
