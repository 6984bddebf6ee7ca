"""Many seeds of chaos in a row; see `scripts/campaigns/chaos`."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from tests.relay.chaos import Chaos, Outcome


def main() -> int:
    """Exit status 0 when everything held for every seed; the seeds for which it did not are named."""
    parser = argparse.ArgumentParser(prog="chaos")
    parser.add_argument("--seeds", type=int, default=100, help="how many, counted up from the first")
    parser.add_argument("--seconds", type=float, default=5.0, help="of chaos for each seed")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31), help="the first")
    options = parser.parse_args()
    print(f"chaos: seed {options.seed}", flush=True)
    failed = []
    for seed in range(options.seed, options.seed + options.seeds):
        try:
            outcome = _run(seed, options.seconds)
        except BaseException:
            print(f"chaos: seed {seed} ended in a defect", flush=True)
            raise
        print(f"chaos: {outcome}", flush=True)
        if outcome.problems:
            failed.append(seed)
    print(f"chaos: {options.seeds} seeds, {len(failed)} failed{''.join(f' {seed}' for seed in failed)}")
    return 1 if failed else 0


def _run(seed: int, seconds: float) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(Chaos(Path(folder), seed).run(seconds))


if __name__ == "__main__":
    sys.exit(main())
