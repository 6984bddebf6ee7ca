"""Many power cuts in a row; see `scripts/campaigns/power_cut`."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.store.power import Cut, cut_once
from tests.store.samples import open_store, populate

if TYPE_CHECKING:
    from collections.abc import Callable

WITHIN_S = 60


def wait(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + WITHIN_S
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"power_cut: not within {WITHIN_S} s: {what}")
        time.sleep(0.002)


def run(home: Path, cuts: int, chance: random.Random, *, loose: bool) -> list[Cut]:
    """Cut the power `cuts` times, each time on a fresh disk at another moment."""
    populated = home / "populated"
    if not populated.exists():
        populate(open_store(populated), devices=3).close()
    done = []
    for number in range(cuts):
        folder = home / f"{'loose' if loose else 'strict'}-{number}"
        done.append(cut_once(folder, populated, chance.randrange(20, 4_000), wait, loose=loose))
        (folder / "disk.img").unlink()
    return done


def tell(what: str, cuts: list[Cut]) -> int:
    """Print one line about a series; how many cuts lost or damaged something."""
    bad = sum(bool(cut.lost or cut.faults) for cut in cuts)
    lost, told = sum(len(cut.lost) for cut in cuts), sum(cut.told for cut in cuts)
    print(f"{what}: {len(cuts)} cuts, {told} facts acknowledged, {lost} lost, in {bad} cuts")
    for fault in (fault for cut in cuts for fault in cut.faults):
        print(f"{what}: {fault}")
    return bad


def main() -> int:
    """Exit status 0 when the strict runs kept everything and the loose ones did not."""
    parser = argparse.ArgumentParser(prog="power_cut")
    parser.add_argument("--cuts", type=int, default=300)
    parser.add_argument("--controls", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - moments, not secrets
    with tempfile.TemporaryDirectory() as home:
        strict = tell("synchronous=FULL", run(Path(home), options.cuts, chance, loose=False))
        loose = tell("synchronous=NORMAL (control)", run(Path(home), options.controls, chance, loose=True))
    if options.controls and loose * 3 < options.controls:
        print("power_cut: the control lost too little; this machine cannot show anything")
        return 1
    return 1 if strict else 0


if __name__ == "__main__":
    sys.exit(main())
