"""A device's random key, given or made by hand: with its registration, and when it is replaced."""

from __future__ import annotations

import re
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from tsm_gateway.cli.context import held_masters, master_option, open_store, read_settings
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.key_files import handed_out, read_key_file
from tsm_gateway.cli.new_keys import first_piv, new_key, new_kid, wrapped_key
from tsm_gateway.cli.output import output_option, show_record
from tsm_gateway.envelope.replay import initial_window
from tsm_gateway.registry.device import DeviceState
from tsm_gateway.registry.errors import MoveNotAllowed, NotKnown
from tsm_gateway.relay.directory import DEVICE_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tsm_gateway.cli.output import Form
    from tsm_gateway.secret import Secret
    from tsm_gateway.store.registry_store import RegistryStore

KID = re.compile(r"[0-9a-fA-F]{8}")
LAST_PIV = 2**40 - 1  # design §5.2
FILE = click.Path(dir_okay=False, path_type=Path)
Given = dict[str, "str | int | Path | None"]
Command = TypeVar("Command", bound="Callable[..., Any]")

OPTIONS = (
    click.option("--key-file", type=FILE, help="Its key: 32 octets or 64 hexadecimal digits, mode 0600."),
    click.option("--key-out", type=FILE, help="Without --key-file: where to write the key made for it."),
    click.option("--kid", help="8 hexadecimal digits.  [default: random; required with --key-file]"),
    click.option(
        "--first-piv",
        type=click.IntRange(0, LAST_PIV),
        help="Number of its next packet.  [default: random; required with --key-file]",
    ),
)


class DeviceKey(NamedTuple):
    """A device's key and how its packets are numbered."""

    key: Secret
    kid: bytes  # 4 octets
    next_piv: int
    is_new: bool  # made here, so it has to be handed out


def key_options(command: Command) -> Command:
    """Give `command` the options that `key_given` and `key_out` read."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def key_given(given: Given) -> DeviceKey:
    """The key in --key-file, or a new one for --key-out. Raises InputInvalid."""
    source, kid, piv = given["key_file"], given["kid"], given["first_piv"]
    if (source is None) == (given["key_out"] is None):
        raise InputInvalid(what="--key-file", problem="give it, or --key-out for a new key: one of the two")
    if kid is not None and not KID.fullmatch(str(kid)):
        raise InputInvalid(what="--kid", problem="is not 8 hexadecimal digits")
    if source is not None and (kid is None or piv is None):
        raise InputInvalid(what="--key-file", problem="a key in use comes with its --kid and --first-piv")
    key = new_key() if source is None else read_key_file(path_of(source))
    return DeviceKey(
        key=key,
        kid=new_kid() if kid is None else bytes.fromhex(str(kid)),
        next_piv=first_piv() if piv is None else int(str(piv)),
        is_new=source is None,
    )


def key_out(made: DeviceKey, path: str | int | Path | None) -> AbstractContextManager[None]:
    """Hand a new key out to `path`; it goes away again when the block fails."""
    if not made.is_new:
        return nullcontext()
    return handed_out(path_of(path), made.key.reveal().hex().encode("ascii") + b"\n")


def path_of(value: str | int | Path | None) -> Path:
    """What click made a path of."""
    return Path(str(value))


@click.command(name="rotate-key")
@click.argument("device_id", metavar="ID")
@key_options
@click.option(
    "--overlap",
    type=click.IntRange(0),
    default=86_400,
    show_default=True,
    help="Seconds for which the key before stays accepted; 0 when somebody else may have it.",
)
@master_option
@output_option
@click.pass_obj
def rotate_key(
    config_path: Path,
    /,
    device_id: str,
    overlap: int,
    *,
    master: Path | None,
    form: Form,
    **given: Any,  # noqa: ANN401 - click's values, one per option
) -> None:
    """Give a device its next key by hand: for laboratories and devices that cannot reach channel 1.

    Everywhere else `device rekey` does it, and no key is ever in clear outside of the crypto SE. As with
    `device add`, a key made here is written in clear to --key-out: bring it into the crypto SE by a way you
    trust, then destroy the file. The key is in use at once, also when `store resync --demand-new-keys` made
    the one before stale.

    \b
    Examples: tsm-gateway device rotate-key d:0011223344556677 --key-out se.key
              tsm-gateway device rotate-key d:0011223344556677 --key-out se.key --overlap 0
    """
    settings, at = read_settings(config_path), int(time.time())
    made = key_given(given)
    with held_masters(settings, master) as masters, open_store(settings) as store:
        epoch = _next_epoch(store.registry, device_id)
        stored = wrapped_key(
            masters, made.key, table=DEVICE_KEYS, kid=made.kid, owner=device_id, epoch=epoch, at=at
        )
        with key_out(made, given["key_out"]):
            window = initial_window(made.next_piv)
            store.registry.add_device_key(stored, window, overlap_s=overlap, at=at)
    show_record(
        {
            "device": device_id,
            "kid": made.kid.hex(),
            "epoch": epoch,
            "first_piv": made.next_piv,
            "key_file": str(given["key_out"]) if made.is_new else None,
        },
        form,
    )


def _next_epoch(registry: RegistryStore, device_id: str) -> int:
    """Raises NotKnown, MoveNotAllowed for a device that is to have no key any more."""
    found = registry.device(device_id)
    if found is None:
        raise NotKnown(what="device", name=device_id)
    if found.state is DeviceState.TERMINATED:
        raise MoveNotAllowed(name=device_id, move="rotate-key", state=found.state.value)
    return max((key.epoch for key in registry.keys(device_id)), default=0) + 1
