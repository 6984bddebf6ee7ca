"""The crypto element's side that takes keys: installs packages, enrols templates, proves, and confirms.

A key lives in three steps: out of a package it *waits*, a proof names it, and once the gateway took the proof
(or the confirmation left by SMS) it is *in use*. Until then the key before it stays in use, so a handset
that is cut off in between still pays.

The state is one immutable record; whoever runs the element writes it down after every step that changed it.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from tsm_gateway.virtual.biometric import Tunnel, TunnelEnd
from tsm_gateway.virtual.delivery_trust import delivery_key
from tsm_gateway.virtual.element_record import ElementRecord, EnrolledTemplate, HeldKey
from tsm_gateway.virtual.errors import KeyLost, NothingEnrolled, PackageRefused, TunnelBroken
from tsm_gateway.virtual.key_package import KeyPackage, Opener, open_package, read_package
from tsm_gateway.virtual.packet import Direction, Traffic
from tsm_gateway.virtual.proof import ProvedKey, prove, sms_confirmation

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.secret import Secret
    from tsm_gateway.virtual.party_records import HandsetRecord

_HANDLE_OCTETS = 16


class SecurityDomain:
    """A crypto element while it is given keys."""

    def __init__(self, record: HandsetRecord) -> None:
        """`record`: a handset that has an element. Raises KeyLost for one whose file holds none."""
        if record.element is None:
            raise KeyLost(what="this handset's file is without an element")
        self.record = record
        self._element = record.element
        self._tunnel: Tunnel | None = None

    @property
    def element(self) -> ElementRecord:
        """The element as it now is."""
        return self._element

    # keys

    def install(self, octets: bytes, at: int, tsm_certificate: bytes = b"") -> bool:
        """Take a key package at `at`, Unix seconds; False when this very package was installed before.

        `tsm_certificate`: X.509 DER of who signed it, by default who signed the last one. Raises
        PackageRefused, FormatMalformed; then nothing changed.
        """
        signer = tsm_certificate or self._element.tsm_certificate
        package = read_package(octets, delivery_key(signer, self._element.tsm_root, at))
        if package.device_id != self.record.device_id:
            raise PackageRefused(what="for another device")
        if package.digest in self._digests():
            return False
        if package.epoch <= self._newest_epoch():
            raise PackageRefused(what="epoch", epoch=package.epoch)
        key = open_package(package, Opener(self.record.private_key, self.record.certificate, self._element))
        self._keep(waiting=_held(package, key), tsm_certificate=signer)
        return True

    def settle(self, kid: bytes) -> None:
        """The gateway knows that this element holds `kid`: from now on it is the key in use.

        Raises KeyLost for a key that neither waits nor is in use.
        """
        waiting = self._element.waiting
        if waiting is None or waiting.kid != kid:
            if kid != self.record.kid:
                raise KeyLost(what="the gateway names a key this element does not hold", kid=kid.hex())
            return
        self.record = replace(self.record, kid=waiting.kid, key=waiting.key, next_piv=waiting.next_piv)
        self._keep(epoch=waiting.epoch, package=waiting.package, waiting=None)

    def _digests(self) -> set[bytes]:
        waiting = self._element.waiting
        return {self._element.package} | ({waiting.package} if waiting else set())

    def _newest_epoch(self) -> int:
        waiting = self._element.waiting
        return max(self._element.epoch, waiting.epoch if waiting else 0)

    # the user

    def pair(self, pairing: Secret, connect: Callable[[bytes], bytes]) -> None:
        """Open a tunnel to the sensor; `connect` takes this end's public value and brings back its own."""
        end = TunnelEnd(pairing)
        self._tunnel = end.agree(connect(end.public), asked_first=True)

    def enrol_template(self, method: str, record: bytes, at: int) -> None:
        """Enrol what the sensor captured, `record` as it came through the tunnel. Raises TunnelBroken."""
        if self._tunnel is None:
            raise TunnelBroken
        features = self._tunnel.open(record)
        template = EnrolledTemplate(method, secrets.token_bytes(_HANDLE_OCTETS), features, at)
        self._keep(templates=(*self._element.templates, template))

    # proofs

    def prove(self, challenge: bytes, kid: bytes) -> bytes:
        """The signed answer to `challenge`, 32 octets, about the key `kid` that waits or is in use.

        Raises KeyLost, NothingEnrolled.
        """
        if not self._element.templates:
            raise NothingEnrolled
        record = self.record
        return prove(record.device_id, self._proved(kid), challenge, self._element, record.private_key)

    def confirm_by_sms(self) -> bytes:
        """The sealed packet that confirms the newest key, which is in use from then on.

        Nobody answers it; if it is lost, whatever is paid with the key confirms it as well. The record has
        to be written down before the packet leaves: its counter is used up. Raises KeyLost, NothingEnrolled.
        """
        if not self._element.templates:
            raise NothingEnrolled
        if self._element.waiting is not None:
            self.settle(self._element.waiting.kid)
        record = self.record
        proof = self.prove(self._element.package, record.kid)
        traffic = Traffic(record.key, record.kid, Direction.DEVICE_TO_TSM, record.device_id, record.port)
        self.record = replace(record, next_piv=record.next_piv + 1)
        return traffic.seal(sms_confirmation(proof), record.next_piv)

    def _proved(self, kid: bytes) -> ProvedKey:
        waiting = self._element.waiting
        if waiting is not None and waiting.kid == kid:
            return ProvedKey(waiting.kid, waiting.key, waiting.epoch)
        if kid and kid == self.record.kid:
            return ProvedKey(kid, self.record.key, self._element.epoch)
        raise KeyLost(what="the gateway asks about a key this element does not hold", kid=kid.hex())

    def _keep(self, **changes: object) -> None:
        self._element = replace(self._element, **changes)  # type: ignore[arg-type]  # fields of ElementRecord
        self.record = replace(self.record, element=self._element)


def _held(package: KeyPackage, key: Secret) -> HeldKey:
    return HeldKey(package.kid, key, package.epoch, package.first_piv, package.digest)
