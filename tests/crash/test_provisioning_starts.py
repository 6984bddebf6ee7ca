"""A process that starts beside one at work waits for it, rather than giving up."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.faults.premises import POLL_S, Premises, Unexpected

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.zygote import Zygote


@pytest.mark.parametrize("verb", ["run", "provisioning"])
def test_a_start_waits_for_another_process_that_writes(tmp_path: Path, zygote: Zygote, verb: str) -> None:
    with Premises(tmp_path, zygote) as premises:
        with closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            life = premises.start(verb)
            life.until(lambda: life.events("store.opened"), "the store open")
            if verb == "run":
                with pytest.raises(Unexpected, match="not within"):
                    life.until(lambda: life.events("daemon.ready"), "ready", 100 * POLL_S)
            assert not life.gone, life.tail()
        life.ready()
        assert life.stop() == 0


def test_both_start_at_once_after_both_were_killed(tmp_path: Path, zygote: Zygote) -> None:
    with Premises(tmp_path, zygote) as premises:
        phones = [premises.phone() for _ in range(3)]
        for phone in phones:
            lives = [premises.start(verb) for verb in ("run", "provisioning")]
            for life in lives:
                life.ready()
            phone.enrol()
            for life in lives:
                life.kill()
        assert premises.problems(phones) == []
