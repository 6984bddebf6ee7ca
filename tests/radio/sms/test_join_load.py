"""The joiner under a flood: memory bounded, honest senders served, no cost that grows with what waits."""

from __future__ import annotations

import gc
import time
import tracemalloc

from tests.radio.sms.driver import NOW, Driver, packet, part, parts_of
from tsm_gateway.radio.sms.join import Joiner, JoinLimits, OfferKind

HALF_OPEN = 10_000
FLOODERS = 100
HONEST = 500
MEGABYTES = 1 << 20


def test_half_open_messages_and_flooding_senders_cost_little_and_stop_nobody() -> None:
    """Goal: 32 MB at most, each sender held to its bound, every honest message whole."""
    packets = [packet(f"honest {number}") for number in range(HONEST)]
    driver = Driver(packets)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(HALF_OPEN):
            driver.offer(part(packet(f"half {number}", 128), 1, source=f"+4915{number:08}", reference=3))
        over_bound = 0
        for number, whole in enumerate(packets):
            one, two = parts_of(whole, reference=number % 256, source=f"+4917{number:08}")
            driver.offer(one)
            for flooder in range(FLOODERS):
                body = packet(f"flood {number} {flooder}", 128)
                flood = part(body, 1, source=f"+4916{flooder:08}", reference=number % 65_536)
                over_bound += driver.offer(flood).kind is OfferKind.OVER_BOUND
            driver.offer(two)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert driver.came_out == packets
    assert over_bound == FLOODERS * (HONEST - JoinLimits().per_sender)
    assert len(driver.joiner) == HALF_OPEN + FLOODERS * JoinLimits().per_sender
    assert not driver.evicted
    assert peak <= 32 * MEGABYTES


def test_a_joiner_full_to_the_brim_is_bounded_too() -> None:
    """Every place taken by a sender of its own, everything remembered that can be."""
    limits = JoinLimits()
    packets = [packet(f"honest {number}") for number in range(limits.remembered // 2)]
    driver = Driver(packets)
    gc.collect()
    tracemalloc.start()
    try:
        for number, whole in enumerate(packets):
            for segment in parts_of(whole, reference=number % 256, source=f"+4917{number:08}"):
                driver.offer(segment)
        for number in range(limits.in_all + 1_000):
            driver.offer(part(packet(f"half {number}", 128), 1, source=f"+4915{number:08}", reference=3))
        driver.evicted.clear()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(driver.joiner) == limits.in_all
    assert peak <= 32 * MEGABYTES


def test_spoofed_senders_in_any_number_do_not_stop_an_honest_one() -> None:
    """Twice as many spoofed senders as there is room, the honest parts far apart among them."""
    driver = Driver([packet("honest")], JoinLimits(in_all=2_000))
    one, two = parts_of(packet("honest"))
    for number in range(4_000):
        if number == 1_500:
            driver.offer(one)
        if number == 3_400:
            driver.offer(two)
        driver.offer(part(b"garbage", 1, source=f"+{number}"))
    assert driver.came_out == [packet("honest")]


def test_crowds_do_not_push_out_who_holds_little() -> None:
    """Fifty senders that each send far more than there is room for in all; the honest part waits on."""
    driver = Driver([packet("honest")], JoinLimits(in_all=1_000))
    one, two = parts_of(packet("honest"))
    driver.offer(one)
    for number in range(200):
        for sender in range(50):
            driver.offer(part(b"%d" % number, 1, source=f"+{sender}", reference=number))
    assert len(driver.joiner) == 1_000
    driver.offer(two)
    assert driver.came_out == [packet("honest")]


def seconds_a_part(joiner: Joiner, first_row: int) -> float:
    """The best of five runs of 500 two-part messages."""
    best = float("inf")
    for run in range(5):
        segments = [
            segment
            for number in range(500)
            for segment in parts_of(packet(f"{run} {number}"), source=f"+49{run}{number:06}")
        ]
        started = time.perf_counter()
        for row, segment in enumerate(segments, start=first_row + 1_000 * run):
            for parts in joiner.offer(row, segment, NOW).combinations:
                joiner.consume(parts)
        best = min(best, (time.perf_counter() - started) / len(segments))
    return best


def test_a_part_costs_the_same_however_much_waits() -> None:
    """Nothing is walked over: neither with much waiting, nor with everything full and giving way."""
    empty = seconds_a_part(Joiner(), 0)
    crowded = Joiner()
    for row in range(20_500):
        crowded.offer(row, part(b"%d" % row, 1, source=f"+1{row // 5}", reference=row % 5), NOW)
    assert len(crowded) == JoinLimits().in_all
    assert seconds_a_part(crowded, 30_000) < 8 * empty
