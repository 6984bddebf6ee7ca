"""What can be wrong with a sealed packet or the certificate inside it.

Before a key is touched there is one error, `Malformed`; once one is touched there is one, `NotAuthentic`.
Neither says where or why: whoever probes us, and whoever reads our log, learns the same nothing.
"""

from __future__ import annotations

from tsm_gateway.errors import Side, TsmError


class Malformed(TsmError):
    """The octets are not of the format."""

    code, side, temporary = "malformed", Side.PEER, False


class NotAuthentic(TsmError):
    """The packet was not sealed with this key, or was altered."""

    code, side, temporary = "not-authentic", Side.PEER, False


class CertificateMalformed(Malformed):
    """The payment certificate is not of the format."""

    code, side, temporary = "certificate-malformed", Side.PEER, False


class CertificateInvalid(TsmError):
    """The payment certificate's signature does not hold."""

    code, side, temporary = "certificate-invalid", Side.PEER, False


class DeviceCertificateUnusable(TsmError):
    """The device's registered X.509 certificate does not read, or its key is of no kind we verify with."""

    code, side, temporary = "device-certificate-unusable", Side.OURS, False


class SigningKeyUnusable(TsmError):
    """Signatures are checked under EC P-256, Ed25519 and RSA of 2048 to 4096 bits only."""

    code, side, temporary = "signing-key-unusable", Side.PEER, False


class PivExhausted(TsmError):
    """The key has sealed as many packets as its counter allows: replace the key."""

    code, side, temporary = "piv-exhausted", Side.OURS, False


class SelfTestFailed(TsmError):
    """A cipher of this machine gives wrong answers: nothing may be opened or sealed."""

    code, side, temporary = "self-test-failed", Side.OURS, False
