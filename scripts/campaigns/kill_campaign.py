"""Many kills in a row; see `scripts/campaigns/kill`."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from tests.crash.kills import kill_again_and_again


def main() -> int:
    """Exit status 0 when nothing was lost, doubled, altered or taken again."""
    parser = argparse.ArgumentParser(prog="kill")
    parser.add_argument("--kills", type=int, help="at least so many; 1000 unless --seconds is given")
    parser.add_argument("--seconds", type=float, default=0.0, help="at least so long")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    options = parser.parse_args()
    kills = options.kills if options.kills is not None else 0 if options.seconds else 1000
    print(f"kill: seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        verdict = asyncio.run(
            kill_again_and_again(Path(folder), kills, options.seed, seconds=options.seconds)
        )
    print(f"kill: {verdict}")
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
