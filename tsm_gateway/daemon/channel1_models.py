"""The JSON of channel 1: what a request may hold and what an answer does, octet by octet.

A kid is 8 hex digits, a time is Unix seconds.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints, WithJsonSchema

from tsm_gateway.daemon.channel_models import Answered, Asked, Octets, base64_octets, base64_schema

CERTIFICATE_OCTETS = 6000  # most of a DER certificate; RSA-4096 with every extension stays below 3000
HYBRID_KEY_OCTETS = 3000  # 1216 of key, up to 1024 of RSA signature
PROOF_OCTETS = 3000  # up to 8 methods, up to 1024 of RSA signature

CertificateIn = Annotated[
    bytes,
    BeforeValidator(base64_octets(CERTIFICATE_OCTETS)),
    WithJsonSchema(base64_schema(CERTIFICATE_OCTETS)),
]
HybridKeyIn = Annotated[
    bytes, BeforeValidator(base64_octets(HYBRID_KEY_OCTETS)), WithJsonSchema(base64_schema(HYBRID_KEY_OCTETS))
]
ProofIn = Annotated[
    bytes, BeforeValidator(base64_octets(PROOF_OCTETS)), WithJsonSchema(base64_schema(PROOF_OCTETS))
]
Number = Annotated[str, StringConstraints(pattern=r"^\+[0-9]{7,15}$", max_length=16)]

Kid = Annotated[
    bytes,
    PlainSerializer(bytes.hex, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{8}$"}),
]
DeviceId = Annotated[str, Field(json_schema_extra={"pattern": "^d:[0-9a-f]{16}$"})]
Epoch = Annotated[int, Field(ge=1)]
UnixSeconds = Annotated[int, Field(ge=0, description="Unix seconds")]
Kem = Annotated[
    int, Field(description="16 HPKE P-256, 32 HPKE X25519, 25722 HPKE X-Wing, -41 RSAES-OAEP SHA-256")
]
DeviceState = Annotated[str, Field(description="enrolled, keyed, registered, active, suspended")]


class Enrolment(Asked):
    """What a device tells of itself beside the certificate of its connection."""

    key_certificate: Annotated[
        CertificateIn | None,
        Field(description="X.509 DER over X25519, by the same issuer, to which packages are sealed"),
    ] = None
    hybrid_key: Annotated[
        HybridKeyIn | None, Field(description="COSE_Sign1 of the device over its X-Wing public key")
    ] = None
    msisdn: Annotated[Number | None, Field(description="taken over at the first enrolment only")] = None


class Nothing(Asked):
    """An empty object."""


class Proof(Asked):
    """The answer to a challenge."""

    proof: Annotated[ProofIn, Field(description="COSE_Sign1 of the device over challenge and confirmation")]


class EnrolmentAnswered(Answered):
    """The device is known; with a package to be installed there is a challenge to be answered."""

    device_id: DeviceId
    state: DeviceState
    kid: Kid
    epoch: Epoch
    kem: Kem | None
    key_package: Octets | None
    tsm_certificate: Octets
    challenge: Octets | None
    challenge_expires_at: UnixSeconds | None


class PackageAnswered(Answered):
    """The key package that waits."""

    device_id: DeviceId
    kid: Kid
    epoch: Epoch
    kem: Kem
    key_package: Octets
    tsm_certificate: Octets


class ChallengeAnswered(Answered):
    """A fresh challenge; an earlier one is void."""

    device_id: DeviceId
    challenge: Octets
    kid: Kid
    epoch: Epoch
    expires_at: UnixSeconds


class RegistrationAnswered(Answered):
    """The proof was accepted, now or earlier."""

    device_id: DeviceId
    state: DeviceState
    kid: Kid
    epoch: Epoch


class Key(Answered):
    """One key of the device."""

    kid: Kid
    epoch: Epoch
    state: Annotated[str, Field(description="pending, current, overlap, retired, …")]


class StatusAnswered(Answered):
    """Where the device stands; keys are newest first."""

    device_id: DeviceId
    state: DeviceState
    keys: tuple[Key, ...]
    key_package_waiting: Annotated[bool, Field(description="GET /v1/key-package has, or makes, one")]
    proof_wanted: Annotated[bool, Field(description="a registration proof lifts the suspension")]
