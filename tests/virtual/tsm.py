"""A provisioning service in miniature, read from the page once more: cbor2, and none of the gateway's code.

Like the real one it keeps one device, answers every repeated request like the first, and believes only what
it verified. Unlike it, it can be told to cut a connection before or after it did what it was asked.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import http.server
import ipaddress
import json
import os
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from tsm_gateway.virtual.x509_profile import Use, build_certificate, life

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.virtual.issuer import Issuer

TSM_ID = "tsm-1"
HPKE = {
    0x0010: Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    0x0020: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    0x647A: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
}
PSS = padding.PSS(padding.MGF1(SHA256()), 32)


KEY_DELIVERY = x509.ObjectIdentifier("2.25.5279910222826087297256029102353267540")


class Root:
    """A TSM's root and its key-delivery certificate."""

    def __init__(self, at: int, **more: Any) -> None:
        self.key, self.delivery_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root_uses = (Use.KEY_CERT_SIGN, Use.CRL_SIGN)
        self.der = build_certificate(
            self.key.public_key(), "tsm root", root_uses, life(at), signer=self.key, issuer=None
        )
        self.delivery = self.certify(self.delivery_key.public_key(), at, **more)

    def certify(
        self,
        public_key: Any,
        at: int,
        *,
        usages: tuple[Any, ...] = (KEY_DELIVERY,),
        days: int = 30,
        ca: bool = False,
        host: str = "",
    ) -> bytes:
        """A certificate for the delivery of keys, or one that is not quite."""
        now = dt.datetime.fromtimestamp(at, dt.UTC)
        issuer = x509.load_der_x509_certificate(self.der)
        usage = dict.fromkeys((use.value for use in Use), False) | {"digital_signature": True}
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "key delivery")]))
            .issuer_name(issuer.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=40))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
        )
        if host:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
            builder = builder.add_extension(names, critical=False)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.DER)


def sign1(payload: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    protected = cbor2.dumps({1: -7})
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256())))
    return cbor2.dumps([protected, {}, payload, r.to_bytes(32, "big") + s.to_bytes(32, "big")])


def verify1(octets: bytes, key: Any) -> Any:
    """The payload of a COSE_Sign1 by a key of any of the three kinds."""
    protected, unprotected, payload, signature = cbor2.loads(octets)
    assert unprotected == {}
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    algorithm = cbor2.loads(protected)[1]
    if isinstance(key, ec.EllipticCurvePublicKey):
        assert algorithm == -7
        pair = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        key.verify(encode_dss_signature(*pair), signed, ec.ECDSA(SHA256()))
    elif isinstance(key, Ed25519PublicKey):
        assert algorithm == -8
        key.verify(signature, signed)
    else:
        assert isinstance(key, rsa.RSAPublicKey)
        assert algorithm == -37
        key.verify(signature, signed, PSS, SHA256())
    return cbor2.loads(payload)


def public_key_of(der: bytes) -> Any:
    return x509.load_der_x509_certificate(der).public_key()


def device_id_of(der: bytes) -> str:
    spki = public_key_of(der).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"d:{hashlib.sha256(spki).hexdigest()[:16]}"


class Recipient:
    """Where a package goes: the certificate it is bound to, and how it is sealed."""

    def __init__(self, certificate: bytes, key_certificate: bytes = b"", hybrid: bytes = b"") -> None:
        self.device_id = device_id_of(certificate)
        self.certificate = key_certificate or certificate
        self.key = public_key_of(self.certificate)
        self.kem = -41
        if hybrid:
            fields = verify1(hybrid, public_key_of(certificate))
            assert (fields[1], fields[2], len(fields[3])) == ("tsm-xwing-1", self.device_id, 1216)
            halves = MLKEM768PublicKey.from_public_bytes(fields[3][:1184]), fields[3][1184:]
            self.key = MLKEM768X25519PublicKey(halves[0], X25519PublicKey.from_public_bytes(halves[1]))
            self.kem = 0x647A
        elif isinstance(self.key, X25519PublicKey):
            self.kem = 0x0020
        elif isinstance(self.key, ec.EllipticCurvePublicKey):
            self.kem = 0x0010

    def seal(self, key: bytes, info: bytes) -> bytes:
        if self.kem == -41:
            return bytes(self.key.encrypt(key, padding.OAEP(padding.MGF1(SHA256()), SHA256(), info)))
        return HPKE[self.kem].encrypt(key, self.key, info=info)


def package(
    root: Root, to: Recipient, key: bytes, *, epoch: int = 1, kid: bytes = b"\1\2\3\4", **changes: Any
) -> bytes:
    """A key package; `changes` are fields by number as "f3", applied before it is signed."""
    digest = hashlib.sha256(to.certificate).digest()
    info = cbor2.dumps(["tsm-key-1", TSM_ID, to.device_id, kid, epoch, digest])
    fields = {1: "tsm-key-1", 2: to.device_id, 3: kid, 4: epoch, 5: 1_000, 6: to.kem}
    fields[7] = to.seal(key, info)
    fields |= {int(name[1:]): value for name, value in changes.items()}
    return sign1(cbor2.dumps(fields), root.delivery_key)


def confirmation(key: bytes, kid: bytes, epoch: int, challenge: bytes) -> bytes:
    info = cbor2.dumps(["tsm-1", "confirm key", 32])
    mac = CMAC(AES(HKDF(SHA256(), 32, salt=kid, info=info).derive(key)))
    mac.update(cbor2.dumps([challenge, kid, epoch]))
    return mac.finalize()


class Miniature:
    """The service's books, and what it answers."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.state = "unknown"
        self.keys: list[tuple[bytes, bytes, int]] = []  # (kid, key, epoch), newest last
        self.packages: list[bytes] = []
        self.recipient: Recipient | None = None
        self.challenge = b""
        self.proof = b""
        self.registered: dict[int, Any] = {}  # the last proof's fields
        self.confirmed = 0  # the newest epoch a proof named
        self.asked: list[str] = []
        self.cuts: dict[int, str] = {}  # number of a request -> "before" or "after" it is done
        self.stale = 0  # challenges to be forgotten before they are answered
        self.busy = 0  # requests to be answered 503

    def order(self) -> None:
        """Make the next key."""
        assert self.recipient is not None
        kid, key, epoch = os.urandom(4), os.urandom(32), len(self.keys) + 1
        self.keys.append((kid, key, epoch))
        self.packages.append(package(self.root, self.recipient, key, epoch=epoch, kid=kid))

    def answer(self, ask: str, body: dict[str, Any], certificate: bytes) -> tuple[int, dict[str, Any]]:
        if self.busy:
            self.busy -= 1
            return 503, {"code": "TSM-STORE-BUSY"}
        return {
            "PUT /v1/enrolment": self._enrolment,
            "GET /v1/key-package": self._key_package,
            "POST /v1/challenge": self._challenge,
            "POST /v1/registration": self._registration,
            "GET /v1/status": self._status,
        }[ask](body, certificate)

    def _enrolment(self, body: dict[str, Any], certificate: bytes) -> tuple[int, dict[str, Any]]:
        given = {name: base64.b64decode(body.get(name) or "") for name in ("key_certificate", "hybrid_key")}
        self.recipient = Recipient(certificate, given["key_certificate"], given["hybrid_key"])
        if not self.keys:
            self.order()
            self.state = "keyed"
        answer = self._named()
        if len(self.packages) > self.confirmed:
            self.challenge = os.urandom(32)
            return 200, answer | self._package() | {"challenge": base64.b64encode(self.challenge).decode()}
        return 200, answer | {"key_package": None, "challenge": None}

    def _named(self) -> dict[str, Any]:
        assert self.recipient is not None
        kid, _, epoch = self.keys[-1]
        return {
            "device_id": self.recipient.device_id,
            "state": self.state,
            "kid": kid.hex(),
            "epoch": epoch,
            "tsm_certificate": base64.b64encode(self.root.delivery).decode(),
        }

    def _package(self) -> dict[str, Any]:
        assert self.recipient is not None
        octets = base64.b64encode(self.packages[-1]).decode()
        return {"key_package": octets, "kem": self.recipient.kem}

    def _key_package(self, _: dict[str, Any], __: bytes) -> tuple[int, dict[str, Any]]:
        if len(self.packages) == self.confirmed:
            return 404, {"code": "TSM-NO-KEY-PACKAGE"}
        return 200, self._named() | self._package()

    def _challenge(self, _: dict[str, Any], __: bytes) -> tuple[int, dict[str, Any]]:
        self.challenge = os.urandom(32)
        return 200, self._named() | {"challenge": base64.b64encode(self.challenge).decode()}

    def _registration(self, body: dict[str, Any], certificate: bytes) -> tuple[int, dict[str, Any]]:
        proof = base64.b64decode(body["proof"])
        if proof == self.proof:
            return 200, self._named()
        if self.stale:
            self.stale -= 1
            self.challenge = b""
        fields = verify1(proof, public_key_of(certificate))
        if not self.challenge or fields[4] != self.challenge:
            return 409, {"code": "TSM-CHALLENGE-STALE"}
        kid, key, epoch = self.keys[-1]
        assert fields[3] == kid
        assert fields[5] == confirmation(key, kid, epoch, self.challenge)
        self.challenge, self.proof, self.state = b"", proof, "registered"
        self.registered, self.confirmed = fields, epoch
        return 200, self._named()

    def _status(self, _: dict[str, Any], __: bytes) -> tuple[int, dict[str, Any]]:
        return 200, {"state": self.state}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def _do(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        books, sock = server.books, self.connection
        assert isinstance(sock, ssl.SSLSocket)
        octets = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        ask = f"{self.command} {self.path}"
        with server.lock:
            cut = books.cuts.get(len(books.asked))
            books.asked.append(ask)
            if cut == "before":
                return self._cut()
            certificate = sock.getpeercert(binary_form=True)
            assert certificate
            status, answer = books.answer(ask, json.loads(octets or b"{}"), certificate)
            if cut == "after":
                return self._cut()
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        return None

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.close()

    do_GET = do_PUT = do_POST = _do  # noqa: N815 - the names http.server looks for


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, books: Miniature, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.books, self.context, self.lock = books, context, threading.Lock()

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A cut connection is what tests ask for."""


def tls_of(root: Root, issuer: Issuer, folder: Path) -> ssl.SSLContext:
    """The service's end of TLS: a certificate under `root`, devices under `issuer`."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = root.certify(
        key.public_key(), int(time.time()), usages=(ExtendedKeyUsageOID.SERVER_AUTH,), host="127.0.0.1"
    )
    path = folder / "server.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(path)
    context.verify_mode = ssl.CERT_REQUIRED
    for der in (issuer.root.der, issuer.issuing.der):
        context.load_verify_locations(cadata=der)
    return context


@contextmanager
def served(books: Miniature, issuer: Issuer, folder: Path) -> Iterator[str]:
    """The URL of the service while it runs; it takes devices of `issuer`."""
    server = _Server(books, tls_of(books.root, issuer, folder))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="miniature")
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
