"""What the codec tests share: PDUs to draw, a header to write by hand, and smpplib as it wants to be used."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st
from smpplib.consts import OPTIONAL_PARAMS
from smpplib.smpp import make_pdu, parse_pdu

from tsm_gateway.radio.smpp import layouts, pdu
from tsm_gateway.radio.smpp.layouts import Tlv
from tsm_gateway.secret import Secret

Sequence = st.integers(0, 0xFFFFFFFF)
Octet = st.integers(0, 0xFF)
Status = st.one_of(st.just(0), st.integers(0, 0xFFFFFFFF))


def string(longest: int) -> st.SearchStrategy[str]:
    """What a C-octet string may hold: any octets but NUL."""
    return st.text(st.characters(min_codepoint=1, max_codepoint=0xFF), max_size=longest)


Time = st.one_of(st.just(""), st.just("000007000000000R"), st.text("0123456789+-R", min_size=16, max_size=16))
Address = string(20)
LongAddress = string(64)
Id = string(64)
AnyTlv = st.builds(Tlv, st.integers(0, 0xFFFF), st.binary(max_size=40))
Tlvs = st.lists(AnyTlv, max_size=6).map(tuple)

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "sequence": Sequence,
    "status": Status,
    "service_type": string(5),
    "source_addr": Address,
    "destination_addr": Address,
    "esme_addr": LongAddress,
    "schedule_delivery_time": Time,
    "validity_period": Time,
    "final_date": Time,
    "short_message": st.binary(max_size=254),
    "message_id": Id,
    "system_id": string(15),
    "password": string(8).map(lambda text: Secret(text.encode("latin-1"))),
    "system_type": string(12),
    "address_range": string(40),
    "tlvs": Tlvs,
    "body": st.binary(max_size=300),
}
LONG = {"source_addr": LongAddress, "destination_addr": LongAddress}
KINDS: tuple[type[pdu.Pdu], ...] = tuple(
    kind
    for kind in vars(pdu).values()
    if isinstance(kind, type) and hasattr(kind, "command_id") and kind.__module__ == pdu.__name__
)


def pdus(kind: Any) -> st.SearchStrategy[Any]:
    """Any valid value of `kind`, a class of `pdu`."""
    own = LONG if issubclass(kind, layouts.Data | layouts.Alert) else {}
    return st.builds(kind, **{name: own.get(name, FIELDS.get(name, Octet)) for name in kind._fields})


def frame(command_id: int, body: bytes = b"", *, status: int = 0, sequence: int = 1) -> bytes:
    """A PDU written by hand."""
    return struct.pack(">IIII", 16 + len(body), command_id, status, sequence) + body


class Client:
    """All that smpplib's command objects want of a client."""

    sequence = 0

    def next_sequence(self) -> int:
        """Never used: the sequence is set afterwards."""
        return 1


def smpplib_encode(name: str, sequence: int, status: int = 0, **fields: Any) -> bytes:
    """smpplib's octets."""
    command = make_pdu(name, client=Client(), **fields)
    command.sequence = sequence
    command.status = status
    octets: bytes = command.generate()
    return octets


def smpplib_decode(octets: bytes) -> Any:
    """smpplib's command object."""
    return parse_pdu(octets, client=Client(), allow_unknown_opt_params=True)


# Optional parameters which smpplib writes, in its order, with integers of the size it knows.
INTEGER_TLVS = {
    "user_message_reference": 2,
    "source_port": 2,
    "destination_port": 2,
    "sar_msg_ref_num": 2,
    "sar_total_segments": 1,
    "sar_segment_seqnum": 1,
}


def integer_tlvs(values: dict[str, int]) -> tuple[Tlv, ...]:
    """Our form of `values`, in smpplib's order."""
    return tuple(
        Tlv(OPTIONAL_PARAMS[name], values[name].to_bytes(size, "big"))
        for name, size in INTEGER_TLVS.items()
        if name in values
    )


IntegerTlvs = st.dictionaries(st.sampled_from(list(INTEGER_TLVS)), st.integers(0, 0xFF))
