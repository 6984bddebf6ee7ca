"""The epoch mark: a file outside of the database that knows how far the database was.

One JSON line `{"store": "<32 hexadecimal digits>", "generation": N, "base": M}`. The database counts its
writing transactions in `meta.generation`; the mark follows about once a second. A database that is behind its
mark is an older copy: its replay windows would let payments in a second time, and its counters would
seal two packets under one nonce.

`base` is what the database file was at when all of its log had last been moved into it. SQLite plays a log
into whatever file it lies beside, and the log's own page of `meta` would then vouch for old windows.

| database | mark | at start |
|---|---|---|
| none, or generation 0 | none | new: the mark is written |
| of the same id, generation at least the mark's | any | starts |
| of the same id, generation below | any | refused: restored from a backup, or a snapshot |
| of another id | any | refused: another store, or a copy from before a resync |
| the file without its log below `base` | any | refused: an older file was put beside a log |
| generation above 0 | none, or unreadable | refused: nobody can tell |
| stamped by `store backup` | any | refused: a copy |
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.store.failures import StoreRolledBack, translate_os
from tsm_gateway.store.files_store import one_at_a_time, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 200  # octets of a mark


class Mark(NamedTuple):
    """How far a store is known to have been."""

    store_id: bytes  # 16 octets
    generation: int
    base: int = 0  # the generation of the database file without its log; 0: not known yet


class StoreMeta(NamedTuple):
    """What a database says about itself."""

    store_id: bytes  # 16 octets
    epoch: int
    generation: int
    copied: int  # 1: made by `backup`


def read_mark(path: Path) -> Mark | None:
    """The mark, None when there is no file. Raises StoreRolledBack for one that cannot be understood."""
    try:
        with path.open("rb") as file:
            octets = file.read(LONGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise translate_os(error) from error
    try:
        fields = json.loads(octets)
        return Mark(bytes.fromhex(fields["store"]), int(fields["generation"]), int(fields.get("base", 0)))
    except (ValueError, TypeError, KeyError, OverflowError) as error:  # OverflowError: Infinity
        raise StoreRolledBack(path=str(path), why="the epoch mark is unreadable") from error


def write_mark(path: Path, mark: Mark) -> None:
    """Put the mark in place, durably. Raises StoreFull or StoreBroken."""
    line = json.dumps({"store": mark.store_id.hex(), "generation": mark.generation, "base": mark.base})
    write_atomically(path, line.encode() + b"\n")


def verify(meta: StoreMeta | None, path: Path) -> None:
    """Compare a database (None: it does not exist) with the mark at `path`. Raises StoreRolledBack."""
    mark = read_mark(path)
    if meta is None:
        if mark is not None:
            raise StoreRolledBack(path=str(path), why="the mark's store is gone")
    elif meta.copied:
        raise StoreRolledBack(path=str(path), why="this store is a backup")
    elif mark is None:
        if meta.generation:
            raise StoreRolledBack(path=str(path), why="the epoch mark is missing")
    elif mark.store_id != meta.store_id:
        raise StoreRolledBack(path=str(path), why="the mark is another store's")
    elif meta.generation < mark.generation:
        raise StoreRolledBack(
            path=str(path), why="the store is older", generation=meta.generation, mark=mark.generation
        )


def verify_base(base: StoreMeta, path: Path) -> None:
    """Compare the database file without its log with the mark at `path`. Raises StoreRolledBack."""
    mark = read_mark(path)
    if mark is None or not mark.base:
        return  # nothing is known: a new store, or one just resynced, whose log holds its new id
    if base.store_id != mark.store_id or base.generation < mark.base:
        why = "its file is older than the log beside it"
        raise StoreRolledBack(path=str(path), why=why, generation=base.generation, mark=mark.base)


class MarkKeeper:
    """Keeps one mark behind one store."""

    def __init__(self, path: Path, store_id: bytes) -> None:
        """Write to `path` for the store `store_id`."""
        self._path, self._store_id = path, store_id
        self._written = (-1, -1)

    def follow(self, generation: int, base: int = 0) -> None:
        """Write the mark unless it is there already. Raises StoreFull, StoreBusy or StoreBroken."""
        if (generation, base) == self._written:
            return
        with one_at_a_time(self._path.parent):  # the daemon and a command beside it keep the same mark
            mark = read_mark(self._path)
            if mark is None or mark.store_id != self._store_id:
                mark = Mark(self._store_id, -1)
            moved = Mark(self._store_id, max(generation, mark.generation), max(base, mark.base))
            if moved != mark:
                write_mark(self._path, moved)
        self._written = (generation, base)
