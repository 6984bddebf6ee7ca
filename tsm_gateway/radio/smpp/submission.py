"""One part on its way out as submit_sm (SMPP 3.4 §4.4.1), and our bind (§4.1.1).

A part is 8-bit data (data_coding 0x04) with a user data header (esm_class 0x40), protocol_id 0: the form
in which a card or an application behind a port gets its octets unchanged (3GPP TS 23.040 §9.2.3.24).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.radio.smpp.options import BindMode
from tsm_gateway.radio.smpp.pdu import BindReceiver, BindTransceiver, BindTransmitter, SubmitSm
from tsm_gateway.radio.smpp.receipt import UDHI
from tsm_gateway.radio.sms.address import split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.messages import Submission
    from tsm_gateway.radio.smpp.options import SmppOptions
    from tsm_gateway.radio.smpp.pdu import AnyBind


EIGHT_BIT = 0x04  # data_coding (§5.2.19)
FINAL_RECEIPT = 0x01  # registered_delivery: success or failure (§5.2.17)

BINDS: Mapping[BindMode, type[AnyBind]] = {
    BindMode.TRANSMITTER: BindTransmitter,
    BindMode.RECEIVER: BindReceiver,
    BindMode.TRANSCEIVER: BindTransceiver,
}
LONGEST_VALIDITY_S = 99 * 30 * 86_400


class Mould:
    """The fields of submit_sm that are the same for every part of a link, prepared once."""

    __slots__ = ("_npi", "_service_type", "_source", "_ton")

    def __init__(self, options: SmppOptions) -> None:
        """Take source and numbering rules from `options`. Raises AddressError for a source that is none."""
        source = split(options.source) if options.source else (0, 0, "")
        self._source = (
            source[0] if options.source_ton is None else options.source_ton,
            source[1] if options.source_npi is None else options.source_npi,
            source[2],
        )
        self._ton = options.destination_ton
        self._npi = options.destination_npi
        self._service_type = options.service_type

    def cast(self, sequence: int, part: Submission) -> SubmitSm:
        """The PDU for one part. Raises AddressError for a destination that is none."""
        ton, npi, digits = split(part.destination)
        source_ton, source_npi, source = self._source
        return SubmitSm(
            sequence,
            service_type=self._service_type,
            source_addr_ton=source_ton,
            source_addr_npi=source_npi,
            source_addr=source,
            dest_addr_ton=ton if self._ton is None else self._ton,
            dest_addr_npi=npi if self._npi is None else self._npi,
            destination_addr=digits,
            esm_class=UDHI,
            validity_period=relative_time(part.validity_s),
            registered_delivery=FINAL_RECEIPT if part.receipt else 0,
            data_coding=EIGHT_BIT,
            short_message=part.user_data,
        )


def bind_request(options: SmppOptions, sequence: int) -> AnyBind:
    """Our bind."""
    return BINDS[options.mode](
        sequence,
        system_id=options.system_id,
        password=options.password,
        system_type=options.system_type,
        addr_ton=options.address_ton,
        addr_npi=options.address_npi,
        address_range=options.address_range,
    )


def relative_time(seconds: int) -> str:
    """`seconds` from now as YYMMDDhhmmss000R (§7.1.1.2): 16 characters, "" for 0, the peer's default.

    A month counts 30 days; what is longer than 99 of them is 99.
    """
    if seconds <= 0:
        return ""
    minutes, second = divmod(min(seconds, LONGEST_VALIDITY_S), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    months, day = divmod(days, 30)
    return f"00{months:02d}{day:02d}{hour:02d}{minute:02d}{second:02d}000R"
