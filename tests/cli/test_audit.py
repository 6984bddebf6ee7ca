"""`audit list`, `verify` and `export`: whatever is done to the log behind our back is found."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.life import NOW, store_of
from tsm_gateway.cli import audit, audit_export, audit_verify
from tsm_gateway.cli.audit_verify import look
from tsm_gateway.registry.audit import DONE, REFUSED, START, AuditEntry, chain_hash
from tsm_gateway.store.audit_triggers import TRIGGERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Site

ENTRIES = 30
COLUMNS = {
    "at": NOW + 1,
    "actor": "operator mallory (uid 0)",
    "action": "device.resume",
    "subject": "d:0000000000000001",
    "outcome": REFUSED,
    "reason": "",
    "facts": '[["kid","00000000"]]',
    "hash": b"\0" * 32,
}


def note(site: Site, count: int, actor: str = "operator alice (uid 1000)") -> None:
    with store_of(site) as store:
        for number in range(count):
            facts = (("number", str(number)),)
            entry = AuditEntry(NOW, actor, "device.suspend", f"d:{number:016x}", DONE, "unpaid", facts)
            store.provisioning.note(entry)
            store.flush()


@pytest.fixture
def log(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site with a log of several slices."""
    for module in (audit, audit_export, audit_verify):
        monkeypatch.setattr(module, "SLICE", 7)
    note(site, ENTRIES)
    return site


@contextmanager
def behind_our_back(site: Site) -> Iterator[sqlite3.Connection]:
    """The database as somebody has it who may change its schema."""
    with closing(sqlite3.connect(site.folder / "gateway.db")) as connection:
        for name in TRIGGERS:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for sql in TRIGGERS.values():
            connection.execute(sql)
        connection.commit()


def rechain(connection: sqlite3.Connection, first: int) -> None:
    """Write every hash anew from `first` on, and the head."""
    (previous,) = connection.execute(
        "SELECT hash FROM audit WHERE sequence = ?", (first - 1,)
    ).fetchone() or (START,)
    rows = connection.execute(
        "SELECT * FROM audit WHERE sequence >= ? ORDER BY sequence", (first,)
    ).fetchall()
    for sequence, *fields, facts, _ in rows:
        entry = AuditEntry._make([*fields, tuple(map(tuple, json.loads(facts)))])
        previous = chain_hash(sequence, previous, entry)
        connection.execute("UPDATE audit SET hash = ? WHERE sequence = ?", (previous, sequence))
    connection.execute(
        "UPDATE audit_head SET sequence = (SELECT max(sequence) FROM audit), hash = ?", (previous,)
    )


def verdict(site: Site, *against: object) -> tuple[int, dict[str, Any]]:
    options = ("--against", *against) if against else ()
    result = site("audit", "verify", *options, "-o", "json")
    return result.code, result.json


def kept(site: Site) -> Path:
    """An export, kept elsewhere."""
    path = site.folder / "kept.jsonl"
    path.write_text(site.done("audit", "export").out, "utf-8")
    return path


def test_a_sound_log_is_sound(log: Site) -> None:
    code, found = verdict(log)
    assert (code, found["sound"], found["entries"]) == (0, True, ENTRIES)
    assert found["head"].startswith(f"{ENTRIES}:")
    assert "sound" in log.done("audit", "verify").out


def test_an_empty_log_is_sound(site: Site) -> None:
    note(site, 0)
    code, found = verdict(site)
    assert (code, found["entries"]) == (0, 0)
    assert json.loads(site.done("audit", "export").out)["head"] == 0
    assert verdict(site, kept(site))[0] == 0


def test_without_a_store_there_is_no_log(site: Site) -> None:
    assert site("audit", "verify").code == 4
    assert not (site.folder / "gateway.db").exists()


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("sequence", [1, 7, 8, ENTRIES])
def test_an_altered_entry_is_found_and_named(log: Site, column: str, sequence: int) -> None:
    with behind_our_back(log) as connection:
        sql = f"UPDATE audit SET {column} = ? WHERE sequence = ?"  # noqa: S608 - a name of ours
        connection.execute(sql, (COLUMNS[column], sequence))
    code, found = verdict(log)
    assert (code, found["first_broken"]) == (1, sequence)


@pytest.mark.parametrize("value", [None, "text", 5, b"short"], ids=repr)
@pytest.mark.parametrize("column", ["at", "actor", "facts", "hash"])
def test_an_entry_of_the_wrong_kind_stops_nobody(log: Site, column: str, value: object) -> None:
    with behind_our_back(log) as connection:
        try:
            sql = f"UPDATE audit SET {column} = ? WHERE sequence = 9"  # noqa: S608 - a name of ours
            connection.execute(sql, (value,))
        except sqlite3.IntegrityError:
            return
    assert verdict(log)[1]["first_broken"] == 9
    log.done("audit", "list", "-o", "json")
    log.done("audit", "export")


@pytest.mark.parametrize("sequence", [1, 7, 8, ENTRIES - 1])
def test_a_removed_entry_is_found_and_named(log: Site, sequence: int) -> None:
    with behind_our_back(log) as connection:
        connection.execute("DELETE FROM audit WHERE sequence = ?", (sequence,))
    code, found = verdict(log)
    assert (code, found["first_broken"], "missing" in found["why"]) == (1, sequence, True)


@pytest.mark.parametrize(("one", "other"), [(1, 2), (7, 8), (3, 29)])
def test_entries_in_another_order_are_found(log: Site, one: int, other: int) -> None:
    with behind_our_back(log) as connection:
        for was, now in ((one, 1000), (other, one), (1000, other)):
            connection.execute("UPDATE audit SET sequence = ? WHERE sequence = ?", (now, was))
    code, found = verdict(log)
    assert (code, found["first_broken"]) == (1, one)


@pytest.mark.parametrize("left", [0, 7, ENTRIES - 1])
def test_an_end_that_was_cut_off_is_found_by_the_head(log: Site, left: int) -> None:
    with behind_our_back(log) as connection:
        connection.execute("DELETE FROM audit WHERE sequence > ?", (left,))
    code, found = verdict(log)
    assert (code, found["first_broken"], "cut off" in found["why"]) == (1, left + 1, True)


@pytest.mark.parametrize("left", [6, 7, ENTRIES - 1])
def test_an_end_cut_off_with_its_head_is_found_by_what_was_kept(log: Site, left: int) -> None:
    path = kept(log)
    head = verdict(log)[1]["head"]
    with behind_our_back(log) as connection:
        connection.execute("DELETE FROM audit WHERE sequence > ?", (left,))
        rechain(connection, left)
    assert verdict(log)[0] == 0  # alone it cannot be told
    for against in (path, head):
        code, found = verdict(log, against)
        assert (code, found["first_broken"]) == (1, left + 1)
        assert f"there were {ENTRIES}" in found["why"]


def test_a_log_written_anew_is_found_by_what_was_kept(log: Site) -> None:
    path, head = kept(log), verdict(log)[1]["head"]
    with behind_our_back(log) as connection:
        connection.execute("UPDATE audit SET reason = 'paid' WHERE sequence = 12")
        rechain(connection, 12)
    assert verdict(log)[0] == 0
    assert (verdict(log, path)[0], verdict(log, path)[1]["first_broken"]) == (1, 12)
    assert (verdict(log, head)[0], verdict(log, head)[1]["first_broken"]) == (1, ENTRIES)


def test_a_head_of_other_hash_is_found(log: Site) -> None:
    with behind_our_back(log) as connection:
        connection.execute("UPDATE audit_head SET hash = ?", (b"\1" * 32,))
    assert verdict(log)[1]["first_broken"] == ENTRIES


def test_any_of_many_changes_is_found(site: Site) -> None:
    note(site, 200)
    chance = random.Random(22)
    with store_of(site) as store:
        for _ in range(40):
            sequence, other = chance.sample(range(1, 201), 2)
            with behind_our_back(site) as connection:
                before = connection.execute("SELECT * FROM audit").fetchall()
                what = chance.choice(("alter", "remove", "reorder"))
                if what == "alter":
                    column = chance.choice([each for each in COLUMNS if each != "subject"])
                    sql = f"UPDATE audit SET {column} = ? WHERE sequence = ?"  # noqa: S608
                    connection.execute(sql, (COLUMNS[column], sequence))
                elif what == "remove":
                    connection.execute("DELETE FROM audit WHERE sequence = ?", (sequence,))
                else:
                    for was, now in ((sequence, 1000), (other, sequence), (1000, other)):
                        connection.execute("UPDATE audit SET sequence = ? WHERE sequence = ?", (now, was))
            broken = look(store, iter(())).broken
            assert broken is not None, what
            assert broken.sequence == (min(sequence, other) if what == "reorder" else sequence), what
            with behind_our_back(site) as connection:
                connection.execute("DELETE FROM audit")
                connection.executemany("INSERT INTO audit VALUES (?,?,?,?,?,?,?,?,?)", before)
        assert look(store, iter(())).broken is None


def test_the_log_grows_after_an_export_and_stays_sound(log: Site) -> None:
    path = kept(log)
    note(log, 5)
    assert verdict(log, path)[0] == 0
    following = log.done("audit", "export", "--after", ENTRIES).out.splitlines()
    assert [json.loads(line).get("number") for line in following] == [*range(31, 36), None]
    (log.folder / "next.jsonl").write_text("\n".join(following) + "\n", "utf-8")
    assert verdict(log, log.folder / "next.jsonl")[0] == 0
    assert log("audit", "export", "--after", 99).code == 2


def test_an_export_is_lines_of_json_and_ends_with_its_head(log: Site) -> None:
    lines = [json.loads(line) for line in log.done("audit", "export").out.splitlines()]
    assert [line.get("number") for line in lines] == [*range(1, ENTRIES + 1), None]
    assert (lines[-1]["head"], lines[-1]["hash"], lines[-1]["gateway"]) == (
        ENTRIES,
        lines[-2]["hash"],
        "t",
    )
    assert lines[0]["facts"] == {"number": "0"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[:-1], "no head"),
        (lambda lines: [*lines[:3], *lines[4:]], "order"),
        (lambda lines: [*lines, lines[0]], "order"),
        (lambda _: ["{}"], "no export"),
        (lambda _: ["[]"], "no export"),
        (lambda _: ["no json"], "no export"),
        (lambda _: ['{"head": true, "hash": "' + "00" * 32 + '"}'], "no export"),
        (lambda _: ['{"head": 1, "hash": "00"}'], "no export"),
        (lambda _: ["\udcff"], "UTF-8"),
    ],
)
def test_what_is_no_whole_export_is_a_usage_error(log: Site, change: Any, said: str) -> None:
    path = kept(log)
    lines = change(path.read_text("utf-8").splitlines())
    path.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
    result = log("audit", "verify", "--against", path)
    assert result.code == 2, result
    assert said in result.err
    assert log("audit", "verify", "--against", log.folder / "none").code == 2


def test_entries_are_listed_last_ones_first_to_come_and_picked(log: Site) -> None:
    rows = log.done("audit", "list", "--limit", 9, "-o", "json").json
    assert [row["number"] for row in rows] == list(range(ENTRIES - 8, ENTRIES + 1))
    rows = log.done("audit", "list", "--after", 10, "--limit", 9, "-o", "json").json
    assert [row["number"] for row in rows] == list(range(11, 20))
    rows = log.done("audit", "list", "--subject", f"d:{3:016x}", "-o", "json").json
    assert [row["number"] for row in rows] == [4]
    assert len(log.done("audit", "list", "--action", "device", "-o", "json").json) == ENTRIES
    assert log.done("audit", "list", "--outcome", "refused", "-o", "json").json == []
    assert "operator alice" in log.done("audit", "list").out


def test_writers_beside_a_look_break_nothing(log: Site) -> None:
    """Two writers, and verify and export beside them: one chain without a gap, never found broken."""
    failures: list[BaseException] = []

    def write(actor: str) -> None:
        try:
            note(log, 60, actor)
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            failures.append(error)

    writers = [threading.Thread(target=write, args=(f"operator {name} (uid 1)",)) for name in "xy"]
    for each in writers:
        each.start()
    while any(each.is_alive() for each in writers):
        path = kept(log)
        assert verdict(log)[0] == 0
        assert verdict(log, path)[0] == 0
    for each in writers:
        each.join()
    assert not failures
    assert verdict(log)[1]["entries"] == ENTRIES + 120


def test_progress_is_told_on_a_long_log(log: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_verify, "TELL_EVERY", 10)
    monkeypatch.setattr(audit_export, "TELL_EVERY", 10)
    assert log.done("audit", "verify").err.count("entries") == 3
    assert log.done("audit", "export").err.count("entries") >= 2
