"""SCP03, the way to the card: what is encrypted, signed and counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.provisioning.gp_card import block
from tests.provisioning.scp03_pair import (
    GET_STATUS,
    LEVELS,
    MODES,
    NO_DATA,
    Pair,
)
from tsm_gateway.provisioning.apdu import APDU_DATA, Command
from tsm_gateway.provisioning.scp03 import (
    SecurityLevel,
    max_data,
)


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


def test_the_counter_is_a_whole_block_under_s_enc() -> None:
    pair = Pair(level=SecurityLevel.L03).confirmed()
    pair.session.wrap(NO_DATA)
    wrapped = pair.session.wrap(Command(0x80, 0xE8, 0, 0, b"A" * 15)).data
    iv = block(pair.card.s_enc, (2).to_bytes(16, "big"))
    plain = b"A" * 15 + b"\x80"
    assert wrapped[:16] == block(pair.card.s_enc, bytes(a ^ b for a, b in zip(iv, plain, strict=True)))
