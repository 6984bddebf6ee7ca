"""Make keys and kids, and wrap them for the row they will stand in."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tsm_gateway.keys.wrap import NONCE_OCTETS, wrap
from tsm_gateway.registry.device import KeyState, WrappedKey
from tsm_gateway.relay.directory import place_of
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from tsm_gateway.keys.wrap import MasterKeys

KEY_OCTETS, KID_OCTETS = 32, 4
FIRST_PIVS = 2**31  # a first packet number is random below it (design §5.4)


def new_key() -> Secret:
    """32 octets of the operating system's generator."""
    return Secret(secrets.token_bytes(KEY_OCTETS))


def new_kid() -> bytes:
    """4 octets; the store refuses one that is taken."""
    return secrets.token_bytes(KID_OCTETS)


def first_piv() -> int:
    """Where a new key's packet numbers begin."""
    return secrets.randbelow(FIRST_PIVS)


def wrapped_key(
    masters: MasterKeys, key: Secret, *, table: str, kid: bytes, owner: str, epoch: int, at: int
) -> WrappedKey:
    """`key` as the store keeps it: current, wrapped for this `table`, kid and owner."""
    blank = WrappedKey(kid, owner, epoch, KeyState.CURRENT, b"", masters.current.version, at)
    wrapped, version = wrap(masters, key, place_of(table, blank), nonce=secrets.token_bytes(NONCE_OCTETS))
    return blank._replace(wrapped=wrapped, master_version=version)
