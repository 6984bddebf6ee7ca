"""SCP03, the way back: no answer is used before its MAC holds, and a session that erred is over."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.provisioning.scp03_pair import (
    GET_STATUS,
    NO_DATA,
    OK,
    WITH_R_MAC,
    Pair,
    ended,
    flipped,
)
from tsm_gateway.provisioning.apdu import Command, Response
from tsm_gateway.provisioning.card_errors import (
    CardAnswerMalformed,
    CardError,
    ResponseNotAuthentic,
    SessionOver,
)
from tsm_gateway.provisioning.card_keys import Protocol03
from tsm_gateway.provisioning.scp03 import (
    SecurityLevel,
    Session,
    derive_session_keys,
)


@pytest.mark.parametrize("i", [0x70, 0x71], ids=["S8", "S16"])
@pytest.mark.parametrize("level", WITH_R_MAC, ids=lambda level: f"{int(level):02x}")
@pytest.mark.parametrize("answer", [b"", b"an answer of this card"], ids=["no data", "data"])
def test_one_flipped_bit_anywhere_in_an_answer_is_refused(
    i: int, level: SecurityLevel, answer: bytes
) -> None:
    length = len(Pair(i, level).confirmed().send(GET_STATUS, answer))
    for bit in range(8 * length):
        pair = Pair(i, level).confirmed()
        octets = pair.send(GET_STATUS, answer)
        with pytest.raises(ResponseNotAuthentic):
            pair.session.unwrap(flipped(octets, bit))
        ended(pair.session)


@pytest.mark.parametrize("level", WITH_R_MAC, ids=lambda level: f"{int(level):02x}")
@pytest.mark.parametrize("command", [GET_STATUS, NO_DATA], ids=["data", "no data"])
def test_an_earlier_answer_is_no_answer_to_the_next_command(level: SecurityLevel, command: Command) -> None:
    pair = Pair(level=level).confirmed()
    old = pair.send(command, b"same")
    pair.session.unwrap(old)
    pair.send(command, b"same")
    with pytest.raises(ResponseNotAuthentic):
        pair.session.unwrap(old)
    ended(pair.session)


def test_answers_out_of_order_are_refused() -> None:
    pair = Pair().confirmed()
    wrapped = [pair.session.wrap(GET_STATUS) for _ in range(2)]
    answers = []
    for command in wrapped:
        pair.card.take(command.encode())
        answers.append(pair.card.answer(b"same"))
    with pytest.raises(ResponseNotAuthentic):
        pair.session.unwrap(answers[1])
    ended(pair.session)


def test_an_answer_of_another_session_is_refused() -> None:
    one, other = Pair(0x60).confirmed(), Pair(0x60, length=32).confirmed()
    one.send(GET_STATUS)
    with pytest.raises(ResponseNotAuthentic):
        one.session.unwrap(other.send(GET_STATUS))


def test_an_answer_encrypted_under_another_counter_is_refused() -> None:
    pair = Pair().confirmed()
    pair.card.take(pair.session.wrap(GET_STATUS).encode())
    pair.card.counter += 1
    with pytest.raises(CardAnswerMalformed):  # its R-MAC is right
        pair.session.unwrap(pair.card.answer(b"x" * 15))
    ended(pair.session)


@pytest.mark.parametrize("sw", ["9000", "6310", "6283"])
def test_success_and_warnings_want_a_mac(sw: str) -> None:
    pair = Pair().confirmed()
    pair.send(GET_STATUS)
    with pytest.raises(ResponseNotAuthentic):
        pair.session.unwrap(bytes.fromhex(sw))
    ended(pair.session)


def test_a_warning_with_its_mac_is_taken() -> None:
    pair = Pair().confirmed()
    octets = pair.send(GET_STATUS, b"first half", b"\x63\x10")
    assert pair.session.unwrap(octets) == Response(b"first half", 0x6310)


def test_an_error_comes_without_mac_and_the_session_goes_on() -> None:
    pair = Pair().confirmed()
    pair.send(GET_STATUS)
    assert pair.session.unwrap(b"\x6a\x88") == Response(b"", 0x6A88)
    assert pair.session.unwrap(pair.send(GET_STATUS, b"x")).data == b"x"


@pytest.mark.parametrize("sw", ["6a88", "6110", "6c08", "9001", "9100"])
def test_data_beside_an_error_is_refused_even_with_a_mac(sw: str) -> None:
    pair = Pair().confirmed()
    octets = pair.send(GET_STATUS, b"data", bytes.fromhex(sw))
    with pytest.raises(ResponseNotAuthentic):
        pair.session.unwrap(octets)
    ended(pair.session)


@pytest.mark.parametrize("sent", [0, 4, 7])
def test_a_shortened_mac_is_refused(sent: int) -> None:
    pair = Pair(0x71, SecurityLevel.L11).confirmed()
    octets = pair.send(GET_STATUS)
    with pytest.raises(ResponseNotAuthentic):
        pair.session.unwrap(octets[:sent] + OK)


def test_in_s16_eight_octets_of_a_right_mac_are_too_few() -> None:
    pair = Pair(0x71, SecurityLevel.L11).confirmed()
    octets = pair.send(GET_STATUS, b"12345678")
    with pytest.raises(ResponseNotAuthentic):
        pair.session.unwrap(octets[:16] + OK)
    pair = Pair(0x71)
    assert len(pair.session.wrap(NO_DATA).data) == 16


@pytest.mark.parametrize(
    "padded",
    [
        bytes(16),
        b"x" * 16,
        b"x" * 15 + b"\x01",
        b"x" * 15 + b"\x80" + bytes(16),
        b"x" * 16 + b"\x40" + bytes(15),
        b"x" * 15,
    ],
    ids=["zeros", "none", "other mark", "a block too long", "wrong mark", "no whole block"],
)
def test_wrong_padding_behind_a_right_mac_is_refused(padded: bytes) -> None:
    pair = Pair().confirmed()
    pair.card.take(pair.session.wrap(GET_STATUS).encode())
    if len(padded) % 16:
        pair.card.level = 0x11  # a card that does not encrypt
    with pytest.raises(CardAnswerMalformed):
        pair.session.unwrap(pair.card.answer(padded, pad=False))
    ended(pair.session)


def test_a_card_that_pads_an_empty_answer_is_read() -> None:
    pair = Pair().confirmed()
    pair.card.take(pair.session.wrap(GET_STATUS).encode())
    octets = pair.card.answer(b"\x80" + bytes(15), pad=False)
    assert pair.session.unwrap(octets) == Response(b"", 0x9000)


def test_an_answer_nobody_asked_for_ends_the_session() -> None:
    pair = Pair().confirmed()
    with pytest.raises(CardAnswerMalformed):
        pair.session.unwrap(OK)
    ended(pair.session)


def test_below_r_mac_answers_pass_as_they_are() -> None:
    pair = Pair(level=SecurityLevel.L03).confirmed()
    pair.send(GET_STATUS)
    assert pair.session.unwrap(b"anything\x6a\x88") == Response(b"anything", 0x6A88)


def test_a_closed_session_is_over() -> None:
    session = Pair().confirmed().session
    session.close()
    session.close()
    ended(session)


def test_a_session_begins_once_and_is_never_copied() -> None:
    session = Pair().session
    with pytest.raises(SessionOver):
        session.begin(NO_DATA)
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            copied(session)


def test_neither_session_nor_errors_print_a_key() -> None:
    pair = Pair().confirmed()
    pair.send(GET_STATUS, b"plain text")
    with pytest.raises(CardError) as caught:
        pair.session.unwrap(bytes(8) + OK)
    keys = (pair.card.enc, pair.card.mac, pair.card.s_enc, pair.card.s_mac, pair.card.s_rmac)
    shown = (
        repr(pair.session) + str(caught.value) + repr(pair.keys) + repr(derive_session_keys(pair.keys, b""))
    )
    assert not any(key.hex() in shown or repr(key)[2:-1] in shown for key in keys)


@given(st.binary(max_size=300), st.sampled_from(WITH_R_MAC), st.booleans())
def test_any_answer_is_an_error_status_or_refused(
    octets: bytes, level: SecurityLevel, ends_well: bool
) -> None:
    pair = Pair(level=level).confirmed()
    pair.send(GET_STATUS)
    try:
        response = pair.session.unwrap(octets + (OK if ends_well else b""))
    except CardError:
        ended(pair.session)
    else:
        assert response.failed
        assert not response.data


def test_nothing_is_wrapped_ahead_of_external_authenticate() -> None:
    pair = Pair()
    fresh = Session(derive_session_keys(pair.keys, bytes(16)), SecurityLevel.L33, Protocol03(0x70))
    with pytest.raises(SessionOver):
        fresh.wrap(NO_DATA)
