"""Goal G20 for both processes: what must be found nowhere after enrolments, refusals, new keys, payments."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.crash.town import Town
from tests.faults.premises import Premises
from tests.faults.provisioning_secrets import command, files_in, places_of, secrets_of
from tests.faults.test_canaries import cores_allowed, ended_by_abort, found, spellings
from tsm_gateway.secret import Secret
from tsm_gateway.virtual.errors import ChannelRefused
from tsm_gateway.virtual.identity import Kind
from tsm_gateway.virtual.security_domain import SecurityDomain

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.premises import Phone
    from tsm_gateway.virtual.party_records import HandsetRecord

FILES = ("gateway.db", "gateway.db-wal", "gateway.db-shm", "backup.db", "master.key.epoch")
REFUSED = {"TSM-PROOF-MALFORMED", "TSM-PROOF-NOT-AUTHENTIC", "TSM-CHALLENGE-STALE", "TSM-CONFIRMATION-WRONG"}


@pytest.mark.timeout(120)
def test_no_secret_is_found_outside_the_processes_and_the_search_finds_what_is_planted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))

    async def run() -> None:
        async with Town(tmp_path, None, level="debug", provisioning='hybrid = "offered"') as town:
            phones = [await town.active_phone(kind) for kind in Kind]
            records = [phone.record for phone in phones]
            for record in records:
                await town.pay(record)
            assert {code for phone in phones for code in await asyncio.to_thread(trouble, phone)} >= REFUSED
            records += await new_keys(town, phones)
            assert (await town.verdict()).problems == []
            secrets = secrets_of(town.premises, records)
            places = await asyncio.to_thread(places_of, town.premises, phones)
            assert set(FILES) <= set(places)
            assert min(len(places[each]) for each in ("provisioning-1.log", "run-0.log")) > 2_000
            assert b"tsm_provisioning_registrations_total" in places["provisioning metrics"]
            assert b"device.enrol" in places["audit export"]
            assert found(secrets, places) == []
            assert await town.stopped() == [0, 0]
            assert found(secrets, files_in(tmp_path)) == []
            await town.start_relay()
            await town.start_provisioning()
            await planted(town, phones[0])

    asyncio.run(run())


def trouble(phone: Phone) -> set[str]:
    """Send proofs that are wrong in different ways; what was answered."""
    codes = set()
    domain, kid = SecurityDomain(phone.record), phone.record.kid
    other = SecurityDomain(with_wrong_key(phone.record))
    spoilers: list[Callable[[bytes, bytes], bytes]] = [
        lambda _proof, _challenge: b"no proof at all",
        lambda proof, _challenge: proof[:-1] + bytes((proof[-1] ^ 1,)),
        lambda _proof, _challenge: domain.prove(bytes(32), kid),
        lambda _proof, challenge: other.prove(challenge, kid),
    ]
    with phone.channel() as channel:
        for spoil in spoilers:
            challenge = base64.b64decode(channel.ask("POST", "/v1/challenge", {})["challenge"])
            proof = spoil(domain.prove(challenge, kid), challenge)
            with pytest.raises(ChannelRefused) as refused:
                channel.ask("POST", "/v1/registration", {"proof": base64.b64encode(proof).decode()})
            codes.add(str(refused.value.facts["reason"]))
    return codes


def with_wrong_key(record: HandsetRecord) -> HandsetRecord:
    """Its element was given another key than the gateway knows."""
    return replace(record, key=Secret(bytes(reversed(record.key.reveal()))))


async def new_keys(town: Town, phones: list[Phone]) -> list[HandsetRecord]:
    """Give every phone another key; their records after it."""
    town.operator("rekey", *(phone.record.device_id for phone in phones))
    for phone in phones:
        await town.until(lambda: len(town.standing(phone).keys) == 2, "a new key")  # noqa: B023
        await asyncio.to_thread(phone.rekey)
    return [phone.record for phone in phones]


async def planted(town: Town, phone: Phone) -> None:
    """The control: a secret an operator types as a reason is found wherever reasons come to."""
    octets = phone.record.key.reveal()
    town.operator("suspend", phone.record.device_id, "--reason", octets.hex())
    places = await asyncio.to_thread(places_of, town.premises, [phone])
    seen = found({"the key": octets}, places)
    assert any(each.startswith("the key in gateway.db") for each in seen)
    wanted = ("backup.db", "audit export", "device 0")
    assert {f"the key in {place}" for place in wanted} <= set(seen)


def test_the_search_finds_every_secret_in_every_spelling(tmp_path: Path) -> None:
    with Premises(tmp_path) as premises:
        secrets = secrets_of(premises, [])
    assert {"master key", "provider key", "key-delivery key"} <= set(secrets)
    for name, octets in secrets.items():
        for spelling in spellings(octets):
            assert found({name: octets}, {"somewhere": b"x" * 7 + spelling + b"y"}) == [
                f"{name} in somewhere"
            ]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("verb", ["provisioning", "run"])
def test_a_process_that_aborts_leaves_no_core(tmp_path: Path, verb: str) -> None:
    with Premises(tmp_path) as premises, cores_allowed():
        assert ended_by_abort(["-c", "import os; os.abort()"], tmp_path) == os.CLD_DUMPED
        for core in tmp_path.glob("core*"):
            core.unlink()
        life = premises.start(verb).ready()
        limits = Path(f"/proc/{life.pid}/limits").read_text().splitlines()
        assert next(line for line in limits if line.startswith("Max core file size")).split()[4:6] == [
            "0",
            "0",
        ]
        os.kill(life.pid, signal.SIGABRT)
        ended = os.waitid(os.P_PID, life.pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert (ended.si_code, ended.si_status) == (os.CLD_KILLED, signal.SIGABRT)
        assert not list(tmp_path.glob("core*"))
        assert command(premises, "store", "check")
