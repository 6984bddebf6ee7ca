"""Channel 1 over HTTP: strict bodies, problems without an inside, documented answers, nothing else."""

from __future__ import annotations

import importlib
import json
import pkgutil
import socket
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.daemon.channel1_world import (
    NO_ANSWER,
    Authorities,
    Client,
    Identity,
    Listening,
    listening,
    request,
)
from tsm_gateway import envelope, keys, provisioning, registry, relay, store
from tsm_gateway.daemon.channel1_routes import ROUTES, SERVICE
from tsm_gateway.daemon.channel2_routes import ROUTES as ROUTES_2
from tsm_gateway.daemon.channel_errors import TooManyRequests
from tsm_gateway.daemon.channel_limits import Limits
from tsm_gateway.daemon.channel_openapi import describe, openapi_text
from tsm_gateway.daemon.channel_problems import STATUSES, problem_of, public_code
from tsm_gateway.daemon.channel_service import Route, codes_of
from tsm_gateway.daemon.provisioning_answers import EnrolmentRequest
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.relay.interfaces import StoreBroken, StoreBusy, StoreFull

if TYPE_CHECKING:
    from collections.abc import Iterator

USES = {
    "enrolment": "enrol",
    "key_package": "key_package",
    "challenge": "challenge",
    "registration": "register",
    "status": "status",
}
BODIES: dict[str, Any] = {"enrolment": {}, "challenge": {}, "registration": {"proof": "AAAA"}}
WITH_BODY = [route for route in ROUTES if route.asked]
ANSWERED_BY_DESK = [route for route in ROUTES if route.name in USES]


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return Authorities(tmp_path_factory.mktemp("channel1"))


@pytest.fixture(scope="module")
def me(authorities: Authorities) -> Identity:
    return authorities.identity()


@pytest.fixture(scope="module")
def channel(authorities: Authorities) -> Iterator[Listening]:
    with listening(authorities) as made:
        yield made


@pytest.fixture
def client(channel: Listening, me: Identity) -> Iterator[Client]:
    channel.desk.asked.clear()
    channel.desk.trouble.clear()
    with channel.connect(me) as made:
        yield made


CHUNKED = ("Content-Type: application/json", "Transfer-Encoding: chunked")


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status, answer.code) == (status, f"TSM-{code}"), answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json) == {"type", "title", "status", "detail", "code"}
    assert answer.json["status"] == status


def all_errors() -> list[type[TsmError]]:
    """Whatever a use case may raise."""
    for layer in (registry, envelope, keys, provisioning, relay, store):
        for module in pkgutil.iter_modules(layer.__path__, f"{layer.__name__}."):
            importlib.import_module(module.name)
    found, todo = [], [TsmError]
    while todo:
        found.append(todo.pop())
        todo.extend(found[-1].__subclasses__())
    return found


def test_every_use_case_is_asked_by_its_route_with_what_was_sent(client: Client, channel: Listening) -> None:
    sent = {"key_certificate": b64encode(b"certificate").decode(), "msisdn": "+4915112345678"}
    assert client.ask("PUT", "/v1/enrolment", sent).status == 200
    assert client.ask("PUT", "/v1/enrolment", {"hybrid_key": "AAEC", "msisdn": None}).status == 200
    assert client.ask("GET", "/v1/key-package").status == 200
    assert client.ask("POST", "/v1/challenge", {}).status == 200
    assert client.ask("POST", "/v1/registration", {"proof": "AAEC"}).status == 200
    assert client.ask("GET", "/v1/status").status == 200
    assert [(use, what) for use, _, what in channel.desk.asked] == [
        ("enrol", EnrolmentRequest(b"certificate", None, "+4915112345678")),
        ("enrol", EnrolmentRequest(None, b"\0\1\2", "")),
        ("key_package", None),
        ("challenge", None),
        ("register", b"\0\1\2"),
        ("status", None),
    ]
    assert len({who for _, who, _ in channel.desk.asked}) == 1


def test_answers_spell_octets_in_base64_and_a_kid_in_hex(client: Client) -> None:
    answer = client.ask("PUT", "/v1/enrolment", {}).json
    assert (answer["kid"], answer["key_package"], answer["kem"]) == ("00a1b2c3", "cGFja2FnZQ==", 16)
    assert answer["challenge"] == b64encode(bytes(32)).decode()
    status = client.ask("GET", "/v1/status").json
    assert status["keys"] == [{"kid": "00a1b2c3", "epoch": 1, "state": "pending"}]


def test_every_answer_forbids_to_be_kept_and_names_no_version(client: Client) -> None:
    for answer in (client.ask("GET", "/v1/status"), client.ask("GET", "/nothing")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["server"] == "tsm-gateway"


def test_what_is_not_in_the_table_is_404_and_another_method_405(client: Client) -> None:
    for path in ("/", "/v1", "/v1/status/", "//v1/status", "/v1/../v1/status", "/v1/%73tatus"):
        refused(client.ask("GET", path), 404, "PATH-UNKNOWN")
    for path, methods in SERVICE.by_path.items():
        for method in ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
            if method not in methods:
                answer = client.ask(method, path)
                refused(answer, 405, "METHOD-NOT-ALLOWED")
                assert answer.headers["allow"] == ", ".join(sorted(methods))


def test_an_absolute_target_is_the_same_target(client: Client) -> None:
    assert client.ask("GET", "https://localhost/v1/status").status == 200


MALFORMED = {
    "nothing": b"",
    "half": b'{"proof":',
    "trailing": b'{"proof":"AAAA"} x',
    "a member twice": b'{"proof":"AAAA","proof":"AAAB"}',
    "NaN": b'{"proof":NaN}',
    "a fraction": b'{"proof":1.5}',
    "infinity": b'{"proof":-Infinity}',
    "deep": b"[" * 16_000,
    "deep objects": b'{"a":' * 3000,
    "no UTF-8": b'{"proof":"\xff"}',
    "UTF-16": '{"proof":"AAAA"}'.encode("utf-16"),
    "a mark ahead": b'\xef\xbb\xbf{"proof":"AAAA"}',
    "a huge number": b'{"proof":' + b"9" * 15_000 + b"}",
    "a control character": b'{"proof":"AA\x00A"}',
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_body_that_is_no_json_is_refused(what: str, client: Client, channel: Listening) -> None:
    refused(client.ask("POST", "/v1/registration", MALFORMED[what]), 400, "BODY-MALFORMED")
    assert not channel.desk.asked


INVALID: list[Any] = [
    *([], "text", 1, None, True),
    *({}, {"proof": None}, {"proof": 1}, {"proof": ["AAAA"]}, {"proof": {"AAAA": 1}}, {"proof": ""}),
    *({"proof": "AAA"}, {"proof": "AAAA "}, {"proof": "AA\nAA"}, {"proof": "AAB="}, {"proof": "AB=="}),
    *({"proof": "AA-_"}, {"proof": "AAAA", "more": 1}, {"proof": "AAAA" * 2000}, {"Proof": "AAAA"}),
    {"proof": "\ud800"},
]


@pytest.mark.parametrize("body", INVALID, ids=lambda body: json.dumps(body)[:30])
def test_a_body_of_another_kind_is_refused(body: Any, client: Client, channel: Listening) -> None:
    refused(client.ask("POST", "/v1/registration", json.dumps(body).encode()), 422, "BODY-INVALID")
    assert not channel.desk.asked


NUMBERS = ["0151", "+", "+123456", "+1234567890123456", "+49 151 1234567", "+٤٩١٥١١٢٣", "+1234567\n"]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_that_is_none_is_refused(number: str, client: Client) -> None:
    refused(client.ask("PUT", "/v1/enrolment", {"msisdn": number}), 422, "BODY-INVALID")


def test_the_detail_names_the_member_and_never_repeats_what_was_sent(client: Client) -> None:
    sent = {"proof": "secret-value", "secret-name": 1}
    answer = client.ask("POST", "/v1/registration", sent)
    assert "proof: must be canonical base64" in answer.json["detail"]
    assert "a member is unknown" in answer.json["detail"]
    assert b"secret" not in answer.body


TYPES = ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "a/json", ""]


@pytest.mark.parametrize("kind", TYPES)
def test_a_body_of_another_type_is_refused(kind: str, client: Client) -> None:
    for route in WITH_BODY:
        answer = client.ask(route.method, route.path, BODIES[route.name], f"Content-Type: {kind}")
        refused(answer, 415, "BODY-UNSUPPORTED")


def test_a_compressed_body_is_refused_unread(client: Client) -> None:
    bomb = zlib.compress(b" " * 10_000_000)
    refused(client.ask("POST", "/v1/challenge", bomb, "Content-Encoding: deflate"), 415, "BODY-UNSUPPORTED")


def test_json_in_utf_8_by_name_is_taken(client: Client) -> None:
    sent = client.ask("POST", "/v1/challenge", {}, "Content-Type: Application/JSON; charset=UTF-8")
    assert sent.status == 200


def test_a_body_where_none_is_wanted_and_a_query_are_refused(channel: Listening, me: Identity) -> None:
    refused(channel.once(me, request("GET", "/v1/status", {})), 400, "REQUEST-MALFORMED")
    refused(channel.once(me, request("GET", "/v1/status?x=1")), 400, "REQUEST-MALFORMED")


def test_a_body_that_is_too_long_is_refused_whether_announced_or_not(
    channel: Listening, me: Identity
) -> None:
    most = channel.limits.body_octets
    refused(channel.once(me, request("POST", "/v1/challenge", b" " * (most + 1))), 413, "BODY-TOO-LONG")
    head = request(
        "POST", "/v1/challenge", None, "Content-Type: application/json", "Transfer-Encoding: chunked"
    )
    chunks = b"1000\r\n" + b" " * 4096 + b"\r\n"
    refused(channel.once(me, head + chunks * (most // 4096 + 1) + b"0\r\n\r\n"), 413, "BODY-TOO-LONG")
    fitting = b"{" + b" " * (most - 2) + b"}"
    assert channel.once(me, request("POST", "/v1/challenge", fitting)).status == 200


def test_a_chunked_body_is_read_whole(client: Client, channel: Listening) -> None:
    head = request("POST", "/v1/registration", None, *CHUNKED)
    client.send(head + b'9\r\n{"proof":\r\n7\r\n"AAAA"}\r\n0\r\n\r\n')
    assert client.read().status == 200
    assert channel.desk.asked[-1][2] == bytes(3)


def test_a_hundred_continues_where_the_body_is_wanted(client: Client) -> None:
    head = request("POST", "/v1/challenge", b"{}", "Expect: 100-continue")
    client.send(head[:-2])
    assert client.read().status == 100
    client.send(head[-2:])
    assert client.read().status == 200
    refused(client.ask("POST", "/v1/challenge", b"{}", "Expect: a-miracle"), 417, "EXPECTATION-UNKNOWN")


GARBAGE = [
    b"\r\n\r\n\r\n",
    b"hello\r\n\r\n",
    b"GET /v1/status\r\n\r\n",
    b"GET /v1/status HTTP/9.9\r\n\r\n",
    b"GET /v1/sta tus HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    b"GET /v1/status HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST /v1/challenge HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    request("POST", "/v1/challenge", None, *CHUNKED) + b"zz\r\n",
    b"GET /v1/status HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n",
    b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\n" + b"X: a\r\n" * 200 + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"CONNECT localhost:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
]


@pytest.mark.parametrize("octets", GARBAGE, ids=lambda octets: repr(octets[:40]))
def test_what_is_no_request_gets_a_problem_or_the_end_never_a_500(
    octets: bytes, channel: Listening, me: Identity
) -> None:
    channel.desk.trouble.clear()
    with channel.connect(me) as client:
        client.sock.settimeout(0.5)
        client.send(octets + b"\r\n\r\n")
        try:
            answer = client.read()
        except TimeoutError:  # it waits for more of it, within its time
            answer = NO_ANSWER
        assert answer.status in {0, 200, 400, 404, 405}, answer
        if answer.status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.code in {"TSM-REQUEST-MALFORMED", "TSM-PATH-UNKNOWN", "TSM-METHOD-NOT-ALLOWED"}


@settings(max_examples=60, deadline=None)
@given(octets=st.binary(min_size=1, max_size=300))
def test_any_octets_are_survived(octets: bytes, channel: Listening, me: Identity) -> None:
    with channel.connect(me) as client:
        client.send(octets + b"\r\n\r\n\r\n")
        client.sock.settimeout(0.05)
        try:
            answer = client.read()
            assert answer.status in {0, 400}, answer
        except TimeoutError:
            pass
    assert not channel.events("request.failed")


def test_requests_in_a_row_are_answered_in_order(client: Client) -> None:
    client.send(b"".join(request("GET", path) for path in ["/v1/status", "/nothing"] * 40))
    assert [client.read().status for _ in range(80)] == [200, 404] * 40


def test_a_request_may_come_octet_by_octet(client: Client) -> None:
    for octet in request("POST", "/v1/registration", {"proof": "AAAA"}):
        client.send(bytes([octet]))
    assert client.read().status == 200


def test_a_request_cut_at_any_octet_asks_nothing_of_the_desk(channel: Listening, me: Identity) -> None:
    channel.desk.asked.clear()
    whole = request("POST", "/v1/registration", {"proof": "AAAA"})
    for length in range(0, len(whole), 7):
        with channel.connect(me) as client:
            client.send(whole[:length])
    assert channel.once(me, request("GET", "/v1/status")).status == 200
    assert [use for use, *_ in channel.desk.asked] == ["status"]
    assert not channel.events("request.failed")


def test_a_peer_that_closes_its_half_still_gets_no_half_answer(channel: Listening, me: Identity) -> None:
    with channel.connect(me) as client:
        client.send(request("GET", "/v1/status"))
        socket.socket.shutdown(client.sock, socket.SHUT_WR)  # TCP's half alone; ssl's own would end TLS
        assert client.read().status in {0, 200}
    assert channel.once(me, request("GET", "/v1/status")).status == 200


# problems


class Surprise(Exception):
    """Holds what must not leak."""


@pytest.mark.parametrize("route", ANSWERED_BY_DESK, ids=lambda route: route.name)
def test_every_documented_refusal_of_the_desk_reaches_the_peer_as_documented(
    route: Route, client: Client, channel: Listening
) -> None:
    kinds = {kind.code: kind for kind in all_errors() if kind.side is Side.PEER or kind.code in STATUSES}
    for code in codes_of(route):
        if code in route.problems.split():
            error = kinds[code].__new__(kinds[code])
            error.facts = {"path": "/secret"}
            if isinstance(error, TooManyRequests):
                error.retry_after_s = 3600
            channel.desk.trouble[USES[route.name]] = error
            answer = client.ask(route.method, route.path, BODIES.get(route.name))
            refused(answer, STATUSES[code].value, code.upper())
            assert "secret" not in answer.body.decode()
            assert answer.headers.get("retry-after") == ("3600" if answer.status == 429 else None)
            documented = describe()["paths"][route.path][route.method.lower()]["responses"]
            codes = documented[str(answer.status)]["content"]["application/problem+json"]["schema"]["allOf"]
            assert answer.code in codes[1]["properties"]["code"]["enum"]


@pytest.mark.parametrize("error", [StoreFull(path="/var/x"), StoreBusy(), StoreBroken(path="/var/x")])
def test_trouble_of_the_store_is_503_and_says_nothing_more(
    error: TsmError, client: Client, channel: Listening
) -> None:
    channel.desk.trouble["status"] = error
    answer = client.ask("GET", "/v1/status")
    refused(answer, 503, "UNAVAILABLE")
    assert answer.headers["retry-after"] == "2"
    assert b"store" not in answer.body
    assert channel.events("request.answered")[-1]["error"] == error.code


def test_a_defect_is_500_told_by_class_and_place_in_the_log_only(client: Client, channel: Listening) -> None:
    channel.desk.trouble["status"] = Surprise("a key octet")
    answer = client.ask("GET", "/v1/status")
    refused(answer, 500, "FAILED")
    assert b"key octet" not in answer.body + channel.lines.getvalue()
    (line,) = channel.events("request.failed")
    assert (line["route"], line["error"]) == ("status", "Surprise")
    assert str(line["where"]).startswith("channel1_world.py:")
    channel.lines.truncate(channel.lines.seek(0))


def test_every_request_is_one_wide_line_and_counted_by_route_and_status(
    channel: Listening, me: Identity
) -> None:
    channel.desk.trouble.clear()
    counted = 'requests_total{route="status",status="200"}'
    before, lines = channel.figure(counted), len(channel.events("request.answered"))
    assert channel.once(me, request("GET", "/v1/status")).status == 200
    assert channel.figure(counted) == before + 1
    *_, line = channel.events("request.answered")
    assert len(channel.events("request.answered")) == lines + 1
    assert (line["route"], line["http_status"], line["host"]) == ("status", 200, "127.0.0.1")
    assert str(line["device"]).startswith("d:")


def test_too_many_requests_are_told_when_to_come_back(authorities: Authorities, me: Identity) -> None:
    with listening(authorities, Limits(requests_per_minute=3)) as channel:
        answers = [channel.once(me, request("GET", "/v1/status")) for _ in range(5)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
        refused(answers[-1], 429, "TOO-MANY-REQUESTS")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
        other = authorities.identity()
        assert channel.once(other, request("GET", "/v1/status")).status == 200


# the description


def test_the_description_served_is_the_one_printed(client: Client) -> None:
    assert client.ask("GET", "/v1/openapi.json").json == json.loads(openapi_text()) == describe()


def test_every_code_of_the_table_has_a_status_and_a_class() -> None:
    codes = {kind.code for kind in all_errors()} | {"unavailable"}
    assert set(STATUSES) <= codes
    for route in (*ROUTES, *ROUTES_2):
        assert set(codes_of(route)) <= set(STATUSES)
        assert len(set(codes_of(route))) == len(codes_of(route)), route.name


def test_every_status_but_those_of_unknown_targets_is_documented_somewhere() -> None:
    documented = {code for route in (*ROUTES, *ROUTES_2) for code in codes_of(route)}
    assert set(STATUSES) - documented == {"path-unknown", "method-not-allowed"}


def test_an_error_of_ours_never_tells_its_own_code() -> None:
    for kind in all_errors():
        problem = problem_of(kind.__new__(kind)) if kind.code != "body-invalid" else None
        if problem and kind.side is Side.OURS and kind.code not in STATUSES:
            assert json.loads(problem.body)["code"] in {"TSM-FAILED", "TSM-UNAVAILABLE"}, kind
            assert public_code(kind.code) not in problem.body.decode() or kind.code == "failed"
