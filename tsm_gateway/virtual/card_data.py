"""GET DATA: what a virtual card tells about itself to anybody (GlobalPlatform §11.3; TS 102 226).

| tag | value |
|---|---|
| 42, 45 | issuer identification number, card image number: here the id of the element |
| 66 | card data: version of GlobalPlatform, secure channel protocol and its "i" |
| C1, C2 | sequence counter of the first key set, confirmation counter |
| CF | key diversification data |
| E0 | key information: of every key id, version, type, length |
| 5F50 | address of who manages the security domain |
| FF21 | number of applications (81), free memory (82), free RAM (83) |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa

from tsm_gateway.virtual.card_apdu import Answer, Command, Refusal, Status
from tsm_gateway.virtual.card_memory import VOLATILE, free_memory
from tsm_gateway.virtual.card_tlv import tlv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsm_gateway.virtual.card_session import Running
    from tsm_gateway.virtual.card_signature import VerifyingKey
    from tsm_gateway.virtual.card_state import CardState

_GLOBAL_PLATFORM = bytes.fromhex("2A864886FC6B")  # 1.2.840.114283
_VERSION = bytes([2, 3])
_SCP = 3
_AES, _RSA_MODULUS, _EC_PUBLIC = 0x88, 0xA0, 0xB0
_EC_POINT = 65  # octets
TOKEN_KVN, RECEIPT_KVN, DAP_KVN = 0x70, 0x71, 0x73  # where GlobalPlatform keeps such keys


def _card_data(state: CardState) -> bytes:
    def oid(*arc: int) -> bytes:
        return tlv(0x06, _GLOBAL_PLATFORM + bytes(arc))

    return tlv(
        0x73,
        oid(1),
        tlv(0x60, oid(2, *_VERSION)),
        tlv(0x63, oid(3)),
        tlv(0x64, oid(4, _SCP, state.profile.protocol)),
    )


def _key_information(state: CardState) -> bytes:
    profile = state.profile
    rows = [bytes([number, keys.kvn, _AES, len(keys.enc)]) for keys in state.key_sets for number in (1, 2, 3)]
    rows += [bytes([number, DAP_KVN]) + _public(key) for number, key in enumerate(profile.dap_keys, 1)]
    if profile.token_key is not None:
        rows.append(bytes([1, TOKEN_KVN]) + _public(profile.token_key))
    if profile.receipt_key is not None:
        rows.append(bytes([1, RECEIPT_KVN, _AES, len(profile.receipt_key)]))
    return b"".join(tlv(0xC0, row) for row in rows)


def _public(key: VerifyingKey) -> bytes:
    """Type and length; a modulus is longer than one octet can say: 00 stands for what does not fit."""
    if isinstance(key, rsa.RSAPublicKey):
        octets = key.key_size // 8
        return bytes([_RSA_MODULUS, octets if octets < 0x100 else 0])  # noqa: PLR2004 - one octet
    return bytes([_EC_PUBLIC, _EC_POINT])


def _resources(state: CardState) -> bytes:
    return b"".join(
        tlv(tag, number.to_bytes(octets, "big"))
        for tag, number, octets in (
            (0x81, len(state.instances), 2),
            (0x82, free_memory(state), 4),
            (0x83, VOLATILE, 4),
        )
    )


def _nothing(_: CardState) -> bytes:
    return b""


_OBJECTS: Mapping[int, Callable[[CardState], bytes]] = {
    0x0042: lambda state: state.issuer,
    0x0045: lambda state: state.profile.app_se,
    0x0066: _card_data,
    0x00C1: lambda state: state.key_sets[0].sequence.to_bytes(3, "big"),
    0x00C2: lambda state: state.confirmations.to_bytes(2, "big"),
    0x00CF: lambda state: state.profile.diversification,
    0x00E0: _key_information,
    0x5F50: lambda state: state.manager_url,
    0xFF21: _resources,
}


def get_data(running: Running, command: Command) -> Answer:
    """The object of the tag in P1 P2, tag and length included. Raises Refusal (6A88)."""
    if command.data:
        raise Refusal(Status.WRONG_DATA, "GET DATA takes no data here")
    value = _OBJECTS.get(command.p1p2, _nothing)(running.state)
    if not value:
        raise Refusal(Status.NOT_REFERENCED, f"no data object {command.p1p2:04X}")
    return Answer(tlv(command.p1p2, value))
