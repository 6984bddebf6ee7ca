"""The installed gateway as a process of its own, with one virtual device and one virtual provider."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.interop.peers.program import Program, free_port
from tests.interop.peers.smsc import wait_for
from tsm_gateway.cli.virtual_parties import enrol, new_provider
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.party_files import read_handset, read_provider, write_party
from tsm_gateway.virtual.provider import OpenedPayment, Provider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.interop.peers.smsc import Taken
    from tsm_gateway.virtual.part import Part

ROOT = Path(__file__).parents[2]
COMMAND_S, START_S, STOP_S = 60.0, 30.0, 30.0
PROVIDER, ADDRESS, MSISDN = "bank", "sp:bank", "+4915300000003"
GATEWAY_NUMBER, PORT = "16500", 16500


Make = Callable[..., Any]  # a fixture that makes something of the test's own


class Bind(NamedTuple):
    """One `[[smpp]]` table; `more` are further lines of it."""

    name: str
    port: int
    mode: str = "transceiver"
    more: str = ""


class Gateway:
    """Configured in `folder`; `start` and `stop` as often as a test wants."""

    def __init__(
        self, folder: Path, binds: Sequence[Bind], *, msisdn: str = MSISDN, receipt: bool = False
    ) -> None:
        self._folder = folder
        self._process: Program | None = None
        self._status_port = free_port()
        self._config = folder / "gateway.toml"
        self._write_secret("password", b"secret\n")
        self.configure(binds)
        self.command("key", "init")
        self.put_parties_into_store(folder, ADDRESS, msisdn, name=PROVIDER, receipt=receipt)
        self.handset = Handset(read_handset(folder / "handset.json"), gateway=GATEWAY_NUMBER)
        self.provider = Provider(read_provider(folder / "provider.json"))

    def configure(self, binds: Sequence[Bind], *, min_free_mb: int = 0) -> None:
        """Write the configuration file."""
        tables = "".join(
            f'[[smpp]]\nname = "{bind.name}"\nhost = "127.0.0.1"\nport = {bind.port}\nsystem_id = "tsm"\n'
            f'password = "file:{self._folder}/password"\nbind = "{bind.mode}"\n'
            f"rebind_min_s = 0.1\nrebind_max_s = 0.5\nthrottle_min_s = 0.1\n{bind.more}\n"
            for bind in binds
        )
        self._config.write_text(
            f'[gateway]\nid = "interop"\nsource_address = "{GATEWAY_NUMBER}"\n'
            f'[store]\nurl = "sqlite://{self._folder}/gateway.db"\nmin_free_mb = {min_free_mb}\n'
            f'[keys]\nmaster = "file:{self._folder}/master.key"\n'
            f"{tables}"
            "[relay]\nretry_first_s = 0.2\nretry_cap_s = 1.0\n"
            f'[log]\nformat = "json"\n[metrics]\nlisten = "127.0.0.1:{self._status_port}"\n'
        )

    def command(self, *words: str) -> str:
        """Run one command of `tsm-gateway`; its standard output. Fails the test when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "tsm_gateway", "--config", str(self._config), *words],
            capture_output=True,
            timeout=COMMAND_S,
            env=_environment(),
            check=False,
        )
        if done.returncode:
            pytest.fail(f"tsm-gateway {' '.join(words)}: {done.returncode}\n{done.stderr.decode()}")
        return done.stdout.decode()

    def start(self) -> None:
        """Run the daemon and wait until it is healthy: its store is open and it reads its links."""
        command = [sys.executable, "-m", "tsm_gateway", "--config", str(self._config), "run"]
        self._process = Program(command, env=_environment())
        wait_for(lambda: self._gone() or self._fetch("health"), "a healthy gateway", START_S)
        if self._gone():
            pytest.fail("the gateway ended at its start:\n" + "\n".join(self._process.lines[-20:]))

    def stop(self) -> int:
        """SIGTERM, as systemd does; the exit status."""
        if self._process is None:
            return 0
        self._process.process.terminate()
        self._process.process.wait(STOP_S)
        process, self._process = self._process, None
        return process.stop()

    def log(self) -> list[dict[str, Any]]:
        """What it logged since its start."""
        lines = list(self._process.lines) if self._process else []
        return [json.loads(line) for line in lines if line.startswith("{")]

    def figure(self, name: str, **labels: str) -> float:
        """The sum of a metric over every series that carries `labels`."""
        families = text_string_to_metric_families(self._fetch("metrics").decode())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def wait_figure(self, least: float, name: str, *, within_s: float = 15.0, **labels: str) -> None:
        """Wait until `figure` is at least `least`."""
        wait_for(lambda: self.figure(name, **labels) >= least, f"{name}{labels} at {least:g}", within_s)

    def pay(self, amount: str = "12.99") -> list[Part]:
        """The parts of a fresh payment to the provider: two, as a rule of their size."""
        return self.handset.pay(ADDRESS, amount, "EUR", at=int(time.time()))

    def opened(self, taken: Sequence[Taken]) -> list[OpenedPayment]:
        """What the provider makes of the parts it was sent."""
        offered = [self.provider.receive(each.part) for each in taken]
        return [payment for payment in offered if payment is not None]

    def put_parties_into_store(
        self, out: Path, address: str, msisdn: str, *, name: str = "", count: int = 1, receipt: bool = False
    ) -> None:
        """Put a provider and handsets straight into the store and write their files to `out`.

        These tests are about the radio; who is about keys goes through channel 1.
        """
        out.mkdir(exist_ok=True)
        store = SqliteStore.open(
            self._folder / "gateway.db", mark=self._folder / "master.key.epoch", exclusive=False
        )
        try:
            provider, handsets = enrol(
                store.registry,
                read_master(f"file:{self._folder}/master.key"),
                new_provider(address, msisdn, name),
                count=count,
                port=PORT,
                at=int(time.time()),
                receipt=receipt,
            )
        finally:
            store.close()
        write_party(out / "provider.json", provider)
        names = ["handset.json"] if count == 1 else [f"handset-{n:04d}.json" for n in range(1, count + 1)]
        for file, handset in zip(names, handsets, strict=True):
            write_party(out / file, handset)

    def _write_secret(self, name: str, octets: bytes) -> None:
        path = self._folder / name
        path.touch(0o600)
        path.write_bytes(octets)

    def _gone(self) -> bool:
        return self._process is not None and self._process.process.poll() is not None

    def _fetch(self, page: str) -> bytes:
        """The octets of a page; none while it is not answered by 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._status_port}/{page}", timeout=5) as answer:
                return bytes(answer.read())
        except (urllib.error.URLError, OSError):
            return b""


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
