"""What a virtual crypto element is born with: an id, a P-256 key and a self-signed certificate for tests."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

_LIFE = dt.timedelta(days=3650)
_SKEW = dt.timedelta(days=1)
_USES = (
    "digital_signature",  # payment certificates
    "key_agreement",  # the key package is sealed to this key (HPKE)
)
_NO_USES = (
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


class Identity(NamedTuple):
    """A device before any key was given to it."""

    device_id: str  # "d:" and 16 hexadecimal digits
    private_key: ec.EllipticCurvePrivateKey
    certificate: bytes  # X.509 DER

    def __repr__(self) -> str:
        """Name the device."""
        return f"Identity({self.device_id})"


def new_identity(serial: bytes, at: int) -> Identity:
    """A fresh identity; `serial`, 8 octets, becomes the device id, `at` (Unix seconds) the time of birth."""
    device_id = f"d:{serial.hex()}"
    private_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "TEST ONLY"),
            x509.NameAttribute(NameOID.COMMON_NAME, device_id),
        ]
    )
    born = dt.datetime.fromtimestamp(at, dt.UTC)
    uses = dict.fromkeys(_USES, True) | dict.fromkeys(_NO_USES, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(born - _SKEW)
        .not_valid_after(born + _LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**uses), critical=True)
        .sign(private_key, SHA256())
    )
    return Identity(device_id, private_key, certificate.public_bytes(Encoding.DER))
