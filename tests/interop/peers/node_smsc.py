"""The SMSC on npm's `smpp`: `npm/smsc.js` as a child process, driven by JSON lines."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.interop.peers.program import Program, require
from tests.interop.peers.smsc import Taken
from tsm_gateway.virtual.part import Part

HERE = Path(__file__).parents[1] / "npm"


class NodeSmsc:
    """`options` are those of smsc.js: "--ids", "hex-dec", "--receipts", …"""

    def __init__(self, *options: str) -> None:
        node = require("node", "nodejs")
        if not (HERE / "node_modules" / "smpp").is_dir():
            pytest.skip("npm's smpp is not installed (scripts/test installs it)")
        self.taken: list[Taken] = []
        self.answers: list[tuple[int, int]] = []
        self.faults: list[str] = []
        self._program = Program([node, str(HERE / "smsc.js"), *options])
        self._read_to = 0
        self._orders = 0
        line = self._program.wait_line(lambda text: '"listening"' in text, "the listening port")
        self.port = int(json.loads(line)["port"])
        self._over = threading.Event()
        self._follower = threading.Thread(target=self._follow, name="events of smsc.js", daemon=True)
        self._follower.start()

    def wait_bound(self, within_s: float = 15.0) -> None:
        self._program.wait_line(
            lambda text: '"bound"' in text and '"transmitter"' not in text, "a bind", within_s
        )

    def deliver(self, part: Part) -> int:
        self._orders += 1
        self._program.write(json.dumps({"id": self._orders, **part.as_json()}))
        return self._orders

    def stop(self) -> None:
        self._over.set()
        self._follower.join(5)
        self._program.stop()

    def _follow(self) -> None:
        while not self._over.wait(0.01):
            fresh = self._program.lines[self._read_to :]
            self._read_to += len(fresh)
            for line in fresh:
                self._note(json.loads(line))

    def _note(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "answered" if event["id"] is not None:
                self.answers.append((event["id"], event["status"]))
            case "submitted":
                part = Part(
                    event["source"],
                    event["destination"],
                    event["dcs"],
                    event["pid"],
                    bytes.fromhex(event["udh"]),
                    bytes.fromhex(event["data"]),
                )
                self.taken.append(Taken(part, event["registered"], event["message_id"]))
            case "fault":
                self.faults.append(event["fault"])
