"""The payment certificate: what the crypto SE signed (design §5.3).

A COSE_Sign1, by the algorithm of the device's key, whose payload is a CWT claims map (RFC 8392 §3.1) of
exactly these claims, in this order:

| key | claim | value |
|---|---|---|
| 1 | iss | the device id, `d:` and 16 lower-case hexadecimal digits |
| 3 | aud | the provider's address, 1..64 visible ASCII characters |
| 4, 6 | exp, iat | Unix seconds, whole; which comes first is not judged here: `exp` alone decides |
| 7 | cti | 8 octets, unique per device |
| -65537 | payment | `[instrument reference: 16 octets, amount, currency, [amr, …]]` |

An unknown claim is refused, not skipped: the gateway passes on only what it understood, and a further
claim is a further version of the format. Every integer is at most 2**53-1, so that it survives JSON
and any database; a currency is ISO 4217 numeric, 1..999; amr values are those of `AMR`, each once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Final

import cbor2
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from tsm_gateway.envelope.cbor import Reader
from tsm_gateway.envelope.cose import parse_sign1
from tsm_gateway.envelope.errors import (
    CertificateInvalid,
    CertificateMalformed,
    DeviceCertificateUnusable,
    Malformed,
    SigningKeyUnusable,
)
from tsm_gateway.envelope.redacted import Redacted
from tsm_gateway.envelope.signature import check_signature, signing_key
from tsm_gateway.envelope.x509_octets import read_der

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.envelope.cose import Sign1, SignatureAlgorithm
    from tsm_gateway.envelope.signature import SigningKey

BIOMETRIC: Final = frozenset({"face", "fpt", "iris"})  # RFC 8176 §2
AMR: Final = BIOMETRIC | {"pin"}
MAX_INTEGER: Final = (1 << 53) - 1

_DEVICE_ID: Final = re.compile(r"d:[0-9a-f]{16}")
_DEVICE_ID_LENGTH: Final = 18
_MAX_AUDIENCE: Final = 64
_CTI_OCTETS: Final = 8
_INSTRUMENT_OCTETS: Final = 16
_MAX_CURRENCY: Final = 999

# Map of six and the keys in deterministic order, the payment array's head beside its key.
_CLAIM_ISS, _CLAIM_AUD, _CLAIM_EXP, _CLAIM_IAT, _CLAIM_CTI = b"\xa6\x01", b"\x03", b"\x04", b"\x06", b"\x07"
_CLAIM_PAYMENT: Final = bytes.fromhex("3a00010000 84")

# Every array of known methods, each named at most once, as it is spelled: nothing else can end a payload.
_AMR_ARRAYS: Mapping[bytes, tuple[str, ...]] = {
    cbor2.dumps(list(methods)): methods
    for count in range(len(AMR) + 1)
    for methods in permutations(sorted(AMR), count)
}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class PaymentCertificate(Redacted):
    """One payment as the crypto SE stated it. Opened plaintext."""

    issuer: str  # device id
    audience: str  # the provider's address
    expires: int  # Unix seconds
    issued: int  # Unix seconds
    cti: bytes  # 8 octets
    instrument: bytes  # 16 octets, a token
    amount: int  # minor units
    currency: int  # ISO 4217 numeric
    amr: tuple[str, ...]  # how the user was authenticated, as the SE ordered it
    signed: bytes  # the Sig_structure
    signature: bytes
    algorithm: SignatureAlgorithm  # as its header says

    @property
    def biometric(self) -> bool:
        """Whether a biometric was among what authenticated the user."""
        return not BIOMETRIC.isdisjoint(self.amr)


def read_certificate(octets: bytes) -> PaymentCertificate:
    """Read a payment certificate without judging it. Raises CertificateMalformed."""
    try:
        statement = parse_sign1(octets)
        return _read_claims(Reader(statement.payload), statement)
    except Malformed:
        raise CertificateMalformed from None


def _read_claims(reader: Reader, statement: Sign1) -> PaymentCertificate:
    reader.literal(_CLAIM_ISS)
    issuer = read_device_id(reader)
    reader.literal(_CLAIM_AUD)
    audience = reader.text(1, _MAX_AUDIENCE)
    reader.literal(_CLAIM_EXP)
    expires = reader.uint(0, MAX_INTEGER)
    reader.literal(_CLAIM_IAT)
    issued = reader.uint(0, MAX_INTEGER)
    reader.literal(_CLAIM_CTI)
    cti = reader.octets(_CTI_OCTETS, _CTI_OCTETS)
    reader.literal(_CLAIM_PAYMENT)
    instrument = reader.octets(_INSTRUMENT_OCTETS, _INSTRUMENT_OCTETS)
    amount = reader.uint(0, MAX_INTEGER)
    currency = reader.uint(1, _MAX_CURRENCY)
    amr = _AMR_ARRAYS.get(reader.rest())
    if amr is None:
        raise Malformed
    _, signature, algorithm = statement
    signed = statement.signed
    return PaymentCertificate(
        issuer,
        audience,
        expires,
        issued,
        cti,
        instrument,
        amount,
        currency,
        amr,
        signed,
        signature,
        algorithm,
    )


def read_device_id(reader: Reader) -> str:
    """Take a device id, `d:` and 16 lower-case hexadecimal digits. Raises Malformed."""
    device_id = reader.text(_DEVICE_ID_LENGTH, _DEVICE_ID_LENGTH)
    if not _DEVICE_ID.fullmatch(device_id):
        raise Malformed
    return device_id


def verify_signature(certificate: PaymentCertificate, public_key: SigningKey) -> None:
    """Check the signature under the device's key, whose algorithm it must be. Raises CertificateInvalid.

    May run in a pool of threads. ECDSA admits a second signature (r, n-s) to each; what tells payments
    apart is (iss, cti), never the signature.
    """
    try:
        check_signature(public_key, certificate.algorithm, certificate.signature, certificate.signed)
    except InvalidSignature:
        raise CertificateInvalid from None


def load_public_key(der: bytes) -> SigningKey:
    """The key in a device's X.509 certificate (DER): EC P-256, Ed25519, or RSA of 2048 to 4096 bits.

    Raises DeviceCertificateUnusable.
    """
    try:
        _, key = signing_key(read_der(der).public_key())
    except (ValueError, UnsupportedAlgorithm, SigningKeyUnusable):
        raise DeviceCertificateUnusable from None
    return key
