"""Known answers, computed at the daemon's start: a cipher that errs must never meet a payment.

A library built wrongly, a broken accelerator or failing memory shows here, before anything is bound.
Each primitive is asked for a published answer, and each check is asked to refuse an altered one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
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

# EdDSA: RFC 8032 §7.1, test 2.
_EDDSA_KEY: Final = _hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
_EDDSA_SIGNED: Final = b"\x72"
_EDDSA_SIGNATURE: Final = _hex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
    "387b2eaeb4302aeeb00d291612bb0c00"
)

# PS256: the key of cose-wg/Examples, rsa-pss-examples/rsa-pss-01.json (whose own signature has a salt of 64
# octets and not the 32 of PS256), signed by OpenSSL 3.0.19, `openssl dgst -sha256 -sign`, with PSS and a salt
# of 32 octets.
_PS256_EXPONENT: Final = 65537
_PS256_MODULUS: Final = _hex(
    "bc7e29d0df7e20cc9dc8d509e0f68895922af0ef452190d402c61b554334a7bf91c9a570240f994fae1b69035bcfad4f"
    "7e249eb26087c2665e7c958c967b1517413dc3f97a431691a5999b257cc6cd356bad168d929b8bae9020750e74cf60f6"
    "fd35d6bb3fc93fc28900478694f508b33e7c00e24f90edf37457fc3e8efcfd2f42306301a8205ab740515331d5c18f0c"
    "64d4a43be52fc440400f6bfc558a6e32884c2af56f29e5c52780cea7285f5c057fc0dfda232d0ada681b01495d9d0e32"
    "196633588e289e59035ff664f056189f2f10fe05827b796c326e3e748ffa7c589ed273c9c43436cddb4a6a22523ef8bc"
    "b2221615b799966f1aba5bc84b7a27cf"
)
_PS256_SIGNED: Final = _hex("846a5369676e61747572653144a10138244054546869732069732074686520636f6e74656e742e")
_PS256_SIGNATURE: Final = _hex(
    "b5cb465cf62ab583374af2474b8803e6ac4386a4497ed9060854ac6c7eadd4d9d56e3ba3183d74e9a48cc5a83c6ef00b"
    "95fd6c2914e7ac18d696d006a8429b90fd66de91552bd5d0ef915d97e79c475a59e63bd1158cd5ec9b0403034255667f"
    "a771f0c5025c719d8737a533e9cc0800e4bd16a51fd79e3bcf53ce6d8e2c2a1303d83c7e8449ddf09a4433af6d2ab9e3"
    "2c39eac385b8ff8a36b0989f4d79b58878b9aaca6e7a665714f25eded5d0ea66d74a8cbe472ab99fc0d88e38c2136e27"
    "8d9486421b18c0fc14dabe66ddf81353af59d7a5d558726e8b5badbb6d9ff8c458f47105b14b63f4462be00d65e497f8"
    "d9e5878ab3d8b2b72cb95ac1d1642ed2"
)

# AES-CMAC: RFC 4493 §4, example 2.
_CMAC_KEY: Final = _hex("2b7e151628aed2a6abf7158809cf4f3c")
_CMAC_MESSAGE: Final = _hex("6bc1bee22e409f96e93d7e117393172a")
_CMAC_TAG: Final = _hex("070a16b46b4d4144f79bdd9dd04a287c")


def run() -> None:
    """Ask every primitive for its known answers; a few milliseconds. Raises SelfTestFailed."""
    ask(_TESTS)


def ask(tests: Mapping[str, Callable[[], bool]]) -> None:
    """Ask each for its known answers. Raises SelfTestFailed with the name of the first that errs."""
    for primitive, holds in tests.items():
        try:
            held = holds()
        except (UnsupportedAlgorithm, ValueError):  # built without it, or wrong about its own numbers
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


def _eddsa() -> bool:
    return _holds_eddsa(_EDDSA_SIGNED) and not _holds_eddsa(_last_bit_flipped(_EDDSA_SIGNED))


def _holds_eddsa(signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(_EDDSA_KEY).verify(_EDDSA_SIGNATURE, signed)
    except InvalidSignature:
        return False
    return True


def _ps256() -> bool:
    return _holds_ps256(_PS256_SIGNED) and not _holds_ps256(_last_bit_flipped(_PS256_SIGNED))


def _holds_ps256(signed: bytes) -> bool:
    key = RSAPublicNumbers(_PS256_EXPONENT, int.from_bytes(_PS256_MODULUS, "big")).public_key()
    try:
        key.verify(_PS256_SIGNATURE, signed, PSS(MGF1(SHA256()), PSS.DIGEST_LENGTH), SHA256())
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
    "eddsa": _eddsa,
    "ps256": _ps256,
    "aes-cmac": _cmac,
}
