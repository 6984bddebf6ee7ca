"""A virtual provider in a store, and handsets put straight into it.

`enrol` is for load generators, benches and tests of the relay: it takes no channel, so its devices have no
registration. The demo and `virtual enrol` go through channel 1 (virtual_enrolment.py). The keys are made the
way the gateway makes them: random, wrapped under the current master key for the very row they stand in.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from tsm_gateway.envelope.replay import initial_window
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.keys.wrap import NONCE_OCTETS, MasterKeys, wrap
from tsm_gateway.registry.address import normalise_address
from tsm_gateway.registry.device import Device, DeviceState, KeyState, WrappedKey
from tsm_gateway.registry.provider import Provider, ProviderState, Verify
from tsm_gateway.relay.directory import DEVICE_KEYS, PROVIDER_KEYS, place_of
from tsm_gateway.secret import Secret
from tsm_gateway.virtual.identity import new_identity
from tsm_gateway.virtual.party_records import HandsetRecord, ProviderRecord

if TYPE_CHECKING:
    from tsm_gateway.store.registry_store import RegistryStore

REASON = "enrolled as a virtual party, for tests only"
FIRST_PIV = 2**31  # first counters are random below it (design §5.4)
_KEY_OCTETS, _KID_OCTETS = 32, 4
_NAME_OCTETS = 32


class VirtualProviderForeign(TsmError):
    """The store knows this provider under another key than the file does: retire one of the two."""

    code, side = "virtual-provider-foreign", Side.OURS


class VirtualProviderUnfiled(TsmError):
    """The store has this provider: give --out the folder of its provider.json, or take another --provider."""

    code, side = "virtual-provider-unfiled", Side.OURS


def new_provider(address: str, msisdn: str, name: str = "") -> ProviderRecord:
    """A virtual provider with a key of its own, in no store yet; by default named after its address.

    Raises AddressInvalid.
    """
    normal = normalise_address(address)
    return ProviderRecord(
        name=name or f"virtual-{normal.removeprefix('sp:').lstrip('+')}"[:_NAME_OCTETS],
        address=normal,
        kid=secrets.token_bytes(_KID_OCTETS),
        key=Secret(secrets.token_bytes(_KEY_OCTETS)),
        msisdn=msisdn,
        devices={},
    )


def enrol(
    registry: RegistryStore,
    masters: MasterKeys,
    provider: ProviderRecord,
    *,
    count: int,
    port: int,
    at: int,
    receipt: bool = False,
) -> tuple[ProviderRecord, list[HandsetRecord]]:
    """Put `provider`, unless it is there, and `count` new handsets into the store, active at once.

    `port`: the application port; `at`: Unix seconds; `receipt`: whether delivery receipts are asked for
    when the provider is registered. Returns the provider, which now knows the handsets,
    and the handsets. Raises VirtualProviderForeign, AlreadyKnown and what the store raises.
    """
    register_provider(registry, masters, provider, at, receipt=receipt)
    handsets = [_new_handset(provider.address, port, at) for _ in range(count)]
    registry.add_devices(
        (_device(handset, at), _wrapped(masters, handset, at), initial_window(handset.next_piv))
        for handset in handsets
    )
    known = {handset.device_id: handset.certificate for handset in handsets}
    return replace(provider, devices=provider.devices | known), handsets


def register_provider(
    registry: RegistryStore,
    masters: MasterKeys,
    provider: ProviderRecord,
    at: int,
    *,
    receipt: bool = False,
) -> None:
    """Make `provider` known to the store, unless it is; arguments and errors as of `enrol`."""
    known = registry.provider_named(provider.name) or registry.provider_for(provider.address)
    if known is None:
        key = _wrapped(masters, provider, at)
        registry.add_provider(
            _provider(provider, at, receipt=receipt), key, next_piv=secrets.randbelow(FIRST_PIV)
        )
    elif (known.provider.name, known.key.kid) != (provider.name, provider.kid):
        raise VirtualProviderForeign(provider=provider.name)


def _new_handset(provider_address: str, port: int, at: int) -> HandsetRecord:
    identity = new_identity(at)
    return HandsetRecord(
        device_id=identity.device_id,
        kid=secrets.token_bytes(_KID_OCTETS),
        key=Secret(secrets.token_bytes(_KEY_OCTETS)),
        next_piv=secrets.randbelow(FIRST_PIV),
        port=port,
        msisdn=f"+491555{secrets.randbelow(10**7):07d}",
        certificate=identity.certificate,
        private_key=identity.private_key,
        provider_addresses=(provider_address,),
    )


def _device(handset: HandsetRecord, at: int) -> Device:
    return Device(
        device_id=handset.device_id,
        state=DeviceState.ACTIVE,
        certificate=handset.certificate,
        msisdn=handset.msisdn,
        created_at=at,
        changed_at=at,
        reason=REASON,
    )


def _provider(provider: ProviderRecord, at: int, *, receipt: bool) -> Provider:
    return Provider(
        name=provider.name,
        state=ProviderState.ACTIVE,
        addresses=(provider.address,),
        msisdn=provider.msisdn,
        routes=(),
        verify=Verify.GATEWAY,
        amount_limit=0,
        biometric_above=0,
        receipt=receipt,
        validity_s=0,
        created_at=at,
        changed_at=at,
        reason=REASON,
    )


def _wrapped(masters: MasterKeys, party: HandsetRecord | ProviderRecord, at: int) -> WrappedKey:
    """The party's key as the store keeps it, wrapped for its row."""
    of_device = isinstance(party, HandsetRecord)
    blank = WrappedKey(
        kid=party.kid,
        owner=party.device_id if isinstance(party, HandsetRecord) else party.name,
        epoch=1,
        state=KeyState.CURRENT,
        wrapped=b"",
        master_version=masters.current.version,
        created_at=at,
    )
    place = place_of(DEVICE_KEYS if of_device else PROVIDER_KEYS, blank)
    wrapped, version = wrap(masters, party.key, place, nonce=secrets.token_bytes(NONCE_OCTETS))
    return blank._replace(wrapped=wrapped, master_version=version)
