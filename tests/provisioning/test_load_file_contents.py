"""What a load file says of itself, read to its last octet."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.provisioning.application_errors import CapMalformed
from tsm_gateway.provisioning.cap_file import read_cap
from tsm_gateway.provisioning.load_file_contents import LoadFileContents, read_load_file
from tsm_gateway.virtual.cap_writer import APPLET_AID, PACKAGE_AID, payment_cap, payment_load_file

GOOD = payment_load_file(payment_cap(600))


@pytest.mark.parametrize("java_card", ["2.2.2", "3.0.5"])
@pytest.mark.parametrize("descriptor", [True, False])
def test_it_says_what_its_cap_file_says(java_card: str, *, descriptor: bool) -> None:
    aids = (APPLET_AID, PACKAGE_AID + b"\x02")
    cap = read_cap(
        payment_cap(900, (3, 7), java_card=java_card, applet_aids=aids), include_descriptor=descriptor
    )
    assert read_load_file(cap.load_file) == LoadFileContents(PACKAGE_AID, (3, 7), aids)
    assert read_load_file(cap.load_file)[:2] == (cap.package_aid, cap.package_version)


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"", "no Header and no Applet"),
        (GOOD[:-1], "ends in the middle"),
        (GOOD + b"\x01", "must not have"),
        (GOOD + b"\x0c\x00", "ends in the middle"),
        (GOOD + GOOD, "must not have"),
        (b"\x63\x00\x00" + GOOD, "at octet 0"),
        (GOOD[3 + GOOD[2] :], "at octet 0"),
        (GOOD[: 3 + GOOD[2]], "no Applet"),
        (GOOD[: 3 + GOOD[2]] + b"\x03\x00\x01\x00", "names no applet"),
    ],
)
def test_what_is_no_load_file_of_one_application_is_refused(octets: bytes, says: str) -> None:
    with pytest.raises(CapMalformed, match=says):
        read_load_file(octets)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_an_altered_one_is_read_or_refused_and_nothing_else(at: int, change: int) -> None:
    octets = bytearray(GOOD)
    octets[at] ^= change
    with suppress(CapMalformed):
        read_load_file(bytes(octets))
