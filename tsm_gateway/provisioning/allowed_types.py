"""The first lock of the guard: which types a command for an app SE may be made of, and nothing else.

The set is closed over the declared fields of the commands: plain octets, text, numbers, enumerations of
numbers, and records of such.
It is worked out when the module is loaded; a field that could hold anything else stops the program then.
A value passes when its type is exactly one of these: no subclass, nothing that only looks alike.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import IntEnum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin, get_type_hints

from tsm_gateway.provisioning.delivery_errors import ExclusionRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PLAIN: Final[frozenset[type]] = frozenset({bytes, str, int, bool, NoneType})
MADE_HERE: Final = "tsm_gateway.provisioning."  # records of the registry have no business on a card


class AllowedTypes:
    """The types that are made of `commands`, each a dataclass or named tuple, and of nothing else."""

    def __init__(self, commands: Iterable[type], *, apart: Iterable[type] = ()) -> None:
        """Close the set. Raises TypeError for a field that may hold what is no plain value or record.

        `apart`: records whose octets travel on their own; their types are checked, `leaves` passes over them.
        """
        self.commands = frozenset(commands)
        self._apart = frozenset(apart)
        self.records: dict[type, tuple[str, ...]] = {}  # each with the names of its fields
        waiting = list(self.commands)
        while waiting:
            record = waiting.pop()
            if record not in self.records:
                self.records[record] = _field_names(record)
                waiting.extend(_named(record) - PLAIN)

    def leaves(self, commands: Iterable[object]) -> list[bytes]:
        """For each command the octets and texts it is made of, joined; numbers are left out.

        What several of them share is read once. Raises ExclusionRefused, which names the type and nothing of
        the value.
        """
        seen: set[int] = set()
        read = []
        for command in commands:
            if type(command) not in self.commands:
                raise ExclusionRefused(what=type(command).__qualname__)
            read.append(b"".join(self._walk(command, seen)))
        return read

    def _walk(self, value: object, seen: set[int]) -> Iterator[bytes]:
        kind = type(value)
        if kind is bytes:
            yield value  # type: ignore[misc]  # mypy does not narrow by `kind`
        elif kind is str:
            yield value.encode()  # type: ignore[attr-defined]
        elif kind is tuple:
            for each in value:  # type: ignore[attr-defined]
                yield from self._walk(each, seen)
        elif kind in self.records:
            if id(value) not in seen:
                seen.add(id(value))
                yield from self._walk_record(value, seen)
        elif kind not in PLAIN:
            raise ExclusionRefused(what=kind.__qualname__)

    def _walk_record(self, record: object, seen: set[int]) -> Iterator[bytes]:
        kind = type(record)
        for name in self.records[kind]:
            leaves = self._walk(getattr(record, name), seen)
            if kind in self._apart:
                leaves = (leaf[:0] for leaf in leaves)  # looked at, and not read
            yield from leaves


def _field_names(record: type) -> tuple[str, ...]:
    """The fields of a record; an enumeration of numbers has none."""
    if not record.__module__.startswith(MADE_HERE):
        message = f"{record.__qualname__} is no record of a command"
        raise TypeError(message)
    if issubclass(record, IntEnum):
        return ()
    if is_dataclass(record):
        return tuple(each.name for each in fields(record))
    names: tuple[str, ...] | None = getattr(record, "_fields", None)
    if names is None:
        message = f"{record.__qualname__} is neither a dataclass nor a named tuple"
        raise TypeError(message)
    return names


def _named(record: type) -> set[type]:
    """Every type that the hints of `record` name."""
    hints = get_type_hints(record)
    return {each for name in _field_names(record) for each in _members(hints[name])}


def _members(hint: Any) -> Iterator[type]:  # noqa: ANN401  # a hint has no type of its own
    if get_origin(hint) in (tuple, Union, UnionType):
        for each in get_args(hint):
            if each is not Ellipsis:
                yield from _members(each)
    elif isinstance(hint, type) and get_origin(hint) is None:
        yield hint
    else:
        message = f"{hint} can hold what is no plain value"
        raise TypeError(message)
