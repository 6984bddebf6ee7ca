"""The demo's stage: a folder of its own, keys, a store, virtual parties, and the real daemon as a process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import sys
import time
from typing import TYPE_CHECKING, NamedTuple, Self

from tsm_gateway.cli.virtual_parties import enrol, new_provider
from tsm_gateway.daemon.settings import load_settings
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.keys.master_store import init_master, read_master
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SYSTEM_ID, PASSWORD = "demo", "demo"
GATEWAY_NUMBER = "16500"
ADDRESS, MSISDN = "+4930123456789", "+4930999000"
STOP_S = 30.0
LONGEST_LINE = 1 << 20  # octets of a log line

CONFIG = """\
# Written by `tsm-gateway demo`; everything in this folder is for this one run.
[gateway]
id = "demo"
source_address = "{number}"
[store]
url = "sqlite://{folder}/gateway.db"
min_free_mb = 1
[keys]
master = "file:{folder}/master.key"
[[smpp]]
name = "virtual"
host = "127.0.0.1"
port = {port}
system_id = "{system_id}"
password = "file:{folder}/password"
rebind_min_s = 0.1
[log]
format = "json"
[metrics]
listen = "127.0.0.1:{metrics}"
"""


class DemoFailed(TsmError):
    """The demo's gateway ended by itself; what it said last stands above."""

    code, side, temporary = "demo-failed", Side.OURS, False


class Parties(NamedTuple):
    """Who takes part."""

    config: Path
    handsets: list[Handset]
    provider: Provider


def set_up(folder: Path, smsc_port: int, handsets: int) -> Parties:
    """Write the configuration, make the keys and enrol everybody. Raises what store and keys raise."""
    password, config = folder / "password", folder / "gateway.toml"
    for path, text in ((password, PASSWORD), (config, _config(folder, smsc_port))):
        path.touch(mode=0o600)
        path.write_text(text + "\n")
    init_master(folder / "master.key", secrets.token_bytes(32))
    settings = load_settings(config)
    store = SqliteStore.open(settings.store.path, mark=settings.epoch_mark, exclusive=False)
    try:
        provider, records = enrol(
            store.registry,
            read_master(settings.keys.master),
            new_provider(ADDRESS, MSISDN, "coffee-shop"),
            count=handsets,
            port=settings.gateway.application_port,
            at=int(time.time()),
            receipt=True,
        )
    finally:
        store.close()
    phones = [Handset(record, gateway=GATEWAY_NUMBER, seed=seed) for seed, record in enumerate(records)]
    return Parties(config, phones, Provider(provider))


def _config(folder: Path, smsc_port: int) -> str:
    return CONFIG.format(
        folder=folder, number=GATEWAY_NUMBER, port=smsc_port, system_id=SYSTEM_ID, metrics=free_port()
    )


def free_port() -> int:
    """A TCP port on loopback that nobody used a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class GatewayProcess:
    """The daemon as an operator runs it; `async with` starts and stops it."""

    def __init__(self, config: Path, on_line: Callable[[Mapping[str, object]], None]) -> None:
        """`on_line` gets every log line."""
        self._config, self._on_line = config, on_line
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Start the daemon and follow its log."""
        command = [sys.executable, "-m", "tsm_gateway", "--config", str(self._config), "run"]
        self._process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, limit=LONGEST_LINE, start_new_session=True
        )
        self._reader = asyncio.create_task(self._follow(), name="gateway log")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Tell the daemon to end, as systemd would, and wait for it."""
        process = self._process
        if process is None or self._reader is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await self._reader

    async def _follow(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        async for octets in self._process.stdout:
            with contextlib.suppress(ValueError):
                line = json.loads(octets)
                self._on_line(line)
                if line["event"] in {"daemon.failed", "config.invalid"}:
                    sys.stderr.buffer.write(octets)
        self.ended.set()
