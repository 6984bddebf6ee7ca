"""Settings written as TOML 1.0: what `config show` prints can be read again as a configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsm_gateway.daemon.settings import Settings

DEL = "\x7f"  # TOML wants it escaped, JSON does not


def settings_text(settings: Settings) -> str:
    """The whole document, its epoch mark named."""
    marked = settings.store.model_copy(update={"epoch_mark": settings.epoch_mark})
    lines = list(_table("", settings.model_copy(update={"store": marked})))
    return "\n".join(lines).lstrip("\n") + "\n"


def _table(name: str, section: BaseModel) -> Iterator[str]:
    """Plain keys first, then the tables inside; a key without a value is shown as a comment."""
    prefix = f"{name}." if name else ""
    inside: list[tuple[str, BaseModel, bool]] = []
    for key in type(section).model_fields:
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            inside.append((prefix + key, value, False))
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            inside += [(prefix + key, each, True) for each in value]
        elif value is None:
            yield f"# {key} is not set"
        elif name:  # an empty list of tables is no key
            yield f"{key} = {_value(value)}"
    for place, table, repeated in inside:
        yield ""
        yield f"[[{place}]]" if repeated else f"[{place}]"
        yield from _table(place, table)


def _value(value: object) -> str:
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False).replace(DEL, "\\u007f")
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)
