"""From an empty folder to a payment as people type it: both daemons, both channels, a handset with a card."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tsm_gateway.cli import cli
from tsm_gateway.cli.demo_stage import free_port
from tsm_gateway.virtual.cap_writer import APPLET_AID, PACKAGE_AID
from tsm_gateway.virtual.card_files import read_card
from tsm_gateway.virtual.party_files import card_path, read_handset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

ROOT = Path(__file__).parents[2]
WITHIN_S = 40.0
POLL_S = 0.05
STEPS = ["handshake", "enrolled", "keyed", "user", "proved", "registered", "card"]


class Gateway:
    """A gateway's folder and its two daemons; whoever is typed at is the command line itself."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "gateway.toml"
        self.ports = [free_port() for _ in range(3)]
        self.config.write_text("[gateway]\nid = 'tsm-1'\n")
        (folder / "password").touch(mode=0o600)
        (folder / "password").write_text("secret\n")
        issuer = self.done("virtual", "issuer", "--out", folder / "issuer").stdout
        self.done("pki", "init", "--name", "127.0.0.1", "--owner", "tsm-1", "--dir", folder / "pki")
        self.config.write_text(self.text() + issuer)
        self.done("key", "init")
        self.processes: list[subprocess.Popen[bytes]] = []

    def text(self) -> str:
        folder, (channel_1, channel_2, smsc) = self.folder, self.ports
        return (
            f'[gateway]\nid = "tsm-1"\nsource_address = "16500"\n'
            f'[store]\nurl = "sqlite://{folder}/gateway.db"\nmin_free_mb = 0\n'
            f'[keys]\nmaster = "file:{folder}/master.key"\n[log]\nformat = "json"\n[metrics]\nlisten = ""\n'
            f'[[smpp]]\nname = "a"\nhost = "127.0.0.1"\nport = {smsc}\nsystem_id = "tsm"\n'
            f'password = "file:{folder}/password"\nrebind_min_s = 0.1\nrebind_max_s = 0.2\n'
            f'[provisioning]\nlisten = "127.0.0.1:{channel_1}"\nmetrics = ""\n'
            f'certificate = "{folder}/pki/channel-1.pem"\nkey = "file:{folder}/pki/channel-1.key"\n'
            f'key_delivery_certificate = "{folder}/pki/key-delivery.pem"\n'
            f'key_delivery_key = "file:{folder}/pki/key-delivery.key"\n'
            f'[provisioning.delivery]\nlisten = "127.0.0.1:{channel_2}"\n'
            f'certificate = "{folder}/pki/channel-2.pem"\nkey = "file:{folder}/pki/channel-2.key"\n'
            f'signing_certificate = "{folder}/pki/application-signing.pem"\n'
            f'[[provisioning.delivery.issuer]]\nname = "agents"\nanchors = "{folder}/pki/agents.pem"\n'
        )

    # what people type

    def typed(self, *words: object, stdin: str = "") -> Result:
        return CliRunner().invoke(cli, ["--config", str(self.config), *map(str, words)], input=stdin)

    def done(self, *words: object, stdin: str = "") -> Result:
        result = self.typed(*words, stdin=stdin)
        assert result.exit_code == 0, (words, result.output, result.exception)
        return result

    def enrol(self, out: Path) -> Result:
        return self.done(
            *("virtual", "enrol", "--tsm-root", self.folder / "pki" / "root.pem"),
            *("--issuer", self.folder / "issuer", "--provider", "sp:shop", "--provider-name", "shop"),
            *("--provider-msisdn", "+4930999", "--out", out),
        )

    def assign_to(self, handset: Path) -> str:
        """Let the handset have the application, which is published when nobody did before; its device id."""
        cap, device = self.folder / "pay.cap", read_handset(handset).device_id
        if not cap.exists():
            self.done("virtual", "cap", "--out", cap, "--size", 6000)
            key = self.folder / "pki" / "application-signing.key"
            named = ("--name", "pay", "--version", "1.0.0", "--provider", "shop")
            self.done("application", "publish", cap, *named, "--key", key)
        self.done("application", "assign", "pay", "--device", device)
        return device

    def air(self, parts: str, expect: int = 0) -> str:
        """Let the message centre deliver parts to the relay; what it was given meanwhile, as JSON lines."""
        where = ("--listen", f"127.0.0.1:{self.ports[2]}", "--password-file", self.folder / "password")
        return self.done("virtual", "smsc", *where, "--once", "--expect", expect, stdin=parts).stdout

    # its daemons

    def start(self) -> None:
        for verb, ports in (("provisioning", self.ports[:2]), ("run", [])):
            command = [sys.executable, "-m", "tsm_gateway", "--config", str(self.config), verb]
            with self.log(verb).open("wb") as log:
                environment = {**os.environ, "PYTHONPATH": str(ROOT)}
                process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
            self.processes.append(process)
            self.until(verb, process, lambda ports=ports: all(map(_is_open, ports)))
            self.until(verb, process, lambda verb=verb: self.logged(verb, "daemon.ready"))

    def until(self, verb: str, process: subprocess.Popen[bytes], condition: Any) -> None:
        end = time.monotonic() + WITHIN_S
        while not condition():
            if time.monotonic() > end or process.poll() is not None:
                pytest.fail(self.log(verb).read_text())
            time.sleep(POLL_S)

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        codes = [process.wait(WITHIN_S) for process in self.processes]
        assert codes == [0] * len(codes)

    def log(self, verb: str) -> Path:
        return self.folder / f"{verb}.log"

    def logged(self, verb: str, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log(verb).read_text().splitlines() if line[:1] == "{"]
        return [line for line in lines if line["event"] == event]


def _is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    made = Gateway(tmp_path_factory.mktemp("gateway"))
    made.start()
    try:
        yield made
    finally:
        for process in made.processes:
            if process.poll() is None:
                process.terminate()
        for process in made.processes:
            process.wait(WITHIN_S)


@pytest.fixture
def handset(gateway: Gateway, tmp_path: Path) -> Path:
    """A handset with an empty card, of the provider all of them share."""
    shared = gateway.folder / "parties"
    return Path(gateway.enrol(shared).stdout.split()[0])


def pay(gateway: Gateway, handset: Path, *more: object) -> Result:
    return gateway.typed("virtual", "pay", "--handset", handset, "--amount", "12.99", "--json", *more)


def test_a_handset_gets_its_application_and_then_it_pays(gateway: Gateway, tmp_path: Path) -> None:
    """The whole of the design's first page, in its order; the steps need one another."""
    out = gateway.folder / "parties"
    enrolled = gateway.enrol(out)
    path = Path(enrolled.stdout.split()[0])
    assert [line.split()[1] for line in enrolled.stderr.splitlines()] == STEPS
    record, card = read_handset(path), card_path(path)
    assert record.element is not None
    assert read_card(card).profile.app_se == record.element.app_se
    assert stat.S_IMODE(card.stat().st_mode) == 0o600

    first_contact(gateway, path)
    pays_nothing(gateway, path, tmp_path / "forced.json")
    device = gateway.assign_to(path)
    is_delivered_to(gateway, path)

    # paid, to the provider the application was told of
    sent = pay(gateway, path)
    assert sent.exit_code == 0, sent.exception
    packets = gateway.air(sent.stdout, expect=2)
    opened = gateway.done("virtual", "open", "--provider", out / "provider.json", stdin=packets)
    payment = json.loads(opened.stdout)
    assert payment["device_id"] == device
    assert len(gateway.logged("run", "payment.accepted")) == 1

    # a second visit finds nothing to do
    again = gateway.done("virtual", "deliver", "--handset", path)
    assert again.stdout.splitlines()[-1] == "device active, 0 scripts, 0 commands"


def first_contact(gateway: Gateway, path: Path) -> None:
    """Nothing is assigned yet, and still the issuer's keys are gone after it."""
    nothing = gateway.typed("virtual", "deliver", "--handset", path)
    assert (nothing.exit_code, "virtual-delivery-incomplete" in str(nothing.exception)) == (1, True)
    steps = [line.split()[1] for line in nothing.stderr.splitlines()]
    assert steps[:2] == ["handshake", "renew-keys"]
    assert [keys.kvn for keys in read_card(card_path(path)).key_sets] == [0x31]


def pays_nothing(gateway: Gateway, path: Path, forced: Path) -> None:
    """Its app element refuses; and where that were forced, the relay does."""
    counter = read_handset(path).next_piv
    refused = pay(gateway, path, "--to", "sp:shop")
    assert "virtual-application-not-installed" in str(refused.exception)
    assert read_handset(path).next_piv == counter  # what is refused costs no counter
    fields = json.loads(path.read_text())
    forced.write_text(json.dumps({name: each for name, each in fields.items() if name != "app_agent"}))
    sent = pay(gateway, forced, "--to", "sp:shop")
    assert sent.exit_code == 0, sent.exception
    gateway.air(sent.stdout)
    refusals = gateway.logged("run", "payment.refused")
    assert [each["reason"] for each in refusals] == ["application_not_delivered"]
    path.write_text(json.dumps(fields | {"next_piv": read_handset(forced).next_piv}))


def is_delivered_to(gateway: Gateway, path: Path) -> None:
    """The application is on the card, with what it is to know."""
    delivered = gateway.done("virtual", "deliver", "--handset", path)
    first, last = delivered.stdout.splitlines()
    assert first == "pay 1.0.0 installed"
    assert last.startswith("device active, ")
    steps = [line.split()[1] for line in delivered.stderr.splitlines()]
    assert (steps[:2], steps[-1]) == (["handshake", "install"], "installed")
    state = read_card(card_path(path))
    assert [file.aid for file in state.load_files] == [PACKAGE_AID]
    assert state.instances[0].aid == APPLET_AID
    parameters = state.instances[0].parameters
    assert parameters is not None
    assert (parameters.provider_address, parameters.gateway_number) == ("sp:shop", "16500")


def test_a_removed_application_pays_no_more(gateway: Gateway, handset: Path) -> None:
    device = gateway.assign_to(handset)
    assert gateway.done("virtual", "deliver", "--handset", handset).stdout.startswith("pay 1.0.0 installed")
    gateway.done("application", "remove", "pay", "--device", device, "--yes")
    delivered = gateway.done("virtual", "deliver", "--handset", handset)
    assert delivered.stdout.splitlines()[0] == "pay 1.0.0 removed"
    assert "device registered" in delivered.stdout
    assert read_card(card_path(handset)).load_files == ()
    assert "virtual-application-not-installed" in str(pay(gateway, handset).exception)


def test_a_handset_without_a_card_is_told_so(gateway: Gateway, handset: Path, tmp_path: Path) -> None:
    fields = json.loads(handset.read_text())
    del fields["app_agent"]
    bare = tmp_path / "handset.json"
    bare.write_text(json.dumps(fields))
    told = gateway.typed("virtual", "deliver", "--handset", bare)
    assert "no card" in str(told.exception)
    nowhere = pay(gateway, bare)
    assert nowhere.exit_code == 2
    assert "--to" in nowhere.output


def test_a_gateway_without_channel_2_needs_a_url(gateway: Gateway, handset: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.toml"
    bare.write_text(gateway.text().split("[provisioning]")[0])
    words = ["--config", str(bare), "virtual", "deliver", "--handset", str(handset)]
    assert "--url" in str(CliRunner().invoke(cli, words).exception)


def test_a_card_that_somebody_holds_waits(gateway: Gateway, handset: Path) -> None:
    from tsm_gateway.virtual.card_files import open_card  # noqa: PLC0415 - beside its one use

    with open_card(card_path(handset)):
        held = gateway.typed("virtual", "deliver", "--handset", handset)
    assert "another process holds this card" in str(held.exception.facts)  # type: ignore[union-attr]


def test_a_cap_file_is_not_written_over(gateway: Gateway, tmp_path: Path) -> None:
    out = tmp_path / "pay.cap"
    gateway.done("virtual", "cap", "--out", out, "--size", 5000)
    octets = out.read_bytes()
    assert "file-exists" in str(gateway.typed("virtual", "cap", "--out", out).exception)
    assert out.read_bytes() == octets
    small = gateway.typed("virtual", "cap", "--out", tmp_path / "small.cap", "--size", 9)
    assert "--size" in str(small.exception)
