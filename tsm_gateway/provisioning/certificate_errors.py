"""Why a device's certificate, or an issuer's, is refused: one class for each cause.

To whoever is not authenticated all of them look alike (the connection ends); the code goes to our log and
counters. The only fact is a word of ours, never a name out of the certificate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.errors import Side, TsmError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class CertificateRefused(TsmError):
    """The certificate was refused."""

    code, side, temporary = "certificate-refused", Side.PEER, False


class CertificateUnreadable(CertificateRefused):
    """The certificate is no X.509 in DER, or it is longer than any we take."""

    code = "certificate-unreadable"


class CertificateUntrusted(CertificateRefused):
    """No trusted issuer vouches for the certificate."""

    code = "certificate-untrusted"


class CertificateExpired(CertificateRefused):
    """The certificate has expired."""

    code = "certificate-expired"


class CertificateNotYetValid(CertificateRefused):
    """The certificate is not valid yet: see the clocks of both sides."""

    code = "certificate-not-yet-valid"


class IssuerExpired(CertificateRefused):
    """A certificate between the device's and its trust anchor, or the anchor itself, is not valid now."""

    code = "issuer-expired"


class CertificateUsage(CertificateRefused):
    """The certificate states its uses, and what it is presented for is not among them."""

    code = "certificate-usage"


class AgentNamesNoElement(CertificateRefused):
    """The subject of an agent's certificate has no serialNumber with the id of an app SE in hexadecimal."""

    code = "agent-names-no-element"


class SignatureWeak(CertificateRefused):
    """The certificate is signed with a hash that can be forged."""

    code = "certificate-signature-weak"


class CertificateRevoked(CertificateRefused):
    """The certificate, or that of an authority above it, was revoked by its issuer."""

    code = "certificate-revoked"


class RevocationUnknown(CertificateRefused):
    """No valid word of the issuer says that the certificate is not revoked, and one is required."""

    code, side, temporary = "revocation-unknown", Side.OURS, True


class KeyWeak(CertificateRefused):
    """The certificate's public key gives its private key away, or is shorter than allowed."""

    code = "key-weak"


class KeyUnsupported(CertificateRefused):
    """The certificate's key is none of EC P-256, Ed25519 and RSA (or X25519 for a key certificate)."""

    code = "key-unsupported"


class KeyCertificateMismatch(CertificateRefused):
    """The key certificate is not of the device that presents it: another subject or another issuer."""

    code = "key-certificate-mismatch"


class IssuerUnusable(TsmError):
    """What is configured of an issuer cannot be used."""

    code, side, temporary = "issuer-unusable", Side.OURS, False

    def __init__(self, *, issuer: str, problem: str, setting: str = "", number: int = 0) -> None:
        """`issuer` is its configured name, `problem` a sentence for people.

        `setting` is the key at fault, "" for none alone; `number` counts the files of a list from 0.
        """
        super().__init__(issuer=issuer)
        self.problem, self.setting, self.number = problem, setting, number

    def naming(self, files: Mapping[str, Sequence[Path | str]]) -> IssuerUnusable:
        """The same with the file at fault, where one is: `files` are those of each setting, in order."""
        paths = files.get(self.setting, ())
        if self.number >= len(paths):
            return self
        return IssuerUnusable(
            issuer=str(self.facts["issuer"]),
            problem=f"{paths[self.number]}: {self.problem}",
            setting=self.setting,
            number=self.number,
        )

    def __str__(self) -> str:
        """The sentence with it."""
        setting = f"{self.setting}: " if self.setting else ""
        return f"issuer {self.facts['issuer']}: {setting}{self.problem} [{self.code}]"
