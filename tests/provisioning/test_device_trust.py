"""Which certificates make a device trusted, and the one cause each other is refused for."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA224
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.provisioning.authority import (
    CLIENT,
    DAY,
    NOW,
    OCSP_SIGNER,
    SERVER,
    Authority,
    der,
    name,
    new_key,
    p256,
    pem,
    uses,
)
from tests.provisioning.respelled import born_in_year_0
from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning.certificate_errors import CertificateRefused
from tsm_gateway.provisioning.device_key import KeyKind
from tsm_gateway.provisioning.device_trust import TrustedDevice, judge, judge_key_certificate
from tsm_gateway.provisioning.issuer import Issuer, read_issuer

CA = (x509.BasicConstraints(ca=True, path_length=None), True)
LEAF_CA = (x509.BasicConstraints(ca=True, path_length=0), True)
ROOT = Authority()
SUB = Authority("Sub", above=ROOT, extensions=(LEAF_CA, uses("key_cert_sign", "crl_sign"), (CLIENT, False)))
STRANGER = Authority()
KEYS = {
    kind: new_key(kind) for kind in ("p256", "p384", "k256", "ed25519", "x25519", "rsa", "rsa1024", "rsa-e3")
}
PUBLIC = {kind: key.public_key() for kind, key in KEYS.items()}
ISSUER = read_issuer("maker", anchors=pem(ROOT.certificate), intermediates=pem(SUB.certificate))
SIGNS = uses("digital_signature")


def judged(certificate: x509.Certificate, *issuers: Issuer, at: int = NOW) -> TrustedDevice:
    return judge(der(certificate), issuers or (ISSUER,), at)


def refusal(certificate: x509.Certificate | bytes, *issuers: Issuer, at: int = NOW) -> str:
    octets = certificate if isinstance(certificate, bytes) else der(certificate)
    with pytest.raises(CertificateRefused) as refused:
        judge(octets, issuers or (ISSUER,), at)
    return refused.value.code


@pytest.mark.parametrize(
    ("key", "kind", "receives"),
    [("p256", KeyKind.P256, True), ("ed25519", KeyKind.ED25519, False), ("rsa", KeyKind.RSA, True)],
)
def test_a_device_of_a_trusted_issuer_is_known_by_its_key(key: str, kind: KeyKind, receives: bool) -> None:
    certificate = SUB.issue(PUBLIC[key], name("whoever"))
    device = judged(certificate)
    spki = PUBLIC[key].public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert device.device_id == "d:" + sha256(spki).hexdigest()[:16]
    assert (device.der, device.issuer, device.kind) == (der(certificate), "maker", kind)
    assert (device.may_receive, device.test_only) == (receives, False)
    assert device.public_key == PUBLIC[key]


def test_a_renewed_certificate_over_the_same_key_is_the_same_device() -> None:
    first, second = (judged(SUB.issue(PUBLIC["p256"], name(each))) for each in ("a", "b"))
    assert first.device_id == second.device_id
    assert first.device_id != judged(SUB.issue(PUBLIC["rsa"], name("a"))).device_id


def test_the_first_issuer_that_vouches_gives_its_name() -> None:
    other = read_issuer("other", anchors=pem(STRANGER.certificate))
    assert judged(STRANGER.issue(PUBLIC["p256"]), ISSUER, other).issuer == "other"
    assert judged(SUB.issue(PUBLIC["p256"]), other, ISSUER).issuer == "maker"


def test_a_virtual_device_is_told_by_its_organisation() -> None:
    assert judged(SUB.issue(PUBLIC["p256"], name("x", "TEST ONLY"))).test_only


def test_a_device_certificate_of_an_independent_library_is_trusted() -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert("se.example", key_type=trustme.KeyType.ECDSA)
    pair = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
    issuer = read_issuer("trustme", anchors=authority.cert_pem.bytes())
    now = int(pair.not_valid_before_utc.timestamp()) + DAY
    assert judged(pair, issuer, at=now).kind is KeyKind.P256


@pytest.mark.parametrize(
    ("key", "usage", "receives"),
    [
        ("p256", ("digital_signature", "key_agreement"), True),
        ("p256", ("digital_signature", "key_encipherment"), False),
        ("rsa", ("digital_signature", "key_encipherment"), True),
        ("rsa", ("digital_signature", "data_encipherment"), False),
    ],
)
def test_packages_are_sealed_to_it_only_if_its_uses_allow_that(
    key: str, usage: tuple[str, ...], receives: bool
) -> None:
    assert judged(SUB.issue(PUBLIC[key], extensions=[uses(*usage)])).may_receive is receives


UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True)
LOWER: dict[str, Authority] = {}


def self_signed() -> x509.Certificate:
    return Authority("device", key=KEYS["p256"], extensions=()).certificate


def below(above: Authority, extensions: Any) -> x509.Certificate:
    """A certificate issued by what `above` issued; the issuer in between is one of the intermediates."""
    middle = Authority("Middle", above=above, extensions=extensions)
    LOWER["middle"] = middle
    return middle.issue(PUBLIC["p256"])


def altered(certificate: x509.Certificate) -> bytes:
    return der(certificate).replace(b"device", b"dEvice")


def twice(certificate: x509.Certificate) -> bytes:
    """Its only extension a second time; the signature no longer counts."""
    octets = der(certificate)
    entry = octets[octets.index(bytes.fromhex("300e0603551d0f")) :][:16]
    both = octets.replace(b"\xa3\x12\x30\x10" + entry, b"\xa3\x22\x30\x20" + entry + entry)
    assert len(both) == len(octets) + 16
    inner = int.from_bytes(both[6:8], "big") + 16
    outer = len(both) - 4
    found = b"\x30\x82" + outer.to_bytes(2, "big") + b"\x30\x82" + inner.to_bytes(2, "big") + both[8:]
    with pytest.raises(x509.DuplicateExtension):
        list(x509.load_der_x509_certificate(found).extensions)
    return found


Make = Callable[[], x509.Certificate | bytes]
REFUSED: dict[str, tuple[str, Make]] = {
    "no DER at all": ("certificate-unreadable", lambda: b"-----BEGIN CERTIFICATE-----"),
    "nothing": ("certificate-unreadable", lambda: b""),
    "an octet behind it": ("certificate-unreadable", lambda: der(SUB.issue(PUBLIC["p256"])) + b"\0"),
    "longer than any": ("certificate-unreadable", lambda: bytes(9000)),
    "born in the year 0": ("certificate-unreadable", lambda: born_in_year_0(der(SUB.issue(PUBLIC["p256"])))),
    "one extension twice": (
        "certificate-unreadable",
        lambda: twice(SUB.issue(PUBLIC["rsa"], extensions=[SIGNS])),
    ),
    "another curve": ("key-unsupported", lambda: SUB.issue(PUBLIC["p384"])),
    "a curve of coins": ("key-unsupported", lambda: SUB.issue(PUBLIC["k256"])),
    "a key that cannot sign": ("key-unsupported", lambda: SUB.issue(PUBLIC["x25519"])),
    "a short RSA key": ("key-weak", lambda: SUB.issue(PUBLIC["rsa1024"])),
    "a small exponent": ("key-weak", lambda: SUB.issue(PUBLIC["rsa-e3"])),
    "a weak hash": ("certificate-signature-weak", lambda: SUB.issue(PUBLIC["p256"], digest=SHA224)),
    "a stranger of the same name": ("certificate-untrusted", lambda: STRANGER.issue(PUBLIC["p256"])),
    "self-signed": ("certificate-untrusted", self_signed),
    "the anchor itself": ("certificate-untrusted", lambda: ROOT.certificate),
    "an altered subject": (
        "certificate-untrusted",
        lambda: altered(SUB.issue(PUBLIC["p256"], name("device"))),
    ),
    "an unknown critical extension": (
        "certificate-untrusted",
        lambda: SUB.issue(PUBLIC["p256"], extensions=[UNKNOWN]),
    ),
    "below a device": ("certificate-untrusted", lambda: below(SUB, ())),
    "below path length": ("certificate-untrusted", lambda: below(SUB, (CA,))),
    "expired": ("certificate-expired", lambda: SUB.issue(PUBLIC["p256"], lifetime=(NOW - 9 * DAY, NOW - 1))),
    "expired and a stranger's": (
        "certificate-untrusted",
        lambda: STRANGER.issue(PUBLIC["p256"], lifetime=(NOW - 9 * DAY, NOW - 1)),
    ),
    "not yet valid": (
        "certificate-not-yet-valid",
        lambda: SUB.issue(PUBLIC["p256"], lifetime=(NOW + 1, NOW + DAY)),
    ),
    "may not sign": (
        "certificate-usage",
        lambda: SUB.issue(PUBLIC["p256"], extensions=[uses("key_agreement")]),
    ),
    "of a server": ("certificate-usage", lambda: SUB.issue(PUBLIC["p256"], extensions=[(SERVER, False)])),
    "an authority's": ("certificate-usage", lambda: ROOT.issue(PUBLIC["p256"], extensions=[CA])),
}


@pytest.mark.parametrize("strict", [False, True])
def test_a_serial_number_that_is_not_positive_is_refused(*, strict: bool) -> None:
    octets = der(SUB.issue(PUBLIC["p256"])).replace(
        b"\x02\x01\x02\x02\x02\x10", b"\x02\x01\x02\x02\x02\x80", 1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error" if strict else "ignore")
        assert refusal(octets) == "certificate-unreadable"


@pytest.mark.parametrize("what", REFUSED)
def test_a_certificate_is_refused_for_the_cause_it_has(what: str) -> None:
    code, make = REFUSED[what]
    certificate = make()
    between = [SUB.certificate, *([LOWER["middle"].certificate] if what.startswith("below") else [])]
    issuer = ISSUER._replace(intermediates=tuple(between))
    assert refusal(certificate, issuer) == code


def test_every_cause_of_the_table_is_tried_here_or_beside() -> None:
    beside = {"certificate-refused", "certificate-revoked", "revocation-unknown", "issuer-expired"}
    beside |= {"key-certificate-mismatch", "agent-names-no-element"}
    known = {each.code for each in CertificateRefused.__subclasses__()} | {CertificateRefused.code}
    assert known - beside == {code for code, _ in REFUSED.values()}


def test_without_any_issuer_nobody_is_trusted() -> None:
    with pytest.raises(CertificateRefused) as refused:
        judge(der(SUB.issue(PUBLIC["p256"])), (), NOW)
    assert refused.value.code == "certificate-untrusted"


def test_without_the_intermediate_there_is_no_chain() -> None:
    assert refusal(SUB.issue(PUBLIC["p256"]), ISSUER._replace(intermediates=())) == "certificate-untrusted"


@pytest.mark.parametrize(
    "extensions", [(CA, uses("crl_sign")), (CA, (SERVER, False)), (CA, (OCSP_SIGNER, False)), (CA, UNKNOWN)]
)
def test_an_authority_keeps_to_its_own_uses(extensions: Any) -> None:
    limited = Authority("Limited", above=ROOT, extensions=extensions)
    issuer = Issuer("maker", (ROOT.certificate,), (limited.certificate,))
    assert refusal(limited.issue(PUBLIC["p256"]), issuer) == "certificate-untrusted"


def test_an_authority_constrained_in_directory_names_vouches_for_nobody() -> None:
    within = x509.NameConstraints([x509.DirectoryName(name("", "Phones Ltd"))], None)
    limited = Authority("Limited", above=ROOT, extensions=[CA, (within, True)])
    issuer = read_issuer("x", anchors=pem(ROOT.certificate), intermediates=pem(limited.certificate))
    for organisation in ("Phones Ltd", "Somebody Else"):
        device = limited.issue(PUBLIC["p256"], name("x", organisation))
        assert refusal(device, issuer) == "certificate-untrusted"


def test_an_expired_authority_is_told_from_a_stranger() -> None:
    old = Authority("Old", above=ROOT, lifetime=(NOW - 100 * DAY, NOW - DAY))
    issuer = Issuer("maker", (ROOT.certificate,), (old.certificate,))
    assert refusal(old.issue(PUBLIC["p256"]), issuer) == "issuer-expired"
    assert refusal(old.issue(PUBLIC["p256"])) == "certificate-untrusted"


def test_the_seconds_at_both_ends_of_its_validity_count() -> None:
    certificate = SUB.issue(PUBLIC["p256"], lifetime=(NOW, NOW + DAY))
    assert judged(certificate, at=NOW)
    assert judged(certificate, at=NOW + DAY)
    assert refusal(certificate, at=NOW - 1) == "certificate-not-yet-valid"
    assert refusal(certificate, at=NOW + DAY + 1) == "certificate-expired"


def test_a_public_key_no_reader_accepts_is_weak_or_unreadable() -> None:
    """An even RSA exponent: the library does not read it, and says nothing more."""
    octets = der(SUB.issue(RSAPublicNumbers(65537, PUBLIC["rsa"].public_numbers().n).public_key()))
    assert refusal(octets.replace(bytes.fromhex("0203010001"), bytes.fromhex("0203010002"))) == "key-weak"
    point = der(SUB.issue(PUBLIC["p256"]))
    at = point.index(bytes.fromhex("034200")) + 4
    assert refusal(point[:at] + bytes([point[at] ^ 1]) + point[at + 1 :]) in {
        "certificate-unreadable",
        "certificate-untrusted",  # one altered coordinate in two is on the curve
    }


def test_a_key_of_low_order_is_weak() -> None:
    for low in (bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"):
        with pytest.raises(CertificateRefused) as refused:
            judge_key_certificate(
                der(SUB.issue(X25519PublicKey.from_public_bytes(low))), DEVICE, (ISSUER,), NOW
            )
        assert refused.value.code == "key-weak"


DEVICE = judge(der(SUB.issue(PUBLIC["ed25519"], name("se 1"))), (ISSUER,), NOW)
AGREES = uses("key_agreement")


def test_a_key_certificate_of_the_same_subject_and_issuer_is_taken() -> None:
    certificate = SUB.issue(PUBLIC["x25519"], name("se 1"), extensions=[AGREES])
    found = judge_key_certificate(der(certificate), DEVICE, (ISSUER,), NOW)
    assert (found.der, found.public_key) == (der(certificate), PUBLIC["x25519"])


KEY_REFUSED: dict[str, tuple[str, Make]] = {
    "no DER": ("certificate-unreadable", lambda: b"\x30\0"),
    "born in the year 0": (
        "certificate-unreadable",
        lambda: born_in_year_0(der(SUB.issue(PUBLIC["x25519"], name("se 1")))),
    ),
    "no X25519": ("key-unsupported", lambda: SUB.issue(PUBLIC["p256"], name("se 1"))),
    "another subject": ("key-certificate-mismatch", lambda: SUB.issue(PUBLIC["x25519"], name("se 2"))),
    "a longer subject": ("key-certificate-mismatch", lambda: SUB.issue(PUBLIC["x25519"], name("se 1", "o"))),
    "no subject": ("key-certificate-mismatch", lambda: SUB.issue(PUBLIC["x25519"], name(""))),
    "another issuer": ("certificate-untrusted", lambda: STRANGER.issue(PUBLIC["x25519"], name("se 1"))),
    "expired": (
        "certificate-expired",
        lambda: SUB.issue(PUBLIC["x25519"], name("se 1"), lifetime=(1, NOW - 1)),
    ),
    "early": (
        "certificate-not-yet-valid",
        lambda: SUB.issue(PUBLIC["x25519"], name("se 1"), lifetime=(NOW + 1, NOW + 2)),
    ),
    "no agreement": (
        "certificate-usage",
        lambda: SUB.issue(PUBLIC["x25519"], name("se 1"), extensions=[uses("key_encipherment")]),
    ),
    "an authority": ("certificate-usage", lambda: SUB.issue(PUBLIC["x25519"], name("se 1"), extensions=[CA])),
}


@pytest.mark.parametrize("what", KEY_REFUSED)
def test_a_key_certificate_is_refused_for_the_cause_it_has(what: str) -> None:
    code, make = KEY_REFUSED[what]
    certificate = make()
    octets = certificate if isinstance(certificate, bytes) else der(certificate)
    other = read_issuer("other", anchors=pem(STRANGER.certificate))
    with pytest.raises(CertificateRefused) as refused:
        judge_key_certificate(octets, DEVICE, (other, ISSUER), NOW)
    assert refused.value.code == code


def test_a_revoked_key_certificate_is_refused() -> None:
    certificate = SUB.issue(PUBLIC["x25519"], name("se 1"))
    anchors, between = pem(ROOT.certificate), pem(SUB.certificate)
    listing = read_issuer("maker", anchors=anchors, intermediates=between, crls=[SUB.crl(certificate)])
    with pytest.raises(CertificateRefused) as refused:
        judge_key_certificate(der(certificate), DEVICE, (listing,), NOW)
    assert refused.value.code == "certificate-revoked"


def test_two_certificates_without_a_subject_are_not_of_one_device() -> None:
    nobody = judge(der(SUB.issue(PUBLIC["ed25519"], name(""))), (ISSUER,), NOW)
    with pytest.raises(CertificateRefused) as refused:
        judge_key_certificate(der(SUB.issue(PUBLIC["x25519"], name(""))), nobody, (ISSUER,), NOW)
    assert refused.value.code == "key-certificate-mismatch"


GENUINE = [
    der(SUB.issue(key, name("fuzz"), extensions=[uses("digital_signature"), (CLIENT, False)]))
    for key in (p256().public_key(), PUBLIC["rsa"], PUBLIC["ed25519"])
]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(GENUINE),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4),
)
def test_an_altered_certificate_is_refused_by_an_error_of_ours(
    genuine: bytes, changes: list[tuple[int, bytes]]
) -> None:
    octets = bytearray(genuine)
    for at, change in changes:
        place = at % len(octets)
        octets[place : place + len(change)] = change
    if bytes(octets) == genuine:
        return
    for check in (
        lambda: judge(bytes(octets), (ISSUER,), NOW),
        lambda: judge_key_certificate(bytes(octets), DEVICE, (ISSUER,), NOW),
    ):
        with pytest.raises(CertificateRefused):
            check()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_octets_raise_anything_but_our_errors(octets: bytes) -> None:
    with pytest.raises(TsmError):
        judge(octets, (ISSUER,), NOW)
    with pytest.raises(TsmError):
        read_issuer("x", anchors=octets)
    with pytest.raises(TsmError):
        read_issuer("x", anchors=pem(ROOT.certificate), crls=[octets])
