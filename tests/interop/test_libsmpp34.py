"""libsmpp34, a strict decoder in C, unpacks every PDU of the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.peers.libsmpp34 import compile_judge, verdicts
from tests.interop.peers.tap import commands

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.recording import Recording

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

SPOKEN = {
    0x00000009: "bind_transceiver",
    0x00000004: "submit_sm",
    0x80000005: "deliver_sm_resp",
    0x00000015: "enquire_link",
    0x00000006: "unbind",
}


def test_every_pdu_of_the_gateway_is_unpacked(recording: Recording, tmp_path: Path) -> None:
    judge = compile_judge(tmp_path)
    said = verdicts(judge, recording.from_gateway)
    assert said == [f"ok {command:#010x}" for command in commands(recording.from_gateway)]


def test_the_session_held_every_pdu_a_gateway_starts(recording: Recording) -> None:
    assert set(SPOKEN) <= set(commands(recording.from_gateway))
