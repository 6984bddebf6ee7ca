"""The app element never holds a key: not in a field, not behind a field, not in what passes through it."""

from __future__ import annotations

import gc
import types
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tsm_gateway.secret import Secret
from tsm_gateway.virtual import app_element
from tsm_gateway.virtual.app_element import AppElement, Carriage
from tsm_gateway.virtual.biometric import Finger, Template, Tunnel
from tsm_gateway.virtual.card_state import Parameters
from tsm_gateway.virtual.crypto_element import CryptoElement
from tsm_gateway.virtual.errors import BiometricMismatch
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.packet import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsm_gateway.virtual.party_records import HandsetRecord

NOW = 1_760_000_000
ADDRESS = "+4930123456789"
SECRETIVE = (Secret, CryptoElement, Template, Tunnel, Traffic)
CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)


def reachable(start: object) -> Iterator[object]:
    """Everything one can get to from `start` by following references, code apart."""
    seen: set[int] = set()
    waiting: list[Any] = [start]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, CODE):
            continue
        seen.add(id(thing))
        yield thing
        waiting += gc.get_referents(thing)


def secrets_of(record: HandsetRecord) -> list[bytes]:
    assert isinstance(record.private_key, ec.EllipticCurvePrivateKey)
    scalar = record.private_key.private_numbers().private_value
    return [record.key.reveal(), scalar.to_bytes(32, "big")]


def test_no_key_is_reachable_from_the_app_element(handset_record: HandsetRecord) -> None:
    handset = Handset(handset_record)
    handset.pay(ADDRESS, "1.00", "EUR", at=NOW)
    found = list(reachable(handset.app))
    assert any(thing == ADDRESS for thing in found)  # the walk walks
    assert not [thing for thing in found if isinstance(thing, SECRETIVE)]
    assert not [
        thing
        for thing in found
        if isinstance(thing, bytes | bytearray)
        and any(secret in thing or thing in secret for secret in secrets_of(handset_record) if len(thing) > 7)
    ]
    assert any(
        isinstance(thing, SECRETIVE) for thing in reachable(handset.crypto)
    )  # and would have found one


def test_what_passes_through_the_app_element_is_sealed(
    handset_record: HandsetRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[bytes] = []
    genuine = AppElement.parts

    def watched(self: AppElement, packet: bytes, reference: int) -> object:
        passed.append(packet)
        return genuine(self, packet, reference)

    monkeypatch.setattr(AppElement, "parts", watched)
    handset = Handset(handset_record)
    handset.pay(ADDRESS, "1.00", "EUR", at=NOW, cti=b"cti12345")
    (packet,) = passed
    assert packet.startswith(bytes.fromhex("8343a10103"))
    for secret in (*secrets_of(handset_record), b"cti12345", ADDRESS.encode()):
        assert secret not in packet


def test_the_app_element_s_module_knows_no_cipher() -> None:
    names = {getattr(thing, "__module__", "") or "" for thing in vars(app_element).values()}
    assert not [name for name in names if name.startswith(("cryptography", "tsm_gateway.secret"))]


def test_it_counts_references_as_wide_as_they_are() -> None:
    for wide, reference in ((False, 300 % 256), (True, 300)):
        app = AppElement(Carriage("+491", "16500", 16500, wide), ())
        first = app.parts(bytes(200), 300)[0]
        assert first.udh[9:-2] == reference.to_bytes(2 if wide else 1, "big")


def test_a_limit_of_0_is_none_and_the_own_provider_is_what_it_was_told() -> None:
    told = Parameters("sp:shop", amount_limit=0, currency=978)
    app = AppElement(Carriage("+491", "16500", 16500), (), lambda: told)
    assert app.order(app.own_provider, "99999.99", "EUR") == ("sp:shop", 9_999_999, 978)


def test_each_step_of_a_payment_is_told_by_who_took_it(handset_record: HandsetRecord) -> None:
    told: list[str] = []
    handset = Handset(handset_record, tell=lambda who, _what: told.append(who))
    handset.pay(ADDRESS, "1.00", "EUR", at=NOW)
    assert told == ["app-SE", "sensor", "crypto-SE"]
    with pytest.raises(BiometricMismatch):
        handset.pay(ADDRESS, "1.00", "EUR", at=NOW, finger=Finger("a stranger"))
    assert told[3:] == ["app-SE", "sensor"]
