"""Channel 2 as agents meet it: a listener in a thread, the real judge, and a desk that notes who asked."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.daemon.channel1_world import LIFE, LONG, SIGNS, Authorities, Identity, Listening
from tests.provisioning.authority import CLIENT, Authority, der, key_pem, new_key, pem
from tsm_gateway.daemon.agent_judge import AgentJudge
from tsm_gateway.daemon.channel2_routes import SERVICE
from tsm_gateway.daemon.channel_admission import Admission
from tsm_gateway.daemon.channel_limits import Limits
from tsm_gateway.daemon.channel_listener import Channel, ChannelParts
from tsm_gateway.daemon.channel_metrics import ChannelMetrics
from tsm_gateway.daemon.channel_tls import listener_context
from tsm_gateway.daemon.delivery_answers import DeliveryStatus, ScriptAnswer, ScriptRequest
from tsm_gateway.daemon.logs import configure
from tsm_gateway.daemon.provisioning_channels import DELIVERY_PREFIX
from tsm_gateway.provisioning.issuer import Issuer, read_issuer
from tsm_gateway.provisioning.ocsp_link import OcspLink

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.provisioning.agent_trust import TrustedAgent

APP_SE = bytes.fromhex("0123456789abcdef")
AGENT = (SIGNS, (CLIENT, False))


class AgentAuthorities(Authorities):
    """Beside the maker of crypto SEs an issuer of agents."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.agents = Authority("Agents", lifetime=LONG)

    def agents_issuer(self, *, crls: tuple[bytes, ...] = ()) -> Issuer:
        return read_issuer("agents", anchors=pem(self.agents.certificate), crls=crls)

    def agent(
        self,
        kind: str = "p256",
        *,
        by: Authority | None = None,
        numbers: tuple[str, ...] = (APP_SE.hex(),),
        extensions: Any = AGENT,
        lifetime: tuple[int, int] = LIFE,
        key: Any = None,
    ) -> Identity:
        """An agent's certificate; `numbers` are the serialNumbers of its subject."""
        key = key or new_key(kind)
        parts = [x509.NameAttribute(NameOID.SERIAL_NUMBER, each) for each in numbers]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agent"), *parts])
        certificate = (by or self.agents).issue(
            key.public_key(), subject, extensions=extensions, lifetime=lifetime
        )
        path = self.folder / f"{len(list(self.folder.iterdir()))}.pem"
        path.write_bytes(pem(certificate) + key_pem(key))
        return Identity(path, certificate)


class Counter:
    """A desk that answers everybody it is asked by, and writes down whom."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, TrustedAgent, Any]] = []
        self.trouble: BaseException | None = None
        self.answer = ScriptAnswer("", 0, (), done=True, job=None, retry_after_s=60)

    async def script(self, who: TrustedAgent, asked: ScriptRequest) -> ScriptAnswer:
        self.asked.append(("script", who, asked))
        if self.trouble is not None:
            raise self.trouble
        return self.answer

    async def status(self, who: TrustedAgent) -> DeliveryStatus:
        self.asked.append(("status", who, None))
        return DeliveryStatus(who.app_se, None, None, (), 0, session=False)


class Listening2(Listening):
    """A running channel 2."""

    authorities: AgentAuthorities

    def __init__(self, authorities: AgentAuthorities, limits: Limits, crls: tuple[bytes, ...]) -> None:
        super().__init__(authorities, limits, (), None)
        self.counter = Counter()
        self.agent_issuers = (authorities.agents_issuer(crls=crls),)
        self.enrolled: set[str] = set()

    def context(self) -> ssl.SSLContext:
        server = self.authorities.server.path
        return listener_context(server, server, [der(self.authorities.agents.certificate)])

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        judge = AgentJudge(
            lambda: self.agent_issuers, OcspLink(lambda *_: None), self.enrolled.__contains__, time.time
        )
        parts = ChannelParts(
            SERVICE,
            self.counter,
            Admission(judge.agent),
            self.context(),
            self.limits,
            configure("json", "debug", self.lines),
            ChannelMetrics(self.metrics, DELIVERY_PREFIX),
        )
        async with Channel(("127.0.0.1", 0), parts) as self.channel:
            assert self.channel.address
            self.port = self.channel.address[1]
            self._ready.set_result(None)
            await self._stop.wait()


@contextmanager
def listening2(
    authorities: AgentAuthorities, limits: Limits | None = None, crls: tuple[bytes, ...] = ()
) -> Iterator[Listening2]:
    """A channel 2 for the block. Nothing that a library had to complain about may remain unseen."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        with Listening2(authorities, limits or Limits(requests_per_minute=100_000), crls) as made:
            yield made
        complaints = made.events("library.logged")
        assert not complaints, complaints
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
