"""How a device became known: who vouches for it, and to which key its packages are sealed."""

from __future__ import annotations

from typing import NamedTuple


class Enrolment(NamedTuple):
    """What channel 1 learnt of a device beside its record; all of it may be shown."""

    device_id: str
    issuer: str  # name of the trusted SE issuer; "" for a device an operator added by hand
    key_certificate: bytes  # X.509 DER its key packages are sealed to; b"" = its signing certificate
    hybrid_key: bytes  # X-Wing public key (1216 octets), signed for by the device; b"" = none
    enrolled_at: int  # Unix seconds
