"""`tsm-gateway provisioning`: channels 1 and 2 and the upkeep of keys, from start to end.

| step | what is true after it |
|---|---|
| prepare | the ciphers know their answers; keys, certificates, lists are read; the store is open and ours |
| serve | channel 1 listens, and channel 2 where there is one; READY was said |
| SIGHUP | settings, certificates and lists were read again, all or none; the master key whatever those are |
| SIGTERM, SIGINT | nobody new is taken; requests under way are answered |
| store broken | nobody is answered any more; the process ends with its own exit code |

The relay uses the same store; what keeps a second provisioning process away is a lock of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from tsm_gateway import __version__
from tsm_gateway.daemon.events import Event, Level
from tsm_gateway.daemon.exits import Exit
from tsm_gateway.daemon.notify import Notifier
from tsm_gateway.daemon.process import Ended, Process, first_of, settle_collector
from tsm_gateway.daemon.provisioning_channels import Channels
from tsm_gateway.daemon.provisioning_ledger import ACTOR
from tsm_gateway.daemon.provisioning_material import Held
from tsm_gateway.daemon.provisioning_metrics import ProvisioningMetrics
from tsm_gateway.daemon.provisioning_parts import assemble
from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
from tsm_gateway.daemon.provisioning_sources import read_sources
from tsm_gateway.daemon.provisioning_status import publish, snapshot
from tsm_gateway.daemon.provisioning_upkeep import ProvisioningUpkeep
from tsm_gateway.daemon.reloading import refuse_reload
from tsm_gateway.daemon.settings import load_settings
from tsm_gateway.daemon.status_server import Pages, StatusServer
from tsm_gateway.envelope import selftest
from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning import selftest as sealing_selftest
from tsm_gateway.provisioning.ocsp_link import OcspLink
from tsm_gateway.relay.interfaces import StoreBroken
from tsm_gateway.store.lock_store import StoreLock
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.daemon.logs import Log
    from tsm_gateway.daemon.provisioning_material import Material
    from tsm_gateway.daemon.provisioning_parts import ProvisioningParts
    from tsm_gateway.daemon.provisioning_sources import Sources
    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.daemon.settings_delivery import DeliverySettings
    from tsm_gateway.daemon.settings_provisioning import ProvisioningSettings
    from tsm_gateway.keys.wrap import MasterKeys

OPEN_S: Final = 600.0  # for the store, on top of the unit's start timeout
DRAIN_S: Final = 15.0  # for requests under way; the unit waits longer
RESTART_ONLY: Final = ("gateway", "store")  # sections a reload cannot change
RESTART_ONLY_KEYS: Final = ("listen", "metrics")  # of [provisioning]
DELIVERY: Final = "delivery"  # its table; where it listens, and whether there is one, is for a restart, too


class ProvisioningDaemon:
    """One provisioning process."""

    def __init__(self, path: Path, settings: Settings, log: Log) -> None:
        """`path` is where `settings`, which have [provisioning], came from and is read again on SIGHUP."""
        self._path, self._settings, self._log = path, settings, log
        self._notifier = Notifier.from_environment()
        self._master = settings.keys.master  # the reference in force
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._began = time.monotonic()

    async def run(self) -> Exit:
        """Serve until told to end. Returns the exit code; every reason was logged."""
        self._log.emit(Event.DAEMON_STARTED, version=__version__, pid=os.getpid(), config=str(self._path))
        ended = Exit.DONE
        try:
            await self._live()
        except* Ended:
            pass
        except* StoreBroken as broken:
            problem = str(first_of(broken))
            self._log.emit(Event.STORE_BROKEN, path=str(self._settings.store.path), problem=problem)
            ended = Exit.STORE_BROKEN
        except* TsmError as failed:
            error = first_of(failed)
            ended = Exit.of(error)
            self._log.emit(Event.DAEMON_FAILED, error=error.code, problem=str(error), exit_code=int(ended))
        self._log.emit(Event.DAEMON_STOPPED, seconds=time.monotonic() - self._began, exit_code=int(ended))
        return ended

    async def _live(self) -> None:
        """Prepare and serve; whatever was opened is closed again."""
        async with AsyncExitStack() as stack:
            section = _section(self._settings)
            selftest.run()
            sealing_selftest.run(hybrid=section.hybrid != "off")
            sources = read_sources(self._settings, section, int(time.time()))
            store = self._open_store(stack)
            reports = ProvisioningReports(self._log, ProvisioningMetrics())
            responders = await stack.enter_async_context(OcspLink(reports.responder_silent))
            parts = assemble(self._settings, store, Held(sources.material), responders, reports)
            parts.certificates.watch(sources.items)
            await self._serve(parts, sources)

    def _open_store(self, stack: AsyncExitStack) -> SqliteStore:
        """The store, and the lock that keeps others of our kind away. Raises what both do."""
        began, path = time.monotonic(), self._settings.store.path
        self._notifier.extend(OPEN_S)  # a migration is no hang
        lock = StoreLock.take(path.with_name(f"{path.name}.{Process.PROVISIONING.value}"))
        stack.callback(lock.release)
        store = SqliteStore.open(
            path, mark=self._settings.epoch_mark, exclusive=False, actor=ACTOR, patience_s=0.0
        )
        stack.callback(store.close)
        self._log.emit(Event.STORE_OPENED, path=str(path), seconds=time.monotonic() - began)
        return store

    async def _serve(self, parts: ProvisioningParts, sources: Sources) -> None:
        """Run every task until one of them raises: Ended, StoreBroken, or a defect."""
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(each, self._signals.put_nowait, each)
        section = sources.material.section
        channels = Channels(parts, sources, self._log)
        publish(parts)
        upkeep = ProvisioningUpkeep(parts, time.monotonic, self._notifier)
        status = StatusServer(section.metrics_address, self._pages(parts, channels))
        async with status, asyncio.TaskGroup() as group, channels:
            group.create_task(parts.committer.run(), name="committer")
            group.create_task(upkeep.run(), name="upkeep")
            settle_collector()
            parts.watched.ready = True
            self._notifier.ready(parts.status_line())
            self._log.emit(Event.DAEMON_READY, seconds=time.monotonic() - self._began)
            await self._obey(parts, channels)

    def _pages(self, parts: ProvisioningParts, channels: Channels) -> Pages:
        """What metrics, health and status say."""
        return Pages(
            parts.reports.metrics.text,
            lambda: parts.watched.ready,
            lambda: snapshot(parts, channels, time.monotonic() - self._began),
        )

    async def _obey(self, parts: ProvisioningParts, channels: Channels) -> None:
        """Wait for signals and do what they say. Raises Ended."""
        while True:
            told = await self._signals.get()
            if told is signal.SIGHUP:
                self._notifier.reloading()
                await self._reload(parts, channels)
                self._notifier.ready(parts.status_line())
                continue
            parts.watched.ready = False
            self._notifier.stopping()
            self._log.emit(Event.DAEMON_STOPPING, signal=told.name, waiting=channels.waiting)
            await channels.drain(DRAIN_S)
            raise Ended

    async def _reload(self, parts: ProvisioningParts, channels: Channels) -> None:
        """Read everything again; what is wrong with any of it is logged, and but the master key stays all."""
        try:
            fresh, sources = await asyncio.to_thread(self._read_again)  # a long list takes seconds
        except TsmError as error:
            refuse_reload(self._log, self._path, error, self._master, partial(_use_masters, parts))
            return
        self._master = fresh.keys.master
        self._log.level = Level[fresh.log.level.upper()]
        changed = [*_changed(parts.held.now.section, _section(fresh)), *self._kept(fresh)]
        if sources.material.masters.versions() != parts.held.now.masters.versions():
            changed.append(f"master key (now version {sources.material.masters.current.version})")
        parts.held.now = _with_channel_2(sources.material, parts.held.now)
        parts.judge.forget()
        parts.sweep.begin_anew()
        parts.certificates.watch(sources.items)
        channels.renew(sources)
        text = ", ".join([*changed, "certificates and lists read again"])
        self._log.emit(Event.DAEMON_RELOADED, changed=text, count=len(changed))

    def _read_again(self) -> tuple[Settings, Sources]:
        """Raises SettingsErrors, or what `read_sources` raises."""
        fresh = load_settings(self._path, process=Process.PROVISIONING)
        return fresh, read_sources(fresh, _section(fresh), int(time.time()))

    def _kept(self, fresh: Settings) -> list[str]:
        """What a reload cannot change, though the file has."""
        changed = [name for name in RESTART_ONLY if getattr(fresh, name) != getattr(self._settings, name)]
        mine, other = _section(self._settings), _section(fresh)
        changed += [name for name in RESTART_ONLY_KEYS if getattr(mine, name) != getattr(other, name)]
        if _listen_of(mine) != _listen_of(other):
            changed.append(DELIVERY)
        return [f"{name} (at the next start)" for name in changed]


def _use_masters(parts: ProvisioningParts, masters: MasterKeys) -> bool:
    """Wrap and unwrap with `masters` from now on; whether they are others than before."""
    before = parts.held.now
    parts.held.now = replace(before, masters=masters)
    return masters.versions() != before.masters.versions()


def _with_channel_2(fresh: Material, before: Material) -> Material:
    """Without a section for it any more channel 2 goes on up to the next start, as it was."""
    return fresh if fresh.delivery else replace(fresh, delivery=before.delivery)


def _section(settings: Settings) -> ProvisioningSettings:
    """`load_settings` for this process made sure that there is one."""
    assert settings.provisioning is not None  # noqa: S101 - a defect of ours, not of the file
    return settings.provisioning


def _changed(before: ProvisioningSettings, after: ProvisioningSettings) -> list[str]:
    """Names of the keys that are different now, and in force."""
    names = type(before).model_fields.keys() - {*RESTART_ONLY_KEYS, DELIVERY}
    changed = sorted(name for name in names if getattr(before, name) != getattr(after, name))
    if before.delivery and after.delivery and _but_listen(before.delivery) != _but_listen(after.delivery):
        changed.append(DELIVERY)
    return changed


def _listen_of(section: ProvisioningSettings) -> str | None:
    return section.delivery.listen if section.delivery else None


def _but_listen(section: DeliverySettings) -> DeliverySettings:
    return section.model_copy(update={"listen": ""})
