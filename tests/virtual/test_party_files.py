"""The parties on disk: their fields, their mode, and a counter that no crash brings back."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tsm_gateway.virtual.errors import PartyFileInvalid
from tsm_gateway.virtual.party_files import read_handset, read_provider, take_piv, write_party

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.virtual.party_records import HandsetRecord, ProviderRecord

HANDSET_FIELDS = [
    "test_only",
    "device_id",
    "kid",
    "key",
    "next_piv",
    "port",
    "msisdn",
    "certificate",
    "private_key",
    "provider_addresses",
]
PROVIDER_FIELDS = ["test_only", "name", "address", "kid", "key", "msisdn", "devices"]

TAKER = """
import sys
from pathlib import Path
from tsm_gateway.virtual.party_files import take_piv
while True:
    sys.stdout.write(f"{take_piv(Path(sys.argv[1])).next_piv}\\n")
    sys.stdout.flush()
"""


def private_value(record: HandsetRecord) -> int:
    assert isinstance(record.private_key, ec.EllipticCurvePrivateKey)
    return record.private_key.private_numbers().private_value


def test_the_files_are_private_and_say_first_that_they_are_for_tests(
    tmp_path: Path, handset_record: HandsetRecord, provider_record: ProviderRecord
) -> None:
    for record, fields in ((handset_record, HANDSET_FIELDS), (provider_record, PROVIDER_FIELDS)):
        path = tmp_path / "party.json"
        write_party(path, record)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(json.loads(path.read_text())) == fields
        assert list(tmp_path.iterdir()) == [path]


def test_a_party_reads_as_it_was_written(
    tmp_path: Path, handset_record: HandsetRecord, provider_record: ProviderRecord
) -> None:
    path = tmp_path / "party.json"
    write_party(path, provider_record)
    assert read_provider(path) == provider_record
    write_party(path, handset_record)
    read = read_handset(path)
    assert private_value(read) == private_value(handset_record)
    assert replace(read, private_key=handset_record.private_key) == handset_record
    for secret in (read.key.reveal().hex(), str(private_value(read))):
        assert secret not in repr(read)


def test_what_is_no_party_is_refused_without_telling_what_stands_in_it(
    tmp_path: Path, handset_record: HandsetRecord
) -> None:
    path = tmp_path / "handset.json"
    good = handset_record.as_json()
    wrong: list[object] = [
        [],
        {name: value for name, value in good.items() if name != "test_only"},
        {name: value for name, value in good.items() if name != "key"},
        good | {"key": "c0ffee"},
        good | {"key": "secret words"},
        good | {"private_key": "secret words"},
        good | {"next_piv": "x"},
    ]
    for fields in wrong:
        path.write_text(json.dumps(fields))
        with pytest.raises(PartyFileInvalid) as caught:
            read_handset(path)
        assert "c0ffee" not in str(caught.value)
        assert "secret words" not in str(caught.value)
    path.write_text("{")
    with pytest.raises(PartyFileInvalid):
        read_handset(path)


def test_a_counter_is_taken_once_and_many_may_be_taken_together(
    tmp_path: Path, handset_record: HandsetRecord
) -> None:
    path = tmp_path / "handset.json"
    write_party(path, handset_record)
    first = handset_record.next_piv
    assert [take_piv(path).next_piv, take_piv(path, 10).next_piv, take_piv(path).next_piv] == [
        first,
        first + 1,
        first + 11,
    ]
    assert read_handset(path).next_piv == first + 12


def test_the_counter_is_on_the_disk_before_it_is_given_out(
    tmp_path: Path, handset_record: HandsetRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, done = tmp_path / "handset.json", []
    write_party(path, handset_record)
    sync, rename = os.fsync, type(path).replace

    def synced(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        done.append(f"sync {kind}")
        sync(descriptor)

    def renamed(draft: Path, target: Path) -> Path:
        done.append("rename")
        return rename(draft, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(type(path), "replace", renamed)
    take_piv(path)
    assert done == ["sync file", "rename", "sync folder"]


def test_a_failing_disk_gives_out_no_counter(
    tmp_path: Path, handset_record: HandsetRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "handset.json"
    write_party(path, handset_record)

    def broken(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        take_piv(path)
    monkeypatch.undo()
    assert take_piv(path).next_piv == handset_record.next_piv


def test_no_counter_is_given_out_twice_by_processes_that_race_and_are_killed(
    tmp_path: Path, handset_record: HandsetRecord
) -> None:
    path, dice = tmp_path / "handset.json", random.Random(7)
    write_party(path, handset_record)
    outputs = []
    for round_number in range(3):
        takers = []
        for number in range(2):
            output = tmp_path / f"taken-{round_number}-{number}"
            outputs.append(output)
            with output.open("wb") as file:
                takers.append(subprocess.Popen([sys.executable, "-c", TAKER, path], stdout=file))
        end = time.monotonic() + 20
        while not all(output.stat().st_size for output in outputs) and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(dice.uniform(0, 0.05))  # not for luck: the moment of the kill is the variable
        for taker in takers:
            taker.send_signal(signal.SIGKILL)
            taker.wait(10)
    # a killed process may have written half a line: it was not given out whole
    taken = [int(line) for output in outputs for line in output.read_text().split("\n")[:-1]]
    assert len(taken) > 20
    assert len(set(taken)) == len(taken)
    assert read_handset(path).next_piv > max(taken)
