"""SCP03: every published session, and the host against a card that was written for the tests."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.provisioning.gp_card import Card, block
from tsm_gateway.provisioning.apdu import APDU_DATA, Command, Response, read_command, read_response
from tsm_gateway.provisioning.card_errors import (
    CardAnswerMalformed,
    CardError,
    CardKeyVersionMismatch,
    CardNotAuthentic,
    CardProtocolUnsupported,
    CardRefused,
    ChallengeNotPseudoRandom,
    ResponseNotAuthentic,
    SessionOver,
)
from tsm_gateway.provisioning.card_keys import KeySet
from tsm_gateway.provisioning.scp03 import (
    SecurityLevel,
    Session,
    derive_session_keys,
    initialize_update,
    max_data,
    open_session,
    read_greeting,
)
from tsm_gateway.secret import Secret

VECTORS = Path(__file__).parents[1] / "vectors" / "scp03"
TRANSCRIPTS: list[dict[str, Any]] = json.loads((VECTORS / "transcripts.json").read_text("utf-8"))
LEVELS = [SecurityLevel(level) for level in (0x01, 0x03, 0x11, 0x13, 0x33)]
WITH_R_MAC = [level for level in LEVELS if level & SecurityLevel.R_MAC]
MODES = [0x60, 0x61, 0x70, 0x71]
OK = b"\x90\x00"
GET_STATUS = Command(0x80, 0xF2, 0x40, 0x02, b"\x4f\x00", 256)
NO_DATA = Command(0x80, 0xCA, 0x00, 0x66, le=256)


def name_of(transcript: dict[str, Any]) -> str:
    return f"{transcript['algo']} {transcript['security_level']} {transcript['origin'].split()[-1]}"


def key_set(transcript: dict[str, Any], kvn: int = 0) -> KeySet:
    dek = transcript.get("static_dek", transcript["static_mac"])
    octets = (transcript["static_enc"], transcript["static_mac"], dek)
    return KeySet(kvn, *(Secret(bytes.fromhex(each)) for each in octets))


def opened_as_published(transcript: dict[str, Any]) -> tuple[Session, Command]:
    return open_session(
        key_set(transcript),
        bytes.fromhex(transcript["host_challenge"]),
        read_response(bytes.fromhex(transcript["init_upd_rsp"])),
        sd_aid=bytes.fromhex(transcript["sd_aid"]),
        level=SecurityLevel(int(transcript["security_level"], 16)),
        expected_i=int(transcript["i"], 16),
    )


class Pair:
    """An open session and the card at its other end."""

    def __init__(
        self, i: int = 0x70, level: SecurityLevel = SecurityLevel.L33, length: int = 16, **told: Any
    ) -> None:
        enc, mac = bytes(range(length)), bytes(range(100, 100 + length))
        self.keys = KeySet(0x30, Secret(enc), Secret(mac), Secret(mac))
        self.card = Card(enc, mac, i=i)
        self.host_challenge = bytes(range(1, 1 + self.card.size))
        random = None if i & 0x10 else bytes(range(50, 50 + self.card.size))
        self.greeting = self.card.greet(self.host_challenge, random=random)
        self.session, command = self.open(self.greeting, level, **told)
        self.confirmation = self.card.authenticate(command.encode())

    def open(
        self, greeting: bytes, level: SecurityLevel = SecurityLevel.L33, **told: Any
    ) -> tuple[Session, Command]:
        told = {"sd_aid": self.card.sd_aid, **told}
        return open_session(self.keys, self.host_challenge, read_response(greeting), level=level, **told)

    def confirmed(self) -> Pair:
        self.session.unwrap(self.confirmation)
        return self

    def send(self, command: Command, answer: bytes = b"", sw: bytes = OK) -> bytes:
        """The card's octets for one command."""
        assert self.card.take(self.session.wrap(command).encode()) == command.data
        return self.card.answer(answer, sw)


# the published sessions


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=name_of)
def test_a_published_session_is_reproduced(transcript: dict[str, Any]) -> None:
    session, external_authenticate = opened_as_published(transcript)
    assert external_authenticate.encode().hex() == transcript["ext_auth_cmd"]
    assert session.unwrap(OK) == Response(b"", 0x9000)
    answered: list[dict[str, Any]] = []
    for step in transcript["steps"]:
        wrapped = session.wrap(read_command(bytes.fromhex(step["plain"])))
        assert wrapped.encode().hex() == step["wrapped"]
        if "card_response" in step and len(answered) == session.awaited - 1:
            answered.append(step)
    for step in answered:
        response = session.unwrap(bytes.fromhex(step["card_response"]))
        assert response == Response(bytes.fromhex(step["plain_response"]), 0x9000)
    assert answered or "card_response" not in transcript["steps"][0]


@pytest.mark.parametrize("transcript", [each for each in TRANSCRIPTS if "init_upd_cmd" in each], ids=name_of)
def test_a_published_initialize_update_is_written(transcript: dict[str, Any]) -> None:
    octets = bytes.fromhex(transcript["init_upd_cmd"])
    assert initialize_update(bytes.fromhex(transcript["host_challenge"]), octets[2]).encode() == octets


@pytest.mark.parametrize("transcript", [each for each in TRANSCRIPTS if "s_enc" in each], ids=name_of)
def test_published_session_keys_are_derived(transcript: dict[str, Any]) -> None:
    greeting = read_greeting(read_response(bytes.fromhex(transcript["init_upd_rsp"])))
    context = bytes.fromhex(transcript["host_challenge"]) + greeting.challenge
    made = derive_session_keys(key_set(transcript), context)
    assert [key.reveal().hex() for key in made] == [transcript[name] for name in ("s_enc", "s_mac", "s_rmac")]


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=name_of)
def test_the_card_of_these_tests_says_what_published_cards_say(transcript: dict[str, Any]) -> None:
    enc, mac = (bytes.fromhex(transcript[f"static_{name}"]) for name in ("enc", "mac"))
    greeting = bytes.fromhex(transcript["init_upd_rsp"])
    aid = bytes.fromhex(transcript["sd_aid"])
    card = Card(enc, mac, i=int(transcript["i"], 16), kvn=greeting[10], sd_aid=aid)
    count = int.from_bytes(greeting[-5:-2], "big")
    assert card.greet(bytes.fromhex(transcript["host_challenge"]), seq=count)[10:] == greeting[10:]
    card.authenticate(bytes.fromhex(transcript["ext_auth_cmd"]))
    for step in transcript["steps"]:
        assert card.take(bytes.fromhex(step["wrapped"])) == read_command(bytes.fromhex(step["plain"])).data
        if "card_response" in step:
            assert card.answer(bytes.fromhex(step["plain_response"])).hex() == step["card_response"]


# opening


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


# commands


def test_external_authenticate_is_signed_and_never_encrypted() -> None:
    pair = Pair()  # the card reads its cryptogram in clear behind a right MAC, or fails
    assert pair.card.level == 0x33
    assert pair.card.counter == 0


@pytest.mark.parametrize("i", MODES, ids=lambda i: f"{i:02x}")
@pytest.mark.parametrize("level", LEVELS, ids=lambda level: f"{int(level):02x}")
def test_the_most_plain_octets_fill_one_short_command(i: int, level: SecurityLevel) -> None:
    pair = Pair(i, level)
    most = max_data(level, s16=bool(i & 1))
    assert pair.session.max_data == most
    full = pair.session.wrap(Command(0x80, 0xE8, 0, 0, bytes(most)))
    assert len(full.data) <= APDU_DATA < len(full.data) + 16
    before = pair.session.awaited
    with pytest.raises(ValueError):
        pair.session.wrap(Command(0x80, 0xE8, 0, 0, bytes(most + 1)))
    assert pair.session.awaited == before


def test_most_plain_octets_by_mode() -> None:
    expected = {
        (0x01, False): 247,
        (0x33, False): 239,
        (0x11, True): 239,
        (0x33, True): 223,
        (0x03, True): 223,
    }
    assert {key: max_data(SecurityLevel(key[0]), s16=key[1]) for key in expected} == expected


def test_a_command_without_data_is_signed_only_and_steps_the_counter() -> None:
    pair = Pair().confirmed()
    assert len(pair.session.wrap(NO_DATA).data) == 8
    pair = Pair().confirmed()
    for command in (NO_DATA, NO_DATA, GET_STATUS):  # the card counts each, or cannot read the last
        assert pair.session.unwrap(pair.send(command, b"x")).data == b"x"


def test_a_wrapped_command_keeps_its_header_and_le() -> None:
    wrapped = Pair().session.wrap(Command(0x80, 0xE6, 0x0C, 0x00, b"x", 1))
    assert (wrapped.cla, wrapped.ins, wrapped.p1, wrapped.p2, wrapped.le) == (0x84, 0xE6, 0x0C, 0x00, 1)
    assert Pair().session.wrap(Command(0x00, 0xA4, 4, 0)).cla == 0x04


@pytest.mark.parametrize("cla", [0x84, 0x04, 0x81, 0x40, 0x90])
def test_a_command_wrapped_already_or_of_another_channel_is_refused(cla: int) -> None:
    with pytest.raises(ValueError):
        Pair().session.wrap(Command(cla, 0xE6, 0, 0))


def test_the_same_command_never_looks_the_same() -> None:
    session = Pair().session
    seen = {session.wrap(GET_STATUS).data for _ in range(50)}
    assert len({octets[:16] for octets in seen}) == len({octets[16:] for octets in seen}) == 50


@given(
    st.sampled_from(MODES),
    st.sampled_from(LEVELS),
    st.lists(st.tuples(st.binary(max_size=223), st.binary(max_size=200)), max_size=6),
)
def test_commands_wrapped_ahead_are_answered_in_order(
    i: int, level: SecurityLevel, exchanges: list[tuple[bytes, bytes]]
) -> None:
    pair = Pair(i, level)
    script = [pair.session.wrap(Command(0x80, 0xE8, 0, n, data)) for n, (data, _) in enumerate(exchanges)]
    answers = [pair.confirmation]
    for command, (data, answer) in zip(script, exchanges, strict=True):
        assert pair.card.take(command.encode()) == data
        answers.append(pair.card.answer(answer))
    assert pair.session.awaited == len(answers)
    pair.session.unwrap(answers.pop(0))
    assert [pair.session.unwrap(octets).data for octets in answers] == [answer for _, answer in exchanges]
    assert pair.session.awaited == 0


# answers


def flipped(octets: bytes, bit: int) -> bytes:
    changed = bytearray(octets)
    changed[bit // 8] ^= 0x80 >> bit % 8
    return bytes(changed)


def ended(session: Session) -> None:
    assert session.over
    assert session.awaited == 0
    with pytest.raises(SessionOver):
        session.wrap(NO_DATA)
    with pytest.raises(SessionOver):
        session.unwrap(OK)


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


# the life of a session


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


def test_the_counter_is_a_whole_block_under_s_enc() -> None:
    pair = Pair(level=SecurityLevel.L03).confirmed()
    pair.session.wrap(NO_DATA)
    wrapped = pair.session.wrap(Command(0x80, 0xE8, 0, 0, b"A" * 15)).data
    iv = block(pair.card.s_enc, (2).to_bytes(16, "big"))
    plain = b"A" * 15 + b"\x80"
    assert wrapped[:16] == block(pair.card.s_enc, bytes(a ^ b for a, b in zip(iv, plain, strict=True)))
