"""Gateways without the second that imports take: a process that has done them, and forks for every life.

What runs in the child is `tsm-gateway` from its entry point on, with settings, store and keys of its own;
only the interpreter's start is shared. A child that is *held* stops itself ahead of the entry point, so that
a tracer can be attached first. Children die with the zygote.

This module is both ends: `Zygote` in the test, `main` in the process.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
PR_SET_PDEATHSIG = 1


class Child:
    """One forked gateway; what a test asks of a `Popen`."""

    def __init__(self, zygote: Zygote, pid: int) -> None:
        self._zygote, self.pid = zygote, pid
        self._descriptor = os.pidfd_open(pid)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._look(0.0)

    def wait(self, timeout: float) -> int:
        """Raises subprocess.TimeoutExpired."""
        status = self._look(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("a forked gateway", timeout)
        return status

    def kill(self) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def _look(self, within_s: float) -> int | None:
        if self.returncode is None and select.select([self._descriptor], [], [], within_s)[0]:
            self.returncode = int(self._zygote.ask(reap=self.pid))
            os.close(self._descriptor)
        return self.returncode


class Zygote:
    """Use as `with`; children still alive at the end die."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def fork(self, words: Sequence[str], said: Path, *, held: bool = False) -> Child:
        """A gateway with the command line `words`, its output in the file `said`."""
        said.touch(0o600)
        return Child(self, int(self.ask(words=list(words), said=str(said), held=held)))

    def ask(self, **question: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def main() -> None:
    """Import everything, then fork and reap as told, until nobody asks any more."""
    import tsm_gateway.cli.provisioning  # noqa: PLC0415 - what is slow, once
    import tsm_gateway.cli.run  # noqa: F401, PLC0415
    from tsm_gateway.cli import main as gateway  # noqa: PLC0415

    answers = os.fdopen(os.dup(1), "wb")
    children: set[int] = set()
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        if "reap" in asked:
            _, status = os.waitpid(asked["reap"], 0)
            children.discard(asked["reap"])
            told = os.waitstatus_to_exitcode(status)
        else:
            told = os.fork()
            if not told:
                _live(gateway, **asked)
            children.add(told)
        answers.write(json.dumps(told).encode() + b"\n")
        answers.flush()
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _live(gateway: Any, words: list[str], said: str, *, held: bool) -> NoReturn:
    """The child's whole life."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor, place in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, place)
    os.closerange(3, 256)
    if held:
        os.kill(os.getpid(), signal.SIGSTOP)
    sys.argv = ["tsm-gateway", *words]
    status = 1
    try:
        gateway()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - the edge of the process: nobody else says it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
