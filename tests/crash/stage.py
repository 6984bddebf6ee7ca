"""A message centre in this process, the gateway as a process of its own, handsets and a provider."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

from tests.crash.daemon import Daemon, Unexpected
from tests.crash.history import Books, Judge, Verdict
from tests.crash.load import Load, Manner
from tsm_gateway.cli.virtual_parties import enrol, new_provider
from tsm_gateway.keys.master_store import init_master, read_master
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.smsc import VirtualSmsc
from tsm_gateway.virtual.smsc_options import Account, SmscEvent, SmscOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

ADDRESS, MSISDN, NUMBER, PORT = "sp:bank", "+4915300000003", "16500", 16500
SYSTEM_ID, PASSWORD = "tsm", "secret"
HANDSETS = 6
SETTLE_S = 40.0
OPTIONS = SmscOptions(window=50, response_s=5.0, redeliver_s=0.1)

Link = dict[str, Any]
LINK: Link = {
    "name": "air", "host": "127.0.0.1", "system_id": SYSTEM_ID,
    "rebind_min_s": 0.1, "rebind_max_s": 0.5, "denied_s": 0.1,
    "throttle_min_s": 0.1, "throttle_max_s": 0.2,
}  # fmt: skip
RELAY: Mapping[str, Any] = {"retry_first_s": 1.0, "retry_cap_s": 1.0, "attempts": 1000}


class Stage:
    """Use as `async with`; daemons that still run at the end are killed."""

    def __init__(self, folder: Path, seed: int = 0, *, store: Path | None = None, **options: Any) -> None:
        """`store`: the folder of the database, `folder` otherwise; `options`: of VirtualSmsc."""
        self.folder, self.store_folder = folder, store or folder
        self.chance = random.Random(seed)
        self.books = Books()
        self.watch: Callable[[SmscEvent], None] = lambda _event: None
        self.refuse: Callable[[], int | None] = lambda: None  # the status of every submit_sm
        self.smsc = VirtualSmsc(
            {SYSTEM_ID: Account(PASSWORD)},
            observer=self._observe,
            on_submit=lambda _part: self.refuse(),
            **{"options": OPTIONS, **options},
        )
        self.smsc.subscribe(self.books.received.append, MSISDN)
        self.daemons: list[Daemon] = []
        self.config = folder / "gateway.toml"
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._exits.enter_async_context(self.smsc)
        password = self.folder / "password"
        password.touch(0o600)
        password.write_text(PASSWORD)
        self.configure()
        init_master(self.folder / "master.key", secrets.token_bytes(32))
        store = self.open_store()
        try:
            masters = read_master(f"file:{self.folder}/master.key")
            party = new_provider(ADDRESS, MSISDN, "bank")
            self.provider, records = enrol(
                store.registry, masters, party, count=HANDSETS, port=PORT, at=int(time.time())
            )
        finally:
            store.close()
        self.judge = Judge(self.books, self.provider)
        self.handsets = [Handset(record, gateway=NUMBER) for record in records]
        return self

    async def __aexit__(self, *_: object) -> None:
        for daemon in self.daemons:
            if daemon.process.returncode is None:
                await daemon.kill()
        await self._exits.aclose()

    # the gateway

    def configure(self, *links: Link, **relay: Any) -> str:
        """Write the configuration file; `links` differ from LINK in what they say. Returns its text."""
        tables = [{**LINK, "port": self.smsc.port, **link} for link in links or ({},)]
        text = "".join(
            [
                f'[gateway]\nid = "crash"\nsource_address = "{NUMBER}"\n',
                f'[store]\nurl = "sqlite://{self.store_folder}/gateway.db"\nmin_free_mb = 0\n',
                f'[keys]\nmaster = "file:{self.folder}/master.key"\n',
                *(f'[[smpp]]\npassword = "file:{self.folder}/password"\n{_lines(table)}' for table in tables),
                f"[relay]\n{_lines({**RELAY, **relay})}",
                '[log]\nformat = "json"\n[metrics]\nlisten = ""\n',
            ]
        )
        self.config.write_text(text)
        return text

    async def start(self, **how: Any) -> Daemon:
        """Start the gateway; it is not ready yet."""
        daemon = await Daemon.start(self.config, f"daemon-{len(self.daemons)}", **how)
        self.daemons.append(daemon)
        return daemon

    async def running(self, **how: Any) -> Daemon:
        """Start the gateway and wait until it takes payments."""
        daemon = await self.start(**how)
        await daemon.ready()
        return daemon

    async def standby(self) -> Daemon:
        """Start the gateway up to the reading of its configuration."""
        daemon = await Daemon.standby(self.folder, f"daemon-{len(self.daemons)}")
        self.daemons.append(daemon)
        return daemon

    def open_store(self) -> SqliteStore:
        """The store as an operator's command opens it, also beside a running gateway."""
        return SqliteStore.open(
            self.store_folder / "gateway.db", mark=self.folder / "master.key.epoch", exclusive=False
        )

    # what goes on

    def load(self, manner: Manner) -> tuple[Load, asyncio.Task[None]]:
        """Let the handsets pay; who stops the load also awaits the task."""
        load = Load(self.smsc.send, self.handsets, self.books, self.chance, manner)
        return load, asyncio.create_task(load.run(ADDRESS, time.time), name="load")

    @property
    def answered(self) -> int:
        """Parts answered 0 so far, doubles and replays counted."""
        return self.smsc.statistics.delivered

    async def settle(self, daemon: Daemon, load: Load, task: asyncio.Task[None]) -> Verdict:
        """End the load, wait until everything has arrived, and judge."""
        load.stop()
        await task
        await daemon.until(lambda: load.settled and not self.smsc.unanswered, "an answer to all", SETTLE_S)
        return await self.verdict(daemon)

    async def verdict(self, daemon: Daemon) -> Verdict:
        """Wait until the provider has what was acknowledged, and judge."""
        with suppress(Unexpected):  # what is missing is named by the verdict
            await daemon.until(lambda: not self.judge.missing(), "all at the provider", SETTLE_S, every_s=0.1)
        return self.judge.verdict()

    def _observe(self, event: SmscEvent) -> None:
        self.books.note(event)
        self.watch(event)


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_word(value)}\n" for key, value in table.items())


def _word(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
