"""Registration proofs: which one is believed, and by what name every other is refused."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import cbor2
import pytest

from tests.provisioning.element import AT, PROTECTED, certificate, device_id_of, rsa_key, sign1
from tests.provisioning.statement import (
    ALGORITHMS,
    APP_SE,
    CHALLENGE,
    CRYPTO_SE,
    EPOCH,
    KEY,
    KID,
    METHODS,
    SECRET,
    SIGNERS,
    STRANGERS,
    awaited,
    confirmation,
    fields,
    proof,
)
from tsm_gateway.envelope.errors import DeviceCertificateUnusable, Malformed
from tsm_gateway.provisioning.proof_errors import (
    ChallengeMismatch,
    ConfirmationWrong,
    ElementsEqual,
    ProofMalformed,
    ProofNotAuthentic,
    ProofWrongDevice,
    ProofWrongKey,
)
from tsm_gateway.provisioning.registration import MAX_PROOF, AwaitedProof, read_proof, verify_proof
from tsm_gateway.registry.registration import AuthMethod, Registration
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from tsm_gateway.errors import TsmError

METHOD = METHODS[0]
PAIRS = list(permutations(ALGORITHMS, 2))


def verify(octets: bytes, algorithm: str = "ES256", **other: Any) -> Registration:
    wanted: AwaitedProof = other.pop("awaited", awaited(algorithm))
    given: dict[str, Any] = {"signing_certificate": certificate(SIGNERS[algorithm]), "key": SECRET, "at": AT}
    return verify_proof(read_proof(octets), wanted, **(given | other))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_genuine_proof_registers(algorithm: str) -> None:
    octets = proof(algorithm)
    assert verify(octets, algorithm) == Registration(
        device_id=device_id_of(SIGNERS[algorithm]),
        kid=KID,
        crypto_se=CRYPTO_SE,
        app_se=APP_SE,
        methods=tuple(AuthMethod(*each) for each in METHODS),
        proof=octets,
        registered_at=AT,
    )


@pytest.mark.parametrize("bits", [3072, 4096])
def test_a_proof_by_a_long_rsa_key_fits_with_all_it_may_hold(bits: int) -> None:
    key = rsa_key(bits)
    many = [["face", bytes([n]) * 32, 2**53 - 1] for n in range(8)]
    statement = fields(key) | {6: many, 7: b"\x01" * 32, 8: b"\x02" * 32}
    octets = sign1(cbor2.dumps(statement), key)
    assert len(octets) == MAX_PROOF - (4096 - bits) // 8
    own = awaited()._replace(device_id=device_id_of(key))
    assert verify(octets, awaited=own, signing_certificate=certificate(key)).methods[7].method == "face"


REFUSED: list[tuple[dict[Any, Any], type[TsmError]]] = [
    ({2: "d:00112233aabbccdd"}, ProofWrongDevice),
    ({3: bytes(4)}, ProofWrongKey),
    ({4: bytes(32)}, ChallengeMismatch),
    ({4: bytes(32), 5: confirmation(challenge=bytes(32))}, ChallengeMismatch),
    ({5: bytes(16)}, ConfirmationWrong),
    ({5: confirmation(kid=bytes(4))}, ConfirmationWrong),
    ({5: confirmation(epoch=EPOCH - 1)}, ConfirmationWrong),
    ({5: confirmation(challenge=bytes(32))}, ConfirmationWrong),
    ({5: confirmation(key=bytes(32))}, ConfirmationWrong),
    ({8: CRYPTO_SE}, ElementsEqual),
]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(("other", "error"), REFUSED)
def test_a_well_signed_proof_about_something_else_is_refused_by_name(
    algorithm: str, other: dict[Any, Any], error: type[TsmError]
) -> None:
    with pytest.raises(error) as caught:
        verify(proof(algorithm, other), algorithm)
    assert type(caught.value) is error
    assert caught.value.facts == {}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("field", range(2, 9))
def test_a_field_altered_after_signing_is_not_authentic(algorithm: str, field: int) -> None:
    genuine = proof(algorithm)
    protected, unprotected, payload, signature = cbor2.loads(genuine)
    statement = cbor2.loads(payload)
    statement[field] = {
        2: "d:00112233aabbccdd",
        6: [METHOD],
    }.get(field) or statement[field][:-1] + bytes([statement[field][-1] ^ 1])
    altered = cbor2.dumps([protected, unprotected, cbor2.dumps(statement), signature])
    with pytest.raises(ProofNotAuthentic):
        verify(altered, algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_devices_signature_is_not_authentic(algorithm: str) -> None:
    with pytest.raises(ProofNotAuthentic):
        verify(proof(algorithm, key=STRANGERS[algorithm]), algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_devices_whole_proof_is_not_authentic(algorithm: str) -> None:
    """Nothing is told of what does not fit beyond that, as its signer is not who it should be."""
    stranger = STRANGERS[algorithm]
    with pytest.raises(ProofNotAuthentic):
        verify(sign1(cbor2.dumps(fields(stranger)), stranger), algorithm)


@pytest.mark.parametrize(("signed", "said"), PAIRS)
def test_an_algorithm_other_than_the_keys_is_never_taken(signed: str, said: str) -> None:
    """The header names an algorithm the key cannot have; where lengths differ it does not even read."""
    octets = proof(signed, protected=PROTECTED[said])
    with pytest.raises((ProofNotAuthentic, ProofMalformed)):
        verify(octets, signed)


@pytest.mark.parametrize(("theirs", "registered"), PAIRS)
def test_a_good_signature_of_another_algorithm_than_the_registered_keys_is_refused(
    theirs: str, registered: str
) -> None:
    with pytest.raises(ProofNotAuthentic):
        verify(proof(theirs), registered)


@pytest.mark.parametrize(
    "other",
    [
        {"device_id": "d:00112233aabbccdd"},
        {"kid": bytes(4)},
        {"epoch": EPOCH + 1},
        {"challenge": bytes(32)},
    ],
    ids=lambda other: str(*other),
)
def test_a_genuine_proof_is_refused_where_another_is_awaited(other: dict[str, Any]) -> None:
    with pytest.raises((ProofWrongDevice, ProofWrongKey, ChallengeMismatch, ConfirmationWrong)):
        verify(proof(), awaited=awaited(**other))


def test_possession_of_another_key_is_no_confirmation() -> None:
    with pytest.raises(ConfirmationWrong):
        verify(proof(), key=Secret(KEY[:-1] + b"\0"))


def test_a_registered_certificate_that_does_not_read_is_our_trouble() -> None:
    with pytest.raises(DeviceCertificateUnusable):
        verify(proof(), signing_certificate=b"no certificate")


MALFORMED: list[dict[Any, Any]] = [
    *({1: "tsm-reg-2"}, {1: b"tsm-reg-1"}, {9: 1}, {0: 1}),
    *({2: "d:00112233AABBCCDD"}, {2: "d:00112233aabbccd"}, {2: b"d:00112233aabbccdd"}, {2: None}),
    *({3: bytes(3)}, {3: bytes(5)}, {3: "kid4"}),
    *({4: bytes(31)}, {4: bytes(33)}, {4: b""}),
    *({5: bytes(15)}, {5: bytes(17)}, {5: bytes(8)}),
    *({6: []}, {6: METHOD}, {6: {}}, {6: [METHOD] * 2}, {6: [["pin", bytes([n]) * 32, 0] for n in range(9)]}),
    *({6: [["FPT", bytes(32), 0]]}, {6: [["otp", bytes(32), 0]]}, {6: [["", bytes(32), 0]]}),
    *({6: [["fpt", bytes(31), 0]]}, {6: [["fpt", bytes(33), 0]]}, {6: [["fpt", bytes(32)]]}),
    *({6: [["fpt", bytes(32), -1]]}, {6: [["fpt", bytes(32), 2**53]]}, {6: [["fpt", bytes(32), 1.0]]}),
    *({6: [["fpt", bytes(32), 0, 0]]}, {6: [["fpt", bytes(32), 0], ["pin", bytes(32), 1]]}),
    *({7: bytes(7)}, {7: bytes(33)}, {7: "crypto-1"}, {7: 1}),
    *({8: bytes(7)}, {8: bytes(33)}, {8: None}),
]


@pytest.mark.parametrize("other", MALFORMED, ids=str)
def test_a_field_of_another_type_length_range_or_name_is_malformed(other: dict[Any, Any]) -> None:
    with pytest.raises(ProofMalformed):
        read_proof(proof(other=other))


def test_the_bounds_themselves_are_read() -> None:
    for least in (b"\x01" * 8, b"\x01" * 32):
        assert read_proof(proof(other={7: least})).crypto_se == least
    many = [["iris", bytes([n]) * 32, 2**53 - 1] for n in range(8)]
    assert len(read_proof(proof(other={6: many})).methods) == 8


def raw(payload: bytes) -> bytes:
    return sign1(payload, SIGNERS["ES256"])


def test_a_second_spelling_is_malformed() -> None:
    """Non-canonical CBOR: longer heads, another order, a key twice, indefinite lengths, a trailer, a tag."""
    genuine = cbor2.dumps(fields(SIGNERS["ES256"]))
    kid = b"\x03\x44" + KID
    assert genuine.count(kid) == 1
    for spelling in (
        genuine.replace(kid, b"\x03\x58\x04" + KID),
        genuine.replace(kid, b"\x18\x03\x44" + KID),
        genuine.replace(b"\x82\x83", b"\x98\x02\x83"),
        genuine.replace(b"\x82\x83", b"\x9f\x83"),
        b"\xa9" + genuine[1:] + b"\x08" + cbor2.dumps(APP_SE),
        b"\xa9" + genuine[1:].replace(kid, kid * 2),
        b"\xbf" + genuine[1:] + b"\xff",
        cbor2.dumps(dict(reversed(fields(SIGNERS["ES256"]).items()))),
        genuine + b"\0",
        b"\xd8\x3d" + genuine,
    ):
        assert spelling != genuine
        with pytest.raises(ProofMalformed):
            read_proof(raw(spelling))


def test_another_envelope_is_malformed() -> None:
    genuine = proof()
    for spelling in (
        *(b"\xd2" + genuine, genuine + b"\0", genuine[:-1], b"", b"\x84"),
        genuine.replace(bytes.fromhex("43a10126a0"), bytes.fromhex("43a10126a10400")),
        genuine.replace(bytes.fromhex("43a10126a0"), bytes.fromhex("40a10126")),
        genuine.replace(bytes.fromhex("43a10126"), bytes.fromhex("43a10125")),
    ):
        with pytest.raises(ProofMalformed):
            read_proof(spelling)


def test_an_oversize_proof_is_malformed_before_it_is_read() -> None:
    with pytest.raises(ProofMalformed):
        read_proof(raw(bytes(MAX_PROOF)))


@pytest.mark.parametrize("length", [0, 63, 65, 256])
def test_a_signature_of_another_length_is_malformed(length: int) -> None:
    protected, unprotected, payload, _ = cbor2.loads(proof())
    with pytest.raises(ProofMalformed):
        read_proof(cbor2.dumps([protected, unprotected, payload, bytes(length)]))


def test_a_malformed_proof_is_malformed_input_like_any_other() -> None:
    assert issubclass(ProofMalformed, Malformed)


def test_no_refusal_says_what_would_have_been_right() -> None:
    for other, error in REFUSED:
        with pytest.raises(error) as caught:
            verify(proof(other=other))
        text = repr((caught.value, caught.value.args, caught.value.__cause__, str(caught.value)))
        assert confirmation().hex() not in text
        assert CHALLENGE.hex() not in text
