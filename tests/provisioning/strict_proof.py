"""A second reading of proofs and hybrid keys: decode with `cbor2`, then demand the one spelling."""

from __future__ import annotations

from typing import Any

from tests.envelope.strict_reading import decoded, need, visible

SIGNATURES = {b"\xa1\x01\x26": (64, 64), b"\xa1\x01\x27": (64, 64), b"\xa1\x01\x38\x24": (256, 512)}


def octets_of(value: object, least: int, most: int | None = None) -> bytes:
    need(type(value) is bytes and least <= len(value) <= (most or least))
    assert isinstance(value, bytes)
    return value


def device_id(value: object) -> str:
    text = visible(value, 18)
    need(len(text) == 18 and text.startswith("d:") and set(text[2:]) <= set("0123456789abcdef"))
    return text


def sign1(octets: bytes, most: int) -> tuple[Any, bytes]:
    """(payload's value, signature)."""
    need(len(octets) <= most)
    value = decoded(octets)
    need(type(value) is list and len(value) == 4)
    protected, unprotected, payload, signature = value
    need(type(protected) is bytes and protected in SIGNATURES and unprotected == {})
    need(type(unprotected) is dict and type(payload) is bytes)
    return decoded(payload), octets_of(signature, *SIGNATURES[protected])


def proof(octets: bytes) -> tuple[Any, ...]:
    """Every field of a proof, in order, and its signature."""
    value, signature = sign1(octets, 1080)
    need(type(value) is dict and list(value) == list(range(1, 9)))
    label, owner, kid, challenge, confirm, methods, crypto_se, app_se = value.values()
    need(label == "tsm-reg-1" and type(label) is str)
    need(type(methods) is list and 1 <= len(methods) <= 8)
    read = tuple(method(each) for each in methods)
    need(len({handle for _, handle, _ in read}) == len(read))
    return (
        *(device_id(owner), octets_of(kid, 4), octets_of(challenge, 32), octets_of(confirm, 16), read),
        *(octets_of(crypto_se, 8, 32), octets_of(app_se, 8, 32), signature),
    )


def method(value: object) -> tuple[str, bytes, int]:
    need(type(value) is list and len(value) == 3)
    assert isinstance(value, list)
    name, handle, enrolled_at = value
    need(type(name) is str and name in {"face", "fpt", "iris", "pin"})
    need(type(enrolled_at) is int and 0 <= enrolled_at < 2**53)
    return name, octets_of(handle, 32), enrolled_at


def hybrid_key(octets: bytes) -> tuple[str, bytes]:
    """(device id, public key)."""
    value, _ = sign1(octets, 1779)
    need(type(value) is dict and list(value) == [1, 2, 3])
    label, owner, key = value.values()
    need(label == "tsm-xwing-1" and type(label) is str)
    return device_id(owner), octets_of(key, 1216)
