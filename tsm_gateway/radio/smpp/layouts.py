"""The fields of SMPP 3.4 PDUs, one named tuple per layout; `pdu` gives each command its layout.

Field names are those of §4 of the specification. C-octet strings are `str` with one character per octet
(Latin-1), without their NUL; the lengths beside them count characters. `sequence` is 0 to 2**32 - 1 on
input (peers break the rule of 1 to 0x7FFFFFFF). Requests have no status: whatever a peer writes there
is ignored, as §5.1.3 demands NULL. No layout prints addresses, user data or passwords.
"""

from __future__ import annotations

from typing import NamedTuple

from tsm_gateway.secret import Secret


class Tlv(NamedTuple):
    """One optional parameter as it stood on the wire (§5.3); `tlv` reads it when it is asked for."""

    tag: int  # 0..65535
    value: bytes  # 0..65535 octets

    def __repr__(self) -> str:
        """The tag and how long its value is: message_payload is a value too."""
        return f"Tlv(0x{self.tag:04X}, {len(self.value)} octets)"


Tlvs = tuple[Tlv, ...]  # in wire order, repeats and unknown tags included


class Bare(NamedTuple):
    """A request without body: enquire_link, unbind."""

    sequence: int


class BareAnswer(NamedTuple):
    """A response without body."""

    sequence: int
    status: int = 0


class ShortMessage(NamedTuple):
    """What submit_sm (§4.4.1) and deliver_sm (§4.6.1) share; sm_length is `len(short_message)`."""

    sequence: int
    service_type: str = ""  # at most 5
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""  # at most 20
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""  # at most 20
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""  # empty or 16 (§7.1.1)
    validity_period: str = ""  # empty or 16; "000007000000000R" is seven days
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""  # at most 254 octets
    tlvs: Tlvs = ()

    def __repr__(self) -> str:
        """What kind of message and how long; neither who nor what."""
        return (
            f"{type(self).__name__}(sequence={self.sequence}, esm_class=0x{self.esm_class:02X}, "
            f"data_coding=0x{self.data_coding:02X}, {len(self.short_message)} octets, tlvs={self.tlvs})"
        )


class Data(NamedTuple):
    """data_sm (§4.7.1): its user data, if any, is the message_payload TLV."""

    sequence: int
    service_type: str = ""  # at most 5
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""  # at most 64: it may be an address of another network
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""  # at most 64: it may be an address of another network
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0
    tlvs: Tlvs = ()

    def __repr__(self) -> str:
        """What kind of message; neither who nor what."""
        return (
            f"{type(self).__name__}(sequence={self.sequence}, esm_class=0x{self.esm_class:02X}, "
            f"data_coding=0x{self.data_coding:02X}, tlvs={self.tlvs})"
        )


class MessageAnswer(NamedTuple):
    """A response which names a message; error responses often come without a body."""

    sequence: int
    status: int = 0
    message_id: str = ""  # at most 64; "" when the peer gave none
    tlvs: Tlvs = ()


class Bind(NamedTuple):
    """The three binds (§4.1.1)."""

    sequence: int
    system_id: str = ""  # at most 15
    password: Secret = Secret(b"")  # at most 8 octets of Latin-1
    system_type: str = ""  # at most 12
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""  # at most 40
    tlvs: Tlvs = ()


class BindAnswer(NamedTuple):
    """The answers to the three binds (§4.1.2); an error, and many a peer's success, has no more than this."""

    sequence: int
    status: int = 0
    system_id: str = ""  # at most 15; often empty
    tlvs: Tlvs = ()  # sc_interface_version, when the peer says it


class OutboundBind(NamedTuple):
    """outbind (§4.1.7): an SMSC asks to be bound to."""

    sequence: int
    system_id: str = ""  # at most 15
    password: Secret = Secret(b"")  # at most 8 octets


class Query(NamedTuple):
    """query_sm (§4.8.1)."""

    sequence: int
    message_id: str = ""  # at most 64
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""  # at most 20

    def __repr__(self) -> str:
        """Which message; not whose."""
        return f"{type(self).__name__}(sequence={self.sequence}, message_id={self.message_id!r})"


class QueryAnswer(NamedTuple):
    """The answer to query_sm (§4.8.2)."""

    sequence: int
    status: int = 0
    message_id: str = ""  # at most 64
    final_date: str = ""  # empty or 16
    message_state: int = 0  # §5.2.28
    error_code: int = 0


class Replace(NamedTuple):
    """replace_sm (§4.10.1)."""

    sequence: int
    message_id: str = ""  # at most 64
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""  # at most 20
    schedule_delivery_time: str = ""  # empty or 16
    validity_period: str = ""  # empty or 16
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""  # at most 254 octets

    def __repr__(self) -> str:
        """Which message and how long its new text; neither who nor what."""
        return (
            f"{type(self).__name__}(sequence={self.sequence}, message_id={self.message_id!r}, "
            f"{len(self.short_message)} octets)"
        )


class Cancel(NamedTuple):
    """cancel_sm (§4.9.1)."""

    sequence: int
    service_type: str = ""  # at most 5
    message_id: str = ""  # at most 64; "" cancels by addresses
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""  # at most 20
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""  # at most 20

    def __repr__(self) -> str:
        """Which message; not whose."""
        return f"{type(self).__name__}(sequence={self.sequence}, message_id={self.message_id!r})"


class Alert(NamedTuple):
    """alert_notification (§4.12.1): a subscriber can be reached again. It is never answered."""

    sequence: int
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""  # at most 64
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""  # at most 64
    tlvs: Tlvs = ()  # ms_availability_status

    def __repr__(self) -> str:
        """That it came; not whose it is."""
        return f"{type(self).__name__}(sequence={self.sequence}, tlvs={self.tlvs})"


class Unread(NamedTuple):
    """A command this gateway knows by name only: header and raw body, enough to answer it."""

    sequence: int
    status: int = 0
    body: bytes = b""

    def __repr__(self) -> str:
        """Which command and how long."""
        return f"{type(self).__name__}(sequence={self.sequence}, {len(self.body)} octets)"
