"""Known answers of what proves an application to a card: a foreign hand's signatures, and a fresh one.

They are those of tests/vectors/dap, made with the programs of kaoh/globalplatform. Each has to hold over its
digest and to fail over another; signing draws chance, so what is signed now is verified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tsm_gateway.provisioning.application_errors import ApplicationError
from tsm_gateway.provisioning.signing import FileSigner, application_key, verify_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsm_gateway.provisioning.signing import ApplicationKey

_hex = bytes.fromhex

_DIGEST: Final = _hex("c52e8aeded40a09f7365d62c5ffd03ab8db648c4a155df547b73e777718b832f")
_OTHER_DIGEST: Final = bytes((_DIGEST[0] ^ 1,)) + _DIGEST[1:]
_PRIVATE: Final = 0x317F915DB7BC629C48FE765587897E01E282D3E8445F79F27F65D031A88082B2  # of RFC 9180's examples
_P256_KEY: Final = _hex(
    "3059301306072a8648ce3d020106082a8648ce3d030107034200045a7b790a91083dfc1c9abaf3fed93a8f82daef8366"
    "79d165ab13b6f27948230078906bb217147a5d908e2c92f8f093f3784a1c30722e0eefafd30e0cb54b17aa"
)
_P256_SIGNATURE: Final = _hex(
    "83656bfc6c34a063f8817580a1b6131328f05273f4982a8b71472c5fbae664c292151ef8c2f1fb2194bc70f8c04c036b"
    "bd7c7efb1ede78ee83fdbb66c5ce85e1"
)
_RSA_KEY: Final = _hex(
    "30820122300d06092a864886f70d01010105000382010f003082010a0282010100b0cfe8b4575998235558fef35ccde8"
    "d5c338d778182b0fc7c55383d3631e640f67e2a99288b1506b6d51e5ad58fdff35f918f4c750574e7f9b8e44eeb9d618"
    "be5e63f7ce4a2cf452e60e067f6a394e3d25d8ab16fcde81f7b8df894589fee26c75a0389ab9ff844a56e7037ffcad6a"
    "14d9e6e82a9062c3aabf0d1ccd3e242e28a4e4a9aea61918322f9cb1120525edb1cf60effc1ce0adbcad87a9ac0138e3"
    "1a50dbc18f7df28767b9ec2ba16fd94b9580894b89497f604578129ba33c3caf2cf91925ceaef16cc9c844d6032efb32"
    "5faa6cc9a629068443158bad82af79852a68ee1770cb9638ee70a027d05783718cead88b3501cf78524fcee8dc9ee991"
    "230203010001"
)
_RSA_SIGNATURE: Final = _hex(
    "434eacc28aaebe661a866554319dbe60e9697140280466350aac3ab4107d21c17354d221d925968e99259ed06da7f19f"
    "f092b57f6ebdb53e70869f6ac05765119f72bf395e9b66cfba02e52c41b5e4ee2feaf9e4cd89b9de2a8b9452e6c7a30a"
    "1550b80c4e25c36ef7f24c4313fbacb94a754f7104d508da37c8601772ab67f14ac53ee4abfb994f17d862f87fd6c073"
    "047ab84a0a2c56257e7fcd68343416aea94ade2bd40dc2f612e7b1772b3fddc88521a7d29326efac618a923898982347"
    "69f0a1394f2deb531accb462533bdce3175d0e09a9ca2ae7e2b204597b742a6c0c8c16aa294d5224f66f9bbfb72e56f8"
    "e19b6fe4526eb3a52f45878cac951458"
)


def _ecdsa() -> bool:
    signer = FileSigner(derive_private_key(_PRIVATE, SECP256R1()))
    fresh = signer.sign(_DIGEST)
    return _proves(_P256_KEY, _P256_SIGNATURE) and _holds(signer.public_key, _DIGEST, fresh)


def _rsa_pss() -> bool:
    return _proves(_RSA_KEY, _RSA_SIGNATURE)


def _proves(spki: bytes, signature: bytes) -> bool:
    """Whether the signature holds over its digest, and over no other."""
    try:
        key = application_key(load_der_public_key(spki))
    except (ApplicationError, ValueError):
        return False
    return _holds(key, _DIGEST, signature) and not _holds(key, _OTHER_DIGEST, signature)


def _holds(key: ApplicationKey, digest: bytes, signature: bytes) -> bool:
    try:
        verify_signature(key, digest, signature)
    except ApplicationError:
        return False
    return True


TESTS: Mapping[str, Callable[[], bool]] = {
    "dap-ecdsa-p256": _ecdsa,
    "dap-rsa-pss": _rsa_pss,
}
