"""`tsm-gateway virtual card`: a GlobalPlatform card in software, for a PC/SC virtual reader and for tests."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tsm_gateway.cli.key_files import FileExists
from tsm_gateway.virtual.card_files import open_card, read_card, write_card
from tsm_gateway.virtual.card_json import parameters_as_json
from tsm_gateway.virtual.card_memory import free_memory
from tsm_gateway.virtual.card_new import MEMORY, PROTOCOL, TRANSPORT_KVN, manifest_line, new_card, new_key_set
from tsm_gateway.virtual.card_reader import PORT, Reader, stay_in_reader
from tsm_gateway.virtual.card_signature import read_verifying_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.virtual.card_state import CardState

_APP_SE = re.compile(r"(?:[0-9a-f]{2}){8,32}", re.IGNORECASE)
_PROTOCOLS = {f"{protocol:02x}": protocol for protocol in (0x00, 0x10, 0x20, 0x30, 0x60, 0x70)}
_PROTOCOLS |= {f"{protocol | 1:02x}": protocol | 1 for protocol in _PROTOCOLS.values()}  # S16
_PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="card")
@click.option(
    "--file",
    "card_file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Where the card keeps what it keeps without power.",
)
@click.option("--new", is_flag=True, help="Make the card first, and print its line of the issuer's manifest.")
@click.option(
    "--vpcd", metavar="HOST:PORT", help=f"Put it into this PC/SC virtual reader ({PORT} is the first)."
)
@click.option(
    "--patience", type=click.FloatRange(0), default=30.0, show_default=True, help="With --vpcd: seconds."
)
@click.option("--trace", is_flag=True, help="With --vpcd: every APDU as a line on stderr.")
@click.option("--app-se", help="With --new: the element's id, 8 to 32 octets in hexadecimal; else random.")
@click.option("--dap-key", "dap_keys", type=_PEM, multiple=True, help="Whose load files it takes; repeat it.")
@click.option("--token-key", type=_PEM, help="Delegated management: changes need tokens of this key.")
@click.option(
    "--kvn", type=click.IntRange(1, 0x6F), default=TRANSPORT_KVN, show_default=True, help="Of its keys."
)
@click.option("--aes", type=click.Choice(["128", "192", "256"]), default="128", show_default=True)
@click.option(
    "--protocol",
    type=click.Choice(sorted(_PROTOCOLS)),
    default=f"{PROTOCOL:02x}",
    show_default=True,
    help='Parameter "i" of SCP03: odd = S16, 10 = pseudo-random challenge, 20 = R-MAC, 40 = R-ENC.',
)
@click.option("--memory", type=click.IntRange(0), default=MEMORY, show_default=True, help="Octets.")
@click.pass_context
def card_command(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - one keyword an option
    """Make a virtual card, put it into a virtual reader, or else say what is on it.

    \b
    Example: tsm-gateway virtual card --new --file card.json --dap-key pki/application-signing.pem > manifest
             tsm-gateway virtual card --file card.json --vpcd 127.0.0.1:35963
    """
    path: Path = given["card_file"]
    reader = _reader(given)
    if given["new"]:
        _make(path, given)
    elif not path.exists():
        message = f"there is no card at {path}: make one with --new"
        raise click.BadParameter(message, param_hint="--file")
    if reader is not None:
        ctx.exit(asyncio.run(_run(path, reader, trace=given["trace"])))
    if not given["new"]:
        click.echo(json.dumps(_content(read_card(path)), indent=2))


def _reader(given: Mapping[str, Any]) -> Reader | None:
    if given["vpcd"] is None:
        return None
    host, _, port = str(given["vpcd"]).rpartition(":")
    if not host or not port.isdigit():
        message = f"HOST:PORT, such as 127.0.0.1:{PORT}"
        raise click.BadParameter(message, param_hint="--vpcd")
    return Reader(host.strip("[]"), int(port), patience_s=given["patience"])


def _make(path: Path, given: Mapping[str, Any]) -> None:
    app_se = given["app_se"] or ""
    if app_se and not _APP_SE.fullmatch(app_se):
        message = "8 to 32 octets in hexadecimal"
        raise click.BadParameter(message, param_hint="--app-se")
    if path.exists():
        raise FileExists(file=path.name)
    token_key = given["token_key"]
    state = new_card(
        app_se=bytes.fromhex(app_se),
        keys=new_key_set(given["kvn"], int(given["aes"]) // 8),
        protocol=_PROTOCOLS[given["protocol"]],
        memory=given["memory"],
        dap_keys=[read_verifying_key(pem.read_bytes()) for pem in given["dap_keys"]],
        token_key=read_verifying_key(token_key.read_bytes()) if token_key else None,
    )
    write_card(path, state)
    click.echo(json.dumps(manifest_line(state)))


async def _run(path: Path, reader: Reader, *, trace: bool) -> int:
    """Serve until SIGINT or SIGTERM; the exit code."""
    with open_card(path, pause=time.sleep) as card:
        serving = asyncio.ensure_future(stay_in_reader(card, reader, _tell, _tell if trace else None))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, serving.cancel)
        try:
            await serving
        except asyncio.CancelledError:
            _tell("taken out of the reader")
    return 0


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _content(state: CardState) -> dict[str, object]:
    """What a host could learn about the card."""
    return {
        "app_se": state.profile.app_se.hex(),
        "life": state.life.name,
        "key_versions": [keys.kvn for keys in state.key_sets],
        "free_memory": free_memory(state),
        "load_files": [
            {"aid": file.aid.hex(), "version": ".".join(map(str, file.version)), "sha256": file.digest.hex()}
            for file in state.load_files
        ],
        "applications": [
            {
                "aid": each.aid.hex(),
                "selectable": each.is_selectable,
                "parameters": parameters_as_json(each.parameters) if each.parameters else None,
            }
            for each in state.instances
        ],
    }
