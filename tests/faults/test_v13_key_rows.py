"""V13: wrapped keys moved between rows, or put back as they were under an older master.

Whoever can write the database cannot give a device another's key, nor bring an old wrapping back: the key
does not open, the payment is put off (the radio keeps it), an operator reads why, everybody else goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.beside import registry_beside
from tests.relay.rig import MASTERS, Rig
from tests.relay.test_payments import rigged
from tsm_gateway.keys.wrap import MasterKey, MasterKeys, unwrap, wrap
from tsm_gateway.messages import Verdict
from tsm_gateway.relay.directory import DEVICE_KEYS, place_of
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from tsm_gateway.virtual.handset import Handset

SECOND = MasterKey(2, Secret(bytes(range(32, 64))))
BOTH = MasterKeys([MASTERS.current, SECOND])
PUT_OFF = [Verdict.BUSY, Verdict.BUSY]


def put(rig: Rig, kid: bytes, wrapped: bytes, version: int) -> bytes:
    """Write a wrapped key into a row, its checksum made right as a thief would; what stood there."""
    with registry_beside(rig) as registry:
        key = registry.key(kid)
        assert key is not None
        registry.rewrap(kid, key.wrapped, wrapped, version)
    rig.parts.directory.forget()
    return key.wrapped


async def refused(rig: Rig, handset: Handset) -> None:
    """A payment of that handset is put off, nothing of it leaves, and the reason stands in the log."""
    parts, sent = rig.pay(handset=handset), len(rig.bearer.sent)
    verdicts = [(await rig.offer([part]))[0] for part in parts]
    assert Verdict.BUSY in verdicts
    assert set(rig.reasons()) == {"key_unreadable"}
    assert len(rig.bearer.sent) == sent


@rigged(devices=3)
async def test_the_key_of_another_device_does_not_open_in_ones_own_row(rig: Rig):
    mine, yours, theirs = rig.handsets
    row = rig.store.registry.key(yours.record.kid)
    assert row is not None
    own = put(rig, mine.record.kid, row.wrapped, row.master_version)
    parts = rig.pay(handset=mine)
    assert Verdict.BUSY in await rig.offer(parts)
    assert set(rig.reasons()) == {"key_unreadable"}
    assert set(await rig.offer(rig.pay(handset=yours) + rig.pay(handset=theirs))) == {Verdict.TAKEN}
    assert len(await rig.opened(2)) == 2
    put(rig, mine.record.kid, own, 1)  # the operator mends it; the radio tries again
    assert set(await rig.offer(parts)) == {Verdict.TAKEN}
    assert len(await rig.opened(3)) == 3


@rigged(devices=2)
async def test_two_keys_swapped_open_for_neither(rig: Rig):
    first, second = (each.record.kid for each in rig.handsets)
    row = rig.store.registry.key(second)
    assert row is not None
    put(rig, second, put(rig, first, row.wrapped, 1), 1)
    for handset in rig.handsets:
        await refused(rig, handset)


@rigged(devices=2)
async def test_a_devices_key_does_not_open_in_a_providers_row(rig: Rig):
    row = rig.store.registry.key(rig.handsets[0].record.kid)
    assert row is not None
    put(rig, rig.provider_record.kid, row.wrapped, 1)
    await refused(rig, rig.handsets[1])


@rigged(devices=2)
async def test_an_old_wrapping_does_not_open_as_the_new_one(rig: Rig):
    mine, yours = rig.handsets
    rig.parts.directory.use_masters(BOTH)
    old = put(rig, mine.record.kid, rewrapped(rig, mine), 2)
    assert set(await rig.offer(rig.pay(handset=mine))) == {Verdict.TAKEN}
    put(rig, mine.record.kid, old, 2)  # rolled back, and said to be of today
    await refused(rig, mine)
    assert set(await rig.offer(rig.pay(handset=yours))) == {Verdict.TAKEN}
    assert len(await rig.opened(2)) == 2


@rigged(devices=2)
async def test_an_old_wrapping_opens_no_more_once_its_master_is_gone(rig: Rig):
    mine, yours = rig.handsets
    rig.parts.directory.use_masters(BOTH)
    old = put(rig, mine.record.kid, rewrapped(rig, mine), 2)
    for kid in (yours.record.kid, rig.provider_record.kid):
        put(rig, kid, _under_second(rig, kid), 2)
    rig.parts.directory.use_masters(MasterKeys([SECOND]))
    put(rig, mine.record.kid, old, 1)  # rolled back altogether
    await refused(rig, mine)
    assert set(await rig.offer(rig.pay(handset=yours))) == {Verdict.TAKEN}
    assert len(await rig.opened(1)) == 1


def rewrapped(rig: Rig, handset: Handset) -> bytes:
    """The handset's key under the second master."""
    return _under_second(rig, handset.record.kid)


def _under_second(rig: Rig, kid: bytes) -> bytes:
    row = rig.store.registry.key(kid)
    assert row is not None
    table = DEVICE_KEYS if row.owner.startswith("d:") else "provider_keys"
    place = place_of(table, row)
    octets, version = wrap(BOTH, unwrap(MASTERS, row.wrapped, 1, place), place, nonce=bytes(11) + b"\1")
    assert version == 2
    return octets
