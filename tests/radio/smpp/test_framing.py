"""A stream becomes PDUs whatever way it is split, and ends at the first impossible length."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.radio.smpp.samples import frame
from tsm_gateway.radio.smpp.faults import FrameLength
from tsm_gateway.radio.smpp.framing import DEFAULT_MAX_PDU, Framer

ENQUIRE = frame(0x15)
BAD_LENGTHS = [
    *range(16),
    DEFAULT_MAX_PDU + 1,
    2**31 - 1,
    2**31,
    2**31 + 1,
    2**32 - 1,
    1213486160,
    1095586128,
]


@given(
    st.lists(st.binary(max_size=60).map(lambda body: frame(0x05, body)), max_size=20),
    st.lists(st.integers(0, 1500), max_size=30),
)
def test_any_split_gives_the_same_pdus(frames: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frames)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    framer = Framer()
    got = [whole for start, end in itertools.pairwise(edges) for whole in framer.feed(stream[start:end])]
    assert got == frames
    assert framer.pending == 0


def test_one_octet_at_a_time() -> None:
    framer = Framer()
    stream = frame(0x05, b"abc") + ENQUIRE
    got = [framer.feed(stream[at : at + 1]) for at in range(len(stream))]
    assert [found for found in got if found] == [[frame(0x05, b"abc")], [ENQUIRE]]


def test_a_hundred_pdus_in_one_segment() -> None:
    frames = [frame(0x05, bytes(number), sequence=number) for number in range(100)]
    assert Framer().feed(memoryview(b"".join(frames))) == frames


@pytest.mark.parametrize("length", BAD_LENGTHS)
def test_an_impossible_length_is_refused_once_its_four_octets_are_there(length: int) -> None:
    octets = length.to_bytes(4, "big")
    framer = Framer()
    for at in range(3):
        assert framer.feed(octets[at : at + 1]) == []
    with pytest.raises(FrameLength) as caught:
        framer.feed(octets[3:])
    assert caught.value.length == length
    assert framer.pending <= 4


@pytest.mark.parametrize("length", [16, 17, DEFAULT_MAX_PDU])
def test_the_shortest_and_the_longest_pdu_pass(length: int) -> None:
    whole = frame(0x05, bytes(length - 16))
    assert Framer().feed(whole) == [whole]


def test_pdus_ahead_of_a_bad_length_come_with_the_error() -> None:
    framer = Framer()
    framer.feed(ENQUIRE[:7])
    with pytest.raises(FrameLength) as caught:
        framer.feed(ENQUIRE[7:] + frame(0x05, b"x") + b"HTTP/1.1 400 Bad Request")
    assert caught.value.frames == [ENQUIRE, frame(0x05, b"x")]


def test_a_lost_stream_stays_lost() -> None:
    framer = Framer()
    with pytest.raises(FrameLength):
        framer.feed(b"AMQP\0\0\x09\x01")
    with pytest.raises(FrameLength) as caught:
        framer.feed(ENQUIRE)
    assert caught.value.length == 1095586128
    assert caught.value.frames == []


def test_pending_counts_the_unfinished_pdu_alone() -> None:
    framer = Framer()
    assert framer.pending == 0
    framer.feed(ENQUIRE + ENQUIRE[:5])
    assert framer.pending == 5
    framer.feed(ENQUIRE[5:])
    assert framer.pending == 0


def test_the_limit_is_the_callers() -> None:
    assert Framer(20).feed(frame(0x05, bytes(4))) == [frame(0x05, bytes(4))]
    with pytest.raises(FrameLength):
        Framer(20).feed(frame(0x05, bytes(5)))
    with pytest.raises(ValueError, match="16"):
        Framer(15)


def test_long_pdus_in_single_octets_take_linear_time() -> None:
    whole = frame(0x05, bytes(DEFAULT_MAX_PDU - 16))
    framer = Framer()
    started = time.process_time()
    for at in range(len(whole) - 1):
        assert framer.feed(whole[at : at + 1]) == []
    assert framer.feed(whole[-1:]) == [whole]
    assert time.process_time() - started < 1.0  # far from what copying at every octet takes


def test_many_pdus_in_one_read_take_linear_time() -> None:
    stream = ENQUIRE * 60_000
    started = time.process_time()
    assert len(Framer().feed(stream)) == 60_000
    assert time.process_time() - started < 1.0  # far from what shifting at every PDU takes
