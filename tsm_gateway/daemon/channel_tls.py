"""TLS of a channel: version 1.3 only, a client certificate always, identity shown anew each time."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from tsm_gateway.daemon.channel_errors import ChannelTlsUnusable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# The one group that every TLS 1.3 peer must have (RFC 8446 §9.1). `ssl` can name a single one or none, and
# none would offer X448 and P-521 too. Secrecy for decades is not of this layer: key packages may be X-Wing.
GROUP = "prime256v1"


def listener_context(certificate: Path, key: Path, authorities: Iterable[bytes]) -> ssl.SSLContext:
    """The listener's side of TLS.

    `certificate` is a PEM file with the chain, `key` the PEM file of its private key; `authorities` are the
    certificates (DER) of trusted issuers, roots and intermediates alike. OpenSSL is the outer wall: chain,
    dates, purpose, strength. `provisioning.device_trust.judge` decides afterwards, revocation included.
    Raises ChannelTlsUnusable.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    # An anchor may be any certificate the operator trusts, not only one that signed itself.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.num_tickets = 0  # no resumption: a ticket would outlive the certificate's revocation
    context.set_ecdh_curve(GROUP)
    context.set_alpn_protocols(["http/1.1"])
    _identify(context, certificate, key)
    _trust(context, authorities)
    return context


def _identify(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    # An encrypted key would make OpenSSL ask on the terminal; an empty password makes it fail instead.
    try:
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as fault:  # ssl.SSLError is an OSError
        raise ChannelTlsUnusable(key="certificate", path=str(certificate)) from fault


def _trust(context: ssl.SSLContext, authorities: Iterable[bytes]) -> None:
    octets = b"".join(authorities)
    if not octets:  # nobody is trusted yet: every handshake is refused
        return
    try:
        context.load_verify_locations(cadata=octets)
    except (OSError, ValueError) as fault:
        raise ChannelTlsUnusable(key="issuer") from fault
