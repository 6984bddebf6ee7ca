"""A whole gateway in a folder: both of its processes to start and kill, phones that enrol, and a judge.

Phones keep their element's record like a card does: what one try left behind is what the next begins with.
The judge opens the store when everybody is gone and holds it against what each phone has in its element.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tsm_gateway.cli.virtual_parties import new_provider, register_provider
from tsm_gateway.keys.master_store import init_master, read_master
from tsm_gateway.keys.wrap import unwrap
from tsm_gateway.provisioning.pki import Use, host_names
from tsm_gateway.provisioning.pki_store import PkiStore
from tsm_gateway.registry.audit import broken_links
from tsm_gateway.relay.directory import DEVICE_KEYS, place_of
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.agent import Agent
from tsm_gateway.virtual.biometric import Finger, Sensor, new_pairing
from tsm_gateway.virtual.channel import Channel
from tsm_gateway.virtual.element_record import der_of
from tsm_gateway.virtual.errors import VirtualError
from tsm_gateway.virtual.identity import Kind
from tsm_gateway.virtual.issuer import Issuer
from tsm_gateway.virtual.issuer_files import write_issuer
from tsm_gateway.virtual.personalised import Subscription, Tsm, context_of, personalised
from tsm_gateway.virtual.security_domain import SecurityDomain

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence

    from tests.faults.zygote import Child, Zygote
    from tsm_gateway.virtual.party_records import HandsetRecord, ProviderRecord

ROOT = Path(__file__).parents[2]
HOST, TSM_ID = "127.0.0.1", "faults"
ADDRESS, MSISDN, NUMBER, PORT = "sp:bank", "+4915300000003", "16500", 16500
SYSTEM_ID, PASSWORD = "tsm", "canary77"
START_S, END_S, POLL_S = 40.0, 25.0, 0.005


def free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


class Unexpected(AssertionError):
    """A process did not do what a test waits for."""


class Life:
    """One life of one of the gateway's processes; what it says goes into a file."""

    def __init__(self, process: Child | subprocess.Popen[bytes], said: Path) -> None:
        self.process, self._said = process, said

    @classmethod
    def run(cls, words: Sequence[str], said: Path) -> Self:
        """As a service manager starts it."""
        command = [sys.executable, "-m", "tsm_gateway", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with said.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd=said.parent,
            )
        return cls(process, said)

    @property
    def gone(self) -> bool:
        return self.process.poll() is not None

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> bytes:
        return self._said.read_bytes()

    def events(self, *names: str) -> list[dict[str, Any]]:
        lines = [line for line in self.said().splitlines() if line.startswith(b"{") and line.endswith(b"}")]
        return [event for event in map(json.loads, lines) if not names or event["event"] in names]

    def until(self, condition: Callable[[], object], what: str, within_s: float = END_S) -> None:
        """Wait for `condition`; fail when it does not come in time, or when the process ends before."""
        end = time.monotonic() + within_s
        while not condition():
            if self.gone or time.monotonic() > end:
                raise Unexpected(f"not within {within_s:g} s: {what}\n{self.tail()}")
            time.sleep(POLL_S)

    def ready(self) -> Self:
        self.until(lambda: b'"daemon.ready"' in self.said(), "ready", START_S)
        return self

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(END_S)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        if not self.gone:
            os.kill(self.pid, signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """Wait until it ends by itself; the exit status."""
        try:
            return self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            raise Unexpected(f"it did not end within {END_S:g} s\n{self.tail()}") from None

    def tail(self) -> str:
        return "\n".join(self.said().decode(errors="replace").splitlines()[-15:])


class Heard(NamedTuple):
    """One answer of channel 1."""

    at: float  # Unix seconds
    path: str
    status: int
    octets: bytes


class Listening(Channel):
    """A channel that writes down every answer."""

    def __init__(self, heard: list[Heard], *which: Any, **how: Any) -> None:
        super().__init__(*which, **how)
        self._heard = heard

    def _exchange(self, method: str, path: str, body: Any) -> tuple[int, bytes, float]:
        status, octets, wait_s = super()._exchange(method, path, body)
        self._heard.append(Heard(time.time(), path, status, octets))
        return status, octets, wait_s


class Phone:
    """A handset whose element outlives whatever cuts its agent off."""

    def __init__(self, record: HandsetRecord, url: str) -> None:
        self.record, self.url = record, url
        self.told: list[str] = []  # the steps it went through, of all tries
        self.heard: list[Heard] = []
        self.state = ""  # what the gateway said last about it
        assert record.element
        self._context: ssl.SSLContext = context_of(record, record.element)

    def enrol(self, *, hurried: bool = False, tell: Callable[[str], None] = lambda _step: None) -> str:
        """Switch on and enrol, or go on; the state it was told. `hurried`: one who does not wait long."""
        with self.channel(hurried=hurried) as channel:
            self.state = self.agent(channel, tell).enrol()
        return self.state

    def enrol_user(self) -> None:
        """The owner's finger, ahead of everything else."""
        domain, pairing = SecurityDomain(self.record), new_pairing()
        sensor = Sensor(pairing, random.Random(0))
        domain.pair(pairing, sensor.connect)
        domain.enrol_template(sensor.method, sensor.capture(Finger(self.record.device_id)), int(time.time()))
        self.keep(domain.record)

    def rekey(self) -> str:
        with self.channel() as channel:
            self.state = self.agent(channel).rekey()
        return self.state

    def channel(self, *, hurried: bool = False) -> Channel:
        sleep = (lambda _seconds: None) if hurried else (lambda seconds: time.sleep(min(seconds, 0.2)))
        timeout_s = 2.0 if hurried else 10.0
        return Listening(self.heard, self.url, self._context, timeout_s=timeout_s, sleep=sleep)

    def complete(self, within_s: float = END_S) -> None:
        """Try again and again, as people do, until the gateway says that it is registered."""
        end = time.monotonic() + within_s
        while True:
            try:
                self.enrol(hurried=True)
            except VirtualError:
                if time.monotonic() > end:
                    raise
                time.sleep(POLL_S)
            else:
                return

    def agent(self, channel: Channel, tell: Callable[[str], None] = lambda _step: None) -> Agent:
        def told(step: str, _what: str) -> None:
            self.told.append(step)
            tell(step)

        return Agent(SecurityDomain(self.record), channel, keep=self.keep, tell=told)

    def keep(self, record: HandsetRecord) -> None:
        self.record = record


class Premises:
    """Everything both processes need, in `folder`; `store` is another place for the database."""

    def __init__(
        self, folder: Path, zygote: Zygote | None = None, *, store: Path | None = None, smsc_port: int = 1
    ) -> None:
        """With a `zygote` processes are forked from it, otherwise they are started in full."""
        self._zygote = zygote
        self.folder, self.store_folder = folder, store or folder
        self.port, self.metrics, self.relay_metrics = free_port(), free_port(), free_port()
        self.at = int(time.time())
        self.config, self.smsc_port = folder / "gateway.toml", smsc_port
        self.lives: list[Life] = []
        self.issuer = Issuer.create("SE maker", self.at)
        write_issuer(folder / "issuer", self.issuer, self.at)
        pki = PkiStore(folder / "pki")
        for use in (Use.ROOT, Use.KEY_DELIVERY, Use.CHANNEL_1):
            names = host_names([HOST]) if use is Use.CHANNEL_1 else ()
            pki.make(use, owner=TSM_ID, names=names, at=self.at)
        self.tsm = Tsm(TSM_ID, der_of(pki.certificate_path(Use.ROOT).read_text("ascii")))
        init_master(folder / "master.key", secrets.token_bytes(32))
        (folder / "password").touch(0o600)
        (folder / "password").write_text(PASSWORD)
        self.configure()
        self.provider: ProviderRecord = new_provider(ADDRESS, MSISDN, "bank")
        with self.opened() as opened:
            register_provider(opened.registry, self.masters, self.provider, self.at)

    def configure(self, *, provisioning: str = "", relay: str = "", level: str = "info") -> None:
        """Write the configuration; further lines of two sections, and the log's level."""
        here = self.folder
        self.config.write_text(
            f'[gateway]\nid = "{TSM_ID}"\nsource_address = "{NUMBER}"\n'
            f'[store]\nurl = "sqlite://{self.store_folder}/gateway.db"\nmin_free_mb = 0\n'
            f'[keys]\nmaster = "file:{here}/master.key"\n'
            f'[[smpp]]\nname = "air"\nhost = "{HOST}"\nport = {self.smsc_port}\nsystem_id = "{SYSTEM_ID}"\n'
            f'password = "file:{here}/password"\nrebind_min_s = 0.1\nrebind_max_s = 0.5\ndenied_s = 0.1\n'
            f"throttle_min_s = 0.1\nthrottle_max_s = 0.2\n"
            f"[relay]\nretry_first_s = 1.0\nretry_cap_s = 1.0\nattempts = 1000\n{relay}\n"
            f'[log]\nformat = "json"\nlevel = "{level}"\n[metrics]\nlisten = "{HOST}:{self.relay_metrics}"\n'
            f'[provisioning]\nlisten = "{HOST}:{self.port}"\nmetrics = "{HOST}:{self.metrics}"\n'
            f'certificate = "{here}/pki/channel-1.pem"\nkey = "file:{here}/pki/channel-1.key"\n'
            f'key_delivery_certificate = "{here}/pki/key-delivery.pem"\n'
            f'key_delivery_key = "file:{here}/pki/key-delivery.key"\nrequests_per_minute = 100000\n'
            f"{provisioning}\n"
            f'[[provisioning.issuer]]\nname = "maker"\nanchors = "{here}/issuer/root.pem"\n'
            f'intermediates = "{here}/issuer/issuing.pem"\n'
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for life in self.lives:
            if not life.gone:
                life.kill()

    @property
    def masters(self) -> Any:
        return read_master(f"file:{self.folder}/master.key")

    def start(self, verb: str = "provisioning", *, held: bool = False) -> Life:
        """Start a process; it is not ready yet. `held`: it is stopped ahead of its first step."""
        words, said = ["--config", str(self.config), verb], self.folder / f"{verb}-{len(self.lives)}.log"
        if self._zygote is None:
            life = Life.run(words, said)
        else:
            life = Life(self._zygote.fork(words, said, held=held), said)
        self.lives.append(life)
        return life

    def phone(self, kind: Kind = Kind.P256, port: int = 0) -> Phone:
        """A phone fresh from its makers, which reaches channel 1 at `port`, or directly."""
        owner = Subscription(f"+491555{secrets.randbelow(10**7):07d}", PORT, (ADDRESS,))
        return Phone(
            personalised(self.issuer.issue(kind, self.at), self.tsm, owner),
            f"https://{HOST}:{port or self.port}",
        )

    @contextmanager
    def opened(self) -> Iterator[SqliteStore]:
        """The store, as an operator's command opens it."""
        mark = self.folder / "master.key.epoch"
        store = SqliteStore.open(
            self.store_folder / "gateway.db", mark=mark, exclusive=False, actor="operator"
        )
        try:
            yield store
        finally:
            store.close()

    # the judge

    def problems(self, phones: Sequence[Phone], *, epoch: int = 1) -> list[str]:
        """What is wrong with the store, and with each of `phones`, of which every one was registered."""
        with self.opened() as store:
            found = store.check()
            entries = store.provisioning.audit(limit=1_000_000)
            found += [f"audit entry {number} is broken" for number in broken_links(entries)]
            if store.provisioning.audit_head() != (entries[-1].sequence, entries[-1].hash):
                found.append("the audit log's head is not its last entry")
            keys: dict[bytes, str] = {}
            for phone in phones:
                found += self._wrong_with(phone, store, keys, epoch)
            return found

    def _wrong_with(
        self, phone: Phone, store: SqliteStore, keys: dict[bytes, str], epoch: int
    ) -> Iterator[str]:
        record, name = phone.record, phone.record.device_id
        standing = store.provisioning.standing(name)
        if standing is None:
            yield f"{name} is not known"
            return
        if standing.device.state.value not in {"registered", "active"} or standing.registration is None:
            yield f"{name} was told {phone.state}, is {standing.device.state.value}"
        if [row.epoch for row in standing.keys] != list(range(epoch, 0, -1)):
            yield f"{name} has keys of epochs {[row.epoch for row in standing.keys]}"
        current = [row.kid for row in standing.keys if row.state.value == "current"]
        if current != [record.kid]:
            yield f"{name} has {record.kid.hex()} in use, the gateway {[kid.hex() for kid in current]}"
        for row in standing.keys:
            octets = unwrap(
                self.masters, row.wrapped, row.master_version, place_of(DEVICE_KEYS, row)
            ).reveal()
            if octets in keys:
                yield f"{name} shares a key with {keys[octets]}"
            keys[octets] = name
            if row.kid == record.kid and octets != record.key.reveal():
                yield f"{name} has another key than the gateway"
