"""Default-deny on channel 2: every route of its own table, asked by every kind of client."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from cryptography import x509

from tests.daemon.channel1_world import (
    LONG,
    NO_ANSWER,
    NOW,
    SIGNS,
    Answer,
    Identity,
    listening,
    request,
)
from tests.daemon.channel2_world import APP_SE, AgentAuthorities, Listening2, listening2
from tests.provisioning.authority import CLIENT, DAY, SERVER, Authority, new_key, uses
from tsm_gateway.daemon.channel1_routes import ROUTES as ROUTES_1
from tsm_gateway.daemon.channel2_routes import ROUTES
from tsm_gateway.daemon.delivery_answers import (
    CardUnknown,
    DeviceNotRegistered,
    JobProgress,
    ResponsesMalformed,
    ScriptAnswer,
    ScriptOutOfTurn,
    ScriptRequest,
    SessionOver,
    TooManySessions,
)
from tsm_gateway.daemon.provisioning_answers import DeviceSuspended, DeviceTerminated
from tsm_gateway.provisioning.device_trust import device_id_of
from tsm_gateway.relay.interfaces import StoreBusy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Deadline
    from tsm_gateway.daemon.channel_service import Route
    from tsm_gateway.errors import TsmError


class Stranger(NamedTuple):
    """A client that must not be heard, and the figure that counts it."""

    make: Callable[[AgentAuthorities], Identity | None]
    counted: str


TLS, JUDGE = "delivery_handshakes_refused_total", "delivery_identities_refused_total"
BODY: dict[str, Any] = {}
CA = (x509.BasicConstraints(ca=True, path_length=None), True)


def _tls(reason: str) -> str:
    return f'{TLS}{{reason="{reason}"}}'


def _judge(reason: str) -> str:
    return f'{JUDGE}{{reason="{reason}"}}'


STRANGERS = {
    "no certificate": Stranger(lambda _: None, _tls("no-certificate")),
    "a device of channel 1": Stranger(lambda at: at.identity(), _tls("certificate-untrusted")),
    "a device that claims an app SE": Stranger(
        lambda at: at.agent(by=at.root), _tls("certificate-untrusted")
    ),
    "of a foreign authority": Stranger(lambda at: at.agent(by=at.stranger), _tls("certificate-untrusted")),
    "of a namesake of the issuer": Stranger(
        lambda at: at.agent(by=Authority("Agents", lifetime=LONG)), _tls("certificate-refused")
    ),
    "expired": Stranger(
        lambda at: at.agent(lifetime=(NOW - 3 * DAY, NOW - DAY)), _tls("certificate-expired")
    ),
    "not yet valid": Stranger(
        lambda at: at.agent(lifetime=(NOW + DAY, NOW + 3 * DAY)), _tls("certificate-not-yet-valid")
    ),
    "a server's": Stranger(
        lambda at: at.agent(extensions=(SIGNS, (SERVER, False))), _tls("certificate-usage")
    ),
    "the listener's own": Stranger(lambda at: at.server, _tls("certificate-untrusted")),
    "not said to be a client": Stranger(
        lambda at: at.agent(extensions=(SIGNS,)), _judge("certificate-usage")
    ),
    "not meant to sign": Stranger(
        lambda at: at.agent(extensions=(uses("key_agreement"), (CLIENT, False))), _judge("certificate-usage")
    ),
    "an authority's": Stranger(
        lambda at: at.agent(extensions=(CA, uses("key_cert_sign", "digital_signature"), (CLIENT, False))),
        _judge("certificate-usage"),
    ),
    "EC P-384": Stranger(lambda at: at.agent("p384"), _judge("key-unsupported")),
    "of no app SE": Stranger(lambda at: at.agent(numbers=()), _judge("agent-names-no-element")),
    "of two app SEs": Stranger(
        lambda at: at.agent(numbers=(APP_SE.hex(), "aa" * 8)), _judge("agent-names-no-element")
    ),
    "of an app SE too short": Stranger(
        lambda at: at.agent(numbers=("aabb",)), _judge("agent-names-no-element")
    ),
    "of an app SE too long": Stranger(
        lambda at: at.agent(numbers=("aa" * 33,)), _judge("agent-names-no-element")
    ),
    "of no number": Stranger(lambda at: at.agent(numbers=("card-1",)), _judge("agent-names-no-element")),
}


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> AgentAuthorities:
    return AgentAuthorities(tmp_path_factory.mktemp("channel2"))


@pytest.fixture(scope="module")
def channel(authorities: AgentAuthorities) -> Iterator[Listening2]:
    with listening2(authorities) as made:
        yield made


def asked(route: Route) -> bytes:
    """A request that the route would answer."""
    return request(route.method, route.path, None if route.asked is None else BODY)


def test_an_agent_of_the_issuer_is_answered_by_every_route(
    authorities: AgentAuthorities, channel: Listening2
) -> None:
    for kind in ("p256", "ed25519", "rsa"):
        for route in ROUTES:
            assert channel.once(authorities.agent(kind), asked(route)).status == 200, route
    assert {who.app_se for _, who, _ in channel.counter.asked} == {APP_SE}


@pytest.mark.parametrize("who", STRANGERS)
def test_a_stranger_gets_no_octet_from_any_route_and_is_counted_by_reason(
    who: str, authorities: AgentAuthorities, channel: Listening2, deadline: Deadline
) -> None:
    identity, before = STRANGERS[who].make(authorities), channel.figure(STRANGERS[who].counted)
    channel.counter.asked.clear()
    for route in ROUTES:
        assert channel.once(identity, asked(route)) == NO_ANSWER, route
    deadline(lambda: channel.figure(STRANGERS[who].counted) == before + len(ROUTES), STRANGERS[who].counted)
    assert not channel.counter.asked


def test_an_enrolled_crypto_se_is_no_agent_whoever_vouches_for_its_key(
    authorities: AgentAuthorities, channel: Listening2, deadline: Deadline
) -> None:
    key = new_key("p256")
    identity, counted = authorities.agent(key=key), _judge("certificate-untrusted")
    before = channel.figure(counted)
    channel.enrolled.add(device_id_of(key.public_key()))
    for route in ROUTES:
        assert channel.once(identity, asked(route)) == NO_ANSWER, route
    deadline(lambda: channel.figure(counted) == before + len(ROUTES), counted)
    channel.enrolled.clear()


def test_an_agent_gets_no_octet_from_channel_1(authorities: AgentAuthorities, deadline: Deadline) -> None:
    identity = authorities.agent()
    with listening(authorities) as first:
        for route in ROUTES_1:
            body: Any = None if route.asked is None else {}
            assert first.once(identity, request(route.method, route.path, body)) == NO_ANSWER, route
        counted = 'handshakes_refused_total{reason="certificate-untrusted"}'
        deadline(lambda: first.figure(counted) == len(ROUTES_1), counted)
        assert not first.desk.asked


def test_a_revoked_agent_gets_no_octet(authorities: AgentAuthorities, deadline: Deadline) -> None:
    revoked, fine = authorities.agent(), authorities.agent()
    crl = authorities.agents.crl(revoked.certificate, this_update=NOW - 60, next_update=NOW + DAY)
    with listening2(authorities, crls=(crl,)) as channel:
        for route in ROUTES:
            assert channel.once(revoked, asked(route)) == NO_ANSWER, route
            assert channel.once(fine, asked(route)).status == 200, route
        counted = _judge("certificate-revoked")
        deadline(lambda: channel.figure(counted) == len(ROUTES), counted)


def test_what_is_no_route_of_channel_2_is_not_found(
    authorities: AgentAuthorities, channel: Listening2
) -> None:
    me = authorities.agent()
    for route in ROUTES_1:
        if route.path not in {each.path for each in ROUTES}:
            answer = channel.once(me, request(route.method, route.path, None if route.asked is None else {}))
            assert (answer.status, answer.code) == (404, "TSM-PATH-UNKNOWN")


def _post(channel: Listening2, me: Identity, body: object) -> Answer:
    return channel.once(me, request("POST", "/v1/script", body))


def test_a_script_travels_as_base64(authorities: AgentAuthorities, channel: Listening2) -> None:
    me, session = authorities.agent(), "ab" * 16
    job = JobProgress(b"jobjobjo", "install", "pay", "1.2.0", 3, 14)
    channel.counter.answer = ScriptAnswer(
        session, 7, (b"\x84\xe8", b"\x84"), done=False, job=job, retry_after_s=None
    )
    channel.counter.asked.clear()
    answers = [b64encode(each).decode() for each in (b"\x90\x00", b"data\x6a\x82")]
    told = _post(channel, me, {"session": session, "number": 6, "responses": answers}).json
    assert told == {
        "session": session,
        "number": 7,
        "commands": ["hOg=", "hA=="],
        "done": False,
        "job": {
            "job_id": b"jobjobjo".hex(),
            "kind": "install",
            "application": "pay",
            "version": "1.2.0",
            "blocks_done": 3,
            "blocks_total": 14,
        },
        "retry_after_s": None,
    }
    ((_, who, asked),) = channel.counter.asked
    assert asked == ScriptRequest(session, 6, (b"\x90\x00", b"data\x6a\x82"))
    assert who.agent_id.startswith("a:")


@pytest.mark.parametrize(
    "body",
    [
        {"session": "AB" * 16},
        {"session": "ab"},
        {"number": -1},
        {"number": "1"},
        {"responses": ["kAA"]},
        {"responses": ["kAA=\n"]},
        {"responses": [b64encode(bytes(259)).decode()]},
        {"responses": ["kAA="] * 65},
        {"responses": "kAA="},
        {"other": 1},
    ],
)
def test_a_post_that_is_none_reaches_nobody(
    authorities: AgentAuthorities, channel: Listening2, body: object
) -> None:
    channel.counter.asked.clear()
    answer = _post(channel, authorities.agent(), body)
    assert (answer.status, answer.code) == (422, "TSM-BODY-INVALID")
    assert not channel.counter.asked


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DeviceNotRegistered(), 403, "TSM-DEVICE-NOT-REGISTERED"),
        (DeviceSuspended(), 403, "TSM-DEVICE-SUSPENDED"),
        (DeviceTerminated(), 403, "TSM-DEVICE-TERMINATED"),
        (CardUnknown(), 403, "TSM-CARD-UNKNOWN"),
        (SessionOver(), 409, "TSM-SESSION-OVER"),
        (ScriptOutOfTurn(), 409, "TSM-SCRIPT-OUT-OF-TURN"),
        (ResponsesMalformed(), 422, "TSM-RESPONSES-MALFORMED"),
        (TooManySessions(), 503, "TSM-UNAVAILABLE"),
        (StoreBusy(), 503, "TSM-UNAVAILABLE"),
    ],
    ids=lambda each: getattr(each, "code", each),
)
def test_a_refusal_has_its_status_and_code(
    authorities: AgentAuthorities, channel: Listening2, error: TsmError, status: int, code: str
) -> None:
    channel.counter.trouble = error
    try:
        answer = _post(channel, authorities.agent(), BODY)
    finally:
        channel.counter.trouble = None
    assert (answer.status, answer.code) == (status, code)
    assert ("retry-after" in answer.headers) == (status == 503)


def test_the_description_has_every_route_and_no_other(
    authorities: AgentAuthorities, channel: Listening2
) -> None:
    description = channel.once(authorities.agent(), request("GET", "/v1/openapi.json")).json
    assert set(description["paths"]) == {route.path for route in ROUTES}
