"""A store filled with registered devices, as channel 1 leaves them, quickly: rows without their ceremony."""

from __future__ import annotations

import hashlib
import secrets
import sys
import time
from typing import TYPE_CHECKING

from tsm_gateway.envelope.replay import initial_window
from tsm_gateway.registry.device import Device, DeviceState, KeyState, WrappedKey
from tsm_gateway.registry.enrolment import Enrolment
from tsm_gateway.registry.key_package import Delivery, StoredPackage
from tsm_gateway.registry.registration import AuthMethod, Registration
from tsm_gateway.store.key_store import insert_device_key
from tsm_gateway.store.owner_store import insert_device
from tsm_gateway.store.provisioning_rows import element_row, enrolment_row, package_row, registration_row
from tsm_gateway.store.provisioning_statements import (
    INSERT_ELEMENT,
    INSERT_ENROLMENT,
    INSERT_PACKAGE,
    PUT_REGISTRATION,
)
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    import sqlite3

    from tsm_gateway.daemon.settings import Settings

SLICE = 20_000  # devices in one transaction
CERTIFICATE = secrets.token_bytes(450)  # octets of about the length of one
PACKAGE_OCTETS, PROOF_OCTETS, WRAPPED_OCTETS, SE_OCTETS = 238, 235, 60, 10


def fill_store(settings: Settings, count: int) -> None:
    """Add `count` registered devices to the store."""
    store = SqliteStore.open(settings.store.path, mark=settings.epoch_mark, exclusive=True)
    try:
        at = int(time.time())
        for done in range(0, count, SLICE):
            with store._writer.administration(registry=True) as cursor:  # noqa: SLF001 - rows by the million
                for _ in range(min(SLICE, count - done)):
                    _add(cursor, at)
            print(f"\r{done + SLICE:>10,} devices", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        store.checkpoint()
    finally:
        store.close()


def _add(cursor: sqlite3.Cursor, at: int) -> None:
    device_id, kid = f"d:{secrets.token_hex(8)}", secrets.token_bytes(4)
    first_piv = secrets.randbelow(2**31)
    window = initial_window(first_piv)
    if cursor.execute("SELECT 1 FROM wrapped_key WHERE kid = ?", (kid,)).fetchone():
        return  # of a million random kids of four octets, about a hundred meet another
    insert_device(
        cursor, Device(device_id, DeviceState.REGISTERED, CERTIFICATE, "+4915550001122", at, at, "")
    )
    cursor.execute(INSERT_ENROLMENT, enrolment_row(Enrolment(device_id, "maker", b"", b"", at)))
    key = WrappedKey(
        kid,
        device_id,
        1,
        KeyState.CURRENT,
        secrets.token_bytes(WRAPPED_OCTETS),
        master_version=1,
        created_at=at,
    )
    insert_device_key(cursor, key, window)
    recipient = hashlib.sha256(CERTIFICATE).digest()
    octets = secrets.token_bytes(PACKAGE_OCTETS)
    package = StoredPackage(kid, device_id, 1, first_piv, 0x10, recipient, octets, Delivery.CHANNEL, at, at)
    cursor.execute(INSERT_PACKAGE, package_row(package, unused_at=window[0]))
    crypto_se, app_se = secrets.token_bytes(SE_OCTETS), secrets.token_bytes(SE_OCTETS)
    for element in (crypto_se, app_se):
        cursor.execute(INSERT_ELEMENT, element_row(element, device_id))
    methods = (AuthMethod("fpt", secrets.token_bytes(32), at),)
    proof = secrets.token_bytes(PROOF_OCTETS)
    registration = Registration(device_id, kid, crypto_se, app_se, methods, proof, at)
    cursor.execute(PUT_REGISTRATION, registration_row(registration))
