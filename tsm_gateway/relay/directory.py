"""Devices and providers as the relay uses them: looked up once, ciphers ready, forgotten on change.

The caches are bounded and emptied whenever the registry's version moves, so that a suspended device's
next message is refused within a second (design §6).

That version moves only for what takes rights away. Where a device stands that is not active yet, or whose
key is not accepted, is therefore read anew in every batch, so that enrolments empty no cache. Its cipher
stays ready, so a flood of messages from such a device costs one indexed read a batch more than others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.envelope.certificate import load_public_key
from tsm_gateway.envelope.cose import MAX_PIV
from tsm_gateway.envelope.replay import FULL
from tsm_gateway.envelope.tsm1 import Direction, TrafficKey, traffic_key
from tsm_gateway.keys.keyring import Keyring
from tsm_gateway.keys.wrap import DEVICE_KEYS, PROVIDER_KEYS, MasterKeys, Place, traffic_place, unwrap
from tsm_gateway.relay.admission import Admission, admission

if TYPE_CHECKING:
    from tsm_gateway.envelope.signature import SigningKey
    from tsm_gateway.registry.device import Device, DeviceEntry, WrappedKey
    from tsm_gateway.registry.provider import Provider
    from tsm_gateway.relay.interfaces import Registry

__all__ = ["DEVICE_KEYS", "PROVIDER_KEYS", "Counter", "Directory", "KnownDevice", "KnownProvider", "place_of"]

ADDRESSES = 10_000  # cached at a time: they come from devices, so what they can fill is bounded


class KnownDevice(NamedTuple):
    """A device with what is needed to open and check its messages."""

    device: Device
    key: WrappedKey
    admission: Admission
    up: TrafficKey
    public_key: SigningKey


class KnownProvider(NamedTuple):
    """A provider with what is needed to seal for it."""

    provider: Provider
    kid: bytes
    down: TrafficKey


def place_of(table: str, key: WrappedKey) -> Place:
    """Where a wrapped key belongs: the associated data that binds it to its row (design §6)."""
    return traffic_place(table, key.owner, key.kid)


class Directory:
    """Answers by kid and by address; every answer may be up to one `forget` old."""

    def __init__(self, registry: Registry, masters: MasterKeys, *, port: int, capacity: int = 50_000) -> None:
        """`port` is the application port bound into every packet; `capacity` devices stay cached."""
        self._registry, self._masters, self._port = registry, masters, port
        self._devices: Keyring[KnownDevice] = Keyring(capacity)
        self._read: set[bytes] = set()  # kids of this batch whose device was read for it
        self._windows: Keyring[tuple[int, int]] = Keyring(capacity)
        self._providers: dict[str, KnownProvider | None] = {}
        self._pivs: dict[bytes, Counter] = {}

    def begin_batch(self) -> None:
        """What comes now is judged by where devices stand now."""
        self._read.clear()

    def forget(self) -> None:
        """Drop what administration may have changed. Counters stay: a PIV is never used twice."""
        self._devices.clear()
        self._providers.clear()

    @property
    def master_versions(self) -> tuple[int, ...]:
        """Versions of the master key it can open keys with, ascending."""
        return self._masters.versions()

    def use_masters(self, masters: MasterKeys) -> bool:
        """Take over newly read master keys. Returns whether a version came or went."""
        rotated = masters.versions() != self._masters.versions()
        self._masters = masters
        self.forget()
        return rotated

    def device(self, kid: bytes) -> KnownDevice | None:
        """The device that owns `kid`.

        Raises KeyUnwrapFailed or MasterKeyMissing when its key does not open, DeviceCertificateUnusable
        when its certificate does not read, as after an upgrade to a stricter parser.
        """
        known = self._devices.get(kid)
        if known is not None and (known.admission.full or kid in self._read):
            return known
        entry = self._registry.device_for(kid)
        if entry is None:
            self._devices.drop(kid)
            return None
        known = self._known(entry) if known is None else self._known_again(known, entry)
        self._devices.put(kid, known)
        self._read.add(kid)
        return known

    def _known(self, entry: DeviceEntry) -> KnownDevice:
        """Unwrap the key and make its cipher."""
        device, key, _ = entry
        ikm = unwrap(self._masters, key.wrapped, key.master_version, place_of(DEVICE_KEYS, key))
        up = traffic_key(ikm, key.kid, Direction.DEVICE_TO_TSM, device.device_id, self._port)
        public_key = load_public_key(device.certificate)
        return KnownDevice(device, key, admission(device.state, key.state), up, public_key)

    def _known_again(self, known: KnownDevice, entry: DeviceEntry) -> KnownDevice:
        """Where it stands now; the cipher is kept while key and certificate are the same octets."""
        device, key, _ = entry
        if (key.wrapped, device.certificate) != (known.key.wrapped, known.device.certificate):
            return self._known(entry)
        return known._replace(device=device, key=key, admission=admission(device.state, key.state))

    def window(self, kid: bytes) -> tuple[int, int]:
        """The replay window of a known kid as last committed."""
        window = self._windows.get(kid)
        if window is None:
            window = self._registry.window_of(kid)
            if window is None:  # the key vanished in between: nothing is fresh
                return (MAX_PIV, FULL)
            self._windows.put(kid, window)
        return window

    def committed_windows(self, moved: dict[bytes, tuple[int, int]]) -> None:
        """Remember windows that a durable batch moved."""
        for kid, window in moved.items():
            self._windows.put(kid, window)

    def reread_windows(self) -> None:
        """A batch failed: the store's own windows are the only truth again."""
        self._windows.clear()

    def provider(self, address: str) -> KnownProvider | None:
        """The provider at a normalised address, its current key ready to seal."""
        if address not in self._providers:
            if len(self._providers) >= ADDRESSES:
                self._providers.clear()
            self._providers[address] = self._look_up(address)
        return self._providers[address]

    def _look_up(self, address: str) -> KnownProvider | None:
        entry = self._registry.provider_for(address)
        if entry is None:
            return None
        key = entry.key
        ikm = unwrap(self._masters, key.wrapped, key.master_version, place_of(PROVIDER_KEYS, key))
        down = traffic_key(ikm, key.kid, Direction.TSM_TO_PROVIDER, entry.provider.name, self._port)
        counter = self._pivs.setdefault(key.kid, Counter(entry.next_piv, entry.next_piv))
        self._pivs[key.kid] = Counter(entry.next_piv, max(counter.next, entry.next_piv))
        return KnownProvider(entry.provider, key.kid, down)

    def counter(self, kid: bytes) -> Counter:
        """The PIV counter of a provider key that `provider` returned."""
        return self._pivs[kid]

    def advance(self, kid: bytes, *, durable: int | None = None, following: int | None = None) -> None:
        """Move a provider key's counter: what the store holds, or what is used next."""
        old = self._pivs[kid]
        self._pivs[kid] = Counter(
            old.durable if durable is None else durable,
            old.next if following is None else max(old.next, following),
        )


class Counter(NamedTuple):
    """A provider key's PIVs: the store's next one, and ours (ahead of it after a failed commit)."""

    durable: int
    next: int
