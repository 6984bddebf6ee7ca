"""What can be wrong with lines from a modem, and with commands we were asked to build."""

from __future__ import annotations

from tsm_gateway.errors import Side, TsmError


class LineTooLong(TsmError):
    """A line of the modem is longer than any line can be; it was dropped up to its end.

    The stream itself is sound: go on reading.
    """

    code, side, temporary = "at-line-too-long", Side.PEER, True


class CommandInvalid(TsmError):
    """A value cannot stand in its AT command; nothing is ever cut or quoted to fit."""

    code, side, temporary = "at-command-invalid", Side.OURS, False
