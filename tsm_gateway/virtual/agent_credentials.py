"""What the agent of an app element shows on channel 2: a key of its own, and the certificate over it.

It has nothing to do with the crypto element: neither its key nor its issuers open the other channel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tsm_gateway.virtual.element_record import der_of, pem_of
from tsm_gateway.virtual.errors import PartyFileInvalid
from tsm_gateway.virtual.tls_identity import client_context
from tsm_gateway.virtual.x509_profile import name_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class AgentCredentials:
    """The agent's key and certificate, as they stand in `handset.json`."""

    private_key: ec.EllipticCurvePrivateKey
    certificate: bytes = b""  # X.509 DER; none before somebody signed the request

    def __repr__(self) -> str:
        """Say whether there is a certificate, and show no key."""
        return f"AgentCredentials(certified={bool(self.certificate)})"

    @classmethod
    def new(cls) -> AgentCredentials:
        """A fresh key on P-256."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    def request(self, name: str, app_se: bytes) -> bytes:
        """A certificate request, PKCS #10 in PEM, of the agent `name` in front of the app element `app_se`.

        Whoever signs it decides which app element the certificate names.
        """
        builder = x509.CertificateSigningRequestBuilder().subject_name(name_of(name, app_se))
        return builder.sign(self.private_key, SHA256()).public_bytes(Encoding.PEM)

    def certified(self, certificate: x509.Certificate) -> AgentCredentials:
        """The same key with the certificate somebody made of the request."""
        return replace(self, certificate=certificate.public_bytes(Encoding.DER))

    def context(self, root: bytes) -> ssl.SSLContext:
        """TLS as the agent speaks it; `root`: X.509 DER, the one authority it trusts. Raises ssl.SSLError."""
        return client_context((self.certificate,), self.private_key, root)

    def as_json(self) -> dict[str, object]:
        """The field `app_agent` of `handset.json`."""
        key = self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return {"private_key": key.decode(), "certificate": pem_of(self.certificate)}


def credentials_from_json(fields: Mapping[str, Any]) -> AgentCredentials:
    """Read what `AgentCredentials.as_json` wrote.

    Raises PartyFileInvalid, KeyError, ValueError, TypeError, AttributeError.
    """
    key = load_pem_private_key(fields["private_key"].encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PartyFileInvalid(what="an agent's key that is not on P-256")
    return AgentCredentials(key, der_of(fields["certificate"]))
