"""A conversation with a card: whole ones, and what ends them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.provisioning.paper_card import MISSING, OK, SD_AID, PaperCard, carry
from tests.provisioning.talk import (
    APPLET,
    JOB,
    PACKAGE,
    conversation,
    installing,
    key_set,
    order,
    paper_keys,
    run,
)
from tsm_gateway.provisioning.card_errors import (
    CardNotAuthentic,
    CardProtocolUnsupported,
    ResponseNotAuthentic,
)
from tsm_gateway.provisioning.delivery_errors import (
    CardContentNotVouched,
    CardContentUnexpected,
    CardDomainMissing,
    CardInUse,
    CardMemoryFull,
    CardTooWeak,
    ChannelLost,
    LoadFileRefused,
    ScriptAnswersMalformed,
    SecretBound,
)
from tsm_gateway.provisioning.delivery_events import (
    Finished,
    Installed,
    JobBegun,
    JobDone,
    JobFailed,
    KeysInUse,
    Listed,
    Progress,
    Removed,
    Script,
)
from tsm_gateway.provisioning.inventory_program import take_inventory
from tsm_gateway.provisioning.live_secrets import LiveSecrets
from tsm_gateway.provisioning.load_file import LoadPlan
from tsm_gateway.provisioning.personalise_program import Personalisation, personalise
from tsm_gateway.provisioning.remove_program import Removal, remove
from tsm_gateway.provisioning.scp03 import Session
from tsm_gateway.provisioning.script_program import Task
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tsm_gateway.errors import TsmError
    from tsm_gateway.provisioning.delivery_events import Event

SELECT, UPDATE, AUTHENTICATE, INSTALL, LOAD, DELETE, STATUS, STORE, KEYS = (
    *(0xA4, 0x50, 0x82, 0xE6, 0xE8, 0xE4, 0xF2, 0xE2, 0xD8),
)
OTHER = b"\x00" * 7 + b"\x02"


@pytest.fixture
def card() -> PaperCard:
    return PaperCard({0x30: paper_keys(0x30)})


def failure(talked: object) -> JobFailed:
    (failed,) = (event for event in talked.events if isinstance(event, JobFailed))  # type: ignore[attr-defined]
    return failed


def test_an_application_is_loaded_instantiated_told_its_parameters_and_looked_for(card: PaperCard) -> None:
    talked = run(conversation([installing(1000)]), card)
    octets = order(1000).load_file.octets
    assert talked.last == Finished()
    assert card.files[PACKAGE].startswith(
        bytes.fromhex("e24c4f08") + SD_AID + b"\xc3\x40" + b"\x5a" * 64 + b"\xc4\x82"
    )
    assert card.files[PACKAGE].endswith(octets)
    assert card.instances == {APPLET: PACKAGE}
    assert b"sp:shop" in card.stored[0]
    assert [type(event) for event in talked.events if not isinstance(event, Progress)] == [
        JobBegun,
        KeysInUse,
        JobDone,
    ]
    assert talked.events[-1] == JobDone(JOB, Installed(PACKAGE, APPLET))


@pytest.mark.parametrize("i", [0x60, 0x61, 0x70, 0x71])
@pytest.mark.parametrize("length", [16, 24, 32])
def test_every_protocol_with_encrypted_answers_and_every_length_of_keys_is_spoken(
    i: int, length: int
) -> None:
    keys = paper_keys(0x30, length)
    talked = run(conversation([installing()], keys=[key_set(0x30, keys)], i=i), PaperCard({0x30: keys}, i=i))
    assert talked.last == Finished()


@pytest.mark.parametrize("i", [0x00, 0x01, 0x10, 0x11, 0x20, 0x21, 0x30, 0x31])
def test_a_card_that_cannot_protect_its_answers_is_told_nothing(i: int) -> None:
    talk = conversation([installing()], i=i)
    turn = talk.begin()
    assert isinstance(turn, Finished)
    assert isinstance(turn.cause, CardTooWeak)
    assert talk.events() == (JobBegun(JOB), JobFailed(JOB, turn.cause, permanent=True))


def test_a_card_that_speaks_another_protocol_than_its_issuer_said_is_refused(card: PaperCard) -> None:
    card.i = 0x60
    talked = run(conversation([installing()]), card)
    assert isinstance(failure(talked).cause, CardProtocolUnsupported)
    assert failure(talked).permanent


@pytest.mark.parametrize(
    ("script_commands", "size"), [(16, 32768), (16, 100), (8, 5000), (2, 900), (200, 32768)]
)
def test_round_trips_are_as_few_as_scripts_allow(card: PaperCard, script_commands: int, size: int) -> None:
    talked = run(conversation([installing(size)], script_commands=script_commands), card)
    blocks = LoadPlan(order(size).load_file, (), 239).count + 1
    commands = 1 + blocks + 1 + 2 + 2  # INSTALL, LOAD…, INSTALL, the parameters, GET STATUS twice
    empty = 2  # GET STATUS of what is not there, which stops an agent
    assert len(talked.scripts) <= 1 + 1 + empty + -(-commands // script_commands)
    assert max(map(len, talked.scripts)) <= script_commands


def test_the_second_script_holds_the_authentication_and_the_first_commands(card: PaperCard) -> None:
    talked = run(conversation([installing()]), card)
    assert [command[1] for command in talked.scripts[0]] == [SELECT, UPDATE]
    assert [command[1] for command in talked.scripts[1]] == [AUTHENTICATE, STATUS, STATUS]


def test_what_a_script_was_cut_short_of_is_sent_again_octet_for_octet(card: PaperCard) -> None:
    talked = run(conversation([installing()]), card)
    assert talked.scripts[2] == talked.scripts[1][2:]  # there are no applications: 6A88 stopped the agent


def test_progress_is_told_by_blocks_the_card_confirmed(card: PaperCard) -> None:
    talk = conversation([installing(10_000)])
    talked = run(talk, card)
    told = [event for event in talked.events if isinstance(event, Progress)]
    assert told[-1].done == told[-1].total == 43
    assert all(early.done < late.done for early, late in pairwise(told))
    assert talk.job is None


def test_the_job_and_how_far_it_is_can_be_seen_at_any_time(card: PaperCard) -> None:
    talk = conversation([installing(10_000)])
    turn = talk.begin()
    while isinstance(turn, Script) and talk.job == Progress(JOB, 0, 0):
        turn = talk.answer(carry(card, turn.commands))
    assert talk.job == Progress(JOB, 0, 43)


def test_several_jobs_share_one_session(card: PaperCard) -> None:
    gone = Task(OTHER, remove(Removal((PACKAGE,))))
    talked = run(conversation([installing(), gone]), card)
    assert talked.events[-1] == JobDone(OTHER, Removed((PACKAGE,)))
    assert card.heard.count(AUTHENTICATE) == 1
    assert (card.files, card.instances) == ({}, {})


def test_nothing_to_do_says_nothing_to_the_card() -> None:
    assert conversation([]).begin() == Finished()


def test_what_is_left_of_an_earlier_attempt_goes_first(card: PaperCard) -> None:
    card.files[PACKAGE] = b"half"
    assert run(conversation([installing()]), card).last == Finished()
    assert card.heard.count(DELETE) == 1


def test_another_version_and_its_instance_go_first(card: PaperCard) -> None:
    old = b"\xa0\x00\x00\x09\x51\x77"
    card.files |= {old: b"old", b"\xa0\x00\x00\x09\x99": b"not ours"}
    card.instances[APPLET] = old
    assert run(conversation([installing(replaces=(old,))]), card).last == Finished()
    assert set(card.files) == {PACKAGE, b"\xa0\x00\x00\x09\x99"}
    assert card.instances == {APPLET: PACKAGE}


def test_an_instance_of_somebody_elses_load_file_makes_room(card: PaperCard) -> None:
    foreign = b"\xa0\x00\x00\x09\x99"
    card.files[foreign], card.instances[APPLET] = b"not ours", foreign
    assert run(conversation([installing()]), card).last == Finished()
    assert (set(card.files), card.instances) == ({PACKAGE, foreign}, {APPLET: PACKAGE})


def test_a_delete_of_what_is_gone_already_heals(card: PaperCard) -> None:
    talked = run(conversation([Task(JOB, remove(Removal((PACKAGE, APPLET))))]), card)
    assert talked.events[-1] == JobDone(JOB, Removed((PACKAGE, APPLET)))


def test_a_removal_of_which_the_card_itself_said_no_word_is_not_believed(card: PaperCard) -> None:
    card.files[PACKAGE] = b"still there"
    talk = conversation([Task(JOB, remove(Removal((PACKAGE,))))])
    turn = talk.begin()
    assert isinstance(turn, Script)
    turn = talk.answer(carry(card, turn.commands))
    assert isinstance(turn, Script)
    turn = talk.answer([card.transmit(turn.commands[0]), b"\x6a\x88"])
    while isinstance(turn, Script):  # and the card is left out of it
        turn = talk.answer([b"\x6a\x88"])
    assert isinstance(turn, Finished)
    assert isinstance(turn.cause, CardContentNotVouched)


def lying(*lies: tuple[int, int]) -> Callable[[PaperCard, Sequence[bytes]], list[bytes]]:
    """An agent that has the card do everything, and reports 6A88 for the n-th command of an instruction."""
    seen: Counter[int] = Counter()

    def bring(card: PaperCard, commands: Sequence[bytes]) -> list[bytes]:
        answers = []
        for command in commands:
            answer, ins = card.transmit(command), command[1]
            answers.append(MISSING if (ins, seen[ins]) in lies else answer)
            seen[ins] += 1
            if answers[-1][-2:] != OK:
                break
        return answers

    return bring


def brought(
    task: Task, card: PaperCard, bring: Callable[[PaperCard, Sequence[bytes]], list[bytes]]
) -> tuple[TsmError | None, list[Event]]:
    talk = conversation([task])
    turn, events = talk.begin(), list(talk.events())
    while isinstance(turn, Script):
        turn = talk.answer(bring(card, turn.commands))
        events += talk.events()
    assert isinstance(turn, Finished)
    return turn.cause, events


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize("others", [False, True])
def test_a_removal_the_card_refused_is_not_believed_of_its_agent(
    card: PaperCard, others: bool, counts: bool
) -> None:
    card.files[PACKAGE], card.instances[APPLET] = b"still there", PACKAGE
    card.counts = counts
    other = APPLET + b"\x01"
    aids = (PACKAGE, other) if others else (PACKAGE,)
    card.refuses[DELETE, 0] = b"\x69\x85"
    if others:  # of one the card does say that it is gone
        card.files[other] = b"goes"
    agent = lying((DELETE, 0), (STATUS, 0), (STATUS, 1))
    cause, events = brought(Task(JOB, remove(Removal(aids))), card, agent)
    assert isinstance(cause, CardContentNotVouched)
    assert cause.facts == {"unproven": 1}
    assert events[-1] == JobFailed(JOB, cause, permanent=False)
    assert PACKAGE in card.files


@pytest.mark.parametrize("proof", ["list", "count"])
def test_a_removal_whose_answer_was_lost_is_proven_by_what_the_card_says_next(
    card: PaperCard, proof: str
) -> None:
    if proof == "list":
        card.files[b"\xa0\x00\x00\x09\x99"], card.counts = b"not ours", False
    assert run(conversation([Task(JOB, remove(Removal((PACKAGE,))))]), card).last == Finished()


def test_a_card_that_proves_no_removal_fails_with_a_reason_of_its_own(card: PaperCard) -> None:
    card.counts = False
    failed = failure(run(conversation([Task(JOB, remove(Removal((PACKAGE,))))]), card))
    assert (failed.cause.code, failed.permanent) == ("card-content-not-vouched", False)
    card.files[PACKAGE] = b"there"
    assert run(conversation([Task(JOB, remove(Removal((PACKAGE,))))]), card).last == Finished()


def test_a_list_cut_short_by_its_agent_proves_no_removal(card: PaperCard) -> None:
    card.files[PACKAGE], card.instances[APPLET] = b"still there", PACKAGE
    card.refuses[DELETE, 0], card.more = b"\x69\x85", {0x20: 1}
    agent = lying((DELETE, 0), (STATUS, 2))  # its second page
    cause, _ = brought(Task(JOB, remove(Removal((PACKAGE,)))), card, agent)
    assert isinstance(cause, CardContentNotVouched)


OLD, OLD_APPLET = b"\xa0\x00\x00\x09\x51\x77", b"\xa0\x00\x00\x09\x51\x77\x01"


def test_an_upgrade_that_leaves_the_other_version_is_none(card: PaperCard) -> None:
    card.files[OLD], card.instances[OLD_APPLET] = b"old", OLD
    agent = lying((STATUS, 0), (STATUS, 1))
    cause, _ = brought(installing(replaces=(OLD,)), card, agent)
    assert isinstance(cause, CardContentUnexpected)
    assert cause.facts == {"left": 1}
    assert run(conversation([installing(replaces=(OLD,))]), card).last == Finished()  # an honest one heals it
    assert (set(card.files), card.instances) == ({PACKAGE}, {APPLET: PACKAGE})


def test_another_version_is_not_hidden_by_a_list_that_is_cut_short(card: PaperCard) -> None:
    card.files[OLD], card.instances[OLD_APPLET] = b"old", OLD
    card.one_by_one = True
    agent = lying((STATUS, 0), (STATUS, 1), (STATUS, 7))  # at last where the old one's load file comes
    cause, _ = brought(installing(replaces=(OLD,)), card, agent)
    assert isinstance(cause, CardContentNotVouched)


def test_an_inventory_of_which_the_card_itself_said_no_word_is_not_believed(card: PaperCard) -> None:
    card.files[PACKAGE], card.instances[APPLET] = b"hidden", PACKAGE

    def bring(card: PaperCard, commands: Sequence[bytes]) -> list[bytes]:
        if commands[0][1] == SELECT:
            return carry(card, commands)
        return [OK, MISSING] if commands[0][1] == AUTHENTICATE else [MISSING]

    cause, events = brought(Task(JOB, take_inventory), card, bring)
    assert isinstance(cause, CardContentNotVouched)
    assert cause.facts == {"silent": "domain, application, load-file"}
    assert events[-1] == JobFailed(JOB, cause, permanent=False)


@pytest.mark.parametrize(
    ("counts", "held", "silent"),
    [
        (True, False, ("load-file",)),  # the card counts no applications
        (False, False, ("application", "load-file")),
        (True, True, ("application", "load-file")),  # the card counts one, and its agent says there is none
    ],
)
def test_an_inventory_says_of_what_only_the_agent_said_that_there_is_none(
    card: PaperCard, counts: bool, held: bool, silent: tuple[str, ...]
) -> None:
    card.counts = counts
    if held:
        card.files[PACKAGE], card.instances[APPLET] = b"hidden", PACKAGE
    cause, events = brought(Task(JOB, take_inventory), card, lying((STATUS, 1), (STATUS, 2)))
    assert cause is None
    done = events[-1]
    assert isinstance(done, JobDone)
    assert isinstance(done.result, Listed)
    assert (len(done.result.contents), done.result.silent) == (1, silent)


def test_an_inventory_of_a_card_that_lists_all_has_no_gap(card: PaperCard) -> None:
    card.files[PACKAGE], card.instances[APPLET] = b"seen", PACKAGE
    (done,) = (
        e for e in run(conversation([Task(JOB, take_inventory)]), card).events if isinstance(e, JobDone)
    )
    assert isinstance(done.result, Listed)
    assert (len(done.result.contents), done.result.silent) == (3, ())


def test_what_is_still_listed_was_not_removed(card: PaperCard) -> None:
    card.files[PACKAGE], card.keeps = b"still there", True
    failed = failure(run(conversation([Task(JOB, remove(Removal((PACKAGE,))))]), card))
    assert isinstance(failed.cause, CardContentUnexpected)
    assert failed.cause.facts == {"left": 1}


def test_a_list_longer_than_one_answer_is_read_to_its_end(card: PaperCard) -> None:
    card.more = {0x40: 3, 0x20: 1}
    talked = run(conversation([Task(JOB, take_inventory)]), card)
    (done,) = (event for event in talked.events if isinstance(event, JobDone))
    assert isinstance(done.result, Listed)
    assert done.result.free_memory == 0x10000
    assert [each.aid for each in done.result.contents] == [
        SD_AID,
        *(b"\xa1" * 8 + bytes([page]) for page in (2, 1, 0)),
        b"\xa1" * 8 + b"\x00",
    ]


def test_a_list_without_an_end_is_given_up(card: PaperCard) -> None:
    card.more = {0x40: 1000}
    talked = run(conversation([Task(JOB, take_inventory)]), card)
    assert failure(talked).cause.code == "card-answer-malformed"
    assert card.heard.count(STATUS) < 80


def test_an_instance_is_told_new_parameters(card: PaperCard) -> None:
    card.instances[APPLET] = PACKAGE
    told = order().parameters
    assert told is not None
    talked = run(conversation([Task(JOB, personalise(Personalisation(APPLET, told)))]), card)
    assert talked.last == Finished()
    assert len(card.stored) == 1


@pytest.mark.parametrize(
    ("ins", "nth", "sw", "cause", "permanent"),
    [
        (LOAD, 2, "6a84", CardMemoryFull, True),
        (INSTALL, 0, "6a84", CardMemoryFull, True),
        (INSTALL, 1, "6a84", CardMemoryFull, True),
        (INSTALL, 0, "6985", CardInUse, False),
        (LOAD, 0, "6a80", LoadFileRefused, True),
        (LOAD, 4, "6985", LoadFileRefused, True),  # the last block: the signature
        (LOAD, 1, "6985", CardInUse, False),
        (LOAD, 1, "6982", ChannelLost, False),
        (AUTHENTICATE, 0, "6300", ChannelLost, False),
        (SELECT, 0, "6a82", CardDomainMissing, False),
        (LOAD, 1, "6f00", None, False),
        (STORE, 0, "6a80", None, True),
        (LOAD, 1, "6123", None, False),
    ],
)
def test_a_refusal_has_one_reason(
    card: PaperCard,
    ins: int,
    nth: int,
    sw: str,
    cause: type[Exception] | None,
    permanent: bool,
) -> None:
    card.refuses[ins, nth] = bytes.fromhex(sw)
    failed = failure(run(conversation([installing(1000)]), card))
    assert failed.permanent is permanent
    assert failed.cause.facts["sw"] == sw.upper()
    assert cause is None or type(failed.cause) is cause
    assert run(conversation([installing(1000)]), card).last == Finished()  # nothing stays that is not healed


@pytest.mark.parametrize(("unlisted", "facts"), [(2, (True, False)), (3, (False, True))])
def test_what_does_not_turn_up_on_the_card_was_not_installed(
    card: PaperCard, unlisted: int, facts: tuple[bool, bool]
) -> None:
    card.refuses[STATUS, unlisted] = b"\x6a\x88"
    failed = failure(run(conversation([installing()]), card))
    assert isinstance(failed.cause, CardContentUnexpected)
    assert tuple(failed.cause.facts.values()) == facts
    assert not failed.permanent


@pytest.mark.parametrize(("life", "usable"), [(0x07, True), (0x0F, True), (0x03, False), (0x87, False)])
def test_an_instance_has_to_be_selectable_and_not_locked(card: PaperCard, life: int, usable: bool) -> None:
    card.life = life
    assert (run(conversation([installing()]), card).last == Finished()) is usable


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: [],
        lambda answers: answers[:-1],  # the last one says 9000
        lambda answers: [*answers, b"\x90\x00"],
        lambda answers: [answers[0], b"\x90", *answers[2:]],
        lambda answers: [*answers[:-1], bytes(257) + b"\x90\x00"],
        lambda answers: [b"\x6a\x88", *answers[1:]],  # and on behind it
        lambda answers: [answers[0], b"\x63\x10", *answers[2:]],
    ],
)
def test_answers_that_are_none_to_this_script_end_the_session(card: PaperCard, spoil: object) -> None:
    talk = conversation([installing(10_000)])
    talked = run(talk, card, lambda n, answers: spoil(answers) if n == 4 else answers)  # type: ignore[operator]
    failed = failure(talked)
    assert type(failed.cause) is ScriptAnswersMalformed
    assert not failed.permanent
    assert talk.over
    with pytest.raises(ValueError, match="no script"):
        talk.answer([b"\x90\x00"])


@pytest.mark.parametrize("bit", [0, 7, 40, 63, 64, 71])
def test_a_flipped_bit_in_an_answer_ends_the_session_and_nothing_of_it_is_used(
    card: PaperCard, bit: int
) -> None:
    def meddle(number: int, answers: list[bytes]) -> list[bytes]:
        if number == 4:
            changed = bytearray(answers[3])
            changed[bit // 8] ^= 0x80 >> bit % 8
            return [*answers[:3], bytes(changed), *answers[4:]]
        return answers

    talked = run(conversation([installing(10_000)]), card, meddle)
    assert type(failure(talked).cause) in {ResponseNotAuthentic, ScriptAnswersMalformed}
    assert not failure(talked).permanent
    assert [event.done for event in talked.events if isinstance(event, Progress)] in ([15, 18], [15])


def test_an_answer_of_an_earlier_script_is_none_to_this_one(card: PaperCard) -> None:
    seen: list[list[bytes]] = []

    def replay(_number: int, answers: list[bytes]) -> list[bytes]:
        seen.append(answers)
        return seen[3] if len(seen) == 5 else answers

    failed = failure(run(conversation([installing(10_000)]), card, replay))
    assert type(failed.cause) is ResponseNotAuthentic


def test_two_answers_of_one_script_cannot_change_places(card: PaperCard) -> None:
    def swap(number: int, answers: list[bytes]) -> list[bytes]:
        return [answers[1], answers[0], *answers[2:]] if number == 4 else answers

    assert type(failure(run(conversation([installing(10_000)]), card, swap)).cause) is ResponseNotAuthentic


def test_a_set_the_card_does_not_know_is_passed_over_in_the_same_conversation(card: PaperCard) -> None:
    talked = run(conversation([installing()], keys=[key_set(0x31), key_set(0x30)]), card)
    assert talked.last == Finished()
    assert [event.kvn for event in talked.events if isinstance(event, KeysInUse)] == [0x30]
    assert card.heard[:4] == [SELECT, UPDATE, SELECT, UPDATE]


def test_a_set_of_other_octets_under_the_same_number_is_passed_over(card: PaperCard) -> None:
    card.keys[0x31] = paper_keys(0x44)
    talked = run(conversation([installing()], keys=[key_set(0x31), key_set(0x30)]), card)
    assert [event.kvn for event in talked.events if isinstance(event, KeysInUse)] == [0x30]


def test_a_card_that_holds_none_of_the_sets_is_not_authentic() -> None:
    card = PaperCard({0x30: paper_keys(0x99)})
    failed = failure(run(conversation([installing()], keys=[key_set(0x31), key_set(0x30)]), card))
    assert type(failed.cause) is CardNotAuthentic
    assert failed.permanent
    assert AUTHENTICATE not in card.heard


def test_every_attempt_at_a_session_has_a_challenge_of_its_own(card: PaperCard) -> None:
    talked = run(conversation([installing()], keys=[key_set(0x31), key_set(0x30)]), card)
    assert talked.scripts[0][1][5:13] != talked.scripts[1][1][5:13]


def test_a_secret_in_the_application_stops_the_delivery_before_an_octet_of_it_leaves(card: PaperCard) -> None:
    octets = order(1000).load_file.octets
    secrets = LiveSecrets.of([("device key, epoch 2", Secret(octets[500:532]))])
    talked = run(conversation([installing(1000)], secrets=secrets), card)
    failed = failure(talked)
    assert type(failed.cause) is SecretBound
    assert failed.cause.facts == {"which": "device key, epoch 2"}
    assert failed.permanent
    assert {INSTALL, LOAD, DELETE}.isdisjoint(card.heard)


def test_a_key_of_the_cards_own_does_not_leave_in_clear(card: PaperCard) -> None:
    task = installing(100, signature=paper_keys(0x30)[2] * 4)
    talked = run(conversation([task]), card)
    assert failure(talked).cause.facts == {"which": "card key set 30"}
    assert INSTALL not in card.heard


def test_the_key_of_a_cards_receipts_does_not_leave_in_clear(card: PaperCard) -> None:
    key = bytes(range(60, 76))
    talked = run(conversation([installing(100, signature=key * 4)], receipt_key=Secret(key)), card)
    assert failure(talked).cause.facts == {"which": "card receipt key"}
    assert INSTALL not in card.heard


def test_the_authentication_is_searched_too(card: PaperCard) -> None:
    proof = run(conversation([installing()]), card).scripts[1][0][5:13]
    again = PaperCard({0x30: paper_keys(0x30)})
    talked = run(conversation([installing()], secrets=LiveSecrets.of([("chance", Secret(proof))])), again)
    assert failure(talked).cause.facts == {"which": "chance"}
    assert AUTHENTICATE not in again.heard


@pytest.mark.parametrize("sw", ["9000", "6f00"])
def test_no_session_outlives_its_conversation(
    card: PaperCard, sw: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Session] = []
    made = Session.__init__

    def noted(session: Session, *told: object) -> None:
        made(session, *told)  # type: ignore[arg-type]
        opened.append(session)

    monkeypatch.setattr(Session, "__init__", noted)
    if sw != "9000":
        card.refuses[LOAD, 1] = bytes.fromhex(sw)
    run(conversation([installing()]), card)
    assert [session.over for session in opened] == [True]


def test_a_script_takes_two_commands_at_least() -> None:
    with pytest.raises(ValueError, match="2 commands"):
        conversation([], script_commands=1)


def test_turns_are_taken_in_their_order(card: PaperCard) -> None:
    talk = conversation([installing()])
    with pytest.raises(ValueError, match="no script"):
        talk.answer([b"\x90\x00"])
    turn = talk.begin()
    assert isinstance(turn, Script)
    with pytest.raises(ValueError, match="no key set"):
        talk.stored()
    assert isinstance(talk.answer(carry(card, turn.commands)), Script)
