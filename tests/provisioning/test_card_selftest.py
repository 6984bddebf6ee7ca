"""The secure channel's known answers hold here, and fail when an input, an answer or a check errs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tsm_gateway.envelope.errors import SelfTestFailed
from tsm_gateway.provisioning import card_selftest, selftest

if TYPE_CHECKING:
    from tsm_gateway.provisioning.apdu import Response

CONSTANTS = {
    "_ENC": "scp03",
    "_MAC": "scp03",
    "_SD_AID": "scp03",
    "_HOST_CHALLENGE": "scp03",
    "_GREETING": "scp03",
    "_EXTERNAL_AUTHENTICATE": "scp03",
    "_COMMAND": "scp03",
    "_WRAPPED": "scp03",
    "_ANSWER": "scp03",
    "_ANSWER_DATA": "scp03",
    "_ENC_CHECK": "aes-check-value",
}


def test_this_machine_passes() -> None:
    assert all(holds() for holds in card_selftest.TESTS.values())


@pytest.mark.parametrize(("constant", "primitive"), CONSTANTS.items())
def test_every_input_and_answer_counts(
    constant: str, primitive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = vars(card_selftest)[constant]
    monkeypatch.setattr(card_selftest, constant, octets[:-1] + bytes([octets[-1] ^ 2]))
    with pytest.raises(SelfTestFailed) as caught:
        selftest.run(hybrid=False)
    assert caught.value.facts == {"primitive": primitive}


def test_a_channel_that_takes_any_answer_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    session_type = type(card_selftest._opened()[0])

    def lenient(self: object, response: Response, sent: object) -> bytes:
        return response.data[:-8]

    monkeypatch.setattr(session_type, "_authentic", lenient)
    assert not card_selftest._refuses()
    assert not card_selftest._scp03()
