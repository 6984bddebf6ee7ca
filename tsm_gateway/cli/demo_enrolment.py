"""The demo's first act: handsets of different makes enrol through channel 1, each step told."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import click

from tsm_gateway.cli.demo_process import DemoFailed
from tsm_gateway.cli.demo_stage import ADDRESS, GATEWAY_NUMBER, HOST
from tsm_gateway.cli.virtual_enrolment import Service, activate, enrol_through_channel_1
from tsm_gateway.cli.virtual_handsets import Makers, finished, new_handset
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.identity import Kind
from tsm_gateway.virtual.personalised import Subscription
from tsm_gateway.virtual.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.cli.demo_stage import Stage
    from tsm_gateway.virtual.party_records import HandsetRecord

    Say = Callable[[str], None]

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


async def until_listening(port: int) -> None:
    """Return once the provisioning service takes connections. Raises TimeoutError."""
    async with asyncio.timeout(START_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(POLL_S)
            else:
                writer.close()
                return


async def enrol_handsets(stage: Stage, say: Say) -> Parties:
    """Enrol a handset of every make, one after the other, and let them pay.

    The agents block, so they run in a thread; when this is cancelled, that ends at its next pause.
    """
    over = threading.Event()
    try:
        records = await asyncio.to_thread(_enrol_all, stage, say, over)
    finally:
        over.set()
    provider = stage.provider
    for record in records:
        provider = finished(provider, record)
    phones = [Handset(record, gateway=GATEWAY_NUMBER, seed=seed) for seed, record in enumerate(records)]
    return Parties(phones, Provider(provider))


def _enrol_all(stage: Stage, say: Say, over: threading.Event) -> list[HandsetRecord]:
    def pause(pause_s: float) -> None:
        if over.wait(pause_s):
            raise DemoFailed

    def tell(device_id: str, step: str, what: str) -> None:
        say(f"{device_id}  {step:<11} {what}")

    service = Service(stage.url, tell, pause)
    records = []
    for kind, made_of in MAKES.items():
        if over.is_set():
            raise DemoFailed
        made = new_handset(
            Makers(stage.issuer, kind, stage.tsm),
            Subscription("", stage.settings.gateway.application_port, (ADDRESS,)),
        )
        tell(made.device_id, "certificate", f"{made_of}; issued by its maker")
        records.append(enrol_through_channel_1(service, made, lambda _: None))
        activate(stage.settings, [made.device_id], int(time.time()))
        tell(made.device_id, "active", click.style("payments are accepted", fg="green"))
        say("")
    return records
