"""The first lock of the guard: which types a command for an app SE may be made of, and nothing else.

The set is closed over the declared fields of the commands: plain octets, text, numbers, enumerations of
numbers, and records of such.
It is worked out when the module is loaded; a field that could hold anything else stops the program then.
A value passes when its type is exactly one that its field declares: no subclass, nothing that only looks
alike. Every record is made anew from its fields, each of which is read once: what is checked is what is
sent, the bounds that a record checks when it is made hold, and what it works out is worked out again.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import IntEnum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints

from tsm_gateway.provisioning.delivery_errors import ExclusionRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

PLAIN: Final[frozenset[type]] = frozenset({bytes, str, int, bool, NoneType})
MADE_HERE: Final = "tsm_gateway.provisioning."  # records of the registry have no business on a card


class Taken(NamedTuple):
    """One command as it may be sent."""

    command: Any  # of the very type it had, made anew
    octets: bytes  # the octets and texts it is made of, joined; numbers are left out


class _Field(NamedTuple):
    """What a field may hold."""

    name: str
    kinds: frozenset[type]
    members: frozenset[type]  # of a tuple


class _Walk(NamedTuple):
    """What was made anew so far, with what it was made of, and the octets that were read meanwhile."""

    made: dict[int, tuple[object, object]]
    octets: list[bytes]


class AllowedTypes:
    """The types that are made of `commands`, each a dataclass or named tuple, and of nothing else."""

    def __init__(self, commands: Iterable[type], *, apart: Iterable[type] = ()) -> None:
        """Close the set. Raises TypeError for a field that may hold what is no plain value or record.

        `apart`: records whose octets travel on their own; their types are checked, `take` does not read them.
        """
        self.commands = frozenset(commands)
        self._apart = frozenset(apart)
        self.records: dict[type, tuple[str, ...]] = {}  # each with the names of its fields
        self._given: dict[type, tuple[_Field, ...]] = {}  # those a record is made of
        waiting = list(self.commands)
        while waiting:
            record = waiting.pop()
            if record not in self.records:
                self.records[record] = _field_names(record)
                self._given[record] = tuple(_given(record))
                waiting.extend(_named(record) - PLAIN)

    def take(self, commands: Sequence[object]) -> list[Taken]:
        """Each command made anew, with what it is made of; what several of them share is read once.

        Raises ExclusionRefused, which names the type and nothing of the value; LoadFileTooLarge.
        """
        made: dict[int, tuple[object, object]] = {}
        taken = []
        for command in commands:
            walk = _Walk(made, [])
            taken.append(Taken(self._anew(command, self.commands, frozenset(), walk), b"".join(walk.octets)))
        return taken

    def _anew(
        self,
        value: Any,  # noqa: ANN401  # it is found out here
        kinds: AbstractSet[type],
        members: AbstractSet[type],
        walk: _Walk,
    ) -> object:
        kind = type(value)
        if kind not in kinds:
            raise ExclusionRefused(what=kind.__qualname__)
        if kind is bytes:
            walk.octets.append(value)
        elif kind is str:
            walk.octets.append(value.encode(errors="surrogatepass"))
        elif kind is tuple:
            return tuple([self._anew(each, members, frozenset(), walk) for each in value])
        elif kind in self._given and not issubclass(kind, IntEnum):
            return self._record_anew(value, walk)
        return value

    def _record_anew(self, record: object, walk: _Walk) -> object:
        if id(record) in walk.made:
            return walk.made[id(record)][1]
        kind = type(record)
        inner = _Walk(walk.made, []) if kind in self._apart else walk  # looked at, and not read
        given = {
            name: self._anew(getattr(record, name), kinds, members, inner)
            for name, kinds, members in self._given[kind]
        }
        try:
            anew = kind(**given)
        except ValueError:  # it was within its bounds once
            raise ExclusionRefused(what=kind.__qualname__) from None
        walk.made[id(record)] = record, anew  # both are kept: no other gets this identity meanwhile
        return anew


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


def _given(record: type) -> Iterator[_Field]:
    """The fields a record is made of: not those it works out for itself."""
    hints = get_type_hints(record)
    made_of = {each.name for each in fields(record) if each.init} if is_dataclass(record) else None
    for name in _field_names(record):
        if made_of is None or name in made_of:
            yield _Field(name, frozenset(_kinds(hints[name])), frozenset(_members(hints[name])))


def _kinds(hint: Any) -> Iterator[type]:  # noqa: ANN401  # a hint has no type of its own
    """The types a value under this hint may have itself."""
    if get_origin(hint) is tuple:
        yield tuple
    elif get_origin(hint) in (Union, UnionType):
        for each in get_args(hint):
            yield from _kinds(each)
    else:
        yield from _members(hint)


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
