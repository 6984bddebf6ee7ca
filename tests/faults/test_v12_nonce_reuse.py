"""V12: one nonce for two texts, which AES-GCM does not survive; it happens on retries after a crash.

A counting sink reads everything that ever leaves toward the provider, over failed commits, lost answers,
throttling and restarts: one (kid, PIV) never stands over two ciphertexts, and a repetition is the same
octets.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tests.relay.rig import Rig
from tsm_gateway.daemon import intake
from tsm_gateway.messages import Fate, Verdict
from tsm_gateway.relay.interfaces import StoreConflict, StoreFull
from tsm_gateway.virtual.packet import read_packet

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tsm_gateway.messages import Submission
    from tsm_gateway.relay.interfaces import Batch, Staged
    from tsm_gateway.virtual.part import Part

PAYMENTS, ROUNDS = 60, 6
FAILING = 1 / 3
FATES = (Fate.ACCEPTED, Fate.ACCEPTED, Fate.ACCEPTED, Fate.BUSY, Fate.TEMPORARY, Fate.UNKNOWN)


class Sink:
    """Everything the provider's side was sent, and what must not be true of it."""

    def __init__(self) -> None:
        self.user_data: dict[tuple[bytes, int], set[bytes]] = {}  # by message id and part
        self.repeated = 0

    def take(self, sent: Iterable[Submission]) -> None:
        """Note parts as they went out."""
        for part in sent:
            known = self.user_data.setdefault(part.part, set())
            self.repeated += part.user_data in known
            known.add(part.user_data)

    def faults(self) -> list[str]:
        """Parts repeated with other octets, and nonces over two ciphertexts."""
        found = [
            f"{part} was repeated with other octets" for part, said in self.user_data.items() if len(said) > 1
        ]
        over: dict[tuple[bytes, int], bytes] = {}
        for message_id in {message_id for message_id, _ in self.user_data}:
            packet = read_packet(self._packet(message_id))
            nonce = packet.kid, packet.piv
            if over.setdefault(nonce, packet.ciphertext) != packet.ciphertext:
                found.append(f"{nonce} stands over two ciphertexts")
        return found

    def _packet(self, message_id: bytes) -> bytes:
        parts = sorted((key[1], said) for key, said in self.user_data.items() if key[0] == message_id)
        bodies = [min(said) for _, said in parts]
        return b"".join(body[body[0] + 1 :] for body in bodies)


def falter(rig: Rig, dice: random.Random) -> None:
    """Let a third of the commits, and of the stagings that accept something, fail: nothing is stored."""
    stage, flush = rig.store.stage, rig.store.flush

    def stage_or_fail(batch: Batch) -> Staged:
        if batch.acceptances and dice.random() < FAILING:
            rig.store._writer._roll_back()
            raise StoreConflict
        return stage(batch)

    def flush_or_fail() -> None:
        if dice.random() < FAILING:
            rig.store._writer._roll_back()
            raise StoreFull
        flush()

    rig.store.stage = stage_or_fail  # type: ignore[method-assign]
    rig.store.flush = flush_or_fail  # type: ignore[method-assign]


async def crash(rig: Rig) -> None:
    """End without a word and start again on what is on disk."""
    await rig.end()
    rig.store._writer._roll_back()
    rig.store.close()
    rig.store = rig.open_store()
    rig.store.recover(int(rig.now))
    rig.store.flush()
    rig.assemble()
    await rig.begin()


async def deliver(rig: Rig, parts: list[Part]) -> None:
    """As a message centre does: again and again until it was taken."""
    while parts:
        verdicts = await rig.offer(parts)
        parts = [part for part, verdict in zip(parts, verdicts, strict=True) if verdict is not Verdict.TAKEN]


def turned(octets: bytes) -> bytes:
    """The same with the last bit turned over."""
    return octets[:-1] + bytes((octets[-1] ^ 1,))


@pytest.mark.parametrize("seed", [12, 13])
def test_no_nonce_serves_twice_over_failed_commits_lost_answers_and_restarts(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "FULL_PAUSE_S", 0.0)
    dice, sink = random.Random(seed), Sink()

    async def run() -> None:
        async with Rig(tmp_path, relay={"attempts": 1000}, devices=2) as rig:
            for _ in range(ROUNDS):
                falter(rig, dice)
                rig.bearer.script.extend(dice.choices(FATES, k=PAYMENTS))
                for _ in range(PAYMENTS // ROUNDS):
                    await deliver(rig, rig.pay(handset=dice.choice(rig.handsets)))
                    rig.now += dice.choice((0, 0, 5))
                await crash(rig)
            rig.bearer.script.clear()
            rig.now += 1000
            assert len(await rig.opened(PAYMENTS)) == PAYMENTS
            sink.take(rig.bearer.sent)

    asyncio.run(run())
    assert sink.faults() == []
    assert sink.repeated  # something was tried again, or this test saw nothing


def test_the_sink_sees_a_second_encryption(tmp_path: Path) -> None:
    """The control: a packet sealed anew under a number that was used."""

    async def run() -> None:
        async with Rig(tmp_path) as rig:
            await rig.offer(rig.pay())
            await rig.opened(1)
            sent = list(rig.bearer.sent)
            sink = Sink()
            sink.take(sent)
            assert sink.faults() == []
            sink.take(part._replace(user_data=turned(part.user_data)) for part in sent)
            assert any("other octets" in fault for fault in sink.faults())
            sink = Sink()
            sink.take(sent)
            sink.take(
                part._replace(part=part.part._replace(message_id=bytes(16)), user_data=turned(part.user_data))
                for part in sent
            )
            assert any("two ciphertexts" in fault for fault in sink.faults())

    asyncio.run(run())
