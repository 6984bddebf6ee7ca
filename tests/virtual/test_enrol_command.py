"""`virtual issuer` and `virtual enrol` as people type them, against the real provisioning service."""

from __future__ import annotations

import contextlib
import json
import socket
import stat
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from cryptography import x509

from tsm_gateway.cli.pki import pki
from tsm_gateway.cli.virtual import virtual
from tsm_gateway.cli.virtual_parties import new_provider
from tsm_gateway.keys.master_store import init_master
from tsm_gateway.registry.device import DeviceState, KeyState
from tsm_gateway.registry.key_package import Delivery, KeyOrder
from tsm_gateway.registry.suspension import SuspensionKind
from tsm_gateway.secret import Secret
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.errors import ChannelRefused
from tsm_gateway.virtual.identity import Kind
from tsm_gateway.virtual.packet import read_packet
from tsm_gateway.virtual.part import Part, cut
from tsm_gateway.virtual.party_files import read_handset, read_provider, write_party

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

START_S, STOP_S = 30.0, 30.0


class World:
    """A gateway's folder, its provisioning service running, and an issuer it trusts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "gateway.toml"
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = int(server.getsockname()[1])
        init_master(folder / "master.key", bytes(range(32)))
        self.issuer_table = run(virtual, "issuer", "--out", folder / "issuer").stdout
        run(pki, "init", "--name", "127.0.0.1", "--dir", folder / "pki", "--owner", "tsm-1", obj=self.config)
        self.config.write_text(self.text())
        self._process: subprocess.Popen[bytes] | None = None

    def text(self) -> str:
        keys = self.folder / "pki"
        return (
            f'[gateway]\nid = "tsm-1"\n'
            f'[store]\nurl = "sqlite://{self.folder}/gateway.db"\nmin_free_mb = 0\n'
            f'[keys]\nmaster = "file:{self.folder}/master.key"\n'
            f'[provisioning]\nlisten = "127.0.0.1:{self.port}"\nmetrics = ""\nhybrid = "offered"\n'
            f'certificate = "{keys}/channel-1.pem"\nkey = "file:{keys}/channel-1.key"\n'
            f'key_delivery_certificate = "{keys}/key-delivery.pem"\n'
            f'key_delivery_key = "file:{keys}/key-delivery.key"\n'
            f'{self.issuer_table}[metrics]\nlisten = ""\n[log]\nformat = "json"\n'
        )

    def start(self) -> None:
        command = [sys.executable, "-m", "tsm_gateway", "--config", str(self.config), "provisioning"]
        log = (self.folder / "provisioning.log").open("ab")
        with log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + START_S
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        pytest.fail((self.folder / "provisioning.log").read_text())

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(STOP_S) == 0

    def enrol(self, out: Path, *more: object, address: str = "sp:shop") -> Result:
        given = ["--tsm-root", self.folder / "pki" / "root.pem", "--issuer", self.folder / "issuer"]
        given += ["--provider", address, "--provider-msisdn", "+4930999", "--out", out]
        return invoke(virtual, "enrol", *given, *more, obj=self.config)

    @contextlib.contextmanager
    def store(self) -> Iterator[SqliteStore]:
        opened = SqliteStore.open(
            self.folder / "gateway.db", mark=self.folder / "master.key.epoch", exclusive=False
        )
        try:
            yield opened
        finally:
            opened.close()


def invoke(command: object, *words: object, obj: Path | None = None) -> Result:
    return CliRunner().invoke(command, list(map(str, words)), obj=obj)  # type: ignore[arg-type]  # a group


def run(command: object, *words: object, obj: Path | None = None) -> Result:
    done = invoke(command, *words, obj=obj)
    assert done.exit_code == 0, (done.output, done.exception)
    return done


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"))
    made.start()
    yield made
    made.stop()


def test_enrolled_handsets_are_registered_active_and_known_to_their_provider(
    world: World, tmp_path: Path
) -> None:
    out = tmp_path / "parties"
    first = world.enrol(out)
    assert first.exit_code == 0, (first.output, first.exception)
    assert first.stdout.split() == [str(out / "handset.json"), str(out / "provider.json")]
    assert [line.split()[1] for line in first.stderr.splitlines()] == [
        *("handshake", "enrolled", "keyed", "user", "proved", "registered", "active")
    ]
    more = world.enrol(out, "--count", "2")
    assert more.stdout.split()[:2] == [str(out / "handset-0001.json"), str(out / "handset-0002.json")]
    assert world.enrol(out).stdout.split()[0] == str(out / "handset-0003.json")
    files = sorted(out.iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    handsets = [read_handset(path) for path in files if path.name.startswith("handset")]
    provider = read_provider(out / "provider.json")
    assert set(provider.devices) == {handset.device_id for handset in handsets}
    assert len({handset.key.reveal() for handset in handsets}) == 4
    with world.store() as store:
        entry = store.registry.provider_for("sp:shop")
        assert entry is not None
        assert entry.key.kid == provider.kid
        for handset in handsets:
            standing = store.provisioning.standing(handset.device_id)
            assert standing is not None
            assert standing.device.state is DeviceState.ACTIVE
            assert (standing.keys[0].kid, standing.keys[0].state) == (handset.kid, KeyState.CURRENT)
            assert standing.registration is not None
            assert handset.element is not None
            ids = standing.registration.crypto_se, standing.registration.app_se
            assert ids == (handset.element.crypto_se, handset.element.app_se)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_element_is_taken_by_the_real_service(world: World, tmp_path: Path, kind: Kind) -> None:
    done = world.enrol(tmp_path, "--kind", kind.value, address=f"sp:of-{kind.value}")
    assert done.exit_code == 0, (done.output, done.exception)
    record = read_handset(tmp_path / "handset.json")
    assert record.is_keyed
    assert record.element is not None
    assert record.element.kind is kind


def test_what_was_cut_off_is_finished_first(world: World, tmp_path: Path) -> None:
    assert world.enrol(tmp_path, "--count", "2", address="sp:cut").exit_code == 0
    fresh, provider = read_handset(tmp_path / "handset-0001.json"), read_provider(tmp_path / "provider.json")
    assert fresh.element is not None
    write_party(  # the crash came before anything of the first was written down, and the service knows it
        tmp_path / "handset-0001.json",
        replace(
            fresh,
            kid=b"",
            key=Secret(b""),
            next_piv=0,
            element=replace(fresh.element, epoch=0, package=b"", tsm_certificate=b"", templates=()),
        ),
    )
    known = {device: der for device, der in provider.devices.items() if device != fresh.device_id}
    write_party(tmp_path / "provider.json", replace(provider, devices=known))
    again = world.enrol(tmp_path, address="sp:cut")
    assert isinstance(again.exception, Exception)  # the service confirmed a key this element lost
    assert "virtual-key-lost" in str(again.exception)
    write_party(tmp_path / "handset-0001.json", fresh)  # the crash came before its provider knew it
    once_more = world.enrol(tmp_path, address="sp:cut")
    assert once_more.stdout.split()[0] == str(tmp_path / "handset-0001.json")
    assert set(read_provider(tmp_path / "provider.json").devices) == set(provider.devices)
    assert len(list(tmp_path.glob("handset*"))) == 2


def test_a_revoked_handset_is_told_no_more(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.start()
    assert world.enrol(tmp_path / "out").exit_code == 0
    world.stop()
    handset = tmp_path / "out" / "handset.json"
    run(virtual, "issuer", "--out", tmp_path / "issuer", "--revoke", handset)
    crl = x509.load_pem_x509_crl((tmp_path / "issuer" / "issuing.crl").read_bytes())
    serial = x509.load_der_x509_certificate(read_handset(handset).certificate).serial_number
    assert [each.serial_number for each in crl] == [serial]
    world.start()
    provider = read_provider(tmp_path / "out" / "provider.json")
    write_party(tmp_path / "out" / "provider.json", replace(provider, devices={}))  # so that it tries again
    refused = world.enrol(tmp_path / "out")
    world.stop()
    assert isinstance(refused.exception, ChannelRefused)


def test_an_issuer_that_is_there_is_kept(tmp_path: Path) -> None:
    first = run(virtual, "issuer", "--out", tmp_path / "issuer").stdout
    root = (tmp_path / "issuer" / "root.pem").read_bytes()
    assert run(virtual, "issuer", "--out", tmp_path / "issuer").stdout == first
    assert (tmp_path / "issuer" / "root.pem").read_bytes() == root
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "issuer").iterdir()} == {0o600}
    (tmp_path / "issuer" / "root.key").write_text("no key")
    assert "virtual-party-file-invalid" in str(
        invoke(virtual, "issuer", "--out", tmp_path / "issuer").exception
    )


def test_elements_of_an_issuer_nobody_trusts_are_refused(world: World, tmp_path: Path) -> None:
    run(virtual, "issuer", "--out", tmp_path / "issuer", "--name", "stranger")
    refused = world.enrol(tmp_path / "out", "--issuer", tmp_path / "issuer", address="sp:stranger")
    assert isinstance(refused.exception, ChannelRefused)
    assert not read_handset(tmp_path / "out" / "handset.json").is_keyed


def test_a_service_under_another_root_is_told_nothing(world: World, tmp_path: Path) -> None:
    run(pki, "init", "--name", "127.0.0.1", "--dir", tmp_path / "pki", "--owner", "x", obj=world.config)
    root = tmp_path / "pki" / "root.pem"
    refused = world.enrol(tmp_path / "out", "--tsm-root", root, address="sp:other-root")
    assert isinstance(refused.exception, ChannelRefused)
    garbled = tmp_path / "garbled.pem"
    garbled.write_text("no certificate")
    assert "--tsm-root" in str(world.enrol(tmp_path / "out", "--tsm-root", garbled).exception)


def test_the_command_refuses_a_provider_whose_file_is_elsewhere(world: World, tmp_path: Path) -> None:
    assert world.enrol(tmp_path / "one", address="sp:one").exit_code == 0
    second = world.enrol(tmp_path / "two", address="sp:one")
    assert "virtual-provider-unfiled" in str(second.exception)
    assert "another --provider" in str(second.exception)
    assert not (tmp_path / "two").exists()


def test_a_crash_between_file_and_store_is_mended_by_the_next_run(world: World, tmp_path: Path) -> None:
    filed = new_provider("sp:filed", "+4930999")
    (tmp_path / "provider.json").write_text(json.dumps(filed.as_json()))
    assert world.enrol(tmp_path, address="sp:filed").exit_code == 0
    provider = read_provider(tmp_path / "provider.json")
    assert (provider.kid, len(provider.devices)) == (filed.kid, 1)


def test_a_production_configuration_refuses_virtual_parties(world: World, tmp_path: Path) -> None:
    strict = tmp_path / "gateway.toml"
    strict.write_text(world.text().replace('id = "tsm-1"\n', 'id = "tsm-1"\ntest_parties = false\n'))
    refused = world.enrol(tmp_path / "out", "--config", strict, address="sp:strict")
    assert "virtual-party-refused" in str(refused.exception)
    assert not (tmp_path / "out").exists()


def test_a_gateway_without_channel_1_needs_a_url(world: World, tmp_path: Path) -> None:
    text = world.text()
    bare = tmp_path / "gateway.toml"
    bare.write_text(text[: text.index("[provisioning]")])
    refused = world.enrol(tmp_path / "out", "--config", bare, address="sp:bare")
    assert "--url" in str(refused.exception)


def test_nothing_of_a_key_is_printed_logged_or_stored_in_clear(world: World, tmp_path: Path) -> None:
    result = world.enrol(tmp_path, address="sp:canary")
    handset = read_handset(tmp_path / "handset.json")
    assert handset.element is not None
    secrets = [handset.key, read_provider(tmp_path / "provider.json").key]
    secrets += [template.features for template in handset.element.templates]
    files = [path for path in world.folder.iterdir() if path.is_file()]
    stored = b"".join(path.read_bytes() for path in files)
    assert (world.folder / "provisioning.log").stat().st_size > 0
    for secret in secrets:
        assert secret.reveal().hex() not in result.output
        assert secret.reveal() not in stored
        assert secret.reveal().hex().encode() not in stored


def test_an_ordered_key_is_fetched_and_confirmed(world: World, tmp_path: Path) -> None:
    assert world.enrol(tmp_path, address="sp:rekeyed").exit_code == 0
    path, url = tmp_path / "handset.json", f"https://127.0.0.1:{world.port}"
    before = read_handset(path)
    idle = run(virtual, "rekey", "--handset", path, "--url", url)
    assert idle.stdout == "active\n"
    assert read_handset(path).kid == before.kid
    with world.store() as store:
        order = KeyOrder(before.device_id, Delivery.CHANNEL, "a test", int(time.time()))
        store.provisioning.order(order)
        store.flush()
    end = time.monotonic() + START_S  # the service looks for orders about once a second
    while (after := read_handset(path)).kid == before.kid and time.monotonic() < end:
        assert run(virtual, "rekey", "--handset", path, "--url", url).stdout == "active\n"
        time.sleep(0.05)
    assert after.kid != before.kid
    with world.store() as store:
        standing = store.provisioning.standing(before.device_id)
    assert standing is not None
    assert [(key.kid, key.state) for key in standing.keys] == [
        (after.kid, KeyState.CURRENT),
        (before.kid, KeyState.OVERLAP),
    ]


def test_a_suspension_that_wants_a_proof_is_lifted_by_one(world: World, tmp_path: Path) -> None:
    assert world.enrol(tmp_path, address="sp:moved").exit_code == 0
    path = tmp_path / "handset.json"
    device_id = read_handset(path).device_id
    with world.store() as store:
        store.provisioning.suspend(
            device_id, SuspensionKind.OPERATOR, proof_wanted=True, reason="a test", at=int(time.time())
        )
        store.flush()
    url = f"https://127.0.0.1:{world.port}"
    proved = run(virtual, "rekey", "--prove", "--handset", path, "--url", url)
    assert proved.stdout == "active\n"


def flipped(octet: str) -> str:
    """Another octet, both in hexadecimal."""
    return f"{int(octet, 16) ^ 1:02x}"


def test_a_package_in_short_messages_is_confirmed_by_one(world: World, tmp_path: Path) -> None:
    assert world.enrol(tmp_path, address="sp:by-sms").exit_code == 0
    path = tmp_path / "handset.json"
    before = read_handset(path)
    with world.store() as store:
        order = KeyOrder(before.device_id, Delivery.SMS, "a test", int(time.time()))
        store.provisioning.order(order)
        store.flush()
        end = time.monotonic() + START_S
        while not store.provisioning.controls(before.device_id) and time.monotonic() < end:
            time.sleep(0.05)
        (control,) = store.provisioning.controls(before.device_id)
    cuts = cut(control.packet, before.port, 7)
    parts = [Part("16500", before.msisdn, 4, 0, udh, body).as_json() for udh, body in cuts]
    given = ["receive", "--handset", str(path)]
    done = CliRunner().invoke(virtual, given, input="no part\n" + json.dumps(parts[::-1]) + "\n")
    assert done.exit_code == 1  # for the line that was no part
    (line,) = done.stdout.splitlines()
    after = read_handset(path)
    assert after.kid != before.kid
    packet = read_packet(b"".join(bytes.fromhex(part["data"]) for part in json.loads(line)))
    assert (packet.kid, packet.piv + 1) == (after.kid, after.next_piv)
    again = CliRunner().invoke(virtual, given, input=json.dumps(parts) + "\n")
    assert again.exit_code == 0
    assert read_handset(path).next_piv == after.next_piv + 1
    altered = [{**part, "data": str(part["data"])[:-2] + flipped(str(part["data"])[-2:])} for part in parts]
    assert CliRunner().invoke(virtual, given, input=json.dumps(altered) + "\n").exit_code == 1
