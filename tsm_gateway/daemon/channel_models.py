"""What the JSON of both channels is made of: octets, requests, answers, problems.

Octets are standard base64 with padding (RFC 4648 §4), in their one canonical spelling. An unknown member is
an error, and so is a value of another type.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Callable

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
            octets = a2b_base64(value, strict_mode=True) if len(value) <= longest else b""
        except ValueError:
            octets = b""
        if not octets or _written(octets) != value:
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
    return b2a_base64(octets, newline=False).decode("ascii")


Octets = Annotated[
    bytes,
    PlainSerializer(_written, return_type=str),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "pattern": _CANONICAL}),
]


class Asked(BaseModel):
    """A request's body."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class Answered(BaseModel):
    """An answer's body, made from the record the use case returned."""

    model_config = ConfigDict(strict=True, frozen=True, from_attributes=True)


class Problem(BaseModel):
    """Why there is no such answer (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["about:blank"]
    title: Annotated[str, Field(description="the phrase of the status")]
    status: int
    detail: str
    code: Annotated[str, Field(description="see `tsm-gateway explain CODE`")]
