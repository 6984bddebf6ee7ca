"""Values that hold opened plaintext: readable by field, never as a whole."""

from __future__ import annotations

from typing import NoReturn


class Redacted:
    """Base of values that never print, pickle or copy: a field must be asked for by its name."""

    __slots__ = ()

    def __repr__(self) -> str:
        """The type's name and nothing else."""
        return f"{type(self).__name__}(…)"

    def __reduce__(self) -> NoReturn:
        """Refuse pickle and copy."""
        message = "opened plaintext is never serialised"
        raise TypeError(message)
