"""Rows of the second channel for the store's tests, beside those of `samples` and `provisioning_samples`."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tests.store.provisioning_samples import registered, registration, standing
from tests.store.samples import NOW, device_id
from tsm_gateway.registry.application import (
    Application,
    ApplicationSignature,
    ApplicationState,
    DeviceApplication,
    InstallState,
    Rule,
    Scope,
    Version,
)
from tsm_gateway.registry.card import Card, CardContent, CardKeySet, CardKeyState, Inventory
from tsm_gateway.registry.job import Job, JobKind, JobState

if TYPE_CHECKING:
    from tsm_gateway.registry.device import DeviceState
    from tsm_gateway.registry.suspension import Suspension
    from tsm_gateway.store.sqlite_store import SqliteStore

FIRST, SECOND = Version(1, 0, 0), Version(1, 2, 0)
KEY_ID = b"signer-1"


def load_file(version: Version = FIRST, name: str = "pay") -> bytes:
    return b"load file data block of %s %s" % (name.encode(), str(version).encode())


def digest(version: Version = FIRST, name: str = "pay") -> bytes:
    return sha256(load_file(version, name)).digest()


def application(version: Version = FIRST, name: str = "pay", **changes: Any) -> Application:
    made = Application(
        name=name,
        version=version,
        digest=digest(version, name),
        provider="bank",
        package_aid=b"\xa0\x00\x00\x05\x59package",
        package_version=(1, version.minor),
        applet_aids=(b"\xa0\x00\x00\x05\x59applet1", b"\xa0\x00\x00\x05\x59applet2"),
        java_card="3.0.5",
        size=len(load_file(version, name)),
        state=ApplicationState.PUBLISHED,
        published_at=NOW,
    )
    return made._replace(**changes)


def signature(version: Version = FIRST, name: str = "pay", **changes: Any) -> ApplicationSignature:
    made = ApplicationSignature(digest(version, name), KEY_ID, "ecdsa-p256", b"\x01" * 64, NOW)
    return made._replace(**changes)


def rule(**changes: Any) -> Rule:
    return Rule("pay", Scope.ALL, "", None, wanted=True, made_at=NOW)._replace(**changes)


def app_se(number: int = 10) -> bytes:
    return registration(number).app_se


def card(number: int = 10, **changes: Any) -> Card:
    made = Card(app_se(number), b"\xa0\x00\x00\x01\x51\x00\x00\x00", 0x70, "maker", b"", NOW)
    return made._replace(**changes)


def card_keys(number: int = 10, kvn: int = 0x30, **changes: Any) -> CardKeySet:
    state = CardKeyState.TRANSPORT if kvn == 0x30 else CardKeyState.PENDING
    made = CardKeySet(app_se(number), kvn, state, b"wrapped keys %d of %d" % (kvn, number), 1, NOW)
    return made._replace(**changes)


def inventory(number: int = 10, **changes: Any) -> Inventory:
    contents = (
        CardContent("domain", b"\xa0\x00\x00\x01\x51", 0x0F, b"\x9e\xfe\x80"),
        CardContent("load-file", b"\xa0\x00\x00\x05\x59package", 0x01, b""),
    )
    return Inventory(app_se(number), contents, 40_000, NOW, ("application",))._replace(**changes)


def job_id(number: int = 10, which: int = 1) -> bytes:
    return (number * 1000 + which).to_bytes(8, "big")


def job(number: int = 10, which: int = 1, kind: JobKind = JobKind.INSTALL, **changes: Any) -> Job:
    with_application = kind in {JobKind.INSTALL, JobKind.REMOVE, JobKind.PERSONALISE}
    made = Job(
        job_id=job_id(number, which),
        device_id=device_id(number),
        kind=kind,
        application="pay" if with_application else "",
        digest=digest() if kind is JobKind.INSTALL else b"",
        state=JobState.QUEUED,
        attempts=0,
        progress=(0, 0),
        due_at=NOW,
        created_at=NOW,
        changed_at=NOW,
        reason="wanted",
    )
    return made._replace(**changes)


def assigned(
    number: int = 10, version: Version = FIRST, name: str = "pay", **changes: Any
) -> DeviceApplication:
    made = DeviceApplication(
        device_id(number), name, version, digest(version, name), InstallState.ASSIGNED, NOW, "wanted"
    )
    return made._replace(**changes)


# --- devices and cards on their way ---


def published(store: SqliteStore, *versions: Version, name: str = "pay") -> None:
    for version in versions or (FIRST,):
        store.delivery.publish(
            application(version, name), load_file(version, name), signature(version, name), at=NOW
        )
    store.flush()


def ready(store: SqliteStore, number: int = 10) -> None:
    """A registered device with a card, and an application published that nobody has."""
    if store.delivery.application("pay", FIRST) is None:
        published(store, FIRST, SECOND)
    registered(store, number)
    store.delivery.import_cards([(card(number), card_keys(number))], reason="", at=NOW)
    store.flush()


def stage_install(store: SqliteStore, number: int = 10, which: int = 1, **changes: Any) -> None:
    """An installation that is begun; not durable yet."""
    wanted = assigned(number, **changes)
    queued = job(number, which, application=wanted.application, digest=wanted.digest)
    store.delivery.queue([queued], [wanted], at=NOW)
    store.delivery.begin(queued.job_id, at=NOW)


def loading(store: SqliteStore, number: int = 10, which: int = 1, **changes: Any) -> None:
    stage_install(store, number, which, **changes)
    store.flush()


def delivered(store: SqliteStore, number: int = 10, which: int = 1, **changes: Any) -> None:
    """An application that is installed; its device is active."""
    loading(store, number, which, **changes)
    store.delivery.finish(job_id(number, which), outstanding=False, at=NOW)
    store.flush()


def stage_removal(store: SqliteStore, number: int = 10, which: int = 2, name: str = "pay") -> None:
    store.delivery.queue([job(number, which, JobKind.REMOVE, application=name)], [], at=NOW)
    store.delivery.begin(job_id(number, which), at=NOW)


def state_on(store: SqliteStore, number: int = 10, name: str = "pay") -> InstallState:
    (found,) = [each for each in store.delivery.on_device(device_id(number)) if each.application == name]
    return found.state


def job_state(store: SqliteStore, number: int = 10, which: int = 1) -> JobState:
    found = store.delivery.job(job_id(number, which))
    assert found is not None
    return found.state


def resumes_to(store: SqliteStore, number: int = 10) -> DeviceState:
    suspension: Suspension | None = standing(store, number).suspension
    assert suspension is not None
    return suspension.resumes_to
