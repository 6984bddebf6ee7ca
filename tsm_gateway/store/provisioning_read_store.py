"""What provisioning, operators and the relay's sender of control messages ask; as of the last commit.

What is asked of one device raises RowDamaged for a row whose checksum does not hold. Lists of what there
is to do pass such rows over and count them, so that one damaged row stops one device and not all;
`store check` names them. Besides, StoreBusy or StoreBroken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.registry.standing import Standing
from tsm_gateway.store.audit_rows import read_entry
from tsm_gateway.store.audit_statements import LIST_AUDIT, READ_AUDIT_HEAD
from tsm_gateway.store.connection_store import reading
from tsm_gateway.store.provisioning_rows import (
    read_arrival,
    read_element,
    read_enrolment,
    read_message,
    read_order,
    read_package,
    read_registration,
    read_suspension,
)
from tsm_gateway.store.provisioning_statements import (
    COUNT_ARRIVALS,
    COUNT_QUEUED,
    FIND_ELEMENT,
    FIND_ENROLMENT,
    FIND_ORDER,
    FIND_REGISTRATION,
    FIND_SUSPENSION,
    LIST_ARRIVALS,
    LIST_DUE_MESSAGES,
    LIST_MESSAGES_OF,
    LIST_ORDERS,
    LIST_PACKAGES_OF,
    LIST_PROVIDERS_OF,
)
from tsm_gateway.store.registry_rows import KEY_COLUMNS, RowDamaged, read_device, read_key, read_window
from tsm_gateway.store.registry_statements import FIND_DEVICE, LIST_NEWEST_KEYS
from tsm_gateway.store.upkeep_statements import (
    COUNT_GIVEN_UP,
    COUNT_STUCK,
    COUNT_UNCONFIRMED,
    FIND_CREATED,
    LIST_AGED_KEYS,
    LIST_OVERUSED_KEYS,
    LIST_PROVED,
    LIST_USED_PENDING,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from typing import Any, TypeVar

    from tsm_gateway.registry.audit import ChainedEntry
    from tsm_gateway.registry.control import ControlArrival, ControlMessage
    from tsm_gateway.registry.device import Device, WrappedKey
    from tsm_gateway.registry.key_package import KeyOrder
    from tsm_gateway.registry.registration import Registration
    from tsm_gateway.registry.suspension import Suspension
    from tsm_gateway.store.connection_store import Reader
    from tsm_gateway.store.failures import Health

    K = TypeVar("K", bytes, str)  # the kid or device id pages follow one another by
    T = TypeVar("T")

KEYS: Final = 32  # of one device, the newest: what is older was replaced long ago
PACKAGES: Final = 8  # the newest; as many keys as may wait (`key_store.WAITING`)
WINDOW_VALUES: Final = 3  # of a window, behind its kid
BEFORE_ALL: Final = (-1, b"")  # (created, kid) of no key


class ProvisioningReads:
    """The reading half of `ProvisioningStore`."""

    def __init__(self, people: Reader, path: Path, health: Health) -> None:
        """Read through `people`; long looks use a connection of their own to the database at `path`."""
        self._people, self._path, self._health = people, path, health
        self.damaged = 0  # rows passed over

    def standing(self, device_id: str) -> Standing | None:
        """All there is on one device, of its keys the newest; None when it is not known."""
        with self._people.snapshot():
            row = self._people.row(FIND_DEVICE, (device_id,))
            if row is None:
                return None
            keys = self._people.rows(LIST_NEWEST_KEYS, (device_id, KEYS))
            packages = self._people.rows(LIST_PACKAGES_OF, (device_id, PACKAGES))
            return Standing(
                read_device(row),
                self._one(FIND_ENROLMENT, device_id, read_enrolment),
                self._one(FIND_SUSPENSION, device_id, read_suspension),
                self._one(FIND_REGISTRATION, device_id, read_registration),
                tuple(read_key(each).key for each in keys),
                tuple(read_package(each) for each in packages),
            )

    def suspension(self, device_id: str) -> Suspension | None:
        """The suspension in force; None when there is none."""
        return self._one(FIND_SUSPENSION, device_id, read_suspension)

    def claims_elements(self, registration: Registration) -> bool:
        """Whether the secure elements of a registration are its device's own, and not freed since."""
        row = self._people.row(FIND_ELEMENT, (registration.crypto_se,))
        return row is not None and read_element(row)[1] == registration.device_id

    def _one(self, sql: str, device_id: str, read: Callable[[Any], T]) -> T | None:
        row = self._people.row(sql, (device_id,))
        return None if row is None else read(row)

    def order_of(self, device_id: str) -> KeyOrder | None:
        """The new key that was asked for a device and not made yet; None when none was."""
        return self._one(FIND_ORDER, device_id, read_order)

    def orders(self, limit: int) -> list[KeyOrder]:
        """New keys that were asked for and not made yet, oldest first."""
        return self._sound(self._people.rows(LIST_ORDERS, (limit,)), read_order)

    def control_arrivals(self, limit: int) -> list[ControlArrival]:
        """Confirmations nobody judged yet, oldest first."""
        return self._sound(self._people.rows(LIST_ARRIVALS, (limit,)), read_arrival)

    def controls(self, device_id: str) -> list[ControlMessage]:
        """Messages that carry, carried or were to carry keys to a device, newest first."""
        return [read_message(row) for row in self._people.rows(LIST_MESSAGES_OF, (device_id,))]

    def due_controls(self, now: int, limit: int) -> list[ControlMessage]:
        """Queued messages that may be sent at Unix second `now`, those due longest first."""
        return self._sound(self._people.rows(LIST_DUE_MESSAGES, (now, limit)), read_message)

    def count_controls(self) -> tuple[int, int]:
        """Messages that wait to be sent, and confirmations nobody judged yet; from any thread, blocking."""
        with reading(self._path, self._health) as reader:
            return reader.row(COUNT_QUEUED)[0], reader.row(COUNT_ARRIVALS)[0]

    def unfinished(self, before: int) -> tuple[int, int]:
        """What has waited since before that Unix second: keyed devices to register, new keys to be confirmed.

        From any thread, blocking: every key is looked at.
        """
        with reading(self._path, self._health) as reader:
            return reader.row(COUNT_STUCK, (before,))[0], reader.row(COUNT_UNCONFIRMED, (before,))[0]

    def given_up(self, *, silent_before: int, tries: int) -> int:
        """How many active devices confirmed none of at least `tries` keys; see `overdue_keys`.

        From any thread, blocking: every key is looked at.
        """
        with reading(self._path, self._health) as reader:
            count: int = reader.row(COUNT_GIVEN_UP, (silent_before, tries))[0]
        return count

    def overdue_keys(
        self,
        *,
        created_before: int,
        packets: int,
        silent_before: int = 0,
        after: bytes = b"",
        limit: int = 1000,
    ) -> list[WrappedKey]:
        """Current keys of active devices that are too old or used too much, and nothing is done about it.

        Too old: made before the Unix second `created_before`. Used too much: `packets` packet numbers
        behind the first one of its package. 0 turns a criterion off. A device with an order or a newer key
        that waits is left out, unless that key's short messages were given up, or were sent before the Unix
        second `silent_before` and not confirmed. Pages follow one another by `after`, the last kid of the
        page before, as long as the criteria are the same.

        To the old ones an index leads. Use is known only by the windows, each of which is looked at, in
        slices that keep no lock: blocking, seconds for a million keys; may be called from any thread.
        """
        with reading(self._path, self._health) as reader:

            def behind(last: bytes) -> list[Any]:
                """The old ones first; they and the others are told apart by when the last one was made."""
                created, _ = start = reader.row(FIND_CREATED, (last,)) or BEFORE_ALL
                rows = []
                if created < created_before:
                    old = (silent_before, created_before, *start, limit)
                    rows, last = reader.rows(LIST_AGED_KEYS, old), b""
                much = (packets, created_before, silent_before)
                return rows + _overused(reader, last, much, limit - len(rows))

            return self._page(behind, _key, after, limit)

    def used_pending(self, *, after: bytes = b"", limit: int = 1000) -> list[WrappedKey]:
        """PENDING keys of registered devices under which packets came, by kid, those behind `after`.

        One whose window or package is damaged is passed over: nobody can tell.
        """

        def behind(last: bytes) -> list[Any]:
            return self._people.rows(LIST_USED_PENDING, (last, limit))

        return self._page(behind, _used_key, after, limit)

    def proved_devices(self, *, after: str = "", limit: int = 1000) -> list[Device]:
        """Devices that are REGISTERED or ACTIVE, by id, those behind `after`. From any thread, blocking."""
        with reading(self._path, self._health) as reader:
            return self._page(lambda last: reader.rows(LIST_PROVED, (last, limit)), read_device, after, limit)

    def providers_of(self, device_id: str) -> list[tuple[str, int, int]]:
        """Providers whom the device paid: name, payments still kept, when the last one came; by name."""
        return [tuple(row) for row in self._people.rows(LIST_PROVIDERS_OF, (device_id,))]

    def audit(self, after: int = 0, limit: int = 1000) -> list[ChainedEntry]:
        """Entries of the audit log in order, those behind number `after`, as they are stored.

        `registry.audit.broken_links` tells whether they are what was written.
        """
        return [read_entry(row) for row in self._people.rows(LIST_AUDIT, (after, limit))]

    def audit_head(self) -> tuple[int, bytes]:
        """Number and hash (32 octets) of the last entry; (0, 32 zero octets) ahead of the first."""
        sequence, octets = self._people.row(READ_AUDIT_HEAD)
        return sequence, octets

    def _sound(self, rows: Iterable[Any], read: Callable[[Any], T]) -> list[T]:
        """The records of the rows whose checksums hold."""
        found = []
        for row in rows:
            try:
                found.append(read(row))
            except RowDamaged:
                self.damaged += 1
        return found

    def _page(
        self, behind: Callable[[K], list[Any]], read: Callable[[Any], T], after: K, limit: int
    ) -> list[T]:
        """`limit` records, or all there are, however many rows among them are damaged."""
        found: list[T] = []
        while rows := behind(after):
            found += self._sound(rows, read)
            after = rows[-1][0]
            if len(rows) < limit or len(found) >= limit:
                break
        return found[:limit]


def _overused(reader: Reader, after: bytes, much: tuple[int, int, int], limit: int) -> list[Any]:
    """Up to `limit` rows of keys behind `after` that were used too much, and made in or after a second.

    `much`: how many packets are too many (0 = none are), that second, and since when one that waits is lost.
    """
    rows: list[Any] = []
    first = after[0] if after else 0
    for octet in range(first, 256) if much[0] else ():
        up_to = bytes((octet, 255, 255, 255))
        rows += reader.rows(LIST_OVERUSED_KEYS, (after, up_to, *much, limit - len(rows)))
        if len(rows) >= limit:
            break
        after = up_to
    return rows


def _key(row: Sequence[Any]) -> WrappedKey:
    return read_key(row).key


def _used_key(row: Sequence[Any]) -> WrappedKey:
    """The key of a row with its window and package. Raises RowDamaged for each of them."""
    key = _key(row[:KEY_COLUMNS])
    read_window(key.kid, *row[KEY_COLUMNS : KEY_COLUMNS + WINDOW_VALUES])
    read_package(row[KEY_COLUMNS + WINDOW_VALUES :])
    return key
