"""Whether a link's hosts can be reached: name, TCP connection, TLS handshake; nothing is bound."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from tsm_gateway.cli.doctor_finding import Finding, failed, fine
from tsm_gateway.radio.smpp.options import TlsOptions, TlsVersion
from tsm_gateway.radio.smpp.tls_link import TlsUnusable, client_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsm_gateway.daemon.settings import SmppSettings, TlsSettings

NETWORK = "ask the carrier for its address, and whether ours is allowed; look at firewalls and the VPN"


def examine_link(link: SmppSettings, within_s: float) -> Iterator[Finding]:
    """One finding per host of a link."""
    for host, port in link.hosts:
        yield _examine(link, host, port, within_s)


def _examine(link: SmppSettings, host: str, port: int, within_s: float) -> Finding:
    name = f"link {link.name}"
    try:
        with socket.create_connection((host, port), timeout=within_s) as connection:
            if link.tls is None:
                return fine(name, f"{host}:{port} takes connections")
            return _shake(name, connection, link.tls, host)
    except socket.gaierror as error:
        return failed(
            name, f"the name {host} is not found: {error.strerror}", "see host, and the machine's DNS"
        )
    except TimeoutError:
        return failed(name, f"{host}:{port} does not answer within {within_s:g} s", NETWORK)
    except ConnectionRefusedError:
        return failed(name, f"{host}:{port} refuses connections", "see host and port; " + NETWORK)
    except OSError as error:
        return failed(name, f"{host}:{port}: {error.strerror or type(error).__name__}", NETWORK)


def _shake(name: str, connection: socket.socket, tls: TlsSettings, host: str) -> Finding:
    """The TLS handshake as the gateway makes it."""
    options = TlsOptions(
        ca=str(tls.ca or ""),
        certificate=str(tls.certificate or ""),
        key=str(tls.key or ""),
        server_hostname=tls.server_name,
        minimum=TlsVersion(tls.minimum),
    )
    try:
        context = client_context(options)
        with context.wrap_socket(connection, server_hostname=tls.server_name or host) as secure:
            return fine(name, f"{host} takes connections and speaks {secure.version()}")
    except TlsUnusable as error:
        return failed(name, str(error), "see the file: PEM, readable, the key belongs to the certificate")
    except ssl.SSLCertVerificationError as error:
        fix = "see [smpp.tls] ca and server_name: the peer's certificate must be theirs"
        return failed(name, f"{host}: TLS: {error.verify_message}", fix)
    except ssl.SSLError as error:
        fix = "see [smpp.tls]: does the peer speak TLS on this port, and demand our certificate?"
        return failed(name, f"{host}: TLS: {error.reason}", fix)
