"""App secure elements as cards: which they are, and the key sets that open their second channel (SCP03)."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class CardKeyState(Enum):
    """Where one key set of a card stands."""

    TRANSPORT = "transport"  # the issuer's, from its manifest: replaced on first contact
    PENDING = "pending"  # ours, on its way: whether the card took it is not known
    CURRENT = "current"  # ours, and the card's only one
    RETIRED = "retired"  # the card does not know it any more; its octets are gone


class Card(NamedTuple):
    """One app SE, as its issuer's manifest states it."""

    app_se: bytes  # 8..32 octets, the id by which the crypto SE registered it
    sd_aid: bytes  # 5..16 octets: the security domain that applications are loaded through
    protocol: int  # parameter "i" of SCP03 (GlobalPlatform Amendment D): 0x60, 0x61, 0x70, 0x71, …
    issuer: str  # who handed the manifest over, 1..32 characters
    dap_key: bytes  # 8 octets: the signing key it verifies load files with; b"" = the gateway's present one
    imported_at: int  # Unix seconds


class CardKeySet(NamedTuple):
    """Three AES keys of one card: ENC, MAC and DEK, of equal length."""

    app_se: bytes
    kvn: int  # key version number, 0x01..0x7f
    state: CardKeyState
    wrapped: bytes  # ENC || MAC || DEK, wrapped (keys/wrap.py); b"" once retired
    master_version: int
    created_at: int  # Unix seconds


class CardContent(NamedTuple):
    """One entry of what a card says it holds."""

    kind: str  # "domain", "application" or "load-file"
    aid: bytes
    life_cycle: int
    privileges: bytes


class Inventory(NamedTuple):
    """What a card said when it was asked last."""

    app_se: bytes
    contents: tuple[CardContent, ...]
    free_memory: int | None  # octets, where the card tells
    taken_at: int  # Unix seconds
    silent: tuple[str, ...] = ()  # kinds that nobody but the card's agent answered for: there may be more
