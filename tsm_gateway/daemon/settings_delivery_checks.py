"""Checks of `[provisioning.delivery]` that read certificates and keys: each is fit, and serves one use.

They are those that channel 2 makes when it starts, so that `config check` passes nothing it would refuse.
Whether a certificate is valid now is left to `doctor`: the same file is to be judged alike at any time.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Final

from tsm_gateway.daemon.settings_secrets import SecretUnreadable, secret_value
from tsm_gateway.daemon.settings_words import Finding
from tsm_gateway.provisioning.agent_trust import check_agents_apart
from tsm_gateway.provisioning.certificate_errors import IssuerUnusable
from tsm_gateway.provisioning.issuer_store import load_issuer
from tsm_gateway.provisioning.pki import Use
from tsm_gateway.provisioning.pki_errors import PkiUnfit
from tsm_gateway.provisioning.pki_fitness import (
    check_apart,
    check_fit,
    check_key_apart,
    read_certificate,
    read_p256_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cryptography.x509 import Certificate

    from tsm_gateway.daemon.settings_lines import Path
    from tsm_gateway.provisioning.issuer import Issuer

    Table = dict[str, object]
    Issuers = Sequence[tuple[Path, Table]]  # each with the path of its section

DELIVERY: Final = ("provisioning", "delivery")
SIGNING: Final = "signing_certificate"
TOKENS: Final = "token_key"
AGENTS_APART: Final = "name an authority that issues to agents only: `pki init` makes one, agents.pem"
SIGNING_WANTED: Final = (
    "name application-signing.pem of `pki init`; `pki import --help` tells what one issued elsewhere needs"
)
OWN_KEY: Final = "`pki init` makes a certificate with a key of its own for each use"
WANTED_FOR_TOKENS: Final = (
    "make a key for tokens alone: `openssl ecparam -name prime256v1 -genkey -noout -out token.key`"
)


def check_delivery_keys(
    section: Table, delivery: Table, devices: Issuers, agents: Issuers
) -> Iterator[Finding]:
    """What channel 2 would not start with. What cannot be read is a finding elsewhere.

    `section` is `[provisioning]`; `devices` are its issuers, `agents` those of `delivery`.
    """
    trusted = [issuer for _, table in devices if (issuer := _issuer(table)) is not None]
    clients = [(path, issuer) for path, table in agents if (issuer := _issuer(table)) is not None]
    for path, issuer in clients:
        yield from _apart_from_devices(path, issuer, trusted)
    own = _own(section, delivery)
    signing, problem = _signing(delivery, own)
    if problem:
        yield Finding((*DELIVERY, SIGNING), f"{delivery[SIGNING]}: {problem}", SIGNING_WANTED)
    yield from _channel_apart(delivery, own)
    anchors = _anchors([*trusted, *(issuer for _, issuer in clients)])
    yield from _tokens(delivery, {**own, **anchors, **signing})


def _issuer(table: Table) -> Issuer | None:
    """Its authorities, without lists and responders; None when they cannot be read."""
    name, anchors, intermediates = (table.get(key) for key in ("name", "anchors", "intermediates"))
    if not (isinstance(name, str) and isinstance(anchors, str)):
        return None
    try:
        return load_issuer(
            name, anchors=anchors, intermediates=intermediates if isinstance(intermediates, str) else None
        )
    except IssuerUnusable:
        return None


def _apart_from_devices(path: Path, agents: Issuer, devices: Sequence[Issuer]) -> Iterator[Finding]:
    try:
        check_agents_apart(agents, devices)
    except IssuerUnusable as error:
        yield Finding((*path, error.setting), error.problem, AGENTS_APART)


def _own(section: Table, delivery: Table) -> dict[str, Certificate]:
    """The certificates of the keys that the process holds, by their use."""
    named = {
        Use.CHANNEL_1: section.get("certificate"),
        Use.CHANNEL_2: delivery.get("certificate"),
        Use.KEY_DELIVERY: section.get("key_delivery_certificate"),
    }
    read = {use.value: _certificate(path) for use, path in named.items()}
    return {use: certificate for use, certificate in read.items() if certificate is not None}


def _certificate(path: object) -> Certificate | None:
    try:
        return read_certificate(str(path), FilePath(str(path)).read_bytes())
    except (OSError, PkiUnfit):
        return None


def _signing(delivery: Table, own: Mapping[str, Certificate]) -> tuple[dict[str, Certificate], str]:
    """The application-signing certificate by its use, and what is against it."""
    path, use = str(delivery.get(SIGNING, "")), Use.APPLICATION_SIGNING
    found: dict[str, Certificate] = {}
    try:
        certificate = read_certificate(path, FilePath(path).read_bytes())
        check_apart(use.value, certificate, own)
        found[use.value] = certificate
        check_fit(use, certificate, int(certificate.not_valid_after_utc.timestamp()), None)
    except OSError:
        return found, ""
    except PkiUnfit as unfit:
        return found, unfit.problem
    return found, ""


def _channel_apart(delivery: Table, own: Mapping[str, Certificate]) -> Iterator[Finding]:
    """The listener's key is not that of channel 1, nor the one that signs key packages."""
    use = Use.CHANNEL_2.value
    others = {name: each for name, each in own.items() if name != use}
    try:
        if use in own:
            check_apart(use, own[use], others)
    except PkiUnfit as unfit:
        yield Finding((*DELIVERY, "certificate"), f"{delivery['certificate']}: {unfit.problem}", OWN_KEY)


def _anchors(issuers: Sequence[Issuer]) -> dict[str, Certificate]:
    return {
        f"anchor {place} of {issuer.name}": anchor
        for issuer in issuers
        for place, anchor in enumerate(issuer.anchors, start=1)
    }


def _tokens(delivery: Table, others: Mapping[str, Certificate]) -> Iterator[Finding]:
    """What signs tokens is a key over EC P-256 that serves nothing else."""
    reference = delivery.get(TOKENS)
    if not (isinstance(reference, str) and reference):
        return
    try:
        key = read_p256_key(TOKENS, secret_value(reference))
        check_key_apart(TOKENS, key.public_key(), others)
    except SecretUnreadable:
        return
    except PkiUnfit as unfit:
        yield Finding((*DELIVERY, TOKENS), unfit.problem, WANTED_FOR_TOKENS)
