"""What can be wrong with octets from a peer, and with values we were asked to encode.

Decoding has three outcomes: a value, `BodyMalformed`, or `UnknownCommand`; framing adds `FrameLength`.
Any other exception out of the codec is a defect of the codec. None of these ever holds octets of a PDU.
"""

from __future__ import annotations

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.radio.smpp.commands import is_response


class FrameLength(TsmError):
    """The peer announced a PDU of impossible length: the octet stream is lost, close the link.

    `length` is what its first four octets said; `frames` are the whole PDUs which came before it in the
    same read and may still be served.
    """

    code, side, temporary = "smpp-frame-length", Side.PEER, True

    def __init__(self, *, length: int, frames: list[bytes] | None = None) -> None:
        """`length` is command_length as received, 0 to 2**32 - 1."""
        super().__init__(length=length)
        self.length = length
        self.frames = frames or []


class BodyMalformed(TsmError):
    """A PDU's body does not follow its layout; the link itself is sound.

    Answer a request with its own response (`command_id` | 0x80000000, `sequence`) and `status`. When
    `is_response` is true nothing may be sent back: the request `sequence` was answered with
    `command_status`, only the details (a message_id) are lost.
    """

    code, side, temporary = "smpp-body-malformed", Side.PEER, False

    def __init__(self, *, command_id: int, sequence: int, status: int, command_status: int = 0) -> None:
        """`status` is the command_status to answer with, `command_status` the one received."""
        super().__init__(command_id=command_id, sequence=sequence, status=status)
        self.command_id = command_id
        self.sequence = sequence
        self.status = status
        self.command_status = command_status

    @property
    def is_response(self) -> bool:
        """Whether the broken PDU was a response."""
        return is_response(self.command_id)


class UnknownCommand(TsmError):
    """A PDU's command_id is not one of SMPP 3.4; the link itself is sound.

    A request is answered by generic_nack RINVCMDID with the same sequence number (§4.3); an unknown
    response is ignored and counted.
    """

    code, side, temporary = "smpp-unknown-command", Side.PEER, False

    def __init__(self, *, command_id: int, sequence: int) -> None:
        """Both as received, 0 to 2**32 - 1."""
        super().__init__(command_id=command_id, sequence=sequence)
        self.command_id = command_id
        self.sequence = sequence

    @property
    def is_response(self) -> bool:
        """Whether it claims to be a response."""
        return is_response(self.command_id)


class FieldTooLong(TsmError):
    """A value does not fit its SMPP field; nothing is ever cut to fit."""

    code, side, temporary = "smpp-field-too-long", Side.OURS, False


class FieldInvalid(TsmError):
    """A value cannot stand in its SMPP field: a NUL, a character beyond Latin-1, a number too big."""

    code, side, temporary = "smpp-field-invalid", Side.OURS, False
