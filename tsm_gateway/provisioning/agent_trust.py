"""Whom to believe on channel 2: the agent in front of one app SE, by its TLS client certificate.

Its certificate is judged like a device's (`device_trust.judge`), by issuers of agents. On top of that

| looked at | refused with |
|---|---|
| TLS client is among its extended key usages; where there are none, it is not | `certificate-usage` |
| one serialNumber in its subject: its app SE's id in hexadecimal | `agent-names-no-element` |

So an agent speaks for one app SE, whoever it is; what it says of that SE is believed only under SCP03.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from tsm_gateway.provisioning.certificate_errors import AgentNamesNoElement, CertificateUsage, IssuerUnusable
from tsm_gateway.provisioning.device_trust import NO_ANSWERS, judge
from tsm_gateway.provisioning.element_id import serial_number_of
from tsm_gateway.provisioning.x509_fields import purposes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptography.x509 import Certificate

    from tsm_gateway.provisioning.issuer import Issuer

ELEMENT_OCTETS: Final = range(8, 33)


class TrustedAgent(NamedTuple):
    """An agent by its certificate, which a trusted issuer of agents vouches for."""

    der: bytes
    agent_id: str  # "a:" and the first 8 octets of SHA-256 over SubjectPublicKeyInfo (DER), in hex
    app_se: bytes  # 8..32 octets: the app SE it speaks for
    issuer: str  # the configured name
    test_only: bool  # of a virtual handset

    @property
    def identity(self) -> str:
        """Who it is, whatever its certificate says."""
        return self.agent_id


def judge_agent(
    der: bytes, issuers: Sequence[Issuer], at: int, *, ocsp: Mapping[bytes, bytes] = NO_ANSWERS
) -> TrustedAgent:
    """Judge an agent's certificate `der` at Unix second `at`; `ocsp` as in `device_trust.judge`.

    Raises a CertificateRefused.
    """
    client = judge(der, issuers, at, ocsp=ocsp)
    purposes = purposes_of(x509.load_der_x509_certificate(der)) or ()
    if ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        raise CertificateUsage
    app_se = serial_number_of(der)
    if app_se is None or len(app_se) not in ELEMENT_OCTETS:
        raise AgentNamesNoElement
    return TrustedAgent(der, f"a{client.device_id[1:]}", app_se, client.issuer, client.test_only)


def check_agents_apart(agents: Issuer, devices: Sequence[Issuer]) -> None:
    """Pass an issuer of agents none of whose authorities vouches for crypto SEs. Raises IssuerUnusable.

    Were one key to vouch for both, what was issued to one side of a handset would open the other's channel.
    """
    theirs = {_spki(each): issuer.name for issuer in devices for each in _authorities(issuer)}
    for authority in _authorities(agents):
        if (other := theirs.get(_spki(authority))) is not None:
            problem = f"an authority of {other}, which issues crypto SEs: agents need one of their own"
            raise IssuerUnusable(issuer=agents.name, problem=problem, setting="anchors")


def _authorities(issuer: Issuer) -> tuple[Certificate, ...]:
    return (*issuer.anchors, *issuer.intermediates)


def _spki(authority: Certificate) -> bytes:
    return authority.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
