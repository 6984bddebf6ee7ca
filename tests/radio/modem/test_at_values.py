"""Values in answers, in the spellings of many makers; nothing raises for any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.radio.modem.paper_modem import REPORT, TPDU, length, pdu
from tsm_gateway.radio.modem import at_values
from tsm_gateway.radio.modem.at_values import Registration, fields, numbers, offers
from tsm_gateway.radio.modem.final_code import Family, blame, read_final
from tsm_gateway.radio.modem.indication import kind_of
from tsm_gateway.radio.modem.modem_value import Content, Fill
from tsm_gateway.radio.modem.pdu_line import fits, read_pdu


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('+COPS: 0,0,"A, B",7', ["0", "0", "A, B", "7"]),
        ("+CMGL: 1,0,,26", ["1", "0", "", "26"]),
        ('+CMGL:1,"REC UNREAD" , ,26 ', ["1", "REC UNREAD", "", "26"]),
        ("+CMTI: ,-1", ["", "-1"]),
        ("+X:", [""]),
        ("no colon", [""]),
        ('+X: "open', ["open"]),
    ],
)
def test_fields_are_parted_by_commas_outside_quotes(line, expected):
    assert fields(line) == expected


def test_what_is_no_number_is_none():
    assert numbers("+X: 1,,a,-1,9999999999,02") == [1, None, None, None, None, 2]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("+CNMI: (0-2),(0,1,3),(2),(),(1)", [{"0", "1", "2"}, {"0", "1", "3"}, {"2"}, {"1"}]),
        ('+CPMS: ("sm","ME"), ("SM"),("MT")', [{"SM", "ME"}, {"SM"}, {"MT"}]),
        ("+CSMS: 0,1", [{"0"}, {"1"}]),
        ("+CFUN: (0,1,4-6),(0-1)", [{"0", "1", "4", "5", "6"}, {"0", "1"}]),
        ("+X: (0-999)", [{str(value) for value in range(1000)}]),
        ("", []),
    ],
)
def test_offers_are_read_parameter_by_parameter(line, expected):
    assert [set(offer.values) for offer in offers(line)] == expected


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("+CREG: 1,1", Registration.HOME),
        ("+CREG: 0,5", Registration.ROAMING),
        ('+CREG: 2,1,"00AB","01CD"', Registration.HOME),
        ('+CREG: 2,"00AB","01CD",7', Registration.SEARCHING),
        ("+CREG: 3", Registration.DENIED),
        ("+CEREG: 0,6", Registration.HOME),
        ("+CREG: 1,77", Registration.HOME),
        ("+CREG: x", None),
        ("+CREG: 11", None),
    ],
)
def test_registration_asked_and_told(line, state):
    assert at_values.registration_of(line) is state


@pytest.mark.parametrize(("line", "dbm"), [("+CSQ: 0,99", -113), ("+CSQ: 31,0", -51), ("+CSQ: 99,99", None)])
def test_signal(line, dbm):
    assert at_values.signal_of(line) == dbm


@pytest.mark.parametrize("line", ["+CPMS: 3,20,1,20,1,20", '+CPMS: "SM",3,20,"ME",1,20', "+CPMS:3,20"])
def test_fill(line):
    assert at_values.fill_of(line) == Fill(3, 20)


def test_identities():
    assert at_values.imei_of(("+CGSN: 350123451234560",)) == "350123451234560"
    assert at_values.imei_of(('"3501234512345601"',)) == "350123451234560"
    assert at_values.imei_of(("none",)) == ""
    assert at_values.iccid_of(('+CCID: "8949000000000000001F"',)) == "8949000000000000001"
    assert at_values.iccid_of(("^ICCID: 89490000000000000012",)) == "89490000000000000012"


@pytest.mark.parametrize(
    ("tpdu", "content"), [(TPDU, Content.MESSAGE), (REPORT, Content.REPORT), ("0100", Content.OTHER)]
)
def test_a_pdu_line_is_the_smsc_and_what_the_header_counts(tpdu, content):
    read = read_pdu(f"+CMT: ,{length(tpdu)}", pdu(tpdu))
    assert (read.content, read.tpdu, read.fault) == (content, bytes.fromhex(tpdu), "")
    assert read_pdu(f"+CMGL: 1,1,,{length(tpdu)}", "00" + tpdu.lower()).digest == read.digest


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("", "hex"),
        ("0", "hex"),
        ("0G", "hex"),
        ("00" * 190, "hex"),
        ("FF00", "smsc"),
        ("0D" + "00" * 30, "smsc"),
        ("00", "length"),
        ("0000", "length"),
        ("03" + "00" * 3, "length"),
        (pdu()[:-2], "length"),
        (pdu() + "00", "length"),
    ],
)
def test_a_line_that_breaks_the_layout_has_a_fault_and_no_tpdu(line, fault):
    read = read_pdu(f"+CMT: ,{length(TPDU)}", line)
    assert (read.fault, read.tpdu, read.content) == (fault, b"", Content.OTHER)
    assert not fits(f"+CMT: ,{length(TPDU)}", line)


def test_a_header_without_a_length_fits_nothing():
    assert read_pdu("+CMT:", pdu()).fault == "length"


TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


@given(TEXTS, TEXTS)
def test_no_text_raises(head, text):
    for line in (text, f"+X: {text}", head + ":" + text):
        for read in (
            *(fields, numbers, offers, at_values.index_of, at_values.registration_of, at_values.signal_of),
            *(at_values.operator_of, at_values.fill_of, at_values.memory_names, kind_of),
        ):
            read(line)
        for read_lines in (at_values.imei_of, at_values.iccid_of, at_values.text_of):
            assert len(read_lines((line,))) <= 64
        read_pdu(head, line)
        result = read_final(f"+CMS ERROR: {text}")
        assert result is not None
        assert result.family is Family.CMS
        blame(result)
