"""Whether the device behind a connection is to be heard, asked of the judge once in a while.

The judge's word holds for at most a minute, for a refusal as for an admission: so long a certificate revoked
in between may go on. A reload makes it forget everything at once.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from tsm_gateway.errors import TsmError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


W = TypeVar("W")  # whom the channel's judge believes: a TrustedDevice, a TrustedAgent

HOLDS_S = 60.0
WORDS_KEPT = 8192


class Word(NamedTuple, Generic[W]):
    """What the judge said, and until when it holds (monotonic seconds)."""

    of: W | TsmError
    until: float


class Admission(Generic[W]):
    """Asks `judge`, which knows issuers, revocation and the time; nothing else admits anybody."""

    def __init__(
        self,
        judge: Callable[[bytes], Awaitable[W]],
        *,
        holds_s: float = HOLDS_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`judge` takes a leaf in DER and raises CertificateRefused; `holds_s`, at most 60: a word holds."""
        self._judge, self._clock = judge, clock
        self._holds_s = min(holds_s, HOLDS_S)
        self._words: OrderedDict[bytes, Word[W]] = OrderedDict()
        self._reloads = 0

    async def admit(self, der: bytes) -> W:
        """Whose certificate `der` is. Raises what the judge raised: a TsmError."""
        fingerprint = sha256(der).digest()
        word = self._words.get(fingerprint)
        if word is None or word.until <= self._clock():
            word = await self._ask(der, fingerprint)
        if isinstance(word.of, TsmError):
            raise word.of.with_traceback(None)
        return word.of

    def forget(self) -> None:
        """Ask anew from now on: issuers or revocation lists were read again."""
        self._reloads += 1
        self._words.clear()

    async def _ask(self, der: bytes, fingerprint: bytes) -> Word[W]:
        asked_at, reloads = self._clock(), self._reloads
        said: W | TsmError
        try:
            said = await self._judge(der)
        except TsmError as error:
            said = error
        word = Word[W](said, asked_at + self._holds_s)
        if reloads == self._reloads and not (isinstance(said, TsmError) and said.temporary):
            self._words[fingerprint] = word  # neither an old word nor a passing trouble is remembered
            self._words.move_to_end(fingerprint)
            if len(self._words) > WORDS_KEPT:
                self._words.popitem(last=False)
        return word
