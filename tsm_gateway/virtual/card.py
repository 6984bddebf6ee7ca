"""The virtual app secure element: a GlobalPlatform card that holds the payment application and no secret.

A command goes through these steps. A refusal at any of them leaves the state as it was.

1. lengths, class and chaining (ISO/IEC 7816-4);
2. the C-MAC and the cipher, when a session is open (a wrong one ends it);
3. instruction, life cycle of the card, whether a session is wanted;
4. the command itself, on a copy of the state;
5. the new state is kept: the one step that writes, and it writes all or nothing;
6. R-MAC and cipher of the answer.

Power may be torn before the command, before the state is kept and behind that (`Moment`): the card comes back
with the state before the command or after it, and without a session.
"""

from __future__ import annotations

import secrets
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.virtual.card_apdu import (
    CHAINING,
    CHANNEL,
    FURTHER,
    GLOBAL_PLATFORM,
    INTERINDUSTRY,
    SECURE_MESSAGING,
    Answer,
    Command,
    Refusal,
    Status,
    read_command,
)
from tsm_gateway.virtual.card_authenticate import external_authenticate, initialize_update
from tsm_gateway.virtual.card_data import get_data
from tsm_gateway.virtual.card_delete import delete
from tsm_gateway.virtual.card_install import install
from tsm_gateway.virtual.card_load_file import load
from tsm_gateway.virtual.card_put_key import put_key
from tsm_gateway.virtual.card_select import select, selected_by_default
from tsm_gateway.virtual.card_session import Collected, Running, Volatile
from tsm_gateway.virtual.card_state import CardLife, Parameters
from tsm_gateway.virtual.card_status import get_status, set_status
from tsm_gateway.virtual.card_store_data import store_data
from tsm_gateway.virtual.errors import ApplicationNotInstalled, CardTorn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsm_gateway.virtual.card_state import CardState

ATR = bytes.fromhex("3B89018073C801C06354534D5B")
"""T=1; historical octets: `73` whole and partial names, command chaining, extended Lc and Le; `63` "TSM"."""

SELECT, GET_DATA, INITIALIZE_UPDATE, EXTERNAL_AUTHENTICATE = 0xA4, 0xCA, 0x50, 0x82
PUT_KEY, STORE_DATA, DELETE, INSTALL, LOAD, SET_STATUS, GET_STATUS = 0xD8, 0xE2, 0xE4, 0xE6, 0xE8, 0xF0, 0xF2
_LONGEST_CHAIN = 4096  # octets of data
_NO_CLASS, _RESERVED, _INTERINDUSTRY_MAC = 0xFF, 0x20, 0x08  # values and bits of CLA


class Moment(Enum):
    """Where in a command the power can go."""

    BEFORE = "before"  # nothing was done
    UNWRITTEN = "unwritten"  # everything was done but to keep it
    WRITTEN = "written"  # it is kept, and nobody was told


class Row(NamedTuple):
    """What a security domain does about one instruction."""

    run: Callable[[Running, Command], Answer]
    classes: tuple[int, ...] = (GLOBAL_PLATFORM,)
    with_session: bool = True  # only for who has authenticated
    while_locked: bool = False  # CARD_LOCKED does not keep from it


_EITHER = (INTERINDUSTRY, GLOBAL_PLATFORM)
INSTRUCTIONS: Mapping[int, Row] = {
    SELECT: Row(select, (INTERINDUSTRY,), with_session=False, while_locked=True),
    GET_DATA: Row(get_data, _EITHER, with_session=False, while_locked=True),
    INITIALIZE_UPDATE: Row(initialize_update, with_session=False, while_locked=True),
    EXTERNAL_AUTHENTICATE: Row(external_authenticate, with_session=False, while_locked=True),
    GET_STATUS: Row(get_status, while_locked=True),
    SET_STATUS: Row(set_status, while_locked=True),
    INSTALL: Row(install),
    LOAD: Row(load),
    DELETE: Row(delete),
    PUT_KEY: Row(put_key),
    STORE_DATA: Row(store_data, _EITHER),
}
_BEGINS_ANEW = frozenset({SELECT, INITIALIZE_UPDATE})  # need no C-MAC within a session: they end it


class Card:
    """A virtual card. It has power from the start; a torn one needs `power_on`."""

    def __init__(
        self,
        state: CardState,
        *,
        keep: Callable[[CardState], object] = lambda _: None,
        tear: Callable[[Moment, bytes], bool] = lambda _moment, _apdu: False,
        chance: Callable[[int], bytes] = secrets.token_bytes,
        pause: Callable[[float], object] = lambda _: None,
    ) -> None:
        """`keep` writes a state down whole, or raises and has written nothing.

        `tear` is asked at every moment of every APDU and says True to take the power away. `pause` waits
        before an answer to somebody who guesses; by default nobody waits.
        """
        self._state = state
        self._keep = keep
        self._tear = tear
        self._chance = chance
        self._pause = pause
        self._volatile: Volatile | None = None
        self.why = ""  # of the last refusal, for a trace: never sent
        self.power_on()

    @property
    def state(self) -> CardState:
        """What the card keeps without power."""
        return self._state

    def power_on(self) -> bytes:
        """Power, or a reset: the answer to it, and whatever was open is closed."""
        self._volatile = Volatile(selected_by_default(self._state))
        return ATR

    def power_off(self) -> None:
        """Take the power away."""
        self._volatile = None

    def transmit(self, apdu: bytes) -> bytes:
        """The response APDU to a command APDU. Raises CardTorn without power, and whatever `keep` raises."""
        if self._volatile is None:
            raise CardTorn(what="no power")
        try:
            return bytes(self._answer(apdu, self._volatile))
        except BaseException:  # whoever breaks off in the middle tears the card
            self.power_off()
            raise

    def application(self, aid: bytes) -> Parameters:
        """The parameters of the application `aid`, which is installed and may run.

        Raises ApplicationNotInstalled.
        """
        instance = self._state.instance(aid)
        runs = self._state.life not in {CardLife.CARD_LOCKED, CardLife.TERMINATED}
        if instance is None or not instance.is_selectable or not runs:
            raise ApplicationNotInstalled(what="none of this AID that is selectable", aid=aid.hex())
        return instance.parameters or Parameters()

    def _answer(self, apdu: bytes, volatile: Volatile) -> Answer:
        self._moment(Moment.BEFORE, apdu)
        self.why = ""
        running = Running(self._state, volatile, self._chance, self._pause)
        channel = volatile.channel
        try:
            command = _whole(volatile, read_command(apdu))
            answer = Answer() if command is None else self._run(running, command)
            if command is not None and volatile.channel is None:
                _require_room(command, answer)
        except Refusal as refusal:
            self.why = refusal.why
            return Answer(status=refusal.status)
        if running.state != self._state:
            self._moment(Moment.UNWRITTEN, apdu)
            self._keep(running.state)
            self._state = running.state
            self._moment(Moment.WRITTEN, apdu)
        return channel.wrap(answer) if channel is not None and channel is volatile.channel else answer

    def _run(self, running: Running, command: Command) -> Answer:
        plain = _unwrapped(running.volatile, command)
        row = self._row(plain.ins, running.volatile)
        if plain.cla & ~SECURE_MESSAGING not in row.classes:
            raise Refusal(Status.WRONG_CLA, f"class {plain.cla:02X} with instruction {plain.ins:02X}")
        self._require_life(row)
        if row.with_session and running.volatile.channel is None:
            raise Refusal(Status.NOT_SECURE, "nobody authenticated")
        _end_what_others_began(running.volatile, plain.ins)
        return row.run(running, plain)

    def _row(self, ins: int, volatile: Volatile) -> Row:
        row = INSTRUCTIONS.get(ins)
        is_application = volatile.selected != self._state.profile.sd_aid
        if row is None or (is_application and ins != SELECT):
            raise Refusal(Status.WRONG_INS, f"instruction {ins:02X}")
        return row

    def _require_life(self, row: Row) -> None:
        life = self._state.life
        if life == CardLife.TERMINATED and row.run is not get_data:
            raise Refusal(Status.NOT_NOW, "the card is terminated")
        if life == CardLife.CARD_LOCKED and not row.while_locked:
            raise Refusal(Status.NOT_NOW, "the card is locked")

    def _moment(self, moment: Moment, apdu: bytes) -> None:
        if self._tear(moment, apdu):
            raise CardTorn(what=moment.value)


def _whole(volatile: Volatile, command: Command) -> Command | None:
    """The command with all parts of its chain; None while more of them come. Raises Refusal."""
    first, volatile.chained = volatile.chained, None
    _require_class(command.cla)
    if first is not None:
        if _kind(command) != _kind(first):
            raise Refusal(Status.CHAIN_BROKEN, "another command within a chain")
        data = first.data + command.data
        command = command._replace(data=data, is_extended=len(data) > 0xFF)  # noqa: PLR2004 - one octet
    if len(command.data) > _LONGEST_CHAIN:
        raise Refusal(Status.WRONG_LENGTH, "a chain without an end")
    if not command.is_chained:
        return command
    volatile.chained = command
    return None


def _kind(command: Command) -> tuple[int, int, int, int]:
    return command.cla & ~CHAINING, command.ins, command.p1, command.p2


def _require_class(cla: int) -> None:
    """Classes 00, 04, 80 and 84, and each of them with the chaining bit. Raises Refusal."""
    if cla == _NO_CLASS or cla & (FURTHER | _RESERVED) == _RESERVED:
        raise Refusal(Status.WRONG_CLA, f"class {cla:02X}")
    if cla & (FURTHER | CHANNEL):
        raise Refusal(Status.NO_CHANNELS, "no logical channels")
    if cla & _INTERINDUSTRY_MAC:
        raise Refusal(Status.NO_SECURE_MESSAGING, "secure messaging is that of GlobalPlatform")


def _unwrapped(volatile: Volatile, command: Command) -> Command:
    """The plain command of an open session. Raises Refusal; a command that is not authentic ends it."""
    channel = volatile.channel
    if command.ins == EXTERNAL_AUTHENTICATE or (command.ins in _BEGINS_ANEW and not command.is_secured):
        return command
    if channel is None:
        if command.is_secured:
            raise Refusal(Status.NOT_SECURE, "a C-MAC without a session")
        return command
    try:
        return channel.unwrap(command)
    except Refusal:
        volatile.end_session()
        raise


def _require_room(command: Command, answer: Answer) -> None:
    """Le is not less than there is to tell (ISO/IEC 7816-4 §5.1). Raises Refusal with the right one, 6Cxx.

    Not within a session: a command that is sent again there would be a replay.
    """
    if command.expected is not None and len(answer.data) > command.expected:
        raise Refusal(Status.WRONG_LE | len(answer.data), "Le is less than there is to tell")


def _end_what_others_began(volatile: Volatile, ins: int) -> None:
    """A load, a list and collected blocks are good for the next command of their kind only."""
    if ins != LOAD:
        volatile.loading = None
    if ins != GET_STATUS:
        volatile.listing = ()
    if ins != STORE_DATA:
        volatile.collected = Collected()
