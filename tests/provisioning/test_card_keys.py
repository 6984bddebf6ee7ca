"""Key sets of cards: check values, diversification, PUT KEY as a card reads it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given
from hypothesis import strategies as st

from tests.provisioning import gp_card
from tsm_gateway.provisioning.card_errors import (
    CardAnswerMalformed,
    CardError,
    CardKeysMalformed,
    CardProtocolUnsupported,
    KeyCheckMismatch,
)
from tsm_gateway.provisioning.card_keys import (
    KeySet,
    Protocol03,
    check_value,
    diversify,
    put_key,
    read_put_key_answer,
)
from tsm_gateway.provisioning.scp03 import SecurityLevel, max_data
from tsm_gateway.secret import Secret

VECTORS = Path(__file__).parents[1] / "vectors" / "scp03"
TRANSCRIPTS: list[dict[str, Any]] = json.loads((VECTORS / "transcripts.json").read_text("utf-8"))
LENGTHS = [16, 24, 32]


def keys(length: int, kvn: int = 0x30, first: int = 0) -> KeySet:
    octets = bytes((first + at) % 256 for at in range(3 * length))
    return KeySet(kvn, *(Secret(octets[at : at + length]) for at in range(0, 3 * length, length)))


def plain(key_set: KeySet) -> list[bytes]:
    return [key.reveal() for key in (key_set.enc, key_set.mac, key_set.dek)]


@pytest.mark.parametrize(
    "transcript", [each for each in TRANSCRIPTS if "kcv" in each], ids=lambda each: each["security_level"]
)
def test_published_check_values_are_computed(transcript: dict[str, Any]) -> None:
    for name, value in transcript["kcv"].items():
        assert check_value(Secret(bytes.fromhex(transcript[f"static_{name}"]))).hex() == value


def test_the_published_key_of_kdf3_is_derived() -> None:
    example = json.loads((VECTORS / "kdf3.json").read_text("utf-8"))
    master = Secret(bytes.fromhex(example["master"]))
    made = diversify(master, bytes.fromhex(example["diversification"]), 0x30, 32)
    assert made.enc.reveal().hex() == example["enc"]
    assert made.kvn == 0x30


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("master", LENGTHS)
def test_each_key_of_kdf3_has_its_own_label(master: int, length: int) -> None:
    octets, data = bytes(range(master)), b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"
    made = plain(diversify(Secret(octets), data, 1, length))
    for number, key in enumerate(made, start=1):
        label = bytes([0, 0, 0, number, 0])
        expected = b"".join(gp_card.cmac(octets, bytes([count]) + label + data) for count in (1, 2))
        assert key == expected[:length]


def test_cards_have_different_keys() -> None:
    one, other = (plain(diversify(Secret(bytes(16)), bytes([n]) * 10, 1, 16)) for n in (1, 2))
    assert not {*one} & {*other}


@pytest.mark.parametrize(
    ("master", "data", "length"),
    [(15, b"x", 16), (16, b"x", 17), (16, b"", 16)],
    ids=["master", "length", "no data"],
)
def test_what_cannot_be_diversified_is_refused(master: int, data: bytes, length: int) -> None:
    with pytest.raises(CardKeysMalformed):
        diversify(Secret(bytes(master)), data, 1, length)


@pytest.mark.parametrize(
    ("kvn", "lengths"),
    [
        (1, (16, 16, 24)),
        (1, (15, 15, 15)),
        (1, (0, 0, 0)),
        (1, (16, 32, 16)),
        (256, (16,) * 3),
        (-1, (16,) * 3),
    ],
)
def test_a_key_set_that_no_card_holds_is_refused(kvn: int, lengths: tuple[int, int, int]) -> None:
    enc, mac, dek = (Secret(bytes(length)) for length in lengths)
    with pytest.raises(CardKeysMalformed):
        KeySet(kvn, enc, mac, dek)


def test_a_key_set_does_not_print_nor_travel() -> None:
    held = keys(16)
    assert repr(held) == "KeySet(kvn=48, enc=Secret(…), mac=Secret(…), dek=Secret(…))"
    with pytest.raises(TypeError):
        copy.deepcopy(held)


def fields(data: bytes) -> tuple[int, list[tuple[int, int, bytes, bytes]]]:
    """A card's reading: the version number, then (type, key length, encrypted, check value) of each key."""
    kvn, rest, found = data[0], data[1:], []
    while rest:
        kind, length = rest[:2]
        value, rest = rest[2 : 2 + length], rest[2 + length :]
        size, rest = rest[0], rest[1:]
        found.append((kind, value[0], value[1:], rest[:size]))
        rest = rest[size:]
    return kvn, found


@pytest.mark.parametrize("dek", LENGTHS)
@pytest.mark.parametrize("length", LENGTHS)
def test_a_card_reads_the_new_keys_out_of_put_key(length: int, dek: int) -> None:
    new, current = keys(length, 0x31, 7), keys(dek)
    command = put_key(new, current, replaces=0x30)
    assert (command.cla, command.ins, command.p1, command.p2, command.le) == (0x80, 0xD8, 0x30, 0x81, 256)
    kvn, found = fields(command.data)
    assert kvn == 0x31
    assert len(found) == 3
    for (kind, size, encrypted, check), key in zip(found, plain(new), strict=True):
        opened = Cipher(AES(current.dek.reveal()), CBC(bytes(16))).decryptor().update(encrypted)
        assert (kind, size) == (0x88, length)
        assert opened[:size] == key
        assert len(opened) == (length + 15) // 16 * 16
        assert check == gp_card.block(key, b"\x01" * 16)[:3]


def test_put_key_of_the_longest_keys_fits_one_wrapped_command() -> None:
    data = put_key(keys(32, 0x31), keys(32), replaces=0x30).data
    assert len(data) == 118 <= max_data(SecurityLevel.L33, s16=True)


@pytest.mark.parametrize(("kvn", "replaces"), [(0, 1), (128, 1), (255, 0), (1, 128), (1, -1)])
def test_a_version_number_that_cannot_be_put_is_refused(kvn: int, replaces: int) -> None:
    with pytest.raises(CardKeysMalformed):
        put_key(keys(16, kvn), keys(16), replaces=replaces)


def confirmed(new: KeySet) -> bytes:
    return bytes([new.kvn]) + b"".join(check_value(Secret(key)) for key in plain(new))


def test_the_cards_confirmation_is_taken_and_any_other_bit_refused() -> None:
    new = keys(24, 0x31)
    right = confirmed(new)
    read_put_key_answer(right, new)
    for bit in range(8 * len(right)):
        wrong = bytearray(right)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(KeyCheckMismatch):
            read_put_key_answer(bytes(wrong), new)


@pytest.mark.parametrize("length", [0, 1, 9, 11])
def test_a_confirmation_of_another_length_is_refused(length: int) -> None:
    new = keys(16, 0x31)
    with pytest.raises(CardAnswerMalformed):
        read_put_key_answer((confirmed(new) + b"\x00")[:length], new)


@given(st.binary(max_size=40))
def test_any_confirmation_is_taken_or_refused(data: bytes) -> None:
    new = keys(16, 0x31)
    with pytest.raises((CardAnswerMalformed, KeyCheckMismatch)):
        read_put_key_answer(data, new)


@pytest.mark.parametrize(
    ("i", "pseudo_random", "r_mac", "r_enc", "octets"),
    [
        (0x00, False, False, False, 8),
        (0x10, True, False, False, 8),
        (0x20, False, True, False, 8),
        (0x60, False, True, True, 8),
        (0x61, False, True, True, 16),
        (0x70, True, True, True, 8),
        (0x71, True, True, True, 16),
    ],
)
def test_the_parameter_i_is_read(i: int, pseudo_random: bool, r_mac: bool, r_enc: bool, octets: int) -> None:
    read = Protocol03.read(i)
    found = (read.pseudo_random, read.has_r_mac, read.has_r_enc, read.mac_octets, read.s16)
    assert found == (pseudo_random, r_mac, r_enc, octets, octets == 16)


def test_reserved_bits_of_i_and_encryption_without_mac_are_refused() -> None:
    taken = set()
    for i in range(256):
        try:
            Protocol03.read(i)
        except CardProtocolUnsupported:
            continue
        taken.add(i)
    assert taken == {0x00, 0x01, 0x10, 0x11, 0x20, 0x21, 0x30, 0x31, 0x60, 0x61, 0x70, 0x71}


def test_no_error_of_a_card_holds_a_key() -> None:
    new = keys(16, 0x31)
    with pytest.raises(CardError) as caught:
        read_put_key_answer(bytes(10), new)
    assert not any(key.hex() in str(caught.value) for key in [*plain(new), confirmed(new)])
