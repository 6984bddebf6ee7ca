"""Renew keys: a random key set of our own in place of the one the card proved to hold.

| the answer to PUT KEY | the card holds | next time |
|---|---|---|
| came, right check values | the new set | it is the only one |
| was lost | one of the two | the new one is tried first, then the old one |
| never reached the card | the old set | the same new set is put again |

The new set is kept before a card may have it, and until the card has another one: no answer, and no lack of
one, makes us give it up. So no agent can lock us out of a card by what it says or withholds.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tsm_gateway.provisioning.app_command import PutCardKeys
from tsm_gateway.provisioning.card_keys import MAX_KVN, KeySet, put_key, read_put_key_answer
from tsm_gateway.provisioning.delivery_events import KeysRenewed, Store
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.provisioning.script_program import OpenedCard, Program

FIRST_KVN: Final = 0x31
SECOND_KVN: Final = 0x32


def renew_keys(pending: KeySet | None) -> Callable[[OpenedCard], Program]:
    """The program that renews the card's keys; `pending`: a set that was kept for it earlier.

    It raises CardAnswerMalformed or KeyCheckMismatch when the card confirms others than it was given.
    """
    return partial(_renew_keys, pending)


def _renew_keys(pending: KeySet | None, card: OpenedCard) -> Program:
    if pending is not None and pending.kvn == card.keys.kvn:
        return KeysRenewed(pending, replaced=0)  # the card took it, and its answer was lost
    new = pending or _fresh(card)
    yield Store(new)
    replaces = card.keys.kvn if card.keys.kvn <= MAX_KVN else 0  # FF, as made: the new set takes its place
    (answer,) = yield (PutCardKeys.of(put_key(new, card.keys, replaces=replaces)),)
    read_put_key_answer(answer.data, new)
    return KeysRenewed(new, replaced=card.keys.kvn)


def _fresh(card: OpenedCard) -> KeySet:
    kvn = SECOND_KVN if card.keys.kvn == FIRST_KVN else FIRST_KVN
    enc, mac, dek = (Secret(card.fresh(card.keys.length), length=card.keys.length) for _ in range(3))
    return KeySet(kvn, enc, mac, dek)
