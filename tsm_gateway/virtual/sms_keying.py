"""Keys over the air: a package in several short messages, and the confirmation that goes back.

The bearer of a handset without a data connection (design §5.4): the same signed package that channel 1 hands
out. Parts come in any order and twice; what is no package for this element is passed over, because any phone
number may send to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.virtual.errors import FormatMalformed, PackageRefused
from tsm_gateway.virtual.inbox import Inbox
from tsm_gateway.virtual.part import EIGHT_BIT, Part, cut, read_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.virtual.party_records import HandsetRecord
    from tsm_gateway.virtual.security_domain import SecurityDomain


class SmsKeying:
    """A handset's agent where short messages are all there is."""

    def __init__(
        self, domain: SecurityDomain, *, gateway: str, keep: Callable[[HandsetRecord], None]
    ) -> None:
        """`gateway`: the number confirmations go to; `keep` writes the record down."""
        self.domain, self._gateway, self._keep = domain, gateway, keep
        self._inbox = Inbox()
        self.refusals: list[PackageRefused | FormatMalformed] = []  # of what was joined and was no package

    def receive(self, part: Part, at: int) -> list[Part]:
        """Take one short message at `at`, Unix seconds; the confirmation to send when it completes a package.

        A package that comes again is confirmed again: the first confirmation may be lost. Raises
        NothingEnrolled.
        """
        try:
            header = read_header(part.udh)
        except FormatMalformed:
            return []
        if header.port != self.domain.record.port:
            return []
        if header.total == 1:
            return self._take(part.data, at) or []
        for bodies in self._inbox.offer(header, part.data):
            sent = self._take(b"".join(bodies), at)
            if sent is not None:
                self._inbox.settle(header, bodies)
                return sent
        return []

    def _take(self, octets: bytes, at: int) -> list[Part] | None:
        """The confirmation of the package `octets`; None when they are none for this element."""
        try:
            self.domain.install(octets, at)
        except (PackageRefused, FormatMalformed) as refusal:
            self.refusals.append(refusal)
            return None
        return self._confirm()

    def _confirm(self) -> list[Part]:
        packet = self.domain.confirm_by_sms()
        record = self.domain.record
        self._keep(record)
        return [
            Part(record.msisdn, self._gateway, EIGHT_BIT, 0, udh, body)
            for udh, body in cut(packet, record.port, record.next_piv % 0x100)
        ]
