"""Read everything provisioning works with from the files its settings name; all of it, before any is used."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.daemon.channel1_tls import listener_context
from tsm_gateway.daemon.provisioning_material import Material
from tsm_gateway.daemon.settings_secrets import secret_path, secret_value
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.provisioning.expiry import OWN, items_of_certificates, items_of_issuers
from tsm_gateway.provisioning.issuer_store import load_issuer
from tsm_gateway.provisioning.pki import Use
from tsm_gateway.provisioning.pki_fitness import check_apart, check_fit, read_certificate, read_pair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.daemon.settings_provisioning import ProvisioningSettings
    from tsm_gateway.provisioning.expiry import ExpiringItem
    from tsm_gateway.provisioning.pki import Pair

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class FileUnreadable(TsmError):
    """A file that the configuration names cannot be read."""

    code, side, temporary = "file-unreadable", Side.OURS, False


class Sources(NamedTuple):
    """What was read."""

    material: Material
    context: ssl.SSLContext  # of channel 1
    items: tuple[ExpiringItem, ...]  # what runs out


def read_sources(settings: Settings, section: ProvisioningSettings, at: int) -> Sources:
    """Read keys, certificates and revocation lists; `at` is Unix seconds.

    Raises SecretUnreadable, FileUnreadable, PkiUnfit, IssuerUnusable, ChannelTlsUnusable, or what
    `read_master` raises.
    """
    pair = _delivery_pair(section, at)
    secret_value(section.key)  # its mode and owner; OpenSSL reads it by itself
    issuers = tuple(load_issuer(**each.model_dump()) for each in section.issuer)
    context = listener_context(section.certificate, secret_path(section.key), _authorities(section))
    material = Material(
        section=section,
        masters=read_master(settings.keys.master),
        issuers=issuers,
        signing_key=pair.key,  # type: ignore[arg-type]  # `check_fit` took nothing but EC P-256
        tsm_certificate=_der(section.key_delivery_certificate),
    )
    items = [
        *items_of_certificates(OWN, Use.CHANNEL_1.value, _octets(section.certificate)),
        *items_of_certificates(OWN, Use.KEY_DELIVERY.value, _octets(section.key_delivery_certificate)),
        *items_of_issuers(issuers),
    ]
    return Sources(material, context, tuple(items))


def _delivery_pair(section: ProvisioningSettings, at: int) -> Pair:
    octets = _octets(section.key_delivery_certificate)
    pair = read_pair(Use.KEY_DELIVERY.value, octets, secret_value(section.key_delivery_key))
    check_fit(Use.KEY_DELIVERY, pair.certificate, at, None)
    channel = read_certificate(Use.CHANNEL_1.value, _octets(section.certificate))
    check_apart(Use.KEY_DELIVERY.value, pair.certificate, {Use.CHANNEL_1.value: channel})
    return pair


def _authorities(section: ProvisioningSettings) -> Iterator[bytes]:
    """Roots and intermediates of every issuer, in DER."""
    for issuer in section.issuer:
        for path in (issuer.anchors, issuer.intermediates):
            if path is not None:
                yield from _certificates(_octets(path))


def _certificates(octets: bytes) -> list[bytes]:
    """Every certificate of PEM text, or the one in DER."""
    found = _PEM.findall(octets)
    return [ssl.PEM_cert_to_DER_cert(each.decode("ascii")) for each in found] if found else [octets]


def _der(path: Path) -> bytes:
    return _certificates(_octets(path))[0]


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileUnreadable(path=str(path), cause=error.strerror or "") from None
