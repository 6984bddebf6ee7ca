"""Which data coding schemes promise octets."""

from __future__ import annotations

from tsm_gateway.radio.sms.tpdu import EIGHT_BIT, ProtocolId, is_eight_bit


def test_the_eight_bit_schemes_are_these_and_no_others() -> None:
    found = [dcs for dcs in range(256) if is_eight_bit(dcs)]
    assert found == [
        *range(0x04, 0x08),
        *range(0x14, 0x18),
        *range(0x44, 0x48),
        *range(0x54, 0x58),
        *range(0xF4, 0xF8),
    ]


def test_what_we_send_is_eight_bit() -> None:
    assert EIGHT_BIT == 0x04
    assert is_eight_bit(EIGHT_BIT)


def test_what_no_octet_can_say_is_not_eight_bit() -> None:
    assert not is_eight_bit(-1)
    assert not is_eight_bit(0x104)


def test_the_protocol_identifiers_are_the_standards() -> None:
    assert {each.name: each.value for each in ProtocolId} == {
        "SHORT_MESSAGE": 0,
        "TYPE_0": 0x40,
        "SIM_DATA_DOWNLOAD": 0x7F,
    }
