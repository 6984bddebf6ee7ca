"""Cut a TCP stream into PDUs (SMPP 3.4 §3.2: command_length, four octets, counts the whole PDU).

Batch-wise and linear: each octet is copied at most twice however the stream is split, and no more is
kept than one unfinished PDU. The first impossible length ends the stream for good: nothing behind it can
be trusted, and it is refused before a single octet of its PDU is waited for.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from tsm_gateway.radio.smpp.faults import FrameLength

HEADER_LENGTH: Final = 16  # octets: command_length, command_id, command_status, sequence_number
LENGTH_LENGTH: Final = 4
DEFAULT_MAX_PDU: Final = 65_536  # the whole PDU; what OsmoMSC allows, and far above any short message

_LENGTH: Final = Struct(">I").unpack_from


class Framer:
    """One direction of one connection."""

    __slots__ = ("_buffer", "_lost", "_max", "_wanted")

    def __init__(self, max_pdu: int = DEFAULT_MAX_PDU) -> None:
        """`max_pdu` is the longest PDU taken, in octets, header included; at least 16."""
        if max_pdu < HEADER_LENGTH:
            message = f"a PDU has at least {HEADER_LENGTH} octets"
            raise ValueError(message)
        self._buffer = bytearray()  # the unfinished PDU, nothing else
        self._wanted = LENGTH_LENGTH  # octets needed before looking again is worth while
        self._max = max_pdu
        self._lost: int | None = None  # the length that ended the stream

    @property
    def pending(self) -> int:
        """How many octets of an unfinished PDU are held; 0 when the stream stands between two PDUs."""
        return len(self._buffer)

    def feed(self, octets: bytes | bytearray | memoryview) -> list[bytes]:
        """Take what was read, any amount; return the PDUs that are whole now, oldest first.

        Raises FrameLength (with the PDUs before it) when a length below 16 or above `max_pdu` comes, and
        again at every later call; anything else is a defect.
        """
        if self._lost is not None:
            raise FrameLength(length=self._lost)
        buffer = self._buffer
        if not buffer:
            return self._cut(octets)
        buffer += octets
        if len(buffer) < self._wanted:
            return []
        whole = bytes(buffer)
        buffer.clear()
        return self._cut(whole)

    def _cut(self, octets: bytes | bytearray | memoryview) -> list[bytes]:
        """Cut the PDUs off the front of `octets` and keep the rest."""
        frames: list[bytes] = []
        start, end = 0, len(octets)
        self._wanted = LENGTH_LENGTH
        while end - start >= LENGTH_LENGTH:
            (length,) = _LENGTH(octets, start)
            if not HEADER_LENGTH <= length <= self._max:
                self._lost = length
                raise FrameLength(length=length, frames=frames)
            if end - start < length:
                self._wanted = length
                break
            frames.append(bytes(octets[start : start + length]))
            start += length
        if start < end:
            self._buffer += octets[start:]
        return frames
