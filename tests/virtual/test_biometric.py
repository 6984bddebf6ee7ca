"""The tunnel, the sensor and the match."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.secret import Secret
from tsm_gateway.virtual.biometric import FEATURES, Finger, Sensor, Template, TunnelEnd, new_pairing
from tsm_gateway.virtual.errors import BiometricMismatch, TunnelBroken

OWNER = Finger("owner")


def chance(seed: int) -> random.Random:
    return random.Random(seed)


def paired(sensor_key: Secret, element_key: Secret) -> tuple[Sensor, TunnelEnd, bytes]:
    sensor = Sensor(sensor_key, chance(1))
    end = TunnelEnd(element_key)
    return sensor, end, sensor.connect(end.public)


@given(st.integers())
def test_the_owner_s_finger_matches_however_it_lies(seed: int) -> None:
    lies = chance(seed)
    Template(Secret(OWNER.touch(lies))).require_match(Secret(OWNER.touch(lies)))


@given(st.text(max_size=20).filter(lambda name: name != "owner"))
def test_nobody_else_s_finger_matches(name: str) -> None:
    lies = chance(0)
    with pytest.raises(BiometricMismatch):
        Template(Secret(OWNER.touch(lies))).require_match(Secret(Finger(name).touch(lies)))


@pytest.mark.parametrize("length", [0, FEATURES - 1, FEATURES + 1])
def test_a_sample_of_another_length_does_not_match(length: int) -> None:
    with pytest.raises(BiometricMismatch):
        Template(Secret(bytes(FEATURES))).require_match(Secret(bytes(length)))


def test_samples_come_through_the_tunnel_unreadable_to_its_carrier() -> None:
    pairing = new_pairing()
    sensor, end, public = paired(pairing, pairing)
    tunnel = end.agree(public, asked_first=True)
    records = [sensor.capture(OWNER) for _ in range(3)]
    samples = [tunnel.open(record) for record in records]
    template = Template(Secret(OWNER.touch(chance(2))))
    for record, sample in zip(records, samples, strict=True):
        assert sample.reveal() not in record
        template.require_match(sample)


def test_a_record_is_opened_once_and_never_behind_a_later_one() -> None:
    pairing = new_pairing()
    sensor, end, public = paired(pairing, pairing)
    tunnel = end.agree(public, asked_first=True)
    first, second = sensor.capture(OWNER), sensor.capture(OWNER)
    tunnel.open(second)
    for record in (second, first):
        with pytest.raises(TunnelBroken):
            tunnel.open(record)


def test_a_changed_record_is_refused_and_the_genuine_one_still_opens() -> None:
    pairing = new_pairing()
    sensor, end, public = paired(pairing, pairing)
    tunnel = end.agree(public, asked_first=True)
    record = sensor.capture(OWNER)
    for at in (0, 7, 8, len(record) - 1):
        with pytest.raises(TunnelBroken):
            tunnel.open(record[:at] + bytes((record[at] ^ 1,)) + record[at + 1 :])
    with pytest.raises(TunnelBroken):
        tunnel.open(b"")
    tunnel.open(record)


def test_a_sensor_that_was_not_paired_with_the_element_is_not_heard() -> None:
    sensor, end, public = paired(new_pairing(), new_pairing())
    with pytest.raises(TunnelBroken):
        end.agree(public, asked_first=True).open(sensor.capture(OWNER))


def test_an_unconnected_sensor_captures_nothing() -> None:
    with pytest.raises(TunnelBroken):
        Sensor(new_pairing(), chance(1)).capture(OWNER)
