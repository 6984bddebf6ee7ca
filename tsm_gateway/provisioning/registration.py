"""The registration proof of a crypto SE (design §5.5): read it, then believe it or not.

COSE_Sign1 (the algorithm of the device's key) over the deterministic CBOR map

```
A8  01 69 "tsm-reg-1"   02 72 <device id:18>   03 44 <kid:4>   04 58 20 <challenge:32>   05 50 <confirm:16>
    06 8n [83 <method> 58 20 <handle hash:32> <enrolled at>]…   07 <crypto SE:8..32>   08 <app SE:8..32>
```

One to eight authentication methods, by their names in RFC 8176: `face`, `fpt`, `iris`, `pin`. A handle
hash names one enrolled template and stands once; the template itself never leaves the crypto SE.

`read_proof` knows no key and raises ProofMalformed only. `verify_proof` checks in this order: signature,
device, kid, challenge, the two elements, confirmation. Whoever cannot sign learns nothing of the rest.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.exceptions import InvalidSignature

from tsm_gateway.envelope.cbor import Reader
from tsm_gateway.envelope.certificate import AMR, MAX_INTEGER, load_public_key, read_device_id
from tsm_gateway.envelope.cose import KID_OCTETS, Sign1, parse_sign1
from tsm_gateway.envelope.errors import Malformed
from tsm_gateway.envelope.signature import check_signature
from tsm_gateway.provisioning.confirmation import CHALLENGE_OCTETS, CONFIRM_OCTETS, check_confirmation
from tsm_gateway.provisioning.proof_errors import (
    ChallengeMismatch,
    ElementsEqual,
    ProofMalformed,
    ProofNotAuthentic,
    ProofWrongDevice,
    ProofWrongKey,
)
from tsm_gateway.registry.registration import AuthMethod, Registration

if TYPE_CHECKING:
    from tsm_gateway.secret import Secret

MAX_PROOF: Final = 1080  # octets: eight methods, the longest ids and the longest signature
MAX_METHODS: Final = 8
HANDLE_HASH_OCTETS: Final = 32
ELEMENT_ID: Final = (8, 32)  # octets, least and most

_LONGEST_METHOD: Final = max(map(len, AMR))
_METHOD: Final = b"\x83"
_HEAD: Final = b"\xa8\x01\x69tsm-reg-1\x02"


class Proof(NamedTuple):
    """A registration proof as read; nothing of it is believed, or secret, yet."""

    device_id: str
    kid: bytes  # 4 octets
    challenge: bytes  # 32 octets
    confirm: bytes  # 16 octets
    methods: tuple[AuthMethod, ...]  # 1 to 8
    crypto_se: bytes  # 8..32 octets
    app_se: bytes  # 8..32 octets
    statement: Sign1
    octets: bytes  # all of it, as it came


class AwaitedProof(NamedTuple):
    """What a proof has to be about."""

    device_id: str
    kid: bytes  # 4 octets: the key to be confirmed
    epoch: int
    challenge: bytes  # 32 octets


def read_proof(octets: bytes) -> Proof:
    """Read a proof without judging it. Raises ProofMalformed."""
    try:
        statement = parse_sign1(octets, MAX_PROOF)
        return _read_payload(Reader(statement.payload), statement, octets)
    except Malformed:
        raise ProofMalformed from None


def _read_payload(reader: Reader, statement: Sign1, octets: bytes) -> Proof:
    reader.literal(_HEAD)
    device_id = read_device_id(reader)
    reader.literal(b"\x03")
    kid = reader.octets(KID_OCTETS, KID_OCTETS)
    reader.literal(b"\x04")
    challenge = reader.octets(CHALLENGE_OCTETS, CHALLENGE_OCTETS)
    reader.literal(b"\x05")
    confirm = reader.octets(CONFIRM_OCTETS, CONFIRM_OCTETS)
    reader.literal(b"\x06")
    methods = _read_methods(reader)
    reader.literal(b"\x07")
    crypto_se = reader.octets(*ELEMENT_ID)
    reader.literal(b"\x08")
    app_se = reader.octets(*ELEMENT_ID)
    reader.end()
    return Proof(device_id, kid, challenge, confirm, methods, crypto_se, app_se, statement, octets)


def _read_methods(reader: Reader) -> tuple[AuthMethod, ...]:
    methods = tuple(_read_method(reader) for _ in range(reader.array(1, MAX_METHODS)))
    if len({method.handle_hash for method in methods}) != len(methods):
        raise Malformed
    return methods


def _read_method(reader: Reader) -> AuthMethod:
    reader.literal(_METHOD)
    name = reader.text(1, _LONGEST_METHOD)
    if name not in AMR:
        raise Malformed
    handle_hash = reader.octets(HANDLE_HASH_OCTETS, HANDLE_HASH_OCTETS)
    return AuthMethod(name, handle_hash, reader.uint(0, MAX_INTEGER))


def verify_proof(
    proof: Proof, awaited: AwaitedProof, *, signing_certificate: bytes, key: Secret, at: int
) -> Registration:
    """Believe `proof`: the registration it makes at Unix second `at`.

    `signing_certificate` is the device's registered one (DER), `key` its random key (32 octets) named by
    `awaited.kid`. Raises ProofNotAuthentic, ProofWrongDevice, ProofWrongKey, ChallengeMismatch,
    ElementsEqual, ConfirmationWrong; DeviceCertificateUnusable when the certificate does not read.
    """
    signer, statement = load_public_key(signing_certificate), proof.statement
    try:
        check_signature(signer, statement.algorithm, statement.signature, statement.signed)
    except InvalidSignature:
        raise ProofNotAuthentic from None
    _check_subject(proof, awaited)
    check_confirmation(proof.confirm, key, kid=awaited.kid, epoch=awaited.epoch, challenge=awaited.challenge)
    return Registration(
        proof.device_id, proof.kid, proof.crypto_se, proof.app_se, proof.methods, proof.octets, at
    )


def _check_subject(proof: Proof, awaited: AwaitedProof) -> None:
    """Whether the proof is about what is awaited."""
    if proof.device_id != awaited.device_id:
        raise ProofWrongDevice
    if proof.kid != awaited.kid:
        raise ProofWrongKey
    if not hmac.compare_digest(proof.challenge, awaited.challenge):
        raise ChallengeMismatch
    if proof.crypto_se == proof.app_se:
        raise ElementsEqual
