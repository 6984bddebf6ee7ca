"""The judge of these tests is judged: each kind of wrong log is found, and a sound one is not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.crash.history import Books, Judge, Payment
from tsm_gateway.secret import Secret
from tsm_gateway.virtual.cbor_literal import decode, encode
from tsm_gateway.virtual.cose_literal import as_list
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.identity import new_identity
from tsm_gateway.virtual.packet import Direction, Traffic, read_packet
from tsm_gateway.virtual.part import Part, cut
from tsm_gateway.virtual.party_records import HandsetRecord, ProviderRecord
from tsm_gateway.virtual.smsc_options import SmscEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

ADDRESS, PORT, NOW = "sp:bank", 16500, 1_790_000_000


class World:
    """One handset, one provider, and what an honest gateway would do between them."""

    def __init__(self) -> None:
        identity = new_identity(NOW)
        self.record = HandsetRecord(
            device_id=identity.device_id,
            kid=b"\0\0\0\1",
            key=Secret(bytes(32)),
            next_piv=5,
            port=PORT,
            msisdn="+4917012345",
            certificate=identity.certificate,
            private_key=identity.private_key,
            provider_addresses=(ADDRESS,),
        )
        self.handset = Handset(self.record)
        devices = {identity.device_id: identity.certificate}
        self.provider = ProviderRecord("bank", ADDRESS, b"\0\0\0\2", Secret(bytes(32)), "+4930", devices)
        self.books = Books()

    def pay(self, cti: bytes = bytes(8), answers: Sequence[int] = (0, 0)) -> bytes:
        """A payment whose parts are answered like this; the certificate inside."""
        parts = tuple(self.handset.pay(ADDRESS, "1.00", "EUR", at=NOW, cti=cti))
        self.books.paid[cti] = Payment(cti, self.record.device_id, "1.00", parts)
        for part, status in zip(parts, answers, strict=False):
            self.books.note(SmscEvent("deferred" if status else "delivered", "tsm", part, status))
        up = Traffic(self.record.key, self.record.kid, Direction.DEVICE_TO_TSM, self.record.device_id, PORT)
        _, certificate = as_list(decode(up.open(read_packet(b"".join(part.data for part in parts)))), 2)
        assert isinstance(certificate, bytes)
        return certificate

    def packet(self, certificate: bytes, piv: int = 1, message_id: bytes = bytes(16)) -> list[Part]:
        """What a gateway submits for it."""
        to = self.provider
        down = Traffic(to.key, to.kid, Direction.TSM_TO_PROVIDER, to.name, PORT)
        sealed = down.seal(encode([certificate, NOW, message_id]), piv)
        return [Part("16500", to.msisdn, 4, 0, udh, data) for udh, data in cut(sealed, PORT, piv & 0xFF)]

    def kinds(self, *received: Part) -> list[str]:
        """The kinds of problem found when the provider received these parts."""
        self.books.received += received
        return [problem.partition(":")[0] for problem in Judge(self.books, self.provider).verdict().problems]


def test_a_payment_that_arrived_once_is_no_problem() -> None:
    world = World()
    assert world.kinds(*world.packet(world.pay())) == []


def test_the_same_octets_once_more_are_counted_and_no_problem() -> None:
    world = World()
    parts = world.packet(world.pay())
    assert world.kinds(*parts, parts[0], *parts) == []
    assert Judge(world.books, world.provider).verdict().repeated == 1


def test_an_acknowledged_payment_that_never_arrived_is_lost() -> None:
    world = World()
    world.pay()
    assert world.kinds() == ["lost"]


@pytest.mark.parametrize("answers", [(), (0,), (0, 0x14)])
def test_what_was_not_answered_0_in_all_its_parts_may_be_lost(answers: tuple[int, ...]) -> None:
    world = World()
    world.pay(answers=answers)
    assert world.kinds() == []


def test_half_a_packet_is_a_loss_and_a_gap() -> None:
    world = World()
    assert world.kinds(world.packet(world.pay())[0]) == ["lost", "never whole at its provider"]


def test_one_payment_under_two_message_ids_is_shown_twice_as_new() -> None:
    world = World()
    payment = world.pay()
    again = world.packet(payment, piv=2, message_id=b"again" + bytes(11))
    assert world.kinds(*world.packet(payment), *again) == ["shown twice as new"]


def test_one_packet_number_over_other_octets_is_found() -> None:
    world = World()
    first, second = world.pay(b"1" * 8), world.pay(b"2" * 8)
    assert world.kinds(*world.packet(first), *world.packet(second)) == ["one packet number, different octets"]


def test_another_amount_than_was_paid_is_found() -> None:
    world = World()
    parts = world.packet(world.pay())
    world.books.paid[bytes(8)] = world.books.paid[bytes(8)]._replace(amount="2.00")
    assert world.kinds(*parts) == ["altered"]


def test_a_payment_nobody_made_is_found() -> None:
    world = World()
    parts = world.packet(world.pay())
    world.books.paid.clear()
    assert world.kinds(*parts) == ["never paid"]


def test_a_packet_its_provider_cannot_open_is_found() -> None:
    world = World()
    certificate = world.pay()
    world.provider = replace(world.provider, name="other")
    parts = world.packet(certificate)
    world.provider = replace(world.provider, name="bank")
    assert "unreadable for its provider" in world.kinds(*parts)
