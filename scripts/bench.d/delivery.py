"""How many applications channel 2 delivers, and what each of them costs.

usage: scripts/bench delivery [--deliveries N] [--octets N] [--runs N] [--agents N]

A store, certificates and a signed application are made anew. In each run the provisioning daemon starts (its
log written, TLS 1.3, certificates judged), handsets register through channel 1, and this program plays their
agents and cards: connect, carry every script to the card, until the application is installed, hang up. The
card is the virtual one; it checks every MAC, the signature, and the load file. First the card's key set is
replaced, then the application comes, as on every first contact. All of it is durable when it is answered.

| figure | how |
|---|---|
| delivered_per_s | deliveries in the wall time of all, --agents at a time in as many processes |
| p50_ms, p99_ms | of one delivery, from connecting to hung up |
| server_ms, cards_ms | processor time of the daemon, and of the agents with their cards, for one delivery |
| round_trips | scripts of one delivery: sessions, new keys, load, instance, parameters, audit |
| blocks | LOAD commands of one delivery |
| trips_per_16 | scripts with LOAD in them, for every 16 blocks (or the rest of them) |
| wrap_us | SCP03 at level 33: a LOAD of 239 octets, 240 enciphered, wrapped by the gateway; median of many |
| rss_mb | the daemon's memory behind all of them |

Server and cards share the machine's cores, and cards in Python are no cheaper than the server. So
delivered_per_s is what both do together; server_ms says what the server alone could.

Medians over the runs are printed, minimum and maximum beside them; quote ratios within one machine only.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from _agents import deliver_all, make_phones
from _daemon import cpu_s, daemon, print_medians
from _elements import enrol_all

from tsm_gateway.cli.demo_application import publish_for_all
from tsm_gateway.cli.demo_stage import HOST, set_up
from tsm_gateway.provisioning.apdu import Command
from tsm_gateway.provisioning.card_keys import Protocol03
from tsm_gateway.provisioning.scp03 import SecurityLevel, Session, SessionKeys
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from tsm_gateway.cli.demo_stage import Stage

WRAPS = 20_000
SCRIPT = 16  # commands
BLOCK = 239  # octets: 240 with their padding


class Figures(NamedTuple):
    """What one run measured."""

    delivered_per_s: float
    p50_ms: float
    p99_ms: float
    server_ms: float
    cards_ms: float
    round_trips: float
    blocks: float
    trips_per_16: float
    wrap_us: float
    rss_mb: float


def main() -> None:
    """Run and print."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="tsm-bench-") as folder:
        stage = set_up(Path(folder), smsc_port=1)
        print(f"# {publish_for_all(stage, options.octets)}", flush=True)
        runs = []
        for number in range(options.runs):
            print(f"run {number + 1} of {options.runs} …", file=sys.stderr, flush=True)
            runs.append(_measure(stage, options))
        print_medians(runs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench delivery", description=__doc__.split("\n\n", maxsplit=1)[0]
    )
    parser.add_argument("--deliveries", type=int, default=400, help="per run (default 400)")
    parser.add_argument("--octets", type=int, default=32 * 1024, help="of the load file (default 32768)")
    parser.add_argument("--runs", type=int, default=3, help="(default 3)")
    parser.add_argument("--agents", type=int, default=4, help="at a time (default 4)")
    return parser.parse_args()


def _measure(stage: Stage, options: argparse.Namespace) -> Figures:
    phones = make_phones(stage, options.deliveries + options.agents)
    with daemon(stage, "provisioning", stage.channel_2) as (process, _):
        enrolled = enrol_all([each.element for each in phones], (HOST, stage.channel_1), threads=8)
        if enrolled.failed:
            sys.exit(f"{len(enrolled.failed)} enrolments failed, the first: {enrolled.failed[0]}")
        address = (HOST, stage.channel_2)
        deliver_all(phones[: options.agents], address, options.agents)  # until everything is warm
        before = cpu_s(process)
        carried = deliver_all(phones[options.agents :], address, options.agents)
        server_s = cpu_s(process) - before
        rss_mb = process.memory_info().rss / 1e6
    if carried.failed:
        sys.exit(f"{len(carried.failed)} deliveries failed, the first: {carried.failed[0]}")
    count, blocks = len(carried.deliveries), carried.median("loads")
    return Figures(
        delivered_per_s=count / carried.seconds,
        p50_ms=carried.median("ms"),
        p99_ms=statistics.quantiles(carried.each_ms, n=100)[98],
        server_ms=server_s * 1000 / count,
        cards_ms=carried.cpu_s * 1000 / count,
        round_trips=carried.median("scripts"),
        blocks=blocks,
        trips_per_16=carried.median("load_scripts") / -(-blocks // SCRIPT),
        wrap_us=_wrap_us(),
        rss_mb=rss_mb,
    )


def _wrap_us() -> float:
    """The median time of one wrap; answers are taken off as in a script, and not measured."""
    keys = SessionKeys(*(Secret(secrets.token_bytes(16)) for _ in SessionKeys._fields))
    session = Session(keys, SecurityLevel.L33, Protocol03.read(0x70))
    session.begin(Command(0x84, 0x82, 0x33, 0, bytes(8)))
    block, took = Command(0x80, 0xE8, 0, 0, secrets.token_bytes(BLOCK)), []
    for _ in range(WRAPS):
        began = time.perf_counter()
        session.wrap(block)
        took.append((time.perf_counter() - began) * 1e6)
    return statistics.median(took)


if __name__ == "__main__":
    main()
