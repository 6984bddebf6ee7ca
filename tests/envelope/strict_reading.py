"""A second reading of packet, payload and claims: decode with `cbor2`, then demand the one spelling.

Slow and general where the product is fast and literal; the two must agree on any octets.
"""

from __future__ import annotations

from typing import Any

import cbor2


class NotStrict(Exception):
    """The octets are not the one spelling of a value of the format."""


def refuse(*_: object) -> None:
    raise NotStrict


NO_TAG = dict.fromkeys(range(300), refuse)  # those the library would interpret; others meet the tag hook


def decoded(octets: bytes) -> Any:
    """The value of `octets`, if they are its deterministic form: no tag, float, simple value or trailer."""
    try:
        value = cbor2.loads(
            octets,
            max_depth=8,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            tag_hook=refuse,
            semantic_decoders=NO_TAG,
        )
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError) as error:
        raise NotStrict from error
    if _spelt(value) != octets:
        raise NotStrict
    return value


def _spelt(value: object) -> bytes:
    """RFC 8949 §4.2.1, map keys in the order of their octets."""
    if type(value) is list:
        return cbor2.dumps([0] * len(value))[: -len(value) or None] + b"".join(map(_spelt, value))
    if type(value) is dict:
        head = cbor2.dumps(dict.fromkeys(range(len(value)), 0))[:1]
        pairs = sorted((_spelt(key), _spelt(item)) for key, item in value.items())
        return head + b"".join(key + item for key, item in pairs)
    if type(value) in {int, str, bytes}:
        return cbor2.dumps(value)
    raise NotStrict


def need(condition: object) -> None:
    if not condition:
        raise NotStrict


def encrypt0(octets: bytes) -> tuple[bytes, int, bytes]:
    """(kid, PIV, ciphertext) of a packet."""
    need(len(octets) <= 1024)
    value = decoded(octets)
    need(type(value) is list and len(value) == 3)
    protected, unprotected, ciphertext = value
    need(protected == b"\xa1\x01\x03" and type(protected) is bytes)
    need(type(unprotected) is dict and list(unprotected) == [4, 6])
    kid, piv = unprotected[4], unprotected[6]
    need(type(kid) is bytes and len(kid) == 4)
    need(type(piv) is bytes and 1 <= len(piv) <= 5 and (len(piv) == 1 or piv[0] != 0))
    need(type(ciphertext) is bytes and len(ciphertext) >= 16)
    return kid, int.from_bytes(piv, "big"), ciphertext


def device_payload(octets: bytes) -> tuple[str, bytes]:
    """(address, certificate) of a device's plaintext."""
    value = decoded(octets)
    need(type(value) is list and len(value) == 2)
    address, certificate = value
    need(type(certificate) is bytes and 1 <= len(certificate) <= 1024)
    return visible(address, 64), certificate


def claims(octets: bytes) -> tuple[Any, ...]:
    """The nine claims of a certificate's payload, in order."""
    value = decoded(octets)
    need(type(value) is dict and list(value) == [1, 3, 4, 6, 7, -65537])
    iss, aud, exp, iat, cti, payment = value.values()
    need(visible(iss, 18).startswith("d:") and len(iss) == 18 and set(iss[2:]) <= set("0123456789abcdef"))
    visible(aud, 64)
    need(type(cti) is bytes and len(cti) == 8)
    need(type(payment) is list and len(payment) == 4)
    instrument, amount, currency, amr = payment
    need(type(instrument) is bytes and len(instrument) == 16)
    need(all(type(number) is int and 0 <= number < 2**53 for number in (exp, iat, amount, currency)))
    need(1 <= currency <= 999)
    need(type(amr) is list and all(type(method) is str for method in amr))
    need(set(amr) <= {"fpt", "face", "iris", "pin"} and len(set(amr)) == len(amr))
    return iss, aud, exp, iat, cti, instrument, amount, currency, tuple(amr)


def visible(text: object, most: int) -> str:
    need(type(text) is str and 1 <= len(text) <= most and all("!" <= character <= "~" for character in text))
    return str(text)
