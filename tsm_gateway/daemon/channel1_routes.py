"""The one table of channel 1: what can be asked, with what, what comes back and why it may not.

The dispatcher, the OpenAPI description and the test that every stranger is refused everywhere all read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tsm_gateway.daemon.channel1_models import (
    Answered,
    Asked,
    ChallengeAnswered,
    Enrolment,
    EnrolmentAnswered,
    Nothing,
    PackageAnswered,
    Proof,
    RegistrationAnswered,
    StatusAnswered,
)
from tsm_gateway.daemon.provisioning_answers import EnrolmentRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tsm_gateway.daemon.provisioning_answers import (
        ChallengeAnswer,
        EnrolmentAnswer,
        PackageAnswer,
        RegistrationAnswer,
        StatusAnswer,
    )
    from tsm_gateway.provisioning.device_trust import TrustedDevice


class Desk(Protocol):
    """The use cases; each raises TsmErrors only. See `provisioning_desk.Desk`."""

    async def enrol(self, who: TrustedDevice, request: EnrolmentRequest, /) -> EnrolmentAnswer:
        """Make the device known, or say again where it stands."""

    async def key_package(self, who: TrustedDevice, /) -> PackageAnswer:
        """The package that waits, made if one is due."""

    async def challenge(self, who: TrustedDevice, /) -> ChallengeAnswer:
        """A new challenge."""

    async def register(self, who: TrustedDevice, proof: bytes, /) -> RegistrationAnswer:
        """Check the proof and move the device on."""

    async def status(self, who: TrustedDevice, /) -> StatusAnswer:
        """Where the device stands."""


class Route(NamedTuple):
    """One thing that can be asked."""

    method: str
    path: str
    name: str  # in the log, the metrics and as operationId
    summary: str
    asked: type[Asked] | None  # None = no body
    answered: type[Answered] | None  # None = the description itself
    use: Callable[[Desk, TrustedDevice, Any], Awaitable[object]]
    problems: str  # codes beside those of every route


async def _enrol(desk: Desk, who: TrustedDevice, body: Enrolment) -> EnrolmentAnswer:
    request = EnrolmentRequest(body.key_certificate, body.hybrid_key, body.msisdn or "")
    return await desk.enrol(who, request)


async def _key_package(desk: Desk, who: TrustedDevice, _body: None) -> PackageAnswer:
    return await desk.key_package(who)


async def _challenge(desk: Desk, who: TrustedDevice, _body: Nothing) -> ChallengeAnswer:
    return await desk.challenge(who)


async def _register(desk: Desk, who: TrustedDevice, body: Proof) -> RegistrationAnswer:
    return await desk.register(who, body.proof)


async def _status(desk: Desk, who: TrustedDevice, _body: None) -> StatusAnswer:
    return await desk.status(who)


async def _description(_desk: Desk, _who: TrustedDevice, _body: None) -> None:
    """The dispatcher holds it ready."""


# Any answer may be one of these, and with a body one of those.
EVERYWHERE = "request-malformed expectation-unknown too-many-requests failed unavailable"
WITH_BODY = "body-malformed body-too-long body-unsupported body-invalid"

_IDENTITY = "device-terminated identity-conflict "
_KNOWN = _IDENTITY + "device-unknown device-suspended "
_KEY_CERTIFICATE = (
    "certificate-unreadable certificate-untrusted certificate-expired certificate-not-yet-valid "
    "issuer-expired certificate-usage certificate-signature-weak certificate-revoked key-weak "
    "key-unsupported key-certificate-mismatch key-certificate-missing recipient-unusable "
)
_HYBRID_KEY = (
    "hybrid-key-required hybrid-key-not-offered hybrid-key-malformed hybrid-key-not-authentic "
    "hybrid-key-wrong-device "
)
_PROOF = (
    "proof-malformed proof-not-authentic proof-wrong-device proof-wrong-key confirmation-wrong "
    "elements-equal elements-changed element-id-mismatch challenge-stale challenge-mismatch "
    "secure-element-taken key-not-waiting "
)

ROUTES = (
    Route(
        *("PUT", "/v1/enrolment", "enrolment", "Enrol, or ask again what enrolling answered"),
        *(Enrolment, EnrolmentAnswered, _enrol),
        problems=_IDENTITY
        + _KEY_CERTIFICATE
        + _HYBRID_KEY
        + "device-suspended test-device-refused number-invalid already-known move-not-allowed "
        + "too-many-keys too-many-changes",
    ),
    Route(
        *("GET", "/v1/key-package", "key_package", "Fetch the key package that waits"),
        *(None, PackageAnswered, _key_package),
        problems=_KNOWN
        + _KEY_CERTIFICATE
        + "no-key-package hybrid-key-required already-known move-not-allowed too-many-keys",
    ),
    Route(
        *("POST", "/v1/challenge", "challenge", "Ask for a new challenge; an earlier one is void"),
        *(Nothing, ChallengeAnswered, _challenge),
        problems=_KNOWN + "key-not-installable",
    ),
    Route(
        *("POST", "/v1/registration", "registration", "Prove the key and register what the SE holds"),
        *(Proof, RegistrationAnswered, _register),
        problems=_KNOWN + _PROOF + "key-not-installable move-not-allowed too-many-changes",
    ),
    Route(
        *("GET", "/v1/status", "status", "Where this device stands"),
        *(None, StatusAnswered, _status),
        problems=_IDENTITY + "device-unknown",
    ),
    Route(
        *("GET", "/v1/openapi.json", "openapi", "This description"),
        *(None, None, _description),
        problems="",
    ),
)

BY_PATH: Mapping[str, Mapping[str, Route]] = {
    path: {route.method: route for route in ROUTES if route.path == path}
    for path in {route.path for route in ROUTES}
}


def codes_of(route: Route) -> tuple[str, ...]:
    """Every code the route may answer with."""
    return tuple(f"{EVERYWHERE} {WITH_BODY if route.asked else ''} {route.problems}".split())
