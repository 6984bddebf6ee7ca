"""What the relay and people ask of the registry; every answer is as of the last commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.registry.device import DeviceEntry, KeyState
from tsm_gateway.registry.provider import ProviderEntry
from tsm_gateway.relay.interfaces import StoreBroken
from tsm_gateway.store.bits import ALL_ONES
from tsm_gateway.store.delivery_statements import COUNT_WRAPPED_BY_MASTER
from tsm_gateway.store.registry_rows import (
    DEVICE_COLUMNS,
    KEY_COLUMNS,
    RowDamaged,
    read_counter,
    read_device,
    read_key,
    read_provider,
    read_window,
)
from tsm_gateway.store.registry_statements import (
    FIND_DEVICE,
    FIND_DEVICE_OF,
    FIND_KEY,
    FIND_NAME_AT,
    FIND_PROVIDER,
    FIND_SEALING_KEY,
    FIND_WINDOW,
    LIST_ADDRESSES,
    LIST_ALL_KEYS,
    LIST_DEVICES,
    LIST_DEVICES_IN,
    LIST_KEYS_OF_DEVICE,
    LIST_KEYS_OF_PROVIDER,
    LIST_PROVIDER_KEYS,
    LIST_PROVIDERS,
)
from tsm_gateway.store.statements import READ_VERSIONS

if TYPE_CHECKING:
    from tsm_gateway.errors import TsmError
    from tsm_gateway.registry.device import Device, DeviceState, WrappedKey
    from tsm_gateway.registry.provider import Provider
    from tsm_gateway.store.connection_store import Reader
    from tsm_gateway.store.failures import Health
    from tsm_gateway.store.registry_rows import StoredKey

NOTHING_IS_FRESH = ((1 << 40) - 1, ALL_ONES)  # the window of a key whose replay state was lost


class RegistryReads:
    """The reading half of `RegistryStore`."""

    def __init__(self, hot: Reader, people: Reader, health: Health) -> None:
        """`hot` serves the relay, `people` long lists, so that one does not wait for the other."""
        self._hot, self._people, self._health = hot, people, health
        self.damaged = 0  # rows met whose checksum did not hold; `store check` names them

    # --- relay.interfaces.Registry ---

    def device_for(self, kid: bytes) -> DeviceEntry | None:
        """See `relay.interfaces.Registry`.

        One damaged row stops one device, not the gateway: a damaged device or key is unknown, a key whose
        window is damaged comes back STALE. Raises StoreBusy or StoreBroken.
        """
        row = self._hot.row(FIND_DEVICE_OF, (kid,))
        if row is None:
            return None
        try:
            key = read_key(row[:KEY_COLUMNS]).key
            device = read_device(row[KEY_COLUMNS : KEY_COLUMNS + DEVICE_COLUMNS])
        except RowDamaged:
            self.damaged += 1
            return None
        try:
            window = read_window(kid, *row[KEY_COLUMNS + DEVICE_COLUMNS :])
        except RowDamaged:
            self.damaged += 1
            return DeviceEntry(device, key._replace(state=KeyState.STALE), NOTHING_IS_FRESH)
        return DeviceEntry(device, key, window)

    def window_of(self, kid: bytes) -> tuple[int, int] | None:
        """See `relay.interfaces.Registry`; of a damaged window nothing is fresh."""
        row = self._hot.row(FIND_WINDOW, (kid,))
        if row is None:
            return None
        try:
            return read_window(kid, *row)
        except RowDamaged:
            self.damaged += 1
            return NOTHING_IS_FRESH

    def provider_for(self, address: str) -> ProviderEntry | None:
        """See `relay.interfaces.Registry`. Raises StoreBusy, or StoreBroken also for a damaged row."""
        row = self._hot.row(FIND_NAME_AT, (address,))
        entry = None if row is None else self.provider_named(row[0])
        if entry is not None and address not in entry.provider.addresses:
            return None  # moved between the two reads
        return entry

    def provider_named(self, name: str) -> ProviderEntry | None:
        """See `relay.interfaces.Registry`. Raises StoreBusy, or StoreBroken also for a damaged row.

        A payment must not go elsewhere, and a counter that fell back would seal two under one nonce.
        """
        with self._hot.snapshot():
            provider = self._provider(self._hot, name)
            sealing = None if provider is None else self._hot.row(FIND_SEALING_KEY, (name,))
        if provider is None or sealing is None:
            return None
        try:
            key = read_key(sealing[:KEY_COLUMNS]).key
            return ProviderEntry(provider, key, read_counter(key.kid, *sealing[KEY_COLUMNS:]))
        except RowDamaged as error:
            raise self._stop(error) from error

    def versions(self) -> tuple[int, int]:
        """See `relay.interfaces.Registry`."""
        registry, queue = self._hot.row(READ_VERSIONS)
        return registry, queue

    # --- for people; a damaged row raises RowDamaged ---

    def device(self, device_id: str) -> Device | None:
        """One device by its id."""
        row = self._people.row(FIND_DEVICE, (device_id,))
        return None if row is None else read_device(row)

    def devices(
        self, *, state: DeviceState | None = None, after: str = "", limit: int = 1000
    ) -> list[Device]:
        """Devices in order of their ids, those behind `after`."""
        if state is None:
            rows = self._people.rows(LIST_DEVICES, (after, limit))
        else:
            rows = self._people.rows(LIST_DEVICES_IN, (after, state.value, limit))
        return [read_device(row) for row in rows]

    def providers(self) -> list[Provider]:
        """All providers in order of their names."""
        with self._people.snapshot():
            return [
                read_provider(row, self._addresses(self._people, row[0]))
                for row in self._people.rows(LIST_PROVIDERS)
            ]

    def keys(self, owner: str) -> list[WrappedKey]:
        """All keys of a device id or provider name, the newest first."""
        rows = self._people.rows(LIST_KEYS_OF_DEVICE, (owner,))
        rows += self._people.rows(LIST_KEYS_OF_PROVIDER, (owner,))
        return [read_key(row).key for row in rows]

    def provider_keys(self) -> list[WrappedKey]:
        """All keys of all providers, by name, the oldest first."""
        return [read_key(row).key for row in self._people.rows(LIST_PROVIDER_KEYS)]

    def key(self, kid: bytes) -> WrappedKey | None:
        """One key."""
        row = self._people.row(FIND_KEY, (kid,))
        return None if row is None else read_key(row).key

    def all_keys(self, *, after: bytes = b"", limit: int = 1000) -> list[StoredKey]:
        """Keys of all owners in order of kid, those behind `after`: for rewrapping."""
        return [read_key(row) for row in self._people.rows(LIST_ALL_KEYS, (after, limit))]

    def masters_in_use(self) -> dict[int, int]:
        """How many keys each version of the master key wraps, cards' and damaged ones, too; blocking."""
        return dict(self._people.rows(COUNT_WRAPPED_BY_MASTER))

    def _provider(self, reader: Reader, name: str) -> Provider | None:
        row = reader.row(FIND_PROVIDER, (name,))
        if row is None:
            return None
        try:
            return read_provider(row, self._addresses(reader, name))
        except RowDamaged as error:
            raise self._stop(error) from error

    @staticmethod
    def _addresses(reader: Reader, name: str) -> list[str]:
        return [address for (address,) in reader.rows(LIST_ADDRESSES, (name,))]

    def _stop(self, error: RowDamaged) -> TsmError:
        self.damaged += 1
        return self._health.noted(StoreBroken(cause="row damaged", **error.facts))
