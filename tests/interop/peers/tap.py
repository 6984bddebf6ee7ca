"""A tap on the line between the gateway and an SMSC: passes everything on and keeps whole PDUs."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER = 16
ENQUIRE_LINK, UNBIND_RESP = 0x00000015, 0x80000006


class Tap:
    """Listens on `port`; what either side sends is in `from_gateway` and `from_smsc`, PDU by PDU."""

    def __init__(self, smsc_port: int) -> None:
        self.from_gateway: list[bytes] = []
        self.from_smsc: list[bytes] = []
        self._smsc_port = smsc_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, name="tap", daemon=True).start()

    def stop(self) -> None:
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                gateway = self._listener.accept()[0]
                smsc = socket.create_connection(("127.0.0.1", self._smsc_port))
            except OSError:
                return
            self._sockets += [gateway, smsc]
            for source, target, kept in ((gateway, smsc, self.from_gateway), (smsc, gateway, self.from_smsc)):
                threading.Thread(target=_pass_on, args=(source, target, kept), daemon=True).start()


def commands(frames: Sequence[bytes]) -> list[int]:
    """The command_id of each frame."""
    return [int.from_bytes(frame[4:8], "big") for frame in frames]


def _pass_on(source: socket.socket, target: socket.socket, kept: list[bytes]) -> None:
    pending = b""
    try:
        while octets := source.recv(65536):
            target.sendall(octets)
            pending += octets
            while (
                len(pending) >= HEADER
                and len(pending) >= (length := int.from_bytes(pending[:4], "big")) >= HEADER
            ):
                kept.append(pending[:length])
                pending = pending[length:]
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return
