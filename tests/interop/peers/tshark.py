"""What Wireshark thinks of the line: a capture on the loopback, then its dissector's complaints."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.interop.peers.program import Program, require
from tests.interop.peers.smsc import wait_for

if TYPE_CHECKING:
    from pathlib import Path

READ_S = 60.0
BOTH_ENDS = 2


class Capture:
    """Captures one TCP port of the loopback into `file` until stopped."""

    def __init__(self, port: int, file: Path) -> None:
        self._tshark = require("tshark", "tshark")
        self._port = port
        self._file = file
        # -l and -P: a line per packet, so that the test can see when the last one is in the file
        self._program = Program(
            [self._tshark, "-n", "-l", "-P", "-i", "lo", "-f", f"tcp port {port}", "-w", str(file)]
        )
        try:
            self._program.wait_line(lambda line: "Capturing on" in line, "the capture's start", 20)
            wait_for(lambda: file.exists() and file.stat().st_size, "the capture file", 10)
        except pytest.fail.Exception:
            self._program.stop()
            raise

    @classmethod
    def start(cls, port: int, file: Path) -> Capture | None:
        """A capture, or None where there is no tshark."""
        return cls(port, file) if shutil.which("tshark") else None

    def wait_closed(self, within_s: float = 15.0) -> None:
        """Wait until both ends of a connection are seen to close: everything before it is in the file."""
        wait_for(
            lambda: (
                sum("[FIN" in line for line in list(self._program.lines)) >= BOTH_ENDS
                or any("[RST" in line for line in list(self._program.lines))
            ),
            "the connection's end in the capture",
            within_s,
        )

    def stop(self) -> None:
        self._program.stop()

    def rows(self, *fields: str, only: str = "smpp") -> list[list[str]]:
        """The named fields of every packet that the display filter `only` lets through."""
        command = [
            self._tshark,
            "-n",
            "-r",
            str(self._file),
            "-d",
            f"tcp.port=={self._port},smpp",
            "-Y",
            only,
        ]
        command += ["-T", "fields", "-E", "separator=/t"]
        for field in fields:
            command += ["-e", field]
        done = subprocess.run(command, capture_output=True, check=True, timeout=READ_S)
        return [line.split("\t") for line in done.stdout.decode().splitlines()]

    def complaints(self) -> list[list[str]]:
        """Packets the dissector calls malformed, or about which it has anything to say."""
        return self.rows(
            "frame.number",
            "_ws.malformed",
            "_ws.expert.message",
            only="smpp && (_ws.malformed || _ws.expert)",
        )
