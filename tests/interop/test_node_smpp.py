"""Payments through an SMSC on npm's smpp, faults included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.gateway import MSISDN, Bind
from tests.interop.peers.node_smsc import NodeSmsc
from tests.interop.peers.smsc import deliver_all, take, wait_for

if TYPE_CHECKING:
    from tests.interop.gateway import Make

pytestmark = pytest.mark.interop

MESSAGE_QUEUE_FULL = 0x14


@pytest.mark.parametrize("ids", ["same", "hex-dec", "dec-hex"])
def test_a_payment_is_delivered_whatever_form_the_receipts_ids_have(
    gateway: Make, started: Make, ids: str
) -> None:
    smsc = started(NodeSmsc("--receipts", "--ids", ids))
    running = gateway(Bind("node", smsc.port), receipt=True)
    smsc.wait_bound()
    parts = running.pay("99.00")
    assert deliver_all(smsc, parts) == [0, 0]
    taken = take(smsc, 2)
    (paid,) = running.opened(taken)
    assert paid.payment.amount == 9900
    assert {(each.part.destination, each.part.dcs, each.registered) for each in taken} == {
        (MSISDN.removeprefix("+"), 4, 1)
    }
    running.wait_figure(1, "tsm_payments_delivered_total")


@pytest.mark.parametrize("fault", ["91", "92"], ids=["throttled", "queue-full"])
def test_a_part_refused_once_arrives_once(gateway: Make, started: Make, fault: str) -> None:
    smsc = started(NodeSmsc())
    running = gateway(Bind("node", smsc.port), msisdn="+49153000000" + fault)
    smsc.wait_bound()
    assert deliver_all(smsc, running.pay()) == [0, 0]
    (paid,) = running.opened(take(smsc, 2))
    assert not paid.duplicate
    assert smsc.faults == [fault]


def test_a_part_that_is_never_answered_is_sent_again_with_the_same_octets(
    gateway: Make, started: Make
) -> None:
    smsc = started(NodeSmsc())
    running = gateway(Bind("node", smsc.port, more="response_s = 1.0"), msisdn="+4915300000093")
    smsc.wait_bound()
    assert deliver_all(smsc, running.pay()) == [0, 0]
    wait_for(lambda: running.opened(smsc.taken[:]), "a whole payment at the provider", 20)
    assert smsc.faults == ["93"]
    running.wait_figure(1, "tsm_payments_handed_over_total")
    assert len({(each.part.udh, each.part.data) for each in smsc.taken}) == 2


def test_what_finds_no_room_is_delivered_again_and_taken_once_there_is(gateway: Make, started: Make) -> None:
    smsc = started(NodeSmsc("--redeliver-ms", "200"))
    binds = [Bind("node", smsc.port)]
    running = gateway(*binds)
    running.stop()
    running.configure(binds, min_free_mb=9_000_000)
    running.start()
    smsc.wait_bound()
    parts = running.pay()
    assert deliver_all(smsc, parts) == [MESSAGE_QUEUE_FULL] * 2
    running.stop()
    running.configure(binds)
    running.start()
    wait_for(lambda: {status for _, status in smsc.answers[-2:]} == {0}, "both parts taken", 20)
    (paid,) = running.opened(take(smsc, 2))
    assert not paid.duplicate


def test_a_payment_comes_over_two_binds(gateway: Make, started: Make) -> None:
    one, other = started(NodeSmsc()), started(NodeSmsc())
    running = gateway(Bind("one", one.port), Bind("other", other.port, "receiver"))
    one.wait_bound()
    other.wait_bound()
    first, second = running.pay()
    assert deliver_all(one, [second]) == [0]
    assert deliver_all(other, [first]) == [0]
    assert len(running.opened(take(one, 2))) == 1
    assert not other.taken
