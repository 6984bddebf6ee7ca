"""Channel 1 as devices meet it: a listener in a thread of its own, authorities, and blocking TLS clients."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
import ssl
import threading
import time
from base64 import b64encode
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from cryptography import x509

from tests.daemon.provisioning_rig import Rig, World
from tests.provisioning.authority import DAY, SERVER, Authority, der, key_pem, name, new_key, pem, uses
from tsm_gateway.daemon.channel1_routes import SERVICE
from tsm_gateway.daemon.channel_admission import Admission
from tsm_gateway.daemon.channel_limits import Limits
from tsm_gateway.daemon.channel_listener import Channel, ChannelParts
from tsm_gateway.daemon.channel_metrics import ChannelMetrics
from tsm_gateway.daemon.channel_tls import listener_context
from tsm_gateway.daemon.logs import configure
from tsm_gateway.daemon.provisioning_answers import (
    ChallengeAnswer,
    EnrolmentAnswer,
    EnrolmentRequest,
    KeyStanding,
    PackageAnswer,
    RegistrationAnswer,
    StatusAnswer,
)
from tsm_gateway.daemon.provisioning_metrics import ProvisioningMetrics
from tsm_gateway.provisioning.device_trust import TrustedDevice, judge
from tsm_gateway.provisioning.issuer import Issuer, read_issuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from tsm_gateway.daemon.channel1_routes import Desk
    from tsm_gateway.provisioning.device_trust import TrustedDevice

    Judge = Callable[[bytes], Awaitable[TrustedDevice]]

WITHIN_S = 10.0
KID = bytes.fromhex("00a1b2c3")
SIGNS = uses("digital_signature", "key_agreement")
NOW = int(time.time())
LIFE = (NOW - DAY, NOW + DAY)
LONG = (NOW - 1000 * DAY, NOW + 1000 * DAY)
B64 = b64encode(bytes(40)).decode()


class Identity(NamedTuple):
    """A client's certificate chain and key in one PEM file."""

    path: Path
    certificate: x509.Certificate


class Registrar:
    """A desk that answers every use case, and writes down who asked for what."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []  # (use, device id, what with)
        self.trouble: dict[str, BaseException] = {}
        self.gate: asyncio.Event | None = None

    async def _asked(self, use: str, who: TrustedDevice, what: Any = None) -> str:
        self.asked.append((use, who.device_id, what))
        if self.gate is not None:
            await self.gate.wait()
        if use in self.trouble:
            raise self.trouble[use]
        return who.device_id

    async def enrol(self, who: TrustedDevice, request: EnrolmentRequest) -> EnrolmentAnswer:
        device = await self._asked("enrol", who, request)
        return EnrolmentAnswer(device, "keyed", KID, 1, 16, b"package", b"tsm", bytes(32), NOW + 300)

    async def key_package(self, who: TrustedDevice) -> PackageAnswer:
        return PackageAnswer(await self._asked("key_package", who), KID, 1, 16, b"package", b"tsm")

    async def challenge(self, who: TrustedDevice) -> ChallengeAnswer:
        return ChallengeAnswer(await self._asked("challenge", who), bytes(32), KID, 1, NOW + 300)

    async def register(self, who: TrustedDevice, proof: bytes) -> RegistrationAnswer:
        return RegistrationAnswer(await self._asked("register", who, proof), "registered", KID, 1)

    async def status(self, who: TrustedDevice) -> StatusAnswer:
        keys = (KeyStanding(KID, 1, "pending"),)
        return StatusAnswer(await self._asked("status", who), "keyed", keys, True, False)


class Authorities:
    """The trusted maker of crypto SEs, and somebody else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = Authority("Maker", lifetime=LONG)
        self.stranger = Authority("Stranger", lifetime=LONG)
        self.web = Authority("Web", lifetime=LONG)
        self.key = new_key("p256")
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        server = self.web.issue(
            self.key.public_key(), "localhost", extensions=((names, False), (SERVER, False)), lifetime=LIFE
        )
        self.server = Identity(folder / "server.pem", server)
        self.server.path.write_bytes(pem(server) + key_pem(self.key))
        self.trust = folder / "web.pem"
        self.trust.write_bytes(pem(self.web.certificate))

    def issuer(self, *, crls: tuple[bytes, ...] = ()) -> Issuer:
        return read_issuer("maker", anchors=pem(self.root.certificate), crls=crls)

    def identity(
        self,
        kind: str = "p256",
        *,
        by: Authority | None = None,
        lifetime: tuple[int, int] = LIFE,
        extensions: Any = (SIGNS,),
        key: Any = None,
    ) -> Identity:
        """A new device; by the trusted maker unless another is named."""
        key = key or new_key(kind)
        number = len(list(self.folder.iterdir()))
        certificate = (by or self.root).issue(
            key.public_key(), name(f"se {number}"), extensions=extensions, lifetime=lifetime
        )
        path = self.folder / f"{number}.pem"
        path.write_bytes(pem(certificate) + key_pem(key))
        return Identity(path, certificate)


class Answer(NamedTuple):
    """What came back; status 0 when nothing did."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["code"])


NO_ANSWER = Answer(0, {}, b"")


def request(method: str, path: str, body: Any = None, *headers: str) -> bytes:
    """The octets of a request; `body` is octets, or what becomes JSON."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    octets = b""
    if body is not None:
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        if not any(line.lower().startswith("content-type") for line in headers):
            lines.append("Content-Type: application/json")
        lines.append(f"Content-Length: {len(octets)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + octets


class Client:
    """One TLS connection of a device."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self.sock = sock
        self._held = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, octets: bytes) -> None:
        self.sock.sendall(octets)

    def ask(self, method: str, path: str, body: Any = None, *headers: str) -> Answer:
        self.send(request(method, path, body, *headers))
        return self.read()

    def read(self) -> Answer:
        """One whole answer; NO_ANSWER when the connection ends before its first octet."""
        while b"\r\n\r\n" not in self._held:
            if not self._more():
                assert not self._held, self._held
                return NO_ANSWER
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
        status, length = int(first.split()[1]), int(headers.get("content-length", 0))
        while len(self._held) < length:
            assert self._more(), "cut inside an answer"
        body, self._held = self._held[:length], self._held[length:]
        return Answer(status, headers, body)

    def ended(self) -> bool:
        """Whether the connection ends without another octet, within the socket's time-out."""
        return not self._more() and not self._held

    def _more(self) -> bool:
        with suppress(ConnectionError, ssl.SSLError):
            octets = self.sock.recv(65536)
            self._held += octets
            return bool(octets)
        return False


class Listening:
    """A running channel 1."""

    rig: Rig

    def __init__(
        self, authorities: Authorities, limits: Limits, crls: tuple[bytes, ...], world: World | None
    ) -> None:
        self.authorities, self.limits, self.world = authorities, limits, world
        self.desk, self.lines = Registrar(), io.BytesIO()
        self.metrics = ProvisioningMetrics()
        self.issuers: tuple[Issuer, ...] = (authorities.issuer(crls=crls),)
        self.judged = 0
        self.channel: Channel
        self.loop = asyncio.new_event_loop()
        self.port = 0
        self._stop: asyncio.Event
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run)

    def context(self) -> ssl.SSLContext:
        server = self.authorities.server.path
        return listener_context(server, server, [der(self.authorities.root.certificate)])

    async def _judge(self, der: bytes) -> TrustedDevice:
        self.judged += 1
        return judge(der, self.issuers, int(time.time()))

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        figures = ChannelMetrics(self.metrics)
        async with self._staffed() as (desk, judges):
            log = configure("json", "debug", self.lines)
            self.admission = Admission(judges)
            parts = ChannelParts(SERVICE, desk, self.admission, self.context(), self.limits, log, figures)
            async with Channel(("127.0.0.1", 0), parts) as self.channel:
                assert self.channel.address
                self.port = self.channel.address[1]
                self._ready.set_result(None)
                await self._stop.wait()

    @asynccontextmanager
    async def _staffed(self) -> AsyncIterator[tuple[Desk, Judge]]:
        """Who answers and who judges."""
        if self.world is None:
            yield self.desk, self._judge
            return
        async with Rig(self.world) as self.rig:
            yield self.rig.desk, self.rig.parts.judge.device

    def _run(self) -> None:
        try:
            self.loop.run_until_complete(self._serve())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)
        finally:
            self.loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result(WITHIN_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive()

    def within(self, work: Callable[[], Any]) -> Any:
        """Call `work` on the listener's loop; await what it returns if that can be awaited."""

        async def run() -> Any:
            made = work()
            return await made if asyncio.iscoroutine(made) else made

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(WITHIN_S)

    def tls(self, identity: Identity | None, *, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """How a client of ours speaks TLS; weak keys are its own affair."""
        context = ssl.create_default_context(cafile=self.authorities.trust)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if identity is not None:
            context.load_cert_chain(identity.path)
        return context

    def plain(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), WITHIN_S)

    def connect(self, identity: Identity | None, *, version: ssl.TLSVersion | None = None) -> Client:
        """Raises OSError when the handshake fails."""
        sock = self.plain()
        try:
            secured = self.tls(identity, version=version).wrap_socket(sock, server_hostname="localhost")
        except BaseException:
            sock.close()
            raise
        return Client(secured)

    def once(self, identity: Identity | None, octets: bytes) -> Answer:
        """One request on a connection of its own; NO_ANSWER however the connection failed."""
        try:
            with self.connect(identity) as client:
                client.send(octets)
                return client.read()
        except OSError:
            return NO_ANSWER

    def events(self, event: str = "") -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.lines.getvalue().splitlines()]
        return [line for line in lines if event in {"", line["event"]}]

    def figure(self, series: str) -> float:
        """The value of `tsm_provisioning_<series>`, written as in the exposition format."""
        for line in self.metrics.text().decode().splitlines():
            if line.startswith(f"tsm_provisioning_{series} "):
                return float(line.rpartition(" ")[2])
        return 0.0


@contextmanager
def listening(
    authorities: Authorities,
    limits: Limits | None = None,
    crls: tuple[bytes, ...] = (),
    world: World | None = None,
) -> Iterator[Listening]:
    """A channel 1 for the block, with the real desk and store of `world` if there is one.

    Nothing that a library had to complain about may remain unseen.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    generous = limits or Limits(requests_per_minute=100_000)
    try:
        with Listening(authorities, generous, crls, world) as made:
            yield made
        complaints = made.events("library.logged")
        assert not complaints, complaints
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
