"""`tsm-gateway demo`: payments from virtual handsets through the real daemon to a virtual provider."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import signal
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.demo_application import publish_for_all
from tsm_gateway.cli.demo_enrolment import MAKES, START_S, Parties, outfit_handsets, until_listening
from tsm_gateway.cli.demo_process import DaemonProcess
from tsm_gateway.cli.demo_stage import PASSWORD, SYSTEM_ID, set_up
from tsm_gateway.cli.demo_story import Approval, Story
from tsm_gateway.virtual.smsc import VirtualSmsc
from tsm_gateway.virtual.smsc_options import Account, SmscOptions
from tsm_gateway.virtual.smsc_receipt import ReceiptStyle

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.virtual.part import Part

    Say = Callable[[str], None]

CURRENCY = "EUR"
PER_PAYMENT_S = 0.25  # of patience, on top of START_S
TOGETHER = 20  # payments on their way at the same time, where each has one line
POLL_S = 0.002
CTI_OCTETS = 8
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130  # as a shell says it: 128 and SIGINT


@click.command()
@click.option("--payments", type=click.IntRange(1, 100_000), default=10, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is a JSON summary.")
@click.option("--keep-running", is_flag=True, help="Stay up after the payments, until Ctrl-C.")
def demo(*, payments: int, as_json: bool, keep_running: bool) -> int:
    """Show payments travelling end to end, with everything embedded.

    Starts a virtual message centre and the real gateway, relay and provisioning, as two processes on a
    temporary store; publishes a signed payment application. Virtual handsets get their keys through channel
    1 and the application through channel 2, then they pay. Shows every step and every hop, ends with a
    summary. Exit code 0 only when every payment was delivered once and verified by its provider.

    \b
    Example: tsm-gateway demo --payments 20 --json
    """
    say = partial(click.echo, err=as_json)
    try:
        with tempfile.TemporaryDirectory(prefix="tsm-gateway-demo-") as folder:
            story = asyncio.run(_run(Path(folder), payments, say, keep_running=keep_running))
    except asyncio.CancelledError:
        say("interrupted: everything was stopped and the temporary store removed")
        return INTERRUPTED
    good = story.delivered == payments and not story.duplicates and not story.refused
    good = good and story.installed == story.enrolled
    _conclude(story, payments, say)
    if as_json:
        click.echo(json.dumps(_summary(story, payments)))
    return 0 if good else 1


async def _run(folder: Path, payments: int, say: Say, *, keep_running: bool) -> Story:
    """The whole demo; returns what was seen."""
    task = asyncio.current_task()
    if task is not None:
        _on_signal(task.cancel)
    story = Story(payments, say)
    options = SmscOptions(receipts=ReceiptStyle())
    smsc = VirtualSmsc({SYSTEM_ID: Account(PASSWORD)}, options=options)
    async with smsc:
        say(f"message centre on 127.0.0.1:{smsc.port}; making keys, certificates, a store and a provider")
        stage = await asyncio.to_thread(set_up, folder, smsc.port)
        say(await asyncio.to_thread(publish_for_all, stage))
        async with (
            DaemonProcess(stage.config, "run", story.logged) as gateway,
            DaemonProcess(stage.config, "provisioning", lambda _: None) as provisioning,
        ):
            await gateway.meanwhile(smsc.until_bound(1, START_S))
            await provisioning.meanwhile(until_listening(stage.channel_1, stage.channel_2))
            say(f"gateway bound; {len(MAKES)} handsets get keys (channel 1) and application (channel 2)\n")
            parties = await provisioning.meanwhile(outfit_handsets(stage, say, story.stepped))
            story.enrolled, story.installed = len(parties.handsets), parties.installed
            smsc.subscribe(partial(_arrived, parties, story), parties.provider.record.msisdn)
            say("payments begin\n")
            await _pay(smsc, parties, story, payments, gateway)
            if keep_running:
                await _stay(stage.config, say)
    return story


def _arrived(parties: Parties, story: Story, part: Part) -> None:
    opened = parties.provider.receive(part)
    if opened is not None:
        story.opened(opened)


def _on_signal(tell: Callable[[], object]) -> None:
    """Call `tell` at the first signal that ends a program; no further one disturbs the clearing away."""
    loop = asyncio.get_running_loop()

    def told() -> None:
        for each in SIGNALS:
            loop.add_signal_handler(each, lambda: None)
        tell()

    for each in SIGNALS:
        loop.add_signal_handler(each, told)


async def _pay(
    smsc: VirtualSmsc, parties: Parties, story: Story, payments: int, gateway: DaemonProcess
) -> None:
    """Send the payments and wait until each was delivered and its receipt came.

    Told hop by hop they go one after the other; otherwise a few are on their way at the same time.
    """
    amounts = random.Random(payments)  # noqa: S311 - prices, not keys
    for number in range(payments):
        handset = parties.handsets[number % len(parties.handsets)]
        amount = f"{amounts.randint(100, 9999) / 100:.2f}"
        piv, cti = handset.next_piv, secrets.token_bytes(CTI_OCTETS)
        address = parties.provider.record.address
        story.begins(Approval(handset, piv, cti, f"{amount} {CURRENCY}"))
        parts = handset.pay(address, amount, CURRENCY, at=int(time.time()), cti=cti)
        story.sent(parts)
        smsc.send(parts)
        if story.each_hop:
            await _wait(lambda: story.receipts, number + 1, gateway)
            story.pause()
        else:
            await _wait(lambda: story.delivered, number + 1 - TOGETHER, gateway)
    await _wait(lambda: story.receipts, payments, gateway)


async def _wait(count: Callable[[], int], wanted: int, gateway: DaemonProcess) -> None:
    """Wait until `count` is `wanted`, the gateway ends or patience does; the books show what is missing."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_S + max(wanted, 0) * PER_PAYMENT_S):
            while count() < wanted and not gateway.ended.is_set():
                await asyncio.sleep(POLL_S)


async def _stay(config: Path, say: Say) -> None:
    """Keep everything up until Ctrl-C."""
    say(f"\nstill running; try: tsm-gateway --config {config} status    (Ctrl-C ends)")
    told = asyncio.Event()
    _on_signal(told.set)
    await told.wait()


def _summary(story: Story, payments: int) -> dict[str, float]:
    return {
        "enrolled": story.enrolled,
        "installed": story.installed,
        "payments": payments,
        "delivered": story.delivered,
        "duplicates": story.duplicates,
        "refused": story.refused,
        "lost": payments - story.delivered,
        "seconds": round(story.seconds, 3),
    }


def _conclude(story: Story, payments: int, say: Say) -> None:
    """The summary for people."""
    books = _summary(story, payments)
    good = books["lost"] == books["duplicates"] == books["refused"] == 0
    if not story.each_hop:
        say("")
    say(
        click.style(
            f"{books['delivered']} of {payments} payments delivered once and verified by their provider "
            f"in {books['seconds']} s; {books['duplicates']} doubled, {books['refused']} refused, "
            f"{books['lost']} lost; {story.receipts} delivery receipts",
            fg="green" if good else "red",
        )
    )
