"""The frozen values that cross stages.

Named tuples, because one is made per short message on the hot path. They hold ciphertext and
addresses, never opened plaintext.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Verdict(Enum):
    """What a bearer is to answer for a short message, once its fate is durable."""

    TAKEN = "taken"  # ours now, or refused in silence: the radio forgets it
    FULL = "full"  # our spool is full: keep it and try again
    BUSY = "busy"  # any other trouble of ours: keep it and try again


class Ticket(NamedTuple):
    """What a bearer needs to answer one short message; opaque to everybody else."""

    bearer: str  # the link's name, "carrier-a"
    session: int  # which connection of that link; an answer to an older one is dropped
    sequence: int  # SMPP sequence number, or the index in a modem's memory
    kind: int  # SMPP command_id of the request, or which modem memory


class Segment(NamedTuple):
    """One short message of a payment, its user data header read (3GPP TS 23.040 §9.2.3.24)."""

    ticket: Ticket
    source: str  # who sent it: digits with "+" when international; never authenticates
    destination: str
    protocol_id: int
    data_coding: int
    port: int | None  # destination port, None without application port addressing
    reference: int | None  # concatenation reference, 0..65535; None when not concatenated
    total: int  # parts of the whole message, 1..255
    number: int  # this part, 1..total
    body: bytes  # user data behind the header


class ReceiptState(Enum):
    """What a delivery receipt says became of a part (SMPP 3.4 §5.2.28)."""

    DELIVERED = "delivered"
    PENDING = "pending"  # still on its way (enroute, accepted)
    FAILED = "failed"  # expired, deleted, undeliverable, rejected
    UNKNOWN = "unknown"


class Receipt(NamedTuple):
    """A delivery receipt for one part sent earlier."""

    ticket: Ticket
    message_ids: tuple[str, ...]  # every spelling under which the part's id may be stored, best first
    state: ReceiptState
    error: str  # the network's error field, "" when absent


class Unusable(NamedTuple):
    """A short message that is no payment and no receipt: text, a broken header, another port's."""

    ticket: Ticket
    source: str
    reason: str  # one of the relay's refusal reasons: "malformed", "not_for_us"


Arrival = Segment | Receipt | Unusable


class Fate(Enum):
    """What became of a part handed to a bearer."""

    ACCEPTED = "accepted"
    BUSY = "busy"  # throttled or queue full: nothing wrong with the message
    TEMPORARY = "temporary"  # try again later
    PERMANENT = "permanent"  # trying again cannot help
    UNKNOWN = "unknown"  # sent but never answered: it may have gone out
    NOT_SENT = "not_sent"  # the link went away first


class PartId(NamedTuple):
    """One part of one message on its way out."""

    message_id: bytes  # 16 octets
    number: int  # 1..total


class Submission(NamedTuple):
    """One part for a bearer to send, final octets."""

    part: PartId
    destination: str  # the provider's number
    user_data: bytes  # header and body, at most 140 octets; the header is always there
    receipt: bool  # ask for a delivery receipt
    validity_s: int  # how long the network should try; 0 = the network's default


class Submitted(NamedTuple):
    """A bearer's answer for one part."""

    part: PartId
    fate: Fate
    status: int  # the bearer's own code (SMPP command_status), for the log
    message_ids: tuple[str, ...]  # spellings of the id it was given, as `Receipt.message_ids`
