"""A PDU is rows: the fields of each command's body in wire order, taken from smpplib's tables.

smpplib says which fields a command has, how long each may be and whether it is optional. What it does not
know (outbind, replace_sm, cancel_sm) stands here in the same form, from SMPP 3.4 §4.1.7, §4.10.1 and
§4.9.1. sm_length has no row of its own: it is the first octet of short_message.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from smpplib import command as smpplib_command
from smpplib.consts import OPTIONAL_PARAMS

from tsm_gateway.radio.smpp import commands, pdu
from tsm_gateway.radio.smpp.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Kind(Enum):
    """How a mandatory field is written (§3.1)."""

    INTEGER = "integer"  # one octet: no mandatory field of a body is longer
    STRING = "string"  # Latin-1 and a NUL; `longest` counts the NUL
    TIME = "time"  # a string that is empty or 16 characters long (§7.1.1)
    COUNTED = "counted"  # a length octet, then that many octets; `longest` leaves the length octet out


class Row(NamedTuple):
    """One mandatory field."""

    name: str
    kind: Kind
    longest: int  # octets
    status: Status  # the command_status which names this field's fault


_FIELD_STATUS: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "service_type": Status.RINVSERTYP,
        "source_addr": Status.RINVSRCADR,
        "destination_addr": Status.RINVDSTADR,
        "esme_addr": Status.RINVDSTADR,
        "schedule_delivery_time": Status.RINVSCHED,
        "validity_period": Status.RINVEXPIRY,
        "short_message": Status.RINVMSGLEN,
        "message_id": Status.RINVMSGID,
        "system_id": Status.RINVSYSID,
        "password": Status.RINVPASWD,
        "system_type": Status.RINVSYSTYP,
    },
)
_LONG_ADDRESS: Final = 65
_LONGER: Final[Mapping[type[pdu.Pdu], frozenset[str]]] = MappingProxyType(
    {  # addresses which the specification makes longer than smpplib does (§4.7.1, §4.12.1)
        pdu.DataSm: frozenset({"source_addr", "destination_addr"}),
        pdu.AlertNotification: frozenset({"source_addr", "esme_addr"}),
    },
)
_TIMES: Final = frozenset({"schedule_delivery_time", "validity_period", "final_date"})

_FROM_SMPPLIB: Final[Mapping[type[pdu.Pdu], Any]] = MappingProxyType(
    {
        pdu.SubmitSm: smpplib_command.SubmitSM,
        pdu.SubmitSmResp: smpplib_command.SubmitSMResp,
        pdu.DeliverSm: smpplib_command.DeliverSM,
        pdu.DeliverSmResp: smpplib_command.DeliverSMResp,
        pdu.DataSm: smpplib_command.DataSM,
        pdu.DataSmResp: smpplib_command.DataSMResp,
        pdu.BindReceiver: smpplib_command.BindReceiver,
        pdu.BindReceiverResp: smpplib_command.BindReceiverResp,
        pdu.BindTransmitter: smpplib_command.BindTransmitter,
        pdu.BindTransmitterResp: smpplib_command.BindTransmitterResp,
        pdu.BindTransceiver: smpplib_command.BindTransceiver,
        pdu.BindTransceiverResp: smpplib_command.BindTransceiverResp,
        pdu.Unbind: smpplib_command.Unbind,
        pdu.UnbindResp: smpplib_command.UnbindResp,
        pdu.EnquireLink: smpplib_command.EnquireLink,
        pdu.EnquireLinkResp: smpplib_command.EnquireLinkResp,
        pdu.GenericNack: smpplib_command.GenericNAck,
        pdu.QuerySm: smpplib_command.QuerySM,
        pdu.QuerySmResp: smpplib_command.QuerySMResp,
        pdu.AlertNotification: smpplib_command.AlertNotification,
    },
)
_OWN: Final[Mapping[type[pdu.Pdu], tuple[str, ...]]] = MappingProxyType(
    {
        pdu.Outbind: ("system_id", "password"),
        pdu.ReplaceSm: (
            "message_id",
            "source_addr_ton",
            "source_addr_npi",
            "source_addr",
            "schedule_delivery_time",
            "validity_period",
            "registered_delivery",
            "sm_default_msg_id",
            "short_message",
        ),
        pdu.ReplaceSmResp: (),
        pdu.CancelSm: (
            "service_type",
            "message_id",
            "source_addr_ton",
            "source_addr_npi",
            "source_addr",
            "dest_addr_ton",
            "dest_addr_npi",
            "destination_addr",
        ),
        pdu.CancelSmResp: (),
    },
)


def _row(name: str, longest: int) -> Row:
    """The row of the field `name`, whose kind follows from its name and length."""
    if name in _TIMES:
        kind = Kind.TIME
    elif name == "short_message":
        kind = Kind.COUNTED
    else:
        kind = Kind.INTEGER if longest == 1 else Kind.STRING
    return Row(name, kind, longest, _FIELD_STATUS.get(name, Status.RINVPARLEN))


def _mandatory(kind: type[pdu.Pdu], source: Any) -> Iterator[Row]:  # noqa: ANN401 - smpplib has no types
    """The mandatory fields of `kind` from `source`, one of smpplib's command classes."""
    required = getattr(source, "mandatory_fields", ())
    for name in source.params_order:
        if name == "sm_length" or (name in OPTIONAL_PARAMS and name not in required):
            continue
        param = source.params[name]
        longest = getattr(param, "max", None) or param.size
        yield _row(name, _LONG_ADDRESS if name in _LONGER.get(kind, ()) else longest)


_READ: Final = {kind: tuple(_mandatory(kind, source)) for kind, source in _FROM_SMPPLIB.items()}
_ROWS: Final = {
    row.name: row for kind in (pdu.SubmitSm, pdu.BindReceiver, pdu.QuerySm) for row in _READ[kind]
}
LAYOUTS: Final[Mapping[type[pdu.Pdu], tuple[Row, ...]]] = MappingProxyType(
    _READ | {kind: tuple(_ROWS[name] for name in names) for kind, names in _OWN.items()},
)
UNREAD: Final = (pdu.SubmitMulti, pdu.SubmitMultiResp)
PDUS: Final[Mapping[int, type[pdu.Pdu]]] = MappingProxyType(
    {kind.command_id: kind for kind in (*LAYOUTS, *UNREAD)},
)

# The status for a body that ends where a field should begin: for messages it is their length that is wrong.
_MESSAGES: Final = frozenset(
    {commands.SUBMIT_SM, commands.DELIVER_SM, commands.DATA_SM, commands.REPLACE_SM, commands.SUBMIT_MULTI},
)


def status_when_cut(command_id: int) -> Status:
    """RINVMSGLEN for PDUs that carry a message, RINVCMDLEN for the others."""
    return Status.RINVMSGLEN if command_id in _MESSAGES else Status.RINVCMDLEN
