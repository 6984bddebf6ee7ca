"""What the user data is, by its data coding scheme."""

from __future__ import annotations

import pytest

from tsm_gateway.radio.sms.data_coding import Content, DataCoding, classify, require_octets
from tsm_gateway.radio.sms.tpdu import is_eight_bit
from tsm_gateway.radio.sms.tpdu_errors import TpduCompressed, TpduError, TpduNotOctets

KNOWN = {
    0x00: DataCoding(Content.SEVEN_BIT, in_characters=True, message_class=None),
    0x03: DataCoding(Content.SEVEN_BIT, in_characters=True, message_class=None),
    0x04: DataCoding(Content.OCTETS, in_characters=False, message_class=None),
    0x08: DataCoding(Content.UCS2, in_characters=False, message_class=None),
    0x0C: DataCoding(Content.RESERVED, in_characters=True, message_class=None),
    0x11: DataCoding(Content.SEVEN_BIT, in_characters=True, message_class=1),
    0x16: DataCoding(Content.OCTETS, in_characters=False, message_class=2),
    0x18: DataCoding(Content.UCS2, in_characters=False, message_class=0),
    0x24: DataCoding(Content.COMPRESSED, in_characters=False, message_class=None),
    0x33: DataCoding(Content.COMPRESSED, in_characters=False, message_class=3),
    0x44: DataCoding(Content.OCTETS, in_characters=False, message_class=None),
    0x57: DataCoding(Content.OCTETS, in_characters=False, message_class=3),
    0x64: DataCoding(Content.COMPRESSED, in_characters=False, message_class=None),
    0x80: DataCoding(Content.RESERVED, in_characters=True, message_class=None),
    0xBF: DataCoding(Content.RESERVED, in_characters=True, message_class=None),
    0xC8: DataCoding(Content.WAITING, in_characters=True, message_class=None),
    0xD0: DataCoding(Content.WAITING, in_characters=True, message_class=None),
    0xE4: DataCoding(Content.WAITING, in_characters=False, message_class=None),
    0xF0: DataCoding(Content.SEVEN_BIT, in_characters=True, message_class=0),
    0xF4: DataCoding(Content.OCTETS, in_characters=False, message_class=0),
    0xF7: DataCoding(Content.OCTETS, in_characters=False, message_class=3),
    0xF8: DataCoding(Content.RESERVED, in_characters=True, message_class=None),
    0xFC: DataCoding(Content.RESERVED, in_characters=True, message_class=None),
}


@pytest.mark.parametrize("scheme", KNOWN)
def test_a_scheme_is_taken_apart(scheme: int) -> None:
    assert classify(scheme) == KNOWN[scheme]


def test_the_schemes_of_octets_are_the_eight_bit_ones() -> None:
    octets = [scheme for scheme in range(256) if classify(scheme).content is Content.OCTETS]
    assert octets == [scheme for scheme in range(256) if is_eight_bit(scheme)]


def test_payments_come_as_octets_only_and_compressed_ones_have_a_refusal_of_their_own() -> None:
    refusals: dict[int, type[TpduError]] = {}
    for scheme in range(256):
        try:
            require_octets(scheme)
        except TpduError as error:
            refusals[scheme] = type(error)
    assert set(refusals) == {scheme for scheme in range(256) if not is_eight_bit(scheme)}
    compressed = {scheme for scheme, refusal in refusals.items() if refusal is TpduCompressed}
    assert compressed == {scheme for scheme in range(0x80) if scheme & 0x20}
    assert {refusals[scheme] for scheme in refusals.keys() - compressed} == {TpduNotOctets}


def test_a_refusal_says_what_it_is_instead() -> None:
    with pytest.raises(TpduNotOctets, match="content=ucs2, scheme=8"):
        require_octets(8)
