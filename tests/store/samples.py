"""Rows for the store's tests, made from small numbers so that a failure can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsm_gateway.messages import Receipt, ReceiptState, Segment, Ticket
from tsm_gateway.registry.device import Device, DeviceState, KeyState, WrappedKey
from tsm_gateway.registry.provider import Provider, ProviderState, Verify
from tsm_gateway.relay.interfaces import (
    Acceptance,
    Batch,
    PivMove,
    StoredSegment,
    SubmittedPart,
    WindowMove,
)
from tsm_gateway.relay.states import MessageState
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOW = 1_700_000_000
FIRST_WINDOW = (0, (1 << 64) - 1)  # PIV 0 was the last taken
PROVIDER_KID = bytes.fromhex("f0000001")


def kid(number: int) -> bytes:
    return number.to_bytes(4, "big")


def device_id(number: int) -> str:
    return f"d:{number:016x}"


def message_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def device(number: int = 1, **changes: Any) -> Device:
    made = Device(
        device_id=device_id(number),
        state=DeviceState.ACTIVE,
        certificate=b"certificate of %d" % number,
        msisdn=f"+49170{number:07d}",
        created_at=NOW,
        changed_at=NOW,
        reason="",
    )
    return made._replace(**changes)


def device_key(number: int = 1, **changes: Any) -> WrappedKey:
    made = WrappedKey(
        kid=kid(number),
        owner=device_id(number),
        epoch=1,
        state=KeyState.CURRENT,
        wrapped=b"wrapped key of %d" % number,
        master_version=1,
        created_at=NOW,
    )
    return made._replace(**changes)


def provider(name: str = "bank", **changes: Any) -> Provider:
    made = Provider(
        name=name,
        state=ProviderState.ACTIVE,
        addresses=("+4930123456", f"sp:{name}"),
        msisdn="+4930999999",
        routes=("carrier-a", "carrier-b"),
        verify=Verify.GATEWAY,
        amount_limit=100_000,
        biometric_above=5_000,
        receipt=True,
        validity_s=3_600,
        created_at=NOW,
        changed_at=NOW,
        reason="",
    )
    return made._replace(**changes)


def provider_key(name: str = "bank", **changes: Any) -> WrappedKey:
    made = WrappedKey(
        kid=PROVIDER_KID,
        owner=name,
        epoch=1,
        state=KeyState.CURRENT,
        wrapped=b"wrapped key of a provider",
        master_version=1,
        created_at=NOW,
    )
    return made._replace(**changes)


def acceptance(number: int = 1, **changes: Any) -> Acceptance:
    """The `number`th payment of device 1."""
    made = Acceptance(
        message_id=message_id(number),
        kid=kid(1),
        piv=number,
        device_id=device_id(1),
        cti=number.to_bytes(8, "big"),
        cti_expires=NOW + 600,
        provider="bank",
        provider_kid=PROVIDER_KID,
        provider_piv=number,
        bearer="carrier-a",
        received_at=NOW,
        packet=b"packet %d " % number * 20,
        reference=number & 0xFF,
        receipt=False,
        state=MessageState.QUEUED,
    )
    return made._replace(**changes)


def payments(numbers: Sequence[int], *, before: int | None = None, **changes: Any) -> Batch:
    """A whole accepting batch of device 1, its PIVs in order; `before` is the last PIV struck out."""
    last = numbers[0] - 1 if before is None else before
    return Batch(
        acceptances=[acceptance(number, **changes) for number in numbers],
        windows=[WindowMove(kid(1), window_at(last), window_at(numbers[-1]))],
        pivs=[PivMove(PROVIDER_KID, last + 1, numbers[-1] + 1)],
    )


def window_at(piv: int) -> tuple[int, int]:
    """Everything up to `piv` was taken."""
    return piv, (1 << 64) - 1


def segment(row: int, **changes: Any) -> StoredSegment:
    made = Segment(
        ticket=Ticket("carrier-a", 1, row, 5),
        source="+491701234567",
        destination="12345",
        protocol_id=0,
        data_coding=4,
        port=16500,
        reference=row & 0xFFFF,
        total=2,
        number=1,
        body=b"part %d" % row,
    )
    return StoredSegment(row, made._replace(**changes), NOW)


def submitted(number: int, part: int, total: int, *ids: str, at: int = NOW) -> SubmittedPart:
    return SubmittedPart(message_id(number), part, total, ids, at)


def receipt(*ids: str, state: ReceiptState = ReceiptState.DELIVERED, at: int = NOW) -> tuple[Receipt, int]:
    return Receipt(Ticket("carrier-a", 1, 1, 5), ids, state, "000"), at


def open_store(folder: Path, **options: Any) -> SqliteStore:
    """The store of a folder, as the daemon opens it unless `options` say otherwise."""
    folder.mkdir(mode=0o700, exist_ok=True)
    return SqliteStore.open(
        folder / "gateway.db", mark=folder / "mark.epoch", **{"exclusive": True, **options}
    )


def populate(store: SqliteStore, devices: int = 1) -> SqliteStore:
    """One provider, and devices 1 to `devices`, nothing accepted yet."""
    store.registry.add_devices(
        (device(number), device_key(number), FIRST_WINDOW) for number in range(1, devices + 1)
    )
    store.registry.add_provider(provider(), provider_key(), next_piv=1)
    return store
