"""The demo's story: every hop of every payment, told as it happens, and the books at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from tsm_gateway.virtual.amount import write_amount

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsm_gateway.virtual.handset import Handset
    from tsm_gateway.virtual.part import Part
    from tsm_gateway.virtual.provider import OpenedPayment

EVERY_HOP = 25  # payments up to which each hop has its line; above it a payment has one line


@dataclass(slots=True)
class Tale:
    """One payment so far."""

    number: int  # 1, 2, …
    device: str
    approved_at: float  # monotonic seconds
    amount: str
    opened: int = 0  # times its provider took it for new


class Approval(NamedTuple):
    """What a user is to approve on a handset."""

    handset: Handset
    piv: int
    cti: bytes  # 8 octets
    amount: str  # "12.99 EUR"


class Story:
    """Follows payments from a handset to the receipt."""

    def __init__(self, payments: int, say: Callable[[str], None]) -> None:
        """Tell about `payments` payments through `say`."""
        self._say, self.each_hop = say, payments <= EVERY_HOP
        self._by_packet: dict[tuple[str, int], Tale] = {}  # (kid in hex, PIV)
        self._by_message: dict[str, Tale] = {}  # message id in hex
        self._by_cti: dict[bytes, Tale] = {}
        self.tales: list[Tale] = []
        self.duplicates = self.refused = self.receipts = 0
        self.enrolled = 0  # handsets registered through channel 1
        self.installed = 0  # applications on their cards through channel 2
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the first payment."""
        return time.monotonic() - self._began

    @property
    def delivered(self) -> int:
        """Payments their provider opened, verified and took for new exactly once."""
        return sum(tale.opened == 1 for tale in self.tales)

    def begins(self, approval: Approval) -> None:
        """A user is about to approve a payment."""
        if not self.tales:
            self._began = time.monotonic()
        device = approval.handset.record
        tale = Tale(len(self.tales) + 1, device.device_id, time.monotonic(), approval.amount)
        self.tales.append(tale)
        self._by_packet[device.kid.hex(), approval.piv] = self._by_cti[approval.cti] = tale

    def stepped(self, who: str, what: str) -> None:
        """Something inside the handset did its part of the payment that began last."""
        self._hop(self.tales[-1], who, what)

    def sent(self, parts: list[Part]) -> None:
        """The payment that began last goes on the air."""
        self._hop(self.tales[-1], "radio", f"{len(parts)} encrypted short messages to {parts[0].destination}")

    def logged(self, line: Mapping[str, Any]) -> None:
        """The gateway logged something."""
        event = line["event"]
        if event == "payment.refused":
            self.refused += 1
            self._say(click.style(f"     gateway   refused: {line['reason']}", fg="red"))
        elif event == "payment.accepted":
            tale = self._by_packet.get((line["kid"], line["piv"]))
            if tale is not None:
                self._by_message[line["message_id"]] = tale
                self._hop(tale, "gateway", "opened, checked, sealed anew, on the disk; then answered")
        elif event == "payment.handed_over":
            self._told(line, "gateway", f"{line['parts']} parts taken by the provider's side")
        elif event == "payment.delivered":
            self.receipts += 1
            self._told(line, "receipt", "delivered")

    def pause(self) -> None:
        """Set a payment off from the next one."""
        self._say("")

    def opened(self, payment: OpenedPayment) -> None:
        """The provider opened a payment."""
        if payment.duplicate:
            self.duplicates += 1
            return
        tale = self._by_cti[payment.payment.cti]
        tale.opened += 1
        amount = " ".join(write_amount(payment.payment.amount, payment.payment.currency))
        self._hop(tale, "provider", f"opened, signature of {tale.device} verified: {amount}", fg="green")
        if not self.each_hop:
            took_ms = (time.monotonic() - tale.approved_at) * 1000
            self._say(f"#{tale.number:<5} {tale.device}  {amount:>12}  verified after {took_ms:6.1f} ms")

    def _told(self, line: Mapping[str, Any], who: str, what: str) -> None:
        tale = self._by_message.get(line["message_id"])
        if tale is not None:
            self._hop(tale, who, what)

    def _hop(self, tale: Tale, who: str, what: str, fg: str | None = None) -> None:
        if self.each_hop:
            took_ms = (time.monotonic() - tale.approved_at) * 1000
            self._say(click.style(f"#{tale.number:<3} {took_ms:7.1f} ms  {who:<9} {what}", fg=fg))
