"""Both processes of a gateway between a message centre and phones that enrol, pay, and are given new keys."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from click.testing import CliRunner

from tests.crash.history import Books, Judge, Payment, Verdict
from tests.crash.load import Load, Manner
from tests.crash.stage import OPTIONS
from tests.faults.premises import ADDRESS, MSISDN, NUMBER, PASSWORD, PORT, SYSTEM_ID, Life, Premises
from tsm_gateway.cli.device import device
from tsm_gateway.cli.virtual_handsets import finished
from tsm_gateway.cli.virtual_parties import enrol
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.identity import Kind
from tsm_gateway.virtual.smsc import VirtualSmsc
from tsm_gateway.virtual.smsc_options import Account

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.premises import Phone
    from tests.faults.zygote import Zygote
    from tsm_gateway.registry.standing import Standing
    from tsm_gateway.virtual.part import Part
    from tsm_gateway.virtual.party_records import HandsetRecord

WITHIN_S, POLL_S = 30.0, 0.01


class Town:
    """Use as `async with`; processes that still run at the end are killed."""

    def __init__(self, folder: Path, zygote: Zygote | None, **sections: str) -> None:
        """Without a `zygote` processes are started in full; `sections` as of `Premises.configure`."""
        self.folder, self._zygote, self._sections = folder, zygote, sections
        self.books = Books()
        self.smsc = VirtualSmsc({SYSTEM_ID: Account(PASSWORD)}, options=OPTIONS, observer=self.books.note)
        self.smsc.subscribe(self.books.received.append, MSISDN)
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._exits.enter_async_context(self.smsc)
        premises = Premises(self.folder, self._zygote, smsc_port=self.smsc.port)
        self.premises = self._exits.enter_context(premises)
        self.provider = premises.provider
        premises.configure(**self._sections)
        await self.start_relay()
        await self.start_provisioning()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.premises.__exit__()  # ahead of the message centre, which would wait for an unbind
        await self._exits.aclose()

    # processes

    async def start_relay(self) -> None:
        self.relay = await self._started("run")

    async def start_provisioning(self) -> None:
        self.provisioning = await self._started("provisioning")

    async def killed(self, life: Life) -> None:
        await asyncio.to_thread(life.kill)

    async def stopped(self) -> list[int]:
        """End both in order; their exit statuses."""
        return [await asyncio.to_thread(life.stop) for life in (self.provisioning, self.relay)]

    async def _started(self, verb: str) -> Life:
        return await asyncio.to_thread(self.premises.start(verb).ready)

    async def until(
        self, condition: Callable[[], object], what: str, within_s: float = WITHIN_S, every_s: float = POLL_S
    ) -> None:
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    await asyncio.sleep(every_s)
        except TimeoutError:
            tails = [life.tail() for life in (self.relay, self.provisioning)]
            raise AssertionError("\n".join([f"not within {within_s:g} s: {what}", *tails])) from None

    # phones

    async def active_phone(self, kind: Kind = Kind.P256) -> Phone:
        """One that enrolled and may pay."""
        phone = self.premises.phone(kind)
        await asyncio.to_thread(phone.enrol)
        with self.premises.opened() as store:
            store.provisioning.activate(phone.record.device_id, reason="delivered", at=int(time.time()))
            store.flush()
        self.provider = finished(self.provider, phone.record)
        return phone

    def operator(self, *words: str) -> None:
        """Run `tsm-gateway device` with `words`."""
        done = CliRunner().invoke(device, list(words), obj=self.premises.config)
        assert done.exit_code == 0, (done.output, done.exception)

    def standing(self, phone: Phone) -> Standing:
        with self.premises.opened() as store:
            found = store.provisioning.standing(phone.record.device_id)
        assert found
        return found

    def states(self, phone: Phone) -> dict[bytes, str]:
        return {key.kid: key.state.value for key in self.standing(phone).keys}

    # payments

    async def pay(self, record: HandsetRecord, amount: str = "12.99") -> tuple[Payment, HandsetRecord]:
        """One payment that is acknowledged, and the record after it."""
        handset = Handset(record, gateway=NUMBER)
        cti = random.randbytes(8)
        parts = tuple(handset.pay(ADDRESS, amount, "EUR", at=int(time.time()), cti=cti))
        payment = self.books.paid[cti] = Payment(cti, record.device_id, amount, parts)
        await asyncio.wait_for(self.smsc.send(parts), WITHIN_S)
        return payment, replace(record, next_piv=handset.next_piv)

    def load(self, count: int, manner: Manner) -> tuple[Load, asyncio.Task[None]]:
        """`count` more handsets, which an operator once put into the store, pay until they are stopped."""
        with self.premises.opened() as store:
            self.provider, records = enrol(
                store.registry,
                self.premises.masters,
                self.provider,
                count=count,
                port=PORT,
                at=self.premises.at,
            )
        handsets = [Handset(record, gateway=NUMBER) for record in records]
        load = Load(self.smsc.send, handsets, self.books, random.Random(1), manner)
        return load, asyncio.create_task(load.run(ADDRESS, time.time), name="load")

    async def verdict(self) -> Verdict:
        """Wait until everything acknowledged is at the provider, and judge."""
        judge = Judge(self.books, self.provider)
        with suppress(AssertionError):  # what is missing is named by the verdict
            await self.until(lambda: not judge.missing(), "all at the provider", every_s=0.1)
        return judge.verdict()

    def inbox(self, phone: Phone, take: Callable[[Part], None]) -> None:
        """What is sent to the phone's number goes to `take`."""
        self.smsc.subscribe(take, phone.record.msisdn)
