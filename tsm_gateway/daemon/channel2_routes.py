"""The one table of channel 2: what an agent can ask, with what, what comes back and why it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tsm_gateway.daemon.channel2_models import DeliveryStanding, Responses, Script
from tsm_gateway.daemon.channel_service import Route, Service, description_route
from tsm_gateway.daemon.delivery_answers import ScriptRequest

if TYPE_CHECKING:
    from tsm_gateway.daemon.delivery_answers import DeliveryStatus, ScriptAnswer
    from tsm_gateway.provisioning.agent_trust import TrustedAgent


class Desk(Protocol):
    """The use cases; each raises TsmErrors only. See `delivery_desk.DeliveryDesk`."""

    async def script(self, who: TrustedAgent, asked: ScriptRequest, /) -> ScriptAnswer:
        """The next script for the card behind `who`."""

    async def status(self, who: TrustedAgent, /) -> DeliveryStatus:
        """Where its device stands."""


async def _script(desk: Desk, who: TrustedAgent, body: Responses) -> ScriptAnswer:
    return await desk.script(who, ScriptRequest(body.session or "", body.number, tuple(body.responses)))


async def _status(desk: Desk, who: TrustedAgent, _body: None) -> DeliveryStatus:
    return await desk.status(who)


_ABOUT = (
    "The agent in front of an app secure element fetches scripts: commands of GlobalPlatform under SCP03, "
    "which the agent passes on and cannot read. It gives them to the card in order, stops behind the first "
    "response other than 9000, and posts all responses so far; the answer is the next script. TLS 1.3 with "
    "the agent's certificate, whose subject names the app SE as serialNumber, is the only authentication. "
    "The same post again gets the same script again. Octets are standard base64 with padding."
)

ROUTES = (
    Route(
        *("POST", "/v1/script", "script", "Bring the card's answers, fetch the next commands"),
        *(Responses, Script, _script),
        problems="device-not-registered device-suspended device-terminated card-unknown session-over "
        "script-out-of-turn responses-malformed test-device-refused",
    ),
    Route(
        *("GET", "/v1/status", "status", "Where the device behind this agent stands"),
        *(None, DeliveryStanding, _status),
        problems="test-device-refused",
    ),
    description_route(),
)

SERVICE = Service(
    2, "agent", ROUTES, certificate="the agent's certificate, for the app SE it names", about=_ABOUT
)
