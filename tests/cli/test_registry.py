"""`device` and `provider`: the relay finds what was registered; keys leave sealed or not at all."""

from __future__ import annotations

import json
import os
import stat
import time
from typing import TYPE_CHECKING, Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tsm_gateway.cli import key_files
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.registry.device import KeyState
from tsm_gateway.relay.directory import Directory
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.identity import new_identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Make, Site

KEY = bytes(range(32))


@pytest.fixture
def store(site: Site) -> Iterator[SqliteStore]:
    folder = site.folder
    opened = SqliteStore.open(folder / "gateway.db", mark=folder / "master.key.epoch", exclusive=False)
    yield opened
    opened.close()


def directory(site: Site, store: SqliteStore) -> Directory:
    return Directory(store.registry, read_master(f"file:{site.folder}/master.key"), port=16500)


def private(site: Site, octets: bytes, mode: int = 0o600) -> Any:
    path = site.folder / "se.key"
    path.unlink(missing_ok=True)
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_bytes(octets)
    return path


@pytest.mark.parametrize(
    "octets", [KEY, KEY.hex().encode(), KEY.hex().upper().encode() + b"\n", KEY[::-1] + b"\n"]
)
def test_a_device_is_registered_with_the_key_in_a_file(site: Site, store: SqliteStore, octets: bytes) -> None:
    given = ("--key-file", private(site, octets), "--kid", "0a0b0c0d", "--first-piv", 41)
    result = site.done("device", "add", "--certificate", site.certificate(), *given, "-o", "json")
    known = directory(site, store).device(bytes.fromhex("0a0b0c0d"))
    assert known is not None
    assert known.device.device_id == result.json["device"]
    assert store.registry.window_of(known.key.kid) == (40, 2**64 - 1)
    assert KEY.hex() not in result.out + result.err


def test_a_virtual_devices_certificate_is_refused_in_production(site: Site, store: SqliteStore) -> None:
    certificate = site.folder / "virtual.der"
    certificate.write_bytes(new_identity(int(time.time())).certificate)
    given = ("--certificate", certificate, "--key-out", site.folder / "out")
    text = site.config.read_text("utf-8")
    far = text.replace('host = "127.0.0.1"', 'host = "smsc.example"\nallow_plaintext = true')
    site.config.write_text(far, "utf-8")
    refused = site("device", "add", *given)
    assert refused.code == 5
    assert "[virtual-party-refused]" in refused.err
    assert store.registry.devices() == []
    assert not (site.folder / "out").exists()
    site.config.write_text(far.replace('id = "t"\n', 'id = "t"\ntest_parties = true\n'), "utf-8")
    site.done("device", "add", *given)


def test_a_device_gets_its_next_key_and_keeps_the_one_before_for_a_while(
    site: Site, store: SqliteStore
) -> None:
    device, out = site.add_device(), site.folder / "next.key"
    (old,) = store.registry.keys(device)
    made = site.done("device", "rotate-key", device, "--key-out", out, "-o", "json").json
    known, before = directory(site, store).device(bytes.fromhex(made["kid"])), store.registry.key(old.kid)
    assert known is not None
    assert before is not None
    assert (known.key.epoch, known.key.state, before.state) == (2, KeyState.CURRENT, KeyState.OVERLAP)
    assert store.registry.window_of(known.key.kid) == (made["first_piv"] - 1, 2**64 - 1)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    last = site.folder / "last.key"
    site.done("device", "rotate-key", device, "--key-out", last, "--overlap", 0)
    assert [key.state for key in store.registry.keys(device)] == [
        KeyState.CURRENT,
        KeyState.RETIRED,
        KeyState.OVERLAP,
    ]


def test_a_device_whose_key_went_stale_can_be_given_a_new_one(site: Site) -> None:
    device = site.add_device()
    site.done("store", "resync", "--demand-new-keys", "--yes")
    given = ("--key-file", private(site, KEY), "--kid", "0a0b0c0d", "--first-piv", 41)
    site.done("device", "rotate-key", device, *given)
    keys = {
        key["kid"]: key["state"] for key in site.done("device", "show", device, "-o", "json").json["keys"]
    }
    assert keys.pop("0a0b0c0d") == "current"
    assert list(keys.values()) == ["stale"]


def test_nobody_gets_a_key_who_is_unknown_or_terminated(site: Site) -> None:
    device, out = site.add_device(), site.folder / "next.key"
    assert site("device", "rotate-key", "d:0000000000000000", "--key-out", out).code == 4
    site.done("device", "terminate", device, "--yes")
    assert site("device", "rotate-key", device, "--key-out", out).code == 6
    assert not out.exists()


def test_a_raw_key_may_end_like_a_line(site: Site, store: SqliteStore) -> None:
    given = ("--key-file", private(site, KEY[:31] + b"\n"), "--kid", "0a0b0c0d", "--first-piv", 1)
    site.done("device", "add", "--certificate", site.certificate(), *given)
    assert directory(site, store).device(bytes.fromhex("0a0b0c0d")) is not None


def test_a_key_made_here_is_handed_out_once(site: Site, store: SqliteStore) -> None:
    site.add_device()
    out = site.folder / "device.key"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert len(bytes.fromhex(out.read_text("ascii"))) == 32
    (stored,) = store.registry.all_keys()
    assert directory(site, store).device(stored.key.kid) is not None
    again = site("device", "add", "--certificate", site.certificate(), "--key-out", out)
    assert again.code == 6
    assert len(store.registry.all_keys()) == 1


def test_a_key_handed_out_and_its_name_are_on_the_disk_before_it_is_stored(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with key_files.handed_out(site.folder / "out", b"octets"):
        assert synced == [path.stat().st_ino for path in (site.folder / "out", site.folder)]


def test_a_registration_that_fails_leaves_no_key_behind(site: Site) -> None:
    device = site.add_device()
    out = site.folder / "again.key"
    result = site(
        "device", "add", "--certificate", site.certificate("d2.pem"), "--id", device, "--key-out", out
    )
    assert result.code == 6
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--key-out", "{out}", "--id", "d:XYZ"), "--id"),
        (("--key-out", "{out}", "--msisdn", "0301234"), "--msisdn"),
        (("--key-out", "{out}", "--kid", "xyz"), "--kid"),
        (("--key-file", "{key}"), "--first-piv"),
        ((), "--key-out"),
        (("--key-file", "{open}", "--kid", "00000000", "--first-piv", "1"), "chmod 600"),
        (("--key-file", "{short}", "--kid", "00000000", "--first-piv", "1"), "32 octets"),
    ],
)
def test_a_wrong_argument_is_named(site: Site, arguments: tuple[str, ...], said: str) -> None:
    for name, octets, mode in (("key", KEY, 0o600), ("open", KEY, 0o644), ("short", KEY[:20], 0o600)):
        (site.folder / name).touch()
        (site.folder / name).chmod(mode)
        (site.folder / name).write_bytes(octets)
    places = {name: site.folder / name for name in ("key", "open", "short", "out")}
    given = [each.format(**places) for each in arguments]
    result = site("device", "add", "--certificate", site.certificate(), *given)
    assert result.code == 2, result
    assert said in result.err
    assert not (site.folder / "out").exists()


@pytest.mark.parametrize("options", [{"age_days": 31}, {"age_days": -2}, {"may_sign": False}])
def test_an_unfit_certificate_is_refused(site: Site, options: dict[str, Any]) -> None:
    path = site.certificate("bad.pem", **options)
    result = site("device", "add", "--certificate", path, "--key-out", site.folder / "out")
    assert result.code == 2
    assert "certificate" in result.err


def test_a_device_is_suspended_resumed_and_terminated(site: Site) -> None:
    device = site.add_device("--msisdn", "+4915550001167")
    assert site("device", "resume", device).code == 6
    moved = site.done("device", "suspend", device, "--reason", "stolen", "-o", "json").json
    assert [(row["state"], row["reason"]) for row in moved] == [("suspended", "stolen")]
    assert site.done("device", "list", "--state", "suspended", "-o", "json").json[0]["device"] == device
    site.done("device", "resume", device)
    site.done("device", "terminate", device, "--yes")
    shown = site.done("device", "show", device, "-o", "json").json
    assert (shown["state"], shown["keys"][0]["state"]) == ("terminated", "retired")
    assert shown["msisdn"] == "+49…67"
    assert site("device", "show", "d:0000000000000000").code == 4


def test_lists_are_whole_and_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsm_gateway.cli.device.SLICE", 2)
    for number in range(5):
        site.add_device("--id", f"d:{number:016x}")
    assert len(site.done("device", "list", "-o", "jsonl").out.splitlines()) == 5
    assert len(site.done("device", "list", "--limit", 3, "-o", "json").json) == 3


def test_the_provider_opens_the_key_it_was_handed(site: Site, store: SqliteStore, make: Make) -> None:
    pem, key = make()
    (site.folder / "c.pem").write_bytes(pem)
    out = site.folder / "shop.json"
    options = ("--msisdn", "16500", "--certificate", site.folder / "c.pem", "--key-out", out)
    limits = (
        "--amount-limit",
        5000,
        "--biometric-above",
        1000,
        "--receipt",
        "--validity",
        60,
        "--route",
        "a",
    )
    site.done(
        "provider", "add", "shop", "--address", "sp:Shop", "--address", "+49 30 123456", *options, *limits
    )
    record = json.loads(out.read_bytes())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    kid = bytes.fromhex(record["kid"])
    info = cbor2.dumps(
        ["tsm-provider-key-1", "t", "shop", kid, 1, bytes.fromhex(record["certificate_sha256"])]
    )
    suite = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    assert len(suite.decrypt(bytes.fromhex(record["sealed"]), key, info=info)) == 32
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    known = directory(site, store).provider("+4930123456")
    assert known is not None
    assert known.kid == kid
    provider = known.provider
    assert (provider.amount_limit, provider.biometric_above, provider.validity_s) == (5000, 1000, 60)
    assert (provider.receipt, provider.routes, provider.addresses) == (
        True,
        ("a",),
        ("sp:shop", "+4930123456"),
    )


def test_a_key_is_rotated_with_an_overlap(site: Site, store: SqliteStore) -> None:
    site.add_provider()
    out = site.folder / "next.json"
    site.done("provider", "rotate-key", "shop", "--certificate", site.certificate(), "--key-out", out)
    keys = site.done("provider", "show", "shop", "-o", "json").json["keys"]
    assert [(key["version"], key["state"]) for key in keys] == [(2, "current"), (1, "overlap")]
    known = directory(site, store).provider("+4930123456")
    assert known is not None
    assert known.kid.hex() == json.loads(out.read_bytes())["kid"] == keys[0]["kid"]
    options = ("--certificate", site.certificate(), "--key-out", site.folder / "x.json")
    assert site("provider", "rotate-key", "nobody", *options).code == 4
    assert not (site.folder / "x.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("Shop", "--address", "sp:x", "--msisdn", "16500"), 2),
        (("shop", "--address", "12", "--msisdn", "16500"), 2),
        (("shop", "--address", "sp:x", "--msisdn", "abc"), 2),
        (("shop", "--address", "sp:x", "--msisdn", "16500", "--route", "b"), 2),
        (("first", "--address", "sp:x", "--msisdn", "16500"), 6),
        (("shop", "--address", "+4930123456", "--msisdn", "16500"), 6),
    ],
)
def test_what_cannot_be_a_provider_is_refused_and_leaves_no_key(
    site: Site, arguments: tuple[str, ...], code: int
) -> None:
    site.add_provider("first")
    out = site.folder / "out.json"
    result = site("provider", "add", *arguments, "--certificate", site.certificate(), "--key-out", out)
    assert result.code == code, result
    assert not out.exists()


def test_providers_are_listed_suspended_and_resumed(site: Site) -> None:
    site.add_provider()
    site.done("provider", "suspend", "shop", "--reason", "unpaid")
    (row,) = site.done("provider", "list", "-o", "json").json
    assert (row["state"], row["reason"]) == ("suspended", "unpaid")
    site.done("provider", "resume", "shop")
    assert site("provider", "suspend", "nobody").code == 4
    assert "active" in site.done("provider", "show", "shop").out
