"""`pki init`, `status`, `renew`, `import` and `agent`; openssl judges what they made."""

from __future__ import annotations

import datetime as dt
import stat
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.provisioning.authority import CLIENT, DAY, SERVER, Authority, key_pem, new_key, p256, pem, uses
from tsm_gateway.provisioning import pki_store
from tsm_gateway.provisioning.pki import KEY_DELIVERY, Use
from tsm_gateway.provisioning.pki_file_store import MAX_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Result, Site

NAME = "tsm.example.org"
APP_SE = "00112233445566778899aabbccddeeff"
CA = (x509.BasicConstraints(ca=True, path_length=None), True)
SAN = (x509.SubjectAlternativeName([x509.DNSName(NAME)]), False)
DELIVERY = (x509.ExtendedKeyUsage([KEY_DELIVERY]), False)
DELIVERS_AND_SERVES = x509.ExtendedKeyUsage([KEY_DELIVERY, ExtendedKeyUsageOID.SERVER_AUTH])
ANY_PURPOSE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])


@pytest.fixture
def made(empty: Site) -> Site:
    """After `pki init`."""
    empty.done("pki", "init", "--name", NAME, "--name", "192.0.2.7")
    return empty


def files(site: Site) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((site.folder / "pki").iterdir())}


def certificate(site: Site, use: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((site.folder / "pki" / f"{use}.pem").read_bytes())


def verified(site: Site, anchor: str, use: str, *options: str) -> bool:
    """Whether openssl accepts a certificate, in its strictest reading of RFC 5280."""
    folder = site.folder / "pki"
    words = ["openssl", "verify", "-x509_strict", *options, "-CAfile", f"{anchor}.pem", f"{use}.pem"]
    return subprocess.run(words, cwd=folder, capture_output=True, check=False).returncode == 0


def state_of(result: Result, use: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = result.json
    return next(row for row in rows if row["use"] == use)


@pytest.fixture
def issued(tmp_path: Path) -> Any:
    """Files of a certificate issued elsewhere, now, and its key."""

    def write(
        above: Authority | None = None, *, key: Any = None, days: int = 30, **more: Any
    ) -> tuple[Path, Path]:
        now = int(time.time())
        key = key or p256()
        lifetime = (now - DAY, now + days * DAY)
        made = (above or fresh_root()).issue(key.public_key(), lifetime=lifetime, **more)
        paths = tmp_path / "given.pem", tmp_path / "given.key"
        paths[0].write_bytes(pem(made))
        paths[1].unlink(missing_ok=True)
        paths[1].touch(mode=0o600)
        paths[1].write_bytes(key_pem(key))
        return paths

    return write


def fresh_root(days: int = 900) -> Authority:
    now = int(time.time())
    return Authority("Own root", lifetime=(now - DAY, now + days * DAY))


def test_init_makes_everything_once(made: Site) -> None:
    before = files(made)
    assert set(before) == {f"{use.value}.{kind}" for use in Use for kind in ("pem", "key")}
    again = made.done("pki", "init", "--name", NAME)
    assert "nothing to do" in again.err
    assert files(made) == before


def test_private_keys_are_their_owner_s_alone_and_certificates_everybody_s(made: Site) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (made.folder / "pki").iterdir()}
    assert {mode for name, mode in modes.items() if name.endswith(".key")} == {0o600}
    assert {mode for name, mode in modes.items() if name.endswith(".pem")} == {0o644}


def test_init_needs_the_names_of_its_channels(empty: Site) -> None:
    assert empty("pki", "init").code == 2
    assert "--name" in empty("pki", "init").err
    for wrong in ("a b", "-x.example", "", "a" * 64 + ".example", "ä.example"):
        assert empty("pki", "init", "--name", wrong).code == 2
    assert not (empty.folder / "pki").exists()


def test_init_takes_up_what_broke_off(empty: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of channel 2 is there and its certificate not yet: the worst a kill can leave."""

    store, at = pki_store.PkiStore(empty.folder / "pki"), int(time.time())
    store.make(Use.ROOT, owner="t", at=at)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tsm_gateway.provisioning.pki_store.build_below_root", killed)
        with pytest.raises(KeyboardInterrupt):
            store.make(Use.CHANNEL_2, owner="t", at=at)
    left = files(empty)
    assert set(left) == {"root.pem", "root.key", "channel-2.key"}
    empty.done("pki", "init", "--name", NAME)
    assert {name: files(empty)[name] for name in left} == left
    assert empty.done("pki", "status").code == 0


def test_openssl_accepts_each_certificate_for_its_own_use_only(made: Site) -> None:
    assert verified(made, "root", "channel-1", "-purpose", "sslserver", "-verify_hostname", NAME)
    assert verified(made, "root", "channel-2", "-purpose", "sslserver", "-verify_ip", "192.0.2.7")
    assert verified(made, "root", "key-delivery", "-purpose", "any")
    assert not verified(made, "root", "channel-1", "-verify_hostname", "other.example.org")
    assert not verified(made, "root", "channel-1", "-purpose", "sslclient")
    assert not verified(made, "root", "key-delivery", "-purpose", "sslserver")
    assert not verified(made, "agents", "channel-1")
    assert not verified(made, "root", "agents")


def test_only_the_key_delivery_certificate_states_that_purpose(made: Site) -> None:
    def states(use: str) -> bool:
        found = certificate(made, use).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        return KEY_DELIVERY in found

    assert {use for use in ("key-delivery", "channel-1", "channel-2", "agents") if states(use)} == {
        "key-delivery"
    }
    uuid = "2.25.5279910222826087297256029102353267540"
    assert KEY_DELIVERY.dotted_string == uuid


def test_authorities_issue_no_further_authorities(made: Site) -> None:
    for use in ("root", "agents"):
        stated = certificate(made, use).extensions.get_extension_for_class(x509.BasicConstraints).value
        assert (stated.ca, stated.path_length) == (True, 0)


def test_an_agent_s_certificate_is_a_client_s_without_any_host(made: Site) -> None:
    request = made.folder / "a.csr"
    words = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    more = ["-keyout", "a.key", "-out", "a.csr", "-subj", "/O=other/CN=agent-7"]
    names = ["-addext", "subjectAltName=DNS:evil.example"]
    subprocess.run([*words, *more, *names], cwd=made.folder, check=True, capture_output=True)
    result = made.done("pki", "agent", "--csr", request, "--app-se", APP_SE, "-o", "json")
    assert result.one("subject") == f"serialNumber={APP_SE},CN=agent-7,O=t"
    (made.folder / "a.pem").rename(made.folder / "pki" / "agent.pem")
    assert verified(made, "agents", "agent", "-purpose", "sslclient")
    assert not verified(made, "agents", "agent", "-purpose", "sslserver")
    assert not verified(made, "root", "agent", "-purpose", "sslclient")
    found = certificate(made, "agent")
    with pytest.raises(x509.ExtensionNotFound):
        found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    made.done("pki", "agent", "--csr", request, "--app-se", APP_SE)
    assert made("pki", "agent", "--csr", request, "--app-se", APP_SE).code == 6, "never overwritten"


def test_a_request_that_is_not_there_is_the_agent_s_to_make(made: Site) -> None:
    result = made("pki", "agent", "--csr", made.folder / "nix.csr", "--app-se", APP_SE)
    assert (result.code, "the agent makes it" in result.err, "pki init" in result.err) == (2, True, False)


@pytest.mark.parametrize("kind", ["rsa1024", "k256", "x", "long", "altered"])
def test_a_request_that_is_not_good_is_refused(made: Site, kind: str) -> None:
    request = made.folder / "a.csr"
    if kind in {"x", "long"}:
        request.write_bytes(b"x" * (1 if kind == "x" else 20_000))
    else:
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
        built = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(subject)
            .sign(p256() if kind == "altered" else new_key(kind), SHA256())
        )
        octets = built.public_bytes(Encoding.DER)
        request.write_bytes(octets.replace(b"\x0c\x01a", b"\x0c\x01b") if kind == "altered" else octets)
    assert made("pki", "agent", "--csr", request, "--app-se", APP_SE).code == 2
    assert not (made.folder / "a.pem").exists()


def test_status_shows_every_certificate_with_its_end(made: Site) -> None:
    result = made.done("pki", "status", "-o", "json")
    rows = {row["use"]: row for row in result.json}
    assert list(rows) == [use.value for use in Use]
    assert {(row["owner"], row["key"], row["state"]) for row in result.json} == {("tsm", "P-256", "good")}
    assert rows["channel-1"]["days"] in {396, 397}
    assert rows["root"]["fingerprint"] == certificate(made, "root").fingerprint(SHA256()).hex()


def test_status_without_anything_says_how_to_begin(empty: Site) -> None:
    result = empty.done("pki", "status")
    assert (result.out, "pki init" in result.err) == ("", True)


@pytest.mark.parametrize(("days", "code", "state"), [(400, 0, "good"), (20, 3, "expires soon")])
def test_status_is_degraded_when_something_ends_soon(
    made: Site, issued: Any, days: int, code: int, state: str
) -> None:
    given = imported_channel(made, issued, days)
    assert given.code == 0, given
    result = made("pki", "status", "-o", "json")
    assert (result.code, state_of(result, "channel-1")["state"]) == (code, state)


def imported_channel(site: Site, issued: Any, days: int) -> Result:
    """A channel's certificate by the root that `init` made, as an operator's own tools would issue it."""
    folder = site.folder / "pki"
    root = fresh_root()
    root.key = load_pem_private_key((folder / "root.key").read_bytes(), None)
    root.certificate = certificate(site, "root")
    root.subject = root.certificate.subject
    paths = issued(root, days=days, extensions=[SAN, (SERVER, False), uses("digital_signature")])
    return site("pki", "import", "channel-1", "--certificate", paths[0], "--key", paths[1])


def test_status_fails_when_something_has_ended(made: Site) -> None:
    folder = made.folder / "pki"
    for name in ("channel-1.pem", "channel-1.key"):
        (folder / name).unlink()
    long_ago = int(dt.datetime(2020, 1, 1, tzinfo=dt.UTC).timestamp())
    store = pki_store.PkiStore(folder)
    store.make(Use.CHANNEL_1, owner="t", at=long_ago)
    result = made("pki", "status", "-o", "json")
    assert (result.code, state_of(result, "channel-1")["state"]) == (1, "expired")
    assert state_of(result, "channel-1")["days"] < -1000


def test_status_finds_a_key_that_does_not_fit(made: Site) -> None:
    folder = made.folder / "pki"
    (folder / "channel-1.key").write_bytes((folder / "channel-2.key").read_bytes())
    result = made("pki", "status", "-o", "json")
    assert result.code == 1
    assert "do not belong together" in state_of(result, "channel-1")["state"]
    (folder / "channel-1.key").unlink()
    assert state_of(made("pki", "status", "-o", "json"), "channel-1")["state"] == "its key is missing"


def test_keys_of_authorities_may_be_kept_elsewhere(made: Site) -> None:
    folder = made.folder / "pki"
    for use in ("root", "agents"):
        (folder / f"{use}.key").unlink()
    result = made.done("pki", "status", "-o", "json")
    assert state_of(result, "root")["state"] == "good, key kept elsewhere"
    assert made("pki", "renew", "channel-1").code == 4


@pytest.mark.parametrize(
    ("use", "keeps"), [("channel-1", False), ("key-delivery", True), ("root", True), ("agents", True)]
)
def test_renewal_keeps_the_old_files_beside(made: Site, use: str, *, keeps: bool) -> None:
    before, old = files(made), certificate(made, use)
    made.done("pki", "renew", use)
    after, new = files(made), certificate(made, use)
    assert after[f"{use}.pem.old"] == before[f"{use}.pem"] != after[f"{use}.pem"]
    assert (before[f"{use}.key"] == after[f"{use}.key"]) is keeps
    assert ("key.old" in str(after)) is not keeps or after[f"{use}.key.old"] == before[f"{use}.key"]
    assert (new.subject, new.serial_number == old.serial_number) == (old.subject, False)
    assert made.done("pki", "status").code == 0
    assert verified(made, "root", "channel-1", "-purpose", "sslserver", "-verify_hostname", NAME)
    assert verified(made, "root", "key-delivery")
    assert not [name for name in after if name.endswith(".new")]


def test_renewal_of_key_delivery_says_how_devices_learn_of_it(made: Site) -> None:
    assert "they pin the root" in made.done("pki", "renew", "key-delivery").err
    assert "device rekey" in made.done("pki", "renew", "key-delivery", "--new-key").err


def test_renewal_gives_a_channel_other_names(made: Site) -> None:
    made.done("pki", "renew", "channel-1", "--name", "new.example.org")
    assert verified(made, "root", "channel-1", "-verify_hostname", "new.example.org")
    assert not verified(made, "root", "channel-1", "-verify_hostname", NAME)
    assert made("pki", "renew", "root", "--name", NAME).code == 2
    assert made("pki", "renew", "root", "--new-key").code == 2


def test_two_changes_at_a_time_do_not_meet(made: Site) -> None:
    (made.folder / "pki" / "channel-1.pem.new").touch()
    before = files(made)
    assert made("pki", "renew", "channel-1").code == 6
    assert files(made) == before


def test_an_imported_root_without_key_goes_with_imported_certificates(empty: Site, issued: Any) -> None:
    root = fresh_root()
    given = empty.folder / "root.pem"
    given.write_bytes(pem(root.certificate))
    empty.done("pki", "import", "root", "--certificate", given)
    assert empty("pki", "init", "--name", NAME).code == 4, "the root's key is elsewhere"
    for use, extensions in (
        ("channel-1", [SAN, (SERVER, False)]),
        ("key-delivery", [uses("digital_signature"), DELIVERY]),
    ):
        paths = issued(root, extensions=extensions, days=100)
        empty.done("pki", "import", use, "--certificate", paths[0], "--key", paths[1])
        assert certificate(empty, use).issuer == root.subject
    assert empty.done("pki", "status").code == 0
    assert empty("pki", "renew", "channel-1").code == 4


UNFIT: dict[str, tuple[str, dict[str, Any]]] = {
    "expired": ("key-delivery", {"days": -0.5, "extensions": [DELIVERY]}),
    "may not sign": ("key-delivery", {"extensions": [uses("key_agreement"), DELIVERY]}),
    "a server's": ("key-delivery", {"extensions": [(SERVER, False)]}),
    "a server's as well": ("key-delivery", {"extensions": [(DELIVERS_AND_SERVES, False)]}),
    "for anything": ("key-delivery", {"extensions": [uses("digital_signature")]}),
    "for any purpose": ("key-delivery", {"extensions": [(ANY_PURPOSE, False)]}),
    "an authority's": ("key-delivery", {"extensions": [CA, DELIVERY]}),
    "RSA": ("key-delivery", {"key": "rsa", "extensions": [DELIVERY]}),
    "a weak key": ("channel-1", {"extensions": [SAN], "key": "rsa-e3"}),
    "an unusual curve": ("channel-1", {"extensions": [SAN], "key": "p384"}),
    "no host names": ("channel-1", {"extensions": [(SERVER, False)]}),
    "a client's": ("channel-1", {"extensions": [SAN, (CLIENT, False)]}),
    "no authority": ("root", {}),
    "may not issue": ("agents", {"extensions": [CA, uses("digital_signature")]}),
}


@pytest.mark.parametrize("what", UNFIT)
def test_what_cannot_serve_is_not_imported(empty: Site, issued: Any, what: str) -> None:
    use, options = UNFIT[what]
    if isinstance(options.get("key"), str):
        options = options | {"key": new_key(options["key"])}
    paths = issued(**options)
    result = empty("pki", "import", use, "--certificate", paths[0], "--key", paths[1])
    assert (result.code, "pki-unfit" in result.err) == (2, True), result
    assert not (empty.folder / "pki").exists()


def test_a_file_too_long_to_be_read_whole_is_not_taken_by_its_beginning(empty: Site, issued: Any) -> None:
    certificate, key = issued(extensions=[SAN])
    certificate.write_bytes(certificate.read_bytes() + b"\n" * MAX_FILE)
    result = empty("pki", "import", "channel-1", "--certificate", certificate, "--key", key)
    assert (result.code, "is longer than" in result.err) == (2, True), result
    assert not (empty.folder / "pki").exists()


def test_one_key_does_not_serve_two_uses(empty: Site, issued: Any) -> None:
    root, key = fresh_root(), p256()
    first = issued(root, key=key, extensions=[SAN, (SERVER, False)])
    empty.done("pki", "import", "channel-1", "--certificate", first[0], "--key", first[1])
    second = issued(root, key=key, extensions=[DELIVERY])
    result = empty("pki", "import", "key-delivery", "--certificate", second[0], "--key", second[1])
    assert (result.code, "a key of its own" in result.err) == (2, True), result


def test_a_certificate_the_pinned_root_did_not_issue_is_not_imported(made: Site, issued: Any) -> None:
    before = files(made)
    paths = issued(extensions=[SAN])
    result = made("pki", "import", "channel-1", "--certificate", paths[0], "--key", paths[1])
    assert (result.code, "root.pem" in result.err) == (2, True)
    assert files(made) == before


def test_a_key_of_another_certificate_or_open_to_others_is_not_imported(empty: Site, issued: Any) -> None:
    paths = issued(extensions=[SAN])
    own = paths[1].read_bytes()
    paths[1].write_bytes(key_pem(p256()))
    words = ("pki", "import", "channel-1", "--certificate", paths[0], "--key", paths[1])
    assert "do not belong together" in empty(*words).err
    paths[1].write_bytes(own)
    paths[1].chmod(0o640)
    assert (empty(*words).code, "pki-file-exposed" in empty(*words).err) == (5, True)
    paths[1].chmod(0o600)
    empty.done(*words)
    assert empty("pki", "import", "channel-1", "--certificate", paths[0]).code == 2


def test_without_a_configuration_the_owner_is_named(empty: Site) -> None:
    nowhere = empty.folder / "no" / "gateway.toml"
    folder = empty.folder / "elsewhere"
    assert empty("pki", "init", "--name", NAME, "--dir", folder, config=nowhere).code == 2
    assert empty("pki", "init", "--name", NAME, "--dir", folder, "--owner", "x", config=nowhere).code == 0
    assert empty("pki", "status", "--dir", folder, config=nowhere).code == 0


PROVISIONING = """
[provisioning]
certificate = "{folder}/pki/channel-1.pem"
key = "file:{folder}/pki/channel-1.key"
key_delivery_certificate = "{folder}/pki/key-delivery.pem"
key_delivery_key = "file:{folder}/pki/key-delivery.key"
expiry_warning_days = {days}
[[provisioning.issuer]]
name = "maker"
anchors = "{folder}/maker.pem"
crls = ["{folder}/maker.crl"]
"""


def with_issuer(site: Site, *, root_days: int, crl_days: float, warning: int = 30) -> None:
    now = int(time.time())
    root = fresh_root(root_days)
    (site.folder / "maker.pem").write_bytes(pem(root.certificate))
    crl = root.crl(this_update=now - DAY, next_update=now + int(crl_days * DAY))
    (site.folder / "maker.crl").write_bytes(crl)
    text = site.config.read_text("utf-8").partition("[provisioning]")[0]
    site.config.write_text(text + PROVISIONING.format(folder=site.folder, days=warning), "utf-8")


@pytest.mark.parametrize(
    ("root_days", "crl_days", "warning", "code", "states"),
    [
        (900, 2, 30, 0, ["good", "good"]),
        (20, 2, 30, 3, ["expires soon", "good"]),
        (20, 2, 10, 0, ["good", "good"]),
        (900, -0.5, 30, 1, ["good", "out of date"]),
    ],
)
def test_status_shows_the_issuers_too(
    made: Site, root_days: int, crl_days: float, warning: int, code: int, states: list[str]
) -> None:
    with_issuer(made, root_days=root_days, crl_days=crl_days, warning=warning)
    result = made("pki", "status", "-o", "json")
    theirs = [row for row in result.json if row["owner"] == "maker"]
    assert [(row["use"], row["state"]) for row in theirs] == [*zip(["anchor", "crl"], states, strict=True)]
    assert (result.code, len(result.json)) == (code, 8)


def test_status_says_what_is_wrong_with_an_issuer(made: Site) -> None:
    with_issuer(made, root_days=900, crl_days=1)
    (made.folder / "maker.crl").write_bytes(fresh_root().crl())
    result = made("pki", "status", "-o", "json")
    assert (result.code, result.json[-1]["owner"]) == (1, "maker")
    assert "signed it" in result.json[-1]["state"]


def test_what_the_configuration_names_elsewhere_is_shown_once(made: Site, tmp_path: Path) -> None:
    with_issuer(made, root_days=900, crl_days=1)
    other = tmp_path / "other.pem"
    root = fresh_root()
    other.write_bytes(pem(root.certificate))
    text = made.config.read_text("utf-8").replace(f'"{made.folder}/pki/key-delivery.pem"', f'"{other}"')
    made.config.write_text(text, "utf-8")
    rows = made("pki", "status", "-o", "json").json
    assert [row["use"] for row in rows].count("key-delivery") == 2
    spki = (
        certificate(made, "root").public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    assert spki not in other.read_bytes()
