"""COSE structures written from RFC 9052: what is signed, what is authenticated, and the messages.

Only the forms of design §5: every protected header is a literal, so it is compared and not interpreted.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tsm_gateway.virtual.cbor_literal import OCTETS, Value, decode, encode, head
from tsm_gateway.virtual.errors import FormatMalformed, PaymentRefused

A256GCM = bytes.fromhex("A10103")  # {1: 3}, RFC 9053 §4.1
ES256 = bytes.fromhex("A10126")  # {1: -7}, RFC 9053 §2.1
_SCALAR = 32  # octets of r and of s on P-256
_ECDSA = ec.ECDSA(SHA256())


class Sign1(NamedTuple):
    """A COSE_Sign1 read: its payload, what was signed, and the signature, r || s of 64 octets."""

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


def sign1(payload: bytes, private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """An untagged COSE_Sign1 with ES256 over `payload`: `84 43A10126 A0 payload 5840 r||s`."""
    r, s = decode_dss_signature(private_key.sign(sig_structure(ES256, payload), _ECDSA))
    signature = r.to_bytes(_SCALAR, "big") + s.to_bytes(_SCALAR, "big")
    return b"\x84" + octet_string(ES256) + b"\xa0" + octet_string(payload) + octet_string(signature)


def read_sign1(octets: bytes) -> Sign1:
    """Take an untagged ES256 COSE_Sign1 apart. Raises FormatMalformed."""
    match decode(octets):
        case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]:
            if protected != ES256 or unprotected or len(signature) != 2 * _SCALAR:
                raise FormatMalformed(what="a COSE_Sign1 with another header")
            return Sign1(payload, sig_structure(protected, payload), signature)
    raise FormatMalformed(what="not a COSE_Sign1")


def verify_es256(signed: bytes, signature: bytes, public_key: ec.EllipticCurvePublicKey) -> None:
    """Verify `signature`, r || s of 64 octets, over `signed`. Raises PaymentRefused."""
    r, s = (int.from_bytes(half, "big") for half in (signature[:_SCALAR], signature[_SCALAR:]))
    try:
        public_key.verify(encode_dss_signature(r, s), signed, _ECDSA)
    except InvalidSignature:
        raise PaymentRefused(what="signature") from None


def as_list(value: Value, length: int) -> list[Value]:
    """`value` if it is an array of `length` items. Raises FormatMalformed."""
    if not isinstance(value, list) or len(value) != length:
        raise FormatMalformed(what="not an array of the expected length", length=length)
    return value
