"""Deliveries that go wrong: cuts, torn cards, late and double answers, rivals, a store that is busy."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.daemon.delivery_world import (
    BEGIN,
    V1,
    V2,
    Agent,
    DeliveryRig,
    DeliveryWorld,
    Handset,
    delivered,
    installed,
)
from tsm_gateway.daemon.delivery_answers import (
    CardUnknown,
    DeviceNotRegistered,
    ResponsesMalformed,
    ScriptAnswer,
    ScriptOutOfTurn,
    ScriptRequest,
    SessionOver,
    TooManySessions,
)
from tsm_gateway.daemon.provisioning_answers import DeviceSuspended, VirtualDeviceRefused
from tsm_gateway.registry.card import CardKeyState
from tsm_gateway.registry.suspension import SuspensionKind
from tsm_gateway.relay.interfaces import StoreBusy
from tsm_gateway.virtual.card import Moment
from tsm_gateway.virtual.errors import CardTorn

if TYPE_CHECKING:
    from pathlib import Path

HEALED = {"pay": ("1.0.0", "installed")}


async def _wanted(rig: DeliveryRig, size: int = 3000, **handset: object) -> Handset:
    await rig.publish(size=size)
    await rig.assign()
    return await rig.handset(**handset)  # type: ignore[arg-type]


def _whole(rig: DeliveryRig, handset: Handset) -> None:
    """Nothing is half there, on either side."""
    assert rig.applications(handset) == HEALED
    assert rig.state(handset) == "active"
    assert len(handset.card.state.load_files) == len(handset.card.state.instances) == 1
    assert rig.card_keys(handset)[0] == (handset.card.state.key_sets[0].kvn, "current")
    assert len(handset.card.state.key_sets) == 1
    assert all(state == "done" for _, state in rig.jobs(handset)), rig.jobs(handset)


async def _scripts(folder: Path) -> int:
    async with DeliveryRig(DeliveryWorld(folder)) as rig:
        handset = await _wanted(rig)
        await handset.agent.run()
        return handset.agent.scripts


def test_a_cut_at_every_script_is_healed_by_the_next_session(tmp_path: Path) -> None:
    (tmp_path / "count").mkdir()
    scripts = asyncio.run(_scripts(tmp_path / "count"))
    assert scripts > 6

    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        for cut_at in range(scripts):
            for carried in (False, True):  # whether the card had the script that was cut
                handset = await rig.handset(f"se-{cut_at}-{carried}")
                script = await handset.agent.begin()
                for _ in range(cut_at):
                    script = await handset.agent.post(handset.agent.carry(script))
                if carried:
                    handset.agent.carry(script)
                handset.card.power_on()  # the handset was off for a while
                await handset.agent.run()
                _whole(rig, handset)

    delivered(tmp_path, story)


@pytest.mark.parametrize("moment", Moment)
def test_a_card_torn_at_every_command_is_healed(tmp_path: Path, moment: Moment) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish(size=1000)
        await rig.assign()
        commands = 0

        def count(at: Moment, _apdu: bytes) -> bool:
            nonlocal commands
            commands += at is moment
            return False

        await (await rig.handset("se-count", tear=count)).agent.run()
        assert commands >= 5
        for tear_at in range(commands):
            left = [tear_at]

            def tear(at: Moment, _apdu: bytes, left: list[int] = left) -> bool:
                left[0] -= at is moment
                return at is moment and left[0] == -1

            handset = await rig.handset(f"se-{tear_at}", tear=tear)
            await handset.agent.run()
            assert left[0] < 0, "the card was torn"
            _whole(rig, handset)

    delivered(tmp_path, story)


def test_the_same_post_again_gets_the_same_script(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        agent = handset.agent
        script = await agent.begin()
        assert await agent.begin() == script, "a first script that nobody answered is given again"
        while not script.done:
            asked = agent.carry(script)
            script = await agent.post(asked)
            for _ in range(3):
                assert await agent.post(asked) == script
        _whole(rig, handset)
        assert rig.job(handset).attempts == 1

    delivered(tmp_path, story)


def test_another_answer_to_a_script_that_was_answered_ends_the_session(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        agent = handset.agent
        first = agent.carry(await agent.begin())
        second = await agent.post(first)
        with pytest.raises(ScriptOutOfTurn):
            await agent.post(first._replace(responses=(b"\x6a\x82",)))
        with pytest.raises(SessionOver):
            await agent.post(agent.carry(second))
        with pytest.raises(SessionOver):
            await agent.post(first)
        await agent.run()
        _whole(rig, handset)
        assert ("application.deliver", "refused", "script-out-of-turn") in rig.acts(handset.device)

    delivered(tmp_path, story)


@pytest.mark.parametrize("number", [-2, -1, 1, 2])
def test_answers_out_of_turn_end_the_session(tmp_path: Path, number: int) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        agent = handset.agent
        script = await agent.begin()
        for _ in range(3):
            script = await agent.post(agent.carry(script))
        asked = agent.carry(script)
        with pytest.raises(ScriptOutOfTurn):
            await agent.post(asked._replace(number=asked.number + number))
        with pytest.raises(SessionOver):
            await agent.post(asked)
        handset.card.power_on()
        await agent.run()
        _whole(rig, handset)

    delivered(tmp_path, story)


def test_answers_without_a_session_are_out_of_turn_or_over(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        with pytest.raises(ScriptOutOfTurn):
            await handset.agent.post(ScriptRequest("", 0, (b"\x90\x00",)))
        with pytest.raises(ScriptOutOfTurn):
            await handset.agent.post(ScriptRequest("", 1, ()))
        with pytest.raises(SessionOver):
            await handset.agent.post(ScriptRequest("0" * 32, 1, (b"\x90\x00",)))
        assert rig.jobs(handset) == []

    delivered(tmp_path, story)


@pytest.mark.parametrize(
    "responses",
    [(), (b"\x90\x00",) * 30, (b"\x90",), (b"\x6a\x82", b"\x90\x00"), (bytes(259),)],
    ids=["none", "too many", "no status", "beyond an error", "too long"],
)
def test_what_is_no_answer_of_a_card_is_refused_and_the_job_waits(
    tmp_path: Path, responses: tuple[bytes, ...]
) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        script = await handset.agent.begin()
        with pytest.raises(ResponsesMalformed):
            await handset.agent.post(ScriptRequest(script.session, script.number, responses))
        job = rig.job(handset, "renew-keys")
        assert (job.state.value, job.reason) == ("queued", "script-answers-malformed")
        assert job.due_at == rig.world.now + 30
        again = await handset.agent.begin()
        assert (again.done, again.retry_after_s) == (True, 30)
        rig.world.now += 30
        await handset.agent.run()
        _whole(rig, handset)

    delivered(tmp_path, story)


def test_the_newest_agent_wins(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        one, two = handset.agent, rig.agent(handset.card)
        script = await one.begin()
        for _ in range(4):
            script = await one.post(one.carry(script))
        first = await two.begin()
        assert first.commands
        with pytest.raises(SessionOver):
            await one.post(one.carry(script))
        with pytest.raises(SessionOver):  # nor with the number of the other's session
            await one.post(ScriptRequest(first.session, first.number, (b"\x90\x00",)))
        handset.card.power_on()
        await two.run()
        _whole(rig, handset)
        (taken, _done) = rig.logged("delivery.session_ended")
        assert taken["reason"] == "taken-over"

    delivered(tmp_path, story)


def test_an_agent_speaks_for_its_own_card_only(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        mine = await _wanted(rig)
        other = await rig.handset("other")
        script = await mine.agent.begin()
        asked = mine.agent.carry(script)
        with pytest.raises(SessionOver):
            await other.agent.post(asked)
        script = await mine.agent.post(asked)
        assert not script.done

    delivered(tmp_path, story)


def test_an_agent_that_never_answers_is_given_up_after_eight_sessions(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        waits = []
        for _ in range(8):
            script = await handset.agent.begin()
            assert script.commands
            rig.world.now += 301
            await rig.parts.delivery.expire(300)
            assert len(rig.parts.delivery.sessions) == 0
            job = rig.job(handset, "renew-keys")
            waits.append(max(job.due_at - rig.world.now, 0))
            rig.world.now += waits[-1]
        job = rig.job(handset, "renew-keys")
        assert (job.state.value, job.reason) == ("failed", "agent-silent")
        assert waits == [0, 0, 0, 0, 179, 659, 1619, 0]
        assert len(rig.logged("delivery.postponed")) == 7
        (given_up,) = rig.logged("delivery.failed")
        assert (given_up["reason"], given_up["attempts"]) == ("agent-silent", 8)
        answer = await handset.agent.begin()
        assert (answer.done, answer.retry_after_s) == (True, 86_400), "keys rest for a day"
        assert rig.applications(handset) == {"pay": ("1.0.0", "assigned")}
        rig.world.now += 86_400
        await handset.agent.run()
        assert rig.state(handset) == "active"

    delivered(tmp_path, story)


def test_a_session_is_not_over_while_its_agent_answers(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        script = await handset.agent.begin()
        while not script.done:
            rig.world.now += 299
            await rig.parts.delivery.expire(300)
            script = await handset.agent.post(handset.agent.carry(script))
        _whole(rig, handset)

    delivered(tmp_path, story)


async def _begun_in_turns(rig: DeliveryRig, *agents: Agent) -> tuple[int, ScriptAnswer]:
    """Agents of one card that begin by turns, until nothing is begun any more: how many times one was."""
    for begun in range(20):
        answer = await agents[begun % len(agents)].begin()
        if answer.done:
            return begun, answer
    pytest.fail("it goes on and on")


def test_agents_that_take_over_from_each_other_use_up_no_attempts_within_seconds(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        rival = rig.agent(handset.card)
        begun, answer = await _begun_in_turns(rig, handset.agent, rival)
        assert (begun, answer.retry_after_s) == (2, 60), "the first time at once: an answer may have got lost"
        job = rig.job(handset, "renew-keys")
        assert (job.state.value, job.reason, job.attempts) == ("queued", "agent-silent", 2)
        assert job.due_at == rig.world.now + 60
        (line,) = rig.logged("delivery.postponed")
        assert (line["reason"], line["retry_in_s"]) == ("agent-silent", 60)
        for _ in range(50):
            assert (await rival.begin()).done
        assert rig.job(handset, "renew-keys") == job
        rig.world.now += 60
        await handset.agent.run()
        _whole(rig, handset)

    delivered(tmp_path, story)


def test_what_is_put_off_without_a_session_says_which_version_of_what_on_which_device(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        script = await handset.agent.begin()
        while rig.job(handset, "renew-keys").state.value != "done":
            script = await handset.agent.post(handset.agent.carry(script))
        await _begun_in_turns(rig, handset.agent, rig.agent(handset.card))
        line = rig.logged("delivery.postponed")[-1]
        assert (line["kind"], line["application"], line["version"]) == ("install", "pay", "1.0.0")
        assert (line["device"], line["reason"]) == (rig.job(handset, "install").device_id, "agent-silent")

    delivered(tmp_path, story)


def test_begun_again_and_again_a_job_is_given_up_after_hours(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        rival, began_at, begun = rig.agent(handset.card), rig.world.now, 0
        for _ in range(8):
            times, answer = await _begun_in_turns(rig, handset.agent, rival)
            begun += times
            if rig.job(handset, "renew-keys").state.value == "failed":
                break
            assert answer.retry_after_s
            rig.world.now += answer.retry_after_s
        assert begun == 8
        assert rig.world.now - began_at == sum((60, 120, 240, 480, 960, 1920))
        job = rig.job(handset, "renew-keys")
        assert (job.state.value, job.reason) == ("failed", "agent-silent")

    delivered(tmp_path, story)


def test_answers_out_of_turn_use_up_no_attempts_within_seconds(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        for _ in range(2):
            script = await handset.agent.begin()
            with pytest.raises(ScriptOutOfTurn):
                await handset.agent.post(ScriptRequest(script.session, script.number + 1, (b"\x90\x00",)))
        assert (await handset.agent.begin()).done
        job = rig.job(handset, "renew-keys")
        assert (job.state.value, job.attempts, job.due_at) == ("queued", 2, rig.world.now + 60)

    delivered(tmp_path, story)


def test_who_was_away_longer_than_a_job_would_wait_goes_on_at_once(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        for _ in range(2):
            script = await handset.agent.begin()
            await handset.agent.post(handset.agent.carry(script))
        rig.world.now += 60
        handset.card.power_on()
        await handset.agent.run()
        _whole(rig, handset)

    delivered(tmp_path, story)


def test_a_late_answer_finds_its_session_over_and_harms_nothing(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        script = await handset.agent.begin()
        for _ in range(3):
            script = await handset.agent.post(handset.agent.carry(script))
        asked = handset.agent.carry(script)
        rig.world.now += 301
        await rig.parts.delivery.expire(300)
        with pytest.raises(SessionOver):
            await handset.agent.post(asked)
        handset.card.power_on()
        rig.world.now += 3600
        await handset.agent.run()
        _whole(rig, handset)

    delivered(tmp_path, story)


def test_a_busy_store_lets_no_script_leave_and_the_same_post_repeats_cleanly(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        agent = handset.agent
        script, refused = await _busy_first(rig, agent, BEGIN), 0
        while not script.done:
            told = len(agent.told)
            script = await _busy_first(rig, agent, agent.carry(script))
            refused += len(agent.told) - told == 1
        assert refused == 3, "keys and the ends of two jobs; blocks alone wait for no disk"
        _whole(rig, handset)
        assert rig.job(handset).attempts == 1

    delivered(tmp_path, story)


async def _busy_first(rig: DeliveryRig, agent: Agent, asked: ScriptRequest) -> ScriptAnswer:
    """The answer to a post that came a first time while the store was busy."""
    told = None
    with _locked(rig), suppress(StoreBusy):
        told = await agent.post(asked)
    again = await agent.post(asked)
    assert told in (None, again), "what was told without the store needed nothing of it"
    return again


class _locked:  # noqa: N801 - reads as a word
    """The write lock is held by an operator's command, and nobody is patient."""

    def __init__(self, rig: DeliveryRig) -> None:
        self.path = rig.store._path

    def __enter__(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("tsm_gateway.daemon.committer.PATIENCE_S", 0.0)
        self.lock = sqlite3.connect(self.path, isolation_level=None)
        self.lock.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self.lock.execute("ROLLBACK")
        self.lock.close()
        self.patch.undo()


def test_another_post_while_a_turn_is_owed_ends_the_session(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig, size=20_000)
        agent = handset.agent
        script = await agent.begin()
        while not (script.job and script.job.blocks_done):
            script = await agent.post(agent.carry(script))
        asked = agent.carry(script)
        rig.world.now += 2  # what the store says of blocks is due
        with _locked(rig), pytest.raises(StoreBusy):
            await agent.post(asked)
        with pytest.raises(ScriptOutOfTurn):
            await agent.post(asked._replace(responses=asked.responses[:1]))
        handset.card.power_on()
        await agent.run()
        _whole(rig, handset)

    delivered(tmp_path, story)


def test_a_caller_that_goes_away_leaves_the_turn_to_its_end(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        agent = handset.agent
        script = await agent.begin()
        while not script.done:
            asked = agent.carry(script)
            task = asyncio.create_task(agent.post(asked))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            script = await agent.post(asked)
        _whole(rig, handset)
        assert rig.job(handset).attempts == 1

    delivered(tmp_path, story)


def test_a_restart_in_the_middle_is_healed(tmp_path: Path) -> None:
    async def play() -> None:
        world = DeliveryWorld(tmp_path)
        async with DeliveryRig(world) as rig:
            handset = await _wanted(rig)
            script = await handset.agent.begin()
            for _ in range(5):
                script = await handset.agent.post(handset.agent.carry(script))
            asked = handset.agent.carry(script)
        async with DeliveryRig(world) as rig:
            handset.agent.rig = rig
            with pytest.raises(SessionOver):
                await handset.agent.post(asked)
            handset.card.power_on()
            await handset.agent.run()
            _whole(rig, handset)

    asyncio.run(play())


def test_a_lost_answer_to_put_key_never_locks_a_card_out(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        torn: list[bool] = []

        def tear(at: Moment, apdu: bytes) -> bool:
            hit = at is Moment.WRITTEN and apdu[1] == 0xD8 and not torn
            torn.extend([True] * hit)
            return hit

        await rig.publish()
        await rig.assign()
        handset = await rig.handset(tear=tear)
        script = await handset.agent.begin()
        script = await handset.agent.post(handset.agent.carry(script))
        with pytest.raises(CardTorn):
            handset.agent.carry(script)
        assert rig.card_keys(handset) == [(0x31, "pending"), (0x30, "transport")]
        assert [keys.kvn for keys in handset.card.state.key_sets] == [0x31]
        handset.card.power_on()
        await handset.agent.run()
        _whole(rig, handset)

    delivered(tmp_path, story)


def test_a_key_set_that_never_reached_its_card_is_put_again_the_very_same(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        script = await handset.agent.begin()
        await handset.agent.post(handset.agent.carry(script))  # PUT KEY is in the answer, and is lost
        (pending, _transport) = rig.delivery.card_keys(handset.device.app_se)
        assert pending.state is CardKeyState.PENDING
        rival = rig.agent(handset.card)
        script = await rival.begin()
        for _ in range(2):  # the set that is pending, which the card does not know; then the one it has
            script = await rival.post(rival.carry(script))
        assert rig.delivery.card_keys(handset.device.app_se)[0] == pending
        await rival.post(rival.carry(script))
        assert rig.card_keys(handset) == [(pending.kvn, "current"), (0x30, "retired")]
        assert rig.delivery.card_keys(handset.device.app_se)[0].wrapped == pending.wrapped

    delivered(tmp_path, story)


def test_a_card_that_went_to_another_device_takes_no_session_along(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        script = await handset.agent.begin()
        asked = handset.agent.carry(script)
        await handset.agent.post(asked)
        await rig.write(
            lambda: rig.store.provisioning.terminate(
                handset.device.device_id, reason="new phone", at=rig.world.now
            )
        )
        heir = rig.world.device(common="heir")
        heir.app_se = handset.device.app_se
        await rig.register(heir)
        with pytest.raises(SessionOver):
            await handset.agent.post(asked)
        handset.card.power_on()
        await handset.agent.run()
        _whole(rig, handset._replace(device=heir))

    delivered(tmp_path, story)


def test_a_suspended_device_gets_no_further_script(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        agent, device_id = handset.agent, handset.device.device_id
        script = await agent.begin()
        for _ in range(4):
            script = await agent.post(agent.carry(script))
        await rig.write(
            lambda: rig.store.provisioning.suspend(
                device_id, SuspensionKind.LOST, proof_wanted=False, reason="x", at=rig.world.now
            )
        )
        asked = agent.carry(script)
        for ask in (asked, BEGIN):
            with pytest.raises(DeviceSuspended):
                await agent.post(ask)
        assert len(rig.parts.delivery.sessions) == 0
        assert (await rig.parts.delivery.status(agent.who)).device_state == "suspended"
        await rig.write(lambda: rig.store.provisioning.resume(device_id, reason="found", at=rig.world.now))
        with pytest.raises(SessionOver):
            await agent.post(asked)
        handset.card.power_on()
        await agent.run()
        _whole(rig, handset)

    delivered(tmp_path, story)


def test_a_terminated_device_gets_no_further_script_and_its_jobs_are_cancelled(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        script = await handset.agent.begin()
        script = await handset.agent.post(handset.agent.carry(script))
        await rig.write(
            lambda: rig.store.provisioning.terminate(
                handset.device.device_id, reason="gone", at=rig.world.now
            )
        )
        with pytest.raises(DeviceNotRegistered):
            await handset.agent.post(handset.agent.carry(script))
        assert {state for _, state in rig.jobs(handset)} == {"cancelled"}
        assert len(rig.parts.delivery.sessions) == 0

    delivered(tmp_path, story)


def test_a_device_that_has_not_registered_gets_no_script(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        handset = await rig.handset(register=False)
        with pytest.raises(DeviceNotRegistered):
            await handset.agent.begin()
        await rig.enrol(handset.device)
        with pytest.raises(DeviceNotRegistered):
            await handset.agent.begin()
        (line, _) = rig.logged("delivery.refused")
        assert (line["agent"], line["error"]) == (handset.agent.who.agent_id, "device-not-registered")
        assert line["level"] == "warning"

    delivered(tmp_path, story)


def test_a_card_nobody_imported_gets_no_script(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        await rig.write(lambda: rig.delivery.forget_card(handset.device.app_se, reason="x", at=rig.world.now))
        with pytest.raises(CardUnknown):
            await handset.agent.begin()

    delivered(tmp_path, story)


def test_a_virtual_agent_is_refused_where_real_money_is(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        handset.agent.who = handset.agent.who._replace(test_only=True)
        with pytest.raises(VirtualDeviceRefused):
            await handset.agent.begin()
        with pytest.raises(VirtualDeviceRefused):
            await rig.parts.delivery.status(handset.agent.who)

    delivered(tmp_path, story)


def test_what_is_no_longer_wanted_goes_no_further(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig, size=20_000)
        agent = handset.agent
        script = await agent.begin()
        while not (script.job and script.job.blocks_done):
            script = await agent.post(agent.carry(script))
        await rig.write(lambda: rig.delivery.retire("pay", V1, reason="flaw", at=rig.world.now))
        with pytest.raises(SessionOver):
            await agent.post(agent.carry(script))
        handset.card.power_on()
        await agent.run()
        assert handset.card.state.load_files == ()
        assert rig.job(handset).state.value == "cancelled"
        assert rig.job(handset, "remove").state.value == "done"
        assert rig.applications(handset) == {"pay": ("1.0.0", "removed")}, "and not loading for ever"
        assert rig.state(handset) == "registered"
        second = await rig.publish(V2)
        await agent.run()
        assert installed(handset.card) == [second.digest.hex()]

    delivered(tmp_path, story)


def test_an_upgrade_that_is_retired_in_the_middle_goes_back_to_what_is_left(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await _wanted(rig)
        agent = handset.agent
        await agent.run()
        await rig.publish(V2, size=20_000)
        script = await agent.begin()
        while not (script.job and script.job.blocks_done):
            script = await agent.post(agent.carry(script))
        assert rig.applications(handset) == {"pay": ("2.0.0", "loading")}
        await rig.write(lambda: rig.delivery.retire("pay", V2, reason="flaw", at=rig.world.now))
        with pytest.raises(SessionOver):
            await agent.post(agent.carry(script))
        handset.card.power_on()
        await agent.run()
        assert rig.applications(handset) == HEALED
        assert len(handset.card.state.load_files) == 1
        assert rig.state(handset) == "active"

    delivered(tmp_path, story)


def test_so_many_sessions_and_no_more(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        await rig.publish()
        await rig.assign()
        sessions = rig.parts.delivery.sessions
        sessions._most = 2
        one, two, three = [await rig.handset(f"se-{number}") for number in range(3)]
        await one.agent.begin()
        script = await two.agent.begin()
        with pytest.raises(TooManySessions):
            await three.agent.begin()
        assert rig.jobs(three) == [], "nothing was planned for who could not be served"
        await rig.agent(one.card).begin()  # takes the place of its own
        while not script.done:
            script = await two.agent.post(two.agent.carry(script))
        await three.agent.run()
        _whole(rig, three)

    delivered(tmp_path, story)
