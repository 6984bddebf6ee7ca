"""V19: what was deleted from a table and stands in the file or its log all the same.

What a device sent and what went to its provider are found on disk while they are needed, and nowhere once
they are done with; what they say in clear is never there at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.forge import packet_of, plaintext_of
from tests.relay.test_payments import rigged
from tsm_gateway.messages import Receipt, ReceiptState, Ticket

if TYPE_CHECKING:
    from pathlib import Path

    from tests.relay.rig import Rig

PIECE = 16  # octets: so few in a row are no chance


def traces(folder: Path, octets: bytes) -> int:
    """How many pieces of `octets` any file holds."""
    on_disk = b"\0".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    return sum(octets[at : at + PIECE] in on_disk for at in range(0, len(octets) - PIECE + 1, PIECE))


@rigged()
async def test_a_part_that_waited_is_gone_once_its_message_is_accepted(rig: Rig):
    first, second = rig.pay()
    await rig.offer([first])
    assert traces(rig.folder, first.data)
    await rig.offer([second])
    await rig.opened(1)
    await rig.until(lambda: bool(rig.events("payment.handed_over")))
    await rig.end()
    rig.store.checkpoint()
    assert not traces(rig.folder, first.data)
    assert not traces(rig.folder, second.data)


@rigged()
async def test_a_delivered_packet_is_gone_from_database_and_log(rig: Rig):
    await rig.offer(rig.pay())
    await rig.opened(1)
    await rig.until(lambda: bool(rig.events("payment.handed_over")))
    packet = b"".join(part.user_data[part.user_data[0] + 1 :] for part in rig.bearer.sent)
    assert traces(rig.folder, packet)  # kept for the receipt
    for number in (1, 2):
        ticket = Ticket("air", 1, 900 + number, 5)
        rig.parts.intake.offer([Receipt(ticket, (f"id-{number}",), ReceiptState.DELIVERED, "")])
    await rig.until(lambda: bool(rig.events("payment.delivered")))
    await rig.end()
    rig.store.checkpoint()
    assert not traces(rig.folder, packet)


@rigged()
async def test_what_a_payment_says_is_on_disk_at_no_moment(rig: Rig):
    first, second = rig.pay("1234567.89")
    plain = plaintext_of(rig.handsets[0], [first, second])
    for step in ([first], [second]):
        await rig.offer(step)
        assert not traces(rig.folder, plain)
    await rig.opened(1)
    await rig.until(lambda: bool(rig.events("payment.handed_over")))
    assert not traces(rig.folder, plain)
    assert not traces(rig.folder, rig.handsets[0].record.key.reveal())
    assert not traces(rig.folder, rig.provider_record.key.reveal())
    assert packet_of([first, second])
