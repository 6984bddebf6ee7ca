"""smpp.pdu3, a strict decoder in Python, reads out of our PDUs what we meant to say."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from smpp.pdu.operations import DeliverSMResp, SubmitSM
from smpp.pdu.pdu_encoding import PDUEncoder

if TYPE_CHECKING:
    from tests.interop.recording import Recording

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]


@pytest.fixture
def pdus(recording: Recording) -> list[Any]:
    return [PDUEncoder().decode(BytesIO(frame)) for frame in recording.from_gateway]


def test_every_pdu_of_the_gateway_is_decoded(pdus: list[Any], recording: Recording) -> None:
    assert len(pdus) == len(recording.from_gateway)
    assert {pdu.status.name for pdu in pdus} == {"ESME_ROK"}


def test_the_submitted_octets_are_the_ones_the_smsc_took(pdus: list[Any], recording: Recording) -> None:
    submitted = [pdu.params for pdu in pdus if isinstance(pdu, SubmitSM)]
    assert [params["short_message"] for params in submitted] == [
        each.part.udh + each.part.data for each in recording.taken
    ]
    for params in submitted:
        assert [feature.name for feature in params["esm_class"].gsmFeatures] == ["UDHI_INDICATOR_SET"]
        assert params["dest_addr_ton"].name == "INTERNATIONAL"
        assert params["destination_addr"] == b"4915300000003"
        assert params["source_addr"] == b"16500"


def test_the_sequence_numbers_answer_the_ones_that_asked(pdus: list[Any], recording: Recording) -> None:
    asked = [PDUEncoder().decode(BytesIO(frame)) for frame in recording.from_smsc]
    delivered = [pdu.seqNum for pdu in asked if type(pdu).__name__ == "DeliverSM"]
    answered = [pdu.seqNum for pdu in pdus if isinstance(pdu, DeliverSMResp)]
    assert sorted(answered) == sorted(delivered)


def test_the_payments_arrived_as_they_were_made(recording: Recording) -> None:
    assert recording.statuses == [0] * (2 * len(recording.paid) + 1)
    opened = recording.gateway.opened(recording.taken)
    assert sorted(payment.payment.amount for payment in opened) == [150, 250, 350]
    assert not any(payment.duplicate for payment in opened)
