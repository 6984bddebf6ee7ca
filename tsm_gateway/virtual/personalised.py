"""A handset fresh from its makers: an identity, an element that trusts one TSM, and no key to pay with."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.secret import Secret
from tsm_gateway.virtual.element_record import ElementRecord
from tsm_gateway.virtual.party_records import HandsetRecord
from tsm_gateway.virtual.tls_identity import client_context

if TYPE_CHECKING:
    import ssl

    from tsm_gateway.virtual.identity import Identity

_ELEMENT_ID_OCTETS = 10


class Tsm(NamedTuple):
    """The trusted service manager an element is made for."""

    tsm_id: str  # [gateway] id
    root: bytes  # X.509 DER, pinned


class Subscription(NamedTuple):
    """What the handset's owner has."""

    msisdn: str
    port: int  # the gateway's application port
    provider_addresses: tuple[str, ...]


def personalised(identity: Identity, tsm: Tsm, owner: Subscription) -> HandsetRecord:
    """A handset around `identity`, to be enrolled at `tsm`."""
    element = ElementRecord(
        kind=identity.kind,
        crypto_se=identity.element_id or secrets.token_bytes(_ELEMENT_ID_OCTETS),
        app_se=secrets.token_bytes(_ELEMENT_ID_OCTETS),
        tsm_id=tsm.tsm_id,
        tsm_root=tsm.root,
        chain=identity.chain,
        exchange=identity.exchange,
        key_certificate=identity.key_certificate,
        hybrid=identity.hybrid,
    )
    return HandsetRecord(
        device_id=identity.device_id,
        kid=b"",
        key=Secret(b""),
        next_piv=0,
        port=owner.port,
        msisdn=owner.msisdn,
        certificate=identity.certificate,
        private_key=identity.private_key,
        provider_addresses=owner.provider_addresses,
        element=element,
    )


def context_of(record: HandsetRecord, element: ElementRecord) -> ssl.SSLContext:
    """TLS as this handset speaks it on channel 1. Raises ssl.SSLError."""
    return client_context((record.certificate, *element.chain), record.private_key, element.tsm_root)
