"""Errors as application/problem+json (RFC 9457): status by code, one sentence, nothing of the inside.

A code that is not in the table is a defect or a trouble of ours: the peer learns 500 or 503 and no more.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.daemon.channel_errors import BodyInvalid
from tsm_gateway.errors import Side, TsmError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 2  # after a trouble of ours: the store is rarely busy for longer

_CODES: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "request-malformed body-malformed",
    HTTPStatus.FORBIDDEN: (
        "device-terminated device-suspended test-device-refused proof-not-authentic proof-wrong-device "
        "proof-wrong-key confirmation-wrong elements-changed element-id-mismatch device-not-registered "
        "card-unknown"
    ),
    HTTPStatus.NOT_FOUND: "path-unknown device-unknown no-key-package",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
    HTTPStatus.CONFLICT: (
        "identity-conflict secure-element-taken challenge-stale challenge-mismatch key-not-installable "
        "key-not-waiting move-not-allowed already-known session-over script-out-of-turn"
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body-too-long",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "body-unsupported",
    HTTPStatus.EXPECTATION_FAILED: "expectation-unknown",
    HTTPStatus.UNPROCESSABLE_ENTITY: (
        "body-invalid responses-malformed number-invalid proof-malformed elements-equal hybrid-key-required "
        "hybrid-key-not-offered hybrid-key-malformed hybrid-key-not-authentic hybrid-key-wrong-device "
        "certificate-unreadable certificate-untrusted certificate-expired certificate-not-yet-valid "
        "issuer-expired certificate-usage certificate-signature-weak certificate-revoked key-weak "
        "key-unsupported key-certificate-mismatch key-certificate-missing recipient-unusable"
    ),
    HTTPStatus.TOO_MANY_REQUESTS: "too-many-requests too-many-keys too-many-changes",
    HTTPStatus.INTERNAL_SERVER_ERROR: "failed",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
}
STATUSES: Mapping[str, HTTPStatus] = {
    code: status for status, codes in _CODES.items() for code in codes.split()
}

_SENTENCES: Mapping[HTTPStatus, str] = {
    HTTPStatus.INTERNAL_SERVER_ERROR: "The gateway failed; its operator finds the cause in the log.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The gateway cannot answer just now: try again.",
}
RETRIED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)  # with Retry-After


class ProblemAnswer(NamedTuple):
    """What the peer gets, and what the log says of it."""

    status: HTTPStatus
    code: str  # ours, for the log: "challenge-stale"
    body: bytes


def public_code(code: str) -> str:
    """The code as peers see it: `challenge-stale` is TSM-CHALLENGE-STALE."""
    return f"TSM-{code.upper()}"


def problem_of(error: TsmError) -> ProblemAnswer:
    """The answer for `error`; facts of an error are for the log only."""
    if isinstance(error, BodyInvalid):
        status = STATUSES[error.code]
        return ProblemAnswer(status, error.code, _encoded(status, error.code, error.detail))
    return _problem_of(type(error))


def _problem_of(kind: type[TsmError]) -> ProblemAnswer:
    status = STATUSES.get(kind.code)
    if status is not None and status not in _SENTENCES:
        sentence = (kind.__doc__ or "").partition("\n")[0]
        return ProblemAnswer(status, kind.code, _encoded(status, kind.code, sentence))
    passing = kind.temporary or (kind.side is Side.OURS and kind.code.startswith("store-"))
    status = HTTPStatus.SERVICE_UNAVAILABLE if passing else HTTPStatus.INTERNAL_SERVER_ERROR
    public = "unavailable" if passing else "failed"
    return ProblemAnswer(status, kind.code, _encoded(status, public, _SENTENCES[status]))


def _encoded(status: HTTPStatus, code: str, detail: str) -> bytes:
    problem = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "code": public_code(code),
    }
    return json.dumps(problem).encode("ascii")
