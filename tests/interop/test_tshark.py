"""Wireshark's dissector has nothing to say about what the gateway puts on the line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.peers.tap import commands

if TYPE_CHECKING:
    from tests.interop.peers.tshark import Capture
    from tests.interop.recording import Recording

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

SUBMIT_SM, DELIVER_SM_RESP = 0x00000004, 0x80000005


@pytest.fixture
def capture(recording: Recording) -> Capture:
    if recording.capture is None:
        pytest.skip("tshark is not installed (Debian: tshark)")
    return recording.capture


def test_nothing_on_the_line_is_malformed_or_remarkable(capture: Capture) -> None:
    assert capture.complaints() == []


def test_every_pdu_was_seen_by_the_dissector(capture: Capture, recording: Recording) -> None:
    seen = [int(value, 0) for (row,) in capture.rows("smpp.command_id") for value in row.split(",")]
    spoken = commands([*recording.from_gateway, *recording.from_smsc])
    assert sorted(seen) == sorted(spoken)


def test_the_submitted_fields_are_the_ones_meant(capture: Capture) -> None:
    rows = capture.rows(
        "smpp.esm.submit.features",
        "smpp.data_coding",
        "smpp.protocol_id",
        "smpp.dest_addr_ton",
        "smpp.dest_addr_npi",
        "smpp.destination_addr",
        "smpp.regdel.receipt",
        only=f"smpp.command_id == {SUBMIT_SM:#x}",
    )
    fields = {tuple(value.split(",")[0] for value in row) for row in rows}
    assert len(fields) == 1
    features, coding, protocol, ton, npi, destination, receipt = fields.pop()
    assert (destination, int(ton, 0), int(npi, 0)) == ("4915300000003", 1, 1)
    assert (int(features, 0), int(coding, 0), int(protocol, 0)) == (1, 4, 0)
    assert int(receipt, 0) == 1


def test_the_dissector_reads_ports_and_parts_out_of_our_header(
    capture: Capture, recording: Recording
) -> None:
    rows = capture.rows(
        "gsm_sms.destination_port", "gsm_sms.udh.mm.msg_parts", only=f"smpp.command_id == {SUBMIT_SM:#x}"
    )
    ports = [port for row in rows for port in row[0].split(",")]
    totals = [int(total, 0) for row in rows for total in row[1].split(",")]
    assert ports == ["16500"] * len(recording.taken)
    assert totals == [2] * len(recording.taken)
