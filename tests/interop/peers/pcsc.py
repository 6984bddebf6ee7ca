"""A PC/SC service with a virtual reader, alone in a network of its own, and a card that is put into it.

vpcd, the driver of the reader, listens on every interface for a card to connect. Here that is the loopback
of a namespace nobody else is in. The service's socket lies in a folder of its own, so that what real PC/SC
there may be on the machine is neither asked nor disturbed, and several of these may run at once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop.peers.program import Program, require
from tests.interop.peers.smsc import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[3]
DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
NAME = "Virtual PCD"
READERS = (f"{NAME} 00 00", f"{NAME} 00 01")  # the driver has two slots,
PORTS = (35963, 35964)  # and a card connects to the port of one
CONFIGURATION = f"""
FRIENDLYNAME "{NAME}"
DEVICENAME   /dev/null:{PORTS[0]:#x}
LIBPATH      {DRIVER}
CHANNELID    {PORTS[0]:#x}
"""
CAME, WENT = "Card inserted into", "Card Removed From"
START_S, NOTICE_S, ASK_S = 20.0, 20.0, 20.0

# $1 is the folder that becomes /run/pcscd; nothing outside sees these mounts. Should the test die, so does
# the service (prctl PR_SET_PDEATHSIG, kept across exec).
ENTER = """
ip link set lo up
mount -t tmpfs none /run
mkdir /run/pcscd
mount --bind "$1" /run/pcscd
exec setpriv --pdeathsig KILL pcscd --foreground --info --config "$1/readers"
"""


class PcscService:
    """A running pcscd; hosts reach it by the environment `env`, cards from within its network."""

    def __init__(self) -> None:
        """Start it, ready to be asked; skips the test where something it needs is not installed."""
        unshare = _unshare()
        self._folder = Path(tempfile.mkdtemp(prefix="pcsc-", dir="/tmp"))  # a socket's path is a short one
        for name in ("readers", "no-usb-drivers"):
            (self._folder / name).mkdir()
        (self._folder / "readers" / "vpcd").write_text(CONFIGURATION)
        self.env = os.environ | {"PCSCLITE_CSOCK_NAME": str(self._folder / "pcscd.comm")}
        self._program = Program(
            [*unshare, "--", "sh", "-euc", ENTER, "sh", str(self._folder)],
            env=self.env | {"PATH": _path(), "PCSCLITE_HP_DROPDIR": str(self._folder / "no-usb-drivers")},
        )
        try:
            self._program.wait_line(lambda line: "daemon ready" in line, "the PC/SC service's start", START_S)
        except pytest.fail.Exception:
            self.stop()
            raise

    @property
    def log(self) -> list[str]:
        """What pcscd and its driver said so far."""
        return list(self._program.lines)

    def inside(self) -> list[str]:
        """The words before a command that is to run in the service's network, and to end with the test."""
        pid = str(self._program.process.pid)
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", pid, "--net", *user, "--", "setpriv", "--pdeathsig", "KILL"]

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a host, here opensc-tool, to its end."""
        tool = require("opensc-tool", "opensc")
        return subprocess.run(
            [tool, *words], env=self.env, capture_output=True, text=True, timeout=ASK_S, check=False
        )

    def holds_card(self, slot: int) -> bool:
        """Whether a card is in that slot, as pcscd said last."""
        events = (f"{CAME} {READERS[slot]}", f"{WENT} {READERS[slot]}")
        said = [line for line in self.log if line.endswith(events)]
        return bool(said) and CAME in said[-1]

    def stop(self) -> None:
        self._program.stop()
        shutil.rmtree(self._folder)


class CardInReader:
    """A virtual card as a process of its own; away when it ends, and what it says is kept."""

    def __init__(self, service: PcscService, command: Sequence[str], slot: int = 0) -> None:
        """Put in the card that `command` is; back when a host can see it."""
        self._service, self._slot = service, slot
        self.program = Program([*service.inside(), *command], cwd=ROOT)
        try:
            wait_for(lambda: service.holds_card(slot), "the card in the reader", NOTICE_S)
        except pytest.fail.Exception as error:
            self.program.stop()
            said = "\n".join([*self.program.lines[-20:], *service.log[-20:]])
            pytest.fail(f"{error}; the card and pcscd said:\n{said}")

    def tear(self) -> None:
        """Take it away as a hand would, at once and without a word to it."""
        self.program.process.kill()
        self.stop()

    def stop(self) -> None:
        """End it; back when no host can see it."""
        self.program.stop()
        wait_for(lambda: not self._service.holds_card(self._slot), "the reader without the card", NOTICE_S)


def own_card(file: Path, slot: int = 0) -> list[str]:
    """The command that is this project's virtual card: the one in `file`, put into that slot."""
    words = ("--file", str(file), "--vpcd", f"127.0.0.1:{PORTS[slot]}")
    return [sys.executable, "-m", "tsm_gateway", "virtual", "card", *words]


def _path() -> str:
    """Where programs are looked for: a daemon and a mount lie where a user's own PATH may not lead."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def _unshare() -> list[str]:
    """The words that give a command a network and mounts of its own; skips where it cannot be done."""
    require("pcscd", "pcscd")
    require("ip", "iproute2")
    if not DRIVER.exists():
        pytest.skip("no virtual card reader is installed (Debian: vsmartcard-vpcd)")
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    words = [require("unshare", "util-linux"), *as_root, "--net", "--mount"]
    tried = subprocess.run([*words, "true"], capture_output=True, text=True, timeout=ASK_S, check=False)
    if tried.returncode:
        pytest.skip(f"no network of its own for a card reader: {tried.stderr.strip()}")
    return words
