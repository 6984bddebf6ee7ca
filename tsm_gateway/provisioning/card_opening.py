"""The opening of a secure channel: the card's key sets are tried one after the other, the newest first.

A set the card does not know (6A88) or did not prove to hold is passed over for this conversation, and only
for this one: either may be an agent's invention. What a card holds is settled by the one set it proves, under
a fresh challenge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.provisioning.app_command import BeginSession, SelectDomain
from tsm_gateway.provisioning.card_errors import (
    CardKeyVersionMismatch,
    CardNotAuthentic,
    ChallengeNotPseudoRandom,
)
from tsm_gateway.provisioning.card_keys import KeySet, Protocol03
from tsm_gateway.provisioning.card_steps import Step, failure
from tsm_gateway.provisioning.delivery_errors import CardTooWeak
from tsm_gateway.provisioning.scp03 import SecurityLevel, Session, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tsm_gateway.provisioning.apdu import Command, Response
    from tsm_gateway.provisioning.script_program import Batch
    from tsm_gateway.registry.card import Card

LEVEL: Final = SecurityLevel.L33
_UNKNOWN_KEYS: Final = frozenset({0x6A80, 0x6A86, 0x6A88})


class Opened(NamedTuple):
    """A session whose card is authenticated; the command authenticates us to it."""

    session: Session
    external_authenticate: Command
    keys: KeySet  # those the card proved to hold


class CardOpening:
    """One opening; `batch` and `opened` take turns."""

    def __init__(self, card: Card, key_sets: Sequence[KeySet], fresh: Callable[[int], bytes]) -> None:
        """Try `key_sets` in their order. Raises CardTooWeak, CardProtocolUnsupported."""
        self._card, self._waiting, self._fresh = card, list(key_sets), fresh
        self._tried = 0
        self._challenge = b""
        self._protocol = Protocol03.read(card.protocol)
        if not LEVEL.offered_by(self._protocol):
            raise CardTooWeak(i=f"{card.protocol:02x}")

    def batch(self) -> Batch:
        """Ask for a session under the next key set. Raises CardNotAuthentic when none is left."""
        if not self._waiting:
            raise CardNotAuthentic(tried=self._tried)
        self._challenge = self._fresh(self._protocol.mac_octets)
        return SelectDomain(self._card.sd_aid), BeginSession(self._waiting[0].kvn, self._challenge)

    def opened(self, answers: Sequence[Response]) -> Opened | None:
        """Judge the answers to `batch`, in clear; None: this set is not the card's, go on with `batch`.

        Raises StepFailed, CardAnswerMalformed or CardProtocolUnsupported.
        """
        if not answers[0].succeeded:
            raise failure(Step.SELECT, answers[0].sw)
        keys, greeting = self._waiting.pop(0), answers[1]
        self._tried += 1
        if greeting.sw in _UNKNOWN_KEYS:
            return None
        if not greeting.succeeded:
            raise failure(Step.BEGIN, greeting.sw)
        try:
            session, command = open_session(
                keys,
                self._challenge,
                greeting,
                sd_aid=self._card.sd_aid,
                level=LEVEL,
                expected_i=self._card.protocol,
            )
        except (CardKeyVersionMismatch, CardNotAuthentic, ChallengeNotPseudoRandom):
            return None
        return Opened(session, command, keys)
