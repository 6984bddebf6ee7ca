"""What a channel tells of itself: the log's lines and the figures, side by side."""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import PurePath
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from tsm_gateway.daemon.channel_quiet import Quiet
from tsm_gateway.daemon.events import Event
from tsm_gateway.provisioning.presented import presented

if TYPE_CHECKING:
    from aiohttp import web

    from tsm_gateway.daemon.channel_connection import Connection
    from tsm_gateway.daemon.channel_handshakes import Refusal
    from tsm_gateway.daemon.channel_metrics import ChannelMetrics
    from tsm_gateway.daemon.channel_service import Service
    from tsm_gateway.daemon.logs import Log
    from tsm_gateway.errors import TsmError

FINGERPRINT = 32  # hex digits of a certificate's SHA-256: enough to find it


class Reports:
    """Strangers get a line a second for each reason, who is believed a line for each request."""

    def __init__(self, log: Log, metrics: ChannelMetrics, service: Service) -> None:
        """Log and figures are the process's; `service` tells which channel it is, and who its peers are."""
        self._log, self._metrics, self._service = log, metrics, service
        self._quiet = Quiet()

    def opened(self, host: str, port: int) -> None:
        """The listener takes connections."""
        self._log.emit(Event.LISTENER_OPENED, channel=self._service.number, host=host, port=port)

    def paused(self, error: OSError, pause_s: float) -> None:
        """It cannot take any for want of something."""
        channel, cause = self._service.number, error.strerror or ""
        self._log.emit(Event.LISTENER_PAUSED, channel=channel, error=cause, pause_s=pause_s)

    def admitted(self, seconds: float) -> None:
        """A connection whose peer is believed."""
        self._metrics.admitted(seconds)

    def handshake_refused(self, reason: Refusal, host: str) -> None:
        """No connection came of it."""
        self._metrics.handshake_refused(reason)
        count = self._quiet.due(reason, time.monotonic())
        if count:
            self._log.emit(
                Event.HANDSHAKE_REFUSED,
                channel=self._service.number,
                host=host,
                reason=reason.value,
                count=count,
            )

    def identity_refused(self, refused: TsmError, connection: Connection) -> None:
        """TLS held, the judge said no."""
        self._metrics.identity_refused(refused.code)
        fingerprint = sha256(connection.certificate).hexdigest()[:FINGERPRINT]
        count = self._quiet.due((refused.code, fingerprint), time.monotonic())
        if count:
            self._log.emit(
                Event.IDENTITY_REFUSED,
                channel=self._service.number,
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
            **self._whose(connection.identity),
            reason=reason,
            seconds=seconds,
        )

    def idle(self, connection: Connection, seconds: float) -> None:
        """Nothing was asked for long: we said farewell."""
        self._metrics.cut("idle")
        self._log.emit(
            Event.CONNECTION_IDLE, host=connection.host, **self._whose(connection.identity), seconds=seconds
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
            **self._whose(connection.identity),
            host=connection.host,
            octets=response.content_length,
            answer_ms=seconds * 1000,
        )

    def defect(self, fault: Exception, route: str = "none", identity: str | None = None) -> None:
        """The text of `fault` may hold anything; its class and place are enough to find it."""
        frame, line = list(walk_tb(fault.__traceback__))[-1]
        self._log.emit(
            Event.REQUEST_FAILED,
            route=route,
            **self._whose(identity),
            error=type(fault).__name__,
            where=f"{PurePath(frame.f_code.co_filename).name}:{line}",
        )

    def _whose(self, identity: str | None) -> dict[str, Any]:
        return {self._service.peer: identity}
