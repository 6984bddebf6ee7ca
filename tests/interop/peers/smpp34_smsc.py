"""The SMSC of PyPI's `smpp34` (Rust): in this process, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import smpp34

from tests.interop.peers.program import free_port
from tests.interop.peers.smsc import Taken, wait_for
from tsm_gateway.virtual.part import Part

if TYPE_CHECKING:
    from collections.abc import Coroutine

UDHI = 0x40


class Smpp34Smsc:
    """Accepts whatever is submitted; `refusals` are statuses answered first, one to each submit_sm."""

    def __init__(self, *refusals: int) -> None:
        self.port = free_port()
        self.taken: list[Taken] = []
        self.answers: list[tuple[int, int]] = []
        self.refused: list[int] = []
        self.sessions = 0  # binds so far
        self._refusals = list(refusals)
        self._orders = 0
        self._esmes: dict[str, Any] = {}  # by session id
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smpp34", daemon=True)
        self._thread.start()
        self._server = smpp34.Server("127.0.0.1", self.port, system_id="smpp34")
        self._do(self._start())

    def wait_bound(self, within_s: float = 15.0) -> None:
        wait_for(lambda: self._receiver() is not None, "a bind", within_s)

    def deliver(self, part: Part) -> int:
        self._orders += 1
        asyncio.run_coroutine_threadsafe(self._deliver(self._orders, part), self._loop)
        return self._orders

    def unbind(self) -> None:
        """Ask the gateway to leave, as an SMSC does before maintenance."""
        self._do(self._unbind())

    def stop(self) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _receiver(self) -> Any | None:
        return next((esme for esme in list(self._esmes.values()) if esme.can_receive), None)

    async def _start(self) -> None:
        await self._server.start()
        self._serving = asyncio.create_task(self._serve(), name="smpp34 events")

    async def _end(self) -> None:
        self._serving.cancel()
        await self._server.stop()

    async def _serve(self) -> None:
        while True:
            match await self._server.next():
                case smpp34.Esme() as esme:
                    self._esmes[esme.session_id] = esme
                    self.sessions += 1
                case smpp34.Unbound() as gone:
                    self._esmes.pop(gone.session_id, None)
                case smpp34.SubmitSmEvent() as event:
                    self._submitted(event)

    def _submitted(self, event: Any) -> None:
        if self._refusals:
            self.refused.append(self._refusals[0])
            event.reject(self._refusals.pop(0))
            return
        octets = bytes(event.short_message)
        header = 1 + octets[0] if event.esm_class & UDHI else 0
        message_id = f"{len(self.taken) + 1:08x}"
        part = Part(
            event.source_addr,
            event.destination_addr,
            event.data_coding,
            event.protocol_id,
            octets[:header],
            octets[header:],
        )
        event.accept(message_id)
        self.taken.append(Taken(part, event.registered_delivery, message_id))

    async def _unbind(self) -> None:
        receiver = self._receiver()
        assert receiver, "nobody is bound"
        await receiver.unbind()

    async def _deliver(self, number: int, part: Part) -> None:
        receiver = self._receiver()
        assert receiver, "nobody is bound"
        response = await receiver.deliver_sm(
            part.destination.removeprefix("+"),
            part.udh + part.data,
            source_addr=part.source.removeprefix("+"),
            source_addr_ton=int(part.source.startswith("+")),
            source_addr_npi=1,
            dest_addr_ton=int(part.destination.startswith("+")),
            dest_addr_npi=1,
            esm_class=UDHI if part.udh else 0,
            protocol_id=part.pid,
            data_coding=part.dcs,
        )
        self.answers.append((number, response.command_status))
