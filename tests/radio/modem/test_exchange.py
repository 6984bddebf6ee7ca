"""The table of one command in flight, and any order of events over it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radio.modem.paper_modem import Desk, PaperModem, ready
from tsm_gateway.messages import Fate
from tsm_gateway.radio.modem.exchange import EXCHANGE, Phase, Step
from tsm_gateway.radio.modem.options import Mode

SAID = st.sampled_from(
    [
        *(
            "OK",
            "ERROR",
            "+CMS ERROR: 515",
            "+CME ERROR: 14",
            "> ",
            '+CMTI: "SM",1',
            "+CMGS: 5",
            "RING",
            "^BOOT:1",
        ),
        *(
            "+CMT: ,26",
            "+CDS: 26",
            "+CPIN: READY",
            "+CPIN: SIM PUK",
            "+CREG: 2",
            "+CMGL: 1,0,,26",
            "\0\xff",
            "x" * 1200,
        ),
        "0791947122160000040B919471325476F80004625011918340080102030405060708",
    ]
)
STEPS = st.lists(
    st.one_of(
        SAID.map(lambda line: ("hear", line)),
        st.floats(0.01, 200).map(lambda seconds: ("wait", seconds)),
        st.sampled_from(["submit", "lost", "open", "durable", "refused", "mute", "unmute", "forget"]).map(
            lambda name: (name, None)
        ),
    ),
    max_size=25,
)


def test_every_phase_can_be_reached_and_left():
    assert set(EXCHANGE.values()) == set(Phase)
    assert {phase for phase, _ in EXCHANGE} == set(Phase)


def test_a_body_is_written_only_behind_a_prompt_and_only_once():
    assert [row for row, phase in EXCHANGE.items() if phase is Phase.BODY] == [(Phase.PROMPT, Step.PROMPTED)]
    assert not [row for row, phase in EXCHANGE.items() if row[0] is Phase.BODY and phase is Phase.PROMPT]


def test_a_time_out_always_leads_through_silence_and_a_marker():
    late = {phase for (_, step), phase in EXCHANGE.items() if step is Step.LATE}
    assert late == {Phase.QUIET}
    assert [row for row, phase in EXCHANGE.items() if phase is Phase.MARKER] == [(Phase.QUIET, Step.STILL)]


@settings(max_examples=120, deadline=None)
@given(STEPS, st.sampled_from(Mode), st.integers(0, 3))
def test_no_order_of_events_breaks_an_engine_or_loses_a_fate(steps, mode, chunk):
    desk = Desk(PaperModem(), mode=mode, chunk=chunk).open()
    taken = 0
    for name, value in steps:
        if name == "hear":
            desk.hear(f"\r\n{value}\r\n")
        elif name == "wait":
            desk.wait(value)
        elif name == "submit":
            taken += desk.engine.submit(taken, bytes(20), desk.now)
        elif name == "lost":
            desk.engine.lost("unplugged", desk.now)
        elif name == "open":
            desk.engine.opened(desk.now)
        elif name in ("durable", "refused"):
            getattr(desk.engine, name)(range(50), desk.now)
        elif name == "forget":
            desk.modem.cnmi, desk.modem.cmgf, desk.modem.echo = [0] * 5, 1, True
        else:
            desk.plugged = name == "unmute"
        desk.pump()
    desk.plugged = True
    desk.engine.lost("unplugged", desk.now)
    desk.pump()
    assert sorted(str(sent.key) for sent in desk.sent) == sorted(map(str, range(taken)))
    bodies = [octets for octets in desk.writes if octets.endswith(b"\x1a")]
    possible = [sent for sent in desk.sent if sent.fate in (Fate.ACCEPTED, Fate.UNKNOWN)]
    assert len(possible) <= len(bodies)
    assert len(desk.engine._station.fates) == 0
    assert desk.open().wait(5).engine.health.state == "ready"


def test_a_listing_longer_than_its_time_is_waited_for_while_it_comes():
    desk = ready()
    desk.modem.answers["AT+CMGL=4"] = ""
    desk.wait(60)
    for index in range(4):
        desk.wait(50)
        desk.hear(f"{desk.modem.entry('CMGL', index, '0400')}\r\n")
    assert desk.engine.counters.timeouts == 0
    desk.hear("\r\nOK\r\n")
    assert [each.index for each in desk.incoming] == [0, 1, 2, 3]
