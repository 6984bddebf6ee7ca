"""One whole session on the line, recorded once and shown to several judges."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from tests.interop.gateway import Bind, Gateway
from tests.interop.peers.node_smsc import NodeSmsc
from tests.interop.peers.smsc import deliver_all, take, wait_for
from tests.interop.peers.tap import ENQUIRE_LINK, UNBIND_RESP, Tap, commands
from tests.interop.peers.tshark import Capture
from tsm_gateway.virtual.part import Part

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.peers.smsc import Taken

TEXT = Part("+4915100000009", "16500", 0, 0, b"", b"hello")  # a person's text: answered, and refused
PAYMENTS = 3


class Recording(NamedTuple):
    """What went over the line, in whole PDUs, and what came of it."""

    from_gateway: list[bytes]
    from_smsc: list[bytes]
    taken: list[Taken]
    paid: list[list[Part]]  # what the handset sent, payment by payment
    statuses: list[int]  # the answer to each part and to the text
    capture: Capture | None  # None where tshark is not installed
    gateway: Gateway  # stopped; its virtual provider can read what was taken


def record(folder: Path) -> Recording:
    """Bind, three payments, a text, receipts, enquire_link, unbind; over a tap, under a capture."""
    with ExitStack() as stack:
        smsc = NodeSmsc("--receipts", "--ids", "hex-dec")
        stack.callback(smsc.stop)
        tap = Tap(smsc.port)
        stack.callback(tap.stop)
        capture = Capture.start(tap.port, folder / "line.pcapng")
        if capture:
            stack.callback(capture.stop)
        gateway = Gateway(folder, [Bind("node", tap.port, more="enquire_s = 1.0")], receipt=True)
        stack.callback(gateway.stop)
        gateway.start()
        smsc.wait_bound()
        paid = [gateway.pay(f"{number}.50") for number in range(1, PAYMENTS + 1)]
        statuses = deliver_all(smsc, [*(part for parts in paid for part in parts), TEXT])
        taken = take(smsc, 2 * PAYMENTS)
        gateway.wait_figure(PAYMENTS, "tsm_payments_delivered_total")
        wait_for(lambda: ENQUIRE_LINK in commands(tap.from_gateway), "an enquire_link")
        gateway.stop()
        wait_for(lambda: UNBIND_RESP in commands(tap.from_smsc), "the answer to our unbind")
        if capture:
            capture.wait_closed()
        return Recording(tap.from_gateway, tap.from_smsc, taken, paid, statuses, capture, gateway)
