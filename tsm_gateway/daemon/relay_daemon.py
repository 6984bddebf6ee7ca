"""`tsm-gateway run`: the relay daemon from start to end.

| step | what is true after it |
|---|---|
| prepare | the ciphers know their answers, keys are read, the store is ours, recovered, not rolled back |
| serve | links are bound; READY was said |
| SIGHUP | the settings were read again: links that changed are replaced, keys and registry read anew |
| SIGTERM, SIGINT | no new payment is taken; what came is decided and answered; what is under way ends |
| store broken | no further answer is sent; the process ends with its own exit code |
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

from tsm_gateway import __version__
from tsm_gateway.daemon.events import Event, Level
from tsm_gateway.daemon.exits import Exit
from tsm_gateway.daemon.housekeeping import Housekeeping
from tsm_gateway.daemon.intake import Clocks
from tsm_gateway.daemon.links import link_options
from tsm_gateway.daemon.metrics import Metrics
from tsm_gateway.daemon.notify import Notifier
from tsm_gateway.daemon.process import Ended, first_of, settle_collector
from tsm_gateway.daemon.relay_parts import assemble
from tsm_gateway.daemon.reloading import refuse_reload
from tsm_gateway.daemon.settings import load_settings
from tsm_gateway.daemon.sources import Sources
from tsm_gateway.daemon.status_server import Pages, StatusServer
from tsm_gateway.daemon.status_snapshot import figures, snapshot
from tsm_gateway.envelope import selftest
from tsm_gateway.errors import TsmError
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.daemon.logs import Log
    from tsm_gateway.daemon.relay_parts import RelayParts
    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.keys.wrap import MasterKeys

OPEN_S = 600.0  # for the store, on top of the unit's start timeout
ACTOR = "relay"  # in the audit log
RECOVER_S, BUSY_PAUSE_S = 30.0, 0.005  # of waiting for another process that writes, and between two looks
DRAIN_S = 20.0  # for what is under way when we are told to end; the unit waits longer
RESTART_ONLY = ("gateway", "store", "relay", "metrics")  # sections a reload cannot change


class RelayDaemon:
    """One relay process."""

    def __init__(self, path: Path, settings: Settings, log: Log) -> None:
        """`path` is where `settings` came from and is read again on SIGHUP."""
        self._path, self._settings, self._log = path, settings, log
        self._notifier = Notifier.from_environment()
        self._master = settings.keys.master  # the reference in force
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._began = time.monotonic()

    async def run(self) -> Exit:
        """Serve until told to end. Returns the exit code; every reason was logged."""
        self._log.emit(Event.DAEMON_STARTED, version=__version__, pid=os.getpid(), config=str(self._path))
        try:
            parts = await self._prepare()
        except TsmError as error:
            return self._failed(error, Exit.of(error))
        ended = Exit.DONE
        try:
            await self._serve(parts)
        except* Ended:
            pass
        except* StoreBroken as broken:
            problem = str(first_of(broken))
            self._log.emit(Event.STORE_BROKEN, path=str(self._settings.store.path), problem=problem)
            ended = Exit.STORE_BROKEN
        except* TsmError as failed:
            fault = first_of(failed)
            ended = self._failed(fault, Exit.of(fault))
        finally:
            parts.verifier.close()
            parts.store.close()
        self._log.emit(
            Event.DAEMON_STOPPED,
            seconds=time.monotonic() - self._began,
            exit_code=int(ended),
            waiting=parts.dispatcher.waiting + parts.dispatcher.under_way,
        )
        return ended

    def _failed(self, error: TsmError, code: Exit) -> Exit:
        self._log.emit(Event.DAEMON_FAILED, error=error.code, problem=str(error), exit_code=int(code))
        return code

    async def _prepare(self) -> RelayParts:
        """Open everything that must be sound before the radio is touched. Raises TsmError."""
        began = time.monotonic()
        selftest.run()
        self._notifier.extend(OPEN_S)  # a migration or a long recovery is no hang
        masters = read_master(self._settings.keys.master)
        store = SqliteStore.open(
            self._settings.store.path, mark=self._settings.epoch_mark, exclusive=True, actor=ACTOR
        )
        self._log.emit(
            Event.STORE_OPENED, path=str(self._settings.store.path), seconds=time.monotonic() - began
        )
        try:
            recovered = await _recover(store)
            parts = assemble(self._settings, store, masters, self._log, Metrics())
            parts.intake.reload()
            parts.dispatcher.refresh()
        except BaseException:
            store.close()
            raise
        self._log.emit(
            Event.STORE_RECOVERED,
            messages=recovered,
            segments=parts.intake.waiting_parts,
            seconds=time.monotonic() - began,
        )
        return parts

    async def _serve(self, parts: RelayParts) -> None:
        """Run every task until one of them raises: Ended, StoreBroken, or a defect."""
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(each, self._signals.put_nowait, each)
        clocks = Clocks(time.time, time.monotonic)
        housekeeping = Housekeeping(parts, clocks, self._notifier)
        async with StatusServer(*self._published(parts)), asyncio.TaskGroup() as group:
            group.create_task(parts.committer.run(), name="committer")
            group.create_task(parts.intake.run(), name="intake")
            group.create_task(parts.dispatcher.record(), name="record")
            group.create_task(parts.dispatcher.claim(), name="claim")
            group.create_task(parts.controls.run(), name="controls")
            group.create_task(housekeeping.run(), name="housekeeping")
            group.create_task(asyncio.to_thread(parts.store.look_at_pages), name="pages")
            parts.links.start(
                [link_options(self._settings.gateway, each) for each in self._settings.smpp], group
            )
            settle_collector()
            parts.watched.ready = True
            self._notifier.ready(parts.status_line())
            self._log.emit(
                Event.DAEMON_READY, seconds=time.monotonic() - self._began, links=len(self._settings.smpp)
            )
            await self._obey(parts, group)

    def _published(self, parts: RelayParts) -> tuple[tuple[str, int] | None, Pages]:
        """Where metrics, health and status are published, and what they say."""
        metrics, listen = parts.reports.metrics, self._settings.metrics
        metrics.watch(
            Sources(lambda: figures(parts), lambda: [link.snapshot() for link in parts.links.links.values()])
        )
        pages = Pages(
            metrics.text,
            lambda: parts.watched.ready,
            lambda: snapshot(parts, time.monotonic() - self._began),
        )
        return listen.address, pages

    async def _obey(self, parts: RelayParts, group: asyncio.TaskGroup) -> None:
        """Wait for signals and do what they say. Raises Ended."""
        while True:
            told = await self._signals.get()
            if told is signal.SIGHUP:
                self._notifier.reloading()
                await self._reload(parts, group)
                self._notifier.ready(parts.status_line())
                continue
            parts.watched.ready = False
            self._notifier.stopping()
            self._log.emit(
                Event.DAEMON_STOPPING,
                signal=told.name,
                waiting=parts.dispatcher.waiting + parts.dispatcher.under_way,
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await _drain(parts)
            await parts.links.close(1.0)
            raise Ended

    async def _reload(self, parts: RelayParts, group: asyncio.TaskGroup) -> None:
        """Read the settings again; what is wrong with them is logged, and but the master key stays all."""
        try:
            fresh = load_settings(self._path)
            options = [link_options(fresh.gateway, each) for each in fresh.smpp]
            masters = read_master(fresh.keys.master)
        except TsmError as error:
            refuse_reload(self._log, self._path, error, self._master, partial(_use_masters, parts))
            return
        self._master = fresh.keys.master
        self._log.level = Level[fresh.log.level.upper()]
        rotated = _use_masters(parts, masters)
        touched = await parts.links.replace(options, group, drain_s=DRAIN_S)
        kept = [name for name in RESTART_ONLY if getattr(fresh, name) != getattr(self._settings, name)]
        changed = [f"link {name}" for name in touched] + [f"{name} (at the next start)" for name in kept]
        if rotated:
            changed.append(f"master key (now version {masters.current.version})")
        self._log.emit(Event.DAEMON_RELOADED, changed=", ".join(changed) or "nothing", count=len(changed))


def _use_masters(parts: RelayParts, masters: MasterKeys) -> bool:
    """Unwrap with `masters` from now on; whether they are others than before."""
    rotated = parts.directory.use_masters(masters)
    parts.dispatcher.refresh()
    return rotated


async def _recover(store: SqliteStore) -> int:
    """Queue again what was active; how many. Committed at once, as provisioning waits for the write lock.

    Raises StoreBusy when another process keeps that for RECOVER_S; what `recover` and `flush` raise.
    """
    give_up_at = time.monotonic() + RECOVER_S
    while True:
        try:
            recovered = store.recover(int(time.time()))
            store.flush()
        except StoreBusy:
            if time.monotonic() > give_up_at:
                raise
            await asyncio.sleep(BUSY_PAUSE_S)
        else:
            return recovered


async def _drain(parts: RelayParts) -> None:
    """Let what came be answered and what is under way end; nothing new is started."""
    parts.links.drain()
    await parts.intake.settled()
    parts.senders.stop()
    await parts.senders.settled()
