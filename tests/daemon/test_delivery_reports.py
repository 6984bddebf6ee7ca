"""What channel 2 says of what it refuses: an error is what the gateway itself has to answer for."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from tsm_gateway.daemon.delivery_metrics import DeliveryMetrics
from tsm_gateway.daemon.delivery_reports import DeliveryReports
from tsm_gateway.daemon.logs import configure
from tsm_gateway.daemon.provisioning_metrics import ProvisioningMetrics
from tsm_gateway.keys.errors import KeyUnwrapFailed
from tsm_gateway.provisioning.card_errors import CardNotAuthentic

if TYPE_CHECKING:
    from tsm_gateway.errors import TsmError


@pytest.mark.parametrize(
    ("error", "level"),
    [(KeyUnwrapFailed(), "error"), (CardNotAuthentic(), "warning")],
    ids=["ours", "theirs"],
)
def test_a_refusal_is_an_error_where_the_gateway_is_at_fault(error: TsmError, level: str) -> None:
    stream = io.BytesIO()
    reports = DeliveryReports(configure("json", "debug", stream), DeliveryMetrics(ProvisioningMetrics()))
    reports.refused("a:0000000000000001", None, error)
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert (line["event"], line["error"], line["level"]) == ("delivery.refused", error.code, level)
