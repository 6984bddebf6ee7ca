"""`tsm-gateway`: one module per noun, loaded only when its verb is called.

stdout is data, stderr is for people. Exit codes are `tsm_gateway.daemon.exits.Exit`. Secrets are taken
from files and credentials only, never from arguments or the environment.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tsm_gateway import __version__
from tsm_gateway.daemon.hardening import harden

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_CONFIG = Path("/etc/tsm-gateway/gateway.toml")
UNANSWERED = "tsm-gateway: nobody answers on standard input: give --yes to go on without a question"
INTERRUPTED = 130  # as a shell says it: 128 and SIGINT
COMMANDS: Mapping[str, str] = {  # verb -> "module:attribute" below tsm_gateway.cli, in the order of --help
    "run": "run:run",
    "provisioning": "provisioning:provisioning",
    "demo": "demo:demo",
    "status": "status:status",
    "tail": "tail:tail",
    "explain": "explain:explain",
    "doctor": "doctor:doctor",
    "config": "config:config",
    "device": "device:device",
    "provider": "provider:provider",
    "application": "application:application",
    "card": "card:card",
    "queue": "queue:queue",
    "key": "key:key",
    "pki": "pki:pki",
    "store": "store:store",
    "audit": "audit:audit",
    "virtual": "virtual:virtual",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are looked up: `--help` of one costs one import."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All verbs, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a verb's module and take its command; None when there is no such verb."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command = getattr(importlib.import_module(f"tsm_gateway.cli.{module}"), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - our own table
        return command


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="tsm-gateway")
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="Configuration file (TOML).",
)
@click.pass_context
def cli(ctx: click.Context, config_path: Path) -> None:
    """Trusted Service Manager SMS gateway."""
    ctx.obj = config_path


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every expected failure is one line on stderr and an exit code.

    Without `arguments` the process is ours alone, and is hardened ahead of the first key it may read.
    """
    if arguments is None:
        harden()
    if sys.stdin is None:  # closed by the caller: questions meet an end of file instead of a defect
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - as long as the process
    try:
        status = cli(arguments, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort as error:
        if isinstance(error.__context__, EOFError):  # of the question, not Ctrl-C and not a "no"
            click.echo(f"\n{UNANSWERED}", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:  # nobody reads any more: `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        code = _told(error)
        if code is None:
            raise
        sys.exit(code)
    sys.exit(status if isinstance(status, int) else 0)


def _told(error: Exception) -> int | None:
    """Say an expected failure on stderr and return its exit code; None for a defect."""
    from tsm_gateway.cli.errors import exit_code_of  # noqa: PLC0415 - most runs need none of its imports
    from tsm_gateway.daemon.settings_errors import SettingsErrors  # noqa: PLC0415

    code = exit_code_of(error)
    if code is None:
        return None
    if isinstance(error, SettingsErrors):  # as compilers write it, so that editors jump to the line
        click.echo(str(error), err=True)
    else:
        click.echo(f"tsm-gateway: {error}", err=True)
    return code
