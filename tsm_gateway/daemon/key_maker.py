"""Make a device's random key: the one place where it exists in clear.

32 octets of the operating system's generator; wrapped for the store and sealed to the device before
anything else is done, and then forgotten (design §6). Random, never derived from another key: what is
known of one device tells nothing of the next.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.envelope.cose import KID_OCTETS
from tsm_gateway.envelope.replay import initial_window
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.keys.derive import KEY_OCTETS
from tsm_gateway.keys.wrap import DEVICE_KEYS, NONCE_OCTETS, traffic_place, wrap
from tsm_gateway.provisioning.key_package import FIRST_PIV_LIMIT, PackageIdentity, seal_package
from tsm_gateway.registry.device import KeyState, WrappedKey
from tsm_gateway.registry.key_package import StoredPackage
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.provisioning_material import Held
    from tsm_gateway.provisioning.recipient import Recipient
    from tsm_gateway.registry.key_package import Delivery


class MasterRotated(TsmError):
    """The master key was rotated while a device's key was made under the one before: it is made again."""

    code, side, temporary = "master-rotated", Side.OURS, True


class MadeKey(NamedTuple):
    """A new key, fit to rest: what `ProvisioningStore.deliver` stores in one transaction."""

    key: WrappedKey  # PENDING
    window: tuple[int, int]
    package: StoredPackage


class KeyMaker:
    """Makes keys for devices."""

    def __init__(self, tsm_id: str, held: Held, draw: Callable[[int], bytes] = secrets.token_bytes) -> None:
        """`tsm_id` is bound into every package; `draw(n)` gives n octets of the system's generator."""
        self._tsm_id, self._held, self._draw = tsm_id, held, draw

    def check_master(self, made: MadeKey) -> None:
        """Call it in the transaction that stores `made`. Raises MasterRotated.

        What was wrapped before a reload would escape a rewrapping that began right after it.
        """
        if made.key.master_version != self._held.now.masters.current.version:
            raise MasterRotated(version=made.key.master_version)

    def make(
        self, device_id: str, recipient: Recipient, *, epoch: int, delivery: Delivery, at: int
    ) -> MadeKey:
        """A new key of `device_id` for its `epoch`, made at Unix second `at`.

        The kid is random too; should another key have it, the store refuses it (AlreadyKnown) and the
        next one is as good. Raises RecipientUnusable.
        """
        material, secret = self._held.now, Secret(self._draw(KEY_OCTETS))
        kid, first_piv = self._draw(KID_OCTETS), secrets.randbelow(FIRST_PIV_LIMIT)
        place = traffic_place(DEVICE_KEYS, device_id, kid)
        wrapped, version = wrap(material.masters, secret, place, nonce=self._draw(NONCE_OCTETS))
        identity = PackageIdentity(self._tsm_id, device_id, kid, epoch, first_piv)
        package = seal_package(secret, recipient, identity, signing_key=material.signing_key)
        return MadeKey(
            WrappedKey(kid, device_id, epoch, KeyState.PENDING, wrapped, version, at),
            initial_window(first_piv),
            StoredPackage(
                *(kid, device_id, epoch, first_piv, int(recipient.kem), recipient.fingerprint, package),
                delivery,
                made_at=at,
                confirmed_at=0,
            ),
        )
