"""Virtual cards fresh from their issuer, and the line about them in the issuer's manifest."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tsm_gateway.secret import Secret
from tsm_gateway.virtual.card_state import CardState, KeySet, Profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.virtual.card_signature import VerifyingKey

TRANSPORT_KVN = 0x30
PROTOCOL = 0x70
MEMORY = 512 * 1024  # octets
ISSUER = bytes.fromhex("9999990F")  # an issuer identification number nobody has
_DIVERSIFICATION = 10  # octets
_APP_SE_OCTETS = 16


def new_key_set(kvn: int = TRANSPORT_KVN, key_octets: int = 16) -> KeySet:
    """Three random AES keys of 16, 24 or 32 octets."""
    enc, mac, dek = (Secret(secrets.token_bytes(key_octets)) for _ in range(3))
    return KeySet(kvn, enc, mac, dek)


def new_card(
    *,
    app_se: bytes = b"",
    keys: KeySet | None = None,
    protocol: int = PROTOCOL,
    memory: int = MEMORY,
    dap_keys: Sequence[VerifyingKey] = (),
    token_key: VerifyingKey | None = None,
) -> CardState:
    """A card in the state SECURED. `app_se`: its id, 8 to 32 octets, random by default; so are its keys."""
    app_se = app_se or secrets.token_bytes(_APP_SE_OCTETS)
    profile = Profile(
        app_se=app_se,
        diversification=app_se[-_DIVERSIFICATION:].rjust(_DIVERSIFICATION, b"\0"),
        protocol=protocol,
        memory=memory,
        dap_keys=tuple(dap_keys),
        token_key=token_key,
        receipt_key=Secret(secrets.token_bytes(_APP_SE_OCTETS)) if token_key is not None else None,
    )
    return CardState(profile, (keys or new_key_set(),), issuer=ISSUER)


def manifest_line(state: CardState) -> dict[str, object]:
    """The line of the issuer's manifest about a card: its first key set, in clear."""
    keys, profile = state.key_sets[0], state.profile
    octets = {"enc": keys.enc, "mac": keys.mac, "dek": keys.dek}
    if profile.receipt_key is not None:
        octets["receipt"] = profile.receipt_key
    return {
        "app_se": profile.app_se.hex(),
        "sd_aid": profile.sd_aid.hex(),
        "kvn": keys.kvn,
        "i": f"{profile.protocol:02x}",
    } | {name: key.reveal().hex() for name, key in octets.items()}
