"""What counts as use of a key that waits, inside the transaction whose cursor is given.

A key is used when its window is above the mark in its package's row. So whatever came under it and is no
reason to believe that its device has it in use is made none by moving the mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.registry.device import KeyState
from tsm_gateway.store.key_store import keys_of_device
from tsm_gateway.store.provisioning_rows import package_row, read_package
from tsm_gateway.store.provisioning_statements import FIND_PACKAGE, UPDATE_PACKAGE
from tsm_gateway.store.registry_statements import FIND_WINDOW

if TYPE_CHECKING:
    import sqlite3


def forget_use(cursor: sqlite3.Cursor, kid: bytes) -> None:
    """Nothing that came under this key so far was use of it. Raises RowDamaged.

    A key without a package, given by hand, has no mark and needs none.
    """
    package = cursor.execute(FIND_PACKAGE, (kid,)).fetchone()
    window = cursor.execute(FIND_WINDOW, (kid,)).fetchone()
    if package is not None and window is not None:
        *_, confirmed_at, unused, crc = package_row(read_package(package), window[0])
        cursor.execute(UPDATE_PACKAGE, (confirmed_at, unused, crc, kid))


def forget_uses_of(cursor: sqlite3.Cursor, device_id: str) -> None:
    """Nothing that came under the keys of a device that wait was use of them. Raises RowDamaged."""
    for stored in keys_of_device(cursor, device_id):
        if stored.key.state is KeyState.PENDING:
            forget_use(cursor, stored.key.kid)
