"""What a refused certificate says of itself: for the log, so bounded and on one line."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from tests.provisioning.authority import DAY, Authority
from tsm_gateway.provisioning.device_trust import device_id_of
from tsm_gateway.provisioning.presented import LONGEST_SUBJECT, Presented, presented

NOW = 1_800_000_000


@given(octets=st.binary(max_size=400))
def test_octets_that_are_no_certificate_say_nothing(octets: bytes) -> None:
    assert presented(octets) == Presented()


def test_a_subject_cannot_forge_a_line_nor_fill_the_log() -> None:
    authority = Authority("a\nb\x1b[31m\u202e" + "c" * 50, lifetime=(NOW - DAY, NOW + DAY))
    certificate = authority.certificate
    told = presented(certificate.public_bytes(Encoding.DER))
    assert told.subject.isprintable()
    assert len(told.subject) <= LONGEST_SUBJECT
    assert told.serial == f"{certificate.serial_number:x}"
    assert told.device == device_id_of(authority.key.public_key())
