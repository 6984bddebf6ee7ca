"""Delegated management: tokens that allow a change, and receipts that confirm it (GlobalPlatform app. C).

A receipt travels as LV receipt, LV confirmation counter (2 octets), LV card unique data, which is the issuer
identification number and the card image number. Without delegated management the answer is one octet 00.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tsm_gateway.virtual.card_apdu import Answer, Refusal, Status
from tsm_gateway.virtual.card_signature import is_signed_by, receipt, token_message
from tsm_gateway.virtual.card_tlv import lvs

if TYPE_CHECKING:
    from tsm_gateway.virtual.card_apdu import Command
    from tsm_gateway.virtual.card_session import Running
    from tsm_gateway.virtual.card_state import CardState

NOTHING_CONFIRMED = Answer(b"\0")


def require_token(state: CardState, command: Command, unsigned: bytes, token: bytes) -> None:
    """`token` allows `command`, whose data field without it is `unsigned`. Raises Refusal (6985, 6A88)."""
    key = state.profile.token_key
    if key is None:
        if token:
            raise Refusal(Status.NOT_REFERENCED, "a token, and no key to verify it")
        return
    if not token or not is_signed_by(key, token_message(command, unsigned), token):
        raise Refusal(Status.NOT_NOW, "no token that allows this")


def confirmed(running: Running, *aids: bytes) -> Answer:
    """The answer to a change of the card's content that concerns `aids`, and the counter stepped."""
    profile = running.state.profile
    if profile.token_key is None or profile.receipt_key is None:
        return NOTHING_CONFIRMED
    counter = (running.state.confirmations + 1) & 0xFFFF
    confirmation = lvs((counter.to_bytes(2, "big"), running.state.issuer + profile.app_se))
    running.state = replace(running.state, confirmations=counter)
    return Answer(lvs((receipt(profile.receipt_key, confirmation, aids),)) + confirmation)
