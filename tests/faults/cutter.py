"""A line between phones and channel 1 that is cut behind any octet of either direction."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
ABORT = struct.pack("ii", 1, 0)  # SO_LINGER, 0 s: closing sends RST
RECORD_HEADER = 5  # RFC 8446 §5.1: type, version, length
HANDSHAKE_S = 10.0


class Way(Enum):
    """Which octets are counted."""

    UP, DOWN = "up", "down"


class Place(NamedTuple):
    """Where a connection is cut: `octets` of `way` pass, nothing after them."""

    way: Way
    octets: int
    abruptly: bool  # RST, otherwise FIN


@dataclass
class Passed:
    """What went over one connection."""

    octets: dict[Way, bytearray] = field(default_factory=lambda: {way: bytearray() for way in Way})

    def records(self, way: Way) -> Iterator[tuple[int, int]]:
        """(first octet, octet behind the last) of each TLS record of `way`."""
        at, stream = 0, self.octets[way]
        while at + RECORD_HEADER <= len(stream):
            end = at + RECORD_HEADER + int.from_bytes(stream[at + 3 : at + RECORD_HEADER], "big")
            yield at, end
            at = end


class Cutter:
    """Listens at `port`, passes on to `far`; the next connection is cut where `cut_next` says."""

    def __init__(self, far: int) -> None:
        self._far = far
        self._server = socket.create_server((HOST, 0))
        self.port = int(self._server.getsockname()[1])
        self.cut_next: Place | None = None
        self.calls: list[Passed] = []
        self.cuts = 0
        self._thread = threading.Thread(target=self._serve, name="cutter")
        self._lines: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for line in self._lines:
            line.join()
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:  # it is over
                return
            place, self.cut_next = self.cut_next, None
            self.calls.append(Passed())
            try:
                far = socket.create_connection((HOST, self._far), HANDSHAKE_S)
            except OSError:
                near.close()
                continue
            line = threading.Thread(target=self._carry, args=(near, far, self.calls[-1], place))
            self._lines.append(line)
            line.start()

    def _carry(self, near: socket.socket, far: socket.socket, passed: Passed, place: Place | None) -> None:
        """Pass octets on until somebody hangs up, or the place is reached."""
        pairs = {near: (Way.UP, far), far: (Way.DOWN, near)}
        with near, far, selectors.DefaultSelector() as selector:
            for end in pairs:
                selector.register(end, selectors.EVENT_READ)
            while True:
                if place is not None and len(passed.octets[place.way]) >= place.octets:
                    self._cut(near, far, place)
                    return
                for key, _ in selector.select():
                    way, other = pairs[key.fileobj]  # type: ignore[index]  # one of our two
                    if not _pass_on(key.fileobj, other, passed.octets[way], _room(passed, place, way)):
                        return

    def _cut(self, near: socket.socket, far: socket.socket, place: Place) -> None:
        self.cuts += 1
        if place.abruptly:
            for end in (near, far):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)


def _room(passed: Passed, place: Place | None, way: Way) -> int:
    """How many octets may still pass."""
    return place.octets - len(passed.octets[way]) if place and place.way is way else 1 << 16


def _pass_on(come: object, go: socket.socket, seen: bytearray, room: int) -> bool:
    """Whether the line still stands."""
    assert isinstance(come, socket.socket)
    try:
        octets = come.recv(room)
        go.sendall(octets)
    except OSError:
        return False
    seen += octets
    return bool(octets)
