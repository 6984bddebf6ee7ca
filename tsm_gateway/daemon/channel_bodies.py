"""A request's body, from octets to a checked model; whatever has two readings is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from tsm_gateway.daemon.channel_errors import BodyInvalid, BodyMalformed, BodyUnsupported
from tsm_gateway.daemon.channel_models import Asked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

M = TypeVar("M", bound=Asked)

_PLAIN = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})


def check_type(headers: Mapping[str, str]) -> None:
    """Raises BodyUnsupported unless the headers announce JSON in UTF-8, as it is."""
    if headers.get("Content-Type", "").strip().lower() not in _PLAIN or "Content-Encoding" in headers:
        raise BodyUnsupported


def read_body(octets: bytes, model: type[M]) -> M:
    """`octets` as `model`.

    Raises BodyMalformed for what is no JSON or names a member twice, BodyInvalid for another object.
    """
    try:
        value = _DECODER.decode(octets.decode("utf-8"))
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise BodyMalformed from None
    if not isinstance(value, dict):
        problem = "the body must be an object"
        raise BodyInvalid(problem)
    try:
        return model.model_validate(value)
    except ValidationError as errors:
        raise BodyInvalid(_told(errors, model)) from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """RFC 8259 §4 lets readers disagree about a name given twice, so nobody may send one."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _no_number(_text: str) -> NoReturn:
    """No member is a fraction, and NaN and Infinity are no JSON."""
    raise ValueError


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number, parse_float=_no_number)


def _told(errors: ValidationError, model: type[Asked]) -> str:
    """Each problem by the name of its member; a name we do not know is not repeated."""
    told = []
    for error in errors.errors(include_input=False, include_url=False, include_context=False):
        member = str(error["loc"][0]) if error["loc"] else ""
        known = member in model.model_fields
        told.append(f"{member}: {error['msg']}" if known else "a member is unknown")
    return "; ".join(dict.fromkeys(told))
