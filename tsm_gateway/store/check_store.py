"""`store check`: read everything and say what is wrong, one sentence each."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tsm_gateway.store.check_provisioning_store import provisioning_faults
from tsm_gateway.store.check_statements import READ_PACKETS, RULES
from tsm_gateway.store.checksum import packet_crc
from tsm_gateway.store.connection_store import READ_S, connect
from tsm_gateway.store.registry_rows import (
    RowDamaged,
    read_counter,
    read_device,
    read_key,
    read_provider,
    read_window,
)
from tsm_gateway.store.registry_statements import (
    LIST_ADDRESSES,
    LIST_ALL_KEYS,
    LIST_COUNTERS,
    LIST_DEVICES,
    LIST_PROVIDERS,
    LIST_WINDOWS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SLICE = 1_000  # rows in memory at a time
MOST = 100  # complaints of one kind


def check_database(path: Path) -> list[str]:
    """Everything wrong with the database at `path`; that it cannot be read to its end is a fault, too."""
    faults: list[str] = []
    try:
        with closing(connect(path, writing=False, timeout_s=READ_S)) as connection:
            faults.extend(find_faults(connection))
    except sqlite3.Error as error:
        faults.append(f"database: {error}")
    return faults


def find_faults(connection: sqlite3.Connection) -> Iterator[str]:
    """Everything wrong with a database, as of one commit. Raises sqlite3.Error when it cannot be read."""
    connection.execute("BEGIN")
    try:
        yield from _pages(connection)
        for rule, sql in RULES.items():
            (count,) = connection.execute(sql).fetchone()
            if count:
                yield f"{count} times not true: {rule}"
        yield from _registry(connection)
        yield from provisioning_faults(connection)
        yield from _packets(connection)
    finally:
        connection.execute("ROLLBACK")


def _pages(connection: sqlite3.Connection) -> Iterator[str]:
    """SQLite's own view: pages, indices, constraints, references."""
    for (text,) in connection.execute(f"PRAGMA integrity_check({MOST})"):
        if text != "ok":
            yield f"database: {text}"
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"a row of {table} refers to a row of {parent} that is not there"


def _registry(connection: sqlite3.Connection) -> Iterator[str]:
    """Checksums of devices, providers, keys, windows and counters."""

    def provider(row: tuple[Any, ...]) -> object:
        addresses = [address for (address,) in connection.execute(LIST_ADDRESSES, (row[0],))]
        return read_provider(row, addresses)

    yield from _sliced(connection, "device", LIST_DEVICES, "", read_device)
    yield from _sliced(connection, "key", LIST_ALL_KEYS, b"", read_key)
    yield from _sliced(connection, "replay window", LIST_WINDOWS, b"", lambda row: read_window(*row))
    yield from _damaged("provider", connection.execute(LIST_PROVIDERS).fetchall(), provider)
    yield from _damaged(
        "counter", connection.execute(LIST_COUNTERS).fetchall(), lambda row: read_counter(*row)
    )


def _sliced(
    connection: sqlite3.Connection,
    what: str,
    sql: str,
    after: str | bytes,
    read: Callable[[tuple[Any, ...]], object],
) -> Iterator[str]:
    while rows := connection.execute(sql, (after, SLICE)).fetchall():
        yield from _damaged(what, rows, read)
        after = rows[-1][0]


def _damaged(
    what: str, rows: list[tuple[Any, ...]], read: Callable[[tuple[Any, ...]], object]
) -> Iterator[str]:
    for row in rows:
        try:
            read(row)
        except RowDamaged:
            yield f"{what} {_name(row[0])}: the checksum does not hold"


def _packets(connection: sqlite3.Connection) -> Iterator[str]:
    rows = connection.execute(READ_PACKETS)
    for message_id, provider, reference, received_at, packet, receipt, crc in rows:
        found = packet_crc(message_id, provider, reference, received_at, packet, receipt=bool(receipt))
        if found != crc:
            yield f"packet {_name(message_id)}: the checksum does not hold"


def _name(key: str | bytes) -> str:
    return key.hex() if isinstance(key, bytes) else key
