"""A crypto SE read from the design alone: `cbor2`, `pyhpke` and primitives, nothing of the product.

It signs statements, opens key packages and refuses what its TSM did not sign for it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mlkem, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

from tests.provisioning.xwing import open_xwing

AT = 1_800_000_000
TSM_ID = "tsm-1"
TSM_KEY = ec.derive_private_key(0x75AA, ec.SECP256R1())
PSS = padding.PSS(padding.MGF1(SHA256()), salt_length=32)
PROTECTED = {"ES256": b"\xa1\x01\x26", "EdDSA": b"\xa1\x01\x27", "PS256": b"\xa1\x01\x38\x24"}
KINDS = ("p256", "x25519", "rsa", "xwing")


class NotForMe(Exception):
    """The package is not from this element's TSM, or not for this element."""


@cache
def rsa_key(bits: int, number: int = 0) -> rsa.RSAPrivateKey:
    """One key per length and number: they take long to make."""
    assert number >= 0
    return rsa.generate_private_key(65537, bits)


def certificate(key: Any, *, usage: dict[str, bool] | None = None) -> bytes:
    """X.509 DER over the public half of `key`, stating `usage`; the same octets each time."""
    issuer = ec.derive_private_key(0x155, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "element")])
    start = dt.datetime.fromtimestamp(AT, dt.UTC) - dt.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, start, start + dt.timedelta(days=9))
    if usage is not None:
        uses = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"), False
        ) | dict.fromkeys(
            ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False
        )
        builder = builder.add_extension(x509.KeyUsage(**(uses | usage)), critical=True)
    return builder.sign(issuer, SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def signature(key: Any, signed: bytes) -> bytes:
    """ES256, EdDSA or PS256 by the key."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(signed)
    octets: bytes = key.sign(signed, PSS, SHA256())
    return octets


def algorithm_of(key: Any) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return "ES256"
    return "EdDSA" if isinstance(key, ed25519.Ed25519PrivateKey) else "PS256"


def sign1(payload: bytes, key: Any, *, protected: bytes | None = None) -> bytes:
    """An untagged COSE_Sign1; `protected` overrides the header that the key demands."""
    header = PROTECTED[algorithm_of(key)] if protected is None else protected
    made = signature(key, cbor2.dumps(["Signature1", header, b"", payload]))
    return cbor2.dumps([header, {}, payload, made])


def device_id_of(key: Any) -> str:
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "d:" + sha256(spki).hexdigest()[:16]


@dataclass(frozen=True)
class Element:
    """One crypto SE; `kind` is how packages are sealed to it."""

    kind: str
    signing: Any
    opening: Any
    tsm: ec.EllipticCurvePublicKey = field(default_factory=TSM_KEY.public_key)

    @property
    def device_id(self) -> str:
        return device_id_of(self.signing)

    @property
    def signing_certificate(self) -> bytes:
        return certificate(self.signing)

    @property
    def key_certificate(self) -> bytes:
        return certificate(self.opening) if self.kind == "x25519" else b""

    @property
    def hybrid_key(self) -> bytes:
        if self.kind != "xwing":
            return b""
        kem, curve = self.opening
        public: bytes = kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        return public

    @property
    def recipient_certificate(self) -> bytes:
        return self.key_certificate or self.signing_certificate

    def open_package(self, octets: bytes) -> tuple[bytes, int, int, bytes]:
        """(kid, epoch, first PIV, key) of a package that is for this element. Raises NotForMe."""
        protected, unprotected, payload, signed = cbor2.loads(octets)
        if protected != PROTECTED["ES256"] or unprotected != {} or octets[0] != 0x84:
            raise NotForMe
        self.require_tsm(cbor2.dumps(["Signature1", protected, b"", payload]), signed)
        fields = cbor2.loads(payload)
        if cbor2.dumps(fields) != payload or list(fields) != [1, 2, 3, 4, 5, 6, 7]:
            raise NotForMe
        label, device_id, kid, epoch, first_piv, kem, sealed = fields.values()
        if label != "tsm-key-1" or device_id != self.device_id:
            raise NotForMe
        certificate_hash = sha256(self.recipient_certificate).digest()
        info = cbor2.dumps(["tsm-key-1", TSM_ID, device_id, kid, epoch, certificate_hash])
        return kid, epoch, first_piv, self.open_sealed(kem, sealed, info)

    def require_tsm(self, statement: bytes, signed: bytes) -> None:
        r, s = int.from_bytes(signed[:32], "big"), int.from_bytes(signed[32:], "big")
        try:
            self.tsm.verify(encode_dss_signature(r, s), statement, ec.ECDSA(SHA256()))
        except Exception as error:
            raise NotForMe from error

    def open_sealed(self, kem: int, sealed: bytes, info: bytes) -> bytes:
        """The key inside; any failure of any primitive is NotForMe."""
        try:
            return {16: self._hpke, 32: self._hpke, 0x647A: self._xwing, -41: self._oaep}[kem](sealed, info)
        except Exception as error:
            raise NotForMe from error

    def _hpke(self, sealed: bytes, info: bytes) -> bytes:
        p256 = isinstance(self.opening, ec.EllipticCurvePrivateKey)
        kem, size = (KEMId.DHKEM_P256_HKDF_SHA256, 65) if p256 else (KEMId.DHKEM_X25519_HKDF_SHA256, 32)
        suite = CipherSuite.new(kem, KDFId.HKDF_SHA256, AEADId.AES256_GCM)
        key = KEMKey.from_pyca_cryptography_key(self.opening)
        return suite.create_recipient_context(sealed[:size], key, info=info).open(sealed[size:])

    def _xwing(self, sealed: bytes, info: bytes) -> bytes:
        kem, curve = self.opening
        return open_xwing(kem, curve, sealed, info)

    def _oaep(self, sealed: bytes, info: bytes) -> bytes:
        scheme = padding.OAEP(padding.MGF1(SHA256()), SHA256(), info)
        octets: bytes = self.opening.decrypt(sealed, scheme)
        return octets


def element(kind: str, number: int = 1) -> Element:
    """The `number`th element of a kind; the same number gives the same keys."""
    p256 = ec.derive_private_key(0x5EC0DE + number, ec.SECP256R1())
    curve = x25519.X25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    if kind == "p256":
        return Element(kind, p256, p256)
    if kind == "x25519":
        return Element(kind, ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32), curve)
    if kind == "rsa":
        return Element(kind, rsa_key(2048, number), rsa_key(2048, number))
    return Element(kind, p256, (mlkem.MLKEM768PrivateKey.from_seed_bytes(bytes([number]) * 64), curve))


def confirm(key: bytes, *, kid: bytes, epoch: int, challenge: bytes) -> bytes:
    """The key confirmation of design §5.5 by primitives alone."""
    info = cbor2.dumps(["tsm-1", "confirm key", 32])
    mac = CMAC(AES(HKDF(SHA256(), 32, kid, info).derive(key)))
    mac.update(cbor2.dumps([challenge, kid, epoch]))
    return mac.finalize()
