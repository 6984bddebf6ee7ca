"""`tsm-gateway store`: check it, copy it while it is in use, make a rolled back one safe to start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.context import existing_store, gateway_stopped, read_settings
from tsm_gateway.cli.key_files import FileExists
from tsm_gateway.cli.output import output_option, show_record
from tsm_gateway.registry.card import CardKeyState
from tsm_gateway.store.epoch_store import read_mark
from tsm_gateway.store.failures import StoreRolledBack

if TYPE_CHECKING:
    from tsm_gateway.cli.output import Form
    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.store.sqlite_store import SqliteStore

ADVANCE = 4096  # packet numbers; a device would have to have paid so often since the copy was made
OURS = frozenset({CardKeyState.PENDING, CardKeyState.CURRENT})
CURRENT = """\
The epoch mark says that this store is current. Go on only if the mark was restored together with it.
"""
RESYNC = """\
A store that was restored has forgotten the payments accepted after the copy was made. {what}
Messages that were sent since the copy may be sent once more; providers tell doubles by (kid, PIV).
Go on?"""
ADVANCED = """\
Every device's window moves forward by {advance} packet numbers: payments up to there are refused, also
new ones of a device that is not that far yet."""
CARDS = (
    "{own} cards have key sets of ours in this copy, {issuers} their issuer's only. Cards that were given "
    "keys of ours after the copy was made hold keys that nobody has any more: their jobs fail as "
    "`card-not-authentic`, and only their issuer can put new keys onto them"
)
SLICE = 10_000  # key sets of cards read at a time
STALE = """\
Every device key becomes stale: no device can pay until it was given a new key. Nothing can be replayed."""


@click.group()
def store() -> None:
    """Check, copy and resynchronise the store."""


@store.command()
@output_option
@click.pass_obj
def check(config_path: Path, form: Form) -> int:
    """Read the whole store and say what is wrong: pages, references, rules, checksums, epoch mark.

    Works beside a running gateway. Exit code 1 when something is wrong.

    \b
    Example: tsm-gateway store check
    """
    settings = read_settings(config_path)
    with existing_store(settings, accept_rollback=True) as opened:
        faults = opened.check()
        if opened.rolled_back:
            faults.append("the epoch mark: the store was rolled back or is a copy; run `store resync`")
        report = _counts(opened)
    record = {
        "store": str(settings.store.path),
        **report,
        "epoch_mark": _mark(settings),
        "sound": not faults,
        "faults": faults,
    }
    if form != "table":
        show_record(record, form)
    else:
        show_record({name: value for name, value in record.items() if name != "faults"}, form)
        for fault in faults:
            click.echo(f"fault: {fault}")
    return 1 if faults else 0


def _counts(opened: SqliteStore) -> dict[str, object]:
    """What is in it."""
    messages = {state.value: count for state, count in opened.queue.counts().items()}
    return {
        "generation": opened.generation,
        "messages": messages,
        "waiting_parts": opened.queue.waiting_segments(),
    }


def _mark(settings: Settings) -> str:
    """The mark in words."""
    try:
        mark = read_mark(settings.epoch_mark)
    except StoreRolledBack:
        return f"{settings.epoch_mark} is unreadable"
    return f"{settings.epoch_mark} is missing" if mark is None else f"at generation {mark.generation}"


@store.command()
@click.argument("file", type=click.Path(dir_okay=False, resolve_path=True, path_type=Path))
@output_option
@click.pass_obj
def backup(config_path: Path, file: Path, form: Form) -> None:
    """Copy the store to FILE while the gateway runs.

    The copy is one private file and never replaces another. It says of itself that it is a copy: put back
    in place it is not started before `store resync`. Keep the epoch mark and the master key out of the
    same backup.

    Cards are given keys of our own when their agents come first, and no copy made before has those: where
    such a copy is restored, these cards are lost to us. Copy the store often while new cards come in.

    \b
    Example: tsm-gateway store backup /var/backups/tsm-gateway.db
    """
    with existing_store(read_settings(config_path), as_owner=False) as opened:
        if file.exists():
            raise FileExists(path=str(file))
        opened.backup(file)
        generation = opened.generation
    show_record({"backup": str(file), "octets": file.stat().st_size, "generation": generation}, form)


@store.command()
@click.option(
    "--advance",
    type=click.IntRange(64, 2**40 - 1),
    help=f"Move every replay window forward by so many packet numbers.  [default: {ADVANCE}]",
)
@click.option("--demand-new-keys", is_flag=True, help="Accept no device before it has a new key.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
@click.pass_obj
def resync(config_path: Path, advance: int | None, *, demand_new_keys: bool, yes: bool, form: Form) -> None:
    """Make a restored store safe to start: nothing accepted before is accepted again.

    Choose --advance larger than the number of payments any device can have made since the copy; those
    were accepted already and must not be again. --demand-new-keys is the choice that needs no guess.
    Provider keys skip 16 million packet numbers either way, so that no two packets share a nonce. The
    gateway must be stopped.

    What no choice brings back are key sets of cards (channel 2) that were renewed after the copy was made.
    Told is how many cards have keys of ours in this copy, and how many their issuer's only: of these, every
    one whose agent came meanwhile is locked. See first whether there is a later copy.

    \b
    Examples: tsm-gateway store resync --advance 4096
              tsm-gateway store resync --demand-new-keys
    """
    if advance is not None and demand_new_keys:
        message = "--advance and --demand-new-keys exclude each other"
        raise click.UsageError(message)
    steps = advance or ADVANCE
    settings = read_settings(config_path)
    with existing_store(settings, accept_rollback=True) as opened:
        with gateway_stopped(settings):  # said before a question is asked
            pass
        if not yes:
            what = STALE if demand_new_keys else ADVANCED.format(advance=steps)
            known = "" if opened.rolled_back else CURRENT
            click.confirm(known + RESYNC.format(what=what), abort=True, err=True)
        done = opened.resync(advance=steps, demand_new_keys=demand_new_keys)
        own, issuers = _cards(opened)
    record = {
        "epoch": done.epoch,
        "device_keys": done.devices,
        "provider_keys": done.providers,
        "cards_with_own_keys": own,
        "cards_with_issuer_keys": issuers,
    }
    show_record(record, form)
    if own or issuers:
        click.echo(CARDS.format(own=own, issuers=issuers), err=True)


def _cards(opened: SqliteStore) -> tuple[int, int]:
    """How many cards have a key set of ours, on its way or there, and how many their issuer's only."""
    every: set[bytes] = set()
    own: set[bytes] = set()
    after = (b"", 0)
    while page := opened.delivery.all_card_keys(after=after, limit=SLICE):
        every.update(each.app_se for each in page if each.wrapped)
        own.update(each.app_se for each in page if each.state in OURS)
        after = page[-1].app_se, page[-1].kvn
    return len(own), len(every - own)
