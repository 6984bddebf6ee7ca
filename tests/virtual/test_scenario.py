"""A whole run on the virtual SMSC, with a gateway of ten lines, honest and not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tsm_gateway.virtual.air import CALM, Weather
from tsm_gateway.virtual.clock import MovedClock
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.part import Part, read_header
from tsm_gateway.virtual.provider import Provider
from tsm_gateway.virtual.scenario import Outcome, Scenario
from tsm_gateway.virtual.smsc import VirtualSmsc
from tsm_gateway.virtual.smsc_options import Account

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.virtual.conftest import Esme, Relay
    from tsm_gateway.virtual.party_records import HandsetRecord, ProviderRecord

    Connect = Callable[[VirtualSmsc], Awaitable[Esme]]

NOW = 1_760_000_000
ADDRESS = "+4930123456789"
HONEST = "honest"
FRAUDS = {
    "loses one": "missing",
    "seals one twice": "doubled",
    "changes one": "refused",
    "slips one in": "altered",
}


class Gateway:
    """Joins, opens, seals and submits; dishonest if told so."""

    def __init__(self, esme: Esme, relay: Relay, manner: str) -> None:
        self.esme, self.relay, self.manner = esme, relay, manner
        self.held: dict[int | None, dict[int, Part]] = {}
        self.piv = 0
        esme.answer = self.take

    def take(self, pdu: object) -> int:
        octets = bytes(pdu.short_message)  # type: ignore[attr-defined]
        part = Part("", "", 4, 0, octets[: 1 + octets[0]], octets[1 + octets[0] :])
        header = read_header(part.udh)
        held = self.held.setdefault(header.reference, {})
        held[header.number] = part
        if len(held) == header.total:
            self.pass_on([held[number] for number in sorted(held)])
            del self.held[header.reference]
        return 0

    def pass_on(self, parts: list[Part]) -> None:
        self.piv += 1
        if self.piv == 2 and self.manner == "loses one":
            return
        passed_on = self.relay(parts, piv=self.piv)
        if self.piv == 2 and self.manner == "changes one":
            passed_on[1] = passed_on[1]._replace(data=bytes(len(passed_on[1].data)))
        if self.piv == 2 and self.manner == "seals one twice":
            self.piv += 1
            passed_on += self.relay(parts, piv=self.piv)
        for part in passed_on:
            self.esme.submit(part)


@pytest.fixture
def play(
    connect: Connect, handset_record: HandsetRecord, provider_record: ProviderRecord, relay: Relay
) -> Callable[..., Outcome]:
    async def story(manner: str, weather: Weather, count: int) -> Outcome:
        clock = MovedClock(NOW)

        async def sleep(seconds: float) -> None:
            clock.advance(seconds)
            await asyncio.sleep(0)

        async with VirtualSmsc({"tsm": Account("secret")}) as smsc:
            esme = await connect(smsc)
            await esme.bind()
            gateway = Gateway(esme, relay, manner)
            if manner == "slips one in":
                stranger = Handset(replace(handset_record, next_piv=1))
                gateway.pass_on(stranger.pay(ADDRESS, "999.99", "EUR", at=NOW))
            provider = Provider(provider_record)
            scenario = Scenario(
                smsc, [Handset(handset_record)], provider, weather=weather, clock=clock, sleep=sleep
            )
            opened: list[object] = []
            scenario.on_opened = opened.append
            for sending in await scenario.pay(count):
                await sending
            if manner == HONEST and not weather.loss:
                await scenario.until_opened(10)
            await esme.until(lambda: esme.asked <= set(esme.responses))
            assert gateway.piv
            outcome = scenario.outcome()
            assert len(opened) == sum(
                (outcome.opened, outcome.duplicates, len(outcome.doubled), len(outcome.altered))
            )
            await esme.close()
            return outcome

    return lambda *given: asyncio.run(story(*given))


@pytest.mark.parametrize("weather", [CALM, Weather(delay_s=(0.0, 5.0), reordering=0.4)])
def test_an_honest_gateway_balances_the_books(play: Callable[..., Outcome], weather: Weather) -> None:
    outcome = play(HONEST, weather, 12)
    assert outcome == Outcome(12, 12, (), 0, (), (), ())
    assert outcome.holds


def test_lost_parts_are_missing_payments(play: Callable[..., Outcome]) -> None:
    outcome = play(HONEST, Weather(loss=0.2), 12)
    assert 0 < outcome.opened < 12
    assert len(outcome.missing) == 12 - outcome.opened
    assert not outcome.holds


@pytest.mark.parametrize(("manner", "shows_in"), FRAUDS.items())
def test_a_gateway_that_errs_shows_in_the_books(
    play: Callable[..., Outcome], manner: str, shows_in: str
) -> None:
    outcome = play(manner, CALM, 5)
    assert getattr(outcome, shows_in)
    assert not outcome.holds
