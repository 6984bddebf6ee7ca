"""Packets and payment certificates exchanged with the PyPI package `cwt`, both ways."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tsm_gateway.envelope.certificate import read_certificate, verify_signature
from tsm_gateway.envelope.cose import SignatureAlgorithm, build_sign1, sig_structure
from tsm_gateway.envelope.errors import CertificateInvalid
from tsm_gateway.envelope.tsm1 import Direction, open_packet, parse_packet, seal_packet, traffic_key
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PEER = Path(__file__).with_name("cwt_peer.py")
ANSWER_WITHIN_S = 30

KEY = bytes(range(32))
KID = bytes.fromhex("00a1b2c3")
DEVICE = "d:00112233aabbccdd"
SIGNER = ec.generate_private_key(ec.SECP256R1())
PUBLIC_PEM = SIGNER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PRIVATE_PEM = SIGNER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
CLAIMS = {
    1: DEVICE,
    3: "+4930123456789",
    4: 4_000_000_000,
    6: 1_700_000_000,
    7: bytes(range(8)),
    -65537: [bytes(16), 129_900, 978, ["fpt", "pin"]],
}

WAYS = [
    (Direction.DEVICE_TO_TSM, DEVICE),
    (Direction.TSM_TO_DEVICE, DEVICE),
    (Direction.TSM_TO_PROVIDER, "parking"),
    (Direction.PROVIDER_TO_TSM, "parking"),
]
PIVS = [0, 255, 256, 70_000, 2**40 - 1]

pytestmark = pytest.mark.interop


class CwtPeer:
    """The foreign reader in its own process."""

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [python, PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PEER.parent
        )

    def ask(self, verb: str, **job: object) -> dict[str, str]:
        """Its answer: `octets`, or `refused` with the name of its error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"verb": verb, **job}), file=self._process.stdin, flush=True)
        answered: dict[str, str] = json.loads(self._process.stdout.readline())
        return answered

    def octets(self, verb: str, **job: object) -> bytes:
        """The octets of an answer that must not be a refusal."""
        answered = self.ask(verb, **job)
        assert "octets" in answered, answered
        return bytes.fromhex(answered["octets"])

    def stop(self) -> None:
        self._process.communicate(timeout=ANSWER_WITHIN_S)


@pytest.fixture(scope="module")
def cwt() -> Iterator[CwtPeer]:
    """The peer, or a skip where its environment is not made; the build machine has it."""
    python = ROOT / os.environ.get("TSM_CWT_PYTHON", ".venv-cwt/bin/python")
    if not python.exists():
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing("no environment with cwt (scripts/_env interop-cwt, or TSM_CWT_PYTHON)")
    peer = CwtPeer(python)
    yield peer
    peer.stop()


def job(direction: Direction, owner: str) -> dict[str, object]:
    return {"key": KEY.hex(), "direction": int(direction), "owner": owner, "port": 16_500}


def signed(payload: bytes) -> bytes:
    der = SIGNER.sign(sig_structure(SignatureAlgorithm.ES256.protected, payload), ec.ECDSA(SHA256()))
    r, s = decode_dss_signature(der)
    return build_sign1(payload, r.to_bytes(32, "big") + s.to_bytes(32, "big"))


@pytest.mark.parametrize("piv", PIVS)
@pytest.mark.parametrize(("direction", "owner"), WAYS)
def test_cwt_opens_what_we_seal(cwt: CwtPeer, direction: Direction, owner: str, piv: int) -> None:
    traffic = traffic_key(Secret(KEY), KID, direction, owner, 16_500)
    packet = seal_packet(Secret(b"forty-two cents"), traffic, piv)
    assert cwt.octets("open", packet=packet.hex(), **job(direction, owner)) == b"forty-two cents"


@pytest.mark.parametrize("piv", PIVS)
@pytest.mark.parametrize(("direction", "owner"), WAYS)
def test_we_open_what_cwt_seals(cwt: CwtPeer, direction: Direction, owner: str, piv: int) -> None:
    spelt = piv.to_bytes((piv.bit_length() + 7) // 8 or 1, "big").hex()
    packet = cwt.octets(
        "seal", plaintext=b"forty-two cents".hex(), kid=KID.hex(), piv=spelt, **job(direction, owner)
    )
    traffic = traffic_key(Secret(KEY), KID, direction, owner, 16_500)
    assert open_packet(parse_packet(packet), traffic) == Secret(b"forty-two cents")
    assert seal_packet(Secret(b"forty-two cents"), traffic, piv) == packet


def test_cwt_refuses_our_packet_for_another_owner(cwt: CwtPeer) -> None:
    """The control: it does look at what is authenticated."""
    traffic = traffic_key(Secret(KEY), KID, Direction.DEVICE_TO_TSM, DEVICE, 16_500)
    packet = seal_packet(Secret(b"forty-two cents"), traffic, 1).hex()
    answered = cwt.ask("open", packet=packet, **job(Direction.DEVICE_TO_TSM, "d:ffffffffffffffff"))
    assert answered["refused"] == "DecodeError"


def test_cwt_verifies_our_certificate_and_reads_its_claims(cwt: CwtPeer) -> None:
    certificate = signed(cbor2.dumps(CLAIMS)).hex()
    assert cbor2.loads(cwt.octets("verify", certificate=certificate, public_key=PUBLIC_PEM)) == CLAIMS


def test_cwt_refuses_our_certificate_with_another_amount(cwt: CwtPeer) -> None:
    """The control: it does verify."""
    dearer = cbor2.dumps(CLAIMS | {-65537: [bytes(16), 129_901, 978, ["fpt", "pin"]]})
    forged = build_sign1(dearer, signed(cbor2.dumps(CLAIMS))[-64:]).hex()
    answered = cwt.ask("verify", certificate=forged, public_key=PUBLIC_PEM)
    assert answered["refused"] == "VerifyError"


def test_we_read_and_verify_a_certificate_made_by_cwt(cwt: CwtPeer) -> None:
    made = cwt.octets("sign", claims=cbor2.dumps(CLAIMS).hex(), private_key=PRIVATE_PEM)
    certificate = read_certificate(made)
    verify_signature(certificate, SIGNER.public_key())
    assert (certificate.issuer, certificate.amount, certificate.amr) == (DEVICE, 129_900, ("fpt", "pin"))
    with pytest.raises(CertificateInvalid):
        verify_signature(certificate, ec.generate_private_key(ec.SECP256R1()).public_key())
