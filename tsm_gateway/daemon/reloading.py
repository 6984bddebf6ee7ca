"""A reload that is refused: one line says so and why, and new master key versions are taken all the same.

A new version of the master key has to be known before a stored key is wrapped under it; it must not wait
until somebody has mended a revocation list or another line of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.daemon.events import Event
from tsm_gateway.daemon.settings_errors import SettingsErrors
from tsm_gateway.errors import TsmError
from tsm_gateway.keys.master_store import read_master

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tsm_gateway.daemon.logs import Log
    from tsm_gateway.keys.wrap import MasterKeys

KEPT: Final = "nothing: the settings from before stay in force"
KEPT_BUT_MASTER: Final = "only the master key (now version {}): the settings from before stay in force"


def refuse_reload(
    log: Log, path: Path, error: TsmError, master: str, use_masters: Callable[[MasterKeys], bool]
) -> None:
    """Tell what of the configuration at `path` was wrong; read the master key again by itself.

    `master` is the reference in force; `use_masters` takes what it holds and says whether that is new.
    """
    problems = [str(error)]
    if isinstance(error, SettingsErrors):
        for each in error.problems:
            log.emit(Event.CONFIG_INVALID, **each._asdict())
        problems = [str(each) for each in error.problems[:1]]
    changed = KEPT
    try:
        masters = read_master(master)
    except TsmError as fault:
        problems += [str(fault)] if str(fault) not in problems else []
    else:
        if use_masters(masters):
            changed = KEPT_BUT_MASTER.format(masters.current.version)
    log.emit(
        Event.DAEMON_RELOAD_REFUSED,
        file=str(path),
        error=error.code,
        problem="; ".join(problems),
        changed=changed,
    )
