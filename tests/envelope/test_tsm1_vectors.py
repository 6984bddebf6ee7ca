"""The TSM-1 vectors, made by another reading of the format: each ends in the verdict it names."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.envelope.vector_files import VECTORS, Vector, VectorBroken, read_vector, read_vectors
from tsm_gateway.envelope.certificate import read_certificate, verify_signature
from tsm_gateway.envelope.errors import CertificateInvalid, Malformed, NotAuthentic
from tsm_gateway.envelope.replay import ReplayVerdict, check, initial_window
from tsm_gateway.envelope.tsm1 import (
    Direction,
    TrafficKey,
    open_packet,
    parse_packet,
    read_device_payload,
    seal_packet,
    traffic_key,
)
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

ALL = read_vectors()


def named(vector: Vector) -> str:
    return vector.name


def traffic_of(vector: Vector) -> TrafficKey:
    h = vector.headers
    direction = Direction(int(h["direction"]))
    return traffic_key(
        Secret(bytes.fromhex(h["key"])), bytes.fromhex(h["kid"]), direction, h["owner"], int(h["port"])
    )


def window_of(vector: Vector) -> tuple[int, int]:
    """Only the highest itself is spent: whoever is late but within 64 still has a place."""
    highest = int(vector.headers["highest-piv"])
    return (highest, 1) if highest >= 0 else initial_window(0)


def verdict(vector: Vector) -> str:
    """What the gateway makes of the packet, in the words of its log, and in RFC 8613's order."""
    try:
        packet = parse_packet(vector.octets)
        if "highest-piv" in vector.headers:
            seen = check(window_of(vector), packet.piv, 1 << 40)
            if seen is ReplayVerdict.REPLAY:
                return "replay"
        plaintext = open_packet(packet, traffic_of(vector))
        if vector.headers["direction"] == "0":
            payload = read_device_payload(plaintext)
            signer = bytes.fromhex("04" + vector.headers["signer"])
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), signer)
            verify_signature(read_certificate(payload.certificate), key)
    except Malformed:
        return "malformed"
    except NotAuthentic:
        return "not_authentic"
    except CertificateInvalid:
        return "certificate_invalid"
    return "opened"


def test_every_kind_of_verdict_has_a_vector() -> None:
    verdicts = {vector.headers["expect"] for vector in ALL}
    assert verdicts == {"opened", "malformed", "not_authentic", "certificate_invalid", "replay"}


@pytest.mark.parametrize("vector", ALL, ids=named)
def test_a_vector_ends_in_its_verdict(vector: Vector) -> None:
    assert verdict(vector) == vector.headers["expect"]


@pytest.mark.parametrize("vector", [v for v in ALL if "plaintext" in v.headers], ids=named)
def test_an_opened_vector_gives_its_plaintext_and_seals_to_the_same_octets(vector: Vector) -> None:
    traffic = traffic_of(vector)
    packet = parse_packet(vector.octets)
    plaintext = open_packet(packet, traffic)
    assert plaintext.reveal().hex() == vector.headers["plaintext"]
    assert seal_packet(plaintext, traffic, packet.piv) == vector.octets


def test_the_vectors_are_what_their_script_writes(tmp_path: Path) -> None:
    script = VECTORS / "tsm1" / "make.py"
    subprocess.run([sys.executable, script, tmp_path], check=True, timeout=30)
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text(encoding="utf-8") for path in script.parent.glob("*.txt")}
    assert made == kept


def test_a_vector_with_an_unknown_header_fails_the_run(tmp_path: Path) -> None:
    text = (VECTORS / "tsm1" / "opened.txt").read_text(encoding="utf-8")
    path = tmp_path / "strange.txt"
    path.write_text(f"colour: red\n{text}", encoding="utf-8")
    with pytest.raises(VectorBroken):
        read_vector(path)
