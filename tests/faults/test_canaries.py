"""Goal G20: what must be found nowhere.

Every secret of a running daemon, and what a payment says, is searched for as octets, in hexadecimal, in
base64 and in UTF-16, in all that leaves the process or lies on its disk; and a process that aborts writes
no core.
"""

from __future__ import annotations

import base64
import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.carrier import carrier_for
from tests.faults.daemon import PASSWORD, Daemon
from tests.faults.forge import plaintext_of
from tests.radio.smpp.peer import story
from tests.relay.rig import ADDRESS, MASTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tsm_gateway.virtual.part import Part

UNREGISTERED = "+4930555123987"  # an address that stands in no table of ours
AMOUNT, MINOR = "1234567.89", 123_456_789
OURS = ("gateway.toml", "password", "master.key")  # where an operator put secrets on purpose


def spellings(octets: bytes) -> Iterator[bytes]:
    """How `octets` might turn up."""
    yield octets
    yield octets.hex().encode()
    yield octets.hex().upper().encode()
    yield octets.hex().encode("utf-16-le")
    for lead in range(3):  # wherever it begins within a group of three
        coded = base64.b64encode(bytes(lead) + octets)[4 if lead else 0 : -4]
        yield coded
        yield coded.replace(b"+", b"-").replace(b"/", b"_")
    if octets.isascii():
        yield octets.decode().encode("utf-16-le")


def found(canaries: dict[str, bytes], places: dict[str, bytes]) -> list[str]:
    """Every canary in every place, by name."""
    return [
        f"{name} in {place}"
        for name, octets in canaries.items()
        for place, text in places.items()
        if any(spelling in text for spelling in spellings(octets) if len(spelling) > 3)
    ]


def canaries_of(daemon: Daemon) -> dict[str, bytes]:
    """What may stand nowhere."""
    handset = daemon.handsets[0]
    return {
        "device key": handset.record.key.reveal(),
        "provider key": daemon.provider.key.reveal(),
        "master key": MASTERS.current.key.reveal(),
        "carrier password": PASSWORD.encode(),
        "instrument": handset.crypto._made.instrument,
        "amount": MINOR.to_bytes(4, "big"),
        "amount in words": AMOUNT.encode(),
        "address": UNREGISTERED.encode(),
        "sender": handset.record.msisdn.removeprefix("+").encode(),
    }


def places_of(daemon: Daemon) -> dict[str, bytes]:
    """Everywhere a running daemon can be looked at from outside."""
    process = Path("/proc") / str(daemon.pid)
    files = {
        path.name: path.read_bytes()
        for path in daemon.folder.iterdir()
        if path.is_file() and path.name not in OURS
    }
    return files | {
        "log": "\n".join(daemon.lines()).encode(),
        "metrics": daemon.page("metrics"),
        "status": daemon.page("status"),
        "health": daemon.page("health"),
        "argv": (process / "cmdline").read_bytes(),
        "environ": (process / "environ").read_bytes(),
    }


def spoiled(part: Part) -> Part:
    """The part with its last bit turned over."""
    return part._replace(data=part.data[:-1] + bytes((part.data[-1] ^ 1,)))


@pytest.fixture
def busy(new_daemon: Callable[..., Daemon]) -> Daemon:
    """A daemon at its chattiest that has seen payments good and bad, whole and half."""
    daemon = new_daemon(devices=2, level="debug")
    daemon.start()

    @story
    async def run() -> None:
        async with carrier_for(daemon) as (carrier, _):
            await carrier.answers(carrier.send(daemon.pay(AMOUNT)))
            await carrier.forwarded(1)
            await carrier.answers(carrier.send(daemon.pay(AMOUNT, to=UNREGISTERED)))
            await carrier.answers(carrier.send(daemon.pay(AMOUNT)[:1]))
            good = daemon.pay(AMOUNT)
            await carrier.answers(carrier.send([good[0], spoiled(good[1])]))
            await carrier.pay()

    run()
    return daemon


def test_no_secret_and_no_payment_is_found_outside_the_process(busy: Daemon) -> None:
    canaries, places = canaries_of(busy), places_of(busy)
    assert len(places["log"]) > 500
    assert b"tsm_payments_accepted_total 2.0" in places["metrics"]
    assert {"gateway.db", "gateway.db-wal"} <= places.keys()
    registry = {name: text for name, text in places.items() if not name.startswith("gateway.db")}
    sender = {"sender": canaries.pop("sender")}  # registry and journal know numbers, nothing else does
    assert found(canaries, places) == []
    assert found(sender, registry) == []
    assert found({"the provider's address": ADDRESS.encode()}, registry) == []
    assert busy.stop() == 0
    after = {path.name: path.read_bytes() for path in busy.folder.glob("gateway.db*")}
    assert found(canaries, after) == []


def test_the_search_finds_what_is_there(busy: Daemon) -> None:
    """The control: each canary in each spelling, in the midst of other octets."""
    for name, octets in canaries_of(busy).items():
        for spelling in spellings(octets):
            assert found({name: octets}, {"somewhere": b"x" * 7 + spelling + b"y"}) or len(spelling) < 4
    plain = plaintext_of(busy.handsets[0], busy.pay(AMOUNT, to=UNREGISTERED))
    seen = found(canaries_of(busy), {"a payment": plain})
    assert seen == ["instrument in a payment", "amount in a payment", "address in a payment"]


def test_a_daemon_that_aborts_writes_no_core(new_daemon: Callable[..., Daemon]) -> None:
    daemon = new_daemon()
    with cores_allowed():
        assert ended_by_abort(["-c", "import os; os.abort()"], daemon.folder) == os.CLD_DUMPED
        for core in daemon.folder.glob("core*"):
            core.unlink()
        daemon.start()
    process = daemon.program
    assert process
    os.kill(daemon.pid, signal.SIGABRT)
    ended = os.waitid(os.P_PID, daemon.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    assert (ended.si_code, ended.si_status) == (os.CLD_KILLED, signal.SIGABRT)
    assert not list(daemon.folder.glob("core*"))


def ended_by_abort(words: list[str], folder: Path) -> int:
    """How a program without our hardening ends: the control."""
    with subprocess.Popen([sys.executable, *words], cwd=folder) as child:
        ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        return ended.si_code


@contextmanager
def cores_allowed() -> Iterator[None]:
    """Children may write cores of any size, as far as we may say so."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
