"""Why no connection came of a handshake, in words that fit a log line and a metric's label."""

from __future__ import annotations

import ssl
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Refusal(Enum):
    """The closed list. What the judge refuses as well has its code; `explain` knows all of them."""

    NO_CERTIFICATE = "no-certificate"
    UNTRUSTED = "certificate-untrusted"
    EXPIRED = "certificate-expired"
    NOT_YET_VALID = "certificate-not-yet-valid"
    USAGE = "certificate-usage"
    KEY_WEAK = "key-weak"
    SIGNATURE_WEAK = "certificate-signature-weak"
    INVALID = "certificate-refused"  # any other fault of the chain
    NOT_PROVED = "key-not-proved"  # the signature of the handshake does not fit the certificate
    VERSION = "version"  # TLS 1.2 or older
    NO_COMMON = "nothing-in-common"  # no group, cipher or signature algorithm both have
    NO_TLS = "no-tls"  # plain HTTP, or any other octets
    BY_PEER = "refused-by-peer"  # the peer did not like our certificate, or gave up
    TIMEOUT = "timeout"
    CUT = "cut"  # the peer went away
    CROWDED = "crowded"  # too many handshakes at once: the oldest gave way
    FULL = "full"  # no room, and nobody idle who could give way
    OTHER = "other"


# X509_V_ERR_… of OpenSSL's x509_vfy.h.
_BY_VERIFY_CODE: Mapping[int, Refusal] = {
    9: Refusal.NOT_YET_VALID,
    10: Refusal.EXPIRED,
    18: Refusal.UNTRUSTED,  # signed by itself
    19: Refusal.UNTRUSTED,  # a root that signed itself
    20: Refusal.UNTRUSTED,  # no issuer of it here
    21: Refusal.UNTRUSTED,
    26: Refusal.USAGE,
    66: Refusal.KEY_WEAK,  # the device's key
    67: Refusal.KEY_WEAK,  # an authority's key
    68: Refusal.SIGNATURE_WEAK,  # the hash of a signature
}

_BY_REASON: Mapping[str, Refusal] = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": Refusal.NO_CERTIFICATE,
    "UNSUPPORTED_PROTOCOL": Refusal.VERSION,
    "VERSION_TOO_LOW": Refusal.VERSION,
    "UNKNOWN_PROTOCOL": Refusal.VERSION,
    "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED": Refusal.NO_COMMON,
    "NO_SHARED_CIPHER": Refusal.NO_COMMON,
    "NO_SUITABLE_KEY_SHARE": Refusal.NO_COMMON,
    "NO_SUITABLE_GROUPS": Refusal.NO_COMMON,
    "NO_SUITABLE_SIGNATURE_ALGORITHM": Refusal.NO_COMMON,
    "NO_SHARED_SIGNATURE_ALGORITHMS": Refusal.NO_COMMON,
    "HTTP_REQUEST": Refusal.NO_TLS,
    "HTTPS_PROXY_REQUEST": Refusal.NO_TLS,
    "WRONG_VERSION_NUMBER": Refusal.NO_TLS,
    "PACKET_LENGTH_TOO_LONG": Refusal.NO_TLS,
    "BAD_RECORD_TYPE": Refusal.NO_TLS,
    "UNEXPECTED_MESSAGE": Refusal.NO_TLS,
    "BAD_SIGNATURE": Refusal.NOT_PROVED,
    "WRONG_SIGNATURE_TYPE": Refusal.NOT_PROVED,
    "EE_KEY_TOO_SMALL": Refusal.KEY_WEAK,
    "CA_KEY_TOO_SMALL": Refusal.KEY_WEAK,
    "CA_MD_TOO_WEAK": Refusal.SIGNATURE_WEAK,
    "UNEXPECTED_EOF_WHILE_READING": Refusal.CUT,
}


def refusal_of(error: BaseException) -> Refusal:
    """What `error`, raised by a handshake, says."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BY_VERIFY_CODE.get(error.verify_code, Refusal.INVALID)
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        return _BY_REASON.get(reason, Refusal.BY_PEER if "_ALERT_" in reason else Refusal.OTHER)
    if isinstance(error, ConnectionAbortedError | TimeoutError):  # asyncio's word for a handshake too slow
        return Refusal.TIMEOUT
    return Refusal.CUT if isinstance(error, OSError) else Refusal.OTHER
