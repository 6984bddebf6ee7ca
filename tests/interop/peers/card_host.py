"""The host of smart cards that is `yubikit`, in its own process and environment; asked line by line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.peers.pcsc import READERS
from tests.interop.peers.program import Program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.interop.peers.pcsc import PcscService

ROOT = Path(__file__).parents[3]
PEER = Path(__file__).with_name("yubikit_host.py")
ANSWER_S = 20.0


class YubikitHost:
    """A host of the card in the first slot."""

    def __init__(self, service: PcscService) -> None:
        """Start it; skips the test where its environment is not made, which the build machine has."""
        python = ROOT / os.environ.get("TSM_CARD_PYTHON", ".venv-card/bin/python")
        if not python.exists():
            missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            missing("no environment with yubikey-manager (scripts/_env interop-card, or TSM_CARD_PYTHON)")
        # -P: what lies beside the peer is ours, and none of its modules
        self._program = Program([str(python), "-P", str(PEER)], env=service.env, cwd=PEER.parent)
        self._asked = 0

    def ask(self, verb: str, **job: Any) -> dict[str, Any]:
        """Its answer: what the verb gives, or `refused` with the name of its error and the status word."""
        self._asked += 1
        self._program.write(json.dumps({"verb": verb, "number": self._asked, **job}))
        number = f'"number": {self._asked}}}'
        line = self._program.wait_line(lambda line: line.endswith(number), f"an answer to {verb}", ANSWER_S)
        answered: dict[str, Any] = json.loads(line)
        return answered

    def connect(self) -> bytes:
        """Select the issuer security domain of the card in the reader, without a session; its ATR."""
        return self._octets(self.ask("connect", reader=READERS[0]))

    def authenticate(self, kvn: int, keys: Sequence[bytes]) -> dict[str, Any]:
        """Open a session under `keys` (ENC, MAC, DEK), at security level 33."""
        return self.ask("authenticate", kvn=kvn, keys=[key.hex() for key in keys])

    def put_keys(self, kvn: int, keys: Sequence[bytes], *, instead_of: int) -> dict[str, Any]:
        """Give the card new static keys in an open session."""
        return self.ask("put_keys", kvn=kvn, keys=[key.hex() for key in keys], instead_of=instead_of)

    def send(self, command: bytes) -> tuple[bytes, int]:
        """(data, status word) of one command: CLA INS P1 P2 and the data field."""
        answered = self.ask("send", command=command.hex())
        if answered.get("refused") == "ApduError":
            return bytes.fromhex(answered["octets"]), int(answered["sw"], 16)
        return self._octets(answered), 0x9000

    def stop(self) -> None:
        self.ask("disconnect")
        self._program.stop()

    @staticmethod
    def _octets(answered: dict[str, Any]) -> bytes:
        assert "refused" not in answered, answered
        return bytes.fromhex(answered["octets"])
