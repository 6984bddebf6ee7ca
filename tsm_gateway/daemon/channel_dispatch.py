"""From a request of an admitted peer to its answer: rate, route, body, use case, one wide line.

| what goes wrong | the peer gets | the log gets |
|---|---|---|
| the certificate is no longer believed | nothing: the connection ends | `identity.refused` |
| a TsmError with a row in `STATUSES` | that status and code | the same code |
| any other TsmError | 503 or 500 | its code |
| anything else | 500 | `request.failed`, with class and place |
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from tsm_gateway.daemon.channel_bodies import check_type, read_body
from tsm_gateway.daemon.channel_connection import Connection, connection_of
from tsm_gateway.daemon.channel_errors import (
    BodyTooLong,
    ExpectationUnknown,
    MethodNotAllowed,
    PathUnknown,
    RequestMalformed,
    TooManyRequests,
)
from tsm_gateway.daemon.channel_openapi import describe
from tsm_gateway.daemon.channel_problems import CONTENT_TYPE, RETRIED, RETRY_AFTER_S, problem_of
from tsm_gateway.errors import TsmError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tsm_gateway.daemon.channel_admission import Admission
    from tsm_gateway.daemon.channel_models import Asked
    from tsm_gateway.daemon.channel_rates import Rates
    from tsm_gateway.daemon.channel_reports import Reports
    from tsm_gateway.daemon.channel_service import Identified, Route, Service

_EVERY_ANSWER = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "tsm-gateway"}
_ANSWER = {**_EVERY_ANSWER, "Content-Type": "application/json"}
_PROBLEM = {**_EVERY_ANSWER, "Content-Type": CONTENT_TYPE}
_NO_ROUTE = "none"
_ENDS = frozenset({"request-malformed", "body-too-long"})  # what follows on the connection is not clear


class Tools(NamedTuple):
    """What answering takes."""

    service: Service
    desk: Any  # of the channel: the routes of `service` know it
    admission: Admission[Any]
    rates: Rates
    reports: Reports


class Dispatcher:
    """Answers requests."""

    def __init__(self, tools: Tools, body_octets: int) -> None:
        """`body_octets`: longer bodies are refused."""
        self._tools, self._body_octets = tools, body_octets
        self._description = json.dumps(describe(tools.service), separators=(",", ":")).encode("ascii")

    def renew(self, tools: Tools, body_octets: int) -> None:
        """From the next request on."""
        self._tools, self._body_octets = tools, body_octets

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """The answer, whatever happens."""
        at = time.perf_counter()
        connection = connection_of(request)
        connection.began()
        try:
            who = await self._tools.admission.admit(connection.certificate)
        except TsmError as refused:
            self._tools.reports.identity_refused(refused, connection)
            connection.cut()
            return web.Response(status=403)  # to nobody: the connection is cut
        route: Route | None = None
        error = None
        try:
            self._count(who)
            route = _route_of(request, self._tools.service.by_path)
            answer = await route.use(self._tools.desk, who, await self._body(request, route))
            response = web.Response(body=self._encoded(route, answer), headers=_ANSWER)
        except TsmError as refusal:
            error, response = refusal.code, self._refused(refusal, request)
        except (HttpProcessingError, web.RequestPayloadError):  # chunks that are none
            error, response = RequestMalformed.code, self._refused(RequestMalformed(), request)
        except ConnectionError:  # the peer went away with its body half sent
            error, response = "cut", web.Response(status=400)
        except Exception as fault:  # noqa: BLE001 - the edge: a defect must not take the listener along
            error, response = TsmError.code, self._refused(TsmError(), request)
            self._tools.reports.defect(fault, route.name if route else _NO_ROUTE, connection.identity)
        self._tell(connection, route, response, error, at)
        return response

    def refuse(self, connection: Connection, status: int) -> web.Response:
        """The answer to what aiohttp could not read."""
        at = time.perf_counter()
        error = RequestMalformed() if status < 500 else TsmError()  # noqa: PLR2004 - RFC 9110 §15.6
        response = self._refused(error, None)
        response.force_close()
        self._tell(connection, None, response, error.code, at)
        return response

    def _count(self, who: Identified) -> None:
        wait_s = self._tools.rates.take(who.identity, time.monotonic())
        if wait_s:
            raise TooManyRequests(wait_s)

    async def _body(self, request: web.BaseRequest, route: Route) -> Asked | None:
        """The body the route wants. Raises RequestMalformed for one it does not, and those of `read_body`."""
        if route.asked is None:
            if request.body_exists:
                raise RequestMalformed
            return None
        check_type(request.headers)
        if (request.content_length or 0) > self._body_octets:
            raise BodyTooLong
        if "Expect" in request.headers:
            await _go_on(request)
        try:
            octets = await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise BodyTooLong from None
        return read_body(octets, route.asked)

    def _encoded(self, route: Route, answer: object) -> bytes:
        if route.answered is None:
            return self._description
        return route.answered.model_validate(answer).model_dump_json().encode("utf-8")

    def _refused(self, error: TsmError, request: web.BaseRequest | None) -> web.Response:
        problem = problem_of(error)
        response = web.Response(status=problem.status, body=problem.body, headers=_PROBLEM)
        if isinstance(error, TooManyRequests):
            response.headers["Retry-After"] = str(error.retry_after_s)
        elif problem.status in RETRIED:
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        if isinstance(error, MethodNotAllowed) and request is not None:
            by_path = self._tools.service.by_path
            response.headers["Allow"] = ", ".join(sorted(by_path[request.rel_url.raw_path]))
        if error.code in _ENDS:
            response.force_close()
        return response

    def _tell(
        self,
        connection: Connection,
        route: Route | None,
        response: web.Response,
        error: str | None,
        at: float,
    ) -> None:
        seconds = time.perf_counter() - at
        name = route.name if route else _NO_ROUTE
        self._tools.reports.answered(connection, name, response, error, seconds)


def _route_of(request: web.BaseRequest, by_path: Mapping[str, Mapping[str, Route]]) -> Route:
    """The row for path and method. Raises PathUnknown, MethodNotAllowed, RequestMalformed for a query."""
    methods = by_path.get(request.raw_path)
    if methods is None:  # an absolute target (RFC 9112 §3.2.2), a query, or nothing of ours
        methods = by_path.get(request.rel_url.raw_path)
        if methods is None:
            raise PathUnknown
        if "?" in request.raw_path:
            raise RequestMalformed
    route = methods.get(request.method)
    if route is None:
        raise MethodNotAllowed
    return route


async def _go_on(request: web.BaseRequest) -> None:
    """Tell the peer that its body is wanted (RFC 9110 §10.1.1). Raises ExpectationUnknown."""
    if request.headers["Expect"].lower() != "100-continue":
        raise ExpectationUnknown
    if request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # that was no answer yet
