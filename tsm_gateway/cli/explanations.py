"""Everything `explain` knows: error codes, refusal reasons, log events, SMPP statuses, exit codes."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, NamedTuple

import tsm_gateway
from tsm_gateway.cli.explain_errors import REMEDIES as ERROR_REMEDIES
from tsm_gateway.cli.explain_events import REMEDIES as EVENT_REMEDIES
from tsm_gateway.cli.explain_reasons import ENDS, EXITS, HANDSHAKES, REASONS
from tsm_gateway.cli.explain_smpp import STATUSES, VENDOR
from tsm_gateway.daemon.events import Event
from tsm_gateway.errors import TsmError
from tsm_gateway.radio.smpp.status import VENDOR_FIRST, VENDOR_LAST, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# Programs of another tool (alembic runs them itself), and what runs when it is imported.
NOT_IMPORTED = ("tsm_gateway.store.migrations", "tsm_gateway.__main__")
CHANNEL_PREFIX = "tsm_"  # of an error code as channel 1 tells it: TSM-CHALLENGE-STALE
NO_TEXT = "No text yet: see the message."


class Explanation(NamedTuple):
    """One code, what it means and what to do."""

    kind: str  # error, refusal, handshake, session, event, smpp, exit
    code: str  # as people meet it
    aliases: tuple[str, ...]  # other spellings
    meaning: str
    remedy: str


def error_classes() -> list[type[TsmError]]:
    """Every error of the package, by code; imports all of it, half a second."""
    for module in pkgutil.walk_packages(tsm_gateway.__path__, "tsm_gateway."):
        if not module.name.startswith(NOT_IMPORTED):
            importlib.import_module(module.name)
    found: set[type[TsmError]] = {TsmError, *_below(TsmError)}
    ours = [each for each in found if each.__module__.startswith("tsm_gateway.")]
    return sorted(ours, key=lambda each: (each.code, each.__qualname__))


def _below(base: type[TsmError]) -> Iterator[type[TsmError]]:
    for each in base.__subclasses__():
        yield each
        yield from _below(each)


def errors() -> Iterator[Explanation]:
    """All error codes; the first class of a code speaks for it."""
    said: set[str] = set()
    for each in error_classes():
        if each.code not in said:
            said.add(each.code)
            meaning = " ".join((each.__doc__ or "").partition("\n\n")[0].split())
            yield Explanation("error", each.code, (), meaning, ERROR_REMEDIES.get(each.code, NO_TEXT))


def others() -> Iterator[Explanation]:
    """All that is no error code."""
    for reason, (meaning, remedy) in REASONS.items():
        yield Explanation("refusal", reason.value, (), meaning, remedy)
    for refusal, (meaning, remedy) in HANDSHAKES.items():
        yield Explanation("handshake", refusal.value, (), meaning, remedy)
    for end, (meaning, remedy) in ENDS.items():
        yield Explanation("session", end, (), meaning, remedy)
    for event in Event:
        meaning = f"{event.meaning[:1].upper()}{event.meaning[1:]}."
        yield Explanation("event", event.label, (), meaning, EVENT_REMEDIES.get(event.label, NO_TEXT))
    for status, (meaning, remedy) in STATUSES.items():
        spelt = (status.name.lower(), f"{int(status):#x}", f"0x{int(status):08x}")
        yield Explanation("smpp", name_of(status), spelt, meaning, remedy)
    for code, (meaning, remedy) in EXITS.items():
        yield Explanation("exit", f"exit {int(code)}", (str(int(code)),), meaning, remedy)


def find(code: str) -> list[Explanation]:
    """Every explanation of a code in any of its spellings."""
    wanted = _plain(code)
    found = [each for each in others() if wanted in _spellings(each)]
    found += [each for each in errors() if wanted in _spellings(each)]
    return found or _vendor(wanted)


def _spellings(each: Explanation) -> set[str]:
    return {_plain(each.code), *map(_plain, each.aliases)}


def _plain(code: str) -> str:
    """Capitals, dashes, brackets and zeros ahead do not matter."""
    text = code.strip(" []").lower().replace("-", "_").removeprefix(CHANNEL_PREFIX)
    if text.startswith("0x"):
        try:
            return f"{int(text, 16):#x}"
        except ValueError:
            return text
    return text


def _vendor(code: str) -> list[Explanation]:
    """A status outside of the table, by its hexadecimal number."""
    try:
        number = int(code, 16) if code.startswith("0x") else -1
    except ValueError:
        return []
    if not VENDOR_FIRST <= number <= VENDOR_LAST:
        return []
    return [Explanation("smpp", name_of(number), (), *VENDOR)]
