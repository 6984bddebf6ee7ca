"""The crypto element: holds the random key, the private key and the template, and lets none of them out.

It seals a payment only after the paired sensor delivered a sample that matches. What leaves it is a packet
nobody between it and the gateway can read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.virtual.biometric import Template, Tunnel, TunnelEnd
from tsm_gateway.virtual.cbor_literal import encode
from tsm_gateway.virtual.certificate import Payment, sign_payment
from tsm_gateway.virtual.errors import NothingEnrolled, TunnelBroken
from tsm_gateway.virtual.packet import Direction, Traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.secret import Secret
    from tsm_gateway.virtual.signature_literal import SigningKey


class Order(NamedTuple):
    """What the application asks the user to approve."""

    address: str  # the service provider's
    amount: int  # minor units
    currency: int  # ISO 4217 numeric


class Terms(NamedTuple):
    """What the world adds to one certificate."""

    issued: int  # Unix seconds
    expires: int  # Unix seconds
    cti: bytes  # 8 octets, never twice


class Personalisation(NamedTuple):
    """What was put into the element when it was made and registered."""

    device_id: str
    kid: bytes  # 4 octets
    key: Secret  # 32 octets, the gateway's random key
    next_piv: int
    port: int
    private_key: SigningKey
    instrument: bytes  # 16 octets
    pairing: Secret  # shared with the sensor
    method: str  # what the paired sensor senses

    def __repr__(self) -> str:
        """Name the device, show nothing else."""
        return f"Personalisation({self.device_id})"


class CryptoElement:
    """A virtual crypto secure element."""

    def __init__(self, made: Personalisation, template: Secret | None = None) -> None:
        """`template`: the features enrolled on it, 32 octets; None: `enrol` comes first."""
        self._made = made
        self._template = Template(template) if template is not None else None
        self._traffic = Traffic(made.key, made.kid, Direction.DEVICE_TO_TSM, made.device_id, made.port)
        self._tunnel: Tunnel | None = None
        self._next_piv = made.next_piv

    @property
    def next_piv(self) -> int:
        """The counter the next packet will carry."""
        return self._next_piv

    def pair(self, connect: Callable[[bytes], bytes]) -> None:
        """Open a tunnel: `connect` takes this end's public value to the sensor and brings back its own."""
        end = TunnelEnd(self._made.pairing)
        self._tunnel = end.agree(connect(end.public), asked_first=True)

    def enrol(self, record: bytes) -> None:
        """Enrol the sample in `record`, as it came through the tunnel. Raises TunnelBroken."""
        if self._tunnel is None:
            raise TunnelBroken
        self._template = Template(self._tunnel.open(record))

    def seal_payment(self, order: Order, record: bytes, terms: Terms) -> bytes:
        """The sealed packet with the payment certificate for `order`.

        `record` is the sensor's captured sample, as it came through the tunnel. Raises TunnelBroken,
        NothingEnrolled, BiometricMismatch (then nothing was signed and no counter used) or CounterExhausted.
        """
        if self._tunnel is None:
            raise TunnelBroken
        if self._template is None:
            raise NothingEnrolled
        self._template.require_match(self._tunnel.open(record))
        certificate = sign_payment(self._payment(order, terms), self._made.private_key)
        piv = self._next_piv
        self._next_piv += 1  # used up before it is used: no failure below can bring it back
        return self._traffic.seal(encode([order.address, certificate]), piv)

    def _payment(self, order: Order, terms: Terms) -> Payment:
        return Payment(
            device_id=self._made.device_id,
            address=order.address,
            expires=terms.expires,
            issued=terms.issued,
            cti=terms.cti,
            instrument=self._made.instrument,
            amount=order.amount,
            currency=order.currency,
            methods=(self._made.method,),
        )
