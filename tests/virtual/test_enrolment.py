"""Virtual parties and the gateway's own code read each other, although neither knows the other's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tsm_gateway.cli.virtual_parties import VirtualProviderForeign, enrol, new_provider
from tsm_gateway.envelope.certificate import read_certificate, verify_signature
from tsm_gateway.envelope.tsm1 import open_packet, parse_packet, read_device_payload
from tsm_gateway.keys.master_store import init_master, read_master
from tsm_gateway.outbound.packet import seal_for_provider
from tsm_gateway.outbound.parts import parts_of
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.errors import AddressInvalid
from tsm_gateway.relay.directory import Directory
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.part import Part
from tsm_gateway.virtual.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.keys.wrap import MasterKeys

NOW = 1_760_000_000
PORT = 16500
ADDRESS = "+4930123456789"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    master = tmp_path / "master.key"
    init_master(master, bytes(range(32)))
    path = tmp_path / "gateway.toml"
    path.write_text(
        f'[gateway]\nid = "tsm-1"\n'
        f'[store]\nurl = "sqlite://{tmp_path}/gateway.db"\n'
        f'[keys]\nmaster = "file:{master}"\n'
    )
    return path


@pytest.fixture
def masters(config: Path) -> MasterKeys:
    return read_master(f"file:{config.parent}/master.key")


def open_store(config: Path) -> SqliteStore:
    folder = config.parent
    return SqliteStore.open(folder / "gateway.db", mark=folder / "master.key.epoch", exclusive=False)


@pytest.fixture
def store(config: Path) -> Iterator[SqliteStore]:
    opened = open_store(config)
    yield opened
    opened.close()


def through_the_gateway(directory: Directory, packet: bytes) -> list[Part]:
    """What the gateway does with one packet, without its state."""
    parsed = parse_packet(packet)
    device = directory.device(parsed.kid)
    assert device is not None
    payload = read_device_payload(open_packet(parsed, device.up))
    certificate = read_certificate(payload.certificate)
    verify_signature(certificate, device.public_key)
    assert (certificate.audience, certificate.issuer) == (payload.address, device.device.device_id)
    provider = directory.provider(payload.address)
    assert provider is not None
    piv = directory.counter(provider.kid).next
    sealed = seal_for_provider(payload.certificate, NOW, bytes(range(16)), provider.down, piv)
    return [
        Part("", provider.provider.msisdn, 4, 0, octets[: 1 + octets[0]], octets[1 + octets[0] :])
        for octets in parts_of(sealed, port=PORT, reference=7)
    ]


def test_a_payment_of_an_enrolled_handset_passes_the_gateway_and_opens_at_its_provider(
    store: SqliteStore, masters: MasterKeys
) -> None:
    provider_record, records = enrol(
        store.registry, masters, new_provider(ADDRESS, "+4930999"), count=3, port=PORT, at=NOW
    )
    directory = Directory(store.registry, masters, port=PORT)
    provider = Provider(provider_record)
    for record in records:
        assert directory.window(record.kid)[0] == record.next_piv - 1
        for method in ("fpt", "face", "iris"):
            sent = Handset(record, method=method).pay(ADDRESS, "12.99", "EUR", at=NOW)
            parts = through_the_gateway(directory, b"".join(part.data for part in sent))
            (opened,) = [found for part in parts if (found := provider.receive(part)) is not None]
            assert (opened.payment.device_id, opened.payment.amount) == (record.device_id, 1299)
            assert opened.payment.methods == (method,)
            assert opened.message_id == bytes(range(16))


def test_enrolled_devices_are_active_and_all_keys_differ(store: SqliteStore, masters: MasterKeys) -> None:
    _, records = enrol(
        store.registry, masters, new_provider(ADDRESS, "+4930999"), count=20, port=PORT, at=NOW
    )
    assert {device.state for device in store.registry.devices()} == {DeviceState.ACTIVE}
    assert len(store.registry.devices()) == 20
    assert len({record.key.reveal() for record in records}) == 20
    assert len({record.kid for record in records}) == 20
    assert all(record.next_piv < 2**31 for record in records)


def test_enrolling_again_keeps_the_provider_and_adds_to_its_devices(
    store: SqliteStore, masters: MasterKeys
) -> None:
    provider, first = enrol(store.registry, masters, new_provider(ADDRESS, "+49"), count=1, port=PORT, at=NOW)
    again, second = enrol(store.registry, masters, provider, count=1, port=PORT, at=NOW)
    assert set(again.devices) == {first[0].device_id, second[0].device_id}
    assert (again.kid, again.name) == (provider.kid, "virtual-4930123456789")
    with pytest.raises(VirtualProviderForeign):
        enrol(store.registry, masters, new_provider(ADDRESS, "+49"), count=1, port=PORT, at=NOW)
    with pytest.raises(VirtualProviderForeign):
        enrol(store.registry, masters, new_provider(ADDRESS, "+49", "other"), count=1, port=PORT, at=NOW)


def test_an_address_that_is_none_makes_no_provider() -> None:
    assert new_provider("sp:coffee", "+49").name == "virtual-coffee"
    with pytest.raises(AddressInvalid):
        new_provider("coffee", "+49")
