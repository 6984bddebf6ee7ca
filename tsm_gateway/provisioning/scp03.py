"""SCP03, the host's half of its opening: GlobalPlatform Card Specification, Amendment D.

```
host -> INITIALIZE UPDATE      host challenge
card -> diversification data 10 | kvn 1 | 03 | i 1 | card challenge | card cryptogram | [counter 3]
host -> EXTERNAL AUTHENTICATE  host cryptogram, C-MAC; P1 = security level
card -> 9000
```

Challenges and cryptograms have 8 octets (S8) or 16 (S16); the counter is there when the challenge is
pseudo-random. What then goes through the channel is the business of scp03_session.py.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.provisioning import card_kdf
from tsm_gateway.provisioning.apdu import ANSWER_DATA, Command, Response, status_text
from tsm_gateway.provisioning.card_errors import (
    CardAnswerMalformed,
    CardKeyVersionMismatch,
    CardNotAuthentic,
    CardProtocolUnsupported,
    CardRefused,
    ChallengeNotPseudoRandom,
)
from tsm_gateway.provisioning.card_keys import Protocol03
from tsm_gateway.provisioning.scp03_session import (
    INS_EXTERNAL_AUTHENTICATE,
    SecurityLevel,
    Session,
    SessionKeys,
    max_data,
)
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from tsm_gateway.provisioning.card_keys import KeySet

__all__ = [
    "CardGreeting",
    "SecurityLevel",
    "Session",
    "SessionKeys",
    "derive_session_keys",
    "initialize_update",
    "max_data",
    "open_session",
    "read_greeting",
]

_INS_INITIALIZE_UPDATE: Final = 0x50
_DIVERSIFICATION: Final = 10
_KEY_INFORMATION: Final = 3  # kvn, protocol, i
_COUNTER: Final = 3
_SCP03: Final = 0x03
_CHALLENGES: Final = (8, 16)


class CardGreeting(NamedTuple):
    """What a card answers to INITIALIZE UPDATE."""

    diversification: bytes  # 10 octets, of `card_keys.diversify`
    kvn: int
    protocol: Protocol03
    challenge: bytes  # 8 or 16 octets
    cryptogram: bytes  # as long
    counter: bytes  # 3 octets; none where the challenge is random


def initialize_update(host_challenge: bytes, kvn: int) -> Command:
    """INITIALIZE UPDATE with a fresh random challenge (8 octets for S8, 16 for S16); kvn 0: the first set."""
    if len(host_challenge) not in _CHALLENGES:
        message = "a host challenge has 8 octets (S8) or 16 (S16)"
        raise ValueError(message)
    return Command(0x80, _INS_INITIALIZE_UPDATE, kvn, 0, host_challenge, ANSWER_DATA)


def read_greeting(response: Response) -> CardGreeting:
    """Read the answer to INITIALIZE UPDATE.

    Raises CardRefused with the status word, CardAnswerMalformed, or CardProtocolUnsupported.
    """
    if not response.succeeded:
        raise CardRefused(
            command="INITIALIZE UPDATE", sw=f"{response.sw:04X}", means=status_text(response.sw)
        )
    data = response.data
    head = _DIVERSIFICATION + _KEY_INFORMATION
    if len(data) < head:
        raise CardAnswerMalformed(length=len(data))
    kvn, scp, i = data[_DIVERSIFICATION:head]
    if scp != _SCP03:
        raise CardProtocolUnsupported(scp=f"{scp:02x}")
    protocol = Protocol03.read(i)
    size = protocol.mac_octets
    if len(data) != head + 2 * size + (_COUNTER if protocol.pseudo_random else 0):
        raise CardAnswerMalformed(length=len(data), i=f"{i:02x}")
    challenge, cryptogram = data[head : head + size], data[head + size : head + 2 * size]
    return CardGreeting(
        data[:_DIVERSIFICATION], kvn, protocol, challenge, cryptogram, data[head + 2 * size :]
    )


def open_session(
    keys: KeySet,
    host_challenge: bytes,
    response: Response,
    *,
    sd_aid: bytes,
    level: SecurityLevel,
    expected_i: int | None = None,
) -> tuple[Session, Command]:
    """Authenticate the card by its answer to INITIALIZE UPDATE; return the session and EXTERNAL AUTHENTICATE.

    `host_challenge` is the one sent, `sd_aid` (5..16 octets) that of the selected security domain, and
    `expected_i` what the issuer says the card speaks. The session takes the answer to EXTERNAL AUTHENTICATE
    first; commands may be wrapped before it is there.

    Raises CardRefused, CardAnswerMalformed, CardProtocolUnsupported, CardKeyVersionMismatch (unless keys.kvn
    is 0), CardNotAuthentic, ChallengeNotPseudoRandom.
    """
    greeting = read_greeting(response)
    _check_agreed(greeting, keys, host_challenge, level, expected_i)
    context = host_challenge + greeting.challenge
    size = greeting.protocol.mac_octets
    session_keys = derive_session_keys(keys, context)
    cryptogram = card_kdf.derive(session_keys.mac, card_kdf.CARD_CRYPTOGRAM, context, size)
    if not hmac.compare_digest(cryptogram, greeting.cryptogram):
        raise CardNotAuthentic(kvn=greeting.kvn)
    _check_challenge(greeting, keys, sd_aid)
    session = Session(session_keys, level, greeting.protocol)
    proof = card_kdf.derive(session_keys.mac, card_kdf.HOST_CRYPTOGRAM, context, size)
    command = Command(0x80, INS_EXTERNAL_AUTHENTICATE, int(level), 0, proof)
    return session, session.begin(command)


def derive_session_keys(keys: KeySet, context: bytes) -> SessionKeys:
    """S-ENC, S-MAC and S-RMAC, as long as `keys`; `context` = host challenge || card challenge."""
    return SessionKeys(
        enc=Secret(card_kdf.derive(keys.enc, card_kdf.S_ENC, context, keys.length)),
        mac=Secret(card_kdf.derive(keys.mac, card_kdf.S_MAC, context, keys.length)),
        rmac=Secret(card_kdf.derive(keys.mac, card_kdf.S_RMAC, context, keys.length)),
    )


def _check_agreed(
    greeting: CardGreeting,
    keys: KeySet,
    host_challenge: bytes,
    level: SecurityLevel,
    expected_i: int | None,
) -> None:
    protocol = greeting.protocol
    if keys.kvn not in (0, greeting.kvn):
        raise CardKeyVersionMismatch(kvn=greeting.kvn, asked=keys.kvn)
    agreed = expected_i in (None, protocol.i) and len(host_challenge) == protocol.mac_octets
    if not agreed or not level.offered_by(protocol):
        raise CardProtocolUnsupported(i=f"{protocol.i:02x}", level=f"{int(level):02x}")


def _check_challenge(greeting: CardGreeting, keys: KeySet, sd_aid: bytes) -> None:
    """A challenge that is said to come of the keys must: else the card has a way to repeat one."""
    if not greeting.protocol.pseudo_random:
        return
    context = greeting.counter + sd_aid
    expected = card_kdf.derive(keys.enc, card_kdf.CARD_CHALLENGE, context, len(greeting.challenge))
    if not hmac.compare_digest(expected, greeting.challenge):
        raise ChallengeNotPseudoRandom(kvn=greeting.kvn)
