"""A whole relay in one process: the real store on disk, virtual handsets and provider, a bearer with books.

Only the radio is missing. What goes in are parts a virtual handset made; what comes out are parts the
bearer was given, which a virtual provider opens.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tsm_gateway.daemon.logs import configure
from tsm_gateway.daemon.metrics import Metrics
from tsm_gateway.daemon.relay_parts import assemble
from tsm_gateway.daemon.settings_model import Settings
from tsm_gateway.envelope.replay import initial_window
from tsm_gateway.keys.wrap import MasterKey, MasterKeys, wrap
from tsm_gateway.messages import Fate, Segment, Submitted, Ticket, Verdict
from tsm_gateway.radio.sms.header import read_header
from tsm_gateway.registry.device import Device, DeviceState, KeyState, WrappedKey
from tsm_gateway.registry.provider import Provider, ProviderState, Verify
from tsm_gateway.relay.directory import DEVICE_KEYS, PROVIDER_KEYS, place_of
from tsm_gateway.secret import Secret
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.identity import Identity, Kind, new_identity
from tsm_gateway.virtual.part import Part
from tsm_gateway.virtual.party_records import HandsetRecord, ProviderRecord
from tsm_gateway.virtual.provider import OpenedPayment
from tsm_gateway.virtual.provider import Provider as VirtualProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from tsm_gateway.messages import Submission

PORT, ADDRESS, MSISDN, GATEWAY = 16500, "+4930123456789", "+4930999", "16500"
MASTERS = MasterKeys([MasterKey(1, Secret(bytes(range(32))))])
NOW = 1_790_000_000


class Answer(NamedTuple):
    """What the radio was told about one short message."""

    sequence: int
    verdict: Verdict


class BookBearer:
    """A bearer of the relay that writes down what it is told; fates are scripted, else ACCEPTED."""

    def __init__(self, name: str = "air") -> None:
        self.name = name
        self.answers: list[Answer] = []
        self.sent: list[Submission] = []
        self.script: deque[Fate] = deque()
        self.window = 50
        self.on_submitted: Callable[[str, list[Submitted]], None] = lambda _name, _results: None
        self.hold = False  # True: submissions stay unanswered
        self._busy = 0
        self._ids = 0

    def answer(self, answers: Iterable[tuple[Ticket, Verdict]]) -> None:
        self.answers.extend(Answer(ticket.sequence, verdict) for ticket, verdict in answers)

    def room(self) -> int:
        return self.window - self._busy

    def submit(self, parts: Sequence[Submission]) -> None:
        assert len(parts) <= self.room()
        self.sent.extend(parts)
        if self.hold:
            return
        self._busy += len(parts)
        results = [self._result(part) for part in parts]
        asyncio.get_running_loop().call_soon(self._give, results)

    def _give(self, results: list[Submitted]) -> None:
        self._busy -= len(results)
        self.on_submitted(self.name, results)

    def _result(self, part: Submission) -> Submitted:
        fate = self.script.popleft() if self.script else Fate.ACCEPTED
        self._ids += 1
        ids = (f"id-{self._ids}",) if fate is Fate.ACCEPTED else ()
        return Submitted(part.part, fate, 0 if ids else 0x45, ids)


class Rig:
    """Use as `async with Rig(path) as rig`."""

    def __init__(self, folder: Path, *, relay: dict[str, Any] | None = None, devices: int = 1) -> None:
        self.folder = folder
        self.now = float(NOW)
        self.log = io.BytesIO()
        self.settings = Settings.model_validate(
            {
                "gateway": {"id": "rig", "application_port": PORT},
                "store": {"url": f"sqlite://{folder}/gateway.db", "min_free_mb": 0},
                "keys": {"master": f"file:{folder}/master.key"},
                "relay": {"retry_first_s": 1.0, "retry_cap_s": 4.0, **(relay or {})},
            }
        )
        self.store = self.open_store()
        self.handsets: list[Handset] = []
        self.provider_record: ProviderRecord
        if not self.store.registry.providers():
            for _ in range(devices):
                self.add_device()
            self.add_provider()
        self.bearer = BookBearer()
        self._sequence = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self.assemble()

    def open_store(self) -> SqliteStore:
        return SqliteStore.open(self.folder / "gateway.db", mark=self.folder / "epoch", exclusive=True)

    def assemble(self) -> None:
        stream = self.log
        self.metrics = Metrics()
        self.parts = assemble(
            self.settings, self.store, MASTERS, configure("json", "debug", stream), self.metrics
        )
        clocks = self.parts.intake._clocks._replace(wall=lambda: self.now)
        self.parts.intake._clocks = clocks
        self.parts.dispatcher._clocks = self.parts.controls._clocks = clocks
        self.parts.intake.reload()
        self.parts.dispatcher.refresh()
        self.parts.intake.attach(self.bearer)
        self.parts.senders.attach(self.bearer)
        self.bearer.on_submitted = self.parts.senders.submitted

    # people

    def add_device(
        self,
        *,
        state: DeviceState = DeviceState.ACTIVE,
        key_state: KeyState = KeyState.CURRENT,
        piv: int = 1000,
        kind: Kind = Kind.P256,
    ) -> Handset:
        identity = new_identity(NOW, kind)
        kid, key = os.urandom(4), Secret(os.urandom(32))
        msisdn = f"+4917012345{len(self.handsets):02}"
        device = Device(identity.device_id, state, identity.certificate, msisdn, NOW, NOW, "")
        self.store.registry.add_device(
            device, wrapped(DEVICE_KEYS, kid, identity.device_id, key, key_state), initial_window(piv)
        )
        handset = Handset(handset_record(identity, kid, key, piv, msisdn), gateway=GATEWAY)
        self.handsets.append(handset)
        return handset

    def add_provider(self, **changes: Any) -> None:
        kid, key = os.urandom(4), Secret(os.urandom(32))
        provider = Provider(
            name="bank",
            state=ProviderState.ACTIVE,
            addresses=(ADDRESS,),
            msisdn=MSISDN,
            routes=(),
            verify=Verify.GATEWAY,
            amount_limit=0,
            biometric_above=0,
            receipt=True,
            validity_s=0,
            created_at=NOW,
            changed_at=NOW,
            reason="",
        )._replace(**changes)
        self.store.registry.add_provider(
            provider, wrapped(PROVIDER_KEYS, kid, provider.name, key), next_piv=1
        )
        devices = {each.record.device_id: each.record.certificate for each in self.handsets}
        self.provider_record = ProviderRecord(provider.name, ADDRESS, kid, key, MSISDN, devices)

    # what goes on

    async def __aenter__(self) -> Self:
        await self.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()
        self.store.close()

    async def begin(self) -> None:
        parts = self.parts
        loops = (parts.committer.run, parts.intake.run, parts.dispatcher.record, parts.dispatcher.claim)
        self._tasks = [asyncio.create_task(loop()) for loop in (*loops, parts.controls.run)]
        parts.senders.link_up(self.bearer.name)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        self.parts.verifier.close()

    def pay(self, amount: str = "12.99", *, handset: Handset | None = None, to: str = ADDRESS) -> list[Part]:
        return (handset or self.handsets[0]).pay(to, amount, "EUR", at=int(self.now))

    def segment(self, part: Part) -> Segment:
        self._sequence += 1
        header = read_header(part.udh + part.data)
        joined, ports = header.concatenation, header.ports
        return Segment(
            Ticket(self.bearer.name, 1, self._sequence, 5),
            part.source,
            part.destination,
            part.pid,
            part.dcs,
            ports[0] if ports else None,
            joined.reference if joined else None,
            joined.total if joined else 1,
            joined.number if joined else 1,
            header.body,
        )

    async def offer(self, parts: Sequence[Part]) -> list[Verdict]:
        """Hand parts in as one batch; returns what the radio was told, in order."""
        before = len(self.bearer.answers)
        self.parts.intake.offer([self.segment(part) for part in parts])
        await self.until(lambda: len(self.bearer.answers) >= before + len(parts))
        return [answer.verdict for answer in self.bearer.answers[before:]]

    async def until(self, condition: Callable[[], bool], within_s: float = 10.0) -> None:
        async with asyncio.timeout(within_s):
            while not condition():
                self.raise_defects()
                await asyncio.sleep(0.002)

    def raise_defects(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                raise task.exception()  # type: ignore[misc]

    async def opened(self, count: int) -> list[OpenedPayment]:
        """Wait for `count` payments to leave and open them."""
        provider = VirtualProvider(self.provider_record)
        found: list[OpenedPayment] = []
        at = 0

        def look() -> bool:
            nonlocal at
            while at < len(self.bearer.sent):
                data = self.bearer.sent[at].user_data
                at += 1
                cut = data[0] + 1
                payment = provider.receive(Part("", MSISDN, 4, 0, data[:cut], data[cut:]))
                if payment is not None and not payment.duplicate:
                    found.append(payment)
            return len(found) >= count

        await self.until(look)
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]

    def reasons(self) -> list[str]:
        return [line["reason"] for line in self.events("payment.refused")]


def wrapped(
    table: str, kid: bytes, owner: str, key: Secret, state: KeyState = KeyState.CURRENT
) -> WrappedKey:
    bare = WrappedKey(kid, owner, 1, state, b"", 1, NOW)
    octets, version = wrap(MASTERS, key, place_of(table, bare), nonce=os.urandom(12))
    return bare._replace(wrapped=octets, master_version=version)


def handset_record(identity: Identity, kid: bytes, key: Secret, piv: int, msisdn: str) -> HandsetRecord:
    return HandsetRecord(
        identity.device_id,
        kid,
        key,
        piv,
        PORT,
        msisdn,
        identity.certificate,
        identity.private_key,
        (ADDRESS,),
    )
