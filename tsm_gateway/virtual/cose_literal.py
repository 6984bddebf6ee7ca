"""COSE structures written from RFC 9052: what is signed, what is authenticated, and the messages.

Only the forms of design §5: every protected header is a literal, so it is compared and not interpreted.
"""

from __future__ import annotations

from typing import NamedTuple

from tsm_gateway.virtual.cbor_literal import OCTETS, Value, decode, encode, head
from tsm_gateway.virtual.errors import FormatMalformed
from tsm_gateway.virtual.signature_literal import (
    HEADERS,
    SigningKey,
    VerifyingKey,
    header_of,
    require_signature,
    signature_over,
)

A256GCM = bytes.fromhex("A10103")  # {1: 3}, RFC 9053 §4.1


class Sign1(NamedTuple):
    """A COSE_Sign1 read: its header, its payload, what was signed, and the signature."""

    header: bytes  # one of HEADERS
    payload: bytes
    signed: bytes
    signature: bytes

    def __repr__(self) -> str:
        """Say what it is, never the payment inside."""
        return "Sign1(…)"


def octet_string(octets: bytes) -> bytes:
    """`octets` as a CBOR octet string."""
    return head(OCTETS, len(octets)) + octets


def enc_structure(protected: bytes, external_aad: bytes) -> bytes:
    """The additional data of a COSE_Encrypt0 (RFC 9052 §5.3)."""
    return encode(["Encrypt0", protected, external_aad])


def sig_structure(protected: bytes, payload: bytes, external_aad: bytes = b"") -> bytes:
    """What a COSE_Sign1 signs (RFC 9052 §4.4)."""
    return encode(["Signature1", protected, external_aad, payload])


def sign1(payload: bytes, private_key: SigningKey) -> bytes:
    """An untagged COSE_Sign1 over `payload`, with P-256 `84 43A10126 A0 payload 5840 r||s`."""
    header = header_of(private_key)
    signature = signature_over(sig_structure(header, payload), private_key)
    return b"\x84" + octet_string(header) + b"\xa0" + octet_string(payload) + octet_string(signature)


def read_sign1(octets: bytes) -> Sign1:
    """Take an untagged COSE_Sign1 apart. Raises FormatMalformed."""
    match decode(octets):
        case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]:
            if protected not in HEADERS or unprotected:
                raise FormatMalformed(what="a COSE_Sign1 with another header")
            return Sign1(protected, payload, sig_structure(protected, payload), signature)
    raise FormatMalformed(what="not a COSE_Sign1")


def verify_sign1(message: Sign1, public_key: VerifyingKey) -> bytes:
    """The payload of `message` that `public_key` signed.

    Raises FormatMalformed for the header of another kind of key, PaymentRefused for another signature.
    """
    if message.header != header_of(public_key):
        raise FormatMalformed(what="the algorithm of another key")
    require_signature(message.signed, message.signature, public_key)
    return message.payload


def as_list(value: Value, length: int) -> list[Value]:
    """`value` if it is an array of `length` items. Raises FormatMalformed."""
    if not isinstance(value, list) or len(value) != length:
        raise FormatMalformed(what="not an array of the expected length", length=length)
    return value
