"""A handset: crypto element, app element, sensor and its owner's finger, put together."""

from __future__ import annotations

import hashlib
import random
import secrets
from functools import partial
from typing import TYPE_CHECKING

from tsm_gateway.virtual.app_element import AppElement, Carriage
from tsm_gateway.virtual.biometric import Finger, Sensor, new_pairing
from tsm_gateway.virtual.cap_writer import APPLET_AID
from tsm_gateway.virtual.crypto_element import CryptoElement, Personalisation, Terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.secret import Secret
    from tsm_gateway.virtual.card import Card
    from tsm_gateway.virtual.part import Part
    from tsm_gateway.virtual.party_records import HandsetRecord

    Tell = Callable[[str, str], None]

GATEWAY_NUMBER = "16500"  # where virtual handsets send to when nobody says otherwise
VALIDITY_S = 72 * 3600  # how long a payment certificate holds: as long as a short message may be on its way
CTI_OCTETS = 8


class Handset:
    """A virtual handset, switched on: its elements made, its owner enrolled, its tunnel open."""

    def __init__(
        self,
        record: HandsetRecord,
        *,
        card: Card | None = None,
        gateway: str = GATEWAY_NUMBER,
        wide_reference: bool = False,
        method: str = "fpt",
        seed: int = 0,
        tell: Tell = lambda who, what: None,  # noqa: ARG005 - names for the reader
    ) -> None:
        """`gateway`: the gateway's number; `method`: what the sensor senses; `seed`: how fingers lie.

        `card`: its app element, which runs what was installed on it; None: its makers installed the
        application. `tell` hears of each step of a payment, after it was taken.
        """
        chance = random.Random(seed)  # noqa: S311 - how a finger lies, not a key
        pairing = new_pairing()
        self.record, self._tell = record, tell
        self.owner = Finger(record.device_id)
        self._sensor = Sensor(pairing, chance, method)
        self.crypto = CryptoElement(
            _personalisation(record, pairing, method), template=_enrolled(record, method)
        )
        self.crypto.pair(self._sensor.connect)
        if _enrolled(record, method) is None:
            self.crypto.enrol(self._sensor.capture(self.owner))
        self.app = app_element(record, card, gateway=gateway, wide_reference=wide_reference)

    @property
    def next_piv(self) -> int:
        """The counter the next payment will carry."""
        return self.crypto.next_piv

    def pay(
        self,
        address: str,
        amount: str,
        currency: str,
        *,
        at: int,
        validity_s: int = VALIDITY_S,
        finger: Finger | None = None,
        cti: bytes | None = None,
    ) -> list[Part]:
        """The short messages of one payment of `amount` ("12.99") approved at `at`, Unix seconds.

        `finger` is the owner's unless a test lends another; `cti` is random unless given. Touches no disk:
        whoever loaded the handset from a file keeps its counter (`party_files.take_piv`). Raises
        AmountInvalid, ApplicationNotInstalled, BiometricMismatch, CounterExhausted.
        """
        order = self.app.order(address, amount, currency)
        terms = Terms(at, at + validity_s, cti or secrets.token_bytes(CTI_OCTETS))
        reference = self.crypto.next_piv
        self._tell("app-SE", f"its application asks for {amount} {currency} to {address}")
        record = self._sensor.capture(finger or self.owner)
        self._tell(
            "sensor", f"finger captured, sealed for the crypto element: {len(record)} octets into the tunnel"
        )
        packet = self.crypto.seal_payment(order, record, terms)
        self._tell("crypto-SE", f"tunnel opened, finger matched; payment signed, {len(packet)} octets sealed")
        return self.app.parts(packet, reference)


def app_element(
    record: HandsetRecord,
    card: Card | None,
    *,
    gateway: str = GATEWAY_NUMBER,
    wide_reference: bool = False,
) -> AppElement:
    """The app element of a handset; its application is the one on `card`, or without one its makers'."""
    carriage = Carriage(record.msisdn, gateway, record.port, wide_reference)
    if card is None:
        return AppElement(carriage, record.provider_addresses)
    return AppElement(carriage, record.provider_addresses, partial(card.application, APPLET_AID))


def _enrolled(record: HandsetRecord, method: str) -> Secret | None:
    """The features enrolled for `method` when the element was registered."""
    templates = record.element.templates if record.element else ()
    return next((template.features for template in templates if template.method == method), None)


def _personalisation(record: HandsetRecord, pairing: Secret, method: str) -> Personalisation:
    return Personalisation(
        device_id=record.device_id,
        kid=record.kid,
        key=record.key,
        next_piv=record.next_piv,
        port=record.port,
        private_key=record.private_key,
        # a token made up per device: the file of a handset holds no instrument
        instrument=hashlib.sha256(b"instrument of " + record.device_id.encode()).digest()[:16],
        pairing=pairing,
        method=method,
    )
