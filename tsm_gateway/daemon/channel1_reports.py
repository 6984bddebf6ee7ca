"""What channel 1 tells of itself: the log's lines and the figures, side by side."""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import PurePath
from traceback import walk_tb
from typing import TYPE_CHECKING

from tsm_gateway.daemon.channel1_quiet import Quiet
from tsm_gateway.daemon.events import Event
from tsm_gateway.provisioning.presented import presented

if TYPE_CHECKING:
    from aiohttp import web

    from tsm_gateway.daemon.channel1_connection import Connection
    from tsm_gateway.daemon.channel1_handshakes import Refusal
    from tsm_gateway.daemon.channel1_metrics import Channel1Metrics
    from tsm_gateway.daemon.logs import Log
    from tsm_gateway.errors import TsmError

FINGERPRINT = 32  # hex digits of a certificate's SHA-256: enough to find it


class Reports:
    """Strangers get a line a second for each reason, devices a line for each request."""

    def __init__(self, log: Log, metrics: Channel1Metrics) -> None:
        """Both are the process's."""
        self._log, self._metrics = log, metrics
        self._quiet = Quiet()

    def opened(self, host: str, port: int) -> None:
        """The listener takes connections."""
        self._log.emit(Event.LISTENER_OPENED, host=host, port=port)

    def paused(self, error: OSError, pause_s: float) -> None:
        """It cannot take any for want of something."""
        self._log.emit(Event.LISTENER_PAUSED, error=error.strerror or "", pause_s=pause_s)

    def admitted(self, seconds: float) -> None:
        """A connection whose device is believed."""
        self._metrics.admitted(seconds)

    def handshake_refused(self, reason: Refusal, host: str) -> None:
        """No connection came of it."""
        self._metrics.handshake_refused(reason)
        count = self._quiet.due(reason, time.monotonic())
        if count:
            self._log.emit(Event.HANDSHAKE_REFUSED, host=host, reason=reason.value, count=count)

    def identity_refused(self, refused: TsmError, connection: Connection) -> None:
        """TLS held, the judge said no."""
        self._metrics.identity_refused(refused.code)
        fingerprint = sha256(connection.certificate).hexdigest()[:FINGERPRINT]
        count = self._quiet.due((refused.code, fingerprint), time.monotonic())
        if count:
            self._log.emit(
                Event.IDENTITY_REFUSED,
                host=connection.host,
                certificate=fingerprint,
                **presented(connection.certificate)._asdict(),
                reason=refused.code,
                count=count,
            )

    def cut(self, connection: Connection, reason: str, seconds: float) -> None:
        """We ended it; `seconds` since its request began, or since its last answer."""
        self._metrics.cut(reason)
        self._log.emit(
            Event.CONNECTION_CUT,
            host=connection.host,
            device=connection.device_id,
            reason=reason,
            seconds=seconds,
        )

    def idle(self, connection: Connection, seconds: float) -> None:
        """Nothing was asked for long: we said farewell."""
        self._metrics.cut("idle")
        self._log.emit(
            Event.CONNECTION_IDLE, host=connection.host, device=connection.device_id, seconds=seconds
        )

    def answered(
        self, connection: Connection, route: str, response: web.Response, error: str | None, seconds: float
    ) -> None:
        """The one wide line of a request."""
        self._metrics.answered(route, response.status, seconds)
        self._log.emit(
            Event.REQUEST_ANSWERED,
            route=route,
            http_status=response.status,
            error=error,
            device=connection.device_id,
            host=connection.host,
            octets=response.content_length,
            answer_ms=seconds * 1000,
        )

    def defect(self, fault: Exception, route: str = "none", device: str | None = None) -> None:
        """The text of `fault` may hold anything; its class and place are enough to find it."""
        frame, line = list(walk_tb(fault.__traceback__))[-1]
        self._log.emit(
            Event.REQUEST_FAILED,
            route=route,
            device=device,
            error=type(fault).__name__,
            where=f"{PurePath(frame.f_code.co_filename).name}:{line}",
        )
