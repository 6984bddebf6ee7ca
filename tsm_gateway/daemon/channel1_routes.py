"""The one table of channel 1: what can be asked, with what, what comes back and why it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tsm_gateway.daemon.channel1_models import (
    ChallengeAnswered,
    Enrolment,
    EnrolmentAnswered,
    Nothing,
    PackageAnswered,
    Proof,
    RegistrationAnswered,
    StatusAnswered,
)
from tsm_gateway.daemon.channel_service import Route, Service, description_route
from tsm_gateway.daemon.provisioning_answers import EnrolmentRequest

if TYPE_CHECKING:
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

_ABOUT = (
    "A crypto secure element enrols, fetches its key package and proves that it holds the key. TLS 1.3 with "
    "the device's signing certificate is the only authentication: without one that is trusted the connection "
    "ends without an answer. Everything may be asked again: a request repeated after a cut connection is "
    "answered as before. Octets are standard base64 with padding, times are Unix seconds."
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
    description_route(),
)

SERVICE = Service(1, "device", ROUTES, certificate="the crypto SE's signing certificate", about=_ABOUT)
