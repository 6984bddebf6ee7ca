"""A thousand payments as an integrator would try them: commands only, through npm's SMSC, in bad weather."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.interop.gateway import Bind
from tests.interop.peers.node_smsc import NodeSmsc
from tests.interop.peers.smsc import wait_for
from tsm_gateway.virtual.part import parts_from_line

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.gateway import Gateway, Make
    from tsm_gateway.virtual.part import Part

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

HANDSETS, EACH = 20, 50
ADDRESS, MSISDN = "+4930123456789", "+4915300000200"
DOUBLED = 0.05


def test_a_thousand_reordered_and_partly_doubled_payments_are_opened_once_each(
    gateway: Make, started: Make, tmp_path: Path
) -> None:
    smsc = started(NodeSmsc())
    running = gateway(Bind("node", smsc.port))
    crowd = tmp_path / "crowd"
    running.put_parties_into_store(crowd, ADDRESS, MSISDN, count=HANDSETS)
    parts = payments(running, crowd)
    assert len(parts) == 2 * HANDSETS * EACH
    chance = random.Random(1)
    parts += [part for part in parts if chance.random() < DOUBLED]
    chance.shuffle(parts)
    smsc.wait_bound()
    for part in parts:
        smsc.deliver(part)
    wait_for(lambda: len(smsc.taken) >= 2 * HANDSETS * EACH, "every part at the provider", 120)
    wait_for(lambda: len(smsc.answers) >= len(parts), "an answer to every part", 30)
    assert {status for _, status in smsc.answers} == {0}
    opened = open_all(crowd / "provider.json", [each.part for each in smsc.taken])
    assert len(opened) == HANDSETS * EACH
    assert len({line["message_id"] for line in opened}) == HANDSETS * EACH
    assert len({line["cti"] for line in opened}) == HANDSETS * EACH
    assert {line["amount"] for line in opened} == {"12.99"}


def payments(running: Gateway, crowd: Path) -> list[Part]:
    """The parts of EACH payments of every handset, made by `virtual pay`."""
    made: list[Part] = []
    for path in sorted(crowd.glob("handset-*.json")):
        words = ("--to", ADDRESS, "--amount", "12.99", "--currency", "EUR", "--json", "--count", str(EACH))
        lines = running.command("virtual", "pay", "--handset", str(path), *words).splitlines()
        made += [part for line in lines for part in parts_from_line(line)]
    return made


def open_all(provider: Path, parts: list[Part]) -> list[dict[str, str]]:
    """What `virtual open` makes of the parts; fails the test when it found one bad."""
    lines = "".join(json.dumps({"udh": part.udh.hex(), "data": part.data.hex()}) + "\n" for part in parts)
    done = subprocess.run(
        [sys.executable, "-m", "tsm_gateway", "virtual", "open", "--provider", str(provider)],
        input=lines.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]
