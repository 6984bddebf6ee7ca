"""`tsm-gateway virtual` as people and scripts run it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tsm_gateway.cli.virtual import virtual
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.packet import read_packet
from tsm_gateway.virtual.part import Part, part_from_json
from tsm_gateway.virtual.party_files import read_handset, write_party

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.virtual.conftest import Relay
    from tsm_gateway.virtual.party_records import HandsetRecord, ProviderRecord

NOW = 1_760_000_000
ADDRESS = "+4930123456789"


@pytest.fixture
def handset_file(tmp_path: Path, handset_record: HandsetRecord) -> Path:
    path = tmp_path / "handset.json"
    write_party(path, handset_record)
    return path


@pytest.fixture
def provider_file(tmp_path: Path, provider_record: ProviderRecord) -> Path:
    path = tmp_path / "provider.json"
    write_party(path, provider_record)
    return path


def pay(path: Path, *more: str) -> Result:
    given = ["pay", "--handset", str(path), "--to", ADDRESS, "--amount", "12.99", "--currency", "EUR"]
    return CliRunner().invoke(virtual, [*given, *more])


def opened(path: Path, lines: str, *more: str) -> Result:
    return CliRunner().invoke(virtual, ["open", "--provider", str(path), *more], input=lines)


def as_lines(parts: list[Part]) -> str:
    return "".join(json.dumps({"udh": part.udh.hex(), "data": part.data.hex()}) + "\n" for part in parts)


def test_pay_prints_one_array_of_parts_and_moves_the_counter(
    handset_file: Path, handset_record: HandsetRecord
) -> None:
    for expected in range(3):
        result = pay(handset_file, "--json")
        assert result.exit_code == 0, result.output
        (line,) = result.stdout.splitlines()
        parts = json.loads(line)
        assert [list(part) for part in parts] == [["source", "destination", "dcs", "pid", "udh", "data"]] * 2
        packet = read_packet(bytes.fromhex(parts[0]["data"] + parts[1]["data"]))
        assert packet.piv == handset_record.next_piv + expected
        assert read_handset(handset_file).next_piv == packet.piv + 1


def test_pay_prints_many_payments_a_line_each(handset_file: Path, handset_record: HandsetRecord) -> None:
    lines = pay(handset_file, "--json", "--count", "5").stdout.splitlines()
    assert len(lines) == 5
    assert read_handset(handset_file).next_piv == handset_record.next_piv + 5
    assert "->" in pay(handset_file).stdout


def test_what_is_no_amount_costs_no_counter_and_another_finger_pays_nothing(
    handset_file: Path, handset_record: HandsetRecord
) -> None:
    assert "virtual-amount-invalid" in str(pay(handset_file, "--amount", "1.999").exception)
    assert read_handset(handset_file).next_piv == handset_record.next_piv
    stranger = pay(handset_file, "--finger", "somebody else")
    assert "virtual-biometric-mismatch" in str(stranger.exception)
    assert stranger.stdout == ""


def test_open_prints_each_verified_payment_as_a_line(
    handset_record: HandsetRecord, provider_file: Path, relay: Relay
) -> None:
    handset = Handset(handset_record)
    parts = [part for piv in (1, 2) for part in relay(handset.pay(ADDRESS, "7.5", "EUR", at=NOW), piv=piv)]
    shuffled = [parts[3], parts[0], parts[2], parts[1]]
    result = opened(provider_file, as_lines(shuffled))
    assert result.exit_code == 0, result.output
    payments = [json.loads(line) for line in result.stdout.splitlines()]
    assert [payment["piv"] for payment in payments] == [2, 1]
    assert {payment["amount"] for payment in payments} == {"7.50"}
    assert {payment["to"] for payment in payments} == {ADDRESS}
    arrays = "\n".join(json.dumps([part.as_json() for part in parts[at : at + 2]]) for at in (0, 2))
    assert len(opened(provider_file, arrays).stdout.splitlines()) == 2


def test_open_drops_what_comes_again_unless_asked_to_show_it(
    handset_record: HandsetRecord, provider_file: Path, relay: Relay
) -> None:
    lines = as_lines(relay(Handset(handset_record).pay(ADDRESS, "5", "EUR", at=NOW)) * 2)
    quiet = opened(provider_file, lines)
    assert (quiet.exit_code, len(quiet.stdout.splitlines())) == (0, 1)
    shown = opened(provider_file, lines, "--show-duplicates")
    assert ["duplicate" in json.loads(line) for line in shown.stdout.splitlines()] == [False, True]
    assert shown.exit_code == 0


def test_open_names_what_is_bad_and_ends_with_1(
    handset_record: HandsetRecord, provider_file: Path, relay: Relay
) -> None:
    good = relay(Handset(handset_record).pay(ADDRESS, "5", "EUR", at=NOW), piv=3)
    stray = relay(Handset(handset_record).pay(ADDRESS, "5", "EUR", at=NOW), piv=4)[:1]
    forged = [part._replace(udh=part.udh.replace(b"\x00\x03\x03", b"\x00\x03\x05")) for part in good]
    forged[1] = forged[1]._replace(data=bytes(len(forged[1].data)))
    result = opened(provider_file, "no json\n[]\n\n" + as_lines(forged) + as_lines(good) + as_lines(stray))
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1
    assert "virtual-party-file-invalid" in result.stderr
    assert "virtual-not-authentic" in result.stderr
    assert "reference 4: parts 2 of 2 are missing" in result.stderr


# the SMSC as a process of its own


@pytest.fixture
def smsc(tmp_path: Path) -> Iterator[Any]:
    password = tmp_path / "password"
    password.write_text("secret\n")
    running: list[subprocess.Popen[str]] = []

    def start(*more: str) -> tuple[subprocess.Popen[str], int]:
        given = ["virtual", "smsc", "--listen", "127.0.0.1:0", "--password-file", str(password), *more]
        process = subprocess.Popen(
            [sys.executable, "-m", "tsm_gateway", *given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stderr is not None
        listening = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", process.stderr.readline())
        assert listening is not None
        return process, int(listening[1])

    yield start
    for process in running:
        process.kill()
        process.communicate()


class At:
    """Where an ESME connects to."""

    def __init__(self, port: int) -> None:
        self.host, self.port = "127.0.0.1", port


def test_the_smsc_delivers_stdin_prints_submits_and_ends_once_all_is_answered(
    smsc: Any, connect: Any, handset_file: Path
) -> None:
    process, port = smsc("--once", "--expect", "2", "--doubling", "1", "--events")

    async def esme_story() -> list[bytes]:
        esme = await connect(At(port))
        assert await esme.bind() == 0
        await esme.until(lambda: len(esme.deliveries) == 4, 10)
        for delivery in esme.deliveries[:2]:
            octets = bytes(delivery.short_message)
            cut_at = 1 + octets[0]
            esme.submit(Part("+491", "+4930999", 4, 0, octets[:cut_at], octets[cut_at:]))
        await esme.until(esme.ended.is_set, 10)
        await esme.close()
        return [bytes(delivery.short_message) for delivery in esme.deliveries]

    paid = pay(handset_file, "--json").stdout
    process.stdin.write(paid)
    process.stdin.flush()
    process.stdin.close()
    process.stdin = None
    delivered = asyncio.run(esme_story())
    output, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    sent = [part_from_json(fields) for fields in json.loads(paid)]
    assert sorted(delivered) == sorted([part.udh + part.data for part in sent] * 2)
    submitted = [part_from_json(json.loads(line)) for line in output.splitlines()]
    assert [part.udh + part.data for part in submitted] == delivered[:2]
    assert {part.destination for part in submitted} == {"+4930999"}
    events = [json.loads(line)["event"] for line in errors.splitlines()]
    assert events.count("delivered") == 4
    assert events.count("submitted") == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_smsc_ends_cleanly_on_a_signal_while_it_waits_for_stdin(smsc: Any, number: int) -> None:
    process, _ = smsc()
    process.send_signal(number)
    assert process.wait(timeout=10) == 0
    assert process.communicate() == ("", "")


def test_the_smsc_gives_up_waiting_and_says_what_is_missing(smsc: Any, handset_file: Path) -> None:
    process, _ = smsc("--once", "--expect", "2", "--timeout", "0.2")
    output, errors = process.communicate(pay(handset_file, "--json").stdout, timeout=10)
    assert (process.returncode, output) == (1, "")
    assert "0 of 2 expected came" in errors


def test_the_smsc_says_that_nobody_has_bound(smsc: Any) -> None:
    process, _ = smsc()
    assert process.stderr.readline().startswith("nobody has bound yet")


def test_the_smsc_names_lines_that_are_no_parts(smsc: Any) -> None:
    process, _ = smsc("--once")
    output, errors = process.communicate("no part\n", timeout=10)
    assert (process.returncode, output) == (1, "")
    assert "virtual-party-file-invalid" in errors


def test_the_smsc_refuses_options_that_mean_nothing(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret")
    for wrong in (["--listen", "here"], ["--carriage", "pigeon"], ["--loss", "2"]):
        given = ["smsc", "--password-file", str(password), *wrong]
        assert CliRunner().invoke(virtual, given).exit_code == 2
    unknown = CliRunner().invoke(virtual, ["smsc", "--password-file", str(password), "--fault", "nap=1"])
    assert "virtual-fault-spec-invalid" in str(unknown.exception)


def test_a_party_of_another_kind_is_refused(
    tmp_path: Path, handset_record: HandsetRecord, provider_file: Path
) -> None:
    assert "virtual-party-file-invalid" in str(pay(provider_file).exception)
    path = tmp_path / "other.json"
    write_party(path, replace(handset_record, msisdn="+1"))
    assert "virtual-party-file-invalid" in str(opened(path, "").exception)
