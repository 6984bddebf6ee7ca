"""Known answers of what seals a key package and speaks to a card, computed at the start of provisioning.

Sealing draws chance, so it has no known answer: each way opens what a foreign implementation sealed, then
opens what `seal` seals now, and refuses both under another info. Keys here are published ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
    rsa_crt_dmp1,
    rsa_crt_dmq1,
    rsa_crt_iqmp,
    rsa_recover_private_exponent,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from tsm_gateway.envelope import selftest
from tsm_gateway.keys.errors import RecipientUnusable
from tsm_gateway.keys.seal import SUITES, Kem, seal
from tsm_gateway.provisioning import application_selftest, card_selftest
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    PrivateKey = EllipticCurvePrivateKey | X25519PrivateKey | MLKEM768X25519PrivateKey | RSAPrivateKey

_hex = bytes.fromhex

_KEY: Final = bytes(range(32))
_INFO: Final = b"Ode on a Grecian Urn"  # of RFC 9180's examples
_OTHER_INFO: Final = b"Ode on a Grecian Ur"

# HPKE: recipient and ephemeral key of the RFC 9180 test vectors for either suite, _KEY sealed with an empty
# aad by pyhpke 0.6.5.
_P256_KEY: Final = 0x317F915DB7BC629C48FE765587897E01E282D3E8445F79F27F65D031A88082B2
_P256_SEALED: Final = _hex(
    "04c06b4f6bebc7bb495cb797ab753f911aff80aefb86fd8b6fcc35525f3ab5f03e0b21bd31a86c6048af3cb2d98e0d3b"
    "f01da5cc4c39ff5370d331a4f1f7d5a4e01aa2793375e12a397f7f70e4f1cc028b865a7302d8accac6b9beb2aeb7259c"
    "1ad5daa224a038f8778c3c07b0989f9364"
)
_X25519_KEY: Final = _hex("497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d")
_X25519_SEALED: Final = _hex(
    "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256a7bc2fa341b393ed72470283ef38db13"
    "49aa5af7add525b05093303e4eea37b0255e13e2119043e25f25181fc10f941a"
)

# X-Wing: no foreign implementation at hand seals; any 64 and 32 octets are a private key.
_XWING_SEEDS: Final = bytes(range(64)), bytes(range(32))

# OAEP: the RSA key of cose-wg/Examples, rsa-pss-examples/rsa-pss-01.json; sealed by OpenSSL 3.0.19, `openssl
# pkeyutl -encrypt` with rsa_padding_mode:oaep, rsa_oaep_md:sha256, rsa_mgf1_md:sha256, rsa_oaep_label.
_RSA_EXPONENT: Final = 65537
_RSA_P: Final = _hex(
    "f331593e147fd3a3235675f0d36a06e5426f7c5e78e49b2acd3e268ba50e48ed2a52f3b4fa492d6bcf70eb3f915a7160"
    "78a113652e3fa4c6d50af8606c2d2c28ecaf083b712d6cee1263c1205da03bbbfa6f5c2d8b1a96194089cacb306c844a"
    "832e2b032b5f96a7eab6cfe1107299013c8b0e9f089bbabbc504dd8bc138ba4b"
)
_RSA_Q: Final = _hex(
    "c66b5ddcab7017e14083f2854f61997f35636c86f2f92b172d2555588ee1ed899ba6b6adec0a02024b2e78a91c891256"
    "a8571e0efb3bac3f41724de036ec8fa0f93e2cfbdda59c6ff1816eb3dc938d4e45912423f3f34b7e96c39e2e4d65a3dc"
    "d6dfd2b4ef527841001272f77855b6d75d40d54bb65bd1df8538e96ec4dad60d"
)
_OAEP_SEALED: Final = _hex(
    "5212b0629b295f5d7a30140570a5b77018768846f03e476ca1fe39540923399cdf3333872c791e1e83a7f0eec47affa7"
    "e2f7e3776796e882ace653ebf6e8149e9d8b26c3f964339800ae2561aafbcaafb7844550bcc14de78b4709a6ebf25fa9"
    "902617ef0c65ba8a1ab4763af0d8fadae2702d6dbe0d2e79ed2697d575ed0c7e052c80b152b8d5a88e7ea3d95d0edd77"
    "f7d259e53ef5b283c14eadc785a19620f6c966708a6b42b7b0dde3fd2f1bd85ecd2ff565c25e7feb99e7b1c0f418d601"
    "749725e084f9909a0bac7db4f88810a1b25a0fb4ebb15fecd5ab9359c4fda4e11253f77a20a5c49ac436fcc1a040a02b"
    "f7078a079f24f7f67e360d1dd1550597"
)


def run(*, hybrid: bool) -> None:
    """Ask every primitive of provisioning, those of the envelope too. Raises SelfTestFailed.

    X-Wing is asked only with `hybrid`: a crypto library without ML-KEM serves where it is not offered.
    """
    selftest.run()
    selftest.ask(_TESTS)
    selftest.ask(card_selftest.TESTS)
    selftest.ask(application_selftest.TESTS)
    if hybrid:
        selftest.ask({"hpke-xwing": _xwing})


def _p256() -> bool:
    return _opens(Kem.P256, derive_private_key(_P256_KEY, SECP256R1()), _P256_SEALED)


def _x25519() -> bool:
    return _opens(Kem.X25519, X25519PrivateKey.from_private_bytes(_X25519_KEY), _X25519_SEALED)


def _xwing() -> bool:
    mlkem, x25519 = _XWING_SEEDS
    key = MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(mlkem), X25519PrivateKey.from_private_bytes(x25519)
    )
    return _opens(Kem.XWING, key)


def _oaep() -> bool:
    p, q = (int.from_bytes(prime, "big") for prime in (_RSA_P, _RSA_Q))
    d = rsa_recover_private_exponent(_RSA_EXPONENT, p, q)
    crt = rsa_crt_dmp1(d, p), rsa_crt_dmq1(d, q), rsa_crt_iqmp(p, q)
    key = RSAPrivateNumbers(p, q, d, *crt, RSAPublicNumbers(_RSA_EXPONENT, p * q)).private_key()
    return _opens(Kem.OAEP, key, _OAEP_SEALED)


def _opens(kem: Kem, key: PrivateKey, *known: bytes) -> bool:
    """Whether the known and a fresh sealed key open under their info, and under no other."""
    try:
        fresh = seal(Secret(_KEY), key.public_key(), _INFO)
    except RecipientUnusable:
        return False
    return all(
        _opened(kem, key, sealed, _INFO) == _KEY and _opened(kem, key, sealed, _OTHER_INFO) is None
        for sealed in (*known, fresh)
    )


def _opened(kem: Kem, key: PrivateKey, sealed: bytes, info: bytes) -> bytes | None:
    try:
        if isinstance(key, RSAPrivateKey):
            return key.decrypt(sealed, OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=info))
        return SUITES[kem].decrypt(sealed, key, info=info)
    except (InvalidTag, ValueError):
        return None


_TESTS: Mapping[str, Callable[[], bool]] = {
    "hpke-p256": _p256,
    "hpke-x25519": _x25519,
    "oaep-sha256": _oaep,
}
