"""The relay daemon as a process of its own, its store filled beforehand with virtual devices and a provider.

Nothing of it is in the test's process but the parties at its two ends: handsets here, a provider there,
and whichever message centre a test puts on its port.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.interop.peers.program import Program, free_port
from tests.interop.peers.smsc import wait_for
from tests.relay.rig import ADDRESS, MASTERS, Rig
from tsm_gateway.keys.master_store import init_master

if TYPE_CHECKING:
    from tsm_gateway.virtual.handset import Handset
    from tsm_gateway.virtual.part import Part

ROOT = Path(__file__).parents[2]
START_S, STOP_S, HTTP_S = 30.0, 25.0, 5.0
PASSWORD = "canary77"  # the carrier's; eight characters are SMPP's limit


class Daemon:
    """Configured in `folder`; `start`, `stop` and `kill` as often as a test wants."""

    def __init__(self, folder: Path, *, devices: int = 1, relay: str = "", level: str = "info") -> None:
        """`relay` are further lines of the section; `level` is the log's."""
        self.folder, self.port, self._status_port = folder, free_port(), free_port()
        rig = Rig(folder, devices=devices)
        self.handsets, self.provider = rig.handsets, rig.provider_record
        self.rig = rig  # its store is closed; it knows how to make more devices before that
        rig.parts.verifier.close()
        rig.store.close()
        init_master(folder / "master.key", MASTERS.current.key.reveal())
        (folder / "password").touch(0o600)
        (folder / "password").write_text(f"{PASSWORD}\n")
        self._config = folder / "gateway.toml"
        self._config.write_text(
            f'[gateway]\nid = "faults"\nsource_address = "16500"\n'
            f'[store]\nurl = "sqlite://{folder}/gateway.db"\nepoch_mark = "{folder}/epoch"\nmin_free_mb = 0\n'
            f'[keys]\nmaster = "file:{folder}/master.key"\n'
            f'[[smpp]]\nname = "air"\nhost = "127.0.0.1"\nport = {self.port}\nsystem_id = "tsm"\n'
            f'password = "file:{folder}/password"\nrebind_min_s = 0.1\nrebind_max_s = 0.2\n'
            f"[relay]\nretry_first_s = 1.0\nretry_cap_s = 1.0\n{relay}\n"
            f'[log]\nformat = "json"\nlevel = "{level}"\n'
            f'[metrics]\nlisten = "127.0.0.1:{self._status_port}"\n'
        )
        self.program: Program | None = None

    def start(self, *prefix: str) -> None:
        """Run it, behind the words of `prefix`, until it is healthy."""
        command = [*prefix, sys.executable, "-m", "tsm_gateway", "--config", str(self._config), "run"]
        self.program = Program(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=self.folder)
        wait_for(lambda: self.gone or self.page("health"), "a healthy gateway", START_S)
        if self.gone:
            pytest.fail("the gateway ended at its start:\n" + "\n".join(self.program.lines[-20:]))

    @property
    def gone(self) -> bool:
        """Whether its process has ended."""
        return self.program is not None and self.program.process.poll() is not None

    @property
    def pid(self) -> int:
        """Of the daemon."""
        assert self.program
        return self.program.process.pid

    def stop(self) -> int:
        """SIGTERM and its exit status, 0 when it does not run."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        if self.program is None:
            return 0
        if not self.gone:
            self.program.process.send_signal(number)
            self.program.process.wait(STOP_S)
        program, self.program = self.program, None
        return program.stop()

    # what it says

    def lines(self) -> list[str]:
        """What it printed since its start."""
        return list(self.program.lines) if self.program else []

    def events(self, name: str) -> list[dict[str, Any]]:
        """Its log lines of one event."""
        found = [json.loads(line) for line in self.lines() if f'"event":"{name}"' in line]
        return [line for line in found if line["event"] == name]

    def page(self, name: str) -> bytes:
        """The octets of a status page; none while it is not answered by 200."""
        try:
            url = f"http://127.0.0.1:{self._status_port}/{name}"
            with urllib.request.urlopen(url, timeout=HTTP_S) as answer:
                return bytes(answer.read())
        except (urllib.error.URLError, OSError):
            return b""

    def figure(self, name: str, **labels: str) -> float:
        """The sum of a metric over every series that carries `labels`."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.page("metrics").decode())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def memory(self) -> int:
        """Resident octets."""
        return int(psutil.Process(self.pid).memory_info().rss)

    # payments

    def pay(
        self,
        amount: str = "12.99",
        *,
        handset: Handset | None = None,
        to: str = ADDRESS,
        cti: bytes | None = None,
    ) -> list[Part]:
        """The parts of a fresh payment."""
        return (handset or self.handsets[0]).pay(to, amount, "EUR", at=int(time.time()), cti=cti)
