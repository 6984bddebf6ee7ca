"""What `store check` looks at in the tables of the second channel."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from tsm_gateway.store.delivery_rows import (
    read_application,
    read_card,
    read_card_keys,
    read_installed,
    read_inventory,
    read_job,
    read_load_file,
    read_rule,
    read_signature,
)
from tsm_gateway.store.registry_rows import RowDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


def read_whole_load_file(row: Sequence[Any]) -> bytes:
    """The load file of a row, when it is the one its digest says. Raises RowDamaged."""
    octets = read_load_file(row)
    if sha256(octets).digest() != row[0]:
        raise RowDamaged(table="load_file")
    return octets


DELIVERY_READERS: Mapping[str, Callable[[Sequence[Any]], object]] = {
    "load_file": read_whole_load_file,
    "application": read_application,
    "application_signature": read_signature,
    "rule": read_rule,
    "device_application": read_installed,
    "card": read_card,
    "card_key": read_card_keys,
    "card_inventory": read_inventory,
    "job": read_job,
}
