"""What an operator may configure of an issuer, and what runs out of it when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.provisioning.authority import DAY, NOW, Authority, der, new_key, pem, uses
from tsm_gateway.provisioning.certificate_errors import IssuerUnusable
from tsm_gateway.provisioning.expiry import (
    ExpiringItem,
    Urgency,
    items_of_certificates,
    items_of_issuers,
    worst,
)
from tsm_gateway.provisioning.issuer import read_issuer
from tsm_gateway.provisioning.issuer_store import load_issuer
from tsm_gateway.provisioning.pki import host_names
from tsm_gateway.provisioning.pki_errors import PkiUnfit
from tsm_gateway.provisioning.pki_fitness import agent_subject, read_certificate, read_key, read_request
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

CA = (x509.BasicConstraints(ca=True, path_length=None), True)
ROOT = Authority()


def problem(**files: Any) -> str:
    with pytest.raises(IssuerUnusable) as refused:
        read_issuer("maker", **({"anchors": pem(ROOT.certificate)} | files))
    assert refused.value.facts == {"issuer": "maker"}
    return str(refused.value)


def test_anchors_come_in_pem_with_several_or_in_der_alone() -> None:
    both = pem(ROOT.certificate, Authority("Second").certificate)
    assert len(read_issuer("x", anchors=both).anchors) == 2
    assert read_issuer("x", anchors=der(ROOT.certificate)).anchors == (ROOT.certificate,)


@pytest.mark.parametrize(
    ("extensions", "key", "said"),
    [
        ((), "p256", "no authority's"),
        ([CA, uses("crl_sign")], "p256", "keyCertSign"),
        ([CA], "ed25519", "a key other than"),
        ([CA], "k256", "a key other than"),
        ([CA], "rsa1024", "weak key (rsa-size)"),
        ([CA], "rsa-e3", "weak key (rsa-exponent)"),
    ],
)
def test_who_cannot_issue_is_no_anchor(extensions: Any, key: str, said: str) -> None:
    authority = Authority("Odd", above=ROOT, key=new_key(key), extensions=extensions)
    assert said in problem(anchors=pem(authority.certificate))
    assert "intermediates" in problem(intermediates=pem(authority.certificate))


@pytest.mark.parametrize("key", ["p256", "p384", "rsa"])
def test_who_can_issue_is_an_anchor(key: str) -> None:
    assert read_issuer("x", anchors=pem(Authority(key=new_key(key)).certificate)).anchors


def test_too_many_certificates_are_refused() -> None:
    assert "more than 64" in problem(anchors=pem(ROOT.certificate) * 65)


def test_an_issuer_is_read_from_its_files(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(pem(ROOT.certificate))
    (tmp_path / "root.crl").write_bytes(ROOT.crl())
    issuer = load_issuer("maker", anchors=tmp_path / "root.pem", crls=[tmp_path / "root.crl"])
    assert (issuer.name, len(issuer.crls)) == ("maker", 1)
    with pytest.raises(IssuerUnusable, match="No such file"):
        load_issuer("maker", anchors=tmp_path / "root.pem", crls=[tmp_path / "other.crl"])


def test_everything_of_an_issuer_that_runs_out_is_listed() -> None:
    sub = Authority("Sub", above=ROOT, key=new_key("rsa"))
    crl = ROOT.crl(next_update=NOW + DAY)
    issuer = read_issuer(
        "maker", anchors=pem(ROOT.certificate), intermediates=pem(sub.certificate), crls=[crl]
    )
    items = items_of_issuers([issuer])
    assert [(each.owner, each.use, each.subject, each.key) for each in items] == [
        ("maker", "anchor", "CN=Root", "P-256"),
        ("maker", "intermediate", "CN=Sub", "RSA 2048"),
        ("maker", "crl", "CN=Root", ""),
    ]
    assert [each.not_after - NOW for each in items] == [1000 * DAY, 1000 * DAY, DAY]
    assert worst(items, NOW, 30) is Urgency.GOOD
    assert worst(items, NOW + 2 * DAY, 30) is Urgency.EXPIRED
    assert worst([], NOW, 30) is Urgency.GOOD


@pytest.mark.parametrize(
    ("use", "left_s", "urgency", "days"),
    [
        ("anchor", 31 * DAY, Urgency.GOOD, 31),
        ("anchor", 30 * DAY, Urgency.GOOD, 30),
        ("anchor", 30 * DAY - 1, Urgency.SOON, 29),
        ("anchor", 0, Urgency.SOON, 0),
        ("anchor", -1, Urgency.EXPIRED, -1),
        ("crl", 1, Urgency.GOOD, 0),  # due every few days by nature
        ("crl", -1, Urgency.EXPIRED, -1),
    ],
)
def test_what_is_urgent(use: str, left_s: int, urgency: Urgency, days: int) -> None:
    item = ExpiringItem("o", use, "s", "k", "f", NOW + left_s)
    assert (item.urgency(NOW, 30), item.days_left(NOW)) == (urgency, days)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("p256", "P-256"), ("p384", "P-384"), ("ed25519", "Ed25519"), ("x25519", "X25519"), ("rsa", "RSA 2048")],
)
def test_keys_are_called_what_people_call_them(kind: str, name: str) -> None:
    found = items_of_certificates("tsm", "x", der(ROOT.issue(new_key(kind).public_key())))
    assert found[0].key == name


@pytest.mark.parametrize(
    "names", [["tsm.example.org", "192.0.2.7", "2001:db8::1", "*.example.org", "localhost"]]
)
def test_hosts_are_names_and_addresses(names: list[str]) -> None:
    assert [str(each.value) for each in host_names(names)] == names


@pytest.mark.parametrize(
    "name",
    ["", ".", "a..b", "-a.example", "a-.example", "a_b", "a b", "*", "http://ocsp.example", "ü", "x" * 64],
)
def test_what_is_neither_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="neither a host name"):
        host_names([name])


def test_an_agent_has_one_printable_name() -> None:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    def request(*names: str) -> x509.CertificateSigningRequest:
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name) for name in names])
        return x509.CertificateSigningRequestBuilder().subject_name(subject).sign(new_key("p256"), SHA256())

    assert agent_subject(request("agent 7"), "t", b"").rfc4514_string() == "CN=agent 7,O=t"
    named = agent_subject(request("agent 7"), "t", bytes(range(8)))
    assert named.rfc4514_string() == "2.5.4.5=0001020304050607,CN=agent 7,O=t"
    for names in ((), ("a", "b"), (" ",), ("a\n",)):
        with pytest.raises(PkiUnfit):
            agent_subject(request(*names), "t", b"")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_no_octets_raise_anything_but_our_errors(octets: bytes) -> None:
    for read in (
        lambda: read_request(octets),
        lambda: read_certificate("x", octets),
        lambda: read_key("x", Secret(octets)),
        lambda: items_of_certificates("o", "u", octets),
    ):
        with pytest.raises(PkiUnfit):
            read()
