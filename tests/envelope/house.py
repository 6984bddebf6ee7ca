"""One device, one provider and one signer, as the envelope's tests need them."""

from __future__ import annotations

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tsm_gateway.envelope.cose import SignatureAlgorithm, build_sign1, sig_structure
from tsm_gateway.envelope.tsm1 import Direction, TrafficKey, seal_packet, traffic_key
from tsm_gateway.secret import Secret

PORT = 16500
KID = bytes.fromhex("5a17c0de")
DEVICE = "d:00112233aabbccdd"
ADDRESS = "+4930123456789"
SIGNER = ec.derive_private_key(0x5EC0DE, ec.SECP256R1())
IKM = Secret(bytes(range(32)))

CLAIMS: dict[object, object] = {
    1: DEVICE,
    3: ADDRESS,
    4: 1_700_000_300,
    6: 1_700_000_000,
    7: bytes.fromhex("c710000000000001"),
    -65537: [bytes(16), 129_900, 978, ["fpt"]],
}


def up(ikm: Secret = IKM, kid: bytes = KID, owner: str = DEVICE, port: int = PORT) -> TrafficKey:
    """The device's sending direction."""
    return traffic_key(ikm, kid, Direction.DEVICE_TO_TSM, owner, port)


def sign(payload: bytes, signer: ec.EllipticCurvePrivateKey = SIGNER) -> bytes:
    """A COSE_Sign1 over `payload`."""
    der = signer.sign(sig_structure(SignatureAlgorithm.ES256.protected, payload), ec.ECDSA(SHA256()))
    r, s = decode_dss_signature(der)
    return build_sign1(payload, r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def certificate(claims: dict[object, object] | None = None) -> bytes:
    """A signed payment certificate over `claims`, in the order given."""
    return sign(cbor2.dumps(CLAIMS if claims is None else claims))


def packet(piv: int = 70_000) -> bytes:
    """A genuine packet of the device."""
    return seal_packet(Secret(cbor2.dumps([ADDRESS, certificate()])), up(), piv)
