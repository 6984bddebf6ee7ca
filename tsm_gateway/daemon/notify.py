"""Talk to systemd over $NOTIFY_SOCKET: the protocol of sd_notify(3), without its library."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

LONGEST_STATUS = 200  # characters that `systemctl status` shows in a line


class Notifier:
    """Where messages to the service manager go; without one, nowhere."""

    def __init__(self, address: str | None) -> None:
        """`address` is a path, "@name" in the abstract namespace, or None for no service manager."""
        self._target = f"\0{address[1:]}" if address and address.startswith("@") else address
        self._socket: socket.socket | None = None
        if self._target:
            kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            self._socket = socket.socket(socket.AF_UNIX, kind)

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> Notifier:
        """The one systemd named; its variable is taken away, so that no child speaks in our name."""
        return cls(environment.pop("NOTIFY_SOCKET", None))

    def ready(self, status: str) -> bool:
        """Start-up or reload is finished."""
        return self._send("READY=1", f"STATUS={_line(status)}")

    def status(self, status: str) -> bool:
        """One line for `systemctl status`."""
        return self._send(f"STATUS={_line(status)}")

    def watchdog(self) -> bool:
        """Feed the watchdog."""
        return self._send("WATCHDOG=1")

    def reloading(self) -> bool:
        """A reload begins; `ready` ends it. The time lets systemd tell it from an older one."""
        return self._send(
            "RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"
        )

    def stopping(self, status: str = "finishing what is under way") -> bool:
        """The drain begins."""
        return self._send("STOPPING=1", f"STATUS={_line(status)}")

    def extend(self, seconds: float) -> bool:
        """Ask for `seconds` more than the unit's start or stop timeout gives: a migration, a long drain."""
        return self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def close(self) -> None:
        """No more messages."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *assignments: str) -> bool:
        """Whether the message was handed to the kernel; a payment never waits for a service manager."""
        if self._socket is None or self._target is None:
            return False
        with contextlib.suppress(OSError):
            self._socket.sendto("\n".join(assignments).encode(), self._target)
            return True
        return False


def watchdog_interval_s(environment: Mapping[str, str] = os.environ, pid: int | None = None) -> float | None:
    """Seconds between two feedings, half of what the unit allows; None when nobody watches this process."""
    allowed = environment.get("WATCHDOG_USEC", "")
    meant_for = environment.get("WATCHDOG_PID", "")
    if meant_for and meant_for != str(pid or os.getpid()):
        return None
    if not (allowed.isascii() and allowed.isdigit() and int(allowed)):
        return None
    return int(allowed) / 2_000_000


def _line(status: str) -> str:
    """One printable line: an assignment ends at a newline."""
    return "".join(each if each.isprintable() else " " for each in status)[:LONGEST_STATUS]
