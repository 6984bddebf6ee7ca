"""A crypto SE that reads and writes the formats letter by letter, with its own code (design §5.2-5.5)."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.provisioning.authority import Authority, der, new_key, uses

TSM_ID, PORT = "tsm-1", 16_500
METHODS = (("fpt", sha256(b"finger").digest(), 1_700_000_000),)
SUITES = {
    0x0010: Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    0x0020: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    0x647A: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
}
RECEIVES = {"p256": ["key_agreement"], "rsa": ["key_encipherment"], "x25519": [], "ed25519": []}
ALGORITHMS = {"ec": b"\xa1\x01\x26", "ed": b"\xa1\x01\x27", "rsa": b"\xa1\x01\x38\x24"}


class Installed(NamedTuple):
    """A key as the SE holds it."""

    kid: bytes
    epoch: int
    first_piv: int
    kem: int
    key: bytes


class LiteralDevice:
    """One crypto SE; `kind` is p256, x25519 (with P-256), ed25519 (with X25519) or rsa."""

    def __init__(self, authority: Authority, kind: str = "p256", common: str = "se", **issue: Any) -> None:
        self.kind = kind
        self.key = new_key("p256" if kind == "x25519" else kind)
        self.authority, self.issue = authority, issue
        self.common = common
        self.crypto_se, self.app_se = (sha256(common.encode() + role).digest()[:8] for role in (b"c", b"a"))
        self.box = x25519.X25519PrivateKey.generate() if kind in {"x25519", "ed25519"} else None
        self.xwing: MLKEM768X25519PrivateKey | None = None
        self.installed: Installed | None = None
        self.certify()

    def certify(self, **issue: Any) -> None:
        """Get a certificate from the issuer, over the same keys: another one each time."""
        options = {"subject": self.common, **self.issue, **issue}
        use = uses("digital_signature", *RECEIVES[self.kind])
        self.certificate = der(self.authority.issue(self.key.public_key(), extensions=[use], **options))
        self.key_certificate = None
        if self.box is not None:
            use = uses("key_agreement")
            key_certificate = self.authority.issue(self.box.public_key(), extensions=[use], **options)
            self.key_certificate = der(key_certificate)

    @property
    def device_id(self) -> str:
        spki = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"d:{sha256(spki).hexdigest()[:16]}"

    # what it says

    def hybrid_key(self) -> bytes:
        """A statement of an X-Wing key, made on the way."""
        mlkem, box = MLKEM768PrivateKey.generate(), x25519.X25519PrivateKey.generate()
        self.xwing = MLKEM768X25519PrivateKey(mlkem, box)
        public = mlkem.public_key().public_bytes_raw() + box.public_key().public_bytes_raw()
        return self.sign1(cbor2.dumps({1: "tsm-xwing-1", 2: self.device_id, 3: public}))

    def proof(self, challenge: bytes, installed: Installed | None = None, **other: Any) -> bytes:
        """A registration proof; `other` says what is to be wrong about it, by number or name."""
        held = installed or self.installed
        assert held is not None
        confirm = other.get("confirm") or self.confirm(challenge, held)
        payload = {
            1: "tsm-reg-1",
            2: other.get("device_id", self.device_id),
            3: other.get("kid", held.kid),
            4: challenge,
            5: confirm,
            6: [list(method) for method in other.get("methods", METHODS)],
            7: other.get("crypto_se", self.crypto_se),
            8: other.get("app_se", self.app_se),
        }
        return self.sign1(cbor2.dumps(payload))

    @staticmethod
    def confirm(challenge: bytes, held: Installed) -> bytes:
        key = derived(held, "confirm key", 32)
        mac = CMAC(AES(key))
        mac.update(cbor2.dumps([challenge, held.kid, held.epoch]))
        return mac.finalize()

    def confirmation_packet(self, proof: bytes, held: Installed, piv: int) -> bytes:
        """The proof as a packet of the air."""
        plaintext = cbor2.dumps(["tsm-confirm-1", proof])
        external = cbor2.dumps([1, 0, self.device_id, PORT])
        aad = cbor2.dumps(["Encrypt0", b"\xa1\x01\x03", external])
        number = piv.to_bytes(max(1, (piv.bit_length() + 7) // 8), "big")
        block = bytes([len(held.kid)]) + held.kid.rjust(6, b"\0") + number.rjust(5, b"\0")
        iv = derived(held, "up iv", 12)
        nonce = bytes(one ^ other for one, other in zip(iv, block, strict=True))
        sealed = AESGCM(derived(held, "up key", 32)).encrypt(nonce, plaintext, aad)
        return cbor2.dumps([b"\xa1\x01\x03", {4: held.kid, 6: number}, sealed])

    def sign1(self, payload: bytes) -> bytes:
        """COSE_Sign1 by the device's key."""
        family = {"ed25519": "ed", "rsa": "rsa"}.get(self.kind, "ec")
        protected = ALGORITHMS[family]
        signed = cbor2.dumps(["Signature1", protected, b"", payload])
        return cbor2.dumps([protected, {}, payload, self._signature(signed)])

    def _signature(self, signed: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(signed)
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(signed, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
        r, s = decode_dss_signature(self.key.sign(signed, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    # what it is told

    def install(self, package: bytes, tsm_certificate: bytes) -> Installed:
        """Verify and open a package; a lower or equal epoch than the installed one is refused."""
        protected, unprotected, payload, signature = cbor2.loads(package)
        assert (protected, unprotected) == (ALGORITHMS["ec"], {})
        tsm = x509.load_der_x509_certificate(tsm_certificate).public_key()
        assert isinstance(tsm, ec.EllipticCurvePublicKey)
        halves = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        signed = cbor2.dumps(["Signature1", protected, b"", payload])
        tsm.verify(encode_dss_signature(*halves), signed, ec.ECDSA(SHA256()))
        fields = cbor2.loads(payload)
        assert list(fields) == [1, 2, 3, 4, 5, 6, 7]
        assert (fields[1], fields[2]) == ("tsm-key-1", self.device_id)
        kid, epoch, first_piv, kem, sealed = (fields[number] for number in range(3, 8))
        assert self.installed is None or epoch > self.installed.epoch or kid == self.installed.kid
        assert 0 <= first_piv < 2**31
        key = self._open(kem, sealed, [kid, epoch])
        self.installed = Installed(kid, epoch, first_piv, kem, key)
        return self.installed

    def _open(self, kem: int, sealed: bytes, which: list[Any]) -> bytes:
        recipient = self.certificate if kem != 0x0020 else self.key_certificate
        assert recipient is not None
        info = cbor2.dumps(["tsm-key-1", TSM_ID, self.device_id, *which, sha256(recipient).digest()])
        if kem == -41:
            oaep = padding.OAEP(padding.MGF1(SHA256()), SHA256(), info)
            return self.key.decrypt(sealed, oaep)
        private = {0x0010: self.key, 0x0020: self.box, 0x647A: self.xwing}[kem]
        return SUITES[kem].decrypt(sealed, private, info=info)


def derived(held: Installed, label: str, length: int) -> bytes:
    info = cbor2.dumps(["tsm-1", label, length])
    return HKDF(SHA256(), length, held.kid, info).derive(held.key)
