"""PDUs that others published, read and written."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tsm_gateway.radio.sms.modem_pdu import modem_pdu, read_modem_pdu
from tsm_gateway.radio.sms.timestamp import Timestamp
from tsm_gateway.radio.sms.tpdu_deliver import deliver_octets, read_deliver
from tsm_gateway.radio.sms.tpdu_kind import Kind, tpdu_kind
from tsm_gateway.radio.sms.tpdu_status_report import read_status_report, status_report_octets
from tsm_gateway.radio.sms.tpdu_submit import read_submit, submit_octets

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "tpdu" / "pdus.json").read_text()
)
KINDS = {"deliver": Kind.DELIVER, "submit": Kind.SUBMIT, "status-report": Kind.STATUS_REPORT}


def of_kind(kind: str) -> list[Any]:
    return [
        pytest.param(each, id=f"{each['from']}-{at}")
        for at, each in enumerate(VECTORS)
        if each["kind"] == kind
    ]


def moment(text: str) -> Timestamp:
    when = datetime.fromisoformat(text)
    offset = when.utcoffset()
    assert offset is not None
    return Timestamp(int(when.timestamp()), int(offset.total_seconds()) // 900)


def tpdu_of(vector: dict[str, Any]) -> bytes:
    received = read_modem_pdu(vector["pdu"], vector["length"])
    assert received.service_centre == vector["service_centre"]
    assert tpdu_kind(received.tpdu) is KINDS[vector["kind"]]
    return received.tpdu


def check_content(read: Any, vector: dict[str, Any]) -> None:
    names = ("protocol_id", "data_coding", "characters", "has_header")
    assert {name: getattr(read, name) for name in names} == {name: vector[name] for name in names}
    assert read.user_data.hex().upper() == vector["user_data"]


@pytest.mark.parametrize("vector", of_kind("deliver"))
def test_a_published_message_is_read(vector: dict[str, Any]) -> None:
    read = read_deliver(tpdu_of(vector))
    check_content(read, vector)
    assert read.source == vector["address"]
    assert read.sent == moment(vector["time"])
    assert not read.report_returned
    assert not read.reply_path
    assert read_deliver(deliver_octets(read)) == read


@pytest.mark.parametrize("vector", of_kind("submit"))
def test_a_published_submission_is_read_and_written(vector: dict[str, Any]) -> None:
    tpdu = tpdu_of(vector)
    read = read_submit(tpdu)
    check_content(read, vector)
    assert read.destination == vector["address"]
    assert read.report_wanted is vector.get("report_wanted", False)
    assert read.validity.seconds == vector.get("seconds")
    assert read.validity.until == (moment(vector["until"]) if "until" in vector else None)
    assert submit_octets(read) == tpdu


@pytest.mark.parametrize("vector", of_kind("status-report"))
def test_a_published_status_report_is_read_and_written(vector: dict[str, Any]) -> None:
    tpdu = tpdu_of(vector)
    read = read_status_report(tpdu)
    assert (read.reference, read.destination, read.status) == (
        vector["reference"],
        vector["address"],
        vector["status"],
    )
    assert (read.sent, read.discharged) == (moment(vector["time"]), moment(vector["discharged"]))
    assert not read.of_command
    assert status_report_octets(read) == tpdu


@pytest.mark.parametrize("vector", [*of_kind("deliver"), *of_kind("submit"), *of_kind("status-report")])
def test_a_published_line_is_written(vector: dict[str, Any]) -> None:
    line = modem_pdu(tpdu_of(vector), vector["service_centre"])
    written = vector["pdu"].removeprefix("0181")  # gammu writes a type without digits for no address
    assert line.text == (written if written == vector["pdu"] else "00" + written)
    assert line.length == vector["length"]
