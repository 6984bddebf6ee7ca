"""Lines of a modem as events, whatever comes in between and however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radio.modem.paper_modem import TPDU, length, pdu
from tsm_gateway.radio.modem import at_command
from tsm_gateway.radio.modem.at_line import LONGEST_LINE
from tsm_gateway.radio.modem.at_reply import NEED_MORE, Ended, Entry, Indicated, Info, Prompted, Reader
from tsm_gateway.radio.modem.faults import LineTooLong
from tsm_gateway.radio.modem.final_code import Family, Result
from tsm_gateway.radio.modem.indication import Kind

OK = Ended(Result(Family.OK))
SEND = at_command.send(bytes(20))
COMMANDS = (None, at_command.WAKE, at_command.SIGNAL, at_command.MAKER, at_command.LIST, SEND)
CMTI = Indicated(Kind.STORED, '+CMTI: "SM",3')
CMT_HEADER = f"+CMT: ,{length(TPDU)}"
CMGL = f"+CMGL: 7,0,,{length(TPDU)}"


def pulled(reader: Reader) -> list[object]:
    events: list[object] = []
    while True:
        try:
            event = reader.pull()
        except LineTooLong:
            events.append(LineTooLong)
            continue
        if event is NEED_MORE:
            return events
        events.append(event)


def events(command, octets, chunk=0):
    reader = Reader()
    reader.expect(command)
    octets = octets.encode() if isinstance(octets, str) else octets
    found = []
    for start in range(0, len(octets), chunk or max(1, len(octets))):
        reader.feed(octets[start : start + (chunk or len(octets))])
        found += pulled(reader)
    return found


@pytest.mark.parametrize("chunk", [0, 1, 2, 3, 7])
class TestHoweverTheLineIsCut:
    def test_an_answer_its_echo_and_its_result(self, chunk):
        said = "AT+CSQ\r\r\n+CSQ: 20,0\r\n\r\nOK\r\n"
        assert events(at_command.SIGNAL, said, chunk) == [Info("+CSQ: 20,0"), OK]

    def test_a_prompt_without_a_line_end(self, chunk):
        assert events(SEND, "\r\n> ", chunk) == [Prompted()]

    @pytest.mark.parametrize("between", ["\r\n> \r\n", "> ", "\r\n>"])
    def test_an_indication_right_behind_the_prompt(self, chunk, between):
        assert events(SEND, f'{between}+CMTI: "SM",3\r\n', chunk) == [Prompted(), CMTI]

    def test_only_one_prompt_per_command(self, chunk):
        assert events(SEND, "\r\n> \r\n> \r\nOK\r\n", chunk) == [Prompted(), OK]

    def test_a_prompt_nobody_waits_for_is_dropped(self, chunk):
        assert events(at_command.SIGNAL, "> +CSQ: 1,2\r\n", chunk) == [Info("+CSQ: 1,2")]

    def test_an_indication_between_a_header_and_its_pdu(self, chunk):
        said = f'\r\n{CMGL}\r\n+CMTI: "SM",3\r\n{pdu()}\r\n\r\nOK\r\n'
        assert events(at_command.LIST, said, chunk) == [CMTI, Entry(CMGL, pdu()), OK]

    def test_a_message_handed_over_between_a_header_and_its_pdu(self, chunk):
        said = f"{CMGL}\r\n{CMT_HEADER}\r\n{pdu('AA' * 23)}\r\n{pdu()}\r\nOK\r\n"
        assert events(at_command.LIST, said, chunk) == [
            Indicated(Kind.MESSAGE, CMT_HEADER, pdu("AA" * 23)),
            Entry(CMGL, pdu()),
            OK,
        ]

    def test_junk_nul_and_a_line_without_end(self, chunk):
        said = b"\0\xff\xfe+CS\0Q: 5,\xff0\r\n" + b"x" * 8192 + b"\r\nOK\r\n"
        assert events(at_command.SIGNAL, said, chunk) == [Info("+CSQ: 5,0"), LineTooLong, OK]

    def test_a_result_between_an_indication_and_its_pdu(self, chunk):
        said = f"{CMT_HEADER}\r\nOK\r\n{pdu()}\r\n"
        assert events(at_command.WAKE, said, chunk) == [OK, Indicated(Kind.MESSAGE, CMT_HEADER, pdu())]


def test_an_echo_of_the_body_is_no_pdu():
    assert events(SEND, f"{CMT_HEADER}\r\n{SEND.body}\x1a\r\n{pdu()}\r\n") == [
        Indicated(Kind.MESSAGE, CMT_HEADER, pdu())
    ]


def test_a_header_without_its_pdu_is_told_without_one():
    assert events(at_command.LIST, f"{CMGL}\r\n{CMGL}\r\n{pdu()}\r\n{CMGL}\r\nOK\r\n") == [
        Entry(CMGL, None),
        Entry(CMGL, pdu()),
        Entry(CMGL, None),
        OK,
    ]


def test_an_unknown_indication_is_no_pdu():
    assert events(at_command.LIST, f"{CMGL}\r\n^NEWS: 1\r\n{pdu()}\r\n") == [Entry(CMGL, pdu())]
    assert events(None, f"{CMT_HEADER}\r\n^NEWS: 1\r\n{pdu()}\r\n") == [
        Indicated(Kind.MESSAGE, CMT_HEADER, pdu())
    ]


def test_an_answer_without_prefix_is_not_taken_for_a_pdu():
    said = f"{CMT_HEADER}\r\nACME\r\n{pdu()}\r\nOK\r\n"
    assert events(at_command.MAKER, said) == [
        Info("ACME"),
        Indicated(Kind.MESSAGE, CMT_HEADER, pdu()),
        OK,
    ]


def test_the_prefix_of_the_command_in_flight_is_an_answer_and_otherwise_an_indication():
    creg = at_command.REGISTRATIONS[0]
    assert events(creg, "+CREG: 1,5\r\n") == [Info("+CREG: 1,5")]
    assert events(at_command.SIGNAL, "+CREG: 5\r\n") == [Indicated(Kind.REGISTRATION, "+CREG: 5")]


def test_results_in_digits_count_only_while_the_modem_may_speak_so():
    assert events(at_command.WAKE, "0\r") == [OK]
    assert events(at_command.SIGNAL, "0\r") == []


def test_a_result_nobody_waits_for_is_dropped_and_counted():
    reader = Reader()
    reader.feed(b"OK\r\nERROR\r\n+CSQ: 1,2\r\n")
    assert pulled(reader) == []
    assert reader.noise == 3


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("ERROR", Result(Family.ERROR, 0, "ERROR")),
        ("+CME ERROR: 14", Result(Family.CME, 14, "14")),
        ("+CMS ERROR:515", Result(Family.CMS, 515, "515")),
        ("+CMS ERROR: memory failure", Result(Family.CMS, 0, "memory failure")),
        ("NO CARRIER", Result(Family.ERROR, 0, "NO CARRIER")),
        ("NO DIALTONE", Result(Family.ERROR, 0, "NO DIALTONE")),
        ("BUSY", Result(Family.ERROR, 0, "BUSY")),
        ("NO ANSWER", Result(Family.ERROR, 0, "NO ANSWER")),
        ("COMMAND NOT SUPPORT", Result(Family.ERROR, 0, "COMMAND NOT SUPPORT")),
        ("TOO MANY PARAMETERS", Result(Family.ERROR, 0, "TOO MANY PARAMETERS")),
    ],
)
def test_every_final_result(line, result):
    assert events(at_command.SIGNAL, f"\r\n{line}\r\n") == [Ended(result)]


WORDS = st.sampled_from(
    [
        *(b"\r\n", b"\r", b"> ", b">", b"OK\r\n", b"ERROR\r\n", b'+CMTI: "SM",1\r\n', b"+CME ERROR: 14\r\n"),
        *(
            b"+CMT: ,26\r\n",
            b"+CDS: 26\r\n",
            b"+CBM: 88\r\n",
            b"+CMGL: 1,0,,26\r\n",
            b"+CMGS: 5\r\n",
            b"AT\r",
        ),
        *(
            pdu().encode() + b"\r\n",
            b"\0",
            b"\xff",
            b"+CSQ: 1,2\r\n",
            b"^BOOT:1\r\n",
            b"RING\r\n",
            b"A" * 1030,
        ),
    ]
)
OCTETS = st.lists(st.one_of(WORDS, st.binary(max_size=12)), max_size=14).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(OCTETS, st.sampled_from(COMMANDS), st.integers(1, 9))
def test_any_octets_whole_or_one_by_one_are_the_same_events(octets, command, chunk):
    whole = events(command, octets)
    assert events(command, octets, 1) == whole
    assert events(command, octets, chunk) == whole


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=400), st.sampled_from(COMMANDS))
def test_memory_is_bounded_whatever_comes(octets, command):
    reader = Reader()
    reader.expect(command)
    for _ in range(40):
        reader.feed(octets)
        pulled(reader)
        assert reader.pending <= LONGEST_LINE
