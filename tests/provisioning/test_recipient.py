"""To whom a device's packages are sealed."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519

from tests.provisioning.element import certificate, element
from tsm_gateway.keys.errors import RecipientUnusable
from tsm_gateway.keys.seal import Kem
from tsm_gateway.provisioning.certificate_errors import CertificateUnreadable, CertificateUsage
from tsm_gateway.provisioning.proof_errors import HybridKeyMalformed, KeyCertificateMissing
from tsm_gateway.provisioning.recipient import read_recipient

if TYPE_CHECKING:
    from tsm_gateway.errors import TsmError

P256, ED25519, RSA, XWING = (element(kind) for kind in ("p256", "x25519", "rsa", "xwing"))
KEY_CERTIFICATE = ED25519.key_certificate
SIGNING = [P256.signing_certificate, ED25519.signing_certificate, RSA.signing_certificate]


@pytest.mark.parametrize(("own", "kem"), [(P256, Kem.P256), (RSA, Kem.OAEP)], ids=["P-256", "RSA"])
def test_a_signing_certificate_that_can_receive_is_sealed_to(own: Any, kem: Kem) -> None:
    found = read_recipient(own.signing_certificate)
    assert (found.der, found.kem) == (own.signing_certificate, kem)
    assert found.public_key == own.signing.public_key()
    assert found.fingerprint == sha256(own.signing_certificate).digest()


@pytest.mark.parametrize("signing", SIGNING, ids=["P-256", "Ed25519", "RSA"])
def test_a_key_certificate_goes_before_the_signing_certificate(signing: bytes) -> None:
    found = read_recipient(signing, key_certificate=KEY_CERTIFICATE)
    assert (found.der, found.kem) == (KEY_CERTIFICATE, Kem.X25519)
    assert found.fingerprint == sha256(KEY_CERTIFICATE).digest()


@pytest.mark.parametrize("signing", SIGNING, ids=["P-256", "Ed25519", "RSA"])
@pytest.mark.parametrize("key_certificate", [b"", KEY_CERTIFICATE], ids=["alone", "beside"])
def test_a_hybrid_key_goes_before_both_and_is_bound_to_the_signing_certificate(
    signing: bytes, key_certificate: bytes
) -> None:
    found = read_recipient(signing, key_certificate=key_certificate, hybrid_key=XWING.hybrid_key)
    assert (found.der, found.kem) == (signing, Kem.XWING)


def test_another_hybrid_key_is_another_recipient() -> None:
    """Or the stored package, sealed to the key the device threw away, would be handed out for ever."""
    one, two = (
        read_recipient(P256.signing_certificate, hybrid_key=element("xwing", number).hybrid_key)
        for number in (1, 2)
    )
    none = read_recipient(P256.signing_certificate)
    assert len({one.fingerprint, two.fingerprint, none.fingerprint}) == 3


def test_ed25519_alone_cannot_be_sealed_to() -> None:
    with pytest.raises(KeyCertificateMissing):
        read_recipient(ED25519.signing_certificate)


@pytest.mark.parametrize(
    ("key", "usage"),
    [
        (P256.signing, {"digital_signature": True, "key_agreement": True}),
        (RSA.signing, {"digital_signature": True, "key_encipherment": True}),
    ],
    ids=["P-256", "RSA"],
)
def test_a_stated_usage_that_fits_is_taken(key: Any, usage: dict[str, bool]) -> None:
    read_recipient(certificate(key, usage=usage))


@pytest.mark.parametrize(
    ("key", "usage"),
    [
        (P256.signing, {"digital_signature": True}),
        (P256.signing, {"digital_signature": True, "key_encipherment": True}),
        (RSA.signing, {"digital_signature": True}),
        (RSA.signing, {"digital_signature": True, "key_agreement": True}),
    ],
)
def test_a_stated_usage_that_leaves_receiving_out_is_refused(key: Any, usage: dict[str, bool]) -> None:
    with pytest.raises(CertificateUsage):
        read_recipient(certificate(key, usage=usage))


def test_a_key_certificate_has_to_allow_key_agreement() -> None:
    key = x25519.X25519PrivateKey.from_private_bytes(bytes(32))
    signing = ED25519.signing_certificate
    fits = certificate(key, usage={"key_agreement": True})
    assert read_recipient(signing, key_certificate=fits).der == fits
    with pytest.raises(CertificateUsage):
        read_recipient(signing, key_certificate=certificate(key, usage={"key_encipherment": True}))


def test_a_signing_certificate_that_only_signs_is_helped_by_a_key_certificate() -> None:
    signing = certificate(P256.signing, usage={"digital_signature": True})
    assert read_recipient(signing, key_certificate=KEY_CERTIFICATE).kem is Kem.X25519


@pytest.mark.parametrize("key", [P256.signing, RSA.signing, ED25519.signing], ids=["P-256", "RSA", "Ed25519"])
def test_a_key_certificate_of_another_kind_than_x25519_is_refused(key: Any) -> None:
    with pytest.raises(RecipientUnusable):
        read_recipient(P256.signing_certificate, key_certificate=certificate(key))


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ed448.Ed448PrivateKey.generate(),
        rsa.generate_private_key(65537, 1024),  # noqa: S505 - that is the test
    ],
    ids=["P-384", "Ed448", "RSA-1024"],
)
@pytest.mark.parametrize(
    "usage", [None, {"key_agreement": True, "key_encipherment": True}], ids=["", "usage"]
)
def test_a_signing_key_of_another_kind_is_refused(key: Any, usage: dict[str, bool] | None) -> None:
    with pytest.raises(RecipientUnusable):
        read_recipient(certificate(key, usage=usage))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"key_certificate": b"no certificate"}, CertificateUnreadable),
        ({"key_certificate": KEY_CERTIFICATE[:-1]}, CertificateUnreadable),
        ({"hybrid_key": bytes(1215)}, HybridKeyMalformed),
    ],
    ids=["text", "cut", "hybrid"],
)
def test_what_does_not_read_is_refused(given: dict[str, bytes], error: type[TsmError]) -> None:
    with pytest.raises(error):
        read_recipient(P256.signing_certificate, **given)


def test_ed25519_keys_are_told_from_x25519_ones() -> None:
    """Both have 32 octets; only the algorithm in the certificate tells them apart."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    with pytest.raises(RecipientUnusable):
        read_recipient(P256.signing_certificate, key_certificate=certificate(key))
