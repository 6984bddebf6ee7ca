"""The ladder follows what the modem's answers to `=?` allow: profiles, refusals, odd spellings."""

from __future__ import annotations

import pytest

from tests.radio.modem.paper_modem import Desk, PaperModem, ready
from tsm_gateway.radio.modem.options import Mode
from tsm_gateway.radio.modem.profiles import GENERIC, PROFILES, profile_of


def modem(maker: str, model: str, cnmi: str, cpms: str, memories=("SM", "ME")) -> PaperModem:
    paper = PaperModem(memories=memories)
    paper.answers |= {
        "AT+CGMI": f"{maker}\r\n\r\nOK",
        "AT+CGMM": f"{model}\r\n\r\nOK",
        "AT+CNMI=?": f"+CNMI: {cnmi}\r\n\r\nOK",
        "AT+CPMS=?": f"+CPMS: {cpms}\r\n\r\nOK",
    }
    return paper


HUAWEI = modem(
    "huawei", "E173", "(0,1,2),(0,1,2,3),(0,2),(0,1,2),(0,1)", '("ME","SM"),("ME","SM"),("ME","SM")'
)


@pytest.mark.parametrize(
    ("maker", "model", "cnmi", "cpms", "profile", "expected"),
    [
        ("huawei", "E173", "(0,1,2),(0-3),(0,2),(0,1,2),(0,1)", '("SM","ME"),("SM","ME"),("SM","ME")',
         "huawei", [2, 1, 0, 1, 0]),
        ("SIMCOM_Ltd", "SIMCOM_SIM800L", "(0-3),(0-3),(0-3),(0,1),(0,1)", '("SM"),("SM"),("SM")',
         "sim800", [2, 1, 0, 1, 0]),
        ("SIMCOM INCORPORATED", "SIMCOM_SIM7600E-H", "(0,1,2),(0,1,2,3),(0,2),(0,1,2),(0,1)",
         '("ME","MT","SM","SR"),("ME","MT","SM","SR"),("ME","MT","SM","SR")', "sim7600", [2, 1, 0, 1, 0]),
        ("Quectel", "EC25", "(0-2),(0-3),(0,2),(0-2),(0,1)",
         '("SM","ME","MT"),("SM","ME","MT"),("SM","ME","MT")', "ec25", [2, 1, 0, 1, 0]),
        ("Telit", "LE910-EU V2", "(0-2),(0-3),(0,2,3),(0-2),(0,1)", '("SM","ME"),("SM","ME"),("SM","ME")',
         "telit", [2, 1, 0, 1, 0]),
        ("Cinterion", "EHS6", "(0-3),(0,1),(0,2,3),(0,1,2),(1)",
         '("ME","SM","MT"),("ME","SM","MT"),("SM","MT")', "cinterion", [2, 1, 0, 1, 1]),
        ("ACME", "M1", "(1),(0,1),(0),(0),(0)", '("SM"),("SM"),("SM")', "generic", [1, 1, 0, 0, 0]),
    ],
)  # fmt: skip
def test_each_profile_is_set_as_its_modem_offers(maker, model, cnmi, cpms, profile, expected):
    memories = ("SM", "ME", "MT", "SR") if "MT" in cpms else ("SM", "ME")
    desk = ready(modem(maker, model, cnmi, cpms, memories))
    assert desk.engine.health.profile == profile
    assert desk.modem.cnmi == expected
    assert desk.modem.selected[2] == "SM"
    swept = {line for line in desk.modem.lines if line.startswith('AT+CPMS="') and "," not in line}
    assert swept == {f'AT+CPMS="{name}"' for name in memories if f'"{name}"' in cpms}


def test_huawei_takes_routing_in_mode_1_only():
    desk = ready(HUAWEI, mode=Mode.DIRECT)
    assert desk.modem.cnmi == [1, 2, 0, 1, 0]
    assert "AT^CURC=0" in desk.modem.lines


def test_what_is_advertised_and_refused_gives_way_to_the_next():
    paper = PaperModem()
    paper.answers["AT+CNMI=2,1,0,1,0"] = "+CMS ERROR: 303"  # advertises ds 1, takes only 2
    assert ready(paper).modem.cnmi == [2, 1, 0, 2, 0]


def test_a_setting_that_is_said_to_hold_and_does_not_gives_way_to_the_next():
    paper = PaperModem()
    paper.answers["AT+CNMI=2,1,0,1,0"] = "OK"  # and forgotten
    assert ready(paper).modem.cnmi == [2, 1, 0, 2, 0]


def test_a_modem_that_announces_nothing_is_polled_and_somebody_is_told():
    paper = PaperModem()
    paper.answers |= {"AT+CNMI=?": "ERROR"} | {
        f"AT+CNMI={mode},1,0,{ds},{bfr}": "ERROR" for mode in range(4) for ds in range(3) for bfr in range(2)
    }
    desk = ready(paper)
    assert "modem.indications_unavailable" in desk.names()
    paper.store("040B919471325476F8000462501191834080020102")
    assert desk.wait(61).incoming


def test_without_reports_none_are_asked_for():
    assert ready(reports=False).modem.cnmi == [2, 1, 0, 0, 0]


def test_a_modem_that_tells_nothing_of_itself_is_generic_and_works():
    paper = PaperModem()
    paper.answers |= dict.fromkeys(
        ("AT+CGMI", "AT+CGMM", "AT+CGMR", "AT+CGSN", "AT+CFUN?", "AT+CPMS=?", "AT+CSMS=?", "AT+CNMI=?"),
        "ERROR",
    )
    desk = ready(paper)
    assert desk.engine.health.profile == "generic"
    assert desk.modem.cnmi == [2, 1, 0, 1, 0]


def test_a_named_profile_goes_ahead_of_what_the_modem_says():
    assert ready(profile="telit").engine.health.profile == "telit"


def test_a_modem_without_pdu_mode_cannot_be_used():
    paper = PaperModem()
    paper.answers["AT+CMGF=0"] = "+CMS ERROR: 303"
    desk = Desk(paper).open().wait(5)
    assert desk.event("modem.recovering").fields["reason"] == "refused"
    assert not [line for line in paper.lines if "CMGL" in line]


def test_a_modem_that_is_off_is_switched_on_and_one_that_is_on_is_left():
    paper = PaperModem()
    paper.answers["AT+CFUN?"] = "+CFUN: 4\r\n\r\nOK"
    assert "AT+CFUN=1" in ready(paper).modem.lines
    assert "AT+CFUN=1" not in ready().modem.lines


def test_the_speed_is_fixed_only_where_modems_guess_it():
    sim800 = modem("SIMCOM_Ltd", "SIM800", "(0-3),(0-3),(0-3),(0,1),(0,1)", '("SM"),("SM"),("SM")')
    assert "AT+IPR=115200" in ready(sim800, speed_bd=115_200).modem.lines
    assert not [line for line in ready(speed_bd=115_200).modem.lines if "IPR" in line]


def test_a_memory_with_a_name_of_the_modem_s_own_is_never_said():
    paper = PaperModem()
    paper.answers["AT+CPMS=?"] = '+CPMS: ("SM","BM","X\\r","ME"),("SM"),("SM")\r\n\r\nOK'
    said = " ".join(ready(paper).modem.lines)
    assert "BM" not in said
    assert "X" not in said


def test_readiness_told_while_it_is_set_has_it_verified():
    paper = PaperModem()
    paper.answers["AT+CMEE=1"] = "OK\r\n\r\nSMS Ready"
    desk = Desk(paper).open().wait(2)
    assert desk.engine.health.state == "ready"
    assert paper.lines.count("AT+CNMI?") == 2
    assert ready().modem.lines.count("AT+CNMI?") == 1


def test_profiles_are_found_by_marks_and_every_row_is_sound():
    assert profile_of("", "") is GENERIC
    assert profile_of("HUAWEI TECHNOLOGIES", "E3372").name == "huawei"
    for profile in PROFILES.values():
        assert all(row.mt == 1 and row.bm == 0 for row in profile.store)
        assert all(row.mt == 2 and row.bm == 0 for row in profile.direct)
