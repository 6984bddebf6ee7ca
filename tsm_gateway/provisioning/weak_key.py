"""Keys of devices and issuers that give their private key away are refused; see `envelope.weak_key`."""

from __future__ import annotations

from tsm_gateway.envelope.weak_key import weakness_of
from tsm_gateway.provisioning.certificate_errors import KeyWeak


def refuse_weak(key: object) -> None:
    """Pass a public key nothing is known against. Raises KeyWeak with the reason."""
    reason = weakness_of(key)
    if reason is not None:
        raise KeyWeak(reason=reason)
