from __future__ import annotations

import pytest

from tsm_gateway.radio.smpp.submission import relative_time


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, ""),
        (1, "000000000001000R"),
        (604_800, "000007000000000R"),
        (90_061, "000001010101000R"),
        (35 * 86_400, "000105000000000R"),
        (10**9, "009900000000000R"),
    ],
)
def test_a_validity_is_said_in_the_relative_form(seconds: int, text: str) -> None:
    assert relative_time(seconds) == text
