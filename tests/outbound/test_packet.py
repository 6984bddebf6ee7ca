"""The packet for a provider: the device's certificate, untouched, for this provider alone."""

from __future__ import annotations

import cbor2
import pytest

from tsm_gateway.envelope.errors import NotAuthentic, PivExhausted
from tsm_gateway.envelope.tsm1 import Direction, TrafficKey, open_packet, parse_packet, traffic_key
from tsm_gateway.outbound.packet import seal_for_provider
from tsm_gateway.secret import Secret

KEY = Secret(bytes(range(32)))
KID = bytes.fromhex("0badcafe")
CERTIFICATE = bytes.fromhex("8443a10126a0") + bytes(range(150))
MESSAGE_ID = bytes(range(16))


def to(provider: str) -> TrafficKey:
    return traffic_key(KEY, KID, Direction.TSM_TO_PROVIDER, provider, 16_500)


def test_the_provider_opens_certificate_time_and_message_id() -> None:
    packet = parse_packet(seal_for_provider(CERTIFICATE, 1_700_000_001, MESSAGE_ID, to("parking"), 42))
    assert (packet.kid, packet.piv) == (KID, 42)
    opened = open_packet(packet, to("parking")).reveal()
    assert cbor2.loads(opened) == [CERTIFICATE, 1_700_000_001, MESSAGE_ID]


def test_another_provider_does_not_open_it() -> None:
    packet = parse_packet(seal_for_provider(CERTIFICATE, 1, MESSAGE_ID, to("parking"), 42))
    with pytest.raises(NotAuthentic):
        open_packet(packet, to("laundry"))


def test_sealing_is_repeatable_and_every_counter_gives_other_octets() -> None:
    sealed = [seal_for_provider(CERTIFICATE, 1, MESSAGE_ID, to("parking"), piv) for piv in (7, 7, 8)]
    assert sealed[0] == sealed[1]
    assert sealed[0][-16:] != sealed[2][-16:]


def test_a_key_without_counters_left_seals_nothing() -> None:
    with pytest.raises(PivExhausted):
        seal_for_provider(CERTIFICATE, 1, MESSAGE_ID, to("parking"), 1 << 40)
