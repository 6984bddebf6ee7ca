"""The conversation and the virtual card: two readings of one protocol, and every cut between them."""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.provisioning.talk import PARAMETERS, Chance
from tsm_gateway.provisioning.card_keys import KeySet
from tsm_gateway.provisioning.conversation import Conversation
from tsm_gateway.provisioning.delegation import Delegation
from tsm_gateway.provisioning.delivery_errors import CardMemoryFull, LoadFileRefused
from tsm_gateway.provisioning.delivery_events import (
    Finished,
    JobDone,
    JobFailed,
    KeysRenewed,
    Listed,
    Script,
    Store,
)
from tsm_gateway.provisioning.install_program import Installation, install
from tsm_gateway.provisioning.inventory_program import take_inventory
from tsm_gateway.provisioning.live_secrets import NO_SECRETS
from tsm_gateway.provisioning.load_file import LoadFile
from tsm_gateway.provisioning.remove_program import Removal, remove
from tsm_gateway.provisioning.renew_keys_program import renew_keys
from tsm_gateway.provisioning.script_program import Task
from tsm_gateway.provisioning.signing import FileSigner
from tsm_gateway.registry import card as registry
from tsm_gateway.secret import Secret
from tsm_gateway.virtual import card_state
from tsm_gateway.virtual.cap_writer import APPLET_AID, PACKAGE_AID, payment_cap, payment_load_file
from tsm_gateway.virtual.card import Card, Moment
from tsm_gateway.virtual.card_new import new_card, new_key_set
from tsm_gateway.virtual.errors import CardTorn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tsm_gateway.provisioning.script_program import OpenedCard, Program
    from tsm_gateway.virtual.card_state import CardState

KEY = ec.generate_private_key(ec.SECP256R1())
SIGNER = FileSigner(KEY)
TOKENS = FileSigner(ec.generate_private_key(ec.SECP256R1()))
RENEW, INSTALL, OTHER = (bytes(7) + bytes([number]) for number in (1, 2, 3))


@cache
def file_of(size: int, version: tuple[int, int] = (1, 0)) -> LoadFile:
    return LoadFile(payment_load_file(payment_cap(size, version)), PACKAGE_AID)


def order(size: int = 700, version: tuple[int, int] = (1, 0), **changed: object) -> Installation:
    file = file_of(size, version)
    whole = Installation(file, SIGNER.sign(file.digest), APPLET_AID, APPLET_AID, PARAMETERS)
    return whole._replace(**changed)  # type: ignore[arg-type]


class Desk:
    """Who keeps what a gateway keeps: keys, and which jobs are still to be done. It talks to one card."""

    def __init__(self, state: CardState) -> None:
        self.profile = state.profile
        first = state.key_sets[0]
        self.keys = [KeySet(first.kvn, first.enc, first.mac, first.dek)]  # newest first
        self.pending: KeySet | None = None
        self.jobs: dict[bytes, Callable[[], Callable[[OpenedCard], Program]]] = {
            RENEW: lambda: renew_keys(self.pending),
            INSTALL: lambda: install(order()),
        }
        self.fresh = Chance()
        self.failures: list[JobFailed] = []
        self.results: list[object] = []

    def session(self, card: Card, *, brings_what_it_has: bool = True) -> bool:
        """One conversation; True when everything is done."""
        tasks = [Task(job_id, program()) for job_id, program in self.jobs.items()]
        record = registry.Card(
            self.profile.app_se, self.profile.sd_aid, self.profile.protocol, "issuer", b"", 0
        )
        talk = Conversation(
            record,
            self.keys,
            tasks,
            lambda: NO_SECRETS,
            receipt_key=None,
            script_commands=4,
            fresh=self.fresh,
        )
        turn = talk.begin()
        for _ in range(200):
            self.note(talk)
            if isinstance(turn, Finished):
                return turn.cause is None and not self.jobs
            if isinstance(turn, Store):
                self.pending = turn.keys
                self.keys = [turn.keys, *(each for each in self.keys if each.kvn != turn.keys.kvn)]
                turn = talk.stored()
                continue
            assert isinstance(turn, Script)
            answers = list(carried(card, turn.commands))
            torn = len(answers) < len(turn.commands) and {answer[-2:] for answer in answers} <= {b"\x90\x00"}
            if torn and not brings_what_it_has:
                return False
            turn = talk.answer(answers)
        raise AssertionError

    def note(self, talk: Conversation) -> None:
        for event in talk.events():
            if isinstance(event, JobDone):
                self.results.append(event.result)
                del self.jobs[event.job_id]
                if isinstance(event.result, KeysRenewed):
                    self.keys, self.pending = [event.result.keys], None
            elif isinstance(event, JobFailed):
                self.failures.append(event)


def carried(card: Card, commands: Iterable[bytes]) -> Iterable[bytes]:
    """What the agent of a card brings back: as far as it answers, and until one is not 9000."""
    for command in commands:
        try:
            answer = card.transmit(command)
        except CardTorn:
            return
        yield answer
        if answer[-2:] != b"\x90\x00":
            return


def delivered(card: Card, desk: Desk) -> None:
    """The card holds the application, its parameters and our keys alone; nothing else is left of the way."""
    parameters = card.application(APPLET_AID)
    assert (parameters.provider_address, parameters.amount_limit) == ("sp:shop", 50000)
    assert [file.digest for file in card.state.load_files] == [order().load_file.digest]
    (held,), (kept,) = card.state.key_sets, desk.keys
    assert (held.kvn, held.enc, held.mac, held.dek) == (kept.kvn, kept.enc, kept.mac, kept.dek)
    assert kept.kvn != 0x30


@pytest.mark.parametrize("protocol", [0x60, 0x61, 0x70, 0x71])
@pytest.mark.parametrize("length", [16, 24, 32])
def test_keys_are_renewed_and_an_application_is_delivered(protocol: int, length: int) -> None:
    state = new_card(dap_keys=[KEY.public_key()], protocol=protocol, keys=new_key_set(0x30, length))
    card, desk = Card(state), Desk(state)
    assert desk.session(card)
    delivered(card, desk)


class Tear:
    """Takes the power at one moment of the n-th APDU (1, 2, …)."""

    def __init__(self, at: int, moment: Moment) -> None:
        self.at, self.moment, self.apdus = at, moment, 0

    def __call__(self, moment: Moment, _apdu: bytes) -> bool:
        self.apdus += moment is Moment.BEFORE
        return (moment, self.apdus) == (self.moment, self.at)


@cache
def apdus() -> int:
    never = Tear(0, Moment.BEFORE)
    state = new_card(dap_keys=[KEY.public_key()])
    assert Desk(state).session(Card(state, tear=never))
    return never.apdus


@pytest.mark.parametrize("brings_what_it_has", [True, False])
@pytest.mark.parametrize("moment", list(Moment))
def test_a_card_torn_at_any_apdu_is_healed_by_the_next_sessions(
    moment: Moment, brings_what_it_has: bool
) -> None:
    assert apdus() > 15
    for at in range(1, apdus() + 1):
        state = new_card(dap_keys=[KEY.public_key()])
        card, desk = Card(state, tear=Tear(at, moment)), Desk(state)
        for _ in range(4):
            if desk.session(card, brings_what_it_has=brings_what_it_has):
                break
            card.power_on()
        delivered(card, desk)
        assert not any(failed.permanent for failed in desk.failures)
        assert len(desk.failures) <= 1


def test_a_card_torn_twice_while_its_keys_change_still_opens() -> None:
    state = new_card(dap_keys=[KEY.public_key()])
    puts = count(1)
    card = Card(
        state,
        tear=lambda moment, apdu: apdu[1] == 0xD8 and moment is Moment.BEFORE and next(puts) < 3,
    )
    desk = Desk(state)
    stored = []
    for _ in range(3):
        desk.session(card)
        stored.append(desk.pending)
        card.power_on()
    assert stored[0] is stored[1] is not None
    assert desk.keys == [stored[0]]
    delivered(card, desk)


@pytest.mark.parametrize("flipped", [0, 8, 31])
def test_what_is_not_signed_by_whom_the_card_trusts_is_not_installed(flipped: int) -> None:
    state = new_card(dap_keys=[KEY.public_key()])
    card, desk = Card(state), Desk(state)
    signature = bytearray(order().signature)
    signature[flipped] ^= 0x40
    desk.jobs[INSTALL] = lambda: install(order(signature=bytes(signature)))
    assert not desk.session(card)
    (failed,) = desk.failures
    assert (type(failed.cause), failed.permanent) == (LoadFileRefused, True)
    assert (card.state.load_files, card.state.instances) == ((), ())


def test_a_signature_over_the_data_instead_of_its_hash_is_refused() -> None:
    state = new_card(dap_keys=[KEY.public_key()])
    card, desk = Card(state), Desk(state)
    desk.jobs[INSTALL] = lambda: install(order(signature=SIGNER.sign(order().load_file.octets)))
    assert not desk.session(card)
    assert type(desk.failures[0].cause) is LoadFileRefused


def test_a_card_without_room_says_so_and_keeps_nothing_of_it() -> None:
    state = new_card(dap_keys=[KEY.public_key()], memory=2000)
    card, desk = Card(state), Desk(state)
    desk.jobs[INSTALL] = lambda: install(order(3000))
    assert not desk.session(card)
    assert (type(desk.failures[0].cause), desk.failures[0].permanent) == (CardMemoryFull, True)
    assert card.state.load_files == ()


def test_another_version_takes_the_place_of_the_first_and_both_go() -> None:
    state = new_card(dap_keys=[KEY.public_key()])
    card, desk = Card(state), Desk(state)
    assert desk.session(card)
    desk.jobs = {INSTALL: lambda: install(order(900, (1, 1)))}
    assert desk.session(card)
    assert [file.version for file in card.state.load_files] == [(1, 1)]
    desk.jobs = {OTHER: lambda: take_inventory}
    assert desk.session(card)
    (listed,) = (each for each in desk.results if isinstance(each, Listed))
    assert [each.kind for each in listed.contents] == ["domain", "application", "load-file"]
    assert listed.free_memory
    for _ in range(2):  # and again, when nothing is there any more
        desk.jobs = {OTHER: lambda: remove(Removal((PACKAGE_AID,)))}
        assert desk.session(card)
        assert (card.state.load_files, card.state.instances) == ((), ())


def test_tokens_are_put_in_and_receipts_are_checked() -> None:
    state = new_card(dap_keys=[KEY.public_key()], token_key=TOKENS.public_key)
    card, desk = Card(state), Desk(state)
    assert state.profile.receipt_key is not None
    delegation = Delegation(TOKENS, Secret(state.profile.receipt_key.reveal()))
    desk.jobs[INSTALL] = lambda: install(order(delegation=delegation))
    assert desk.session(card)
    forged = Delegation(TOKENS, Secret(bytes(16)))
    desk.jobs = {OTHER: lambda: remove(Removal((PACKAGE_AID,), forged))}
    assert not desk.session(card)
    assert desk.failures[-1].cause.code == "receipt-not-authentic"
    desk.jobs = {INSTALL: lambda: install(order(delegation=delegation))}
    assert desk.session(card)
    desk.jobs = {OTHER: lambda: remove(Removal((PACKAGE_AID,), delegation))}
    assert desk.session(card)
    assert card.state.confirmations == 2 + 1 + 2 + 1
    desk.jobs = {INSTALL: lambda: install(order(delegation=forged))}
    assert not desk.session(card)
    assert desk.failures[-1].cause.code == "receipt-not-authentic"


def test_a_script_that_is_given_to_the_card_twice_ends_the_session_and_harms_nothing() -> None:
    state = new_card(dap_keys=[KEY.public_key()])
    card, desk = Card(state), Desk(state)
    once = card.transmit
    replayed = iter([True])

    def twice(apdu: bytes) -> bytes:
        answer = once(apdu)
        return once(apdu) if apdu[1] == 0xE8 and next(replayed, False) else answer

    card.transmit = twice  # type: ignore[method-assign]
    assert not desk.session(card)
    assert not desk.failures[0].permanent
    assert desk.session(card)
    delivered(card, desk)


def test_another_card_with_the_same_names_is_not_believed() -> None:
    state = new_card(dap_keys=[KEY.public_key()])
    impostor = Card(new_card(app_se=state.profile.app_se))
    desk = Desk(state)
    assert not desk.session(impostor)
    assert desk.failures[0].cause.code == "card-not-authentic"
    assert impostor.state.load_files == ()
    assert isinstance(impostor.state, card_state.CardState)
