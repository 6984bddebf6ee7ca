"""What may be shown of a dialogue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.radio.modem.paper_modem import TPDU, pdu
from tsm_gateway.radio.modem.at_command import enter_pin, send
from tsm_gateway.radio.modem.trace import redact
from tsm_gateway.secret import Secret


@pytest.mark.parametrize(
    ("octets", "shown"),
    [
        (enter_pin(Secret(b"4711")).octets, "AT+CPIN=…<CR>"),
        (b'at+cpin="12345678","4711"\r\n', "at+cpin=…<CR><LF>"),
        (send(bytes(20)).body_octets, "<21 octets><SUB>"),
        (f"+CMT: ,26\r\n{pdu()}\r\n".encode(), "+CMT: ,26<CR><LF><34 octets><CR><LF>"),
        (b"350123451234560\r", "…60<CR>"),
        (b'+CCID: "89490000000000000012"', '+CCID: "…12"'),
        (b'+CMGL: 1,0,"+491701234567",26', '+CMGL: 1,0,"+…67",26'),
        (b"\x1b\x00\xff> ", "<ESC><00><FF>> "),
        (b'+CMTI: "SM",3', '+CMTI: "SM",3'),
    ],
)
def test_secrets_are_gone_and_the_rest_is_there(octets, shown):
    assert redact(octets) == shown


@given(st.binary(max_size=80))
def test_any_octets_can_be_shown_and_a_pdu_among_them_is_not(octets):
    shown = redact(octets + b"\r" + TPDU.encode() + b"\r" + octets)
    assert TPDU not in shown
    assert shown.replace("…", ".").isprintable()
