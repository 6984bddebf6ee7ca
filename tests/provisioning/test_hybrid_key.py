"""A device's X-Wing key: taken only under the signature of that very device."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.envelope.strict_reading import NotStrict
from tests.provisioning import strict_proof
from tests.provisioning.element import PROTECTED, certificate, device_id_of, element, rsa_key, sign1
from tests.provisioning.statement import ALGORITHMS, SIGNERS, STRANGERS
from tsm_gateway.envelope.errors import DeviceCertificateUnusable
from tsm_gateway.provisioning.certificate_errors import KeyWeak
from tsm_gateway.provisioning.hybrid_key import MAX_STATEMENT, read_hybrid_key, xwing_public_key
from tsm_gateway.provisioning.proof_errors import (
    HybridKeyMalformed,
    HybridKeyNotAuthentic,
    HybridKeyWrongDevice,
)

KEY = element("xwing").hybrid_key


def statement(algorithm: str = "ES256", other: dict[Any, Any] | None = None, **signing: Any) -> bytes:
    signer = SIGNERS[algorithm]
    stated = {1: "tsm-xwing-1", 2: device_id_of(signer), 3: KEY} | (other or {})
    return sign1(cbor2.dumps(stated), signing.pop("key", signer), **signing)


def read(octets: bytes, algorithm: str = "ES256") -> bytes:
    signer = SIGNERS[algorithm]
    return read_hybrid_key(octets, device_id=device_id_of(signer), signing_certificate=certificate(signer))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_devices_own_statement_is_taken(algorithm: str) -> None:
    assert read(statement(algorithm), algorithm) == KEY
    assert len(KEY) == 1216


def test_the_longest_statement_fits() -> None:
    key = rsa_key(4096)
    octets = sign1(cbor2.dumps({1: "tsm-xwing-1", 2: device_id_of(key), 3: KEY}), key)
    assert len(octets) == MAX_STATEMENT
    assert read_hybrid_key(octets, device_id=device_id_of(key), signing_certificate=certificate(key)) == KEY


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_statement_signed_by_another_is_not_authentic(algorithm: str) -> None:
    with pytest.raises(HybridKeyNotAuthentic):
        read(statement(algorithm, key=STRANGERS[algorithm]), algorithm)


def test_another_key_under_the_same_signature_is_not_authentic() -> None:
    protected, unprotected, _, signature = cbor2.loads(statement())
    stated = {1: "tsm-xwing-1", 2: device_id_of(SIGNERS["ES256"]), 3: element("xwing", 2).hybrid_key}
    with pytest.raises(HybridKeyNotAuthentic):
        read(cbor2.dumps([protected, unprotected, cbor2.dumps(stated), signature]))


@pytest.mark.parametrize(("signed", "said"), list(permutations(ALGORITHMS, 2)))
def test_an_algorithm_other_than_the_keys_is_never_taken(signed: str, said: str) -> None:
    with pytest.raises((HybridKeyNotAuthentic, HybridKeyMalformed)):
        read(statement(signed, protected=PROTECTED[said]), signed)


def test_a_statement_about_another_device_is_refused() -> None:
    with pytest.raises(HybridKeyWrongDevice):
        read(statement(other={2: "d:00112233aabbccdd"}))


@pytest.mark.parametrize(
    "other",
    [
        *({1: "tsm-xwing-2"}, {1: "tsm-reg-1"}, {2: "d:00112233AABBCCDD"}, {2: b"d:00112233aabbccdd"}),
        *({3: KEY[:-1]}, {3: KEY + b"\0"}, {3: b""}, {3: KEY.hex()}, {4: 0}),
        {3: b"\xff" * 1184 + KEY[1184:]},  # coefficients out of range: FIPS 203 §7.2
    ],
    ids=lambda other: str(*other),
)
def test_another_form_is_malformed(other: dict[Any, Any]) -> None:
    with pytest.raises(HybridKeyMalformed):
        read(statement(other=other))


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)], ids=["0", "1"])
def test_an_x25519_half_that_gives_everybody_the_same_secret_is_weak(point: bytes) -> None:
    with pytest.raises(KeyWeak):
        read(statement(other={3: KEY[:1184] + point}))


def test_an_octet_behind_the_map_is_malformed_though_it_is_signed() -> None:
    signer = SIGNERS["ES256"]
    stated = cbor2.dumps({1: "tsm-xwing-1", 2: device_id_of(signer), 3: KEY})
    assert read(sign1(stated, signer)) == KEY
    with pytest.raises(HybridKeyMalformed):
        read(sign1(stated + b"\0", signer))


def test_an_oversize_statement_is_malformed() -> None:
    with pytest.raises(HybridKeyMalformed):
        read(sign1(bytes(MAX_STATEMENT), SIGNERS["ES256"]))


def test_a_registered_certificate_that_does_not_read_is_our_trouble() -> None:
    with pytest.raises(DeviceCertificateUnusable):
        read_hybrid_key(statement(), device_id="d:0", signing_certificate=b"")


@given(octets=st.binary(max_size=2100))
def test_any_octets_are_malformed(octets: bytes) -> None:
    with pytest.raises(HybridKeyMalformed):
        read(octets)


GENUINE = statement()


@given(at=st.integers(0, 10_000), put=st.binary(max_size=3), cut=st.integers(0, 3))
def test_near_the_genuine_statement_only_the_one_spelling_is_taken(at: int, put: bytes, cut: int) -> None:
    at %= len(GENUINE)
    octets = GENUINE[:at] + put + GENUINE[at + cut :]
    try:
        strict_proof.hybrid_key(octets)
    except NotStrict:
        with pytest.raises(HybridKeyMalformed):
            read(octets)
        return
    if octets == GENUINE:
        assert read(octets) == KEY
        return
    with pytest.raises((HybridKeyMalformed, HybridKeyNotAuthentic, KeyWeak)):
        read(octets)


@pytest.mark.parametrize("length", [0, 1184, 1215, 1217])
def test_a_stored_key_of_another_length_is_malformed(length: int) -> None:
    with pytest.raises(HybridKeyMalformed):
        xwing_public_key(bytes(length))
