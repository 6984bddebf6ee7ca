"""Every secret the gateway holds that a device's app SE must never be told: what the guard looks for.

| whose | which |
|---|---|
| the device's | its traffic keys of every epoch that has octets, and all that is derived from them |
| its user's | the hashes of authentication handles, the signature of the proof that named them |
| its crypto SE's | the sealed part of packages that wait (their last octets) |
| providers' | the keys of every provider, of every epoch, and all that is derived from them |
| the gateway's | every master key |

A card's own key sets are known to the conversation. Instruments are known to nobody here: their references
pass through the relay, encrypted, and are never stored in clear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.keys.derive import IV_OCTETS, KEY_OCTETS, LABELS, derive
from tsm_gateway.keys.wrap import DEVICE_KEYS, PROVIDER_KEYS, traffic_place, unwrap
from tsm_gateway.provisioning.live_secrets import NO_SECRETS, LiveSecrets
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.keys.wrap import MasterKeys
    from tsm_gateway.registry.device import WrappedKey
    from tsm_gateway.registry.key_package import StoredPackage
    from tsm_gateway.registry.registration import Registration
    from tsm_gateway.registry.standing import Standing
    from tsm_gateway.store.registry_store import RegistryStore

SIGNATURE_OCTETS: Final = 64  # of a proof: its end, whatever the algorithm
SEALED_OCTETS: Final = 128  # of a package: behind them comes nothing, before them names and numbers
DEVICE_LABELS: Final = tuple(sorted(label for label in LABELS if "provider" not in label))
PROVIDER_LABELS: Final = tuple(sorted(label for label in LABELS if "provider" in label))

Labelled = tuple[str, Secret]


class SecretsOfDevice:
    """Gathers them anew for every job: keys change in between. Those of nobody's device are kept at hand."""

    def __init__(self, registry: RegistryStore, held: Held) -> None:
        """`registry` holds providers' keys, `held` the master keys."""
        self._registry, self._held = registry, held
        self._common: tuple[object, LiveSecrets] = None, NO_SECRETS  # what they were made of, and they

    def gather(self, standing: Standing) -> LiveSecrets:
        """Of one device and of everybody else than devices. Raises KeyUnwrapFailed, MasterKeyMissing."""
        return LiveSecrets.of(self._of_device(standing)) | self._of_all()

    def _of_device(self, standing: Standing) -> Iterator[Labelled]:
        for key in standing.keys:
            yield from self._of_key("device key", DEVICE_KEYS, key, DEVICE_LABELS)
        if standing.registration is not None:
            yield from _of_registration(standing.registration)
        yield from _of_packages(standing.packages)

    def _of_all(self) -> LiveSecrets:
        """Providers' keys and the master keys: opened again only when one of them is another one.

        The rows are compared and not the registry's version, which every device that enrols moves.
        """
        masters, keys = self._held.now.masters, self._registry.provider_keys()
        made_of = masters, keys
        if self._common[0] != made_of:
            self._common = made_of, LiveSecrets.of(self._of_masters_and_providers(masters, keys))
        return self._common[1]

    def _of_masters_and_providers(
        self, masters: MasterKeys, keys: Iterable[WrappedKey]
    ) -> Iterator[Labelled]:
        for version in masters.versions():
            yield f"master key {version}", masters.version(version).key
        for key in keys:
            yield from self._of_key(f"key of provider {key.owner}", PROVIDER_KEYS, key, PROVIDER_LABELS)

    def _of_key(self, what: str, table: str, key: WrappedKey, labels: Iterable[str]) -> Iterator[Labelled]:
        """Also of an epoch that is over: what was sealed under it is still secret."""
        if not key.wrapped:
            return
        place = traffic_place(table, key.owner, key.kid)
        secret = unwrap(self._held.now.masters, key.wrapped, key.master_version, place)
        name = f"{what}, epoch {key.epoch}"
        yield name, secret
        for label in labels:
            length = IV_OCTETS if label.endswith("iv") else KEY_OCTETS
            yield f"{label} of {name}", derive(secret, key.kid, label, length)


def _of_registration(registration: Registration) -> Iterator[Labelled]:
    for method in registration.methods:
        yield f"authentication handle ({method.method})", Secret(method.handle_hash)
    yield "registration proof", Secret(registration.proof[-SIGNATURE_OCTETS:])


def _of_packages(packages: Iterable[StoredPackage]) -> Iterator[Labelled]:
    for package in packages:
        yield f"key package, epoch {package.epoch}", Secret(package.package[-SEALED_OCTETS:])
