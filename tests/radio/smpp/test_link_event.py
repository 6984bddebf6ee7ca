from __future__ import annotations

from tsm_gateway.radio.smpp.link_event import EVERY_S, Gate


def test_a_gate_lets_one_event_through_and_counts_the_others() -> None:
    gate = Gate()
    assert [gate.admit("pdu.refused", 0.0) for _ in range(3)] == [1, 0, 0]
    assert gate.admit("pdu.ignored", 0.0) == 1
    assert gate.admit("pdu.refused", EVERY_S, 5) == 7
