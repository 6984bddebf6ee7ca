"""`application`: publish, sign and retire versions; say who is to have them; see where they stand."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.cli.deliveries import (
    FIRST,
    PAY,
    SECOND,
    assign,
    audited,
    cap_file,
    configure,
    loaded,
    publish,
)
from tests.cli.life import D, device_id, put, store_of
from tsm_gateway.cli.application_key import (
    ApplicationKeyMismatch,
    Signing,
    earlier_certificate,
    present_certificate,
)
from tsm_gateway.cli.application_words import span
from tsm_gateway.provisioning.cap_file import read_cap
from tsm_gateway.provisioning.signing import (
    FileSigner,
    application_key,
    is_signed,
    key_id_of,
    verify_signature,
)
from tsm_gateway.registry.application import InstallState, Rule, Scope, Version
from tsm_gateway.registry.job import JobKind
from tsm_gateway.store.delivery_rows import application_row, load_file_row, signature_row
from tsm_gateway.store.delivery_statements import INSERT_APPLICATION, INSERT_LOAD_FILE, PUT_SIGNATURE
from tsm_gateway.virtual.cap_writer import APPLET_AID, PACKAGE_AID, payment_cap, payment_load_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Site
    from tsm_gateway.registry.application import ApplicationSignature

DEVICE = device_id(1)
LOST = "with all that it keeps on the card"


@pytest.fixture
def shop(site: Site) -> Site:
    """A site with channel 2 configured."""
    configure(site)
    return site


def rules_of(site: Site) -> list[Rule]:
    with store_of(site) as store:
        return store.delivery.rules()


def new_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> Path:
    octets = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.touch(mode=0o600)
    path.write_bytes(octets)
    return path


# --- publish ---


def test_what_is_published_is_what_the_card_takes_and_is_signed_by_the_certificates_key(shop: Site) -> None:
    told = publish(shop)
    load_file = payment_load_file(payment_cap(3000))
    with store_of(shop) as store:
        (found,) = store.delivery.applications()
        assert store.delivery.load_file(found.digest) == load_file
        (signature,) = store.delivery.signatures(found.digest)
    key = application_key(present_certificate(shop.config).public_key())
    verify_signature(key, found.digest, signature.signature)
    assert (found.name, found.version, found.size, found.provider) == (PAY, FIRST, 3000, "")
    assert told["package_aid"] == PACKAGE_AID.hex().upper()
    assert told["applet_aids"] == [APPLET_AID.hex().upper()]
    assert (told["size"], told["blocks"], told["java_card"]) == (3000, 13, "3.0.5")
    assert (told["digest"], told["key_id"]) == (found.digest.hex(), signature.key_id.hex())
    (entry,) = audited(shop, "application.publish")
    assert (entry.subject, entry.outcome) == (PAY, "done")


def test_the_descriptor_stays_out_where_it_is_not_wanted(shop: Site) -> None:
    told = publish(shop, FIRST, "--without-descriptor")
    assert "Descriptor" in told["left_out"]
    with store_of(shop) as store:
        (found,) = store.delivery.applications()
        octets = store.delivery.load_file(found.digest)
    assert octets == payment_load_file(payment_cap(3000), descriptor=False)


def test_a_first_version_asks_for_a_rule_and_a_later_one_tells_what_an_upgrade_costs(shop: Site) -> None:
    shop.add_provider()
    options = ("--name", PAY, "--provider", "shop")
    first = shop.done("application", "publish", cap_file(shop), *options, "--version", "1.0.0")
    assert f"application assign {PAY} --all" in first.err
    assert LOST not in first.err
    assert "without parameters" not in first.err
    shop.done("application", "assign", PAY, "--all")
    second = cap_file(shop, version=(1, 1))
    told = shop.done("application", "publish", second, *options, "--version", "1.1.0").err
    assert LOST in told
    assert "within 24 hours (poll_s) at the latest" in told
    third = cap_file(shop, version=(1, 2))
    told = shop.done("application", "publish", third, *options, "--version", "0.9.0").err
    assert "1.1.0 is published already" in told


def test_one_without_a_provider_says_that_it_gets_no_parameters(shop: Site) -> None:
    result = shop.done("application", "publish", cap_file(shop), "--name", PAY, "--version", "1.0.0")
    assert "installed without parameters" in result.err


def test_one_too_large_for_long_macs_says_so_and_one_too_large_for_all_is_refused(shop: Site) -> None:
    options = ("--name", PAY, "--version", "1.0.0")
    assert "16-octet MACs" in shop.done("application", "publish", cap_file(shop, 57_000), *options).err
    large = cap_file(shop, 62_000, package_aid=b"\xf0large", applet_aids=(b"\xf0large\x01",))
    result = shop("application", "publish", large, "--name", "big", "--version", "1.0.0")
    assert (result.code, "[load-file-too-large]" in result.err) == (2, True)
    (*_, last) = audited(shop, "application.publish")
    assert (last.subject, last.outcome, last.reason) == ("big", "refused", "load-file-too-large")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("Pay", "1.0.0"),
        ("4915550001167", "1.0.0"),
        ("", "1.0.0"),
        ("p" * 33, "1.0.0"),
        (PAY, "1.0"),
        (PAY, "01.0.0"),
        (PAY, "1.0.0-rc1"),
        (PAY, "1.0.1000000"),
    ],
)
def test_names_and_versions_have_one_spelling(shop: Site, name: str, version: str) -> None:
    result = shop("application", "publish", cap_file(shop), "--name", name, "--version", version)
    assert result.code == 2
    assert audited(shop, "application.publish") == []


def test_what_is_no_cap_file_is_refused_in_words(shop: Site) -> None:
    path = shop.folder / "no.cap"
    options = ("--name", PAY, "--version", "1.0.0")
    assert shop("application", "publish", path, *options).code == 2
    path.write_bytes(b"PK\x03\x04 and then nothing")
    result = shop("application", "publish", path, *options)
    assert (result.code, "[cap-malformed]" in result.err) == (2, True)
    path.write_bytes(bytes(2 * 1024 * 1024 + 1))
    assert "more than 2097152 octets" in shop("application", "publish", path, *options).err


def test_the_very_same_publication_again_is_nothing_to_do(shop: Site) -> None:
    told = publish(shop)
    options = ("--name", PAY, "--version", FIRST, "-o", "json")
    again = shop.done("application", "publish", cap_file(shop), *options)
    assert (again.json, "nothing to do" in again.err) == (told, True)
    assert [each.outcome for each in audited(shop, "application.publish")] == ["done"]


def test_the_same_version_or_the_same_load_file_is_not_published_twice(shop: Site) -> None:
    publish(shop)
    result = shop("application", "publish", cap_file(shop), "--name", PAY, "--version", "4.0.0")
    assert (result.code, "[already-known]" in result.err) == (6, True)
    assert f"published already, as {PAY} 1.0.0 (published, provider none)" in result.err
    other = cap_file(shop, version=(1, 7))
    result = shop("application", "publish", other, "--name", PAY, "--version", FIRST)
    assert (result.code, "[already-known]" in result.err) == (6, True)
    assert [each.outcome for each in audited(shop, "application.publish")] == ["done", "refused", "refused"]


def test_the_same_again_is_refused_when_it_is_not_in_use_as_it_is(shop: Site) -> None:
    publish(shop)
    shop.add_provider()
    options = ("application", "publish", cap_file(shop), "--name", PAY, "--version", FIRST)
    assert shop(*options, "--provider", "shop").code == 6
    shop.done("pki", "renew", "application-signing", "--new-key")
    result = shop(*options)
    assert (result.code, f"`application sign {PAY} --version 1.0.0 --cap FILE`" in result.err) == (6, True)
    shop.done("application", "sign", PAY)
    assert "nothing to do" in shop.done(*options).err
    shop.done("application", "retire", PAY, "--version", FIRST)
    result = shop(*options)
    assert (result.code, "1.0.0 (retired" in result.err) == (6, True)


@pytest.mark.parametrize(
    "kind",
    [
        {"package_aid": PACKAGE_AID},
        {"package_aid": PACKAGE_AID + b"\x09", "applet_aids": (APPLET_AID,)},
        {"package_aid": APPLET_AID, "applet_aids": (APPLET_AID + b"\x01",)},
    ],
)
def test_an_aid_of_another_application_is_refused(shop: Site, kind: dict[str, Any]) -> None:
    publish(shop)
    cap = cap_file(shop, 4000, **kind)
    result = shop("application", "publish", cap, "--name", "other", "--version", "1.0.0")
    assert (result.code, "[already-known]" in result.err, f"name={PAY}" in result.err) == (6, True, True)


def test_its_provider_has_to_be_known_and_not_retired(shop: Site) -> None:
    options = ("--name", PAY, "--version", "1.0.0", "--provider", "shop")
    result = shop("application", "publish", cap_file(shop), *options)
    assert (result.code, "what=provider" in result.err) == (4, True)
    shop.add_provider()
    shop.done("provider", "retire", "shop")
    result = shop("application", "publish", cap_file(shop), *options)
    assert (result.code, "[move-not-allowed]" in result.err) == (6, True)


# --- the key ---


def test_another_key_than_the_certificates_signs_nothing(shop: Site) -> None:
    strange = new_key(shop.folder / "strange.key", ec.generate_private_key(ec.SECP256R1()))
    options = ("--name", PAY, "--version", "1.0.0", "--key", strange)
    result = shop("application", "publish", cap_file(shop), *options)
    assert (result.code, "[application-key-mismatch]" in result.err) == (2, True)
    assert not (shop.folder / "gateway.db").exists() or audited(shop, "application.publish") == []


def test_a_key_of_a_kind_that_cards_do_not_verify_is_refused(shop: Site) -> None:
    long = new_key(shop.folder / "long.key", rsa.generate_private_key(65537, 3072))
    options = ("--name", PAY, "--version", "1.0.0", "--key", long)
    result = shop("application", "publish", cap_file(shop), *options)
    assert (result.code, "[application-key-unfit]" in result.err) == (2, True)


def test_a_key_kept_elsewhere_is_named_and_may_come_as_a_credential(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = shop.folder / "pki" / "application-signing.key"
    safe = shop.folder / "safe"
    safe.mkdir(mode=0o700)
    key.rename(safe / "signing")
    options = ("--name", PAY, "--version")
    result = shop("application", "publish", cap_file(shop), *options, "1.0.0")
    assert (result.code, "[pki-file-missing]" in result.err) == (4, True)
    shop.done("application", "publish", cap_file(shop), *options, "1.0.0", "--key", safe / "signing")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(safe))
    second = cap_file(shop, version=(1, 1))
    shop.done("application", "publish", second, *options, "1.1.0", "--key", "credential:signing")


def test_a_key_others_may_read_is_refused(shop: Site) -> None:
    (shop.folder / "pki" / "application-signing.key").chmod(0o640)
    result = shop("application", "publish", cap_file(shop), "--name", PAY, "--version", "1.0.0")
    assert (result.code, "[pki-file-exposed]" in result.err) == (5, True)


def test_the_certificate_of_the_configuration_decides(shop: Site) -> None:
    publish(shop)
    shop.done("pki", "renew", "application-signing", "--new-key")
    pki = shop.folder / "pki"
    old = pki / "application-signing.pem.old"
    (pki / "kept.pem").write_bytes(old.read_bytes())
    text = shop.config.read_text("utf-8")
    shop.config.write_text(text.replace(f"{pki}/application-signing.pem", f"{pki}/kept.pem"), "utf-8")
    result = shop("application", "sign", PAY)
    assert (result.code, "[application-key-mismatch]" in result.err) == (2, True)


def test_signing_pairs_a_signer_with_its_own_certificate_only(shop: Site) -> None:
    signer = FileSigner(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(ApplicationKeyMismatch):
        Signing.of(signer, present_certificate(shop.config))


# --- sign ---


def test_after_a_new_key_everything_is_signed_anew_once(shop: Site) -> None:
    publish(shop)
    publish(shop, SECOND)
    shop.done("application", "retire", PAY, "--version", FIRST)
    shop.done("pki", "renew", "application-signing", "--new-key")
    shown = shop.done("application", "show", PAY, "-o", "json").json
    assert [each["by_present_key"] for each in shown["signatures"]] == [False]
    rows = shop.done("application", "sign", "--all", "-o", "json").json
    assert [(row["version"], row["signed"]) for row in rows] == [("1.1.0", True)], "retired ones are left"
    shown = shop.done("application", "show", PAY, "-o", "json").json
    assert sorted(each["by_present_key"] for each in shown["signatures"]) == [False, True]
    again = shop.done("application", "sign", "--all", "-o", "json")
    assert ([row["signed"] for row in again.json], "nothing to do" in again.err) == ([False], True)
    assert [each.outcome for each in audited(shop, "application.sign")] == ["done"]


def test_progress_is_told_of_several_and_a_version_may_be_named(shop: Site) -> None:
    publish(shop)
    publish(shop, SECOND)
    shop.done("pki", "renew", "application-signing", "--new-key")
    one = shop.done("application", "sign", PAY, "--version", FIRST)
    assert "1 of" not in one.err
    assert "2 of 2: pay 1.0.0" in shop.done("application", "sign", "--all").err


@pytest.mark.parametrize("arguments", [(), (PAY, "--all"), ("--all", "--version", "1.0.0")])
def test_what_is_to_be_signed_is_said_once(shop: Site, arguments: tuple[str, ...]) -> None:
    publish(shop)
    assert shop("application", "sign", *arguments).code == 2


def test_octets_that_are_not_those_published_are_not_signed(shop: Site) -> None:
    publish(shop)
    with store_of(shop) as store:
        (found,) = store.delivery.applications()
    shop.done("pki", "renew", "application-signing", "--new-key")
    other = payment_load_file(payment_cap(3000, (1, 7)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tsm_gateway.store.delivery_read_store.DeliveryReads.load_file", lambda *_: other)
        result = shop("application", "sign", PAY)
    assert (result.code, "[application-not-authentic]" in result.err) == (1, True)
    with store_of(shop) as store:
        assert len(store.delivery.signatures(found.digest)) == 1
    assert audited(shop, "application.sign")[-1].outcome == "refused"


def planted(site: Site) -> None:
    """A load file that nobody published, in a database that somebody else may write."""
    cap = read_cap(payment_cap(3000, (9, 9)))
    with store_of(site) as store:
        (found,) = store.delivery.applications()
    forged = found._replace(version=Version(9, 9, 9), digest=cap.digest, package_version=(9, 9))
    with closing(sqlite3.connect(site.folder / "gateway.db", isolation_level=None)) as other:
        other.execute(INSERT_LOAD_FILE, load_file_row(cap.digest, cap.load_file))
        other.execute(INSERT_APPLICATION, application_row(forged))


def signatures_of(site: Site, version: Version = FIRST) -> list[ApplicationSignature]:
    with store_of(site) as store:
        found = store.delivery.application(PAY, version)
        assert found is not None
        return store.delivery.signatures(found.digest)


def test_what_nobody_published_is_not_signed_and_keeps_nothing_else_from_being_signed(shop: Site) -> None:
    publish(shop)
    planted(shop)
    shop.done("pki", "renew", "application-signing", "--new-key")
    for arguments in (("--all",), (PAY,), (PAY, "--version", "9.9.9")):
        result = shop("application", "sign", *arguments)
        assert (result.code, "[application-origin-unknown]" in result.err) == (1, True), arguments
        assert f"application sign {PAY} --version 9.9.9 --cap FILE" in result.err
    assert signatures_of(shop, Version(9, 9, 9)) == []
    assert len(signatures_of(shop)) == 2
    assert [each.outcome for each in audited(shop, "application.sign")].count("done") == 1


def test_the_cap_file_shows_where_a_version_is_from(shop: Site) -> None:
    publish(shop, FIRST, "--without-descriptor")
    pki = shop.folder / "pki"
    for _ in range(2):
        shop.done("pki", "renew", "application-signing", "--new-key")
    assert shop("application", "sign", PAY).code == 1, "the key before the last is not at hand"
    options = ("application", "sign", PAY, "--version", FIRST)
    result = shop(*options, "--cap", cap_file(shop, version=(1, 1)))
    assert (result.code, "[cap-not-published]" in result.err) == (1, True)
    shop.done(*options, "--cap", cap_file(shop))
    assert len(signatures_of(shop)) == 2
    assert shop(*options, "--cap", cap_file(shop), "--signed-by", pki / "application-signing.pem").code == 2
    assert shop("application", "sign", "--all", "--cap", cap_file(shop)).code == 2


def test_an_older_certificate_may_be_named(shop: Site) -> None:
    publish(shop)
    pki = shop.folder / "pki"
    first = shop.folder / "first.pem"
    first.write_bytes((pki / "application-signing.pem").read_bytes())
    for _ in range(2):
        shop.done("pki", "renew", "application-signing", "--new-key")
    result = shop("application", "sign", PAY, "--signed-by", pki / "key-delivery.pem")
    assert (result.code, "[pki-unfit]" in result.err) == (2, True), result.err
    shop.done("application", "sign", PAY, "--signed-by", first)
    assert len(signatures_of(shop)) == 2


def test_an_earlier_key_adds_its_signature_for_cards_that_verify_with_it(shop: Site) -> None:
    publish(shop)
    pki = shop.folder / "pki"
    shop.done("pki", "renew", "application-signing", "--new-key")
    publish(shop, SECOND)
    old, certificate = pki / "application-signing.key.old", pki / "application-signing.pem.old"
    options = ("application", "sign", PAY, "--version", SECOND, "--also-for", certificate)
    assert shop(*options).code == 2, "the present key is not that certificate's"
    result = shop(*options, "--key", pki / "application-signing.key")
    assert (result.code, "[application-key-mismatch]" in result.err) == (2, True)
    told = shop.done(*options, "--key", old)
    assert "application retry" in told.err
    earlier = application_key(earlier_certificate(certificate).public_key())
    present = application_key(present_certificate(shop.config).public_key())
    stored = signatures_of(shop, SECOND)
    assert all(is_signed(key, stored[0].digest, stored) for key in (earlier, present))
    assert "nothing to do" in shop.done(*options, "--key", old).err
    assert len(audited(shop, "application.sign")) == 1


def test_an_earlier_key_signs_nothing_that_nobody_published(shop: Site) -> None:
    publish(shop)
    planted(shop)
    pki = shop.folder / "pki"
    shop.done("pki", "renew", "application-signing", "--new-key")
    keys = ("--key", pki / "application-signing.key.old", "--also-for", pki / "application-signing.pem.old")
    result = shop("application", "sign", "--all", *keys)
    assert (result.code, "[application-origin-unknown]" in result.err) == (1, True)
    assert signatures_of(shop, Version(9, 9, 9)) == []
    result = shop("application", "sign", PAY, "--key", keys[1], "--also-for", pki / "key-delivery.pem")
    assert (result.code, "[pki-unfit]" in result.err) == (2, True)


def test_a_row_that_only_says_it_is_by_the_present_key_is_no_signature(shop: Site) -> None:
    publish(shop)
    (good,) = signatures_of(shop)
    shop.done("pki", "renew", "application-signing", "--new-key")
    present = key_id_of(application_key(present_certificate(shop.config).public_key()))
    with closing(sqlite3.connect(shop.folder / "gateway.db", isolation_level=None)) as other:
        other.execute(PUT_SIGNATURE, signature_row(good._replace(key_id=present)))
    assert "not signed by the present key" in shop("doctor").out
    shop.done("application", "sign", "--all")
    key = application_key(present_certificate(shop.config).public_key())
    assert is_signed(key, good.digest, signatures_of(shop))


def test_a_version_whose_row_states_other_aids_is_not_signed(shop: Site) -> None:
    publish(shop)
    with store_of(shop) as store:
        (found,) = store.delivery.applications()
    shop.done("pki", "renew", "application-signing", "--new-key")
    with closing(sqlite3.connect(shop.folder / "gateway.db", isolation_level=None)) as other:
        other.execute("delete from application")
        other.execute(INSERT_APPLICATION, application_row(found._replace(package_aid=b"\xf0other")))
    result = shop("application", "sign", PAY)
    assert (result.code, "[application-mismatch]" in result.err) == (1, True)


# --- list, show, retire ---


def test_the_catalogue_counts_devices_and_shows_the_newest_that_is_not_retired(shop: Site) -> None:
    publish(shop)
    publish(shop, SECOND)
    loaded(shop, put(shop, 1, D.REGISTERED))
    loaded(shop, put(shop, 2, D.REGISTERED))
    rows = shop.done("application", "list", "-o", "json").json
    assert [(row["version"], row["installed"]) for row in rows] == [("1.1.0", 0), ("1.0.0", 2)]
    assert shop.done("application", "show", PAY, "-o", "json").one("version") == "1.1.0"
    retired = shop.done("application", "retire", PAY, "--version", SECOND, "--reason", "slow")
    assert "0 devices have it" in retired.err
    assert shop.done("application", "show", PAY, "-o", "json").one("version") == "1.0.0"
    assert shop.done("application", "list", "--provider", "shop", "-o", "json").json == []
    (entry,) = audited(shop, "application.retire")
    assert (entry.subject, entry.reason) == (PAY, "slow")


def test_retiring_tells_which_devices_keep_it_and_which_rules_stand_still(shop: Site) -> None:
    publish(shop)
    loaded(shop, put(shop, 1, D.REGISTERED))
    shop.done("application", "assign", PAY, "--version", FIRST, "--all")
    told = shop.done("application", "retire", PAY, "--version", FIRST).err
    assert "1 devices have it" in told
    assert "1 rules name this very version" in told
    again = shop("application", "retire", PAY, "--version", FIRST)
    assert (again.code, "retired already" in again.err) == (6, True)
    assert [each.outcome for each in audited(shop, "application.retire")] == ["done", "refused"]


@pytest.mark.parametrize("command", ["show", "retire", "sign", "assign"])
def test_what_nobody_published_is_not_found(shop: Site, command: str) -> None:
    publish(shop)
    options = {"retire": ("--version", "9.0.0"), "assign": ("--all",)}
    for name, more in (("nothing", ()), (PAY, ("--version", "9.0.0"))):
        given = more if "--version" in more else options.get(command, ())
        extra = ("--all",) if command == "assign" and more else ()
        assert shop("application", command, name, *given, *extra).code == 4


# --- rules ---


def test_rules_are_made_replaced_listed_and_forgotten(shop: Site) -> None:
    publish(shop)
    device = put(shop, 1, D.REGISTERED)
    shop.done("application", "assign", PAY, "--all")
    shop.done("application", "assign", PAY, "--issuer", "maker", "--version", FIRST)
    shop.done("application", "assign", PAY, "--device", device)
    shop.done("application", "assign", PAY, "--device", device, "--version", FIRST, "--reason", "trial")
    rows = shop.done("application", "rules", "-o", "json").json
    assert [(row["scope"], row["subject"], row["version"]) for row in rows] == [
        ("device", device, "1.0.0"),
        ("issuer", "maker", "1.0.0"),
        ("all", None, "newest"),
    ]
    assert audited(shop, "application.assign")[-1].reason == "trial"
    forgotten = shop.done("application", "unassign", PAY, "--issuer", "maker")
    assert "stays on them" in forgotten.err
    assert [rule.scope for rule in rules_of(shop)] == [Scope.ALL, Scope.DEVICE]
    assert shop("application", "unassign", PAY, "--issuer", "maker").code == 4
    assert [each.outcome for each in audited(shop, "application.unassign")] == ["done", "refused"]


def test_a_rule_for_others_tells_what_it_costs_them_and_when_it_happens(shop: Site) -> None:
    publish(shop)
    loaded(shop, put(shop, 1, D.REGISTERED))
    publish(shop, SECOND)
    told = shop.done("application", "assign", PAY, "--all").err
    assert (LOST in told, "1 devices in all have one" in told, "within 24 hours" in told) == (
        True,
        True,
        True,
    )
    told = shop.done("application", "assign", PAY, "--all", "--version", FIRST).err
    assert LOST not in told
    shop.done("application", "retire", PAY, "--version", FIRST)
    shop.done("application", "retire", PAY, "--version", SECOND)
    assert "every version is retired" in shop.done("application", "assign", PAY, "--all").err


@pytest.mark.parametrize("command", ["assign", "unassign", "remove"])
@pytest.mark.parametrize("whom", [(), ("--all", "--device", DEVICE), ("--issuer", "maker", "--all")])
def test_whom_a_rule_is_for_is_said_once(shop: Site, command: str, whom: tuple[str, ...]) -> None:
    publish(shop)
    result = shop("application", command, PAY, *whom)
    assert (result.code, "exactly one" in result.err) == (2, True)


def test_a_rule_for_what_is_not_there_is_refused_and_audited(shop: Site) -> None:
    publish(shop)
    ended = put(shop, 2, D.TERMINATED)
    assert shop("application", "assign", PAY, "--device", DEVICE).code == 4
    assert shop("application", "assign", PAY, "--device", ended).code == 6
    shop.done("application", "retire", PAY, "--version", FIRST)
    assert shop("application", "assign", PAY, "--all", "--version", FIRST).code == 6
    entries = audited(shop, "application.assign")
    assert [(each.outcome, each.reason) for each in entries] == [
        ("refused", "not-known"),
        ("refused", "move-not-allowed"),
        ("refused", "move-not-allowed"),
    ]
    assert rules_of(shop) == []


def test_an_issuer_nobody_trusts_gets_no_rule_but_loses_one(shop: Site) -> None:
    publish(shop)
    result = shop("application", "assign", PAY, "--issuer", "makre")
    assert (result.code, "those are maker" in result.err) == (2, True)
    shop.done("application", "assign", PAY, "--issuer", "maker")
    text = shop.config.read_text("utf-8").replace('name = "maker"', 'name = "others"')
    shop.config.write_text(text, "utf-8")
    shop.done("application", "unassign", PAY, "--issuer", "maker")


def test_a_removal_says_in_advance_what_is_lost_and_asks(shop: Site) -> None:
    publish(shop)
    loaded(shop, put(shop, 1, D.REGISTERED))
    shop.done("application", "assign", PAY, "--device", DEVICE)
    result = shop("application", "remove", PAY, "--device", DEVICE)
    assert (result.code, "all that it keeps there is lost" in result.err) == (130, True)
    assert [rule.wanted for rule in rules_of(shop)] == [True]
    result = shop.done("application", "remove", PAY, "--device", DEVICE, "--yes", "--reason", "over")
    assert ("all that it keeps there is lost" in result.err, "within 24 hours" in result.err) == (True, True)
    assert [(rule.wanted, rule.version) for rule in rules_of(shop)] == [(False, None)]
    assert audited(shop, "application.assign")[-1].reason == "over"


def test_without_channel_2_it_says_that_nothing_is_delivered(site: Site) -> None:
    site.done("pki", "init", "--name", "localhost")
    publish(site)
    assert "nothing is delivered before" in site.done("application", "assign", PAY, "--all").err


# --- status, retry, device show ---


def test_status_counts_what_stands_where_and_what_waits(shop: Site) -> None:
    put(shop, 4, D.REGISTERED)
    assert "nothing was delivered yet" in shop.done("application", "status").err
    publish(shop)
    loaded(shop, put(shop, 1, D.REGISTERED))
    loaded(shop, put(shop, 2, D.REGISTERED), failed="card-memory-full")
    loaded(shop, put(shop, 3, D.REGISTERED), part=5)
    with store_of(shop) as store:
        assign(store, device_id(4))
        store.flush()
    told = shop.done("application", "status", "-o", "json").json
    (row,) = told["applications"]
    assert {state.value: row[state.value] for state in InstallState} == {
        "assigned": 1,
        "loading": 1,
        "installed": 1,
        "failed": 1,
        "removed": 0,
    }
    assert (told["jobs_queued"], told["jobs_active"]) == (1, 1)
    assert "1 jobs are queued, 1 are in a session" in shop.done("application", "status").err


def test_status_and_device_show_tell_how_far_a_device_is(shop: Site) -> None:
    publish(shop)
    loaded(shop, put(shop, 1, D.REGISTERED), part=5)
    told = shop.done("application", "status", "--device", DEVICE, "-o", "json").json
    assert (told["app_se"], told["card_known"]) == ((b"app-%08d" % 1).hex(), False)
    (application,) = told["applications"]
    assert (application["version"], application["state"]) == ("1.0.0", "loading")
    (job,) = told["jobs"]
    assert (job["kind"], job["state"], job["blocks"], job["attempts"]) == ("install", "active", "5 of 13", 1)
    shown = shop.done("device", "show", DEVICE, "-o", "json").json
    assert (shown["applications"], shown["jobs"]) == (told["applications"], told["jobs"])
    assert "5 of 13" in shop.done("device", "show", DEVICE).out
    assert shop("application", "status", "--device", device_id(9)).code == 4
    assert shop("application", "status", "--device", "+4915550001167").code == 2


def test_device_show_leaves_out_jobs_that_are_closed(shop: Site) -> None:
    publish(shop)
    loaded(shop, put(shop, 1, D.REGISTERED))
    shown = shop.done("device", "show", DEVICE, "-o", "json").json
    assert ([each["state"] for each in shown["applications"]], shown["jobs"]) == (["installed"], [])
    assert shown["state"] == "active", "the last application it waited for was installed"


def test_what_failed_is_tried_again_and_nothing_else_is(shop: Site) -> None:
    publish(shop)
    loaded(shop, put(shop, 1, D.REGISTERED), failed="card-memory-full")
    options = ("--device", DEVICE)
    result = shop.done("application", "retry", PAY, *options, "--reason", "freed", "-o", "json")
    assert (result.json[0]["state"], "within 24 hours" in result.err) == ("assigned", True)
    assert shop("application", "retry", PAY, *options).code == 6
    assert shop("application", "retry", "other", *options).code == 4
    entries = audited(shop, "application.retry")
    assert [(each.subject, each.outcome) for each in entries] == [
        (DEVICE, "done"),
        (DEVICE, "refused"),
        (DEVICE, "refused"),
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(86_400, "24 hours"), (3600, "60 minutes"), (5400, "90 minutes"), (61, "61 s"), (60, "60 s")],
)
def test_times_are_told_as_people_say_them(seconds: int, words: str) -> None:
    assert span(seconds) == words


def test_every_command_has_an_example(site: Site) -> None:
    for noun in ("application", "card"):
        listed = site.done(noun, "--help").out.partition("Commands:")[2].split("\n")
        for name in filter(None, (line.split(" ")[2] if line.startswith("  ") else "" for line in listed)):
            text = site.done(noun, name, "--help").out
            assert f"tsm-gateway {noun} {name}" in text, (noun, name)


def test_a_remove_job_keeps_its_kind_in_words(shop: Site) -> None:
    publish(shop)
    loaded(shop, put(shop, 1, D.REGISTERED))
    with store_of(shop) as store:
        assign(store, DEVICE, kind=JobKind.REMOVE)
        store.flush()
    jobs = shop.done("device", "show", DEVICE, "-o", "json").one("jobs")
    assert [(job["kind"], job["blocks"]) for job in jobs] == [("remove", None)]
