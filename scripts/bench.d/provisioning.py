"""How many devices channel 1 enrols, and what a million of them change.

usage: scripts/bench provisioning [--enrolments N] [--devices N] [--runs N] [--threads N]

A store, certificates and an issuer are made anew. In each run the provisioning daemon starts (its log
written, TLS 1.3, certificates judged against the issuer's revocation list) and this process plays crypto
elements: connect, enrol, open the key package, register with a signed proof, hang up. All of it is durable
when it is answered. Then the store is filled with --devices registered devices, which takes minutes, and as
many runs are done again; --devices 0 leaves that out.

| figure | how |
|---|---|
| enrolled_per_s | enrolments in the wall time of all, --threads elements at a time |
| p50_ms, p99_ms | of one enrolment, from connecting to registered |
| server_ms, elements_ms | processor time of the daemon, and of this process, for one enrolment |
| lookup_us | what the relay asks per key it has not cached: device, key and window by kid |
| start_s, relay_start_s | from starting a daemon to its port taking connections |

Medians over the runs are printed, minimum and maximum beside them; quote ratios within one machine only.
"""

from __future__ import annotations

import argparse
import random
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from _daemon import cpu_s, daemon, print_medians
from _elements import enrol_all, make_elements
from _million import fill_store

from tsm_gateway.cli.demo_stage import HOST, Stage, set_up
from tsm_gateway.store.sqlite_store import SqliteStore

LOOKUPS = 2_000


class Figures(NamedTuple):
    """What one run measured."""

    enrolled_per_s: float
    p50_ms: float
    p99_ms: float
    server_ms: float
    elements_ms: float
    rss_mb: float
    lookup_us: float
    start_s: float
    relay_start_s: float


def main() -> None:
    """Run and print."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="tsm-bench-") as folder:
        stage = set_up(Path(folder), smsc_port=1)
        empty = _runs(stage, options, "small store")
        if options.devices:
            fill_store(stage.settings, options.devices)
            full = _runs(stage, options, f"{options.devices:,} devices more")
            ratio = full["enrolled_per_s"] / empty["enrolled_per_s"]
            print(f"enrolled_per_s, full to small: {ratio:.2f}")


def _runs(stage: Stage, options: argparse.Namespace, title: str) -> dict[str, float]:
    """Measure, print, and return the medians."""
    runs = []
    for number in range(options.runs):
        print(f"{title}: run {number + 1} of {options.runs} …", file=sys.stderr, flush=True)
        runs.append(_measure(stage, options))
    print(f"# {title}")
    return print_medians(runs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench provisioning", description=__doc__.split("\n\n", maxsplit=1)[0]
    )
    parser.add_argument("--enrolments", type=int, default=1000, help="per run (default 1000)")
    parser.add_argument(
        "--devices", type=int, default=1_000_000, help="to fill the store with (default 1000000)"
    )
    parser.add_argument("--runs", type=int, default=3, help="per store (default 3)")
    parser.add_argument("--threads", type=int, default=12, help="elements at a time (default 12)")
    return parser.parse_args()


def _measure(stage: Stage, options: argparse.Namespace) -> Figures:
    elements = make_elements(stage.issuer, stage.tsm, options.enrolments, int(time.time()))
    address = (HOST, stage.channel_1)
    with daemon(stage, "provisioning", stage.channel_1) as (process, start_s):
        warm = options.enrolments // 10
        enrol_all(elements[:warm], address, options.threads)
        before, own = cpu_s(process), time.process_time()
        loaded = enrol_all(elements[warm:], address, options.threads)
        server_s, own_s = cpu_s(process) - before, time.process_time() - own
        rss_mb = process.memory_info().rss / 1e6
    if loaded.failed:
        sys.exit(f"{len(loaded.failed)} enrolments failed, the first: {loaded.failed[0]}")
    metrics = stage.settings.metrics.address
    if metrics is None:
        raise AssertionError
    with daemon(stage, "run", metrics[1]) as (_, relay_start_s):
        pass
    count = len(loaded.each_ms)
    return Figures(
        enrolled_per_s=count / loaded.seconds,
        p50_ms=statistics.median(loaded.each_ms),
        p99_ms=statistics.quantiles(loaded.each_ms, n=100)[98],
        server_ms=server_s * 1000 / count,
        elements_ms=own_s * 1000 / count,
        rss_mb=rss_mb,
        lookup_us=_lookup_us(stage),
        start_s=start_s,
        relay_start_s=relay_start_s,
    )


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
