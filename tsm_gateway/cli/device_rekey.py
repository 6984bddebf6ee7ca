"""`tsm-gateway device rekey`: order new keys; the provisioning process makes and delivers them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import click

from tsm_gateway.cli.context import existing_store, read_settings
from tsm_gateway.cli.device_life import each_device, noted, row_of
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.output import output_option, show_record, show_rows
from tsm_gateway.daemon.rekey_policy import SILENCE_S
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.outbound.parts import parts_of
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.errors import MoveNotAllowed, NotKnown
from tsm_gateway.registry.key_package import Delivery, KeyOrder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.cli.output import Form
    from tsm_gateway.registry.device import Device
    from tsm_gateway.store.sqlite_store import SqliteStore

DAY_S = 86_400
SLICE = 500  # orders in one transaction
LISTED = ("device", "state", "msisdn", "delivery")
NEXT = {
    Delivery.CHANNEL: "next: each device gets its key when its agent asks over channel 1; until its crypto "
    "SE confirms the new key the old one stays in use (`device show` tells which)",
    Delivery.SMS: "next: provisioning sends each key as short messages; until the crypto SE confirms the "
    "new key the old one stays in use (`device show` tells which)",
}
MANY_PARTS = 4  # short messages of one key; each may get lost, and then none of them serves
TRAVELS = "each key travels in {} short messages"
NEVER_SEALED = "how many short messages a key takes is not known yet: 2, for RSA 3, for X-Wing 11"
HEAVY = "warning: that is a lot, and one lost is all lost: --delivery channel costs none"
IDLE = "there is no [provisioning] here: the orders wait until a provisioning process runs on this store"
MANY = "Devices that will get new keys: {}. Go on?"


class NumberWanted(TsmError):
    """A key cannot be sent to a device whose number is not known: `device number`, or --delivery channel."""

    code, side, temporary = "number-wanted", Side.OURS, False


class Ordered(NamedTuple):
    """What an order for all came to."""

    ordered: int
    without_number: int


@click.command()
@click.argument("device_ids", metavar="[ID...]", nargs=-1)
@click.option(
    "--delivery",
    type=click.Choice([each.value for each in Delivery]),
    default=Delivery.CHANNEL.value,
    show_default=True,
    help="Fetched over channel 1, or sent to the device's number as short messages.",
)
@click.option("--all", "every", is_flag=True, help="Every active device, in place of ID.")
@click.option("--older-than-days", type=click.IntRange(0, 36_500), help="With --all: only keys of that age.")
@click.option("--reason", default="", help="Why; kept with the order and in the audit log.")
@click.option("--yes", is_flag=True, help="Do not ask about --all.")
@output_option
@click.pass_obj
def rekey(  # noqa: PLR0913 - click's options
    config_path: Path,
    device_ids: tuple[str, ...],
    delivery: str,
    older_than_days: int | None,
    reason: str,
    *,
    every: bool,
    yes: bool,
    form: Form,
) -> int:
    """Order a new key for devices: the next epoch, encrypted to the crypto SE's certificate.

    Nothing changes for a device until it has confirmed the new key; then the old one is accepted a while
    longer ([provisioning] key_overlap_s). A suspended device gets its key once it is resumed; where only
    its proof brings it back (after `number`) it gets it at once, and its confirmation is that proof. No key
    is shown or written here; to bring one into a laboratory's device by hand see `device rotate-key`.

    \b
    Examples: tsm-gateway device rekey d:0011223344556677 --reason 'phone was repaired'
              tsm-gateway device rekey d:0011223344556677 --delivery sms
              tsm-gateway device rekey --all --older-than-days 365
    """
    if bool(device_ids) == every:
        raise InputInvalid(what="ID", problem="give ids of devices, or --all: one of the two")
    if older_than_days is not None and not every:
        raise InputInvalid(what="--older-than-days", problem="selects among --all: give that, too")
    settings, how, at = read_settings(config_path), Delivery(delivery), int(time.time())
    parts: set[int] = set()
    order = KeyOrder("", how, noted(reason, "rekey"), at)
    with existing_store(settings) as store:
        if every:
            made_before = at + 1 - (older_than_days or 0) * DAY_S
            status, ordered = 0, _order_all(store, order, made_before, parts, yes=yes, form=form)
        else:
            status, ordered = _order_each(store, order, device_ids, parts, form)
    if ordered:
        _tell_parts(how, parts)
        click.echo(NEXT[how] if settings.provisioning is not None else IDLE, err=True)
    return status


def _order_each(
    store: SqliteStore, order: KeyOrder, device_ids: tuple[str, ...], parts: set[int], form: Form
) -> tuple[int, int]:
    """The exit code, and how many were ordered; `parts` gets what their keys take on the air."""
    done = each_device(store, "key.order", device_ids, lambda each: _order(store, order, each))
    show_rows(({**row_of(each), "delivery": order.delivery.value} for each in done.devices), LISTED, form)
    if order.delivery is Delivery.SMS:
        parts |= {_parts(store, each.device_id) for each in done.devices}
    return done.tell(), len(done.devices)


def _order(store: SqliteStore, order: KeyOrder, device_id: str) -> Device:
    """Stage one order. Raises NotKnown, MoveNotAllowed, NumberWanted."""
    found = store.registry.device(device_id)
    if found is None:
        raise NotKnown(what="device", name=device_id)
    if found.state is DeviceState.TERMINATED:
        raise MoveNotAllowed(name=device_id, move="rekey", state=found.state.value)
    if order.delivery is Delivery.SMS and not found.msisdn:
        raise NumberWanted(name=device_id)
    store.provisioning.order(order._replace(device_id=device_id))
    return found


def _order_all(
    store: SqliteStore, order: KeyOrder, made_before: int, parts: set[int], *, yes: bool, form: Form
) -> int:
    """Order for every active device whose key was made earlier, and say how many cannot be reached.

    Returns how many were ordered; `parts` gets what their keys take on the air.
    """
    if not yes:
        count = sum(1 for _ in _owners(store, made_before, order.ordered_at))
        click.confirm(MANY.format(count), abort=True, err=True)
    ordered = without_number = staged = 0
    for device_id in _owners(store, made_before, order.ordered_at):
        try:
            _order(store, order, device_id)
        except NumberWanted:
            without_number += 1
            continue
        except (NotKnown, MoveNotAllowed):  # terminated since we looked
            continue
        if order.delivery is Delivery.SMS:
            parts.add(_parts(store, device_id))
        ordered, staged = ordered + 1, staged + 1
        if staged == SLICE:
            store.flush()
            staged = 0
            click.echo(f"{ordered} orders", err=True)
    store.flush()
    show_record({**Ordered(ordered, without_number)._asdict(), "delivery": order.delivery.value}, form)
    if without_number:
        click.echo(f"{without_number} devices have no number: order them with --delivery channel", err=True)
    return ordered


def _parts(store: SqliteStore, device_id: str) -> int:
    """Short messages the device's next key will take, by its last package; 0 = it never had one."""
    try:
        standing = store.provisioning.standing(device_id)
    except TsmError:  # a damaged row: the order stands, and provisioning will tell
        return 0
    packages = standing.packages if standing else ()
    return len(parts_of(packages[0].package, port=0, reference=0)) if packages else 0


def _tell_parts(how: Delivery, parts: set[int]) -> None:
    if how is not Delivery.SMS:
        return
    known = sorted(parts - {0})
    if known:
        click.echo(TRAVELS.format(" or ".join(map(str, known))), err=True)
    if 0 in parts:
        click.echo(NEVER_SEALED, err=True)
    if known and known[-1] > MANY_PARTS:
        click.echo(HEAVY, err=True)


def _owners(store: SqliteStore, made_before: int, now: int) -> Iterator[str]:
    """Active devices whose current key was made before that Unix second, in order of the kid.

    Those for which a key waits are left out, unless nothing came of it for so long that it is in vain.
    """
    after, silent_before = b"", now - SILENCE_S
    while keys := store.provisioning.overdue_keys(
        created_before=made_before, packets=0, silent_before=silent_before, after=after, limit=SLICE
    ):
        yield from (key.owner for key in keys)
        after = keys[-1].kid
