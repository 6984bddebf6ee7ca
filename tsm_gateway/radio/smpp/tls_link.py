"""The TLS side of a link: reads the files of certificates and makes the context.

The peer's chain and host name are always verified, renegotiation and compression are off, and nothing
below the configured version is spoken. The files are read at each connection, so a renewed certificate
is used without a restart.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.radio.smpp.options import TlsVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.radio.smpp.options import TlsOptions

VERSIONS: Mapping[TlsVersion, ssl.TLSVersion] = {
    TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2,
    TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3,
}


class TlsUnusable(TsmError):
    """A file of the link's TLS settings cannot be read or does not hold what it should."""

    code, side, temporary = "smpp-tls-unusable", Side.OURS, False


def client_context(options: TlsOptions) -> ssl.SSLContext:
    """Make the context for one connection. Raises TlsUnusable, naming the setting at fault."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the chain and the host name
    context.minimum_version = VERSIONS[options.minimum]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    _trust(context, options.ca)
    if options.certificate:
        _identify(context, options.certificate, options.key)
    return context


def _trust(context: ssl.SSLContext, ca: str) -> None:
    if not ca:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        context.load_verify_locations(cafile=ca)
    except (OSError, ValueError) as fault:  # ssl.SSLError is an OSError
        raise TlsUnusable(setting="tls.ca") from fault


def _identify(context: ssl.SSLContext, certificate: str, key: str) -> None:
    # An encrypted key would make OpenSSL ask on the terminal; an empty password makes it fail instead.
    try:
        context.load_cert_chain(certificate, key or None, password="")
    except (OSError, ValueError) as fault:
        raise TlsUnusable(setting="tls.certificate") from fault
