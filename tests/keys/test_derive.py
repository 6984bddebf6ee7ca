"""Derivation: the labels of the design, each an independent key."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from tsm_gateway.keys.derive import LABELS, derive, traffic
from tsm_gateway.secret import Secret

IKM = Secret(bytes(range(32)))
KID = bytes.fromhex("5a17c0de")


def hkdf(ikm: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 §2 with nothing but HMAC."""
    prk = hmac.digest(salt, ikm, hashlib.sha256)
    okm, block = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(prk, block + info + bytes([counter]), hashlib.sha256)
        okm += block
    return okm[:length]


@pytest.mark.parametrize("label", sorted(LABELS))
@pytest.mark.parametrize(("length", "spelt"), [(12, b"\x0c"), (16, b"\x10"), (32, b"\x18\x20")])
def test_a_derived_key_is_that_of_an_independent_computation(label: str, length: int, spelt: bytes) -> None:
    info = b"\x83\x65tsm-1" + bytes([0x60 + len(label)]) + label.encode() + spelt
    assert derive(IKM, KID, label, length) == Secret(hkdf(IKM.reveal(), KID, info, length))


def test_the_labels_are_those_of_the_design() -> None:
    up_and_down = {"up key", "up iv", "down key", "down iv", "confirm key"}
    to_and_from = {"to provider key", "to provider iv", "from provider key", "from provider iv"}
    assert up_and_down | to_and_from == LABELS


def test_no_two_labels_kids_keys_or_lengths_give_the_same_octets() -> None:
    derived = [derive(IKM, KID, label, 32) for label in sorted(LABELS)]
    derived += [derive(IKM, bytes(4), "up key", 32), derive(Secret(bytes(32)), KID, "up key", 32)]
    heads = {secret.reveal()[:12] for secret in derived} | {derive(IKM, KID, "up key", 12).reveal()}
    assert len(heads) == len(derived) + 1


def test_one_ways_traffic_is_a_key_of_32_and_an_iv_of_12() -> None:
    key, iv = traffic(IKM, KID, "to provider")
    assert (len(key), len(iv)) == (32, 12)
    assert key == derive(IKM, KID, "to provider key", 32)
    assert iv == derive(IKM, KID, "to provider iv", 12)


@pytest.mark.parametrize(
    ("ikm", "label"), [(IKM, "up"), (IKM, "UP KEY"), (IKM, ""), (Secret(bytes(31)), "up key")]
)
def test_another_label_or_a_key_of_another_length_is_a_mistake_of_the_caller(ikm: Secret, label: str) -> None:
    with pytest.raises(ValueError, match="32 octets"):
        derive(ikm, KID, label, 32)
