"""Each command_status leads to one decision, the named ones and all the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpplib import consts

from tsm_gateway.messages import Fate, Verdict
from tsm_gateway.radio.smpp.status import (
    VERDICT_STATUS,
    BindAdvice,
    Refusal,
    Status,
    after_bind,
    after_submit,
    name_of,
)

DEFECTS_OF_THE_PART = [
    Status.RINVMSGLEN,
    Status.RINVSRCADR,
    Status.RINVDSTADR,
    Status.RINVESMCLASS,
    Status.RINVDSTTON,
    Status.RINVEXPIRY,
    Status.RX_P_APPN,
    Status.RX_R_APPN,
    Status.RINVOPTPARSTREAM,
    Status.RINVPARLEN,
    Status.RINVCMDID,
]


def test_every_status_has_the_number_smpplib_gives_it() -> None:
    theirs = {name[10:]: number for name, number in vars(consts).items() if name.startswith("SMPP_ESME_")}
    assert {status.name: status.value for status in Status} == theirs


def test_no_error_is_acceptance() -> None:
    assert after_submit(0) == Refusal(Fate.ACCEPTED, 0.0)


@pytest.mark.parametrize("status", [Status.RTHROTTLED, Status.RMSGQFUL])
def test_a_busy_network_pauses_the_link_and_blames_no_part(status: int) -> None:
    fate, pause_s = after_submit(status)
    assert fate is Fate.BUSY
    assert pause_s > 0


def test_a_system_error_is_temporary_and_pauses_the_link() -> None:
    fate, pause_s = after_submit(Status.RSYSERR)
    assert fate is Fate.TEMPORARY
    assert pause_s > 0


@pytest.mark.parametrize("status", DEFECTS_OF_THE_PART)
def test_a_defect_of_the_part_is_permanent(status: int) -> None:
    assert after_submit(status) == Refusal(Fate.PERMANENT, 0.0)


@pytest.mark.parametrize("status", [Status.RX_T_APPN, Status.RDELIVERYFAILURE, Status.RUNKNOWNERR])
def test_a_failure_of_the_moment_is_temporary(status: int) -> None:
    assert after_submit(status).fate is Fate.TEMPORARY


@given(st.integers(0x100, 0xFFFFFFFF))
def test_a_status_nobody_named_is_temporary(status: int) -> None:
    assert after_submit(status) == Refusal(Fate.TEMPORARY, 0.0)
    assert after_bind(status) is BindAdvice.BACK_OFF


@pytest.mark.parametrize("status", [Status.RALYBND, Status.RSYSERR, Status.RBINDFAIL, Status.RTHROTTLED])
def test_a_bind_refused_for_the_moment_is_tried_again_soon(status: int) -> None:
    assert after_bind(status) is BindAdvice.BACK_OFF


@pytest.mark.parametrize("status", [Status.RINVPASWD, Status.RINVSYSID, Status.RINVSYSTYP, Status.RINVCMDID])
def test_a_bind_refused_for_good_raises_an_alarm(status: int) -> None:
    assert after_bind(status) is BindAdvice.ALARM


def test_verdicts_are_answered_so_that_nothing_is_lost() -> None:
    assert dict(VERDICT_STATUS) == {Verdict.TAKEN: 0x00, Verdict.FULL: 0x14, Verdict.BUSY: 0x64}


def test_a_status_is_named_as_operators_know_it() -> None:
    assert name_of(0x58) == "ESME_RTHROTTLED"
    assert name_of(0x412) == "vendor 0x0412"
    assert name_of(0x500) == "reserved 0x0500"
    assert name_of(9) == "reserved 0x0009"
