"""Lists and OCSP answers: whose word counts, for what, and until when."""

from __future__ import annotations

import time as clock
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.provisioning.authority import (
    DAY,
    NOW,
    OCSP_SIGNER,
    SERVER,
    Authority,
    der,
    entry_of,
    new_key,
    p256,
    pem,
    uses,
)
from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning.certificate_errors import CertificateRefused, IssuerUnusable
from tsm_gateway.provisioning.device_trust import judge, questions
from tsm_gateway.provisioning.issuer import Issuer, RevocationPolicy, read_issuer
from tsm_gateway.provisioning.ocsp import OcspAnswerUnusable, Standing, build_request, read_answer
from tsm_gateway.provisioning.revocation_list import read_revocation_list

CA = (x509.BasicConstraints(ca=True, path_length=None), True)
ROOT = Authority()
SUB = Authority("Sub", above=ROOT)
STRANGER = Authority()  # of the root's very name
NAMESAKE = Authority("Sub", above=ROOT)  # another key
KEY = p256()
DEVICE = SUB.issue(KEY.public_key())
URL = "http://ocsp.example/"
ANY_PURPOSE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
REVOKED, GOOD = ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.GOOD


def issuer(*crls: bytes, policy: str = "when_known", ocsp_url: str = "") -> Issuer:
    return read_issuer(
        "maker",
        anchors=pem(ROOT.certificate),
        intermediates=pem(SUB.certificate),
        crls=crls,
        ocsp=ocsp_url,
        revocation=RevocationPolicy(policy),
    )


def verdict(trusted: Issuer, certificate: x509.Certificate = DEVICE, **more: Any) -> str:
    try:
        judge(der(certificate), [trusted], NOW, **more)
    except CertificateRefused as refused:
        return refused.code
    return "trusted"


def refused_list(crl: bytes) -> str:
    with pytest.raises(IssuerUnusable) as refused:
        issuer(crl)
    return refused.value.problem


ROOT_LIST, SUB_LIST = ROOT.crl(), SUB.crl()
FUTURE_LIST = SUB.crl(this_update=NOW + DAY, next_update=NOW + 2 * DAY)


@pytest.mark.parametrize(
    ("crls", "policy", "expected"),
    [
        ((), "when_known", "trusted"),
        ((), "off", "trusted"),
        ((SUB.crl(DEVICE),), "when_known", "certificate-revoked"),
        ((SUB.crl(DEVICE),), "off", "trusted"),
        ((SUB.crl(DEVICE), ROOT_LIST), "required", "certificate-revoked"),
        ((SUB_LIST, ROOT_LIST), "required", "trusted"),
        ((SUB_LIST,), "required", "revocation-unknown"),  # nobody speaks of the intermediate
        ((ROOT_LIST,), "required", "revocation-unknown"),
        (
            (ROOT.crl(SUB.certificate), SUB_LIST),
            "when_known",
            "certificate-revoked",
        ),
        ((SUB.crl(next_update=NOW), ROOT_LIST), "required", "revocation-unknown"),  # out of date
        ((SUB.crl(next_update=NOW), ROOT_LIST), "when_known", "trusted"),
        ((SUB.crl(DEVICE, next_update=NOW),), "when_known", "certificate-revoked"),  # what it says stays true
        (
            (SUB.crl(this_update=NOW + DAY, next_update=NOW + 2 * DAY), ROOT_LIST),
            "required",
            "revocation-unknown",
        ),
        ((SUB.crl(this_update=NOW + 60), ROOT_LIST), "required", "trusted"),  # a clock a little ahead
        ((ROOT.crl(entry_of(DEVICE.serial_number)), SUB_LIST), "when_known", "trusted"),  # another's serial
    ],
)
def test_lists_and_policy_decide(crls: tuple[bytes, ...], policy: str, expected: str) -> None:
    assert verdict(issuer(*crls, policy=policy)) == expected


def test_the_newest_list_counts() -> None:
    held = SUB.crl(entry_of(DEVICE.serial_number, reason("certificate_hold")), this_update=NOW - 2 * DAY)
    assert verdict(issuer(held)) == "certificate-revoked"
    assert verdict(issuer(held, SUB_LIST)) == "trusted"
    assert verdict(issuer(SUB.crl(this_update=NOW - 3 * DAY), held)) == "certificate-revoked"


def test_an_entry_that_takes_a_hold_back_revokes_nothing() -> None:
    assert verdict(issuer(SUB.crl(entry_of(DEVICE.serial_number, reason("remove_from_crl"))))) == "trusted"


def reason(flag: str) -> tuple[x509.ExtensionType, bool]:
    return x509.CRLReason(x509.ReasonFlags[flag]), False


def point(**scope: Any) -> tuple[x509.ExtensionType, bool]:
    given_scope: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(given_scope | scope)), True


PLACE = x509.UniformResourceIdentifier("http://crl.example/1")


@pytest.mark.parametrize(
    ("crl", "problem"),
    [
        (b"", "neither PEM nor DER"),
        (b"-----BEGIN X509 CRL-----\nMA==\n-----END X509 CRL-----\n", "neither PEM nor DER"),
        (STRANGER.crl(), "none of the issuer's"),
        (SUB_LIST[:-1] + bytes([SUB_LIST[-1] ^ 1]), "none of the issuer's"),
        (SUB.crl(extensions=[(x509.DeltaCRLIndicator(1), True)]), "delta"),
        (SUB.crl(extensions=[point(indirect_crl=True)]), "not a complete list"),
        (SUB.crl(extensions=[point(only_contains_attribute_certs=True)]), "not a complete list"),
        (
            SUB.crl(extensions=[point(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise}))]),
            "not a complete list",
        ),
        (
            SUB.crl(extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), True)]),
            "1.2.3 is unknown",
        ),
        (
            SUB.crl(entry_of(7, (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), True))),
            "entry's critical extension 1.2.3",
        ),
        (SUB.crl(entry_of(7, (x509.CertificateIssuer([x509.DirectoryName(ROOT.subject)]), True))), "entry's"),
    ],
)
def test_a_list_that_tells_less_than_all_is_refused(crl: bytes, problem: str) -> None:
    assert problem in refused_list(crl)


def test_an_authority_that_may_not_sign_lists_is_no_witness() -> None:
    silent = Authority("Silent", above=ROOT, extensions=[CA, uses("key_cert_sign")])
    with pytest.raises(IssuerUnusable, match="none of the issuer"):
        read_issuer(
            "x", anchors=pem(ROOT.certificate), intermediates=pem(silent.certificate), crls=[silent.crl()]
        )


def test_a_list_of_devices_says_nothing_of_authorities() -> None:
    devices, authorities = point(only_contains_user_certs=True), point(only_contains_ca_certs=True)
    roots = ROOT.crl(extensions=[authorities])
    assert verdict(issuer(SUB.crl(extensions=[devices]), roots, policy="required")) == "trusted"
    assert (
        verdict(issuer(SUB.crl(extensions=[authorities]), roots, policy="required")) == "revocation-unknown"
    )
    assert (
        verdict(issuer(SUB_LIST, ROOT.crl(extensions=[devices]), policy="required")) == "revocation-unknown"
    )


def test_a_list_for_one_place_says_nothing_of_certificates_that_name_another() -> None:
    partial = SUB.crl(extensions=[point(full_name=[PLACE])])
    named = SUB.issue(
        KEY.public_key(),
        extensions=[(x509.CRLDistributionPoints([x509.DistributionPoint([PLACE], None, None, None)]), False)],
    )
    trusted = issuer(partial, ROOT_LIST, policy="required")
    assert verdict(trusted, named) == "trusted"
    assert verdict(trusted, DEVICE) == "revocation-unknown"


def test_a_list_of_an_authority_s_earlier_certificate_still_counts() -> None:
    renewed = Authority("Sub", above=ROOT, key=SUB.key)
    trusted = Issuer("maker", (ROOT.certificate,), (renewed.certificate,), issuer(SUB.crl(DEVICE)).crls)
    assert verdict(trusted) == "certificate-revoked"


def test_a_list_by_the_authority_s_new_key_speaks_of_what_the_old_one_signed() -> None:
    rekeyed = issuer(ROOT_LIST, policy="required")._replace(
        intermediates=(SUB.certificate, NAMESAKE.certificate)
    )

    def with_list(*crls: bytes) -> Issuer:
        lists = (read_revocation_list(each, (ROOT.certificate, *rekeyed.intermediates)) for each in crls)
        return rekeyed._replace(crls=(*rekeyed.crls, *lists))

    assert verdict(with_list(NAMESAKE.crl(DEVICE))) == "certificate-revoked"
    assert verdict(with_list(NAMESAKE.crl())) == "trusted"
    assert (
        verdict(with_list(SUB.crl(this_update=NOW - 2 * DAY, next_update=NOW), NAMESAKE.crl())) == "trusted"
    )
    assert verdict(rekeyed) == "revocation-unknown"


def test_of_another_root_of_the_same_name_only_the_bad_word_counts() -> None:
    device = ROOT.issue(KEY.public_key())
    both = pem(ROOT.certificate, STRANGER.certificate)

    def trusted(crl: bytes, policy: str) -> Issuer:
        return read_issuer("two", anchors=both, crls=[crl], revocation=RevocationPolicy(policy))

    assert verdict(trusted(STRANGER.crl(device), "when_known"), device) == "certificate-revoked"
    assert verdict(trusted(STRANGER.crl(), "when_known"), device) == "trusted"
    assert verdict(trusted(STRANGER.crl(), "required"), device) == "revocation-unknown"
    assert verdict(trusted(ROOT.crl(), "required"), device) == "trusted"


def test_of_two_issuers_over_one_root_the_strictest_decides() -> None:
    lax, strict = issuer(policy="off"), issuer(SUB.crl(DEVICE))
    wanting = issuer(ROOT_LIST, policy="required")
    for order in (lax, strict), (strict, lax):
        with pytest.raises(CertificateRefused) as refused:
            judge(der(DEVICE), order, NOW)
        assert refused.value.code == "certificate-revoked"
    with pytest.raises(CertificateRefused) as refused:
        judge(der(DEVICE), [lax, wanting], NOW)
    assert refused.value.code == "revocation-unknown"
    assert judge(der(DEVICE), [lax, issuer(SUB_LIST)], NOW).issuer == "maker"


def test_of_an_authority_with_two_certificates_one_may_be_revoked() -> None:
    twin = Authority("Sub", above=ROOT, key=SUB.key)
    both = twin.certificate, SUB.certificate

    def trusted(*order: x509.Certificate, revoked: tuple[x509.Certificate, ...]) -> Issuer:
        lists = [ROOT.crl(*revoked), SUB_LIST]
        between = pem(*order)
        return read_issuer("maker", anchors=pem(ROOT.certificate), intermediates=between, crls=lists)

    for order in (both, both[::-1]):
        for each in both:
            assert verdict(trusted(*order, revoked=(each,))) == "trusted"
        assert verdict(trusted(*order, revoked=both)) == "certificate-revoked"
        asked = questions(der(DEVICE), [trusted(*order, revoked=())._replace(ocsp=URL)], NOW)
        assert {each.certificate for each in asked} == {DEVICE, *both}


def test_a_hundred_thousand_entries_are_looked_up_at_once() -> None:
    entries = [entry_of((1 << 100) + number) for number in range(100_000)]
    trusted = issuer(SUB.crl(entry_of(1), more=entries))
    assert len(trusted.crls[0].revoked) == 100_001
    assert verdict(trusted, SUB.issue(KEY.public_key(), serial=(1 << 100) + 77)) == "certificate-revoked"
    began = clock.perf_counter()
    for _ in range(200):
        assert verdict(trusted) == "trusted"
    assert (clock.perf_counter() - began) / 200 < 0.02


def test_required_needs_somebody_to_ask() -> None:
    with pytest.raises(IssuerUnusable, match="needs crls or ocsp"):
        issuer(policy="required")


# OCSP


def asked(
    answer: bytes | None, *crls: bytes, policy: str = "required", about: x509.Certificate = DEVICE
) -> str:
    """The verdict when the responder gave `answer` about the device; of the intermediate a list speaks."""
    trusted = issuer(ROOT_LIST, *crls, policy=policy, ocsp_url=URL)
    answers = {} if answer is None else {build_request(DEVICE, SUB.certificate): answer}
    return verdict(trusted, ocsp=answers)


def test_every_certificate_below_the_anchor_is_asked_about() -> None:
    found = questions(der(DEVICE), [issuer(ocsp_url=URL)], NOW)
    assert [(each.certificate, each.authority) for each in found] == [
        (DEVICE, SUB.certificate),
        (SUB.certificate, ROOT.certificate),
    ]
    assert [each.url for each in found] == [URL, URL]
    assert ocsp.load_der_ocsp_request(found[0].request).serial_number == DEVICE.serial_number
    assert questions(der(DEVICE), [issuer()], NOW) == []
    assert questions(der(DEVICE), [issuer(ocsp_url=URL, policy="off")], NOW) == []


def test_answers_and_policy_decide() -> None:
    assert asked(SUB.answer(DEVICE)) == "trusted"
    assert asked(SUB.answer(DEVICE, by_hash=True, digest=SHA1)) == "trusted"
    assert asked(SUB.answer(DEVICE, REVOKED)) == "certificate-revoked"
    assert asked(SUB.answer(DEVICE, ocsp.OCSPCertStatus.UNKNOWN)) == "revocation-unknown"
    assert asked(None) == "revocation-unknown"
    assert asked(None, policy="when_known") == "trusted"
    assert asked(SUB.answer(DEVICE, REVOKED), policy="when_known") == "certificate-revoked"
    assert asked(SUB.answer(DEVICE, REVOKED), policy="off") == "trusted"


def test_whoever_says_revoked_wins() -> None:
    assert asked(SUB.answer(DEVICE), SUB.crl(DEVICE)) == "certificate-revoked"
    assert asked(SUB.answer(DEVICE, REVOKED), SUB_LIST) == "certificate-revoked"
    assert asked(None, SUB_LIST) == "trusted"


def delegate(authority: Authority = SUB, *extensions: Any, **more: Any) -> tuple[x509.Certificate, Any]:
    key = p256()
    given_extensions = extensions or ((OCSP_SIGNER, False),)
    return authority.issue(key.public_key(), "responder", extensions=given_extensions, **more), key


def test_a_responder_speaks_by_the_authority_s_own_delegation_only() -> None:
    good = delegate()
    assert asked(SUB.answer(DEVICE, by=good, embedded=[good[0]])) == "trusted"
    assert asked(SUB.answer(DEVICE, by=good)) == "revocation-unknown"  # its certificate is not there
    for wrong in (
        delegate(ROOT),  # the authority above did not issue this device's certificate
        delegate(STRANGER),
        delegate(SUB, (SERVER, False)),
        delegate(SUB, (ANY_PURPOSE, False)),  # §4.2.2.2 wants id-kp-OCSPSigning: a device may have this
        delegate(SUB, uses("digital_signature")),  # no purpose stated: then it is no responder
        delegate(SUB, (OCSP_SIGNER, False), uses("key_agreement")),
        delegate(SUB, lifetime=(NOW - 9 * DAY, NOW - 1)),
    ):
        assert asked(SUB.answer(DEVICE, by=wrong, embedded=[wrong[0]])) == "revocation-unknown"
    device_as_responder = (DEVICE, KEY)
    assert asked(SUB.answer(DEVICE, by=device_as_responder, embedded=[DEVICE])) == "revocation-unknown"


def test_a_revoked_responder_is_not_believed() -> None:
    good = delegate()
    answer = SUB.answer(DEVICE, by=good, embedded=[good[0]])
    assert asked(answer, SUB.crl(good[0], next_update=NOW)) == "revocation-unknown"
    assert asked(answer, SUB.crl(next_update=NOW)) == "trusted"


def test_an_rsa_authority_s_words_count_as_well() -> None:
    root = Authority("RSA root", key=new_key("rsa"))
    device = root.issue(KEY.public_key())
    listed = read_issuer("rsa", anchors=pem(root.certificate), crls=[root.crl(device)])
    assert verdict(listed, device) == "certificate-revoked"
    asking = read_issuer(
        "rsa", anchors=pem(root.certificate), ocsp=URL, revocation=RevocationPolicy("required")
    )
    answers = {build_request(device, root.certificate): root.answer(device)}
    assert verdict(asking, device, ocsp=answers) == "trusted"
    forged = {build_request(device, root.certificate): root.answer(device)[:-1] + b"\0"}
    assert verdict(asking, device, ocsp=forged) == "revocation-unknown"


def test_an_ed25519_responder_is_not_understood() -> None:
    key = new_key("ed25519")
    signer = SUB.issue(key.public_key(), "responder", extensions=[(OCSP_SIGNER, False)])
    octets = SUB.answer(DEVICE, by=(signer, key), embedded=[signer])
    with pytest.raises(OcspAnswerUnusable):
        read_answer(octets, DEVICE, SUB.certificate, NOW)


def test_a_list_longer_than_any_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsm_gateway.provisioning.revocation_list.MAX_OCTETS", len(SUB_LIST) - 1)
    assert "longer than" in refused_list(SUB_LIST)


OTHER = SUB.issue(p256().public_key())
RESPONSES: dict[str, tuple[str, bytes]] = {
    "another certificate": ("other-certificate", SUB.answer(OTHER)),
    "same serial, another authority": (
        "other-certificate",
        ROOT.answer(ROOT.issue(KEY.public_key(), serial=DEVICE.serial_number), by=(SUB.certificate, SUB.key)),
    ),
    "a stranger of the authority's name": (
        "signature",
        SUB.answer(DEVICE, by=(NAMESAKE.certificate, NAMESAKE.key)),
    ),
    "the authority above": ("responder", SUB.answer(DEVICE, by=(ROOT.certificate, ROOT.key))),
    "out of date": ("out-of-date", SUB.answer(DEVICE, next_update=NOW)),
    "from tomorrow": ("out-of-date", SUB.answer(DEVICE, this_update=NOW + DAY, next_update=NOW + 2 * DAY)),
    "undated and old": ("out-of-date", SUB.answer(DEVICE, this_update=NOW - DAY, next_update=None)),
    "an unknown critical extension": (
        "extension",
        SUB.answer(
            DEVICE,
            extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), True)],
        ),
    ),
    "busy": ("refused", der(ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER))),
    "no answer at all": ("format", b"<html>"),
}


@pytest.mark.parametrize("what", RESPONSES)
def test_an_answer_that_proves_nothing_is_unusable(what: str) -> None:
    expected, octets = RESPONSES[what]
    with pytest.raises(OcspAnswerUnusable) as refused:
        read_answer(octets, DEVICE, SUB.certificate, NOW)
    assert refused.value.facts == {"reason": expected}
    assert asked(octets) == "revocation-unknown"


def test_an_answer_is_good_until_the_next_update() -> None:
    answer = read_answer(SUB.answer(DEVICE, next_update=NOW + 10), DEVICE, SUB.certificate, NOW + 9)
    assert (answer.standing, answer.good_until) == (Standing.GOOD, NOW + 10)
    undated = read_answer(SUB.answer(DEVICE, this_update=NOW, next_update=None), DEVICE, SUB.certificate, NOW)
    assert undated.good_until == NOW + 600


def test_no_answer_is_believed_for_longer_than_ten_days() -> None:
    far = SUB.answer(DEVICE, this_update=NOW - 9 * DAY, next_update=NOW + 365 * DAY)
    assert read_answer(far, DEVICE, SUB.certificate, NOW).good_until == NOW + DAY
    with pytest.raises(OcspAnswerUnusable) as refused:
        read_answer(far, DEVICE, SUB.certificate, NOW + DAY)
    assert refused.value.facts == {"reason": "out-of-date"}


GENUINE_ANSWER = SUB.answer(DEVICE)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GENUINE_ANSWER) - 1), st.integers(1, 255))
def test_an_altered_answer_is_refused_by_an_error_of_ours(at: int, flip: int) -> None:
    octets = bytearray(GENUINE_ANSWER)
    octets[at] ^= flip
    with pytest.raises(OcspAnswerUnusable):
        read_answer(bytes(octets), DEVICE, SUB.certificate, NOW)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(SUB_LIST) - 1), st.integers(1, 255))
def test_an_altered_list_is_refused_by_an_error_of_ours_or_says_the_same(at: int, flip: int) -> None:
    octets = bytearray(SUB_LIST)
    octets[at] ^= flip
    try:
        read = issuer(bytes(octets))
    except TsmError:
        return
    assert read.crls == issuer(SUB_LIST).crls  # unused bits of the signature's BIT STRING, outside of it
