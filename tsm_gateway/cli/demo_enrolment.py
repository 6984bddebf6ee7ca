"""The demo's first act: handsets of different makes get their keys and their application, each step told.

Keys come to the crypto element through channel 1, the signed application to the app element, which is a card
of its own, through channel 2. Who has both may pay.
"""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import click

from tsm_gateway.cli.demo_process import DemoFailed
from tsm_gateway.cli.demo_stage import ADDRESS, GATEWAY_NUMBER, HOST
from tsm_gateway.cli.virtual_cards import card_of, import_card, with_agent
from tsm_gateway.cli.virtual_delivery import deliver_through_channel_2
from tsm_gateway.cli.virtual_enrolment import Service, enrol_through_channel_1, opened_store
from tsm_gateway.cli.virtual_handsets import Makers, finished, new_handset
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.virtual.card import Card
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.identity import Kind
from tsm_gateway.virtual.personalised import Subscription
from tsm_gateway.virtual.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.cli.demo_stage import Stage
    from tsm_gateway.virtual.party_records import HandsetRecord

    Say = Callable[[str], None]
    Tell = Callable[[str, str], None]

# What the elements sign with, and what their key packages are sealed to.
MAKES = {
    Kind.P256: "EC P-256, HPKE",
    Kind.ED25519: "Ed25519 with an X25519 key certificate, HPKE",
    Kind.RSA: "RSA-2048, OAEP",
}
START_S = 30.0
POLL_S = 0.05


class Parties(NamedTuple):
    """Who takes part, all enrolled."""

    handsets: list[Handset]
    provider: Provider
    installed: int  # applications on their cards, all of them through channel 2


class Outfitted(NamedTuple):
    """A handset when the gateway is done with it."""

    record: HandsetRecord
    card: Card
    installed: int


async def until_listening(*ports: int) -> None:
    """Return once the provisioning service takes connections on all `ports`. Raises TimeoutError."""
    async with asyncio.timeout(START_S):
        for port in ports:
            while not await _is_open(port):
                await asyncio.sleep(POLL_S)


async def _is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True


async def outfit_handsets(stage: Stage, say: Say, tell: Tell) -> Parties:
    """Enrol a handset of every make, and deliver to it, one after the other.

    `tell` hears of each step of a payment. The agents block, so they run in a thread; when this is cancelled,
    that ends at its next pause. Raises DemoFailed, and what the channels raise.
    """
    over = threading.Event()
    try:
        outfitted = await asyncio.to_thread(_outfit_all, stage, say, over)
    finally:
        over.set()
    provider = stage.provider
    for each in outfitted:
        provider = finished(provider, each.record)
    phones = [
        Handset(each.record, card=each.card, gateway=GATEWAY_NUMBER, seed=seed, tell=tell)
        for seed, each in enumerate(outfitted)
    ]
    return Parties(phones, Provider(provider), sum(each.installed for each in outfitted))


def _outfit_all(stage: Stage, say: Say, over: threading.Event) -> list[Outfitted]:
    def pause(pause_s: float) -> None:
        if over.wait(pause_s):
            raise DemoFailed

    def tell(device_id: str, step: str, what: str) -> None:
        say(f"{device_id}  {step:<11} {what}")

    outfitted = []
    for kind in MAKES:
        pause(0)
        outfitted.append(_outfit(stage, kind, Service(stage.url, tell, pause)))
        say("")
    return outfitted


def _outfit(stage: Stage, kind: Kind, channel_1: Service) -> Outfitted:
    """One handset, from its makers to its first payment."""
    made = new_handset(
        Makers(stage.issuer, kind, stage.tsm),
        Subscription("", stage.settings.gateway.application_port, (ADDRESS,)),
    )
    tell = partial(channel_1.tell, made.device_id)
    tell("certificate", f"{MAKES[kind]}; issued by its maker")
    card = _known_card(stage, made)
    tell("card", f"app element {card.state.profile.app_se.hex()}, empty; its issuer's keys imported")
    made = with_agent(made, card.state, stage.cards)
    record = enrol_through_channel_1(channel_1, made, lambda _: None)
    delivered = deliver_through_channel_2(channel_1._replace(url=stage.delivery_url), record, card)
    tell("active", click.style("payments are accepted", fg="green"))
    return Outfitted(record, card, delivered.installed)


def _known_card(stage: Stage, made: HandsetRecord) -> Card:
    """A card for the handset; the store has its line of the issuer's manifest."""
    state = card_of(made, stage.cards)
    with opened_store(stage.settings) as store:
        import_card(store.delivery, read_master(stage.settings.keys.master), state, int(time.time()))
        store.flush()
    return Card(state)
