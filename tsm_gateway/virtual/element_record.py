"""What a virtual crypto element keeps of its enrolment, and how that stands in `handset.json`.

The key it pays with stands in the handset's own fields. Here is the rest: the keys that open packages, whom
the element trusts, the key that waits for its confirmation, and the enrolled templates.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from tsm_gateway.secret import Secret
from tsm_gateway.virtual.hybrid_key import HybridKey
from tsm_gateway.virtual.identity import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_OCTETS = 32


class HeldKey(NamedTuple):
    """A random key out of a package, not confirmed yet."""

    kid: bytes  # 4 octets
    key: Secret  # 32 octets
    epoch: int
    next_piv: int
    package: bytes  # SHA-256 over the package that brought it

    def __repr__(self) -> str:
        """Name the key, never show it."""
        return f"HeldKey(kid={self.kid.hex()}, epoch={self.epoch})"


class EnrolledTemplate(NamedTuple):
    """One way the element recognises its user."""

    method: str  # RFC 8176: "fpt", "face", "iris", "pin"
    handle: bytes  # 16 random octets; only their hash is ever told
    features: Secret  # 32 octets; they never leave the element
    enrolled_at: int  # Unix seconds

    @property
    def handle_hash(self) -> bytes:
        """SHA-256 over the handle."""
        return hashlib.sha256(self.handle).digest()


@dataclass(frozen=True, slots=True)
class ElementRecord:
    """A crypto element beside its signing key and the key in use."""

    kind: Kind
    crypto_se: bytes  # this element's id, 8..32 octets
    app_se: bytes  # the id of the app element in the same handset, another one
    tsm_id: str  # which TSM's packages open here
    tsm_root: bytes  # X.509 DER, pinned when the element was made
    chain: tuple[bytes, ...] = ()  # X.509 DER of the issuing authorities
    exchange: X25519PrivateKey | None = None
    key_certificate: bytes = b""  # X.509 DER over `exchange`
    hybrid: HybridKey | None = None
    tsm_certificate: bytes = b""  # X.509 DER, who signed the last package
    epoch: int = 0  # of the key in use; 0 = none yet
    package: bytes = b""  # SHA-256 over the package that brought it
    waiting: HeldKey | None = None
    templates: tuple[EnrolledTemplate, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The field `element` of `handset.json`."""
        return {
            "kind": self.kind.value,
            "crypto_se": self.crypto_se.hex(),
            "app_se": self.app_se.hex(),
            "tsm_id": self.tsm_id,
            "tsm_root": pem_of(self.tsm_root),
            "chain": [pem_of(der) for der in self.chain],
            "exchange": self.exchange.private_bytes_raw().hex() if self.exchange else "",
            "key_certificate": pem_of(self.key_certificate),
            "hybrid": self.hybrid.seeds.reveal().hex() if self.hybrid else "",
            "tsm_certificate": pem_of(self.tsm_certificate),
            "epoch": self.epoch,
            "package": self.package.hex(),
            "waiting": _waiting_json(self.waiting) if self.waiting else None,
            "templates": [_template_json(template) for template in self.templates],
        }


def pem_of(der: bytes) -> str:
    """An X.509 certificate as text; "" for none."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode() if der else ""


def der_of(pem: str) -> bytes:
    """Undo `pem_of`. Raises ValueError."""
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER) if pem else b""


def element_from_json(fields: Mapping[str, Any]) -> ElementRecord:
    """Read what `ElementRecord.as_json` wrote. Raises KeyError, ValueError, TypeError, AttributeError."""
    exchange, hybrid, waiting = (fields[name] for name in ("exchange", "hybrid", "waiting"))
    return ElementRecord(
        kind=Kind(fields["kind"]),
        crypto_se=bytes.fromhex(fields["crypto_se"]),
        app_se=bytes.fromhex(fields["app_se"]),
        tsm_id=str(fields["tsm_id"]),
        tsm_root=der_of(fields["tsm_root"]),
        chain=tuple(map(der_of, fields["chain"])),
        exchange=X25519PrivateKey.from_private_bytes(bytes.fromhex(exchange)) if exchange else None,
        key_certificate=der_of(fields["key_certificate"]),
        hybrid=HybridKey(Secret(bytes.fromhex(hybrid))) if hybrid else None,
        tsm_certificate=der_of(fields["tsm_certificate"]),
        epoch=int(fields["epoch"]),
        package=bytes.fromhex(fields["package"]),
        waiting=_waiting(waiting) if waiting is not None else None,
        templates=tuple(map(_template, fields["templates"])),
    )


def _waiting_json(held: HeldKey) -> dict[str, object]:
    return {
        "kid": held.kid.hex(),
        "key": held.key.reveal().hex(),
        "epoch": held.epoch,
        "next_piv": held.next_piv,
        "package": held.package.hex(),
    }


def _waiting(fields: Mapping[str, Any]) -> HeldKey:
    return HeldKey(
        kid=bytes.fromhex(fields["kid"]),
        key=Secret(bytes.fromhex(fields["key"]), length=KEY_OCTETS),
        epoch=int(fields["epoch"]),
        next_piv=int(fields["next_piv"]),
        package=bytes.fromhex(fields["package"]),
    )


def _template_json(template: EnrolledTemplate) -> dict[str, object]:
    return {
        "method": template.method,
        "handle": template.handle.hex(),
        "features": template.features.reveal().hex(),
        "enrolled_at": template.enrolled_at,
    }


def _template(fields: Mapping[str, Any]) -> EnrolledTemplate:
    return EnrolledTemplate(
        method=str(fields["method"]),
        handle=bytes.fromhex(fields["handle"]),
        features=Secret(bytes.fromhex(fields["features"])),
        enrolled_at=int(fields["enrolled_at"]),
    )
