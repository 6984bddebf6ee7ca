"""Every kill of an enrolment, and many power cuts; see `scripts/campaigns/enrolment`."""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash.provisioning_kills import STEPS, Kills
from tests.crash.provisioning_power import cut_enrolments
from tests.faults.zygote import Zygote

if TYPE_CHECKING:
    from collections.abc import Callable

TAME = 3  # so many positions in a row without a death: there are no more


def kill_everywhere(home: Path, zygote: Zygote) -> int:
    """Die at every call and step there is; how many problems that left."""
    problems = 0
    series: dict[str, Callable[[Kills, int], bool]] = {
        "an enrolment": Kills.at_call,
        "a start": Kills.at_start,
        "an end": Kills.at_end,
    }
    for name, die in series.items():
        folder = home / name.replace(" ", "-")
        folder.mkdir()
        with Kills(folder, zygote) as kills:
            survived = 0
            for number in itertools.count(1):
                survived = 0 if die(kills, number) else survived + 1
                if survived == TAME:
                    break
            if die is Kills.at_call:
                for step in STEPS:
                    kills.at_step(step)
            problems += tell(f"killed at every call of {name}: {kills.deaths} deaths", kills.verdict())
    return problems


def cut_again_and_again(home: Path, zygote: Zygote, cuts: int, chance: random.Random, *, loose: bool) -> int:
    """Cut the power at other moments each time; in how many cuts something was lost or wrong."""
    bad = told = cut_off = 0
    for number in range(cuts):
        folder = home / f"{'loose' if loose else 'strict'}-{number}"
        cut = cut_enrolments(folder, zygote, chance.randrange(1, 120), loose=loose)
        told, cut_off, bad = told + cut.told, cut_off + cut.cut_off, bad + bool(cut.lost or cut.problems)
        if not loose:
            tell(f"power cut {number}", [*cut.lost, *cut.problems])
        (folder / "disk.img").unlink()
    name = "power cuts of a disk that does not sync (control)" if loose else "power cuts"
    print(
        f"{name}: {cuts}, {told} phones told, {cut_off} cut off and completed, {bad} with a loss", flush=True
    )
    return bad


def tell(what: str, problems: list[str]) -> int:
    """Print what was found."""
    for problem in problems:
        print(f"enrolment: {what}: {problem}", flush=True)
    if not what.startswith("power cut"):
        print(f"enrolment: {what}, {len(problems)} problems", flush=True)
    return len(problems)


def main() -> int:
    """Exit status 0 when nobody was lost and nothing half done, and the control lost something."""
    parser = argparse.ArgumentParser(prog="enrolment")
    parser.add_argument("--cuts", type=int, default=40)
    parser.add_argument("--controls", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - moments, not secrets
    with tempfile.TemporaryDirectory() as home, Zygote() as zygote:
        problems = kill_everywhere(Path(home), zygote)
        problems += cut_again_and_again(Path(home), zygote, options.cuts, chance, loose=False)
        controls = cut_again_and_again(Path(home), zygote, options.controls, chance, loose=True)
    if options.controls and controls * 3 < options.controls:
        print("enrolment: the control lost too little; this machine cannot show anything")
        return 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
