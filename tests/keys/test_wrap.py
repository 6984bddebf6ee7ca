"""Wrapped keys open where they were wrapped for, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cbor2
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tsm_gateway.keys.errors import KeyUnwrapFailed, MasterKeyMissing
from tsm_gateway.keys.wrap import MasterKey, MasterKeys, Place, card_place, unwrap, wrap
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = MasterKey(1, Secret(b"\x01" * 32))
SECOND = MasterKey(2, Secret(b"\x02" * 32))
MASTERS = MasterKeys([FIRST, SECOND])
KID = bytes.fromhex("5a17c0de")
PLACE = Place("device_keys", KID, "d:00112233aabbccdd", KID, "traffic")
DEVICE_KEY = Secret(bytes(range(32)))
NONCE = bytes(range(1, 13))


def test_a_key_comes_back_from_where_it_was_put() -> None:
    wrapped, version = wrap(MASTERS, DEVICE_KEY, PLACE, nonce=NONCE)
    assert (len(wrapped), version) == (60, 2)
    assert unwrap(MASTERS, wrapped, version, PLACE) == DEVICE_KEY


def test_a_wrapped_key_is_nonce_and_aes_gcm_over_the_place() -> None:
    wrapped, _ = wrap(MASTERS, DEVICE_KEY, PLACE, nonce=NONCE)
    aad = cbor2.dumps(["device_keys", KID, "d:00112233aabbccdd", KID, "traffic", 2])
    assert wrapped[:12] == NONCE
    assert AESGCM(b"\x02" * 32).decrypt(NONCE, wrapped[12:], aad) == DEVICE_KEY.reveal()


def test_the_key_set_of_a_card_stands_in_its_row_under_its_number() -> None:
    assert card_place(b"app SE 7", 0x31) == Place(
        "card_keys", b"app SE 7\x31", b"app SE 7".hex(), b"\0\0\0\x31", "scp03"
    )


def test_the_key_sets_of_one_card_do_not_open_in_each_others_place() -> None:
    wrapped, version = wrap(MASTERS, DEVICE_KEY, card_place(b"app SE 7", 0x30), nonce=NONCE)
    own = card_place(b"app SE 7", 0x30, own=True)
    assert own == card_place(b"app SE 7", 0x30)._replace(purpose="scp03-own")
    for place in (card_place(b"app SE 7", 0x31), card_place(b"app SE 8", 0x30), own):
        with pytest.raises(KeyUnwrapFailed):
            unwrap(MASTERS, wrapped, version, place)


MOVES: dict[str, Callable[[Place], Place]] = {
    "table": lambda place: place._replace(table="provider_keys"),
    "row": lambda place: place._replace(row=bytes(4)),
    "owner": lambda place: place._replace(owner="d:ffffffffffffffff"),
    "kid": lambda place: place._replace(kid=bytes(4)),
    "purpose": lambda place: place._replace(purpose="confirm"),
}


@pytest.mark.parametrize("field", Place._fields)
def test_a_wrapped_key_moved_to_another_place_does_not_open(field: str) -> None:
    wrapped, version = wrap(MASTERS, DEVICE_KEY, PLACE, nonce=NONCE)
    with pytest.raises(KeyUnwrapFailed):
        unwrap(MASTERS, wrapped, version, MOVES[field](PLACE))


def test_two_rows_that_swapped_their_wrapped_keys_both_fail() -> None:
    there = Place("device_keys", b"\x00\x00\x00\x01", "d:ffffffffffffffff", b"\x00\x00\x00\x01", "traffic")
    wrapped = {place: wrap(MASTERS, DEVICE_KEY, place, nonce=NONCE)[0] for place in (PLACE, there)}
    for place, other in ((PLACE, there), (there, PLACE)):
        with pytest.raises(KeyUnwrapFailed):
            unwrap(MASTERS, wrapped[other], 2, place)


def test_a_rolled_back_version_does_not_open() -> None:
    """Neither under the other master, nor under the same master octets called by another version."""
    old, version = wrap(MasterKeys([FIRST]), DEVICE_KEY, PLACE, nonce=NONCE)
    assert version == 1
    with pytest.raises(KeyUnwrapFailed):
        unwrap(MASTERS, old, 2, PLACE)
    same_octets = MasterKeys([FIRST, MasterKey(2, FIRST.key)])
    with pytest.raises(KeyUnwrapFailed):
        unwrap(same_octets, old, 2, PLACE)


def test_the_fields_of_a_place_do_not_run_into_each_other() -> None:
    one = Place("keys", b"ab", "c", b"d", "e")
    wrapped, version = wrap(MASTERS, DEVICE_KEY, one, nonce=NONCE)
    for other in (Place("keys", b"a", "bc", b"d", "e"), Place("keysa", b"b", "c", b"d", "e")):
        with pytest.raises(KeyUnwrapFailed):
            unwrap(MASTERS, wrapped, version, other)


def test_any_single_bit_of_a_wrapped_key_counts() -> None:
    wrapped, version = wrap(MASTERS, DEVICE_KEY, PLACE, nonce=NONCE)
    for bit in range(len(wrapped) * 8):
        altered = bytearray(wrapped)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(KeyUnwrapFailed):
            unwrap(MASTERS, bytes(altered), version, PLACE)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 11, 12, 27, 28, 59])
def test_a_cut_wrapped_key_does_not_open(length: int) -> None:
    wrapped, version = wrap(MASTERS, DEVICE_KEY, PLACE, nonce=NONCE)
    with pytest.raises(KeyUnwrapFailed):
        unwrap(MASTERS, wrapped[:length], version, PLACE)


def test_a_missing_master_is_named_by_its_version() -> None:
    wrapped, version = wrap(MASTERS, DEVICE_KEY, PLACE, nonce=NONCE)
    with pytest.raises(MasterKeyMissing) as caught:
        unwrap(MasterKeys([FIRST]), wrapped, version, PLACE)
    assert caught.value.facts == {"version": 2}


@pytest.mark.parametrize("nonce", [b"", bytes(12), bytes(range(11)), bytes(range(13))])
def test_a_nonce_of_another_length_or_of_zeros_wraps_nothing(nonce: bytes) -> None:
    with pytest.raises(ValueError, match="12 random octets"):
        wrap(MASTERS, DEVICE_KEY, PLACE, nonce=nonce)


@pytest.mark.parametrize(
    "held",
    [
        [],
        [MasterKey(0, FIRST.key)],
        [FIRST, FIRST],
        [MasterKey(1, Secret(bytes(31)))],
    ],
)
def test_masters_of_another_length_or_version_are_not_held(held: list[MasterKey]) -> None:
    with pytest.raises(ValueError, match="32 octets"):
        MasterKeys(held)


def test_the_highest_version_is_the_current_one_in_any_order() -> None:
    assert MasterKeys([SECOND, FIRST]).current is SECOND
    assert MasterKeys([SECOND, FIRST]).versions() == (1, 2)


def test_check_values_tell_keys_apart_and_tell_nothing_else() -> None:
    assert FIRST.check_value() == MasterKey(7, FIRST.key).check_value() != SECOND.check_value()
    assert len(bytes.fromhex(FIRST.check_value())) == 4


def test_nothing_here_prints_a_key() -> None:
    said = repr([FIRST, MASTERS]) + str(KeyUnwrapFailed(owner=PLACE.owner))
    assert "Secret(…)" in said
    assert "0101" not in said
    assert "\\x01" not in said
