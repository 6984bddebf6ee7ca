"""The virtual issuer: the gateway believes what it makes good, and refuses each flaw by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.virtual.tsm import device_id_of, verify1
from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning.device_trust import judge, judge_key_certificate
from tsm_gateway.provisioning.element_id import ElementIdRule, check_element_id
from tsm_gateway.provisioning.issuer import Issuer as TrustedIssuer
from tsm_gateway.provisioning.issuer import RevocationPolicy, read_issuer
from tsm_gateway.provisioning.proof_errors import ElementIdMismatch
from tsm_gateway.virtual.identity import Kind, new_identity
from tsm_gateway.virtual.issuer import Flaw, Issuer
from tsm_gateway.virtual.issuer_files import read_issuer as read_folder
from tsm_gateway.virtual.issuer_files import write_issuer
from tsm_gateway.virtual.personalised import Subscription, Tsm, personalised

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_760_000_000
CAUSES = {
    Flaw.EXPIRED: "certificate-expired",
    Flaw.NOT_YET_VALID: "certificate-not-yet-valid",
    Flaw.REVOKED: "certificate-revoked",
    Flaw.WRONG_USAGE: "certificate-usage",
    Flaw.WEAK: "key-weak",
}


@pytest.fixture
def issuer() -> Issuer:
    return Issuer.create("maker", NOW)


def trusted(issuer: Issuer) -> TrustedIssuer:
    """As the gateway reads it from its files; a word on every certificate is demanded."""
    pem = [
        x509.load_der_x509_certificate(each.der).public_bytes(Encoding.PEM)
        for each in (issuer.root, issuer.issuing)
    ]
    return read_issuer(
        "maker",
        anchors=pem[0],
        intermediates=pem[1],
        crls=issuer.crls(NOW),
        revocation=RevocationPolicy.REQUIRED,
    )


@pytest.mark.parametrize("kind", Kind)
def test_what_it_makes_is_believed(issuer: Issuer, kind: Kind) -> None:
    identity = issuer.issue(kind, NOW)
    device = judge(identity.certificate, [trusted(issuer)], NOW)
    assert device.device_id == identity.device_id == device_id_of(identity.certificate)
    assert device.test_only
    if identity.key_certificate:
        key = judge_key_certificate(identity.key_certificate, device, [trusted(issuer)], NOW)
        assert identity.exchange is not None
        assert key.public_key == identity.exchange.public_key()
    assert bool(identity.key_certificate) is (kind in {Kind.X25519, Kind.ED25519})


@pytest.mark.parametrize("flaw", Flaw)
def test_each_flaw_is_refused_by_its_name(issuer: Issuer, flaw: Flaw) -> None:
    identity = issuer.issue(Kind.RSA, NOW, flaw)
    with pytest.raises(TsmError) as refusal:
        judge(identity.certificate, [trusted(issuer)], NOW)
    assert refusal.value.code == CAUSES[flaw]


def test_strangers_are_not_believed(issuer: Issuer) -> None:
    for identity in (new_identity(NOW), Issuer.create("maker", NOW).issue(Kind.P256, NOW)):
        with pytest.raises(TsmError) as refusal:
            judge(identity.certificate, [trusted(issuer)], NOW)
        assert refusal.value.code == "certificate-untrusted"


def test_only_rsa_keys_are_made_weak(issuer: Issuer) -> None:
    with pytest.raises(ValueError, match="weak"):
        issuer.issue(Kind.P256, NOW, Flaw.WEAK)


def test_a_certificate_over_the_same_key_keeps_the_id(issuer: Issuer) -> None:
    first = issuer.issue(Kind.XWING, NOW)
    assert first.hybrid is not None
    presented = first.hybrid.presented(first.device_id, first.private_key)
    fields = verify1(presented, first.private_key.public_key())
    assert fields == {1: "tsm-xwing-1", 2: first.device_id, 3: first.hybrid.public}
    assert len(first.hybrid.public) == 1216
    assert repr(first) == f"Identity({first.device_id})"


def test_its_folder_keeps_authorities_and_what_was_revoked(issuer: Issuer, tmp_path: Path) -> None:
    identity = issuer.issue(Kind.P256, NOW, Flaw.REVOKED)
    write_issuer(tmp_path, issuer, NOW)
    back = read_folder(tmp_path)
    assert (back.root.der, back.issuing.der, back.revoked) == (
        issuer.root.der,
        issuer.issuing.der,
        issuer.revoked,
    )
    with pytest.raises(TsmError):
        judge(identity.certificate, [trusted(back)], NOW)
    judge(back.issue(Kind.P256, NOW).certificate, [trusted(issuer)], NOW)


@pytest.mark.parametrize("kind", Kind)
def test_it_names_the_crypto_element_a_certificate_is_made_for(issuer: Issuer, kind: Kind) -> None:
    identity = issuer.issue(kind, NOW)
    record = personalised(identity, Tsm("tsm-1", b""), Subscription("+49170", 16_500, ()))
    assert record.element is not None
    rule = trusted(issuer)._replace(element_id=ElementIdRule.SERIAL_NUMBER)
    check_element_id(record.element.crypto_se, identity.certificate, [rule], NOW)
    with pytest.raises(ElementIdMismatch):
        check_element_id(record.element.app_se, identity.certificate, [rule], NOW)
