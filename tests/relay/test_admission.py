"""What a device may send, for every state of device and key."""

from __future__ import annotations

from itertools import product

import pytest

from tsm_gateway.registry.device import DeviceState, KeyState
from tsm_gateway.relay.admission import BY_DEVICE, admission
from tsm_gateway.relay.reasons import Reason

PAYING_KEYS = {KeyState.PENDING, KeyState.CURRENT, KeyState.OVERLAP}
EVERY = list(product(DeviceState, KeyState))


@pytest.mark.parametrize(("device", "key"), EVERY)
def test_only_an_active_device_pays_and_only_under_a_key_that_was_given_to_it(device, key):
    pays = device is DeviceState.ACTIVE and key in PAYING_KEYS
    assert (admission(device, key).payment is None) is pays
    assert admission(device, key).full is pays


@pytest.mark.parametrize(("device", "key"), EVERY)
def test_every_device_but_a_terminated_one_may_confirm_a_key_it_has(device, key):
    confirms = device is not DeviceState.TERMINATED and key in PAYING_KEYS
    assert (admission(device, key).control is None) is confirms


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        (DeviceState.ENROLLED, Reason.DEVICE_NOT_REGISTERED),
        (DeviceState.KEYED, Reason.DEVICE_NOT_REGISTERED),
        (DeviceState.REGISTERED, Reason.APPLICATION_NOT_DELIVERED),
        (DeviceState.SUSPENDED, Reason.DEVICE_NOT_ACTIVE),
        (DeviceState.TERMINATED, Reason.DEVICE_NOT_ACTIVE),
    ],
)
def test_a_refused_payment_says_how_far_its_device_is(device, reason):
    assert admission(device, KeyState.CURRENT).payment is reason
    assert admission(device, KeyState.RETIRED).payment is Reason.KEY_RETIRED


def test_no_state_of_a_device_is_left_out():
    assert set(BY_DEVICE) == set(DeviceState)
