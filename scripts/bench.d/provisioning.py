"""How many devices channel 1 enrols, and what a million of them change.

usage: scripts/bench provisioning [--enrolments N] [--devices N] [--runs N] [--threads N]

Each run makes a store, certificates and an issuer of its own, starts the provisioning daemon (its log
written, TLS 1.3, certificates judged against the issuer's revocation list) and has this process play crypto
elements: connect, enrol, open the key package, register with a signed proof, hang up. All of it is durable
when it is answered. Then the store is filled with --devices registered devices, and the same is done again;
--devices 0 leaves that out.

| figure | how |
|---|---|
| enrolled_per_s | enrolments in the wall time of all, --threads elements at a time |
| full_per_s, full_ratio | the same on the filled store, and its share of the figure before |
| start_s | from starting the daemon to its first answer over TLS, on the filled store |
| lookup_us, full_lookup_us | what the relay asks per key it has not cached: device, key and window by kid |

Medians over the runs are printed, minimum and maximum beside them; quote ratios within one machine only.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

sys.path.insert(0, str(Path(__file__).parent))

from _elements import enrol_all, make_elements
from _million import fill_store

from tsm_gateway.cli.demo_stage import HOST, Stage, set_up
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

START_S = 60.0
LOOKUPS = 2_000


class Figures(NamedTuple):
    """What one run measured; 0 where it was left out."""

    enrolled_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms_each: float
    rss_mb: float
    lookup_us: float
    full_per_s: float
    full_ratio: float
    full_rss_mb: float
    full_lookup_us: float
    start_s: float


class Half(NamedTuple):
    """What one daemon did."""

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms_each: float
    rss_mb: float
    lookup_us: float
    start_s: float


def main() -> None:
    """Run and print."""
    options = _options()
    runs = []
    for number in range(options.runs):
        print(f"run {number + 1} of {options.runs} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="tsm-bench-") as folder:
            runs.append(_run(Path(folder), options))
    for name, values in zip(Figures._fields, zip(*runs, strict=True), strict=True):
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{name:<18} median {middle:>10.2f}   min {low:>10.2f}   max {high:>10.2f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench provisioning", description=__doc__.split("\n\n", maxsplit=1)[0]
    )
    parser.add_argument("--enrolments", type=int, default=1000, help="per measurement (default 1000)")
    parser.add_argument(
        "--devices", type=int, default=1_000_000, help="to fill the store with (default 1000000)"
    )
    parser.add_argument("--runs", type=int, default=3, help="from scratch (default 3)")
    parser.add_argument("--threads", type=int, default=12, help="elements at a time (default 12)")
    return parser.parse_args()


def _run(folder: Path, options: argparse.Namespace) -> Figures:
    stage = set_up(folder, smsc_port=1)
    empty = _measure(stage, options)
    if not options.devices:
        return Figures(*empty[:6], 0, 0, 0, 0, empty.start_s)
    fill_store(stage.settings, options.devices)
    full = _measure(stage, options)
    ratio = full.per_s / empty.per_s
    return Figures(*empty[:6], full.per_s, ratio, full.rss_mb, full.lookup_us, full.start_s)


def _measure(stage: Stage, options: argparse.Namespace) -> Half:
    elements = make_elements(stage.issuer, stage.tsm, options.enrolments, int(time.time()))
    address = (HOST, stage.channel_1)
    with _daemon(stage) as (process, start_s):
        warm = options.enrolments // 10
        enrol_all(elements[:warm], address, options.threads)
        before = process.cpu_times()
        loaded = enrol_all(elements[warm:], address, options.threads)
        after = process.cpu_times()
        rss_mb = process.memory_info().rss / 1e6
    if loaded.failed:
        sys.exit(f"{len(loaded.failed)} enrolments failed, the first: {loaded.failed[0]}")
    count = len(loaded.each_ms)
    cpu_s = after.user + after.system - before.user - before.system
    return Half(
        per_s=count / loaded.seconds,
        p50_ms=statistics.median(loaded.each_ms),
        p99_ms=statistics.quantiles(loaded.each_ms, n=100)[98],
        cpu_ms_each=cpu_s * 1000 / count,
        rss_mb=rss_mb,
        lookup_us=_lookup_us(stage),
        start_s=start_s,
    )


@contextlib.contextmanager
def _daemon(stage: Stage) -> Iterator[tuple[psutil.Process, float]]:
    """The daemon in a process of its own, and how long it took until it let somebody in."""
    command = [sys.executable, "-m", "tsm_gateway", "--config", str(stage.config), "provisioning"]
    began = time.perf_counter()
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    ) as started:
        try:
            _until_listening(stage.channel_1, started)
            yield psutil.Process(started.pid), time.perf_counter() - began
        finally:
            started.send_signal(signal.SIGTERM)
            started.wait(START_S)


def _until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + START_S
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    sys.exit("the daemon did not come up")


def _lookup_us(stage: Stage) -> float:
    """The median time of a look-up of keys drawn at random."""
    settings, chance = stage.settings, random.Random(1)  # noqa: S311 - which keys to ask for
    store = SqliteStore.open(settings.store.path, mark=settings.epoch_mark, exclusive=False)
    try:
        kids = [
            stored.key.kid for stored in store.registry.all_keys(after=secrets.token_bytes(4), limit=LOOKUPS)
        ]
        kids += [stored.key.kid for stored in store.registry.all_keys(limit=LOOKUPS)]
        took = []
        for kid in chance.sample(kids, min(LOOKUPS, len(kids))):
            began = time.perf_counter()
            found = store.registry.device_for(kid)
            took.append((time.perf_counter() - began) * 1e6)
            if found is None and store.registry.key(kid) is None:
                sys.exit("a stored key was not found")
    finally:
        store.close()
    return statistics.median(took)


if __name__ == "__main__":
    main()
