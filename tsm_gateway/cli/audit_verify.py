"""`tsm-gateway audit verify`: whether the audit log is what was written, all of it and nothing else.

| what somebody did | found by |
|---|---|
| altered an entry | its hash |
| removed one, added one, changed their order | the number or hash of the next one |
| cut off the end | the head in the store |
| cut off the end and the head, or rewrote every hash | `--against` a head kept elsewhere |
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from tsm_gateway.cli.audit_lines import Witnessed, hash_of, witnesses
from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.output import output_option, show_record
from tsm_gateway.daemon.exits import Exit
from tsm_gateway.registry.audit import START, broken_links

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsm_gateway.cli.output import Form
    from tsm_gateway.registry.audit import ChainedEntry
    from tsm_gateway.store.sqlite_store import SqliteStore

SLICE = 1000  # entries in memory at a time
TELL_EVERY = 100_000  # entries
WAY_OUT = (
    "the log was tampered with or damaged: keep the store as it is, compare with the last export, and find "
    "out who could write it"
)


class Break(NamedTuple):
    """The first entry that is not what was written."""

    sequence: int
    why: str


class Looked(NamedTuple):
    """What a look through the log found."""

    head: Witnessed  # the last entry there is
    broken: Break | None  # the first one


@click.command()
@click.option(
    "--against",
    metavar="FILE|NUMBER:HASH",
    help="An export made earlier, or the head of one: finds what was cut off or rewritten since.",
)
@output_option
@click.pass_obj
def verify(config_path: Path, against: str | None, form: Form) -> int:
    """Check every link of the audit log; exit code 1 when it is broken, naming the first broken entry.

    Alone it finds whatever was altered, removed or put elsewhere. An end that was cut off, or a log written
    anew from some entry on, is found by what was kept elsewhere: an export or the head of one.

    \b
    Examples: tsm-gateway audit verify
              tsm-gateway audit verify --against audit-2026-11.jsonl
    """
    with existing_store(read_settings(config_path)) as store:
        looked = look(store, iter(()) if against is None else witnesses(against, Path(against)))
    broken = looked.broken
    show_record(
        {
            "sound": broken is None,
            "entries": looked.head.sequence,
            "head": f"{looked.head.sequence}:{looked.head.hash.hex()}",
            "first_broken": None if broken is None else broken.sequence,
            "why": None if broken is None else broken.why,
        },
        form,
    )
    if broken is not None:
        click.echo(WAY_OUT, err=True)
    return Exit.DONE if broken is None else Exit.FAILED


def look(store: SqliteStore, earlier: Iterator[Witnessed]) -> Looked:
    """Walk through the whole log, beside what was written down `earlier`, in order.

    Raises InputInvalid for an export that cannot be read, RowDamaged for a row that cannot.
    """
    promised = Witnessed(*store.provisioning.audit_head())  # first: the log may grow meanwhile
    last, wanted = Witnessed(0, START), next(earlier, None)
    wanted, broken = _compared(last, wanted, earlier)
    while entries := store.provisioning.audit(last.sequence, SLICE):
        if entries[0].sequence <= last.sequence:
            break
        broken = broken or _first_broken(entries, last)
        for each in entries:
            last = Witnessed(each.sequence, hash_of(each))
            if broken is None and last.sequence == promised.sequence and last.hash != promised.hash:
                broken = Break(last.sequence, "the store's head has another hash for it")
            wanted, unlike = _compared(last, wanted, earlier)
            broken = broken or unlike
        _tell(last.sequence, len(entries))
    return Looked(last, broken or _cut_off(last, promised, wanted, earlier))


def _first_broken(entries: list[ChainedEntry], last: Witnessed) -> Break | None:
    sound_hashes = [each._replace(hash=hash_of(each)) for each in entries]
    broken = broken_links(sound_hashes, last.sequence, last.hash)
    if not broken:
        return None
    before = last.sequence
    for each in entries:
        if each.sequence == broken[0]:
            break
        before = each.sequence
    if broken[0] != before + 1:
        return Break(before + 1, f"missing: entry {broken[0]} follows entry {before}")
    return Break(broken[0], "not what was written there: its hash does not follow from it and the one before")


def _compared(
    last: Witnessed, wanted: Witnessed | None, earlier: Iterator[Witnessed]
) -> tuple[Witnessed | None, Break | None]:
    """The next that is looked for, and what is wrong with those that should be like `last`."""
    unlike = None
    while wanted is not None and wanted.sequence <= last.sequence:
        if wanted.sequence == last.sequence and wanted.hash != last.hash:
            unlike = unlike or Break(last.sequence, "another entry than the one written down earlier")
        wanted = next(earlier, None)
    return wanted, unlike


def _cut_off(
    last: Witnessed, promised: Witnessed, wanted: Witnessed | None, earlier: Iterator[Witnessed]
) -> Break | None:
    """Whether there should be more behind the last entry."""
    until = max([promised.sequence, *([wanted.sequence] if wanted else []), *(w.sequence for w in earlier)])
    if until <= last.sequence:
        return None
    return Break(last.sequence + 1, f"cut off: there were {until} entries")


def _tell(sequence: int, count: int) -> None:
    if sequence // TELL_EVERY != (sequence - count) // TELL_EVERY:
        click.echo(f"{sequence} entries", err=True)
