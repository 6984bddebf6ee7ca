"""`queue`: show and move messages beside whoever else has the store open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tsm_gateway.relay.interfaces import Acceptance, Batch, Transition
from tsm_gateway.relay.states import MessageState, Move
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Site

AT = 1_800_000_000
WAITING, FAILED, ACTIVE = (bytes([number]) * 16 for number in (0x10, 0x21, 0x22))


@pytest.fixture
def store(site: Site) -> Iterator[SqliteStore]:
    """A store as a running gateway has it, with a message waiting, one failed and one active."""
    device = site.add_device()
    site.add_provider()
    folder = site.folder
    opened = SqliteStore.open(folder / "gateway.db", mark=folder / "master.key.epoch", exclusive=True)
    (device_key,), (provider_key,) = opened.registry.keys(device), opened.registry.keys("shop")
    batch = Batch()
    for number, message_id in enumerate((WAITING, FAILED, ACTIVE)):
        batch.acceptances.append(
            Acceptance(
                message_id=message_id,
                kid=device_key.kid,
                piv=number,
                device_id=device,
                cti=bytes([number]) * 8,
                cti_expires=AT + 60,
                provider="shop",
                provider_kid=provider_key.kid,
                provider_piv=number,
                bearer="a",
                received_at=AT,
                packet=b"sealed",
                reference=number,
                receipt=False,
                state=MessageState.QUEUED if message_id == WAITING else MessageState.ACTIVE,
            )
        )
    batch.transitions.append(Transition(FAILED, Move.GIVE_UP, AT, "permanent"))
    opened.stage(batch)
    opened.flush()
    yield opened
    opened.close()


def state(store: SqliteStore, message_id: bytes) -> MessageState:
    found = store.queue.show(message_id)
    assert found is not None
    return found[0].state


@pytest.mark.usefixtures("store")
def test_messages_are_listed_by_state_and_provider(site: Site) -> None:
    rows = site.done("queue", "list", "-o", "json").json
    assert {row["message_id"]: row["state"] for row in rows} == {
        WAITING.hex(): "queued",
        ACTIVE.hex(): "active",
        FAILED.hex(): "failed",
    }
    (failed,) = site.done("queue", "list", "--state", "failed", "--provider", "shop", "-o", "json").json
    assert (failed["reason"], failed["received_at"]) == ("permanent", "2027-01-15T08:00:00Z")
    assert site.done("queue", "list", "--provider", "nobody").out == ""
    assert "may be more" in site.done("queue", "list", "--limit", 2).err


@pytest.mark.usefixtures("store")
def test_a_message_is_shown_by_the_beginning_of_its_id(site: Site) -> None:
    assert site.done("queue", "show", "10", "-o", "json").json["message_id"] == WAITING.hex()
    assert WAITING.hex() in site.done("queue", "show", WAITING.hex().upper()).out
    assert site("queue", "show", "2").code == 2
    assert site("queue", "show", "9").code == 4
    assert site("queue", "show", "xyz").code == 2


def test_a_message_is_held_and_released(site: Site, store: SqliteStore) -> None:
    before = store.registry.versions()[1]
    (row,) = site.done("queue", "hold", "10", "--reason", "asked to", "-o", "json").json
    assert (row["was"], row["state"]) == ("queued", "held")
    assert state(store, WAITING) is MessageState.HELD
    assert store.registry.versions()[1] > before  # the gateway is told
    assert site.done("queue", "show", "10", "-o", "json").json["reason"] == "asked to"
    site.done("queue", "release", "10")
    assert state(store, WAITING) is MessageState.QUEUED


def test_a_failed_message_is_retried(site: Site, store: SqliteStore) -> None:
    site.done("queue", "retry", "21")
    assert state(store, FAILED) is MessageState.QUEUED


@pytest.mark.parametrize("verb", ["hold", "release", "retry"])
def test_an_active_message_is_not_moved_and_the_reason_is_said(
    site: Site, store: SqliteStore, verb: str
) -> None:
    result = site("queue", verb, "22")
    assert result.code == 6
    assert "being sent right now" in result.err
    assert state(store, ACTIVE) is MessageState.ACTIVE


def test_of_several_those_that_can_be_moved_are(site: Site, store: SqliteStore) -> None:
    result = site("queue", "drop", "--yes", "10", "22", "21")
    assert result.code == 6
    assert result.out.count("dropped") == 2
    assert state(store, WAITING) is state(store, FAILED) is MessageState.DROPPED


def test_dropping_asks_first(site: Site, store: SqliteStore) -> None:
    assert site("queue", "drop", "10").code == 130  # nobody answers
    assert state(store, WAITING) is MessageState.QUEUED
