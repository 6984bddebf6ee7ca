"""Certificates that anybody can make of an issued one, without its issuer's key."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (FIPS 186-5)
SEQUENCE, BIT_STRING = 0x30, 0x03
YEAR_0 = b"\x18\x0f00000101000000Z"  # GeneralizedTime


def respelled(certificate: bytes) -> bytes:
    """The same certificate with the other of its issuer's two ECDSA signatures: (r, n-s) for (r, s)."""
    read = x509.load_der_x509_certificate(certificate)
    r, s = decode_dss_signature(read.signature)
    return _put_together(read, read.tbs_certificate_bytes, encode_dss_signature(r, ORDER - s))


def born_in_year_0(certificate: bytes) -> bytes:
    """A certificate valid from a year that no calendar has; its signature does not hold."""
    read = x509.load_der_x509_certificate(certificate)
    body = read.tbs_certificate_bytes
    inside = body[_head(body) :]
    at = inside.index(b"\x17\x0d")  # UTCTime: notBefore, and behind it notAfter
    start, end, rest = inside[: at - 2], inside[at + 15 : at + 30], inside[at + 30 :]
    return _put_together(read, _item(SEQUENCE, start + _item(SEQUENCE, YEAR_0 + end) + rest), read.signature)


def _put_together(read: x509.Certificate, body: bytes, signature: bytes) -> bytes:
    """RFC 5280 §4.1: body, algorithm, signature."""
    whole = read.public_bytes(Encoding.DER)
    behind = _head(whole) + len(read.tbs_certificate_bytes)
    algorithm = whole[behind : behind + 2 + whole[behind + 1]]
    return _item(SEQUENCE, body + algorithm + _item(BIT_STRING, b"\0" + signature))


def _head(item: bytes) -> int:
    """How many octets lie ahead of an item's value."""
    return 2 + (item[1] & 0x7F if item[1] & 0x80 else 0)


def _item(tag: int, value: bytes) -> bytes:
    length = len(value)
    if length < 0x80:
        return bytes([tag, length]) + value
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + value
