"""Tokens for delegated management: the card issuer's leave for one INSTALL or DELETE, and no other.

A token is a signature over P1, P2, the length of the data ahead of the token, and that data. The key is an
EC P-256 key of its own: a signature by RSA 2048 has 256 octets, which no short command carries. Reference:
GlobalPlatform Card Specification 2.3, Appendix C.4.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from tsm_gateway.provisioning.app_command import Delete, InstallForInstall, InstallForLoad
from tsm_gateway.provisioning.application_errors import ApplicationKeyUnfit
from tsm_gateway.provisioning.signing import ECDSA_P256, verify_signature
from tsm_gateway.provisioning.tlv import lv

if TYPE_CHECKING:
    from tsm_gateway.provisioning.signing import ApplicationKey, ApplicationSigner

Delegated = InstallForLoad | InstallForInstall | Delete
_D = TypeVar("_D", bound=Delegated)


def token_data(command: Delegated) -> bytes:
    """What the token of `command` is a signature over."""
    header = command.command()
    return bytes((header.p1, header.p2)) + lv(command.unsigned())


def with_token(command: _D, signer: ApplicationSigner) -> _D:
    """`command` with a token by `signer`. Raises ApplicationKeyUnfit unless its key is EC P-256."""
    if signer.scheme != ECDSA_P256:
        raise ApplicationKeyUnfit
    return replace(command, token=signer.sign(token_data(command)))


def verify_token(key: ApplicationKey, command: Delegated) -> None:
    """Check the token of `command`. Raises ApplicationNotAuthentic, or ApplicationKeyUnfit."""
    verify_signature(key, token_data(command), command.token)
