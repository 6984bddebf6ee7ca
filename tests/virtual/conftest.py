"""Virtual parties with keys of their own, and a gateway of ten lines between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tsm_gateway.secret import Secret
from tsm_gateway.virtual.cbor_literal import decode, encode
from tsm_gateway.virtual.cose_literal import as_list
from tsm_gateway.virtual.identity import Identity, new_identity
from tsm_gateway.virtual.packet import Direction, Traffic, read_packet
from tsm_gateway.virtual.part import Part, cut
from tsm_gateway.virtual.party_records import HandsetRecord, ProviderRecord

NOW = 1_760_000_000
PORT = 16500
ADDRESS = "+4930123456789"

Relay = Callable[..., list[Part]]


@pytest.fixture(scope="session")
def identity() -> Identity:
    return new_identity(bytes.fromhex("00112233aabbccdd"), NOW)


@pytest.fixture
def handset_record(identity: Identity) -> HandsetRecord:
    return HandsetRecord(
        device_id=identity.device_id,
        kid=bytes.fromhex("5a17c0de"),
        key=Secret(bytes(range(32))),
        next_piv=70_000,
        port=PORT,
        msisdn="+491701234567",
        certificate=identity.certificate,
        private_key=identity.private_key,
        provider_addresses=(ADDRESS,),
    )


@pytest.fixture
def provider_record(identity: Identity) -> ProviderRecord:
    return ProviderRecord(
        name="coffee",
        address=ADDRESS,
        kid=bytes.fromhex("0badcafe"),
        key=Secret(bytes(range(32, 64))),
        msisdn="+4930999",
        devices={identity.device_id: identity.certificate},
    )


@pytest.fixture
def relay(handset_record: HandsetRecord, provider_record: ProviderRecord) -> Relay:
    """Opens what the handset sent and seals it for the provider, as the gateway would."""
    phone, shop = handset_record, provider_record
    up = Traffic(phone.key, phone.kid, Direction.DEVICE_TO_TSM, phone.device_id, PORT)
    down = Traffic(shop.key, shop.kid, Direction.TSM_TO_PROVIDER, shop.name, PORT)

    def passed_on(parts: Sequence[Part], piv: int = 1, at: int = NOW) -> list[Part]:
        packet = b"".join(part.data for part in parts)
        _address, certificate = as_list(decode(up.open(read_packet(packet))), 2)
        sealed = down.seal(encode([certificate, at, piv.to_bytes(16, "big")]), piv)
        return [Part("16500", shop.msisdn, 4, 0, udh, body) for udh, body in cut(sealed, PORT, piv % 256)]

    return passed_on
