"""Devices in every state of their life, put into a site's store as provisioning would."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tsm_gateway.cli.new_keys import wrapped_key
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.keys.wrap import DEVICE_KEYS
from tsm_gateway.registry.device import Device, DeviceState, KeyState
from tsm_gateway.registry.enrolment import Enrolment
from tsm_gateway.registry.key_package import Delivery, StoredPackage
from tsm_gateway.registry.registration import AuthMethod, Registration
from tsm_gateway.registry.suspension import SuspensionKind
from tsm_gateway.secret import Secret
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Site

NOW = 1_760_000_000
FIRST_PIV, KEM = 1000, 0x0010
D = DeviceState


def device_id(number: int) -> str:
    return f"d:{number:016x}"


@contextmanager
def store_of(site: Site, actor: str = "provisioning") -> Iterator[SqliteStore]:
    """The store as a process beside the command line has it."""
    folder = site.folder
    store = SqliteStore.open(
        folder / "gateway.db", mark=folder / "master.key.epoch", exclusive=False, actor=actor
    )
    try:
        yield store
    finally:
        store.close()


def put(site: Site, number: int, state: DeviceState, *, msisdn: str = "+4915550001167") -> str:
    """A device in that state, brought there by the moves that lead to it; its id."""
    name = device_id(number)
    with store_of(site) as store:
        enrol(store, name, msisdn)
        if state is not D.ENROLLED:
            deliver(site, store, name)
        if state in {D.REGISTERED, D.ACTIVE, D.SUSPENDED}:
            register(store, name, number)
        if state in {D.ACTIVE, D.SUSPENDED}:
            store.provisioning.activate(name, reason="delivered", at=NOW + 3)
        if state is D.SUSPENDED:
            kind = SuspensionKind.OPERATOR
            store.provisioning.suspend(name, kind, proof_wanted=False, reason="unpaid", at=NOW + 4)
        if state is D.TERMINATED:
            store.provisioning.terminate(name, reason="ended", at=NOW + 4)
        store.flush()
    return name


def enrol(store: SqliteStore, name: str, msisdn: str) -> None:
    certificate = b"certificate of " + name.encode()
    device = Device(name, D.ENROLLED, certificate, msisdn, NOW, NOW, "enrolled")
    store.provisioning.enrol(device, Enrolment(name, "maker", b"", b"", NOW))


def deliver(
    site: Site,
    store: SqliteStore,
    name: str,
    epoch: int = 1,
    *,
    at: int = NOW + 1,
    octets: bytes = b"package",
) -> bytes:
    """A PENDING key and its package, as provisioning makes them; the kid."""
    masters = read_master(f"file:{site.folder}/master.key")
    kid = secrets.token_bytes(4)
    key = wrapped_key(
        masters,
        Secret(secrets.token_bytes(32)),
        table=DEVICE_KEYS,
        kid=kid,
        owner=name,
        epoch=epoch,
        at=at,
    )
    package = StoredPackage(kid, name, epoch, FIRST_PIV, KEM, bytes(32), octets, Delivery.CHANNEL, at, 0)
    window = (FIRST_PIV - 1, 2**64 - 1)
    store.provisioning.deliver(key._replace(state=KeyState.PENDING), window, package, at=at)
    return kid


def register(store: SqliteStore, name: str, number: int, *, at: int = NOW + 2) -> None:
    """The newest key of a device is proved."""
    store.flush()
    standing = store.provisioning.standing(name)
    assert standing is not None
    methods = (AuthMethod("fpt", b"h" * 32, NOW),)
    elements = (b"crypto-%08d" % number, b"app-%08d" % number)
    registration = Registration(name, standing.keys[0].kid, *elements, methods, b"proof", at)
    store.provisioning.register(registration, overlap_s=60, at=at)
