"""Parts: as few as there can be, and the same every time."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tsm_gateway.outbound.parts import PacketTooLong, parts_of
from tsm_gateway.radio.sms.header import read_header

packets = st.integers(1, 255 * 128).map(lambda size: bytes(at % 251 for at in range(size)))


@given(packet=packets, port=st.integers(0, 0xFFFF), reference=st.integers(0, 0xFF))
@example(packet=bytes(133), port=16_500, reference=7)
@example(packet=bytes(134), port=16_500, reference=7)
@example(packet=bytes(256), port=16_500, reference=7)
@example(packet=bytes(257), port=16_500, reference=7)
def test_parts_read_back_give_the_packet_in_order(packet: bytes, port: int, reference: int) -> None:
    parts = parts_of(packet, port=port, reference=reference)
    headers = [read_header(part) for part in parts]
    assert b"".join(header.body for header in headers) == packet
    assert {header.ports for header in headers} == {(port, port)}
    assert max(map(len, parts)) <= 140
    if len(packet) <= 133:
        assert [header.concatenation for header in headers] == [None]
    else:
        numbered = [header.concatenation for header in headers]
        wanted = [(reference, len(parts), number, False) for number in range(1, len(parts) + 1)]
        assert numbered == wanted
        assert {len(header.body) for header in headers[:-1]} == {128}


def test_one_part_has_ports_alone() -> None:
    assert parts_of(b"\xaa" * 133, port=16_500, reference=9) == [
        bytes.fromhex("06 05 04 4074 4074") + b"\xaa" * 133
    ]


def test_two_parts_have_ports_and_an_8_bit_reference() -> None:
    """The provider's packet of 229 octets."""
    packet = bytes(range(229))
    assert parts_of(packet, port=16_500, reference=0xC4) == [
        bytes.fromhex("0b 05 04 4074 4074 00 03 c4 02 01") + packet[:128],
        bytes.fromhex("0b 05 04 4074 4074 00 03 c4 02 02") + packet[128:],
    ]


@pytest.mark.parametrize(
    ("octets", "parts"), [(1, 1), (133, 1), (134, 2), (256, 2), (257, 3), (384, 3), (385, 4), (32_640, 255)]
)
def test_there_are_as_few_parts_as_there_can_be(octets: int, parts: int) -> None:
    assert len(parts_of(bytes(octets), port=16_500, reference=0)) == parts


@given(packet=st.binary(min_size=1, max_size=600))
def test_cutting_again_gives_the_same_octets(packet: bytes) -> None:
    assert parts_of(packet, port=16_500, reference=3) == parts_of(packet, port=16_500, reference=3)


@pytest.mark.parametrize("octets", [0, 32_641])
def test_a_packet_that_is_empty_or_needs_256_parts_is_refused(octets: int) -> None:
    with pytest.raises(PacketTooLong) as caught:
        parts_of(bytes(octets), port=16_500, reference=0)
    assert caught.value.facts == {"octets": octets}
