"""The files of certificates that a configuration names."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

from tsm_gateway.errors import Side, TsmError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tsm_gateway.daemon.settings_issuer import AgentIssuerSettings

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class FileUnreadable(TsmError):
    """A file that the configuration names cannot be read."""

    code, side, temporary = "file-unreadable", Side.OURS, False


def authorities(issuers: Sequence[AgentIssuerSettings]) -> Iterator[bytes]:
    """Roots and intermediates of every issuer, in DER. Raises FileUnreadable."""
    for issuer in issuers:
        for path in (issuer.anchors, issuer.intermediates):
            if path is not None:
                yield from _certificates(octets_of(path))


def _certificates(octets: bytes) -> list[bytes]:
    """Every certificate of PEM text, or the one in DER."""
    found = _PEM.findall(octets)
    return [ssl.PEM_cert_to_DER_cert(each.decode("ascii")) for each in found] if found else [octets]


def der_of(path: Path) -> bytes:
    """The first certificate of a file, in DER. Raises FileUnreadable."""
    return _certificates(octets_of(path))[0]


def octets_of(path: Path) -> bytes:
    """What is in a file. Raises FileUnreadable."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileUnreadable(path=str(path), cause=error.strerror or "") from None
