"""Read everything provisioning works with from the files its settings name; all of it, before any is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.daemon.certificate_files import authorities, der_of, octets_of
from tsm_gateway.daemon.channel_tls import listener_context
from tsm_gateway.daemon.delivery_sources import items_of_delivery, read_delivery
from tsm_gateway.daemon.provisioning_material import Material
from tsm_gateway.daemon.settings_secrets import secret_path, secret_value
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.provisioning.expiry import OWN, items_of_certificates, items_of_issuers
from tsm_gateway.provisioning.issuer_store import load_issuer
from tsm_gateway.provisioning.pki import Use
from tsm_gateway.provisioning.pki_fitness import check_apart, check_fit, read_certificate, read_pair

if TYPE_CHECKING:
    import ssl

    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.daemon.settings_provisioning import ProvisioningSettings
    from tsm_gateway.provisioning.expiry import ExpiringItem
    from tsm_gateway.provisioning.pki import Pair


class Sources(NamedTuple):
    """What was read."""

    material: Material
    context: ssl.SSLContext  # of channel 1
    delivery_context: ssl.SSLContext | None  # of channel 2
    items: tuple[ExpiringItem, ...]  # what runs out


def read_sources(settings: Settings, section: ProvisioningSettings, at: int) -> Sources:
    """Read keys, certificates and revocation lists; `at` is Unix seconds.

    Raises SecretUnreadable, FileUnreadable, PkiUnfit, IssuerUnusable, ChannelTlsUnusable, or what
    `read_master` raises.
    """
    pair = _delivery_pair(section, at)
    secret_value(section.key)  # its mode and owner; OpenSSL reads it by itself
    issuers = tuple(load_issuer(**each.model_dump()) for each in section.issuer)
    context = listener_context(section.certificate, secret_path(section.key), authorities(section.issuer))
    delivery, delivery_context = read_delivery(section, issuers, at)
    material = Material(
        section=section,
        masters=read_master(settings.keys.master),
        issuers=issuers,
        signing_key=pair.key,  # type: ignore[arg-type]  # `check_fit` took nothing but EC P-256
        tsm_certificate=der_of(section.key_delivery_certificate),
        delivery=delivery,
    )
    items = [
        *items_of_certificates(OWN, Use.CHANNEL_1.value, octets_of(section.certificate)),
        *items_of_certificates(OWN, Use.KEY_DELIVERY.value, octets_of(section.key_delivery_certificate)),
        *items_of_issuers(issuers),
        *(items_of_delivery(delivery) if delivery else ()),
    ]
    return Sources(material, context, delivery_context, tuple(items))


def _delivery_pair(section: ProvisioningSettings, at: int) -> Pair:
    octets = octets_of(section.key_delivery_certificate)
    pair = read_pair(Use.KEY_DELIVERY.value, octets, secret_value(section.key_delivery_key))
    check_fit(Use.KEY_DELIVERY, pair.certificate, at, None)
    channel = read_certificate(Use.CHANNEL_1.value, octets_of(section.certificate))
    check_apart(Use.KEY_DELIVERY.value, pair.certificate, {Use.CHANNEL_1.value: channel})
    return pair
