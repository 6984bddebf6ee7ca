"""SCP03, the open channel: commands wrapped for the card, its answers checked (Amendment D §6.2).

| level | commands | answers |
|---|---|---|
| 01 | C-MAC | clear |
| 03 | C-MAC, C-ENC | clear |
| 11 | C-MAC | R-MAC |
| 13 | C-MAC, C-ENC | R-MAC |
| 33 | C-MAC, C-ENC | R-MAC, R-ENC |

- Every command steps the counter, whether it carries data or not; its ICV is the counter encrypted under
  S-ENC, that of its answer the same counter with the top bit set. EXTERNAL AUTHENTICATE is counter 0 and is
  never encrypted.
- A C-MAC covers the whole MAC before it (16 octets, also where S8 sends 8), so commands hang together in
  order. An R-MAC covers the MAC of its command: an answer fits that one command of that one session.
- A command without data is not encrypted. Some hosts pad an empty field to a block and encrypt that; a card
  has to take both, a host sends one.
- An error status word comes without data and without R-MAC, so that a forged one can stop a session but
  nothing more. 9000 and warnings (62xx, 63xx) carry one.

`wrap` does not wait for answers: commands may be wrapped ahead, as many as wanted, and answers given to
`unwrap` in the order of the commands. A wrapped command that is never sent breaks the session, as the card
misses a MAC of the chain: none is taken back, for whoever carries them has both versions then.
"""

from __future__ import annotations

import hmac
from collections import deque
from enum import IntFlag
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

from tsm_gateway.provisioning.apdu import APDU_DATA, Command, Response, read_response, status_text
from tsm_gateway.provisioning.card_errors import (
    CardAnswerMalformed,
    CardError,
    CardRefused,
    ResponseNotAuthentic,
    SessionOver,
)
from tsm_gateway.provisioning.card_kdf import BLOCK

if TYPE_CHECKING:
    from tsm_gateway.provisioning.card_keys import Protocol03
    from tsm_gateway.secret import Secret

INS_EXTERNAL_AUTHENTICATE: Final = 0x82
SHORT_MAC: Final = 8
LONG_MAC: Final = 16

_SECURE_MESSAGING: Final = 0x04  # CLA: GlobalPlatform's own secure messaging
_BASIC_CHANNEL: Final = (0x00, 0x80)  # classes of the basic logical channel, not wrapped yet
_ANSWER_BIT: Final = 1 << (8 * BLOCK - 1)
_PADDING: Final = b"\x80"


class SecurityLevel(IntFlag):
    """What is protected; the value is P1 of EXTERNAL AUTHENTICATE."""

    C_MAC = 0x01
    C_ENC = 0x02
    R_MAC = 0x10
    R_ENC = 0x20
    L01 = C_MAC
    L03 = C_MAC | C_ENC
    L11 = C_MAC | R_MAC
    L13 = C_MAC | C_ENC | R_MAC
    L33 = C_MAC | C_ENC | R_MAC | R_ENC

    def offered_by(self, protocol: Protocol03) -> bool:
        """Whether it is one of the five levels, and one for which the card's "i" claims support."""
        return (
            self in _LEVELS
            and (protocol.has_r_mac or not self & SecurityLevel.R_MAC)
            and (protocol.has_r_enc or not self & SecurityLevel.R_ENC)
        )


_LEVELS: Final = frozenset(
    {
        SecurityLevel.L01,
        SecurityLevel.L03,
        SecurityLevel.L11,
        SecurityLevel.L13,
        SecurityLevel.L33,
    }
)


class SessionKeys(NamedTuple):
    """The keys of one session, 16, 24 or 32 octets each."""

    enc: Secret
    mac: Secret
    rmac: Secret


class _Sent(NamedTuple):
    """A command whose answer is awaited."""

    chaining: bytes  # 16 octets: its whole C-MAC
    counter: int  # 0: EXTERNAL AUTHENTICATE


def max_data(level: SecurityLevel, *, s16: bool) -> int:
    """Most octets of plain data that one wrapped short command carries."""
    room = APDU_DATA - (LONG_MAC if s16 else SHORT_MAC)
    if level & SecurityLevel.C_ENC:  # whole blocks, and at least one octet of padding
        return room // BLOCK * BLOCK - len(_PADDING)
    return room


class _Protection(NamedTuple):
    """A level taken apart once: flags cost as much as a block does."""

    commands: bool  # their data is encrypted
    answers: bool  # they carry a MAC
    answer_data: bool  # it is encrypted

    @classmethod
    def of(cls, level: SecurityLevel) -> _Protection:
        return cls(*(bool(level & bit) for bit in _BITS))


_BITS: Final = (SecurityLevel.C_ENC, SecurityLevel.R_MAC, SecurityLevel.R_ENC)


class Session:
    """One open secure channel; made by `scp03.open_session`, used once, never opened again.

    It is over after the first check that fails, after a refused EXTERNAL AUTHENTICATE and after `close`;
    then everything raises SessionOver.
    """

    __slots__ = (
        "_aes",
        "_awaited",
        "_cbc",
        "_chaining",
        "_counter",
        "_icv",
        "_last",
        "_mac",
        "_mac_octets",
        "_over",
        "_protects",
        "_rmac",
        "level",
        "max_data",
        "protocol",
    )

    def __init__(self, keys: SessionKeys, level: SecurityLevel, protocol: Protocol03) -> None:
        """Keep the ciphers at work: making them costs more than a block does."""
        self.level = level
        self.protocol = protocol
        self.max_data = max_data(level, s16=protocol.s16)  # octets of plain data for one command
        self._mac_octets = protocol.mac_octets
        self._protects = _Protection.of(level)
        self._aes = AES(keys.enc.reveal())
        self._icv = Cipher(self._aes, ECB()).encryptor()  # noqa: S305  # single blocks that never repeat
        self._cbc = Cipher(self._aes, CBC(bytes(BLOCK))).encryptor()
        self._last = 0  # the block that came out of it last, as a number
        self._mac = CMAC(AES(keys.mac.reveal()))
        self._rmac = CMAC(AES(keys.rmac.reveal()))
        self._chaining = bytes(BLOCK)
        self._counter = -1  # EXTERNAL AUTHENTICATE is 0
        self._awaited: deque[_Sent] = deque()
        self._over = False

    @property
    def over(self) -> bool:
        """Whether nothing goes through it any more."""
        return self._over

    @property
    def awaited(self) -> int:
        """How many wrapped commands have no answer yet."""
        return len(self._awaited)

    def begin(self, external_authenticate: Command) -> Command:
        """MAC the EXTERNAL AUTHENTICATE that opens the session; only `open_session` calls it."""
        if self._counter >= 0:
            raise SessionOver
        return self._signed(external_authenticate, external_authenticate.data)

    def wrap(self, command: Command) -> Command:
        """Encrypt (when the level says so) and MAC the session's next command.

        Raises SessionOver; ValueError when `command` is longer than `max_data` or not of class 00 or 80.
        """
        if self._over or self._counter < 0:
            raise SessionOver
        if len(command.data) > self.max_data or command.cla not in _BASIC_CHANNEL:
            message = f"a wrapped command is of class 00 or 80 and carries {self.max_data} octets at most"
            raise ValueError(message)
        data = command.data
        if data and self._protects.commands:
            data = self._encrypted(data + _PADDING + bytes(-(len(data) + 1) % BLOCK))
        return self._signed(command, data)

    def unwrap(self, answer: bytes | Response) -> Response:
        """Check the answer to the oldest command that awaits one; return it in clear.

        The first answer is that to EXTERNAL AUTHENTICATE. An error status word comes back as it is: whether
        to go on is the caller's business, since it carries no MAC. Raises SessionOver; CardAnswerMalformed,
        ResponseNotAuthentic or, for EXTERNAL AUTHENTICATE, CardRefused, after which the session is over.
        """
        if self._over:
            raise SessionOver
        try:
            return self._checked(answer if isinstance(answer, Response) else read_response(answer))
        except CardError:
            self.close()
            raise

    def close(self) -> None:
        """End the session; twice is once."""
        self._over = True
        self._awaited.clear()

    def __reduce__(self) -> NoReturn:
        """Refuse pickle and copy: two of a session would use its counter twice."""
        message = "a session is never copied"
        raise TypeError(message)

    def _signed(self, command: Command, data: bytes) -> Command:
        size = self._mac_octets
        cla = command.cla | _SECURE_MESSAGING
        mac = self._mac.copy()
        mac.update(
            self._chaining + bytes((cla, command.ins, command.p1, command.p2, len(data) + size)) + data
        )
        self._chaining = mac.finalize()
        self._counter += 1
        self._awaited.append(_Sent(self._chaining, self._counter))
        return Command(cla, command.ins, command.p1, command.p2, data + self._chaining[:size], command.le)

    def _encrypted(self, padded: bytes) -> bytes:
        """CBC under the next command's ICV, by one cipher for all: a new one costs as much as the block.

        The cipher goes on from the last block it gave; taken into the first block as well, that cancels.
        """
        icv = int.from_bytes(self._icv.update((self._counter + 1).to_bytes(BLOCK, "big")), "big")
        first = int.from_bytes(padded[:BLOCK], "big") ^ icv ^ self._last
        data = self._cbc.update(first.to_bytes(BLOCK, "big") + padded[BLOCK:])
        self._last = int.from_bytes(data[-BLOCK:], "big")
        return data

    def _checked(self, response: Response) -> Response:
        if not self._awaited:
            raise CardAnswerMalformed(awaited=0)
        sent = self._awaited.popleft()
        if sent.counter == 0:
            return _accepted(response)
        if not self._protects.answers:
            return response
        if response.failed:
            if response.data:  # nobody vouches for it
                raise ResponseNotAuthentic(sw=f"{response.sw:04X}")
            return response
        data = self._authentic(response, sent)
        if data and self._protects.answer_data:
            data = self._decrypted(data, sent)
        return Response(data, response.sw)

    def _authentic(self, response: Response, sent: _Sent) -> bytes:
        """The data without its R-MAC, which is right; a cut one is unequal as well."""
        size = self._mac_octets
        data, claimed = response.data[:-size], response.data[-size:]
        mac = self._rmac.copy()
        mac.update(sent.chaining + data + response.sw.to_bytes(2, "big"))
        if not hmac.compare_digest(mac.finalize()[:size], claimed):
            raise ResponseNotAuthentic(sw=f"{response.sw:04X}")
        return data

    def _decrypted(self, data: bytes, sent: _Sent) -> bytes:
        if len(data) % BLOCK:
            raise CardAnswerMalformed(length=len(data))
        icv = self._icv.update((sent.counter | _ANSWER_BIT).to_bytes(BLOCK, "big"))
        padded = Cipher(self._aes, CBC(icv)).decryptor().update(data)
        plain = padded.rstrip(b"\x00")
        if plain[-1:] != _PADDING or len(padded) - len(plain) >= BLOCK:
            raise CardAnswerMalformed(length=len(data))
        return plain[:-1]


def _accepted(response: Response) -> Response:
    """The bare 9000 that answers EXTERNAL AUTHENTICATE; it has no R-MAC at any level."""
    if not response.succeeded:
        raise CardRefused(
            command="EXTERNAL AUTHENTICATE", sw=f"{response.sw:04X}", means=status_text(response.sw)
        )
    if response.data:
        raise CardAnswerMalformed(length=len(response.data))
    return response
