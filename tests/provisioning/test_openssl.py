"""openssl's own lists, certificates and OCSP responder, as an issuer's operator would run them."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from tests.provisioning.authority import CLIENT, DAY, Authority, der, p256
from tsm_gateway.provisioning import ocsp_link
from tsm_gateway.provisioning.certificate_errors import CertificateRefused
from tsm_gateway.provisioning.device_trust import judge, questions
from tsm_gateway.provisioning.issuer import Issuer, RevocationPolicy, read_issuer
from tsm_gateway.provisioning.ocsp_link import OcspLink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")

CONFIG = """
[ca]
default_ca = ours
[ours]
dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
crlnumber = {folder}/crlnumber
new_certs_dir = {folder}
certificate = {folder}/root.pem
private_key = {folder}/root.key
default_md = sha256
default_days = 30
default_crl_days = 2
policy = any
unique_subject = no
x509_extensions = device
[any]
commonName = supplied
[device]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,keyAgreement
extendedKeyUsage = clientAuth
[responder]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = OCSPSigning
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""


class OpensslAuthority:
    """An issuer made and run by the openssl command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "ca.cnf").write_text(CONFIG.format(folder=folder), "ascii")
        (folder / "index.txt").touch()
        for name in ("serial", "crlnumber"):
            (folder / name).write_text("1000\n", "ascii")
        self.run("req", "-x509", *self.key("root"), "-subj", "/CN=Openssl root", "-extensions", "root")

    def run(self, *words: str) -> None:
        config = ["-config", "ca.cnf"] if words[0] in {"ca", "req"} else []
        subprocess.run(
            ["openssl", words[0], *config, *words[1:]], cwd=self.folder, check=True, capture_output=True
        )

    def key(self, name: str) -> list[str]:
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        out = f"{name}.pem" if name == "root" else f"{name}.csr"
        return [*curve, "-keyout", f"{name}.key", "-out", out]

    def issue(self, name: str, *more: str, extensions: str = "device") -> bytes:
        self.run("req", "-new", *self.key(name), "-subj", f"/CN={name}")
        asked = ["-in", f"{name}.csr", "-out", f"{name}.pem", "-batch", "-notext", "-extensions", extensions]
        self.run("ca", *asked, *more)
        return der(x509.load_pem_x509_certificate((self.folder / f"{name}.pem").read_bytes()))

    def revoke(self, name: str) -> None:
        self.run("ca", "-revoke", f"{name}.pem", "-crl_reason", "keyCompromise")

    def crl(self) -> bytes:
        self.run("ca", "-gencrl", "-out", "root.crl")
        return (self.folder / "root.crl").read_bytes()

    def issuer(self, *crls: bytes, url: str = "", policy: str = "required") -> Issuer:
        anchors = (self.folder / "root.pem").read_bytes()
        return read_issuer(
            "openssl", anchors=anchors, crls=crls, ocsp=url, revocation=RevocationPolicy(policy)
        )

    @contextmanager
    def responder(self) -> Iterator[str]:
        """`openssl ocsp` with a delegated signing key, reached over loopback; its URL."""
        if not (self.folder / "responder.pem").exists():
            self.issue("responder", extensions="responder")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        words = ["ocsp", "-index", "index.txt", "-CA", "root.pem", "-rsigner", "responder.pem"]
        more = ["-rkey", "responder.key", "-port", str(port), "-nmin", "5"]
        process = subprocess.Popen(
            ["openssl", *words, *more], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            await_listener(process)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.kill()
            process.communicate(timeout=10)


def await_listener(process: subprocess.Popen[bytes]) -> None:
    """Until it says that it listens: a connection that asks nothing would hang it."""
    assert process.stdout is not None
    for line in process.stdout:  # ends with the process at the latest; the test has its deadline
        if b"ACCEPT" in line or b"waiting for" in line:
            return
    pytest.fail("the responder does not listen")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> OpensslAuthority:
    return OpensslAuthority(tmp_path_factory.mktemp("ca"))


def verdict(octets: bytes, issuer: Issuer, **more: Any) -> str:
    try:
        judge(octets, [issuer], int(time.time()), **more)
    except CertificateRefused as refused:
        return refused.code
    return "trusted"


def test_a_list_by_openssl_is_understood(authority: OpensslAuthority) -> None:
    good, bad = authority.issue("good-1"), authority.issue("bad-1")
    authority.revoke("bad-1")
    issuer = authority.issuer(authority.crl())
    assert (verdict(good, issuer), verdict(bad, issuer)) == ("trusted", "certificate-revoked")


def test_a_certificate_signed_with_sha1_by_openssl_is_refused(authority: OpensslAuthority) -> None:
    weak = authority.issue("weak", "-md", "sha1")
    assert verdict(weak, authority.issuer(policy="when_known")) == "certificate-signature-weak"


def judged(link: OcspLink, octets: bytes, issuer: Issuer) -> Any:
    async def said() -> str:
        try:
            await link.judge(octets, [issuer], int(time.time()))
        except CertificateRefused as refused:
            return refused.code
        return "trusted"

    return said()


def test_a_responder_by_openssl_is_understood(authority: OpensslAuthority) -> None:
    good, bad = authority.issue("good-2"), authority.issue("bad-2")
    authority.revoke("bad-2")
    reports: list[tuple[str, str]] = []

    async def ask() -> list[str]:
        with authority.responder() as url:
            async with OcspLink(lambda *report: reports.append(report)) as link:
                return [await judged(link, each, authority.issuer(url=url)) for each in (good, bad)]

    assert asyncio.run(ask()) == ["trusted", "certificate-revoked"]
    assert reports == []


# A responder of our own, which can misbehave.

ROOT = Authority(lifetime=(int(time.time()) - DAY, int(time.time()) + 900 * DAY))
DEVICE = ROOT.issue(
    p256().public_key(),
    extensions=[(CLIENT, False)],
    lifetime=(int(time.time()) - DAY, int(time.time()) + DAY),
)


def good_answer(next_update_s: int = DAY) -> bytes:
    now = int(time.time())
    return ROOT.answer(
        DEVICE, ocsp.OCSPCertStatus.GOOD, this_update=now - 60, next_update=now + next_update_s
    )


class Responder:
    """Answers each request with the next of `replies` (the last one again and again), raw HTTP octets."""

    def __init__(self, *replies: bytes, delay_s: float = 0) -> None:
        self.replies, self.delay_s, self.asked, self.url = list(replies), delay_s, 0, ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ocsp"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
            )
            await reader.readexactly(length)
            self.asked += 1
            await asyncio.sleep(self.delay_s)
            writer.write(self.replies.pop(0) if len(self.replies) > 1 else self.replies[0])
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def http(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
    return head.encode() + body


def conversation(
    responder: Responder, *, times: int = 1, at_once: bool = False, **options: Any
) -> tuple[list[str], list[str]]:
    """What the judge said each time, and the reasons reported."""
    reasons: list[str] = []

    async def talk() -> list[str]:
        async with responder, OcspLink(lambda _, reason: reasons.append(reason), **options) as link:
            issuer = Issuer("ours", (ROOT.certificate,), (), (), responder.url, RevocationPolicy.REQUIRED)
            if at_once:
                return list(await asyncio.gather(*(judged(link, der(DEVICE), issuer) for _ in range(times))))
            return [await judged(link, der(DEVICE), issuer) for _ in range(times)]

    return asyncio.run(asyncio.wait_for(talk(), 20)), reasons


def test_an_answer_is_asked_for_once_and_kept() -> None:
    responder = Responder(http(good_answer()))
    assert conversation(responder, times=5) == (["trusted"] * 5, [])
    assert responder.asked == 1


def test_many_who_need_one_answer_ask_once() -> None:
    responder = Responder(http(good_answer()), delay_s=0.05)
    assert conversation(responder, times=20, at_once=True) == (["trusted"] * 20, [])
    assert responder.asked == 1


def test_an_answer_is_not_kept_beyond_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocsp_link, "KEPT_S", 0)
    responder = Responder(http(good_answer()))
    assert conversation(responder, times=3) == (["trusted"] * 3, [])
    assert responder.asked == 3


def test_the_number_of_kept_answers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocsp_link, "MAX_KEPT", 0)
    responder = Responder(http(good_answer()))
    assert conversation(responder, times=3)[0] == ["trusted"] * 3
    assert responder.asked == 3


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (http(b"", "500 Internal Server Error"), "status-500"),
        (http(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n"), "status-302"),
        (http(bytes(40_000)), "too-long"),
        (b"nonsense\r\n\r\n", "unreachable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "unreachable"),
        (http(b"<html>"), "format"),
        (http(good_answer(-1)), "out-of-date"),
    ],
)
def test_whatever_is_no_answer_leaves_the_matter_unknown_and_is_reported(reply: bytes, reason: str) -> None:
    assert conversation(Responder(reply)) == (["revocation-unknown"], [reason])


def test_a_silent_responder_costs_one_time_out() -> None:
    responder = Responder(http(good_answer()), delay_s=30)
    began = time.monotonic()
    assert conversation(responder, times=10, timeout_s=0.2) == (["revocation-unknown"] * 10, ["timeout"])
    assert time.monotonic() - began < 5
    assert responder.asked == 1


def test_a_responder_that_came_back_is_asked_again() -> None:
    responder = Responder(http(b"", "503 Service Unavailable"), http(good_answer()))
    said, reasons = conversation(responder, times=2, pause_s=0)
    assert (said, reasons) == (["revocation-unknown", "trusted"], ["status-503"])


OTHER = ROOT.issue(
    p256().public_key(),
    "other",
    extensions=[(CLIENT, False)],
    lifetime=(int(time.time()) - DAY, int(time.time()) + DAY),
)


def asked_in_turn(responder: Responder, *devices: x509.Certificate, forget: bool = False) -> list[str]:
    """What the judge said of each, asked by one link; `forget`: as at a reload, ahead of each."""

    async def talk() -> list[str]:
        said = []
        async with responder, OcspLink(lambda *_: None) as link:
            issuer = Issuer("ours", (ROOT.certificate,), (), (), responder.url)
            for each in devices:
                if forget:
                    link.forget()
                said.append(await judged(link, der(each), issuer))
        return said

    return asyncio.run(asyncio.wait_for(talk(), 20))


def answer_about(device: x509.Certificate, status: ocsp.OCSPCertStatus) -> bytes:
    now = int(time.time())
    return http(ROOT.answer(device, status, this_update=now - 60, next_update=now + DAY))


@pytest.mark.parametrize("refusal", [http(b"", "404 Not Found"), http(bytes(40_000)), http(b"<html>")])
def test_a_question_that_is_refused_silences_the_responder_about_nobody_else(refusal: bytes) -> None:
    responder = Responder(refusal, answer_about(OTHER, ocsp.OCSPCertStatus.REVOKED))
    assert asked_in_turn(responder, DEVICE, OTHER, DEVICE) == ["trusted", "certificate-revoked", "trusted"]
    assert responder.asked == 2


def test_a_reload_forgets_what_responders_said() -> None:
    good, revoked = (
        answer_about(DEVICE, each) for each in (ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED)
    )
    assert asked_in_turn(Responder(good, revoked), DEVICE, DEVICE) == ["trusted", "trusted"]
    said = asked_in_turn(Responder(good, revoked), DEVICE, DEVICE, forget=True)
    assert said == ["trusted", "certificate-revoked"]


def test_an_answer_under_way_at_a_reload_is_not_kept() -> None:
    good, revoked = (
        answer_about(DEVICE, each) for each in (ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED)
    )

    async def talk() -> list[str]:
        async with Responder(good, revoked, delay_s=0.05) as responder, OcspLink(lambda *_: None) as link:
            issuer = Issuer("ours", (ROOT.certificate,), (), (), responder.url)
            early = asyncio.create_task(judged(link, der(DEVICE), issuer))
            while not responder.asked:
                await asyncio.sleep(0.001)
            link.forget()
            late = await judged(link, der(DEVICE), issuer)
            return [await early, late, await judged(link, der(DEVICE), issuer)]

    said = asyncio.run(asyncio.wait_for(talk(), 20))
    assert said == ["trusted", "certificate-revoked", "certificate-revoked"]


def test_an_answer_nobody_waits_for_any_more_does_no_harm() -> None:
    async def talk() -> str:
        async with (
            Responder(http(good_answer()), delay_s=0.05) as responder,
            OcspLink(lambda *_: None) as link,
        ):
            issuer = Issuer("ours", (ROOT.certificate,), (), (), responder.url, RevocationPolicy.REQUIRED)
            asked = questions(der(DEVICE), [issuer], int(time.time()))
            leaving = asyncio.create_task(link.answers(asked, int(time.time())))
            await asyncio.sleep(0)
            staying = asyncio.create_task(judged(link, der(DEVICE), issuer))
            await asyncio.sleep(0)
            leaving.cancel()
            return str(await staying)

    assert asyncio.run(talk()) == "trusted"
