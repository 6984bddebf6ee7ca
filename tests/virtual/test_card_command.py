"""`tsm-gateway virtual card`: its file, the issuer's line, and the card in a virtual reader."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.virtual.card_host import Host, load_file
from tests.virtual.test_card_upkeep import as_set
from tsm_gateway.cli.virtual import virtual
from tsm_gateway.virtual.card import ATR
from tsm_gateway.virtual.card_files import open_card, read_card, write_card
from tsm_gateway.virtual.card_new import new_card
from tsm_gateway.virtual.errors import PartyFileInvalid
from tsm_gateway.virtual.party_records import TEST_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WITHIN_S = 20


def run(*words: object):
    return CliRunner().invoke(virtual, ["card", *map(str, words)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "card.json"


def pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


# the file


def test_a_card_comes_back_from_its_file_as_it_was(path: Path) -> None:
    signer = ec.generate_private_key(ec.SECP256R1()).public_key()
    write_card(path, new_card(protocol=0x61))
    with open_card(path) as card:
        host = Host(card)
        host.open(card.state.key_sets[0])
        host.put_application(load_file())
        left = card.state
    assert read_card(path) == left
    write_card(path, new_card(dap_keys=[signer], token_key=signer))
    again = read_card(path).profile
    assert again.token_key is not None
    assert again.dap_keys[0].public_numbers() == again.token_key.public_numbers() == signer.public_numbers()
    assert again.receipt_key is not None
    assert len(again.receipt_key) == 16


def test_the_file_is_private_and_says_first_that_it_is_for_tests(path: Path) -> None:
    write_card(path, new_card())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert next(iter(json.loads(path.read_text()))) == TEST_ONLY


def test_one_process_holds_a_card(path: Path) -> None:
    write_card(path, new_card())
    with open_card(path), pytest.raises(PartyFileInvalid, match="another process"), open_card(path):
        pass
    with open_card(path):
        pass


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: [],
        lambda fields: {name: value for name, value in fields.items() if name != TEST_ONLY},
        lambda fields: {name: value for name, value in fields.items() if name != "instances"},
        lambda fields: fields | {"key_sets": []},
        lambda fields: fields | {"key_sets": [fields["key_sets"][0] | {"enc": "00"}]},
        lambda fields: fields | {"life": "ASLEEP"},
        lambda fields: fields | {"issuer": "x"},
        lambda fields: fields | {"profile": fields["profile"] | {"dap_keys": ["none"]}},
        lambda fields: fields | {"profile": None},
        lambda fields: fields | {"load_files": [{}]},
    ],
)
def test_a_file_that_is_no_card_is_refused_and_shows_nothing_of_it(path: Path, spoil) -> None:
    write_card(path, new_card())
    fields: dict[str, Any] = json.loads(path.read_text())
    path.write_text(json.dumps(spoil(fields)))
    with pytest.raises(PartyFileInvalid) as refused:
        read_card(path)
    assert fields["key_sets"][0]["enc"] not in str(refused.value)
    path.write_text("{")
    with pytest.raises(PartyFileInvalid, match="JSON"):
        read_card(path)


# the command


def test_a_new_card_gives_the_issuers_line(path: Path) -> None:
    made = run(
        "--new", "--file", path, "--aes", "256", "--protocol", "71", "--kvn", "66", "--app-se", "AB" * 16
    )
    assert made.exit_code == 0
    line = json.loads(made.stdout)
    assert (line["app_se"], line["i"], line["kvn"]) == ("ab" * 16, "71", 66)
    keys = [bytes.fromhex(line[name]) for name in ("enc", "mac", "dek")]
    with open_card(path) as card:
        Host(card).open(as_set(66, keys))


def test_a_card_is_made_with_the_keys_it_verifies_with(path: Path, tmp_path: Path) -> None:
    signer = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "signer.pem").write_bytes(pem_of(signer))
    words = ("--dap-key", tmp_path / "signer.pem", "--token-key", tmp_path / "signer.pem")
    made = run("--new", "--file", path, "--memory", 1000, *words)
    assert len(bytes.fromhex(json.loads(made.stdout)["receipt"])) == 16
    profile = read_card(path).profile
    assert (profile.memory, len(profile.dap_keys)) == (1000, 1)
    curve = ec.generate_private_key(ec.SECP384R1())
    (tmp_path / "other.pem").write_bytes(pem_of(curve))
    refused = run("--new", "--file", tmp_path / "two.json", "--dap-key", tmp_path / "other.pem")
    assert "virtual-party-file-invalid" in str(refused.exception)


def test_a_card_says_what_is_on_it_and_no_key(path: Path) -> None:
    write_card(path, new_card())
    with open_card(path) as card:
        host = Host(card)
        host.open(card.state.key_sets[0])
        host.put_application(load_file())
    told = run("--file", path).stdout
    assert [each["selectable"] for each in json.loads(told)["applications"]] == [True]
    keys = read_card(path).key_sets[0]
    assert not any(key.reveal().hex() in told for key in (keys.enc, keys.mac, keys.dek))


def test_options_that_mean_nothing_are_refused(path: Path) -> None:
    assert run("--file", path).exit_code == 2
    for words in (["--app-se", "xyz"], ["--app-se", "ab" * 7], ["--protocol", "15"], ["--kvn", "112"]):
        assert run("--new", "--file", path, *words).exit_code == 2
    assert run("--new", "--file", path, "--vpcd", "here").exit_code == 2
    assert not path.exists()
    assert run("--new", "--file", path).exit_code == 0
    assert "file-exists" in str(run("--new", "--file", path).exception)


def test_a_reader_that_is_not_there_is_named(path: Path) -> None:
    run("--new", "--file", path)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    gone = run("--file", path, "--vpcd", f"127.0.0.1:{port}", "--patience", 0)
    assert "virtual-reader-unreachable" in str(gone.exception)


# in the reader


class Vpcd:
    """The driver's side of a virtual reader."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(WITHIN_S)
        self.port = self.listener.getsockname()[1]

    def insert(self) -> None:
        self.card, _ = self.listener.accept()
        self.card.settimeout(WITHIN_S)

    def tell(self, message: str) -> None:
        octets = bytes.fromhex(message)
        self.card.sendall(len(octets).to_bytes(2, "big") + octets)

    def ask(self, message: str) -> bytes:
        self.tell(message)
        return self._read(int.from_bytes(self._read(2), "big"))

    def _read(self, length: int) -> bytes:
        octets = b""
        while len(octets) < length:
            got = self.card.recv(length - len(octets))
            assert got
            octets += got
        return octets


@pytest.fixture
def reader() -> Iterator[Vpcd]:
    vpcd = Vpcd()
    yield vpcd
    vpcd.card.close()
    vpcd.listener.close()


@pytest.fixture
def process(path: Path, reader: Vpcd) -> Iterator[subprocess.Popen[str]]:
    write_card(path, new_card())
    words = ["--file", str(path), "--vpcd", f"127.0.0.1:{reader.port}", "--trace"]
    with subprocess.Popen(
        [sys.executable, "-m", "tsm_gateway", "virtual", "card", *words], stderr=subprocess.PIPE, text=True
    ) as started:
        reader.insert()
        yield started
        if started.poll() is None:
            started.kill()


SELECT_ISD, GREETING = "00A4040000", "8050000008000102030405060700"


def test_the_card_in_the_reader_answers_resets_and_commands(reader: Vpcd, process: Any, path: Path) -> None:
    reader.tell("01")
    assert reader.ask("04") == ATR
    assert reader.ask(SELECT_ISD)[-2:] == b"\x90\0"
    assert reader.ask(GREETING)[29:32] == b"\0\0\1"
    reader.tell("02")
    assert reader.ask("84823300" + "10" + "00" * 16) == bytes.fromhex("6985")  # the handshake was reset
    assert reader.ask(GREETING)[29:32] == b"\0\0\2"
    assert read_card(path).key_sets[0].sequence == 2
    process.send_signal(signal.SIGTERM)
    assert process.wait(WITHIN_S) == 0
    told = process.stderr.read()
    assert f"> {SELECT_ISD.lower()}" in told
    assert "< 6985  no INITIALIZE UPDATE went ahead" in told
    assert "taken out of the reader" in told


def test_the_card_comes_back_when_the_reader_was_away(reader: Vpcd, process: Any) -> None:
    reader.tell("01")
    assert reader.ask(GREETING)[29:32] == b"\0\0\1"
    reader.card.close()
    reader.insert()
    reader.tell("01")
    assert reader.ask("84823300" + "10" + "00" * 16) == bytes.fromhex("6985")
    assert reader.ask(GREETING)[29:32] == b"\0\0\2"
    process.send_signal(signal.SIGINT)
    assert process.wait(WITHIN_S) == 0


def test_a_card_killed_in_the_middle_counts_on_from_where_it_was(
    reader: Vpcd, process: Any, path: Path
) -> None:
    reader.tell("01")
    for number in range(1, 4):
        assert reader.ask(GREETING)[29:32] == bytes([0, 0, number])
    process.kill()
    process.wait(WITHIN_S)
    assert read_card(path).key_sets[0].sequence == 3
