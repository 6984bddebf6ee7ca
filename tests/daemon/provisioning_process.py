"""The provisioning process as an operator runs it, with files made by its own PKI, and a blocking agent."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any, Self

from tests.daemon.literal_device import TSM_ID, LiteralDevice
from tests.provisioning.authority import DAY, Authority, key_pem, pem
from tsm_gateway.keys.master_store import init_master
from tsm_gateway.provisioning.pki import Use, host_names
from tsm_gateway.provisioning.pki_store import PkiStore

ROOT = Path(__file__).parents[2]
WITHIN_S = 30.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert isinstance(port, int)
        return port


class Site:
    """Files of one gateway, and its processes; those that still run at the end are killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, int(time.time())
        self.port, self.metrics = free_port(), free_port()
        self.authority = Authority("SE issuer", lifetime=(self.now - DAY, self.now + 100 * DAY))
        (folder / "anchors.pem").write_bytes(pem(self.authority.certificate))
        self.pki = PkiStore(folder / "pki")
        for use in (Use.ROOT, Use.KEY_DELIVERY, Use.CHANNEL_1):
            names = host_names(["127.0.0.1"]) if use is Use.CHANNEL_1 else ()
            self.pki.make(use, owner=TSM_ID, names=names, at=self.now)
        init_master(folder / "master.key", bytes(range(32)))
        self.config = folder / "gateway.toml"
        self.configure()
        self.processes: list[subprocess.Popen[bytes]] = []
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(str(folder / "notify"))
        self.notified.settimeout(WITHIN_S)

    def configure(self, more: str = "", **section: Any) -> None:
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in section.items())
        self.config.write_text(
            f'[gateway]\nid = "{TSM_ID}"\n'
            f'[store]\nurl = "sqlite://{self.folder}/gateway.db"\nmin_free_mb = 0\n'
            f'[keys]\nmaster = "file:{self.folder}/master.key"\n'
            f'[provisioning]\nlisten = "127.0.0.1:{self.port}"\nmetrics = "127.0.0.1:{self.metrics}"\n'
            f'certificate = "{self.pki.certificate_path(Use.CHANNEL_1)}"\n'
            f'key = "file:{self.pki.key_path(Use.CHANNEL_1)}"\n'
            f'key_delivery_certificate = "{self.pki.certificate_path(Use.KEY_DELIVERY)}"\n'
            f'key_delivery_key = "file:{self.pki.key_path(Use.KEY_DELIVERY)}"\n'
            f"{lines}"
            f'[[provisioning.issuer]]\nname = "se-issuer"\nanchors = "{self.folder}/anchors.pem"\n{more}'
            '[log]\nformat = "json"\nlevel = "debug"\n'
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.notified.close()

    # the process

    def start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify"), "PYTHONPATH": str(ROOT)}
        with (self.folder / f"log-{len(self.processes)}").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tsm_gateway", "--config", str(self.config), "provisioning"],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        self.processes.append(process)
        return process

    def running(self) -> subprocess.Popen[bytes]:
        process = self.start()
        self.told("READY=1")
        return process

    def told(self, word: str) -> None:
        """Wait until the process said so to the service manager."""
        while word not in self.notified.recv(4096).decode().split("\n"):
            pass

    def ended(self, process: subprocess.Popen[bytes], how: signal.Signals | None = None) -> int:
        if how is not None:
            process.send_signal(how)
        return process.wait(WITHIN_S)

    def reload(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGHUP)
        self.told("READY=1")

    def logged(self, event: str, which: int = -1) -> list[dict[str, Any]]:
        number = range(len(self.processes))[which]
        lines = (self.folder / f"log-{number}").read_bytes().splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def page(self, path: str) -> str:
        url = f"http://127.0.0.1:{self.metrics}{path}"
        with urllib.request.urlopen(url, timeout=WITHIN_S) as answer:
            text = answer.read().decode()
            assert isinstance(text, str)
            return text

    # devices

    def device(
        self, kind: str = "p256", common: str = "se", authority: Authority | None = None
    ) -> LiteralDevice:
        life = (self.now - DAY, self.now + DAY)
        return LiteralDevice(authority or self.authority, kind, common, lifetime=life)

    def ask(self, device: LiteralDevice, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request over a connection of its own. Raises OSError when there is none."""
        context = ssl.create_default_context(cafile=str(self.pki.certificate_path(Use.ROOT)))
        chain = self.folder / f"{device.common}.pem"
        chain.write_bytes(ssl.DER_cert_to_PEM_cert(device.certificate).encode() + key_pem(device.key))
        context.load_cert_chain(chain)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=WITHIN_S, context=context)
        try:
            octets = None if body is None else json.dumps(body)
            headers = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, path, octets, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def enrol(self, device: LiteralDevice) -> dict[str, Any]:
        status, answer = self.ask(device, "PUT", "/v1/enrolment", {})
        assert status == 200, answer
        return dict(answer)

    def install_and_prove(self, device: LiteralDevice, answer: dict[str, Any]) -> tuple[int, Any]:
        device.install(b64decode(answer["key_package"]), b64decode(answer["tsm_certificate"]))
        proof = device.proof(b64decode(answer["challenge"]))
        return self.ask(device, "POST", "/v1/registration", {"proof": b64encode(proof).decode()})
