"""SCP03, the opening: a card is believed for its keys only, and only as its issuer described it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.provisioning.scp03_pair import (
    GET_STATUS,
    LEVELS,
    MODES,
    OK,
    Pair,
    ended,
    flipped,
)
from tsm_gateway.provisioning.apdu import Command, Response
from tsm_gateway.provisioning.card_errors import (
    CardAnswerMalformed,
    CardError,
    CardKeyVersionMismatch,
    CardNotAuthentic,
    CardProtocolUnsupported,
    CardRefused,
    ChallengeNotPseudoRandom,
)
from tsm_gateway.provisioning.scp03 import (
    SecurityLevel,
    initialize_update,
    read_greeting,
)


def test_a_first_set_is_asked_for_and_any_version_taken() -> None:
    assert initialize_update(bytes(8), 0).encode().hex() == "8050000008" + "00" * 8 + "00"
    assert initialize_update(bytes(16), 0x31).encode().hex() == "8050310010" + "00" * 16 + "00"
    with pytest.raises(ValueError):
        initialize_update(bytes(9), 0)


@pytest.mark.parametrize("length", [16, 24, 32])
@pytest.mark.parametrize("i", MODES, ids=lambda i: f"{i:02x}")
@pytest.mark.parametrize("level", LEVELS, ids=lambda level: f"{int(level):02x}")
def test_both_sides_agree_in_every_mode(i: int, level: SecurityLevel, length: int) -> None:
    pair = Pair(i, level, length).confirmed()
    for size in (1, 0, 15, 16, 17, pair.session.max_data):
        answer = bytes(range(min(size, 200)))
        octets = pair.send(Command(0x80, 0xE8, 0, 0, b"\x80" * size, 256), answer)
        assert pair.session.unwrap(octets) == Response(answer, 0x9000)


def test_one_flipped_bit_anywhere_in_the_greeting_is_refused() -> None:
    for i in MODES:
        pair = Pair(i)
        for bit in range(80, 8 * len(pair.greeting)):  # the ten octets ahead only name the card's keys
            wrong = flipped(pair.greeting, bit)
            with pytest.raises(CardError):
                pair.open(wrong, expected_i=i)


def test_a_wrong_card_is_told_from_a_wrong_challenge() -> None:
    pair = Pair()
    with pytest.raises(CardNotAuthentic):
        pair.open(flipped(pair.greeting, 8 * (13 + 8)))
    with pytest.raises(CardNotAuthentic):
        pair.open(flipped(pair.greeting, 8 * 13))
    with pytest.raises(ChallengeNotPseudoRandom):
        pair.open(flipped(pair.greeting, 8 * 29))
    with pytest.raises(ChallengeNotPseudoRandom):
        pair.open(pair.greeting, sd_aid=b"\xa1" * 8)


def test_a_card_that_draws_what_it_should_compute_is_refused() -> None:
    pair = Pair(0x70)
    drawn = pair.card.greet(pair.host_challenge, random=bytes(8))
    with pytest.raises(ChallengeNotPseudoRandom):
        pair.open(drawn)


def test_an_older_answer_does_not_open_a_new_session() -> None:
    old, new = Pair(0x60), Pair(0x60)
    new.host_challenge = bytes(8)
    with pytest.raises(CardNotAuthentic):
        new.open(old.greeting)


def test_another_key_version_protocol_parameter_or_mode_is_refused() -> None:
    pair = Pair()
    other = bytearray(pair.greeting)
    other[10] = 0x31
    with pytest.raises(CardKeyVersionMismatch):
        pair.open(bytes(other))
    other = bytearray(pair.greeting)
    other[11] = 2
    with pytest.raises(CardProtocolUnsupported):
        pair.open(bytes(other))
    with pytest.raises(CardProtocolUnsupported):
        pair.open(pair.greeting, expected_i=0x60)
    pair.host_challenge = bytes(16)
    with pytest.raises(CardProtocolUnsupported):
        pair.open(pair.greeting)


@pytest.mark.parametrize(
    ("i", "level"),
    [
        (0x00, 0x11),
        (0x10, 0x33),
        (0x20, 0x33),
        (0x30, 0x33),
        (0x70, 0x00),
        (0x70, 0x02),
        (0x70, 0x31),
        (0x70, 0x23),
    ],
)
def test_a_level_that_is_none_or_not_offered_is_refused(i: int, level: int) -> None:
    with pytest.raises(CardProtocolUnsupported):
        Pair(i, SecurityLevel(level))


@pytest.mark.parametrize(("i", "level"), [(0x00, 0x03), (0x10, 0x01), (0x20, 0x13), (0x30, 0x11)])
def test_a_modest_card_is_opened_at_a_level_it_offers(i: int, level: int) -> None:
    pair = Pair(i, SecurityLevel(level)).confirmed()
    assert pair.session.unwrap(pair.send(GET_STATUS, b"seen")).data == b"seen"


def test_a_card_that_refuses_initialize_update_is_heard() -> None:
    with pytest.raises(CardRefused) as caught:
        read_greeting(Response(b"", 0x6A88))
    assert caught.value.facts["sw"] == "6A88"


@pytest.mark.parametrize("length", [0, 12, 28, 31, 33, 45, 48])
def test_a_greeting_of_another_length_is_refused(length: int) -> None:
    data = (bytes(10) + b"\x30\x03\x70" + bytes(64))[:length]
    with pytest.raises(CardAnswerMalformed):
        read_greeting(Response(data, 0x9000))


def test_a_refused_external_authenticate_ends_the_session() -> None:
    for answer, error in [
        (b"\x63\x00", CardRefused),
        (b"\x69\x82", CardRefused),
        (b"\x62\x00", CardRefused),
        (bytes(8) + OK, CardAnswerMalformed),
        (b"\x90", CardAnswerMalformed),
    ]:
        session = Pair().session
        with pytest.raises(error):
            session.unwrap(answer)
        ended(session)


@given(st.binary(max_size=300), st.sampled_from(LEVELS))
def test_any_greeting_opens_nothing(octets: bytes, level: SecurityLevel) -> None:
    pair = Pair()
    with pytest.raises(CardError):
        pair.open(octets, level)


@given(st.binary(max_size=60), st.sampled_from([0x9000, 0x6310, 0x6A88]))
def test_any_tail_of_a_greeting_opens_nothing(tail: bytes, sw: int) -> None:
    pair = Pair()
    with pytest.raises(CardError):
        pair.open(bytes(10) + b"\x30\x03\x70" + tail + sw.to_bytes(2, "big"))
