"""A card's key set as it is wrapped for the store: ENC || MAC || DEK, and the receipt key behind them.

The three are of 16, 24 or 32 octets each, a receipt key always of 16, so the length tells what there is.
"""

from __future__ import annotations

from typing import Final

from tsm_gateway.provisioning.card_errors import CardKeysMalformed
from tsm_gateway.provisioning.card_keys import KEY_LENGTHS, KeySet
from tsm_gateway.secret import Secret

RECEIPT_KEY_OCTETS: Final = 16
_LAYOUTS: Final = {
    3 * length + receipt: (length, receipt) for length in KEY_LENGTHS for receipt in (0, RECEIPT_KEY_OCTETS)
}


def join_keys(keys: KeySet, receipt_key: Secret | None) -> Secret:
    """The octets of a key set, to be wrapped. Raises CardKeysMalformed for another receipt key."""
    if receipt_key is not None and len(receipt_key) != RECEIPT_KEY_OCTETS:
        raise CardKeysMalformed(kvn=keys.kvn)
    parts = (keys.enc, keys.mac, keys.dek, *([receipt_key] if receipt_key is not None else []))
    return Secret(b"".join(part.reveal() for part in parts))


def split_keys(joined: Secret, kvn: int) -> tuple[KeySet, Secret | None]:
    """The key set, and the receipt key where there is one. Raises CardKeysMalformed."""
    if len(joined) not in _LAYOUTS:
        raise CardKeysMalformed(kvn=kvn)
    length, receipt = _LAYOUTS[len(joined)]
    octets = joined.reveal()
    enc, mac, dek = (Secret(octets[at : at + length]) for at in range(0, 3 * length, length))
    receipt_key = Secret(octets[-receipt:]) if receipt else None
    return KeySet(kvn, enc, mac, dek), receipt_key
