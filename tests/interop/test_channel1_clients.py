"""curl and `openssl s_client` as devices of channel 1, and two judges: sslyze and schemathesis."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.daemon.channel1_world import Authorities, Identity, Listening, listening

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
WITHIN_S = 50

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return Authorities(tmp_path_factory.mktemp("channel1"))


@pytest.fixture(scope="module")
def channel(authorities: Authorities) -> Iterator[Listening]:
    with listening(authorities) as made:
        yield made


@pytest.fixture(scope="module")
def judges() -> Path:
    """Where the programs of the foreign judges lie, or a skip; the build machine has them."""
    venv = ROOT / os.environ.get("TSM_HTTP_VENV", ".venv-http")
    if not (venv / "bin" / "python").exists():
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing("no environment with sslyze and schemathesis (scripts/_env interop-http, or TSM_HTTP_VENV)")
    return venv / "bin"


def run(*words: object, sent: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(word) for word in words], input=sent, capture_output=True, timeout=WITHIN_S, check=False
    )


def curl(channel: Listening, identity: Identity | None, path: str, *options: object) -> tuple[int, bytes]:
    """(curl's exit code, what it got)."""
    own = () if identity is None else ("--cert", identity.path)
    url = f"https://localhost:{channel.port}{path}"
    done = run("curl", "--silent", "--ipv4", "--cacert", channel.authorities.trust, *own, *options, url)
    return done.returncode, done.stdout


@pytest.mark.parametrize("kind", ["p256", "ed25519", "rsa"])
def test_curl_goes_the_whole_way_with_each_kind_of_key(
    kind: str, authorities: Authorities, channel: Listening
) -> None:
    me = authorities.identity(kind)
    as_json = ("--header", "Content-Type: application/json", "--data")
    status, enrolled = curl(channel, me, "/v1/enrolment", "--request", "PUT", *as_json, "{}")
    assert status == 0
    assert json.loads(enrolled)["kid"] == "00a1b2c3"
    for path, body in (("/v1/challenge", "{}"), ("/v1/registration", '{"proof":"AAAA"}')):
        status, answer = curl(channel, me, path, *as_json, body)
        assert (status, json.loads(answer)["device_id"]) == (0, json.loads(enrolled)["device_id"])
    status, answer = curl(channel, me, "/v1/status", "--fail")
    assert (status, json.loads(answer)["state"]) == (0, "keyed")


def test_curl_waits_for_a_hundred_and_then_sends_its_body(
    authorities: Authorities, channel: Listening
) -> None:
    words = ("--header", "Content-Type: application/json", "--header", "Expect: 100-continue", "--data", "{}")
    status, answer = curl(channel, authorities.identity(), "/v1/challenge", "--max-time", "5", *words)
    assert (status, json.loads(answer)["kid"]) == (0, "00a1b2c3")


def test_curl_gets_nothing_without_a_certificate_or_with_a_strangers(
    authorities: Authorities, channel: Listening
) -> None:
    for identity in (None, authorities.identity(by=authorities.stranger)):
        status, answer = curl(channel, identity, "/v1/status")
        assert status in {16, 35, 52, 55, 56}  # HTTP/2 layer, handshake, empty reply, send, receive
        assert answer == b""


def test_curl_that_speaks_tls_1_2_at_most_gets_nothing(authorities: Authorities, channel: Listening) -> None:
    status, answer = curl(channel, authorities.identity(), "/v1/status", "--tls-max", "1.2")
    assert (status, answer) == (35, b"")


def s_client(channel: Listening, identity: Identity | None, *options: object) -> str:
    """What `openssl s_client` says of a connection on which it asks for the status."""
    own = () if identity is None else ("-cert", identity.path, "-key", identity.path)
    sent = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    words = ("-connect", f"127.0.0.1:{channel.port}", "-CAfile", channel.authorities.trust, "-ign_eof")
    done = run("openssl", "s_client", *words, *own, *options, sent=sent)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def test_openssl_is_answered_over_tls_1_3_and_gets_no_ticket(
    authorities: Authorities, channel: Listening
) -> None:
    said = s_client(channel, authorities.identity())
    assert "HTTP/1.1 200 OK" in said
    assert "New, TLSv1.3" in said
    assert "Verification: OK" in said
    assert "New Session Ticket arrived" not in said


@pytest.mark.parametrize(
    "options", [("-tls1_2",), ("-tls1_1",), ("-groups", "X448"), ("-groups", "P-521")], ids=" ".join
)
def test_openssl_is_not_answered_with_what_is_too_old_or_odd(
    options: tuple[str, ...], authorities: Authorities, channel: Listening
) -> None:
    assert "HTTP/1.1" not in s_client(channel, authorities.identity(), *options)


def test_openssl_is_not_answered_without_a_certificate(channel: Listening) -> None:
    said = s_client(channel, None)
    assert "HTTP/1.1" not in said
    assert "New, TLSv1.3" in said  # TLS 1.3 lets the client finish first; the refusal comes after it


def test_sslyze_finds_nothing_to_object_to_but_an_authority_it_does_not_know(
    authorities: Authorities, channel: Listening, judges: Path
) -> None:
    me = authorities.identity()
    words = ("--mozilla_config", "modern", "--cert", me.path, "--key", me.path)
    done = run(judges / "python", "-m", "sslyze", *words, f"localhost:{channel.port}")
    said = done.stdout.decode()
    verdict = said.partition("COMPLIANCE AGAINST TLS CONFIGURATION")[2]
    assert f"localhost:{channel.port}" in verdict, said
    objections = re.findall(r"^\s+\* (\w+):", verdict, re.MULTILINE)
    assert set(objections) <= {"certificate_path_validation"}, verdict
    assert "SCANS COMPLETED" in said


CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


def test_schemathesis_finds_no_answer_that_is_not_described(
    authorities: Authorities, channel: Listening, judges: Path, tmp_path: Path
) -> None:
    url = f"https://localhost:{channel.port}/v1/openapi.json"
    who = ("--request-cert", authorities.identity().path, "--tls-verify", authorities.trust)
    how = ("--checks", ",".join(CHECKS), "--max-examples", 10, "--seed", 1, "--no-color")
    done = subprocess.run(
        [str(each) for each in (judges / "schemathesis", "run", url, *who, *how)],
        capture_output=True,
        timeout=WITHIN_S,
        check=False,
        cwd=tmp_path,
    )
    said = done.stdout.decode()
    assert done.returncode == 0, said
    assert "No issues found" in said
    statuses = {line["http_status"] for line in channel.events("request.answered")}
    assert statuses & {200}
    assert statuses & {400, 422}
    assert not statuses & set(range(500, 600))
