"""The literal readers of proofs and hybrid keys against a strict general one, on any octets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.envelope.strict_reading import NotStrict
from tests.provisioning import strict_proof
from tests.provisioning.statement import SIGNERS, fields, proof
from tsm_gateway.provisioning.proof_errors import ProofMalformed
from tsm_gateway.provisioning.registration import read_proof

if TYPE_CHECKING:
    from collections.abc import Callable

GENUINE = [proof(algorithm) for algorithm in SIGNERS]
MISSPELLINGS = [b"\x18\x05", b"\x5f\x41\x00\xff", b"\x9f\xff", b"\xc1\x00", b"\xf9\x3c\x00", b"\xf5", b"\xf6"]


def ours(octets: bytes) -> tuple[Any, ...]:
    p = read_proof(octets)
    methods = tuple(tuple(each) for each in p.methods)
    return (
        *(p.device_id, p.kid, p.challenge, p.confirm, methods),
        *(p.crypto_se, p.app_se, p.statement.signature),
    )


def outcome(read: Callable[[bytes], Any], octets: bytes) -> Any:
    try:
        return read(octets)
    except (ProofMalformed, NotStrict):
        return "refused"


@st.composite
def near(draw: st.DrawFn) -> bytes:
    """A genuine proof with a few octets changed, cut, doubled or put in."""
    octets = bytearray(draw(st.sampled_from(GENUINE)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(octets)))
        cut = draw(st.integers(0, 3))
        octets[at : at + cut] = draw(st.one_of(st.binary(max_size=3), st.sampled_from(MISSPELLINGS)))
    return bytes(octets)


@pytest.mark.parametrize("genuine", GENUINE, ids=list(SIGNERS))
def test_both_readings_take_the_genuine_proof(genuine: bytes) -> None:
    assert ours(genuine) == strict_proof.proof(genuine)


@given(st.binary(max_size=1400))
def test_any_octets_are_a_value_or_malformed(octets: bytes) -> None:
    assert outcome(ours, octets) == outcome(strict_proof.proof, octets)


@given(near())
def test_both_readings_agree_near_a_genuine_proof(octets: bytes) -> None:
    assert outcome(ours, octets) == outcome(strict_proof.proof, octets)


@pytest.mark.parametrize("genuine", GENUINE, ids=list(SIGNERS))
def test_every_prefix_is_refused(genuine: bytes) -> None:
    assert {outcome(ours, genuine[:length]) for length in range(len(genuine))} == {"refused"}


def test_both_readings_agree_on_every_octet_of_the_head_changed_to_every_value() -> None:
    genuine = GENUINE[0]
    for at in range(60):
        for value in range(256):
            octets = genuine[:at] + bytes([value]) + genuine[at + 1 :]
            assert outcome(ours, octets) == outcome(strict_proof.proof, octets), octets.hex()


values = st.recursive(
    st.one_of(
        *(st.integers(-(2**66), 2**66), st.text(max_size=20), st.binary(max_size=40)),
        *(st.booleans(), st.none(), st.floats(), st.sampled_from(["fpt", "pin", bytes(32)])),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-4, 4), inner, max_size=4),
)


@given(field=st.integers(0, 9), value=values)
def test_both_readings_agree_on_any_value_of_any_field(field: int, value: object) -> None:
    statement = cbor2.dumps(fields(SIGNERS["ES256"]) | {field: value})
    octets = cbor2.dumps([b"\xa1\x01\x26", {}, statement, bytes(64)])
    assert outcome(ours, octets) == outcome(strict_proof.proof, octets)
