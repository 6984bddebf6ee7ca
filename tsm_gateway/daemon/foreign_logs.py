"""What libraries log, brought into our log without what they log it about.

Only warnings and errors come through, and of those the fixed text and the kind of exception: a library's
arguments may be a frame, a statement's parameters or a payload.
"""

from __future__ import annotations

import logging
from pathlib import PurePath
from typing import TYPE_CHECKING, Protocol

from tsm_gateway.daemon.events import Event

if TYPE_CHECKING:
    from types import TracebackType

SILENT = ("smpplib",)  # only its tables are used; whatever it would say is about a frame


class Emits(Protocol):
    """The one method of `Log` that is needed here."""

    def emit(self, event: Event, *, alarm: bool = False, **fields: object) -> None:
        """Write one line."""


class ForeignHandler(logging.Handler):
    """Turns a standard record into `library.logged`."""

    def __init__(self, log: Emits) -> None:
        """`log` is asked to write; below a warning nothing is passed on."""
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: the caller is a library that does not expect it."""
        try:
            error, where = _fault(record)
            self._log.emit(
                Event.LIBRARY_LOGGED,
                logger=record.name,
                text=record.msg.partition("\n")[0]
                if isinstance(record.msg, str)
                else type(record.msg).__name__,
                error=error,
                where=where or f"{record.filename}:{record.lineno}",
            )
        except Exception:  # noqa: BLE001 - the edge of somebody else's code
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """Stay silent: the standard handler would print the record's arguments."""


def route_foreign(log: Emits) -> None:
    """Let `log` be the only output of the standard loggers, warnings included."""
    root = logging.getLogger()
    root.handlers[:] = [ForeignHandler(log)]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    for name in SILENT:
        quiet = logging.getLogger(name)
        quiet.handlers[:] = [logging.NullHandler()]
        quiet.propagate = False


def _fault(record: logging.LogRecord) -> tuple[str | None, str | None]:
    """(class of the exception, file:line that raised it); the exception's text may hold anything."""
    kind, _, trace = record.exc_info or (None, None, None)
    return (kind.__name__ if kind else None), (_innermost(trace) if trace else None)


def _innermost(trace: TracebackType) -> str:
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
