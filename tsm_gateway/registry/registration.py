"""What a crypto SE proved when it registered (design §5.5)."""

from __future__ import annotations

from typing import NamedTuple


class AuthMethod(NamedTuple):
    """One way the crypto SE authenticates its user. The template itself never leaves the SE."""

    method: str  # RFC 8176: "fpt", "face", "iris", "pin"
    handle_hash: bytes  # 32 octets: names the enrolled template, tells nothing of it
    enrolled_at: int  # Unix seconds


class Registration(NamedTuple):
    """A device's registration; the signed proof is kept for whoever audits it."""

    device_id: str
    kid: bytes  # 4 octets: the key whose possession was proved
    crypto_se: bytes  # 8..32 octets
    app_se: bytes  # 8..32 octets, another one
    methods: tuple[AuthMethod, ...]
    proof: bytes  # COSE_Sign1 by the device's key
    registered_at: int  # Unix seconds
