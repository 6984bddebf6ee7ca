"""Known answers, computed at the daemon's start: a cipher that errs must never meet a payment.

A library built wrongly, a broken accelerator or failing memory shows here, before anything is bound.
Each primitive is asked for a published answer, and each check is asked to refuse an altered one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tsm_gateway.envelope.errors import SelfTestFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_hex = bytes.fromhex

# AES-256-GCM: cose-wg/Examples, aes-gcm-examples/aes-gcm-enc-03.json.
_GCM_KEY: Final = _hex("0f1e2d3c4b5a69788796a5b4c3d2e1f01f2e3d4c5b6a798897a6b5c4d3e2f100")
_GCM_NONCE: Final = _hex("02d1f7e6f26c43d4868d87ce")
_GCM_AAD: Final = _hex("8368456e63727970743043a1010340")
_GCM_TEXT: Final = b"This is the content."
_GCM_SEALED: Final = _hex("9d64a5a59a3b04867dccf6b8ef82f7d1a3b25ef84eca2bc5d7593a96e943859a9cc24ad3")

# HKDF-SHA256: RFC 5869, appendix A.1.
_HKDF_IKM: Final = b"\x0b" * 22
_HKDF_SALT: Final = _hex("000102030405060708090a0b0c")
_HKDF_INFO: Final = _hex("f0f1f2f3f4f5f6f7f8f9")
_HKDF_OKM: Final = _hex(
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
)

# ES256: the signed CWT of RFC 8392, appendix A.3 (cose-wg/Examples, CWT/A_3.json).
_ES256_X: Final = 0x143329CCE7868E416927599CF65A34F3CE2FFDA55A7ECA69ED8919A394D42F0F
_ES256_Y: Final = 0x60F7F1A780D8A783BFB7A2DD6B2796E8128DBBCEF9D3D168DB9529971A36E7B9
_ES256_R: Final = 0x5427C1FF28D23FBAD1F29C4C7C6A555E601D6FA29F9179BC3D7438BACACA5ACD
_ES256_S: Final = 0x08C8D4D4F96131680C429A01F85951ECEE743A52B9B63632C57209120E1C9E30
_ES256_SIGNED: Final = _hex(
    "846a5369676e61747572653143a10126405850a70175636f61703a2f2f61732e6578616d706c652e636f6d026565"
    "72696b77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a5610d9f0061a56"
    "10d9f007420b71"
)

# AES-CMAC: RFC 4493 §4, example 2.
_CMAC_KEY: Final = _hex("2b7e151628aed2a6abf7158809cf4f3c")
_CMAC_MESSAGE: Final = _hex("6bc1bee22e409f96e93d7e117393172a")
_CMAC_TAG: Final = _hex("070a16b46b4d4144f79bdd9dd04a287c")


def run() -> None:
    """Ask every primitive for its known answers; a few milliseconds. Raises SelfTestFailed."""
    for primitive, holds in _TESTS.items():
        try:
            held = holds()
        except UnsupportedAlgorithm:
            held = False
        if not held:
            raise SelfTestFailed(primitive=primitive)


def _aes_gcm() -> bool:
    aead = AESGCM(_GCM_KEY)
    sealed = aead.encrypt(_GCM_NONCE, _GCM_TEXT, _GCM_AAD)
    try:
        opened = aead.decrypt(_GCM_NONCE, _GCM_SEALED, _GCM_AAD)
    except InvalidTag:
        return False
    return (sealed, opened) == (_GCM_SEALED, _GCM_TEXT) and _refuses_tag(aead)


def _refuses_tag(aead: AESGCM) -> bool:
    try:
        aead.decrypt(_GCM_NONCE, _last_bit_flipped(_GCM_SEALED), _GCM_AAD)
    except InvalidTag:
        return True
    return False


def _hkdf() -> bool:
    return HKDF(SHA256(), len(_HKDF_OKM), _HKDF_SALT, _HKDF_INFO).derive(_HKDF_IKM) == _HKDF_OKM


def _es256() -> bool:
    return _verifies(_ES256_SIGNED) and not _verifies(_last_bit_flipped(_ES256_SIGNED))


def _verifies(signed: bytes) -> bool:
    key = EllipticCurvePublicNumbers(_ES256_X, _ES256_Y, SECP256R1()).public_key()
    try:
        key.verify(encode_dss_signature(_ES256_R, _ES256_S), signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _cmac() -> bool:
    return _cmac_holds(_CMAC_TAG) and not _cmac_holds(_last_bit_flipped(_CMAC_TAG))


def _cmac_holds(tag: bytes) -> bool:
    mac = CMAC(AES(_CMAC_KEY))
    mac.update(_CMAC_MESSAGE)
    try:
        mac.verify(tag)
    except InvalidSignature:
        return False
    return True


def _last_bit_flipped(octets: bytes) -> bytes:
    return octets[:-1] + bytes((octets[-1] ^ 1,))


_TESTS: Mapping[str, Callable[[], bool]] = {
    "aes-256-gcm": _aes_gcm,
    "hkdf-sha256": _hkdf,
    "es256": _es256,
    "aes-cmac": _cmac,
}
