"""A load of agents for channel 2: each connects, carries every script to its card, and hangs up.

The agent and the card are those of the virtual handset; only the HTTP client is a smaller one. Cards are in
Python and take as long as the server, so they run in processes of their own, forked when everything is made.
"""

from __future__ import annotations

import base64
import multiprocessing
import socket
import statistics
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from _elements import ask, make_elements

from tsm_gateway.cli.virtual_cards import card_of, import_card, with_agent
from tsm_gateway.cli.virtual_enrolment import opened_store
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.virtual.app_agent import AppAgent
from tsm_gateway.virtual.card import LOAD, Card
from tsm_gateway.virtual.channel import Handshake

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence
    from multiprocessing.connection import Connection

    from _elements import Element

    from tsm_gateway.cli.demo_stage import Stage
    from tsm_gateway.virtual.card_state import CardState

DEADLINE_S = 30.0
_FORK = multiprocessing.get_context("fork")


class Phone(NamedTuple):
    """One handset: its crypto element enrols, its card is delivered to."""

    element: Element
    card: CardState
    context: ssl.SSLContext  # of the agent


class Delivery(NamedTuple):
    """What one delivery came to."""

    ms: float  # connect to hung up
    scripts: int
    load_scripts: int  # of them with LOAD in them
    loads: int


class Carried(NamedTuple):
    """What a load came to."""

    seconds: float
    cpu_s: float  # of the agents and their cards
    deliveries: list[Delivery]
    failed: list[str]

    @property
    def each_ms(self) -> list[float]:
        """How long each took."""
        return [each.ms for each in self.deliveries]

    def median(self, name: str) -> float:
        """The median of a field of the deliveries."""
        return statistics.median(getattr(each, name) for each in self.deliveries)


def make_phones(stage: Stage, count: int) -> list[Phone]:
    """`count` handsets with cards the store knows and agents that are certified."""
    at, phones = int(time.time()), []
    masters = read_master(stage.settings.keys.master)
    with opened_store(stage.settings) as store:
        for element in make_elements(stage.issuer, stage.tsm, count, at):
            state = card_of(element.record, stage.cards)
            import_card(store.delivery, masters, state, at)
            record = with_agent(element.record, state, stage.cards)
            if record.app_agent is None:
                raise AssertionError
            context = record.app_agent.context(stage.tsm.root)
            context.set_ecdh_curve("prime256v1")  # the group the listener takes: no second hello
            phones.append(Phone(element, state, context))
        store.flush()
    return phones


def deliver_all(phones: Sequence[Phone], address: tuple[str, int], processes: int) -> Carried:
    """Deliver to all of them, in `processes` processes, each one phone after the other."""
    shares = [phones[number::processes] for number in range(processes)]
    pairs = [_FORK.Pipe(duplex=False) for _ in shares]
    workers = [
        _FORK.Process(target=_work, args=(share, address, told))
        for share, (_, told) in zip(shares, pairs, strict=True)
    ]
    for worker in workers:
        worker.start()
    began = time.perf_counter()
    results = [heard.recv() for heard, _ in pairs]
    seconds = time.perf_counter() - began
    for worker in workers:
        worker.join()
    return Carried(
        seconds,
        sum(cpu_s for cpu_s, _, _ in results),
        [each for _, delivered, _ in results for each in delivered],
        [each for _, _, failed in results for each in failed],
    )


def _work(phones: Sequence[Phone], address: tuple[str, int], told: Connection) -> None:
    began = time.process_time()
    delivered, failed = [], []
    for phone in phones:
        try:
            delivered.append(_deliver(phone, address))
        except Exception as error:  # noqa: BLE001 - a failure is a figure
            failed.append(repr(error))
    told.send((time.process_time() - began, delivered, failed))


def _deliver(phone: Phone, address: tuple[str, int]) -> Delivery:
    began = time.perf_counter()
    with (
        socket.create_connection(address, DEADLINE_S) as plain,
        phone.context.wrap_socket(plain, server_hostname=address[0]) as tls,
    ):
        wire = Wire(tls)
        delivered = AppAgent(Card(phone.card), wire).deliver()
    if not delivered.complete or delivered.device_state != "active":
        raise AssertionError(delivered)
    ms, loads = (time.perf_counter() - began) * 1000, wire.loads
    return Delivery(ms, delivered.scripts, sum(map(bool, loads)), sum(loads))


class Wire:
    """Channel 2 over one TLS connection, without anything an agent does not need; keeps every script."""

    def __init__(self, wire: ssl.SSLSocket) -> None:
        self._wire = wire
        self._scripts: list[list[str]] = []

    @property
    def handshake(self) -> Handshake | None:
        """What TLS agreed on."""
        cipher = self._wire.cipher()
        return Handshake(self._wire.version() or "", cipher[0] if cipher else "")

    @property
    def loads(self) -> list[int]:
        """How many LOAD commands each script had."""
        return [sum(_ins(each) == LOAD for each in script) for script in self._scripts]

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The answer, which has to be 200."""
        answer = ask(self._wire, method, path, body)
        self._scripts.append(answer.get("commands", []))
        return answer


def _ins(command: str) -> int:
    """The second octet of a command in base64."""
    return base64.b64decode(command[:4])[1]
