"""Payments through the SMSC of PyPI's smpp34 (Rust)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from smpplib.consts import SMPP_ESME_RMSGQFUL, SMPP_ESME_RTHROTTLED

from tests.interop.gateway import MSISDN, Bind
from tests.interop.peers.smpp34_smsc import Smpp34Smsc
from tests.interop.peers.smsc import deliver_all, take, wait_for
from tsm_gateway.virtual.part import Part

if TYPE_CHECKING:
    from tests.interop.gateway import Make

pytestmark = pytest.mark.interop


def test_a_payment_of_two_parts_goes_through_byte_exact(gateway: Make, started: Make) -> None:
    smsc = started(Smpp34Smsc())
    running = gateway(Bind("rust", smsc.port))
    smsc.wait_bound()
    parts = running.pay("12.99")
    assert [len(part.udh) for part in parts] == [12, 12]
    assert deliver_all(smsc, parts) == [0, 0]
    taken = take(smsc, 2)
    (paid,) = running.opened(taken)
    assert (paid.payment.amount, paid.payment.currency, paid.duplicate) == (1299, 978, False)
    assert {(each.part.destination, each.part.dcs, each.part.pid) for each in taken} == {
        (MSISDN.removeprefix("+"), 4, 0)
    }
    assert [each.part.udh[:9].hex() for each in taken] == ["0b0504407440740003"] * 2
    assert [each.part.udh[-2:] for each in taken] == [b"\x02\x01", b"\x02\x02"]


def test_parts_out_of_order_and_twice_make_one_payment(gateway: Make, started: Make) -> None:
    smsc = started(Smpp34Smsc())
    running = gateway(Bind("rust", smsc.port))
    smsc.wait_bound()
    first, second = running.pay()
    assert deliver_all(smsc, [second, second, first, first, second]) == [0] * 5
    (paid,) = running.opened(take(smsc, 2))
    assert not paid.duplicate
    assert running.figure("tsm_payments_accepted_total") == 1
    assert len(smsc.taken) == 2


def test_a_throttled_part_is_sent_again_in_its_place(gateway: Make, started: Make) -> None:
    smsc = started(Smpp34Smsc(SMPP_ESME_RTHROTTLED, SMPP_ESME_RMSGQFUL))
    running = gateway(Bind("rust", smsc.port))
    smsc.wait_bound()
    assert deliver_all(smsc, running.pay()) == [0, 0]
    (paid,) = running.opened(take(smsc, 2))
    assert not paid.duplicate
    assert smsc.refused == [SMPP_ESME_RTHROTTLED, SMPP_ESME_RMSGQFUL]


def test_the_gateway_comes_back_after_the_smsc_unbound_it(gateway: Make, started: Make) -> None:
    smsc = started(Smpp34Smsc())
    running = gateway(Bind("rust", smsc.port))
    smsc.wait_bound()
    before = smsc.sessions
    smsc.unbind()
    wait_for(lambda: smsc.sessions > before, "another bind")
    smsc.wait_bound()
    assert deliver_all(smsc, running.pay()) == [0, 0]
    assert len(running.opened(take(smsc, 2))) == 1


def test_a_tampered_payment_is_answered_like_any_other_and_goes_nowhere(gateway: Make, started: Make) -> None:
    smsc = started(Smpp34Smsc())
    running = gateway(Bind("rust", smsc.port))
    smsc.wait_bound()
    first, second = running.pay()
    bent = second._replace(data=second.data[:-1] + bytes([second.data[-1] ^ 1]))
    text = Part("+4915100000009", "16500", 0, 0, b"", b"hello")
    assert deliver_all(smsc, [first, bent, text]) == [0, 0, 0]
    running.wait_figure(1, "tsm_payments_refused_total", reason="not_authentic")
    running.wait_figure(1, "tsm_payments_refused_total", reason="not_for_us")
    assert not smsc.taken
    assert deliver_all(smsc, [second]) == [0]  # the genuine part: the forged one did not spoil the payment
    assert len(running.opened(take(smsc, 2))) == 1
