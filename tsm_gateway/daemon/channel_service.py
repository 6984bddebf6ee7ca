"""What a channel offers: its table of routes, and how it introduces itself in its OpenAPI description.

Dispatcher, description and the test that every stranger is refused everywhere read the one table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tsm_gateway.daemon.channel_models import Answered, Asked

# Any answer may be one of these, and with a body one of those.
EVERYWHERE = "request-malformed expectation-unknown too-many-requests failed unavailable"
WITH_BODY = "body-malformed body-too-long body-unsupported body-invalid"


class Identified(Protocol):
    """Whoever the judge of a channel believes."""

    @property
    def identity(self) -> str:
        """Who it is, by its key: "d:…" for a device, "a:…" for an agent."""


class Route(NamedTuple):
    """One thing that can be asked."""

    method: str
    path: str
    name: str  # in the log, the metrics and as operationId
    summary: str
    asked: type[Asked] | None  # None = no body
    answered: type[Answered] | None  # None = the description itself
    use: Callable[[Any, Any, Any], Awaitable[object]]  # of the channel's desk, who asks, the body
    problems: str  # codes beside those of every route


class Service:
    """One channel, as its peers see it."""

    def __init__(
        self, number: int, peer: str, routes: Sequence[Route], *, certificate: str, about: str
    ) -> None:
        """Channel `number` for a kind of `peer`: "device" or "agent", which is also its field in the log.

        `certificate` and `about` are sentences for who reads the description: what it authenticates by, and
        what all this is.
        """
        self.number, self.peer, self.routes = number, peer, tuple(routes)
        self.certificate, self.about = certificate, about
        self.by_path: Mapping[str, Mapping[str, Route]] = {
            path: {route.method: route for route in routes if route.path == path}
            for path in {route.path for route in routes}
        }


async def described(_desk: object, _who: object, _body: None) -> None:
    """The use of the route that answers with the description: the dispatcher holds it ready."""


def description_route() -> Route:
    """`GET /v1/openapi.json`."""
    return Route(
        *("GET", "/v1/openapi.json", "openapi", "This description"), *(None, None, described), problems=""
    )


def codes_of(route: Route) -> tuple[str, ...]:
    """Every code the route may answer with."""
    return tuple(f"{EVERYWHERE} {WITH_BODY if route.asked else ''} {route.problems}".split())
