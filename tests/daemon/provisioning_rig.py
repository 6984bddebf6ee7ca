"""All of provisioning but its listener: the real store on disk, real cryptography, a clock to move."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from typing import TYPE_CHECKING, Any, Self

from cryptography.hazmat.primitives.asymmetric import ec

from tests.daemon.literal_device import PORT, TSM_ID, LiteralDevice
from tests.provisioning.authority import NOW, Authority, der, pem, uses
from tsm_gateway.daemon.logs import configure
from tsm_gateway.daemon.provisioning_answers import EnrolmentAnswer, EnrolmentRequest
from tsm_gateway.daemon.provisioning_ledger import ACTOR
from tsm_gateway.daemon.provisioning_material import Held, Material
from tsm_gateway.daemon.provisioning_metrics import ProvisioningMetrics
from tsm_gateway.daemon.provisioning_parts import ProvisioningParts, assemble
from tsm_gateway.daemon.provisioning_reports import ProvisioningReports
from tsm_gateway.daemon.settings_model import Settings
from tsm_gateway.keys.wrap import MasterKey, MasterKeys
from tsm_gateway.provisioning.device_trust import TrustedDevice, judge
from tsm_gateway.provisioning.issuer import read_issuer
from tsm_gateway.provisioning.ocsp_link import OcspLink
from tsm_gateway.relay.interfaces import StoreBroken
from tsm_gateway.secret import Secret
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from tsm_gateway.registry.standing import Standing

MASTERS = MasterKeys([MasterKey(1, Secret(bytes(range(32))))])
MSISDN = "+4915112345678"


class World:
    """What stays the same when the process is another one: issuer, TSM keys, store, clock."""

    def __init__(self, folder: Path, **section: Any) -> None:
        self.folder, self.section, self.now = folder, section, NOW
        self.authority = Authority("SE issuer")
        self.tsm_key = ec.generate_private_key(ec.SECP256R1())
        tsm = Authority("TSM root")
        self.tsm_certificate = der(
            tsm.issue(self.tsm_key.public_key(), extensions=[uses("digital_signature")])
        )
        self.masters = MASTERS

    def device(self, kind: str = "p256", common: str = "se", **issue: Any) -> LiteralDevice:
        return LiteralDevice(self.authority, kind, common, **issue)

    def settings(self) -> Settings:
        document = {
            "gateway": {"id": TSM_ID, "application_port": PORT, "test_parties": False},
            "store": {"url": f"sqlite:///{self.folder}/gateway.db"},
            "keys": {"master": f"file:{self.folder}/master.key"},
            "provisioning": {
                "certificate": "/not/read",
                "key": "file:/not/read",
                "key_delivery_certificate": "/not/read",
                "key_delivery_key": "file:/not/read",
                **self.section,
            },
        }
        return Settings.model_validate(document)

    def material(self) -> Material:
        section = self.settings().provisioning
        assert section is not None
        issuer = read_issuer("se-issuer", anchors=pem(self.authority.certificate))
        return Material(section, self.masters, (issuer,), self.tsm_key, self.tsm_certificate)


class Rig:
    """One process of provisioning in a world; `async with Rig(world) as rig`."""

    def __init__(self, world: World) -> None:
        self.world, self.ahead_s = world, 0.0
        self.lines = io.BytesIO()
        settings = world.settings()
        self.store = SqliteStore.open(
            settings.store.path, mark=settings.epoch_mark, exclusive=False, actor=ACTOR, patience_s=0.0
        )
        self.reports = ProvisioningReports(configure("json", "debug", self.lines), ProvisioningMetrics())
        self.held = Held(world.material())
        self.parts: ProvisioningParts = assemble(
            settings,
            self.store,
            self.held,
            OcspLink(self.reports.responder_silent),
            self.reports,
            wall=lambda: float(world.now),
            monotonic=lambda: world.now + self.ahead_s,
        )
        self.desk = self.parts.desk
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.parts.committer.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, StoreBroken):
            await self._task
        self.store.close()

    # what devices do

    def who(self, device: LiteralDevice) -> TrustedDevice:
        return judge(device.certificate, self.held.now.issuers, self.world.now)

    async def enrol(
        self, device: LiteralDevice, *, hybrid: bool = False, msisdn: str = ""
    ) -> EnrolmentAnswer:
        statement = device.hybrid_key() if hybrid else None
        request = EnrolmentRequest(device.key_certificate, statement, msisdn)
        return await self.desk.enrol(self.who(device), request)

    async def register(self, device: LiteralDevice, **enrol: Any) -> EnrolmentAnswer:
        """Enrol, install, prove: all of it."""
        answer = await self.enrol(device, **enrol)
        assert answer.key_package is not None
        assert answer.challenge is not None
        device.install(answer.key_package, answer.tsm_certificate)
        await self.desk.register(self.who(device), device.proof(answer.challenge))
        return answer

    async def activate(self, device: LiteralDevice, **enrol: Any) -> EnrolmentAnswer:
        answer = await self.register(device, **enrol)
        await self.write(
            lambda: self.store.provisioning.activate(device.device_id, reason="test", at=self.world.now)
        )
        return answer

    # what operators do, and see

    async def write(self, act: Callable[[], object]) -> None:
        await self.parts.committer.commit(lambda _: act())

    def standing(self, device: LiteralDevice) -> Standing:
        found = self.store.provisioning.standing(device.device_id)
        assert found is not None
        return found

    def keys(self, device: LiteralDevice) -> list[tuple[int, str]]:
        """(epoch, state) of each, newest first."""
        return [(key.epoch, key.state.value) for key in self.standing(device).keys]

    def acts(self, device: LiteralDevice | None = None) -> list[tuple[str, str, str]]:
        """(action, outcome, reason) of the audit log."""
        entries = [each.entry for each in self.store.provisioning.audit()]
        mine = [each for each in entries if device is None or each.subject == device.device_id]
        return [(each.action, each.outcome, each.reason) for each in mine]

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.lines.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]


def played(folder: Path, story: Callable[[Rig], Coroutine[Any, Any, None]], **section: Any) -> None:
    """Play `story` in a fresh world."""

    async def play() -> None:
        async with Rig(World(folder, **section)) as rig:
            await asyncio.wait_for(story(rig), 60)

    asyncio.run(play())
