"""How many payments the relay takes, and how soon it answers: whole daemon, one bind, fsync before answer.

usage: scripts/bench relay [--payments N] [--rate N] [--runs N] [--receipts]

Each run starts the daemon anew on an empty store with logs and metrics on, and plays two-part payments
(made and signed beforehand) from this process over one SMPP bind, signatures verified by the gateway.

| figure | how |
|---|---|
| sustained | all payments as fast as the bind's window of unanswered deliver_sm allows |
| paced | payments offered at --rate per second, whatever the gateway does; latency per deliver_sm |
| idle | one payment after the other, the next when the one before left |

Medians over the runs are printed, minimum and maximum beside them; quote ratios within one machine only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

sys.path.insert(0, str(Path(__file__).parent))

from _load import LoadCentre, deliver_sm

from tsm_gateway.cli.demo_stage import CONFIG, GATEWAY_NUMBER, free_port
from tsm_gateway.cli.virtual_parties import enrol, new_provider
from tsm_gateway.keys.master_store import init_master, read_master
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.handset import Handset

if TYPE_CHECKING:
    from collections.abc import Sequence

HANDSETS, ADDRESS, MSISDN = 50, "+4930123456789", "+4930999000"
WINDOW = 400  # deliver_sm without an answer while going as fast as possible
PACE_S = 0.005
DEADLINE_S = 300.0


class Figures(NamedTuple):
    """What one run measured."""

    sustained_per_s: float
    sustained_p99_ms: float
    paced_per_s: float
    paced_p50_ms: float
    paced_p99_ms: float
    idle_p50_ms: float
    idle_p99_ms: float
    cpu_s_per_1000: float
    rss_mb: float


def main() -> None:
    """Run and print."""
    options = _options()
    runs = []
    for number in range(options.runs):
        print(f"run {number + 1} of {options.runs} …", file=sys.stderr, flush=True)
        runs.append(asyncio.run(_run(options)))
    for name, values in zip(Figures._fields, zip(*runs, strict=True), strict=True):
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{name:<18} median {middle:>10.2f}   min {low:>10.2f}   max {high:>10.2f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench relay", description=__doc__.split("\n\n", maxsplit=1)[0]
    )
    parser.add_argument("--payments", type=int, default=20_000, help="sustained: payments in a run")
    parser.add_argument("--rate", type=int, default=2000, help="paced: payments offered per second")
    parser.add_argument("--seconds", type=int, default=5, help="paced: for so long")
    parser.add_argument("--idle", type=int, default=200, help="idle: payments, one by one")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--receipts", action="store_true", help="ask for delivery receipts (none is sent)")
    return parser.parse_args()


async def _run(options: argparse.Namespace) -> Figures:
    loop = asyncio.get_running_loop()
    centre = LoadCentre()
    server = await loop.create_server(lambda: centre, "127.0.0.1", 0)
    with tempfile.TemporaryDirectory(prefix="tsm-bench-") as name:
        folder = Path(name)
        handsets = _prepare(folder, server.sockets[0].getsockname()[1], receipts=options.receipts)
        single = _pdus(handsets, options.idle)  # made in the order they are sent: counters only grow
        bulk = _pdus(handsets, options.payments)
        paced = _pdus(handsets, options.rate * options.seconds)
        async with _daemon(folder) as process:
            await asyncio.wait_for(centre.bound.wait(), 30)
            idle = await _idle(centre, single)
            before = process.cpu_times()
            sustained, sustained_latency = await _sustained(centre, bulk)
            after = process.cpu_times()
            took, latency = await _paced(centre, paced, options.rate)
            rss = process.memory_info().rss / 1e6
    server.close()
    if centre.statuses or centre.repeated:
        print(f"not clean: statuses {centre.statuses}, repeated parts {centre.repeated}", file=sys.stderr)
    cpu = after.user + after.system - before.user - before.system
    return Figures(
        options.payments / sustained,
        _quantile(sustained_latency, 0.99) * 1000,
        len(paced) / 2 / took,
        _quantile(latency, 0.5) * 1000,
        _quantile(latency, 0.99) * 1000,
        _quantile(idle, 0.5) * 1000,
        _quantile(idle, 0.99) * 1000,
        cpu * 1000 / options.payments,
        rss,
    )


def _prepare(folder: Path, port: int, *, receipts: bool) -> list[Handset]:
    """Configuration, keys, store, handsets; as the demo does."""
    (folder / "password").touch(0o600)
    (folder / "password").write_text("load\n")
    text = CONFIG.format(
        folder=folder, number=GATEWAY_NUMBER, port=port, system_id="load", metrics=free_port()
    )
    (folder / "gateway.toml").write_text(text)
    init_master(folder / "master.key", secrets.token_bytes(32))
    masters = read_master(f"file:{folder}/master.key")
    store = SqliteStore.open(folder / "gateway.db", mark=folder / "master.key.epoch", exclusive=False)
    _, records = enrol(
        store.registry,
        masters,
        new_provider(ADDRESS, MSISDN, "load"),
        count=HANDSETS,
        port=16500,
        at=int(time.time()),
        receipt=receipts,
    )
    store.close()
    return [Handset(record, gateway=GATEWAY_NUMBER) for record in records]


def _pdus(handsets: Sequence[Handset], count: int) -> list[bytes]:
    """The deliver_sm of `count` payments, part after part."""
    now = int(time.time())
    payments = (handsets[number % HANDSETS].pay(ADDRESS, "12.99", "EUR", at=now) for number in range(count))
    return [
        deliver_sm(part.source, part.destination, part.udh + part.data)
        for parts in payments
        for part in parts
    ]


@contextlib.asynccontextmanager
async def _daemon(folder: Path):  # noqa: ANN202 - an async context of psutil.Process
    log = (folder / "log.jsonl").open("wb")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tsm_gateway", "--config", str(folder / "gateway.toml"), "run", stdout=log
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()
        log.close()


async def _sustained(centre: LoadCentre, pdus: list[bytes]) -> tuple[float, list[float]]:
    centre.latencies = []
    wanted = len(centre.bodies) + len(pdus)
    began = time.perf_counter()
    centre.deliver(pdus, WINDOW)
    await centre.settle(wanted, DEADLINE_S)
    return time.perf_counter() - began, centre.latencies


async def _paced(centre: LoadCentre, pdus: list[bytes], rate: int) -> tuple[float, list[float]]:
    """Offer in an open loop: latency counts from the moment a part was due to be sent."""
    centre.latencies = []
    wanted = len(centre.bodies) + len(pdus)
    began = time.perf_counter()
    sent = 0
    while sent < len(pdus):
        due = min(len(pdus), int((time.perf_counter() - began) * rate) * 2)
        if due > sent:
            centre.deliver(pdus[sent:due], len(pdus))
            sent = due
        await asyncio.sleep(PACE_S)
    await centre.settle(wanted, DEADLINE_S)
    return time.perf_counter() - began, centre.latencies


async def _idle(centre: LoadCentre, pdus: list[bytes]) -> list[float]:
    centre.latencies = []
    for at in range(0, len(pdus), 2):
        wanted = len(centre.bodies) + 2
        centre.deliver(pdus[at : at + 2], 2)
        await centre.settle(wanted, DEADLINE_S)
    return centre.latencies


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
