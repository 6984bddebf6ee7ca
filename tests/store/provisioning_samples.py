"""Rows of provisioning for the store's tests, beside those of `samples`, and devices on their way."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tests.store.samples import NOW, device, device_id, device_key, message_id
from tsm_gateway.registry.control import ControlArrival, ControlMessage, ControlState
from tsm_gateway.registry.device import Device, DeviceState, KeyState, WrappedKey
from tsm_gateway.registry.enrolment import Enrolment
from tsm_gateway.registry.key_package import Delivery, KeyOrder, StoredPackage
from tsm_gateway.registry.registration import AuthMethod, Registration

if TYPE_CHECKING:
    from tsm_gateway.registry.standing import Standing
    from tsm_gateway.store.sqlite_store import SqliteStore

FIRST_PIV = 1000
UNUSED = (FIRST_PIV - 1, (1 << 64) - 1)  # the window of a key under which nothing came
OVERLAP_S = 600


def kid_of(number: int, epoch: int) -> bytes:
    """The kid of a device's key of that epoch, apart from those of `samples`."""
    return (0xD000_0000 + number * 0x100 + epoch).to_bytes(4, "big")


def newcomer(number: int = 10, **changes: Any) -> Device:
    return device(number, state=DeviceState.ENROLLED)._replace(**changes)


def enrolment(number: int = 10, **changes: Any) -> Enrolment:
    made = Enrolment(device_id(number), "issuer-a", b"key certificate", b"", NOW)
    return made._replace(**changes)


def pending(number: int = 10, epoch: int = 1, **changes: Any) -> WrappedKey:
    made = device_key(number, kid=kid_of(number, epoch), epoch=epoch, state=KeyState.PENDING)
    return made._replace(**changes)


def package(number: int = 10, epoch: int = 1, **changes: Any) -> StoredPackage:
    made = StoredPackage(
        kid=kid_of(number, epoch),
        device_id=device_id(number),
        epoch=epoch,
        first_piv=FIRST_PIV,
        kem=16,
        recipient=sha256(b"recipient").digest(),
        package=b"package %d of %d" % (epoch, number),
        delivery=Delivery.CHANNEL,
        made_at=NOW,
        confirmed_at=0,
    )
    return made._replace(**changes)


def control(number: int = 10, epoch: int = 1, **changes: Any) -> ControlMessage:
    made = ControlMessage(
        message_id=message_id(number * 100 + epoch),
        device_id=device_id(number),
        kid=kid_of(number, epoch),
        msisdn=f"+49170{number:07d}",
        packet=b"package %d of %d" % (epoch, number),
        state=ControlState.QUEUED,
        attempts=0,
        due_at=NOW,
        created_at=NOW,
        changed_at=NOW,
        reason="",
    )
    return made._replace(**changes)


def registration(number: int = 10, epoch: int = 1, **changes: Any) -> Registration:
    made = Registration(
        device_id=device_id(number),
        kid=kid_of(number, epoch),
        crypto_se=b"crypto %06d" % number,
        app_se=b"app %06d" % number,
        methods=(AuthMethod("fpt", sha256(b"finger").digest(), NOW), AuthMethod("pin", bytes(32), 0)),
        proof=b"proof of %d, %d" % (number, epoch),
        registered_at=NOW,
    )
    return made._replace(**changes)


def arrival(number: int = 10, epoch: int = 1, piv: int = FIRST_PIV, **changes: Any) -> ControlArrival:
    made = ControlArrival(kid_of(number, epoch), piv, device_id(number), b"sealed confirmation", NOW)
    return made._replace(**changes)


def order(number: int = 10, **changes: Any) -> KeyOrder:
    return KeyOrder(device_id(number), Delivery.CHANNEL, "policy", NOW)._replace(**changes)


def stage_key(store: SqliteStore, number: int = 10, epoch: int = 1, **changes: Any) -> None:
    """The next key of a device, with its package; not durable yet."""
    key = pending(number, epoch, **changes)
    store.provisioning.deliver(key, UNUSED, package(number, epoch), at=NOW)


def keyed(store: SqliteStore, number: int = 10) -> None:
    """A device that enrolled over channel 1."""
    store.provisioning.enrol(newcomer(number), enrolment(number))
    stage_key(store, number)
    store.flush()


def registered(store: SqliteStore, number: int = 10) -> None:
    keyed(store, number)
    store.provisioning.register(registration(number), overlap_s=OVERLAP_S, at=NOW)
    store.flush()


def activated(store: SqliteStore, number: int = 10) -> None:
    registered(store, number)
    store.provisioning.activate(device_id(number), reason="", at=NOW)
    store.flush()


def standing(store: SqliteStore, number: int = 10) -> Standing:
    found = store.provisioning.standing(device_id(number))
    assert found is not None
    return found


def key_states(store: SqliteStore, number: int = 10) -> dict[int, KeyState]:
    """The states of a device's keys by epoch."""
    return {key.epoch: key.state for key in standing(store, number).keys}


def state_of(store: SqliteStore, number: int = 10) -> DeviceState:
    return standing(store, number).device.state


def last_act(store: SqliteStore) -> tuple[str, str, str]:
    """Action, subject and reason of the audit log's last entry."""
    entry = store.provisioning.audit(after=store.provisioning.audit_head()[0] - 1)[-1].entry
    return entry.action, entry.subject, entry.reason


def acts_since(store: SqliteStore, number: int) -> list[str]:
    return [each.entry.action for each in store.provisioning.audit(after=number)]
