"""`handset.json` and `provider.json` on disk: private, replaced whole, and a counter that never goes back.

`take_piv` is the one way to a packet counter: the file that says "used" is on the disk before anybody may
use it. A crash in between loses a counter value, and never gives one out twice.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from tsm_gateway.virtual.errors import KeyLost, PartyFileInvalid
from tsm_gateway.virtual.party_records import (
    HandsetRecord,
    ProviderRecord,
    handset_from_json,
    provider_from_json,
)
from tsm_gateway.virtual.private_files import write_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def card_path(path: Path) -> Path:
    """Where the card of the handset at `path` is, if its app element is one."""
    return path.with_name(f"card-of-{path.name}")


def read_handset(path: Path) -> HandsetRecord:
    """Read `handset.json`. Raises PartyFileInvalid, OSError."""
    return handset_from_json(_load(path))


def read_provider(path: Path) -> ProviderRecord:
    """Read `provider.json`. Raises PartyFileInvalid, OSError."""
    return provider_from_json(_load(path))


def write_party(path: Path, record: HandsetRecord | ProviderRecord) -> None:
    """Put `record` at `path`: 0600, whole or not at all, on the disk when this returns. Raises OSError."""
    write_private(path, (json.dumps(record.as_json(), indent=2) + "\n").encode())


def take_piv(path: Path, count: int = 1) -> HandsetRecord:
    """The handset at `path`, its `next_piv` the first of `count` that nobody else gets, even after a crash.

    Waits while another process takes some. Raises KeyLost when it has no key yet, PartyFileInvalid, OSError.
    """
    with _locked(path):
        record = read_handset(path)
        if not record.is_keyed:
            raise KeyLost(what="its enrolment is not complete: run `virtual enrol` again")
        write_party(path, replace(record, next_piv=record.next_piv + count))
    return record


def keep_handset(path: Path, record: HandsetRecord) -> None:
    """Write down what an element became; no counter taken meanwhile comes back. Raises OSError."""
    if not path.exists():
        write_party(path, record)
        return
    with _locked(path):
        filed = read_handset(path)
        used = filed.next_piv if filed.kid == record.kid else 0
        write_party(path, replace(record, next_piv=max(used, record.next_piv)))


def _load(path: Path) -> object:
    try:
        fields: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise PartyFileInvalid(what="not JSON", file=path.name) from None
    return fields


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the only lock on the file that now stands at `path`."""
    while True:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                yield
                return
            # it was replaced while we waited: lock its successor
        finally:
            os.close(descriptor)
