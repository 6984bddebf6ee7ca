"""No statement that runs while payments come in reads more than it needs, however full the store is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tsm_gateway.store import (
    audit_statements,
    delivery_statements,
    moves,
    provisioning_statements,
    queue_statements,
    registry_statements,
    statements,
    upkeep_statements,
)

if TYPE_CHECKING:
    from pathlib import Path

STATEMENTS = {
    name: sql
    for module in (
        *(statements, registry_statements, queue_statements),
        *(provisioning_statements, upkeep_statements, audit_statements, delivery_statements),
    )
    for name, sql in vars(module).items()
    if name.isupper() and isinstance(sql, str)
} | {f"move {move.value}": sql for move, sql in moves.MOVE_SQL.items()}
# One row there is, or all rows are asked for.
SCANS = {
    *("READ_META", "MOVE_META", "READ_GENERATION", "READ_VERSIONS", "STAMP_COPY", "BEGIN_EPOCH"),
    *("READ_SEGMENTS", "COUNT_SEGMENTS", "COUNT_BY_STATE", "LIST_PROVIDERS", "LIST_COUNTERS", "ANY_EARLY"),
    *("READ_AUDIT_HEAD", "MOVE_AUDIT_HEAD"),
    *("LIST_ORDERS", "LIST_ARRIVALS"),  # along an index, as far as the limit
    *("COUNT_QUEUED", "COUNT_ARRIVALS"),  # along an index of nothing else
    *("COUNT_WRAPPED_BY_MASTER", "COUNT_STUCK", "COUNT_UNCONFIRMED"),  # asked by a person, now and then
    *("COUNT_INSTALLED", "COUNT_STANDING", "LIST_APPLICATIONS", "LIST_RULES"),  # and these
    "COUNT_DAP_KEYS",  # and this
    "COUNT_OPEN_JOBS",  # along an index of nothing else
    "COUNT_GIVEN_UP",  # the same
    "REDRIVE",  # every packet, once at the start
}
# Bounded by what one message, one provider or one slice has.
SORTS = {"FIND_PARTS", "FIND_EARLY", "READ_EARLY", "LIST_ADDRESSES", "READ_PROGRESS", "LIST_PROVIDERS_OF"} | {
    *("COUNT_WRAPPED_BY_MASTER", "COUNT_INSTALLED", "COUNT_STANDING", "COUNT_OPEN_JOBS", "LIST_APPLICATIONS"),
    *("COUNT_DAP_KEYS", "COUNT_FAILED_JOBS"),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_finds_its_rows_by_an_index(folder: Path, name: str) -> None:
    sql = STATEMENTS[name]
    with closing(sqlite3.connect(folder / "gateway.db")) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?"))]
    if name not in SCANS:
        assert not [step for step in plan if step.startswith("SCAN") and step != "SCAN CONSTANT ROW"], plan
    if name not in SORTS:
        assert not [step for step in plan if "TEMP B-TREE" in step], plan


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("LIST_AGED_KEYS", "ix_wrapped_key_age"),
        ("LIST_USED_PENDING", "ix_wrapped_key_waiting"),
        ("LIST_DUE_MESSAGES", "ix_control_out_due"),
        ("LIST_ORDERS", "ix_key_order_ordered_at"),
        ("LIST_ARRIVALS", "ix_control_in_received_at"),
        ("LIST_JOBS_OF", "ix_job_device_id_created_at"),
        ("LIST_OPEN_JOBS", "ix_job_open"),
        ("LIST_OLD_JOBS", "ix_job_closed"),
        ("COUNT_OPEN_JOBS", "ix_job_open"),
        ("COUNT_FAILED_JOBS", "ix_job_closed"),
    ],
)
def test_a_statement_of_upkeep_begins_with_the_index_made_for_it(folder: Path, name: str, index: str) -> None:
    sql = STATEMENTS[name]
    with closing(sqlite3.connect(folder / "gateway.db")) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?"))]
    assert f"INDEX {index}" in plan[0], plan
