"""What a process asked of the kernel, in order: strace's own words, read back.

With strace a call of a running gateway can be made to fail or to take long; and what it wrote to its
message centre can be set against what it had synced by then.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST = 300_000  # octets shown of one call
HEADER = struct.Struct(">IIII")  # SMPP 3.4 §3.2: length, command, status, sequence
DELIVER_SM, DELIVER_SM_RESP = 0x00000005, 0x80000005
TALK = "sendto,recvfrom"

_LINE = re.compile(r"(?P<pid>\d+) +(?P<at>[\d.]+) (?P<rest>.*)")
_CALL = re.compile(r"(?P<name>\w+)\((?P<descriptor>\d+)(?:, *\"(?P<octets>[^\"]*)\")?.* = (?P<result>-?\d+)")

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None and os.environ.get("CI") != "true", reason="strace is not installed"
)


class Call(NamedTuple):
    """One finished call."""

    name: str
    begun: int  # its place among all lines
    ended: int
    at: float  # Unix seconds, when it ended
    descriptor: int
    octets: bytes
    result: int
    injected: bool

    @property
    def synced(self) -> bool:
        return self.name == "fdatasync" and self.result == 0


class Answered(NamedTuple):
    """A deliver_sm that was answered 0."""

    received: int  # place of the call that read it
    answered: int  # place of the call that answered it


class Trace(NamedTuple):
    """Everything traced of one process."""

    calls: list[Call]
    ended_at: float  # Unix seconds, 0.0 when it did not

    @property
    def failures(self) -> list[Call]:
        """The calls that were made to fail."""
        return [call for call in self.calls if call.injected and call.result < 0]

    def answers(self) -> list[Answered]:
        """Every deliver_sm answered 0."""
        came = {key: call.ended for key, call in self._pdus("recvfrom", DELIVER_SM)}
        return [
            Answered(came[key], call.begun) for key, call in self._pdus("sendto", DELIVER_SM_RESP, status=0)
        ]

    def unsynced(self, failed: Call | None = None) -> list[Answered]:
        """Answers without a sync that began after the short message came and ended before the answer.

        What was synced after a call `failed` does not count.
        """
        syncs = [call for call in self.calls if call.synced and (failed is None or call.ended < failed.begun)]
        return [
            each
            for each in self.answers()
            if not any(each.received < sync.begun and sync.ended < each.answered for sync in syncs)
        ]

    def _pdus(self, name: str, command: int, status: int = 0) -> Iterator[tuple[tuple[int, int], Call]]:
        """((descriptor, sequence number), call) of each PDU of a kind, in order."""
        buffers: dict[int, bytearray] = {}
        for call in self.calls:
            if call.name != name or call.result <= 0:
                continue
            buffer = buffers.setdefault(call.descriptor, bytearray())
            buffer += call.octets[: call.result]
            while len(buffer) >= HEADER.size:
                length, this, said, sequence = HEADER.unpack_from(buffer)
                if length < HEADER.size:  # no SMPP: the loop wakes itself by sockets, too
                    buffer.clear()
                elif length > len(buffer):
                    break
                elif (this, said) == (command, status):
                    yield (call.descriptor, sequence), call
                del buffer[:length]


def strace(trace: Path, calls: str, inject: str = "") -> list[str]:
    """The command that runs another one, traced into `trace`."""
    injection = ["-e", f"inject={inject}"] if inject else []
    shown = ["-ttt", "-xx", "-s", str(LONGEST)]
    return ["strace", "-f", "-qq", *shown, "-o", str(trace), "-e", f"trace={calls}", *injection]


def read_trace(path: Path) -> Trace:
    """Read what strace wrote; calls it wrote in two lines are put together."""
    calls: list[Call] = []
    begun: dict[str, tuple[int, str]] = {}  # by thread
    ended_at = 0.0
    for place, line in enumerate(path.read_text().splitlines()):
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        pid, at, rest = match["pid"], float(match["at"]), match["rest"]
        start = place
        if rest.endswith("<unfinished ...>"):
            begun[pid] = place, rest.removesuffix("<unfinished ...>").rstrip()
            continue
        if rest.startswith("<... "):
            start, first = begun.pop(pid)
            rest = first + rest.partition(" resumed>")[2]
        if rest.startswith("+++ exited"):
            ended_at = at
        found = _CALL.match(rest)
        if found:
            octets = bytes.fromhex((found["octets"] or "").replace("\\x", ""))
            fields = int(found["descriptor"]), octets, int(found["result"])
            calls.append(Call(found["name"], start, place, at, *fields, "INJECTED" in rest))
    return Trace(calls, ended_at)
