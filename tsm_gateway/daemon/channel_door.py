"""The door of a channel: from an accepted socket through TLS and the judge to an admitted connection.

Whoever does not get through is gone, was answered nothing, and is counted by reason. At most so many stand
in the door at once: the oldest gives way, as a real handshake takes milliseconds.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from tsm_gateway.daemon.channel_connection import Connection
from tsm_gateway.daemon.channel_handshakes import Refusal, refusal_of
from tsm_gateway.errors import TsmError

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from tsm_gateway.daemon.channel_admission import Admission
    from tsm_gateway.daemon.channel_connection import House
    from tsm_gateway.daemon.channel_limits import Limits
    from tsm_gateway.daemon.channel_reports import Reports
    from tsm_gateway.daemon.channel_service import Identified

GOODBYE_S = 2.0  # for the peer's close_notify


class Keys(NamedTuple):
    """What may be exchanged on reload."""

    context: ssl.SSLContext
    limits: Limits


class Door:
    """Owns a connection until it is admitted."""

    def __init__(
        self,
        keys: Keys,
        house: House,
        admission: Admission[Any],
        reports: Reports,
        admitted: Callable[[Connection, Identified], None],
    ) -> None:
        """`admitted` takes over who got through."""
        self.keys, self._house, self._admission = keys, house, admission
        self._reports, self._admitted = reports, admitted
        self._loop = asyncio.get_running_loop()
        self._inside: dict[asyncio.Task[None], socket.socket] = {}  # oldest first

    def __len__(self) -> int:
        """How many are not known yet."""
        return len(self._inside)

    def enter(self, accepted: socket.socket, host: str) -> None:
        """Somebody at `host` connected."""
        if len(self._inside) >= self.keys.limits.handshakes:
            self._reports.handshake_refused(Refusal.CROWDED, host)
            self._push_out(next(iter(self._inside)))
        task = self._loop.create_task(self._shake(accepted, host), name="handshake")
        self._inside[task] = accepted
        task.add_done_callback(self._left)

    async def clear(self) -> None:
        """Everybody out."""
        inside = list(self._inside)
        for task in inside:
            self._push_out(task)
        await asyncio.gather(*inside, return_exceptions=True)

    def _push_out(self, task: asyncio.Task[None]) -> None:
        accepted = self._inside.pop(task)
        task.cancel()
        # One that had no turn yet never gave its socket to a transport; for the others this is too late.
        task.add_done_callback(lambda _: accepted.close())

    def _left(self, task: asyncio.Task[None]) -> None:
        self._inside.pop(task, None)

    async def _shake(self, accepted: socket.socket, host: str) -> None:
        began = self._loop.time()
        connection = Connection(self._house, host, self._loop)
        try:
            async with asyncio.timeout(self.keys.limits.handshake_s):
                await self._secure(connection, accepted)
                peer = await self._admission.admit(connection.certificate)
        except TsmError as refused:
            self._reports.identity_refused(refused, connection)
        except OSError as error:  # TimeoutError and ssl.SSLError are OSErrors
            self._reports.handshake_refused(refusal_of(error), host)
        except Exception as fault:  # noqa: BLE001 - the edge: a defect admits nobody
            self._reports.defect(fault)
        else:
            self._reports.admitted(self._loop.time() - began)
            self._admitted(connection, peer)
            return
        finally:
            if connection.peer is None:
                connection.cut()

    async def _secure(self, connection: Connection, accepted: socket.socket) -> None:
        """TLS. Raises OSError, and then the socket is closed."""
        limit_s = self.keys.limits.handshake_s
        await self._loop.connect_accepted_socket(
            lambda: connection,
            accepted,
            ssl=self.keys.context,
            ssl_handshake_timeout=limit_s,
            ssl_shutdown_timeout=GOODBYE_S,
        )
        if not connection.connected:
            raise ConnectionResetError
