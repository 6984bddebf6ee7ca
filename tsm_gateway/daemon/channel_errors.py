"""What a channel refuses before a use case is asked, and why its listener may not start."""

from __future__ import annotations

from tsm_gateway.errors import Side, TsmError


class RequestMalformed(TsmError):
    """This is no request of HTTP/1.1 as it is spoken here: no query, no body with GET, no encoding."""

    code, side, temporary = "request-malformed", Side.PEER, False


class PathUnknown(TsmError):
    """There is nothing at this path."""

    code, side, temporary = "path-unknown", Side.PEER, False


class MethodNotAllowed(TsmError):
    """This path does not take this method."""

    code, side, temporary = "method-not-allowed", Side.PEER, False


class ExpectationUnknown(TsmError):
    """No expectation but 100-continue is met."""

    code, side, temporary = "expectation-unknown", Side.PEER, False


class BodyTooLong(TsmError):
    """The request's body is longer than any that is taken."""

    code, side, temporary = "body-too-long", Side.PEER, False


class BodyUnsupported(TsmError):
    """A body is application/json in UTF-8, not compressed."""

    code, side, temporary = "body-unsupported", Side.PEER, False


class BodyMalformed(TsmError):
    """The body is no JSON (RFC 8259), or it names a member twice."""

    code, side, temporary = "body-malformed", Side.PEER, False


class BodyInvalid(TsmError):
    """A member of the body is missing, unknown or not of its kind."""

    code, side, temporary = "body-invalid", Side.PEER, False

    def __init__(self, detail: str) -> None:
        """`detail` names members of the description and what they must be, never what was sent."""
        super().__init__()
        self.detail = detail


class TooManyRequests(TsmError):
    """This device asks too often: wait as long as Retry-After says."""

    code, side, temporary = "too-many-requests", Side.PEER, True

    def __init__(self, retry_after_s: int) -> None:
        """`retry_after_s`: whole seconds until one more request is taken."""
        super().__init__(seconds=retry_after_s)
        self.retry_after_s = retry_after_s


class ChannelListenFailed(TsmError):
    """The address of [provisioning] listen cannot be used."""

    code, side, temporary = "channel-listen-failed", Side.OURS, False


class ChannelTlsUnusable(TsmError):
    """The listener's certificate, its key or an issuer's anchors cannot be used for TLS."""

    code, side, temporary = "channel-tls-unusable", Side.OURS, False
