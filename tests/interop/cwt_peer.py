"""A second reading of COSE and CWT: the PyPI package `cwt` behind one JSON request per line.

Runs in an environment of its own (`cwt` needs cbor2 < 6), so it shares nothing with the product but the
octets. `cwt` knows no Partial IV: the nonce of RFC 8613 §5.2 is worked out here and handed to it as an IV;
and it demands a kid of a signed token. Both stand in the unprotected header, outside of what is
authenticated. Key derivation is HMAC of the standard library; AEAD, signatures, Enc_structure,
Sig_structure and the judging of claims are `cwt`'s.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from typing import Any

import cbor2
from cwt import COSE, COSEKey  # type: ignore[import-not-found]
from cwt import decode as decode_cwt

WAYS = ("up", "down", "to provider", "from provider")
A256GCM, ES256 = {1: 3}, {1: -7}
SIGNER = b"signer"
KID, IV, PARTIAL_IV = 4, 5, 6
ENCRYPT0_TAG, SIGN1_TAG = 16, 18


def derived(job: dict[str, Any], kid: bytes, what: str, length: int) -> bytes:
    """HKDF-SHA256 of at most one block (RFC 5869 §2)."""
    info = cbor2.dumps(["tsm-1", f"{WAYS[job['direction']]} {what}", length])
    prk = hmac.digest(kid, bytes.fromhex(job["key"]), hashlib.sha256)
    return hmac.digest(prk, info + b"\x01", hashlib.sha256)[:length]


def context(job: dict[str, Any], kid: bytes, piv: bytes) -> tuple[Any, bytes, bytes]:
    """The key, nonce and external_aad of one packet."""
    key = COSEKey.from_symmetric_key(derived(job, kid, "key", 32), alg="A256GCM")
    block = bytes([len(kid)]) + kid.rjust(6, b"\0") + piv.rjust(5, b"\0")
    nonce = bytes(a ^ b for a, b in zip(derived(job, kid, "iv", 12), block, strict=True))
    return key, nonce, cbor2.dumps([1, job["direction"], job["owner"], job["port"]])


def open_packet(job: dict[str, Any]) -> str:
    """`packet` opened; its plaintext."""
    protected, unprotected, ciphertext = cbor2.loads(bytes.fromhex(job["packet"]))
    kid, piv = unprotected[KID], unprotected[PARTIAL_IV]
    key, nonce, external_aad = context(job, kid, piv)
    message = cbor2.CBORTag(ENCRYPT0_TAG, [protected, {IV: nonce}, ciphertext])
    plaintext: bytes = COSE.new().decode(message, key, external_aad=external_aad)
    return plaintext.hex()


def seal_packet(job: dict[str, Any]) -> str:
    """`plaintext` sealed under `kid` and `piv`; the packet."""
    kid, piv = bytes.fromhex(job["kid"]), bytes.fromhex(job["piv"])
    key, nonce, external_aad = context(job, kid, piv)
    made = COSE.new().encode_and_encrypt(
        bytes.fromhex(job["plaintext"]), key, A256GCM, {IV: nonce}, external_aad=external_aad
    )
    protected, _, ciphertext = cbor2.loads(made).value
    return cbor2.dumps([protected, {KID: kid, PARTIAL_IV: piv}, ciphertext]).hex()


def verify(job: dict[str, Any]) -> str:
    """`certificate` verified as a CWT under the PEM `public_key`; its claims in CBOR."""
    protected, _, payload, signature = cbor2.loads(bytes.fromhex(job["certificate"]))
    named = cbor2.dumps(cbor2.CBORTag(SIGN1_TAG, [protected, {KID: SIGNER}, payload, signature]))
    key = COSEKey.from_pem(job["public_key"], alg="ES256", kid=SIGNER)
    return cbor2.dumps(decode_cwt(named, key)).hex()


def sign(job: dict[str, Any]) -> str:
    """A CWT over `claims` (CBOR) signed with the PEM `private_key`; untagged."""
    key = COSEKey.from_pem(job["private_key"], alg="ES256")
    made = COSE.new().encode_and_sign(bytes.fromhex(job["claims"]), key, ES256)
    return cbor2.dumps(cbor2.loads(made).value).hex()


VERBS = {"open": open_packet, "seal": seal_packet, "verify": verify, "sign": sign}


def answer(job: dict[str, Any]) -> dict[str, str]:
    """The verb's octets in hex, or the name of what `cwt` raised."""
    try:
        return {"octets": VERBS[job["verb"]](job)}
    except Exception as error:  # noqa: BLE001  # whatever the library says is its verdict
        return {"refused": type(error).__name__, "said": str(error)}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)  # noqa: T201  # the answer
