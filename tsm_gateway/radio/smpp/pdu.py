"""The PDUs of SMPP 3.4 as frozen values: one class per command over the fields in `layouts`.

What the rest of the package offers around them:

- `framing.Framer(max_pdu=65536).feed(octets) -> list[bytes]`: whole PDUs, header included, in order.
  Raises `FrameLength` as soon as an impossible command_length is there. `.pending` says how many octets
  of an unfinished PDU are held (0: the stream stands between two PDUs).
- `codec.decode(frame: bytes) -> Pdu`. Raises `BodyMalformed` or `UnknownCommand`; `FrameLength` only for
  octets which no `Framer` returned.
- `codec.encode(pdu: Pdu) -> bytes`: the whole PDU. Raises `FieldTooLong` or `FieldInvalid`.
- `fast.deliver_sm_resp(sequence, status=0)`, `fast.enquire_link(sequence)`,
  `fast.enquire_link_resp(sequence)`, `fast.generic_nack(sequence, status)`: the same octets as `encode`,
  without the detour over a value.
- `fast.error_response(command_id, sequence, status)`: the header-only response to a request.

Equality looks at the fields alone, as tuples do; `type(pdu)` or `pdu.command_id` tells the command.
"""

from __future__ import annotations

from typing import ClassVar

from tsm_gateway.radio.smpp import commands, layouts
from tsm_gateway.radio.smpp.layouts import Tlv, Tlvs


class SubmitSm(layouts.ShortMessage):
    """ESME to SMSC: send this short message."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.SUBMIT_SM


class SubmitSmResp(layouts.MessageAnswer):
    """SMSC to ESME: taken under this id, or refused (§4.4.2)."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.SUBMIT_SM_RESP


class DeliverSm(layouts.ShortMessage):
    """SMSC to ESME: a short message or a delivery receipt came for you."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.DELIVER_SM


class DeliverSmResp(layouts.MessageAnswer):
    """ESME to SMSC: taken, or try again (§4.6.2); message_id is unused."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.DELIVER_SM_RESP


class DataSm(layouts.Data):
    """A message in either direction."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.DATA_SM


class DataSmResp(layouts.MessageAnswer):
    """The answer to data_sm (§4.7.2)."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.DATA_SM_RESP


class BindReceiver(layouts.Bind):
    """ESME to SMSC: I want to receive."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.BIND_RECEIVER


class BindReceiverResp(layouts.BindAnswer):
    """The answer to bind_receiver."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.BIND_RECEIVER_RESP


class BindTransmitter(layouts.Bind):
    """ESME to SMSC: I want to send."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.BIND_TRANSMITTER


class BindTransmitterResp(layouts.BindAnswer):
    """The answer to bind_transmitter."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.BIND_TRANSMITTER_RESP


class BindTransceiver(layouts.Bind):
    """ESME to SMSC: I want to send and receive."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.BIND_TRANSCEIVER


class BindTransceiverResp(layouts.BindAnswer):
    """The answer to bind_transceiver."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.BIND_TRANSCEIVER_RESP


class Outbind(layouts.OutboundBind):
    """SMSC to ESME: bind to me. It is answered by a bind."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.OUTBIND


class Unbind(layouts.Bare):
    """Either side: let us end this session (§4.2)."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.UNBIND


class UnbindResp(layouts.BareAnswer):
    """The answer to unbind."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.UNBIND_RESP


class EnquireLink(layouts.Bare):
    """Either side: are you there (§4.11)."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.ENQUIRE_LINK


class EnquireLinkResp(layouts.BareAnswer):
    """The answer to enquire_link."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.ENQUIRE_LINK_RESP


class GenericNack(layouts.BareAnswer):
    """Either side: I could not read your PDU (§4.3)."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.GENERIC_NACK


class QuerySm(layouts.Query):
    """ESME to SMSC: what became of this message (§4.8)."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.QUERY_SM


class QuerySmResp(layouts.QueryAnswer):
    """The answer to query_sm."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.QUERY_SM_RESP


class ReplaceSm(layouts.Replace):
    """ESME to SMSC: send this text instead."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.REPLACE_SM


class ReplaceSmResp(layouts.BareAnswer):
    """The answer to replace_sm."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.REPLACE_SM_RESP


class CancelSm(layouts.Cancel):
    """ESME to SMSC: do not send this message."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.CANCEL_SM


class CancelSmResp(layouts.BareAnswer):
    """The answer to cancel_sm."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.CANCEL_SM_RESP


class AlertNotification(layouts.Alert):
    """SMSC to ESME: a subscriber can be reached again."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.ALERT_NOTIFICATION


class SubmitMulti(layouts.Unread):
    """ESME to SMSC: send to many (§4.5); recognised, never read."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.SUBMIT_MULTI


class SubmitMultiResp(layouts.Unread):
    """The answer to submit_multi; recognised, never read."""

    __slots__ = ()
    command_id: ClassVar[int] = commands.SUBMIT_MULTI_RESP


Pdu = (
    SubmitSm
    | SubmitSmResp
    | DeliverSm
    | DeliverSmResp
    | DataSm
    | DataSmResp
    | BindReceiver
    | BindReceiverResp
    | BindTransmitter
    | BindTransmitterResp
    | BindTransceiver
    | BindTransceiverResp
    | Outbind
    | Unbind
    | UnbindResp
    | EnquireLink
    | EnquireLinkResp
    | GenericNack
    | QuerySm
    | QuerySmResp
    | ReplaceSm
    | ReplaceSmResp
    | CancelSm
    | CancelSmResp
    | AlertNotification
    | SubmitMulti
    | SubmitMultiResp
)
AnyBind = BindReceiver | BindTransmitter | BindTransceiver
AnyBindResp = BindReceiverResp | BindTransmitterResp | BindTransceiverResp

__all__ = [
    "AlertNotification",
    "AnyBind",
    "AnyBindResp",
    "BindReceiver",
    "BindReceiverResp",
    "BindTransceiver",
    "BindTransceiverResp",
    "BindTransmitter",
    "BindTransmitterResp",
    "CancelSm",
    "CancelSmResp",
    "DataSm",
    "DataSmResp",
    "DeliverSm",
    "DeliverSmResp",
    "EnquireLink",
    "EnquireLinkResp",
    "GenericNack",
    "Outbind",
    "Pdu",
    "QuerySm",
    "QuerySmResp",
    "ReplaceSm",
    "ReplaceSmResp",
    "SubmitMulti",
    "SubmitMultiResp",
    "SubmitSm",
    "SubmitSmResp",
    "Tlv",
    "Tlvs",
    "Unbind",
    "UnbindResp",
]
