"""The gateway's own certificates (RFC 5280): what each is for, how long it lives, how it is made.

| use | subject | issued by | allowed to |
|---|---|---|---|
| `root` | TSM root | itself | issue the four below, and nothing that issues others |
| `key-delivery` | TSM key delivery | root | sign key packages |
| `application-signing` | TSM application signing | root | sign payment applications |
| `channel-1`, `channel-2` | TSM channel 1, 2 | root | be the TLS server of these names |
| `agents` | TSM agents | itself | issue TLS client certificates without any host name |

Secure elements pin the root. Hence agents have an authority of their own: were it below the root, an
agent's certificate would lead to the very anchor that vouches for key packages. `KEY_DELIVERY` and
`APPLICATION_SIGNING` keep the kinds below the root apart: a channel's key, which faces the network, signs
neither package nor application, and no key signs both.

Keys, serial numbers and the time come in as arguments.
"""

from __future__ import annotations

import datetime as dt
from enum import Enum
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tsm_gateway.provisioning.x509_fields import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
    from cryptography.x509 import Certificate, GeneralName, Name

# Purposes of our own, below the arc anybody may use (ITU-T X.667: 2.25 and a UUID).
KEY_DELIVERY: Final = x509.ObjectIdentifier("2.25.5279910222826087297256029102353267540")
APPLICATION_SIGNING: Final = x509.ObjectIdentifier("2.25.147695128653799730692266133704582153938")
SLACK_S: Final = 3600  # a certificate is valid from this long before it was made: clocks differ
LONGEST_NAME: Final = 64  # characters of an organisation or common name (RFC 5280 appendix A.1)

SigningKey = EllipticCurvePrivateKey | RSAPrivateKey


class Use(Enum):
    """What a key of the gateway is for; the value names its files."""

    ROOT = "root"
    KEY_DELIVERY = "key-delivery"
    APPLICATION_SIGNING = "application-signing"
    CHANNEL_1 = "channel-1"
    CHANNEL_2 = "channel-2"
    AGENTS = "agents"


class Profile(NamedTuple):
    """How certificates of one use are made."""

    common_name: str
    days: int
    is_authority: bool
    purpose: x509.ObjectIdentifier | None  # None = any


class Pair(NamedTuple):
    """A certificate and the private key to it."""

    certificate: Certificate
    key: SigningKey


PROFILES: Final[Mapping[Use, Profile]] = {
    Use.ROOT: Profile("TSM root", 7305, is_authority=True, purpose=None),
    Use.KEY_DELIVERY: Profile("TSM key delivery", 1826, is_authority=False, purpose=KEY_DELIVERY),
    Use.APPLICATION_SIGNING: Profile(
        "TSM application signing", 3653, is_authority=False, purpose=APPLICATION_SIGNING
    ),
    Use.CHANNEL_1: Profile("TSM channel 1", 397, is_authority=False, purpose=ExtendedKeyUsageOID.SERVER_AUTH),
    Use.CHANNEL_2: Profile("TSM channel 2", 397, is_authority=False, purpose=ExtendedKeyUsageOID.SERVER_AUTH),
    Use.AGENTS: Profile("TSM agents", 3653, is_authority=True, purpose=ExtendedKeyUsageOID.CLIENT_AUTH),
}
CHANNELS: Final = (Use.CHANNEL_1, Use.CHANNEL_2)
SIGNERS: Final = (Use.KEY_DELIVERY, Use.APPLICATION_SIGNING)  # whose purpose is theirs alone
BELOW_ROOT: Final = (*SIGNERS, *CHANNELS)
AGENT: Final = Profile("", 730, is_authority=False, purpose=ExtendedKeyUsageOID.CLIENT_AUTH)


def build_authority(use: Use, key: SigningKey, *, owner: str, serial: int, at: int) -> Certificate:
    """A certificate of `use` ROOT or AGENTS over `key`, signed by itself.

    `owner` (the gateway's id) becomes the organisation; `at` is the Unix second it is made.
    """
    subject = _subject(PROFILES[use].common_name, owner)
    builder = _builder(PROFILES[use], subject, key.public_key(), serial=serial, at=at)
    if use is Use.AGENTS:
        builder = builder.add_extension(_NO_HOSTS, critical=True)
    return builder.issuer_name(subject).sign(key, SHA256())


def build_below_root(
    use: Use,
    key: CertificatePublicKeyTypes,
    root: Pair,
    *,
    owner: str,
    names: Sequence[GeneralName] = (),
    serial: int,
    at: int,
) -> Certificate:
    """A certificate of another `use` over the public `key`, signed by the root.

    It does not outlive the root. `names` are what a channel's clients connect to.
    """
    profile = PROFILES[use]
    subject = _subject(profile.common_name, owner)
    builder = _builder(profile, subject, key, serial=serial, at=at, issuer=root.certificate)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _signed(builder, root)


def build_agent(
    subject: Name, key: CertificatePublicKeyTypes, agents: Pair, *, serial: int, at: int
) -> Certificate:
    """A TLS client certificate for an agent, signed by the agents' authority."""
    return _signed(_builder(AGENT, subject, key, serial=serial, at=at, issuer=agents.certificate), agents)


def host_names(names: Sequence[str]) -> list[GeneralName]:
    """Host names and addresses as a certificate states them. Raises ValueError for one that is neither."""
    return [_host_name(name) for name in names]


def _host_name(name: str) -> GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    labels = name.removeprefix("*.").split(".")
    if len(name) > 253 or not all(map(_is_label, labels)):  # noqa: PLR2004 - RFC 1035 §2.3.4
        message = f"{name!a} is neither a host name nor an IP address"
        raise ValueError(message)
    return x509.DNSName(name.lower())


def _is_label(label: str) -> bool:
    """RFC 1123 §2.1: letters, digits and inner hyphens, 63 at most."""
    plain = label.replace("-", "")
    edges = not label.startswith("-") and not label.endswith("-")
    return edges and plain.isascii() and plain.isalnum() and len(label) <= 63  # noqa: PLR2004 - as told


def _subject(common_name: str, owner: str) -> Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, owner[:LONGEST_NAME]),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(
    profile: Profile,
    subject: Name,
    key: CertificatePublicKeyTypes,
    *,
    serial: int,
    at: int,
    issuer: Certificate | None = None,
) -> x509.CertificateBuilder:
    """All that every certificate has, but issuer name and signature."""
    ends = moment(at) + dt.timedelta(days=profile.days)
    if issuer is not None:
        ends = min(ends, issuer.not_valid_after_utc)
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(
        issuer.public_key() if issuer else key  # type: ignore[arg-type]  # an authority's key signs
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(moment(at - SLACK_S))
        .not_valid_after(ends)
        .add_extension(_constraints(profile), critical=True)
        .add_extension(_key_usage(profile), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(issuer_key, critical=False)
    )
    if profile.purpose is None:
        return builder
    return builder.add_extension(x509.ExtendedKeyUsage([profile.purpose]), critical=False)


def _signed(builder: x509.CertificateBuilder, authority: Pair) -> Certificate:
    return builder.issuer_name(authority.certificate.subject).sign(authority.key, SHA256())


def _constraints(profile: Profile) -> x509.BasicConstraints:
    return x509.BasicConstraints(ca=profile.is_authority, path_length=0 if profile.is_authority else None)


def _key_usage(profile: Profile) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not profile.is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=profile.is_authority,
        crl_sign=profile.is_authority,
        encipher_only=False,
        decipher_only=False,
    )


_NO_HOSTS: Final = x509.NameConstraints(
    permitted_subtrees=None,
    excluded_subtrees=[
        x509.DNSName(""),
        x509.IPAddress(ip_network("0.0.0.0/0")),
        x509.IPAddress(ip_network("::/0")),
    ],
)
