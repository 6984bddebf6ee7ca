"""New keys for a card: kept before they leave, and never a card that nobody can open."""

from __future__ import annotations

import pytest

from tests.provisioning.paper_card import PaperCard, carry
from tests.provisioning.talk import JOB, conversation, installing, key_set, paper_keys, run
from tsm_gateway.provisioning.card_errors import KeyCheckMismatch
from tsm_gateway.provisioning.card_keys import KeySet
from tsm_gateway.provisioning.delivery_errors import KeysRefused, SecretBound
from tsm_gateway.provisioning.delivery_events import (
    Finished,
    JobDone,
    JobFailed,
    KeysInUse,
    KeysRenewed,
    Script,
    Store,
)
from tsm_gateway.provisioning.live_secrets import LiveSecrets
from tsm_gateway.provisioning.renew_keys_program import renew_keys
from tsm_gateway.provisioning.script_program import Task
from tsm_gateway.secret import Secret

AUTHENTICATE, PUT_KEY, UPDATE = 0x82, 0xD8, 0x50
OTHER = b"\x00" * 7 + b"\x02"


def octets(keys: KeySet) -> tuple[bytes, bytes, bytes]:
    return keys.enc.reveal(), keys.mac.reveal(), keys.dek.reveal()


@pytest.mark.parametrize("length", [16, 24, 32])
def test_new_keys_are_as_long_as_the_old_ones_and_the_only_ones(length: int) -> None:
    old = paper_keys(0x30, length)
    card = PaperCard({0x30: old})
    talked = run(conversation([Task(JOB, renew_keys(None))], keys=[key_set(0x30, old)]), card)
    (new,) = talked.stored
    assert talked.events[-1] == JobDone(JOB, KeysRenewed(new, replaced=0x30))
    assert card.keys == {0x31: octets(new)}
    assert {len(key) for key in octets(new)} == {length}


@pytest.mark.parametrize(("present", "next_one"), [(0x30, 0x31), (0x31, 0x32), (0x32, 0x31)])
def test_the_version_number_toggles(present: int, next_one: int) -> None:
    card = PaperCard({present: paper_keys(present)})
    talked = run(conversation([Task(JOB, renew_keys(None))], keys=[key_set(present)]), card)
    assert [keys.kvn for keys in talked.stored] == [next_one]


def test_a_card_with_its_first_keys_as_made_gets_ours_in_their_place() -> None:
    card = PaperCard({0xFF: paper_keys(0xFF)})
    talked = run(conversation([Task(JOB, renew_keys(None))], keys=[key_set(0xFF)]), card)
    assert talked.last == Finished()
    assert set(card.keys) == {0x31}


def test_no_script_holds_the_new_keys_before_they_are_kept() -> None:
    card = PaperCard({0x30: paper_keys(0x30)})
    talk = conversation([Task(JOB, renew_keys(None))])
    turn = talk.begin()
    assert isinstance(turn, Script)
    turn = talk.answer(carry(card, turn.commands))
    assert isinstance(turn, Store)
    assert PUT_KEY not in card.heard
    with pytest.raises(ValueError, match="no script"):
        talk.answer([b"\x90\x00"])
    turn = talk.stored()
    assert isinstance(turn, Script)
    assert [command[1] for command in turn.commands] == [AUTHENTICATE, PUT_KEY]


def test_what_comes_behind_goes_through_a_session_of_the_new_keys() -> None:
    card = PaperCard({0x30: paper_keys(0x30)})
    talked = run(conversation([Task(JOB, renew_keys(None)), installing(job_id=OTHER)]), card)
    assert talked.last == Finished()
    assert [event.kvn for event in talked.events if isinstance(event, KeysInUse)] == [0x30, 0x31]


def test_an_answer_that_was_lost_is_found_out_by_the_next_session() -> None:
    card = PaperCard({0x30: paper_keys(0x30)})
    talked = run(
        conversation([Task(JOB, renew_keys(None))]),
        card,
        lambda number, answers: [answers[0], b"\x6f\x00"] if number == 1 else answers,
    )
    (pending,) = talked.stored
    assert card.keys == {0x31: octets(pending)}
    assert isinstance(talked.events[-1], JobFailed)
    assert not talked.events[-1].permanent
    again = run(conversation([Task(JOB, renew_keys(pending))], keys=[pending, key_set(0x30)]), card)
    assert again.events[-1] == JobDone(JOB, KeysRenewed(pending, replaced=0))
    assert again.stored == []


def test_keys_the_card_never_got_are_put_again_and_not_replaced_by_others() -> None:
    card = PaperCard({0x30: paper_keys(0x30)})
    pending = key_set(0x31)
    talked = run(conversation([Task(JOB, renew_keys(pending))], keys=[pending, key_set(0x30)]), card)
    assert talked.stored == [pending]
    assert card.keys == {0x31: octets(pending)}


def test_an_agent_that_hides_the_new_keys_gets_nobody_to_give_them_up() -> None:
    pending = key_set(0x31)
    card = PaperCard({0x31: octets(pending)})
    talked = run(
        conversation([Task(JOB, renew_keys(pending))], keys=[pending, key_set(0x30)]),
        card,
        lambda _number, answers: [answers[0], b"\x6a\x88"],
    )
    assert talked.stored == []
    assert not [event for event in talked.events if isinstance(event, KeysInUse)]


def test_check_values_of_other_keys_are_no_confirmation() -> None:
    card = PaperCard({0x30: paper_keys(0x30)})
    card.misread = True
    talked = run(conversation([Task(JOB, renew_keys(None))]), card)
    failed = talked.events[-1]
    assert isinstance(failed, JobFailed)
    assert type(failed.cause) is KeyCheckMismatch
    assert not failed.permanent


def test_a_card_that_takes_no_such_keys_is_not_asked_again() -> None:
    card = PaperCard({0x30: paper_keys(0x30)})
    card.refuses[PUT_KEY, 0] = b"\x6a\x80"
    failed = run(conversation([Task(JOB, renew_keys(None))]), card).events[-1]
    assert isinstance(failed, JobFailed)
    assert (type(failed.cause), failed.permanent) == (KeysRefused, True)


def test_a_secret_of_the_device_is_never_made_a_key_of_the_card() -> None:
    card = PaperCard({0x30: paper_keys(0x30)})
    secret = b"\x01\x23\x45\x67\x89\xab\xcd\xef" * 2
    talk = conversation(
        [Task(JOB, renew_keys(None))],
        secrets=LiveSecrets.of([("device key", Secret(secret))]),
        fresh=lambda octets: secret[:octets],
    )
    turn = talk.begin()
    assert isinstance(turn, Finished)  # the challenge is one already
    assert isinstance(turn.cause, SecretBound)
    talk = conversation(
        [Task(JOB, renew_keys(KeySet(0x31, Secret(secret), Secret(secret), Secret(secret))))],
        secrets=LiveSecrets.of([("device key", Secret(secret))]),
    )
    talked = run(talk, card)
    assert isinstance(talked.last.cause, SecretBound)
    assert PUT_KEY not in card.heard
