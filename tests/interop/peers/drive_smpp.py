"""Kannel's own SMSC driver, `drive_smpp` of Debian's kannel-extras.

It takes separate binds for sending and receiving, delivers N plain texts numbered from 1 with sequence
numbers from 0, each with a receipted_message_id that receipts nothing, asks enquire_link after each, and
answers submit_sm with an empty message_id. It insists on a bearerbox at port 13001: a listener stands in.
"""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from tests.interop.peers.program import Program, free_port

DRIVER = Path("/usr/lib/kannel/test/drive_smpp")
BEARERBOX_PORT = 13001
PORT_FREE_WITHIN_S = 20.0


class DriveSmpp:
    """The driver, about to deliver `messages` texts to whoever binds as receiver."""

    def __init__(self, messages: int) -> None:
        if not DRIVER.exists():
            pytest.skip("drive_smpp is not installed (Debian: kannel-extras)")
        self._bearerbox = _listen(BEARERBOX_PORT)
        self._held: list[socket.socket] = []
        threading.Thread(target=self._hold, name="bearerbox stand-in", daemon=True).start()
        self.port = free_port()
        self._program = Program([str(DRIVER), "-v", "0", "-p", str(self.port), "-m", str(messages)])
        self._program.wait_line(lambda line: "accept_thread) maps" in line, "its listening port")

    def wait_delivered(self, within_s: float = 20.0) -> None:
        """Wait until it sent all its texts."""
        self._program.wait_line(lambda line: "All messages sent to ESME" in line, "all sent", within_s)

    def handled(self, pdu: str) -> int:
        """How many PDUs of that name the gateway sent it."""
        return sum(line.endswith(f"Handling SMPP PDU of type {pdu}") for line in list(self._program.lines))

    def complaints(self) -> list[str]:
        """What it found wrong with our PDUs; its own bearerbox aside."""
        return [line for line in list(self._program.lines) if "ERROR" in line or "WARNING" in line]

    def running(self) -> bool:
        """Whether it is still there: it panics at what it cannot digest."""
        return self._program.process.poll() is None

    def stop(self) -> None:
        self._program.stop()
        self._bearerbox.close()
        for connection in self._held:
            connection.close()

    def _hold(self) -> None:
        while True:
            try:
                self._held.append(self._bearerbox.accept()[0])
            except OSError:
                return


def _listen(port: int) -> socket.socket:
    """The one port the driver knows; another test run on this machine may hold it for a while."""
    end = time.monotonic() + PORT_FREE_WITHIN_S
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError as error:
            if time.monotonic() > end:
                pytest.fail(f"port {port}, which drive_smpp insists on, is taken: {error}")
            time.sleep(0.1)
