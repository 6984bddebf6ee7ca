"""The JSON of channel 1: what a request may hold and what an answer does, octet by octet.

Octets are standard base64 with padding (RFC 4648 §4), in their one canonical spelling; a kid is 8 hex digits,
a time is Unix seconds. An unknown member is an error, and so is a value of another type.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Callable

CERTIFICATE_OCTETS = 6000  # most of a DER certificate; RSA-4096 with every extension stays below 3000
HYBRID_KEY_OCTETS = 3000  # 1216 of key, up to 1024 of RSA signature
PROOF_OCTETS = 3000  # up to 8 methods, up to 1024 of RSA signature

# The last group of base64 leaves 4 or 2 bits unused; spelled otherwise than as zeros they would be malleable.
_CANONICAL = (
    r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)$"
)
_ALPHABET = r"^[A-Za-z0-9+/]+={0,2}$"  # what a client can be told without puzzling its tools


def characters(octets: int) -> int:
    """How many base64 characters `octets` become."""
    return 4 * ((octets + 2) // 3)


def base64_octets(most: int) -> Callable[[object], object]:
    """Reads 1 to `most` octets out of their canonical spelling; anything else is an error."""
    longest, kind = characters(most), "tsm_base64"

    def read(value: object) -> object:
        if not isinstance(value, str):
            raise PydanticCustomError(kind, "must be a string of base64")
        try:
            octets = b64decode(value, validate=True) if len(value) <= longest else b""
        except ValueError:
            octets = b""
        if not octets or b64encode(octets).decode("ascii") != value:
            problem = "must be canonical base64 of 1 to {most} octets"
            raise PydanticCustomError(kind, problem, {"most": most})
        return octets

    return read


def base64_schema(most: int) -> dict[str, object]:
    """How a description tells of that."""
    return {
        "type": "string",
        "contentEncoding": "base64",
        "pattern": _ALPHABET,
        "minLength": 4,
        "maxLength": characters(most),
    }


def _written(octets: bytes) -> str:
    return b64encode(octets).decode("ascii")


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

Octets = Annotated[
    bytes,
    PlainSerializer(_written, return_type=str),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "pattern": _CANONICAL}),
]
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


class Asked(BaseModel):
    """A request's body."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


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


class Answered(BaseModel):
    """An answer's body, made from the record the use case returned."""

    model_config = ConfigDict(strict=True, frozen=True, from_attributes=True)


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


class Problem(BaseModel):
    """Why there is no such answer (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["about:blank"]
    title: Annotated[str, Field(description="the phrase of the status")]
    status: int
    detail: str
    code: Annotated[str, Field(description="see `tsm-gateway explain CODE`")]
