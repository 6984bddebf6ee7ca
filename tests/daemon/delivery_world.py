"""Deliveries without their listener: the real store and desk, a virtual card, and an agent of a few lines."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.daemon.provisioning_rig import Rig, World
from tests.provisioning.authority import CLIENT, Authority, der, p256, pem, uses
from tsm_gateway.daemon.delivery_answers import ScriptAnswer, ScriptRequest
from tsm_gateway.daemon.provisioning_material import DeliveryMaterial, Material
from tsm_gateway.keys.wrap import NONCE_OCTETS, card_place, wrap
from tsm_gateway.provisioning.agent_trust import TrustedAgent, judge_agent
from tsm_gateway.provisioning.cap_file import read_cap
from tsm_gateway.provisioning.card_key_octets import join_keys
from tsm_gateway.provisioning.card_keys import KeySet
from tsm_gateway.provisioning.issuer import read_issuer
from tsm_gateway.provisioning.load_file import LoadFile
from tsm_gateway.provisioning.signing import FileSigner, sign_load_file
from tsm_gateway.registry.application import Application, ApplicationState, Rule, Scope, Version
from tsm_gateway.registry.card import Card as CardRecord
from tsm_gateway.registry.card import CardKeySet, CardKeyState
from tsm_gateway.secret import Secret
from tsm_gateway.virtual.cap_writer import payment_cap
from tsm_gateway.virtual.card import Card
from tsm_gateway.virtual.card_new import manifest_line, new_card, new_key_set
from tsm_gateway.virtual.errors import CardTorn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from tests.daemon.literal_device import LiteralDevice
    from tsm_gateway.registry.job import Job
    from tsm_gateway.store.delivery_store import DeliveryStore
    from tsm_gateway.virtual.card_state import CardState

BEGIN = ScriptRequest("", 0, ())
OK = b"\x90\x00"
V1, V2 = Version(1, 0, 0), Version(2, 0, 0)


class DeliveryWorld(World):
    """A world with a channel 2: agents' authority, signing key."""

    def __init__(self, folder: Path, delivery: dict[str, Any] | None = None, **section: Any) -> None:
        needed = {"certificate": "/not/read", "key": "file:/not/read", "signing_certificate": "/not/read"}
        super().__init__(folder, delivery={**needed, **(delivery or {})}, **section)
        self.agents = Authority("Agents")
        self.signer = FileSigner(key := p256())
        self.signing = Authority("TSM root").issue(key.public_key(), extensions=[uses("digital_signature")])
        self.earlier: tuple[x509.Certificate, ...] = ()
        self.token_key: Any = None

    def material(self) -> Material:
        material = super().material()
        delivery = material.section.delivery
        assert delivery is not None
        issuer = read_issuer("agents", anchors=pem(self.agents.certificate))
        found = DeliveryMaterial(delivery, (issuer,), self.signing, self.token_key, self.earlier)
        return Material(**{name: getattr(material, name) for name in MATERIAL}, delivery=found)

    def renew_signing_key(self) -> None:
        """Another application-signing key: what the old one signed is signed by an old key from now on."""
        self.earlier = (self.signing,)
        self.signer = FileSigner(key := p256())
        self.signing = Authority("TSM root").issue(key.public_key(), extensions=[uses("digital_signature")])

    def agent_certificate(self, app_se: bytes, key: Any = None) -> x509.Certificate:
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, "agent"),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, app_se.hex()),
            ]
        )
        return self.agents.issue(
            (key or p256()).public_key(), subject, extensions=[uses("digital_signature"), (CLIENT, False)]
        )


MATERIAL = ("section", "masters", "issuers", "signing_key", "tsm_certificate")


class Agent:
    """The agent in front of one card: carries scripts, answers, and begins anew when its card was torn."""

    def __init__(self, rig: Rig, card: Card, who: TrustedAgent) -> None:
        self.rig, self.card, self.who = rig, card, who
        self.told: list[ScriptAnswer] = []
        self.scripts = 0

    async def post(self, asked: ScriptRequest) -> ScriptAnswer:
        answer = await self.rig.parts.delivery.script(self.who, asked)
        self.told.append(answer)
        self.scripts += bool(answer.commands)
        return answer

    async def begin(self) -> ScriptAnswer:
        return await self.post(BEGIN)

    def carry(self, script: ScriptAnswer) -> ScriptRequest:
        """What the card answers to a script. Raises CardTorn."""
        responses = []
        for command in script.commands:
            responses.append(self.card.transmit(command))
            if responses[-1][-2:] != OK:
                break
        return ScriptRequest(script.session, script.number, tuple(responses))

    async def run(self) -> ScriptAnswer:
        """Scripts until there is nothing more to do; a torn card is powered on and begins anew."""
        script = await self.begin()
        while not script.done:
            try:
                asked = self.carry(script)
            except CardTorn:
                self.card.power_on()
                script = await self.begin()
                continue
            script = await self.post(asked)
        return script


class Handset(NamedTuple):
    """A registered device with its card and agent."""

    device: LiteralDevice
    card: Card
    agent: Agent


class DeliveryRig(Rig):
    """One process in a world with channel 2."""

    world: DeliveryWorld

    @property
    def delivery(self) -> DeliveryStore:
        return self.store.delivery

    # what somebody does who may write the database, and nothing else

    @contextmanager
    def other_writer(self) -> Iterator[sqlite3.Connection]:
        """The database by a connection of its own; nothing is checked but what the schema checks."""
        with closing(sqlite3.connect(self.delivery._path, isolation_level=None)) as store:
            yield store

    # what operators do

    async def publish(
        self, version: Version = V1, size: int = 3000, name: str = "pay", **changes: Any
    ) -> Application:
        cap = read_cap(payment_cap(size, (version.major, version.minor), **changes.pop("cap", {})))
        load_file = LoadFile(cap.load_file, cap.package_aid)
        application = Application(
            name,
            version,
            load_file.digest,
            changes.pop("provider", ""),
            cap.package_aid,
            cap.package_version,
            cap.applet_aids,
            cap.java_card,
            load_file.size,
            ApplicationState.PUBLISHED,
            self.world.now,
        )
        signature = sign_load_file(self.world.signer, load_file, at=self.world.now)
        signature = signature._replace(**changes)
        await self.write(
            lambda: self.delivery.publish(application, load_file.octets, signature, at=self.world.now)
        )
        return application

    async def assign(self, name: str = "pay", *, wanted: bool = True, version: Version | None = None) -> None:
        rule = Rule(name, Scope.ALL, "", version, wanted=wanted, made_at=self.world.now)
        await self.write(lambda: self.delivery.assign(rule, reason="test"))

    async def import_card(self, state: CardState, **changes: Any) -> None:
        """The line of its issuer's manifest."""
        line: dict[str, Any] = manifest_line(state)
        app_se, kvn = bytes.fromhex(line["app_se"]), line["kvn"]
        keys = KeySet(kvn, *(Secret(bytes.fromhex(line[name])) for name in ("enc", "mac", "dek")))
        receipt = Secret(bytes.fromhex(line["receipt"])) if "receipt" in line else None
        record = CardRecord(
            app_se, bytes.fromhex(line["sd_aid"]), int(line["i"], 16), "maker", b"", self.world.now
        )._replace(**changes)
        place, nonce = card_place(app_se, kvn), secrets.token_bytes(NONCE_OCTETS)
        wrapped, version = wrap(self.world.masters, join_keys(keys, receipt), place, nonce=nonce)
        stored = CardKeySet(app_se, kvn, CardKeyState.TRANSPORT, wrapped, version, self.world.now)
        await self.write(
            lambda: self.delivery.import_cards([(record, stored)], reason="test", at=self.world.now)
        )

    async def handset(self, common: str = "se", *, register: bool = True, **card: Any) -> Handset:
        """A registered device, its card imported, its agent ready."""
        device = self.world.device(common=common)
        tear = card.pop("tear", lambda _moment, _apdu: False)
        record = card.pop("record", {})
        keys = new_key_set(key_octets=card.pop("key_octets", 16))
        dap_keys = card.pop("dap_keys", [self.world.signer.public_key])
        state = new_card(app_se=device.app_se, keys=keys, dap_keys=dap_keys, **card)
        await self.import_card(state, **record)
        if register:
            await self.register(device)
        return Handset(device, made := Card(state, tear=tear), self.agent(made))

    def agent(self, card: Card) -> Agent:
        """Another one in front of the same card, by a certificate of its own."""
        certificate = der(self.world.agent_certificate(card.state.profile.app_se))
        material = self.held.now.delivery
        assert material is not None
        return Agent(self, card, judge_agent(certificate, material.issuers, self.world.now))

    # what they see

    def job(self, handset: Handset, kind: str = "install") -> Job:
        """The newest job of a kind."""
        jobs = [each for each in self.delivery.jobs(handset.device.device_id) if each.kind.value == kind]
        return jobs[-1]

    def jobs(self, handset: Handset) -> list[tuple[str, str]]:
        return [(each.kind.value, each.state.value) for each in self.delivery.jobs(handset.device.device_id)]

    def applications(self, handset: Handset) -> dict[str, tuple[str, str]]:
        found = self.delivery.on_device(handset.device.device_id)
        return {each.application: (str(each.version), each.state.value) for each in found}

    def card_keys(self, handset: Handset) -> list[tuple[int, str]]:
        found = self.delivery.card_keys(handset.device.app_se)
        return [(each.kvn, each.state.value) for each in found]

    def state(self, handset: Handset) -> str:
        return self.standing(handset.device).device.state.value


def delivered(
    folder: Path,
    story: Callable[[DeliveryRig], Coroutine[Any, Any, None]],
    delivery: dict[str, Any] | None = None,
) -> None:
    """Play `story` in a fresh world with channel 2."""

    async def play() -> None:
        async with DeliveryRig(DeliveryWorld(folder, delivery)) as rig:
            await asyncio.wait_for(story(rig), 60)

    asyncio.run(play())


def installed(card: Card) -> list[str]:
    """The load files on a card, by digest."""
    return [each.digest.hex() for each in card.state.load_files]
