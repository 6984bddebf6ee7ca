"""Which secrets the guard looks for: all with octets, of every epoch and provider, at every job."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.daemon.delivery_world import V1, DeliveryRig, delivered
from tsm_gateway.daemon.secrets_of_device import SecretsOfDevice
from tsm_gateway.keys.wrap import DEVICE_KEYS, NONCE_OCTETS, PROVIDER_KEYS, traffic_place, unwrap, wrap
from tsm_gateway.registry.device import KeyState, WrappedKey
from tsm_gateway.registry.provider import Provider, ProviderState, Verify
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path


PROVIDER = Provider(
    *("", ProviderState.ACTIVE, (), "+4930999000", (), Verify.GATEWAY, 0, 0),
    *(False, 0, 1, 1, "test"),
)


def _provider_key(rig: DeliveryRig, secret: bytes, kid: bytes, owner: str = "bank") -> WrappedKey:
    place = traffic_place(PROVIDER_KEYS, owner, kid)
    wrapped, version = wrap(rig.world.masters, Secret(secret), place, nonce=secrets.token_bytes(NONCE_OCTETS))
    return WrappedKey(kid, owner, 1, KeyState.CURRENT, wrapped, version, rig.world.now)


def _add_provider(rig: DeliveryRig, name: str, secret: bytes, kid: bytes) -> None:
    provider = PROVIDER._replace(name=name, addresses=(f"sp:{name}",))
    rig.store.registry.add_provider(provider, _provider_key(rig, secret, kid, name), next_piv=1)


@pytest.mark.parametrize("state", list(KeyState))
def test_a_device_key_of_any_epoch_is_looked_for_while_it_has_octets(tmp_path: Path, state: KeyState) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await rig.handset()
        gather = SecretsOfDevice(rig.store.registry, rig.held)
        standing = rig.standing(handset.device)
        (key,) = standing.keys
        place = traffic_place(DEVICE_KEYS, key.owner, key.kid)
        octets = unwrap(rig.world.masters, key.wrapped, key.master_version, place).reveal()
        live = gather.gather(standing._replace(keys=(key._replace(state=state),)))
        assert live.found_in({octets[:8]}) == f"device key, epoch {key.epoch}"

    delivered(tmp_path, story)


def test_the_keys_of_every_provider_are_looked_for_and_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(rig: DeliveryRig) -> None:
        handset = await rig.handset()
        gather, standing = SecretsOfDevice(rig.store.registry, rig.held), rig.standing(handset.device)
        bank, shop = secrets.token_bytes(32), secrets.token_bytes(32)
        _add_provider(rig, "bank", bank, b"\xe0\0\0\1")
        assert gather.gather(standing).found_in({bank[-8:]}) == "key of provider bank, epoch 1"
        opened: list[str] = []

        def counted(masters: object, wrapped: bytes, version: int, place: object) -> Secret:
            opened.append(place.owner)  # type: ignore[attr-defined]
            return unwrap(masters, wrapped, version, place)  # type: ignore[arg-type]

        monkeypatch.setattr("tsm_gateway.daemon.secrets_of_device.unwrap", counted)
        gather.gather(standing)
        assert opened == [handset.device.device_id], "a provider's key was opened for the second device again"
        _add_provider(rig, "shop", shop, b"\xe0\0\0\2")
        live = gather.gather(standing)
        assert live.found_in({shop[:8]}) == "key of provider shop, epoch 1"
        assert live.found_in({bank[:8]}) == "key of provider bank, epoch 1"

    delivered(tmp_path, story)


def test_a_key_made_between_two_jobs_of_a_session_is_looked_for_in_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New card keys first, then the application; in between a provider gets a key that is in its octets."""

    async def story(rig: DeliveryRig) -> None:
        application = await rig.publish(V1)
        secret = rig.delivery.load_file(application.digest)[2000:2032]
        await rig.assign()
        handset = await rig.handset()
        gathered = []
        gather = SecretsOfDevice.gather

        def later(self: SecretsOfDevice, standing: object) -> object:
            gathered.append(standing)
            if len(gathered) == 2:
                _add_provider(rig, "bank", secret, b"\xe0\0\0\1")
            return gather(self, standing)  # type: ignore[arg-type]

        monkeypatch.setattr(SecretsOfDevice, "gather", later)
        await handset.agent.run()
        assert rig.job(handset, "renew-keys").state.value == "done"
        assert rig.job(handset).reason == "secret-bound-for-app-element"
        assert not handset.card.state.load_files

    delivered(tmp_path, story)
