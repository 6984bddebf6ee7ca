"""A load of crypto elements for channel 1: each connects, enrols, opens its package, proves, and is gone.

Elements are made ahead, so that the measured time holds what a phone has to do and no more: the handshake,
two requests, opening one package and signing one proof. Threads, because OpenSSL lets go of the lock.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from tsm_gateway.secret import Secret
from tsm_gateway.virtual.biometric import FEATURES
from tsm_gateway.virtual.delivery_trust import delivery_key
from tsm_gateway.virtual.element_record import EnrolledTemplate
from tsm_gateway.virtual.identity import Kind
from tsm_gateway.virtual.key_package import Opener, open_package, read_package
from tsm_gateway.virtual.personalised import Subscription, Tsm, context_of, personalised
from tsm_gateway.virtual.proof import ProvedKey, prove

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from tsm_gateway.virtual.issuer import Issuer
    from tsm_gateway.virtual.party_records import HandsetRecord

DEADLINE_S = 20.0
_LONGEST = 1 << 16


class Element(NamedTuple):
    """One crypto element ready to enrol."""

    record: HandsetRecord
    context: ssl.SSLContext


class Loaded(NamedTuple):
    """What a load came to."""

    seconds: float
    each_ms: list[float]  # connect to registered
    failed: list[str]


def make_elements(issuer: Issuer, tsm: Tsm, count: int, at: int) -> list[Element]:
    """`count` P-256 elements, each with its certificate and TLS context."""
    made = []
    owner = Subscription("+4915550001122", 16500, ())
    for _ in range(count):
        record = personalised(issuer.issue(Kind.P256, at), tsm, owner)
        if record.element is None:
            raise AssertionError
        context = context_of(record, record.element)
        context.set_ecdh_curve("prime256v1")  # the group the listener takes: no second hello
        made.append(Element(record, context))
    return made


def enrol_all(elements: Sequence[Element], address: tuple[str, int], threads: int) -> Loaded:
    """Enrol all of them, `threads` at a time."""
    waiting, lock = iter(elements), threading.Lock()
    each_ms: list[float] = []
    failed: list[str] = []

    def work() -> None:
        signers: dict[bytes, EllipticCurvePublicKey] = {}
        while True:
            with lock:
                element = next(waiting, None)
            if element is None:
                return
            began = time.perf_counter()
            try:
                _enrol(element, address, signers)
            except Exception as error:  # noqa: BLE001 - a failure is a figure
                failed.append(repr(error))
            else:
                each_ms.append((time.perf_counter() - began) * 1000)

    workers = [threading.Thread(target=work, name=f"elements {number}") for number in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return Loaded(time.perf_counter() - began, each_ms, failed)


def _enrol(element: Element, address: tuple[str, int], signers: dict[bytes, EllipticCurvePublicKey]) -> None:
    record = element.record
    with (
        socket.create_connection(address, DEADLINE_S) as plain,
        element.context.wrap_socket(plain, server_hostname=address[0]) as wire,
    ):
        answer = ask(wire, "PUT", "/v1/enrolment", {"msisdn": record.msisdn})
        proof = _prove(record, answer, signers)
        proved = ask(wire, "POST", "/v1/registration", {"proof": base64.b64encode(proof).decode()})
    if proved["state"] != "registered":
        raise AssertionError(proved)


def _prove(
    record: HandsetRecord, answer: dict[str, Any], signers: dict[bytes, EllipticCurvePublicKey]
) -> bytes:
    if record.element is None:
        raise AssertionError
    certificate = base64.b64decode(answer["tsm_certificate"])
    if certificate not in signers:  # an element verifies the chain once and keeps the key
        signers[certificate] = delivery_key(certificate, record.element.tsm_root, int(time.time()))
    package = read_package(base64.b64decode(answer["key_package"]), signers[certificate])
    key = open_package(package, Opener(record.private_key, record.certificate, record.element))
    template = EnrolledTemplate("fpt", bytes(16), Secret(bytes(FEATURES)), int(time.time()))
    element = replace(record.element, templates=(template,))
    challenge = base64.b64decode(answer["challenge"])
    proved = ProvedKey(package.kid, key, package.epoch)
    return prove(record.device_id, proved, challenge, element, record.private_key)


def ask(
    wire: ssl.SSLSocket, method: str, path: str, body: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """One request and its answer, which has to be 200, over a connection that stays."""
    octets = json.dumps(body).encode() if body is not None else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    wire.sendall(f"{head}Content-Length: {len(octets)}\r\n\r\n".encode() + octets)
    got = b""
    while (end := got.find(b"\r\n\r\n")) < 0 or len(got) < end + 4 + _length(got[:end]):
        more = wire.recv(_LONGEST)
        if not more:
            raise ConnectionError(got[:100])
        got += more
    if not got.startswith(b"HTTP/1.1 200 "):
        raise AssertionError(got[:300])
    answer: dict[str, Any] = json.loads(got[end + 4 :])
    return answer


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
