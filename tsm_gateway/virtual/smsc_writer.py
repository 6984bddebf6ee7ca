"""Writes PDUs of a session: one write for many of them, or, as a fault, a few octets at a time."""

from __future__ import annotations

import asyncio


class Writer:
    """Collects PDUs and writes them."""

    def __init__(self, transport: asyncio.Transport, dribble: int) -> None:
        """`dribble`: octets written at a time, 0 for all at once."""
        self._transport = transport
        self._dribble = dribble
        self._collected: list[bytes] = []
        self._drops = bytearray()  # what still has to dribble out
        self._closing = False

    def add(self, octets: bytes) -> None:
        """Put `octets` into the next write."""
        self._collected.append(octets)

    def flush(self) -> None:
        """Write what was collected."""
        if not self._collected or self._transport.is_closing():
            return
        octets = b"".join(self._collected)
        self._collected.clear()
        if not self._dribble:
            self._transport.write(octets)
            return
        if not self._drops:
            asyncio.get_running_loop().call_soon(self._drip)
        self._drops += octets

    def close(self) -> None:
        """Close once everything is written."""
        self.flush()
        self._closing = True
        if not self._drops:
            self._transport.close()

    def abort(self) -> None:
        """Break the connection now."""
        self._drops.clear()
        self._transport.abort()

    def _drip(self) -> None:
        if self._transport.is_closing():
            self._drops.clear()
            return
        self._transport.write(bytes(self._drops[: self._dribble]))
        del self._drops[: self._dribble]
        if self._drops:
            asyncio.get_running_loop().call_soon(self._drip)
        elif self._closing:
            self._transport.close()
