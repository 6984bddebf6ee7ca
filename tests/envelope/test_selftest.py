"""The known-answer tests pass here, and fail when a primitive errs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm

from tsm_gateway.envelope import selftest
from tsm_gateway.envelope.errors import SelfTestFailed

if TYPE_CHECKING:
    from collections.abc import Callable


PREFIXES = ("_GCM", "_HKDF", "_CMAC", "_EDDSA", "_PS256")
CONSTANTS = [
    name for name in vars(selftest) if name.startswith(PREFIXES) and isinstance(vars(selftest)[name], bytes)
]


class Broken:
    """A primitive that answers every call with one answer, or one error."""

    def __init__(self, answer: object = None, error: Exception | type[Exception] | None = None) -> None:
        self._answer, self._error = answer, error

    def __call__(self, *_: object, **__: object) -> Broken:
        return self

    def _say(self, *_: object) -> object:
        if self._error:
            raise self._error
        return self._answer

    encrypt = decrypt = derive = verify = public_key = from_public_bytes = _say

    def update(self, _: object) -> None: ...


def test_this_machine_passes() -> None:
    selftest.run()


@pytest.mark.parametrize("constant", CONSTANTS)
def test_every_input_and_answer_counts(constant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    octets = vars(selftest)[constant]
    monkeypatch.setattr(selftest, constant, octets[:-1] + bytes([octets[-1] ^ 2]))
    with pytest.raises(SelfTestFailed):
        selftest.run()


@pytest.mark.parametrize(
    ("primitive", "broken", "named"),
    [
        ("AESGCM", Broken(selftest._GCM_SEALED), "aes-256-gcm"),
        ("AESGCM", Broken(error=InvalidTag), "aes-256-gcm"),
        ("HKDF", Broken(bytes(42)), "hkdf-sha256"),
        ("HKDF", Broken(error=UnsupportedAlgorithm("absent")), "hkdf-sha256"),  # a library built without it
        ("CMAC", Broken(), "aes-cmac"),  # takes any tag
        ("CMAC", Broken(error=InvalidSignature), "aes-cmac"),
        ("EllipticCurvePublicNumbers", Broken(Broken()), "es256"),  # takes any signature
        ("Ed25519PublicKey", Broken(Broken()), "eddsa"),
        ("Ed25519PublicKey", Broken(error=UnsupportedAlgorithm("absent")), "eddsa"),
        ("RSAPublicNumbers", Broken(Broken()), "ps256"),
    ],
)
def test_a_primitive_that_errs_is_named(
    primitive: str, broken: Broken, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests: dict[str, Callable[[], bool]] = {named: selftest._TESTS[named]}
    monkeypatch.setattr(selftest, "_TESTS", tests)
    monkeypatch.setattr(selftest, primitive, broken)
    if named == "aes-256-gcm" and broken._error:
        monkeypatch.setattr(broken, "encrypt", lambda *_: selftest._GCM_SEALED, raising=False)
    with pytest.raises(SelfTestFailed) as caught:
        selftest.run()
    assert caught.value.facts == {"primitive": named}


def test_a_cipher_that_opens_anything_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lenient:
        def __init__(self, _: bytes) -> None: ...

        def encrypt(self, *_: bytes) -> bytes:
            return selftest._GCM_SEALED

        def decrypt(self, *_: bytes) -> bytes:
            return selftest._GCM_TEXT

    monkeypatch.setattr(selftest, "AESGCM", Lenient)
    with pytest.raises(SelfTestFailed):
        selftest.run()


def test_a_verifier_that_refuses_the_genuine_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "_ES256_S", selftest._ES256_S + 1)
    with pytest.raises(SelfTestFailed):
        selftest.run()
