"""Sessions with the virtual card: how they begin, what they protect, and what ends them."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from tests.virtual.card_host import ISD, Host, lv
from tsm_gateway.virtual.card import ATR, Card
from tsm_gateway.virtual.card_apdu import Refusal, read_command
from tsm_gateway.virtual.card_new import new_card, new_key_set

if TYPE_CHECKING:
    from tsm_gateway.virtual.card_state import CardState

GET_ISD_STATUS = ("80F28002", bytes.fromhex("4F00"))
ISD_ROW = bytes.fromhex("E3134F08A0000001510000009F70010FC5039EDE00")


@pytest.fixture
def host() -> Host:
    return Host(Card(new_card()))


def keys_of(host: Host):
    return host.card.state.key_sets[0]


SHAPES = list(itertools.product((0x60, 0x61, 0x70, 0x71), (16, 24, 32), (0x00, 0x01, 0x03, 0x11, 0x13, 0x33)))


@pytest.mark.parametrize(("protocol", "octets", "level"), SHAPES)
def test_a_session_of_every_shape_carries_commands(protocol: int, octets: int, level: int) -> None:
    host = Host(Card(new_card(keys=new_key_set(key_octets=octets), protocol=protocol)))
    host.open(keys_of(host), level)
    for _ in range(3):
        assert host.send(*GET_ISD_STATUS) == (ISD_ROW, 0x9000)


def test_the_greeting_says_which_card_keys_protocol_and_counter(host: Host) -> None:
    host.select()
    keys = keys_of(host)
    greeting = host.initialize(keys).data
    app_se = host.card.state.profile.app_se
    assert greeting[:13] == app_se[-10:] + bytes.fromhex("300370")
    assert greeting[29:] == bytes.fromhex("000001")
    assert host.initialize(keys).data[29:] == bytes.fromhex("000002")


def test_a_random_challenge_has_no_counter_and_comes_from_chance() -> None:
    host = Host(Card(new_card(protocol=0x60), chance=lambda octets: b"\xc5" * octets))
    greeting = host.initialize(keys_of(host)).data
    assert (greeting[13:21], len(greeting)) == (b"\xc5" * 8, 29)
    assert keys_of(host).sequence == 0


def test_the_sequence_counter_is_kept_before_the_challenge_is_told() -> None:
    kept: list[CardState] = []
    host = Host(Card(new_card(), keep=kept.append))
    host.initialize(keys_of(host))
    assert [state.key_sets[0].sequence for state in kept] == [1]


def test_a_sequence_counter_at_its_end_gives_no_challenge(host: Host) -> None:
    object.__setattr__(keys_of(host), "sequence", 0xFFFFFF)
    assert host.initialize(keys_of(host)) == (b"", 0x6985)


@pytest.mark.parametrize(
    ("apdu", "sw"),
    [
        ("8050310008000102030405060700", 0x6A88),
        ("8050300108000102030405060700", 0x6A86),
        ("80503000070001020304050600", 0x6700),
        ("8050300010000102030405060708090A0B0C0D0E0F00", 0x6700),
        ("0050300008000102030405060700", 0x6E00),
    ],
)
def test_a_wrong_greeting_is_refused(host: Host, apdu: str, sw: int) -> None:
    assert host.raw(apdu) == (b"", sw)


def test_key_version_0_is_the_first_key_set(host: Host) -> None:
    assert host.initialize(keys_of(host), kvn=0).data[10] == 0x30


@pytest.mark.parametrize("octet", [5, 12, 13, 20])  # of the cryptogram and of the C-MAC
def test_whatever_is_wrong_with_an_authentication_the_answer_is_the_same(host: Host, octet: int) -> None:
    host.select()
    host.initialize(keys_of(host))
    apdu = bytearray(host.external(0x33))
    apdu[octet] ^= 1
    assert host.raw(bytes(apdu)) == (b"", 0x6300)
    assert keys_of(host).failures == 1
    apdu[octet] ^= 1
    assert host.raw(bytes(apdu)) == (b"", 0x6985)  # one try for one challenge
    assert host.send(*GET_ISD_STATUS) == (b"", 0x6982)


def test_whoever_guesses_waits_longer_each_time_and_a_power_cut_does_not_help() -> None:
    pauses: list[float] = []
    host = Host(Card(new_card(), pause=pauses.append))
    keys = keys_of(host)
    for _ in range(10):
        host.initialize(keys)
        assert host.raw(host.external(0x33)[:-1] + b"\0") == (b"", 0x6300)
        host.card.power_on()
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    host.open(keys)
    assert keys_of(host).failures == 0


@pytest.mark.parametrize("level", [0x02, 0x10, 0x31, 0x30, 0x23, 0xFF])
def test_a_security_level_that_does_not_exist_is_refused(host: Host, level: int) -> None:
    host.initialize(keys_of(host))
    assert host.raw(host.external(level)) == (b"", 0x6A86)


@pytest.mark.parametrize(("protocol", "level"), [(0x10, 0x11), (0x10, 0x33), (0x30, 0x33)])
def test_a_level_the_cards_protocol_does_not_know_is_refused(protocol: int, level: int) -> None:
    host = Host(Card(new_card(protocol=protocol)))
    host.initialize(keys_of(host))
    assert host.raw(host.external(level)) == (b"", 0x6A86)


def test_an_authentication_of_another_length_is_refused(host: Host) -> None:
    host.initialize(keys_of(host))
    apdu = host.external(0x33)
    assert host.raw(apdu[:4] + b"\x0f" + apdu[5:-1]) == (b"", 0x6700)


def test_a_replayed_authentication_opens_nothing_and_ends_what_is_open(host: Host) -> None:
    host.select()
    host.initialize(keys_of(host))
    apdu = host.external(0x33)
    assert host.raw(apdu).sw == 0x9000
    host.level = 0x33
    assert host.send(*GET_ISD_STATUS).sw == 0x9000
    assert host.raw(apdu) == (b"", 0x6985)
    assert host.raw(host.secured(bytes.fromhex("80F28002"), b"\x4f\0")) == (b"", 0x6982)


def is_over(host: Host, chain: bytes) -> bool:
    """Whether a right command goes unheard, one the card would take if its MAC chain stood at `chain`."""
    host.chain = chain
    return host.raw(host.secured(bytes.fromhex("80F28002"), b"\x4f\0")) == (b"", 0x6982)


@pytest.mark.parametrize("octet", [0, 2, 3, 5, -9, -8, -1])
def test_one_altered_octet_of_a_command_ends_the_session(host: Host, octet: int) -> None:
    host.open(keys_of(host))
    chain = host.chain
    apdu = bytearray(host.secured(bytes.fromhex("80F28002"), b"\x4f\0"))
    apdu[octet] ^= 0x10 if octet else 0x80
    assert host.raw(bytes(apdu)) == (b"", 0x6982)
    assert is_over(host, chain)


def test_a_replayed_command_ends_the_session(host: Host) -> None:
    host.open(keys_of(host))
    apdu = host.secured(bytes.fromhex("80F28002"), b"\x4f\0")
    assert host.raw(apdu).sw == 0x9000
    assert host.raw(apdu) == (b"", 0x6982)
    host.counter += 1
    assert is_over(host, host.chain)


def test_a_c_mac_under_a_class_that_says_there_is_none_is_refused(host: Host) -> None:
    host.open(keys_of(host), 0x01)
    head = bytes.fromhex("80F280020A4F00")
    mac = CMAC(AES(host.s_mac))
    mac.update(host.chain + head)
    assert host.raw(head + mac.finalize()[:8]) == (b"", 0x6982)


def test_a_command_without_its_c_mac_ends_the_session(host: Host) -> None:
    host.open(keys_of(host))
    assert host.raw("80CA006600") == (b"", 0x6982)
    host.counter += 1
    assert is_over(host, host.chain)


def test_a_command_shorter_than_a_c_mac_ends_the_session(host: Host) -> None:
    host.open(keys_of(host))
    assert host.raw("84F28002024F0000") == (b"", 0x6982)
    host.counter += 1
    assert is_over(host, host.chain)


def test_wrong_padding_under_a_right_c_mac_ends_the_session(host: Host) -> None:
    for padded in (b"\x4f\0" * 8, bytes(16), b"\x80" + bytes(31), bytes(15)):
        host.open(keys_of(host))
        host.level = (
            0x01  # the host does not encipher: what the card deciphers is noise, or of no whole block
        )
        block = host._cbc(host.counter + 1).encryptor()
        data = block.update(padded) if len(padded) % 16 == 0 else padded
        assert host.raw(host.secured(bytes.fromhex("80F28002"), data)) == (b"", 0x6982)
        host.level = 0x33
        assert is_over(host, host.chain)


def test_an_empty_data_field_may_be_left_out_or_padded_to_a_block(host: Host) -> None:
    host.open(keys_of(host))
    plain = host.raw("00A4040000").data
    assert plain
    for pad_empty in (False, True, False, True):
        host.open(keys_of(host))
        assert host.send("80CA0045", pad_empty=pad_empty).data[2:] == host.card.state.profile.app_se
        assert host.send(*GET_ISD_STATUS).data == ISD_ROW  # the counter stepped once either way


def test_the_counter_steps_for_commands_that_are_refused(host: Host) -> None:
    host.open(keys_of(host))
    for head in ("80F28004", "80010000", "80CA1234", "00F28002"):
        reply = host.send(head, b"\x4f\0")
        assert reply.sw >> 8 in {0x6A, 0x6D, 0x6E}
        assert reply.data == b""  # and no R-MAC
    assert host.send(*GET_ISD_STATUS) == (ISD_ROW, 0x9000)


def test_a_select_or_a_second_greeting_ends_the_session(host: Host) -> None:
    for end in ("00A40400", "8050300008000102030405060700"):
        host.open(keys_of(host))
        assert host.raw(end).sw == 0x9000
        assert host.raw(host.secured(bytes.fromhex("80F28002"), b"\x4f\0")) == (b"", 0x6982)


def test_a_select_that_finds_nothing_leaves_the_session(host: Host) -> None:
    host.open(keys_of(host))
    assert host.raw("00A4040007F0000000000001") == (b"", 0x6A82)
    assert host.send(*GET_ISD_STATUS) == (ISD_ROW, 0x9000)


def test_a_reset_ends_the_session(host: Host) -> None:
    host.open(keys_of(host))
    assert host.card.power_on() == ATR
    assert host.raw(host.secured(bytes.fromhex("80F28002"), b"\x4f\0")) == (b"", 0x6982)


def test_without_a_session_nothing_is_managed(host: Host) -> None:
    host.select()
    for head in ("80F28002", "80E60200", "80E88000", "80E40000", "80D80081", "80E29000", "80F0800F"):
        assert host.send(head, b"\x4f\0") == (b"", 0x6982)


def test_extended_and_chained_commands_carry_a_c_mac_over_three_octets_of_length(host: Host) -> None:
    host.open(keys_of(host), 0x01)
    before = host.chain
    short = host.secured(bytes.fromhex("80F28002"), b"\x4f\0")
    host.chain = before
    data = lv(bytes(200)) + lv(bytes(200))
    apdu = _extended(host, bytes.fromhex("84E28800"), data)
    assert len(short) < len(apdu)
    assert host.raw(apdu).sw == 0x6A86  # it was understood, and refused for what it says
    apdu = _extended(host, bytes.fromhex("84E28800"), data)
    body = apdu[7:]
    assert host.raw(bytes.fromhex("94E28800") + lv(body[:200])) == (b"", 0x9000)
    assert host.raw(bytes.fromhex("94E28800") + lv(body[200:400])) == (b"", 0x9000)
    assert host.raw(bytes.fromhex("84E28800") + lv(body[400:])) == (b"", 0x6A86)
    assert host.send(*GET_ISD_STATUS) == (ISD_ROW, 0x9000)


def _extended(host: Host, head: bytes, data: bytes) -> bytes:
    whole = head + b"\0" + (len(data) + 8).to_bytes(2, "big") + data
    mac = CMAC(AES(host.s_mac))
    mac.update(host.chain + whole)
    host.chain = mac.finalize()
    host.counter += 1
    return whole + host.chain[:8]


def test_a_chain_that_another_command_breaks_is_refused(host: Host) -> None:
    assert host.raw("90E2880002AABB") == (b"", 0x9000)
    assert host.raw("80F2800200") == (b"", 0x6883)
    assert host.raw("80CA006600").sw == 0x9000


def test_a_chain_without_an_end_is_refused(host: Host) -> None:
    replies = [host.raw(bytes.fromhex("90E28800") + lv(bytes(255))).sw for _ in range(17)]
    assert replies == [0x9000] * 16 + [0x6700]


@pytest.mark.parametrize(
    ("apdu", "sw"),
    [
        ("", 0x6700),
        ("80CA00", 0x6700),
        ("80CA006602AA", 0x6700),
        ("80CA006601AABBCC", 0x6700),
        ("80CA0066000000", 0x9000),  # an extended Le
        ("80CA0066000001AA", 0x6A80),
        ("80CA0066000002AA", 0x6700),
        ("80CA00660000", 0x6700),
        ("81CA006600", 0x6881),
        ("C0CA006600", 0x6881),
        ("40CA006600", 0x6881),
        ("08CA006600", 0x6882),
        ("A0CA006600", 0x6E00),
        ("20CA006600", 0x6E00),
        ("FFCA006600", 0x6E00),
        ("80A4040000", 0x6E00),
        ("00F28002024F00", 0x6E00),
        ("80FE000000", 0x6D00),
        ("84CA0066080000000000000000", 0x6982),
        ("00A4000000", 0x6A86),
        ("00A4040100", 0x6A86),
        ("00C0000000", 0x6D00),
    ],
)
def test_each_malformed_command_has_its_status_word(host: Host, apdu: str, sw: int) -> None:
    assert host.raw(apdu).sw == sw


@given(st.binary(max_size=40))
def test_any_octets_are_a_command_or_a_refusal(octets: bytes) -> None:
    with suppress(Refusal):
        command = read_command(octets)
        assert octets[:4] == bytes((command.cla, command.ins, command.p1, command.p2))
        assert command.data in octets


@given(st.lists(st.binary(min_size=4, max_size=30), max_size=8))
def test_no_octets_bring_the_card_down(apdus: list[bytes]) -> None:
    card = Card(new_card())
    for apdu in apdus:
        assert len(card.transmit(bytes([0x80, *apdu[1:]]))) >= 2


def test_selection_is_by_whole_and_partial_name(host: Host) -> None:
    whole = bytes.fromhex("6F108408A000000151000000A5049F6501FF")
    for name in (ISD, ISD[:5], b"\xa0", b""):
        assert host.select(name) == (whole, 0x9000)
    assert host.raw(bytes.fromhex("00A40402") + lv(ISD[:5])) == (b"", 0x6A82)  # there is no next one
    assert host.select(ISD + b"\0") == (b"", 0x6A82)


def test_a_secret_does_not_show(host: Host) -> None:
    host.open(keys_of(host))
    shown = repr((host.card.state, host.card._volatile))
    for secret in (keys_of(host).enc.reveal(), host.s_enc, host.s_mac, host.s_rmac):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
