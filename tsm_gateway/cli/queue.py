"""`tsm-gateway queue`: messages as an operator sees and moves them, beside a running daemon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.context import open_store, read_settings
from tsm_gateway.cli.errors import Ambiguous, InputInvalid, NotFound, NotMovable
from tsm_gateway.cli.output import output_option, show_record, show_rows, when
from tsm_gateway.relay.interfaces import Transition
from tsm_gateway.relay.states import MOVES, MessageState, Move

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.store.queue_store import MessageEntry, PartEntry, QueueStore

ID_DIGITS = 32
LISTED = ("message_id", "state", "provider", "device", "attempts", "received_at", "due_at", "reason")
MOVED = ("message_id", "provider", "was", "state")
EXAMPLE_ID = "0192f3a8"
WHY_NOT: Mapping[MessageState | None, str] = {  # what a state has against being moved
    MessageState.QUEUED: "it is queued already",
    MessageState.ACTIVE: "it is being sent right now (active): look again in a moment",
    MessageState.DEFERRED: "it waits for its next attempt (deferred)",
    MessageState.HELD: "it is held: release it first",
    MessageState.HANDED_OVER: "the provider's side has it (handed_over)",
    MessageState.DELIVERED: "it is delivered",
    MessageState.FAILED: "it has failed: retry or drop it",
    MessageState.DROPPED: "it was dropped, its packet is gone",
}


@click.group()
def queue() -> None:
    """Show and move messages; a running gateway takes note at once."""


@queue.command(name="list")
@click.option("--state", type=click.Choice([state.value for state in MessageState]))
@click.option("--provider", help="Only messages for this provider.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True)
@output_option
@click.pass_obj
def list_command(config_path: Path, state: str | None, provider: str | None, limit: int, form: Form) -> None:
    """List messages, state by state, in each the longest unchanged first.

    \b
    Example: tsm-gateway queue list --state failed --provider coffee-shop
    """
    wanted = None if state is None else MessageState(state)
    with open_store(read_settings(config_path)) as store:
        entries = store.queue.entries(state=wanted, provider=provider, limit=limit)
    show_rows([_row(entry) for entry in entries], LISTED, form)
    if len(entries) == limit:
        click.echo(f"the first {limit} messages; there may be more: --limit", err=True)


@queue.command()
@click.argument("message_id", metavar="ID")
@output_option
@click.pass_obj
def show(config_path: Path, message_id: str, form: Form) -> None:
    """Show one message and its parts; ID is its message id or the beginning of it.

    \b
    Example: tsm-gateway queue show 0192f3a8
    """
    with open_store(read_settings(config_path)) as store:
        found = store.queue.show(find(store.queue, message_id))
    if found is None:  # purged between the two reads
        raise NotFound(what="message", name=message_id)
    entry, parts = found
    if form == "table":
        show_record(_row(entry), form)
        click.echo()
        show_rows(map(_part, parts), tuple(_part(parts[0])) if parts else (), form)
    else:
        show_record({**_row(entry), "parts": [_part(part) for part in parts]}, form)


def find(messages: QueueStore, prefix: str) -> bytes:
    """The one message id that begins with `prefix`. Raises InputInvalid, NotFound, Ambiguous."""
    digits = prefix.lower()
    if not 1 <= len(digits) <= ID_DIGITS or set(digits) - set("0123456789abcdef"):
        raise InputInvalid(what=prefix, problem="is no message id: give 1 to 32 hexadecimal digits")
    found = messages.find(digits, limit=2)
    if not found:
        raise NotFound(what="message", name=digits)
    if len(found) > 1:
        raise Ambiguous(name=digits)
    return found[0]


def _row(entry: MessageEntry) -> dict[str, object]:
    return {
        "message_id": entry.message_id.hex(),
        "state": entry.state.value,
        "provider": entry.provider,
        "device": entry.device_id,
        "kid": entry.kid.hex(),
        "piv": entry.piv,
        "provider_kid": entry.provider_kid.hex(),
        "provider_piv": entry.provider_piv,
        "bearer": entry.bearer,
        "receipt": entry.receipt,
        "attempts": entry.attempts,
        "received_at": when(entry.received_at),
        "changed_at": when(entry.changed_at),
        "due_at": "now" if entry.due_at == 0 else when(entry.due_at),
        "reason": entry.reason,
    }


def _part(part: PartEntry) -> dict[str, object]:
    return {
        "number": part.number,
        "total": part.total,
        "smsc_id": part.smsc_id,
        "at": when(part.at),
        "receipt": part.receipt,
        "receipt_at": when(part.receipt_at),
    }


def _mover(move: Move, does: str) -> click.Command:
    """The command of one row of the state table."""
    states = ", ".join(sorted(state.value for state in MOVES[move][0]))
    risky = move is Move.DROP

    @click.argument("message_ids", metavar="ID...", nargs=-1, required=True)
    @click.option("--reason", default="", help="Why; kept with the message.")
    @output_option
    @click.pass_obj
    def command(
        config_path: Path, message_ids: tuple[str, ...], reason: str, form: Form, *, yes: bool = True
    ) -> int:
        settings = read_settings(config_path)
        with open_store(settings) as store:
            wanted = list(dict.fromkeys(find(store.queue, each) for each in message_ids))
            if not yes:
                click.confirm(f"{len(wanted)} messages will never be sent. Go on?", abort=True, err=True)
            return _move(store.queue, wanted, move, reason or f"{move.value} by an operator", form)

    if risky:
        command = click.option("--yes", is_flag=True, help="Do not ask.")(command)
    text = f"{does}\n\nAllowed for messages that are {states}. ID is a message id or the beginning of one."
    example = f"\b\nExample: tsm-gateway queue {move.value} {EXAMPLE_ID}"
    return click.command(name=move.value, help=f"{text}\n\n{example}")(command)


def _move(messages: QueueStore, wanted: Sequence[bytes], move: Move, reason: str, form: Form) -> int:
    """Move all that can be moved, say what changed, and end with the first one that could not."""
    at = int(time.time())
    before = {message_id: found for message_id in wanted if (found := messages.show(message_id))}
    refused = {
        each.message_id for each in messages.apply([Transition(each, move, at, reason) for each in wanted])
    }
    show_rows(_changes(before, refused, move), MOVED, form)
    for message_id in wanted:
        if message_id in refused:
            click.echo(f"tsm-gateway: {_refusal(messages, message_id, move)}", err=True)
    return 6 if refused else 0


def _changes(
    before: dict[bytes, tuple[MessageEntry, list[PartEntry]]], refused: set[bytes], move: Move
) -> Iterator[dict[str, object]]:
    for message_id, (entry, _) in before.items():
        if message_id not in refused:
            state = MOVES[move][1].value
            yield {
                "message_id": message_id.hex(),
                "provider": entry.provider,
                "was": entry.state.value,
                "state": state,
            }


def _refusal(messages: QueueStore, message_id: bytes, move: Move) -> NotMovable:
    found = messages.show(message_id)
    state = found[0].state if found else None
    return NotMovable(message_id.hex(), move.value, WHY_NOT.get(state, "it is gone"))


for each, sentence in (
    (Move.HOLD, "Keep messages back until they are released."),
    (Move.RELEASE, "Let held messages go."),
    (Move.RETRY, "Try failed or deferred messages again at once, counting attempts anew."),
    (Move.DROP, "Give messages up for good and delete their packets; their payers are not told."),
):
    queue.add_command(_mover(each, sentence))
