"""The real desk and store behind the real listener: a device's whole way over TLS, cut wherever it can be."""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.daemon.channel1_world import (
    LIFE,
    NO_ANSWER,
    Answer,
    Authorities,
    Identity,
    Listening,
    listening,
    request,
)
from tests.daemon.literal_device import LiteralDevice
from tests.daemon.provisioning_rig import World
from tests.provisioning.authority import key_pem
from tsm_gateway.daemon.channel1_routes import ROUTES
from tsm_gateway.registry.suspension import SuspensionKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tsm_gateway.daemon.channel_service import Route

KINDS = ("p256", "x25519", "ed25519", "rsa")


class Agent(NamedTuple):
    """A crypto SE and what its handset needs to speak for it."""

    device: LiteralDevice
    identity: Identity
    channel: Listening

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        return self.channel.once(self.identity, request(method, path, body))

    def enrolment(self) -> dict[str, str]:
        key = self.device.key_certificate
        return {"key_certificate": b64encode(key).decode()} if key else {}

    def enrol(self) -> Any:
        answer = self.ask("PUT", "/v1/enrolment", self.enrolment())
        assert answer.status == 200, answer
        return answer.json

    def install(self, told: Any) -> None:
        if told["key_package"]:
            self.device.install(b64decode(told["key_package"]), b64decode(told["tsm_certificate"]))

    def proof(self, told: Any, **other: Any) -> dict[str, str]:
        return {"proof": b64encode(self.device.proof(b64decode(told["challenge"]), **other)).decode()}

    def register(self) -> Answer:
        told = self.enrol()
        self.install(told)
        return self.ask("POST", "/v1/registration", self.proof(told))

    @property
    def status(self) -> Any:
        return self.ask("GET", "/v1/status").json


@pytest.fixture
def authorities(tmp_path: Path) -> Authorities:
    folder = tmp_path / "certificates"
    folder.mkdir()
    return Authorities(folder)


@pytest.fixture
def channel(tmp_path: Path, authorities: Authorities) -> Iterator[Listening]:
    world = World(tmp_path)
    world.now, world.authority = int(time.time()), authorities.root
    with listening(authorities, world=world) as made:
        yield made
        assert not made.events("request.failed")


@pytest.fixture
def agent(channel: Listening) -> Callable[..., Agent]:
    """`agent(kind, common)`: a new device of the trusted issuer."""

    def make(kind: str = "p256", common: str = "se") -> Agent:
        device = LiteralDevice(channel.authorities.root, kind, common, lifetime=LIFE)
        path = channel.authorities.folder / f"{common}-{kind}.pem"
        path.write_bytes(pem_of(device.certificate) + key_pem(device.key))
        return Agent(device, Identity(path, None), channel)  # type: ignore[arg-type]  # nobody looks

    return make


def pem_of(der: bytes) -> bytes:
    text = b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""]).encode()


def operate(channel: Listening, act: Callable[[Any, int], object]) -> None:
    """What an operator's command does to the store."""
    rig = channel.rig
    channel.within(lambda: rig.write(lambda: act(rig.store.provisioning, int(time.time()))))


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_of_every_kind_goes_the_whole_way_over_tls(kind: str, agent: Callable[..., Agent]) -> None:
    me = agent(kind)
    told = me.enrol()
    assert (told["device_id"], told["state"], told["epoch"]) == (me.device.device_id, "keyed", 1)
    assert me.enrol()["key_package"] == told["key_package"]
    again = me.ask("GET", "/v1/key-package").json
    assert (again["kid"], again["key_package"]) == (told["kid"], told["key_package"])
    me.install(again)
    challenge = me.ask("POST", "/v1/challenge", {}).json
    proof = me.proof(challenge)
    for _ in range(2):  # the very same proof may be sent again
        done = me.ask("POST", "/v1/registration", proof)
        assert (done.status, done.json["state"], done.json["kid"]) == (200, "registered", told["kid"])
    assert me.status["keys"] == [{"kid": told["kid"], "epoch": 1, "state": "current"}]
    assert me.status["key_package_waiting"] is False
    nothing = me.ask("GET", "/v1/key-package")
    assert (nothing.status, nothing.code) == (404, "TSM-NO-KEY-PACKAGE")
    held = me.device.installed
    assert held
    for form in (held.key, held.key.hex().encode(), b64encode(held.key)):
        assert form not in me.channel.lines.getvalue() + me.channel.rig.lines.getvalue()


def cut(me: Agent, octets: bytes, length: int) -> None:
    """Send so much of a request and go away without reading."""
    with me.channel.connect(me.identity) as client:
        client.send(octets[:length])


@pytest.mark.parametrize("share", [0.1, 0.6, 0.99, 1.0])
def test_a_device_cut_at_every_step_completes_by_trying_again(
    share: float, agent: Callable[..., Agent]
) -> None:
    me = agent("x25519")

    def cut_first(method: str, path: str, body: Any = None) -> Answer:
        octets = request(method, path, body)
        for _ in range(2):
            cut(me, octets, int(len(octets) * share))
        return me.ask(method, path, body)

    told = cut_first("PUT", "/v1/enrolment", me.enrolment()).json
    me.install(cut_first("GET", "/v1/key-package").json)
    challenge = cut_first("POST", "/v1/challenge", {}).json
    done = cut_first("POST", "/v1/registration", me.proof(challenge))
    assert (done.status, done.json["state"]) == (200, "registered")
    assert [each["kid"] for each in me.status["keys"]] == [told["kid"]]  # no key was burnt on the way


def test_enrolments_at_once_make_one_key(agent: Callable[..., Agent]) -> None:
    me = agent()
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: me.enrol(), range(16)))
    assert len({each["key_package"] for each in told}) == 1
    assert len(me.status["keys"]) == 1


def test_two_devices_never_share_anything(agent: Callable[..., Agent]) -> None:
    one, other = agent("p256", "one"), agent("p256", "other")
    assert one.register().status == other.register().status == 200
    assert one.device.installed
    assert other.device.installed
    assert one.device.installed.key != other.device.installed.key
    assert one.status["keys"] != other.status["keys"]


def test_a_proof_of_another_device_or_challenge_is_refused_and_nothing_moves(
    agent: Callable[..., Agent],
) -> None:
    one, other = agent("p256", "one"), agent("p256", "other")
    told, foreign = one.enrol(), other.enrol()
    one.install(told)
    other.install(foreign)
    refusals = [
        one.ask("POST", "/v1/registration", other.proof(foreign)),
        one.ask("POST", "/v1/registration", one.proof(told, confirm=bytes(16))),
        one.ask("POST", "/v1/registration", one.proof({"challenge": b64encode(bytes(32)).decode()})),
        one.ask("POST", "/v1/registration", {"proof": b64encode(b"nothing").decode()}),
    ]
    assert [(refusal.status, refusal.code) for refusal in refusals] == [
        (409, "TSM-CHALLENGE-STALE"),
        (403, "TSM-CONFIRMATION-WRONG"),
        (409, "TSM-CHALLENGE-STALE"),
        (422, "TSM-PROOF-MALFORMED"),
    ]
    assert one.status["state"] == "keyed"
    assert one.register().status == 200
    late = one.ask("POST", "/v1/registration", one.proof(told))
    assert (late.status, late.code) == (409, "TSM-CHALLENGE-STALE")
    assert one.status["state"] == "registered"


def asked(me: Agent, route: Route) -> Answer:
    bodies: dict[str, Any] = {"enrolment": me.enrolment(), "challenge": {}, "registration": {"proof": "AAAA"}}
    return me.ask(route.method, route.path, bodies.get(route.name))


# What each route answers a device that is where the operator, or its own steps, put it. Every route of the
# table must have its column: a new one fails here until somebody thought about it.
COLUMNS = ("enrolment", "key_package", "challenge", "registration", "status", "openapi")
STANDINGS = {
    "unknown": (200, 404, 404, 404, 404, 200),
    "enrolled": (200, 200, 200, 422, 200, 200),  # 422: the proof sent is none, but it was looked at
    "registered": (200, 404, 200, 422, 200, 200),
    "active": (200, 404, 200, 422, 200, 200),
    "suspended": (403, 403, 403, 403, 200, 200),
    "lost": (403, 404, 200, 422, 200, 200),  # a package that waits may be fetched: the proof needs its key
    "terminated": (403, 403, 403, 403, 403, 200),
}


def put(standing: str, me: Agent) -> None:
    """Bring the device where the row says."""
    who, channel = me.device.device_id, me.channel
    if standing == "unknown":
        return
    if standing == "enrolled":
        me.enrol()
        return
    assert me.register().status == 200
    if standing == "registered":
        return
    operate(channel, lambda store, at: store.activate(who, reason="test", at=at))
    kinds = {"suspended": (SuspensionKind.OPERATOR, False), "lost": (SuspensionKind.LOST, True)}
    if standing in kinds:
        kind, proof_wanted = kinds[standing]
        operate(
            channel,
            lambda store, at: store.suspend(who, kind, proof_wanted=proof_wanted, reason="test", at=at),
        )
    if standing == "terminated":
        operate(channel, lambda store, at: store.terminate(who, reason="test", at=at))


@pytest.mark.parametrize("standing", STANDINGS)
def test_every_route_answers_a_device_by_where_it_stands(standing: str, agent: Callable[..., Agent]) -> None:
    assert set(COLUMNS) == {route.name for route in ROUTES}
    expected = dict(zip(COLUMNS, STANDINGS[standing], strict=True))
    for route in sorted(ROUTES, key=lambda route: route.name == "enrolment"):  # it changes where one stands
        me = agent("p256", f"{standing}-{route.name}")
        put(standing, me)
        answer = asked(me, route)
        assert answer.status == expected[route.name], (route.name, answer)
        if answer.status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
        assert answer != NO_ANSWER


def test_a_proof_lifts_the_suspension_of_a_device_that_was_lost(agent: Callable[..., Agent]) -> None:
    me = agent()
    put("lost", me)
    assert (me.status["state"], me.status["proof_wanted"]) == ("suspended", True)
    challenge = me.ask("POST", "/v1/challenge", {}).json
    assert me.ask("POST", "/v1/registration", me.proof(challenge)).status == 200
    assert (me.status["state"], me.status["proof_wanted"]) == ("active", False)
