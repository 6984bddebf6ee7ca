"""Ask a running gateway how it is: GET /status on its metrics listener."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any

from tsm_gateway.cli.errors import GatewayUnreachable, InputInvalid

if TYPE_CHECKING:
    from tsm_gateway.daemon.settings import Settings

WITHIN_S = 5.0
LONGEST = 4 << 20  # octets of a page
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask when it listens everywhere


def fetch_status(settings: Settings) -> dict[str, Any]:
    """The page of the running gateway, as `daemon.status_snapshot` wrote it.

    Raises GatewayUnreachable, InputInvalid when the configuration switches the listener off.
    """
    address = settings.metrics.address
    if address is None:
        problem = "is empty, so the gateway cannot be asked: give an address such as 127.0.0.1:9464"
        raise InputInvalid(what="metrics.listen", problem=problem)
    return fetch_page(address)


def fetch_page(address: tuple[str, int]) -> dict[str, Any]:
    """The status page of the process whose metrics listener is at `address`. Raises GatewayUnreachable."""
    host, port = LOOPBACK.get(address[0], address[0]), address[1]
    connection = http.client.HTTPConnection(host, port, timeout=WITHIN_S)
    try:
        connection.request("GET", "/status")
        with connection.getresponse() as answer:
            octets = answer.read(LONGEST)
    except (OSError, http.client.HTTPException) as error:
        cause = type(error).__name__
        raise GatewayUnreachable(host=host, port=port, cause=cause) from None
    finally:
        connection.close()
    try:
        page = json.loads(octets) if answer.status == http.HTTPStatus.OK else None
    except ValueError:
        page = None
    if not isinstance(page, dict) or "degraded" not in page:
        raise GatewayUnreachable(host=host, port=port, cause=f"HTTP {answer.status}, no page of ours")
    return page
