"""Read what channel 2 works with from the files its settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.daemon.certificate_files import authorities, octets_of
from tsm_gateway.daemon.channel_tls import listener_context
from tsm_gateway.daemon.provisioning_material import DeliveryMaterial
from tsm_gateway.daemon.settings_secrets import secret_path, secret_value
from tsm_gateway.provisioning.agent_trust import check_agents_apart
from tsm_gateway.provisioning.expiry import OWN, items_of_certificates, items_of_issuers
from tsm_gateway.provisioning.issuer_store import load_issuer
from tsm_gateway.provisioning.pki import Use
from tsm_gateway.provisioning.pki_fitness import (
    check_apart,
    check_fit,
    check_key_apart,
    read_certificate,
    read_p256_key,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cryptography.x509 import Certificate

    from tsm_gateway.daemon.settings_delivery import DeliverySettings
    from tsm_gateway.daemon.settings_provisioning import ProvisioningSettings
    from tsm_gateway.provisioning.expiry import ExpiringItem
    from tsm_gateway.provisioning.issuer import Issuer
    from tsm_gateway.provisioning.pki import SigningKey

TOKENS: Final = "token_key"


def read_delivery(
    section: ProvisioningSettings, device_issuers: Sequence[Issuer], at: int
) -> tuple[DeliveryMaterial | None, ssl.SSLContext | None]:
    """What channel 2 works with, when there is one. Raises as `read_sources`, and IssuerUnusable."""
    delivery = section.delivery
    if delivery is None:
        return None, None
    secret_value(delivery.key)
    issuers = tuple(load_issuer(**each.model_dump()) for each in delivery.issuer)
    for issuer in issuers:
        check_agents_apart(issuer, device_issuers)
    signing = read_certificate(Use.APPLICATION_SIGNING.value, octets_of(delivery.signing_certificate))
    check_fit(Use.APPLICATION_SIGNING, signing, at, None)
    found = _certificates(section, delivery)
    _check_apart(found, signing)
    trusted = (*device_issuers, *issuers)
    anchors = {
        f"anchor {place} of {issuer.name}": anchor
        for issuer in trusted
        for place, anchor in enumerate(issuer.anchors, start=1)
    }
    token_key = _token_key(delivery.token_key, {**found, **anchors, Use.APPLICATION_SIGNING.value: signing})
    context = listener_context(delivery.certificate, secret_path(delivery.key), authorities(delivery.issuer))
    earlier = _earlier(delivery.signing_certificate)
    return DeliveryMaterial(delivery, issuers, signing, token_key, earlier), context


def items_of_delivery(delivery: DeliveryMaterial) -> Iterator[ExpiringItem]:
    """What of it runs out."""
    named = {
        Use.CHANNEL_2: delivery.section.certificate,
        Use.APPLICATION_SIGNING: delivery.section.signing_certificate,
    }
    for use, path in named.items():
        yield from items_of_certificates(OWN, use.value, octets_of(path))
    yield from items_of_issuers(delivery.issuers)


def _certificates(section: ProvisioningSettings, delivery: DeliverySettings) -> dict[str, Certificate]:
    """Those of the keys that the process holds, by their use. Raises PkiUnfit."""
    named = {
        Use.CHANNEL_1: section.certificate,
        Use.CHANNEL_2: delivery.certificate,
        Use.KEY_DELIVERY: section.key_delivery_certificate,
    }
    return {use.value: read_certificate(use.value, octets_of(path)) for use, path in named.items()}


def _check_apart(found: Mapping[str, Certificate], signing: Certificate) -> None:
    """Each use has a key of its own. Raises PkiUnfit."""
    check_apart(Use.APPLICATION_SIGNING.value, signing, found)
    channel_2 = Use.CHANNEL_2.value
    check_apart(channel_2, found[channel_2], {use: each for use, each in found.items() if use != channel_2})


def _earlier(present: Path) -> tuple[Certificate, ...]:
    """The application-signing certificate that `pki renew` put aside, where it did. Raises PkiUnfit."""
    path = present.with_name(f"{present.name}.old")
    return (read_certificate(path.name, octets_of(path)),) if path.exists() else ()


def _token_key(reference: str | None, others: Mapping[str, Certificate]) -> SigningKey | None:
    """What signs tokens: a key over EC P-256 that serves nothing else. Raises PkiUnfit."""
    if not reference:
        return None
    key = read_p256_key(TOKENS, secret_value(reference))
    check_key_apart(TOKENS, key.public_key(), others)
    return key
