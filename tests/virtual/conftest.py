"""Virtual parties with keys of their own, and a gateway of ten lines between them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
import smpplib.smpp

from tsm_gateway.secret import Secret
from tsm_gateway.virtual.cbor_literal import decode, encode
from tsm_gateway.virtual.cose_literal import as_list
from tsm_gateway.virtual.identity import Identity, new_identity
from tsm_gateway.virtual.packet import Direction, Traffic, read_packet
from tsm_gateway.virtual.part import Part, cut
from tsm_gateway.virtual.party_records import HandsetRecord, ProviderRecord

if TYPE_CHECKING:
    from tsm_gateway.virtual.smsc import VirtualSmsc

NOW = 1_760_000_000
PORT = 16500
ADDRESS = "+4930123456789"

Relay = Callable[..., list[Part]]


@pytest.fixture(scope="session")
def identity() -> Identity:
    return new_identity(NOW)


@pytest.fixture
def handset_record(identity: Identity) -> HandsetRecord:
    return HandsetRecord(
        device_id=identity.device_id,
        kid=bytes.fromhex("5a17c0de"),
        key=Secret(bytes(range(32))),
        next_piv=70_000,
        port=PORT,
        msisdn="+491701234567",
        certificate=identity.certificate,
        private_key=identity.private_key,
        provider_addresses=(ADDRESS,),
    )


@pytest.fixture
def provider_record(identity: Identity) -> ProviderRecord:
    return ProviderRecord(
        name="coffee",
        address=ADDRESS,
        kid=bytes.fromhex("0badcafe"),
        key=Secret(bytes(range(32, 64))),
        msisdn="+4930999",
        devices={identity.device_id: identity.certificate},
    )


@pytest.fixture
def relay(handset_record: HandsetRecord, provider_record: ProviderRecord) -> Relay:
    """Opens what the handset sent and seals it for the provider, as the gateway would."""
    phone, shop = handset_record, provider_record
    up = Traffic(phone.key, phone.kid, Direction.DEVICE_TO_TSM, phone.device_id, PORT)
    down = Traffic(shop.key, shop.kid, Direction.TSM_TO_PROVIDER, shop.name, PORT)

    def passed_on(parts: Sequence[Part], piv: int = 1, at: int = NOW) -> list[Part]:
        packet = b"".join(part.data for part in parts)
        _address, certificate = as_list(decode(up.open(read_packet(packet))), 2)
        sealed = down.seal(encode([certificate, at, piv.to_bytes(16, "big")]), piv)
        return [Part("16500", shop.msisdn, 4, 0, udh, body) for udh, body in cut(sealed, PORT, piv % 256)]

    return passed_on


class Esme:
    """An ESME on smpplib's codec: binds, keeps what it gets, answers as told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.sequence = 0
        self.asked: set[int] = set()  # sequence numbers of our requests
        self.deliveries: list[Any] = []
        self.responses: dict[int, Any] = {}
        self.requests: list[Any] = []  # enquire_link and unbind from the SMSC
        self.order: list[str] = []  # commands in the order they came
        self.answer: Callable[[Any], int | None] = lambda _pdu: 0  # None: no answer
        self.ended = asyncio.Event()
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read(), name="esme")

    @classmethod
    async def connect(cls, smsc: VirtualSmsc) -> Esme:
        return cls(*await asyncio.open_connection(smsc.host, smsc.port))

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence

    def request(self, name: str, **fields: Any) -> int:
        """Send a request; its sequence number."""
        pdu = smpplib.smpp.make_pdu(name, client=self, **fields)
        pdu.sequence = self.next_sequence()
        self.asked.add(pdu.sequence)
        self.writer.write(pdu.generate())
        return int(pdu.sequence)

    async def response(self, sequence: int) -> Any:
        await self.until(lambda: sequence in self.responses)
        return self.responses[sequence]

    async def bind(self, kind: str = "transceiver", password: str = "secret", system_id: str = "tsm") -> int:
        sequence = self.request(f"bind_{kind}", system_id=system_id, password=password)
        return int((await self.response(sequence)).status)

    def submit(self, part: Part, **fields: Any) -> int:
        return self.request(
            "submit_sm",
            source_addr=part.source,
            dest_addr_ton=1,
            dest_addr_npi=1,
            destination_addr=part.destination.lstrip("+"),
            esm_class=0x40,
            data_coding=part.dcs,
            short_message=part.udh + part.data,
            **fields,
        )

    async def until(self, condition: Callable[[], bool], within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def close(self) -> None:
        self._task.cancel()
        self.writer.close()
        await asyncio.wait([self._task])

    def _reply(self, pdu: Any, name: str, status: int) -> None:
        reply = smpplib.smpp.make_pdu(name, client=self, status=status)
        reply.sequence = pdu.sequence
        self.writer.write(reply.generate())

    async def _read(self) -> None:
        try:
            while True:
                head = await self.reader.readexactly(4)
                octets = head + await self.reader.readexactly(int.from_bytes(head, "big") - 4)
                self._take(smpplib.smpp.parse_pdu(octets, client=self, allow_unknown_opt_params=True))
                self._changed.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended.set()
            self._changed.set()

    def _take(self, pdu: Any) -> None:
        self.order.append(pdu.command)
        if pdu.command == "deliver_sm":
            self.deliveries.append(pdu)
            status = self.answer(pdu)
            if status is not None:
                self._reply(pdu, "deliver_sm_resp", status)
        elif pdu.command in {"enquire_link", "unbind"}:
            self.requests.append(pdu)
            self._reply(pdu, f"{pdu.command}_resp", 0)
        else:
            self.responses[pdu.sequence] = pdu


@pytest.fixture
def parts() -> list[Part]:
    """Two parts of one message."""
    cuts = cut(bytes(range(200)), PORT, 7)
    return [Part("+491701234567", "16500", 4, 0, udh, body) for udh, body in cuts]


@pytest.fixture
def connect() -> Callable[[VirtualSmsc], Awaitable[Esme]]:
    """Connects an ESME to an SMSC."""
    return Esme.connect
