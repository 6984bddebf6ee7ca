"""A handset's agent: takes the crypto element's part in channel 1, and carries octets it cannot read.

| step | the service is asked | the element does |
|---|---|---|
| enrol | `PUT /v1/enrolment` | installs the key package |
| | | enrols its user, if none is |
| register | `POST /v1/challenge`, unless one came | signs a proof |
| | `POST /v1/registration` | uses the new key |

After every step that changed the element its record is kept. So whatever cuts the agent off, `enrol` called
again goes on: the service tells what it knows, and the element knows what it holds.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from tsm_gateway.virtual.biometric import Finger, Sensor, new_pairing
from tsm_gateway.virtual.channel import base64_of, kid_of, octets_of
from tsm_gateway.virtual.errors import ChannelRefused, KeyLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.virtual.channel import Channel
    from tsm_gateway.virtual.party_records import HandsetRecord
    from tsm_gateway.virtual.security_domain import SecurityDomain

    Keep = Callable[[HandsetRecord], None]
    Tell = Callable[[str, str], None]

_STALE = "TSM-CHALLENGE-STALE"
_NO_PACKAGE = "TSM-NO-KEY-PACKAGE"
_PROOFS = 3  # challenges answered before giving up


class Agent:
    """The software between one crypto element and the provisioning service."""

    def __init__(
        self,
        domain: SecurityDomain,
        channel: Channel,
        *,
        keep: Keep,
        tell: Tell = lambda step, what: None,  # noqa: ARG005 - names for the reader
        clock: Callable[[], float] = time.time,
        seed: int = 0,
        method: str = "fpt",
    ) -> None:
        """`keep` writes the record down and `tell` hears of each step, both before the next one begins.

        `method` and `seed`: what the handset's sensor senses, and how the finger lies on it.
        """
        self.domain, self._channel = domain, channel
        self._keep, self._tell, self._clock = keep, tell, clock
        self._pairing = new_pairing()
        self._sensor = Sensor(self._pairing, random.Random(seed), method)  # noqa: S311 - how a finger lies
        self._told_handshake = False

    def enrol(self) -> str:
        """Enrol, or go on where it was cut off; the device's state at the gateway, "registered" or later.

        Raises ChannelBroken (call it again), ChannelRefused, PackageRefused, KeyLost, FormatMalformed.
        """
        record, element = self.domain.record, self.domain.element
        hybrid = element.hybrid.presented(record.device_id, record.private_key) if element.hybrid else b""
        optional = {"key_certificate": element.key_certificate, "hybrid_key": hybrid}
        body = {name: base64_of(octets) for name, octets in optional.items() if octets}
        answer = self._ask("PUT", "/v1/enrolment", {**body, "msisdn": record.msisdn})
        self._tell("enrolled", f"known to the gateway, state {answer.get('state')}")
        return self._go_on(answer)

    def rekey(self) -> str:
        """Fetch a key package if one waits and confirm it; the device's state. Raises as `enrol`."""
        try:
            answer = self._ask("GET", "/v1/key-package")
        except ChannelRefused as refusal:
            if refusal.facts.get("reason") != _NO_PACKAGE:
                raise
            return str(self.status()["state"])
        return self._go_on(answer)

    def prove_again(self) -> str:
        """Prove that this element still holds its key: lifts a suspension that waits for it."""
        return self._register(b"", self.domain.record.kid)

    def status(self) -> dict[str, Any]:
        """What the service says of this device."""
        return self._ask("GET", "/v1/status")

    def _go_on(self, answer: dict[str, Any]) -> str:
        """Install what came and confirm what waits."""
        package, kid = octets_of(answer, "key_package"), kid_of(answer)
        if not package:
            self.domain.settle(kid)  # a proof of ours arrived, and its answer did not
            self._keep(self.domain.record)
            return str(answer.get("state"))
        certificate = octets_of(answer, "tsm_certificate")
        if self.domain.install(package, int(self._clock()), certificate):
            self._keep(self.domain.record)
        waiting = self.domain.element.waiting
        epoch = waiting.epoch if waiting else self.domain.element.epoch
        self._tell("keyed", f"signed package of {len(package)} octets opened: key {kid.hex()}, epoch {epoch}")
        self._enrol_user()
        return self._register(octets_of(answer, "challenge"), kid)

    def _enrol_user(self) -> None:
        """The owner's finger, through the tunnel between sensor and element."""
        if self.domain.element.templates:
            return
        self.domain.pair(self._pairing, self._sensor.connect)
        sample = self._sensor.capture(Finger(self.domain.record.device_id))
        self.domain.enrol_template(self._sensor.method, sample, int(self._clock()))
        self._keep(self.domain.record)
        self._tell("user", f"biometric enrolled over its tunnel ({self._sensor.method})")

    def _register(self, challenge: bytes, kid: bytes) -> str:
        for _ in range(_PROOFS):
            if not challenge:
                asked = self._ask("POST", "/v1/challenge", {})
                challenge, kid = octets_of(asked, "challenge"), kid_of(asked)
            proof = self.domain.prove(challenge, kid)
            self._tell("proved", f"challenge answered: proof of {len(proof)} octets, signed by the element")
            try:
                answer = self._ask("POST", "/v1/registration", {"proof": base64_of(proof)})
            except ChannelRefused as refusal:
                if refusal.facts.get("reason") != _STALE:
                    raise
                challenge = b""
                continue
            self.domain.settle(kid_of(answer))
            self._keep(self.domain.record)
            self._tell("registered", f"the gateway took the proof, state {answer.get('state')}")
            return str(answer.get("state"))
        raise KeyLost(what="every challenge was stale", tries=_PROOFS)

    def _ask(self, method: str, path: str, body: dict[str, object] | None = None) -> dict[str, Any]:
        answer = self._channel.ask(method, path, body)
        if not self._told_handshake and self._channel.handshake is not None:
            self._told_handshake = True
            self._tell("handshake", " ".join(self._channel.handshake) + ", both sides certified")
        return answer
