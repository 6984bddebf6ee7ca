"""What cards say they hold, read whole or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.provisioning.app_command import StatusKind
from tsm_gateway.provisioning.card_errors import CardAnswerMalformed
from tsm_gateway.provisioning.card_status import MOST_ENTRIES, FreeMemory, read_free_memory, read_status
from tsm_gateway.registry.card import CardContent

ISD = bytes.fromhex("A000000151000000")
PACKAGE = bytes.fromhex("A00000015141434C")
APPLET = PACKAGE + b"\x00"


def entry(hexed: str) -> bytes:
    octets = bytes.fromhex(hexed)
    return bytes((0xE3, len(octets))) + octets


DOMAIN = entry("4F08A000000151000000 9F700107 C5039EFE80 CC08A000000151000000")
APPLICATION = entry("4F09A00000015141434C00 9F700107 C503000000 C408A00000015141434C CC08A000000151000000")
SUPPLEMENTARY = entry("4F08A000000151000001 9F70010F C50180")
LOAD_FILE = entry("4F08A00000015141434C 9F700101 CE020100 8409A00000015141434C00 8409A00000015141434C01")


def test_entries_are_read_by_kind() -> None:
    assert read_status(StatusKind.DOMAIN, [DOMAIN]) == (
        CardContent("domain", ISD, 0x07, bytes.fromhex("9EFE80")),
    )
    assert read_status(StatusKind.APPLICATIONS, [APPLICATION + SUPPLEMENTARY]) == (
        CardContent("application", APPLET, 0x07, bytes(3)),
        CardContent("domain", ISD[:-1] + b"\x01", 0x0F, b"\x80"),
    )
    for kind in (StatusKind.LOAD_FILES, StatusKind.LOAD_FILES_AND_MODULES):
        assert read_status(kind, [LOAD_FILE]) == (CardContent("load-file", PACKAGE, 0x01, b""),)


@pytest.mark.parametrize("cut", range(len(APPLICATION + SUPPLEMENTARY)))
def test_an_answer_in_pages_is_read_wherever_the_card_cuts_it(cut: int) -> None:
    whole = APPLICATION + SUPPLEMENTARY
    pages = [whole[:cut], whole[cut:]]
    assert read_status(StatusKind.APPLICATIONS, pages) == read_status(StatusKind.APPLICATIONS, [whole])


@pytest.mark.parametrize("pages", [[], [b""], [b"", b""]])
def test_a_card_may_hold_nothing_of_a_kind(pages: list[bytes]) -> None:
    assert read_status(StatusKind.APPLICATIONS, pages) == ()


@pytest.mark.parametrize(
    "page",
    [
        APPLICATION[:-1],
        APPLICATION + b"\x00",
        entry("9F700107 C50100"),
        entry("4F08A000000151000000 C50100"),
        entry("4F08A000000151000000 9F70020707 C50100"),
        entry("4F08A000000151000000 9F700107 C5020000"),
        entry("4F04A0000001 9F700107 C50100"),
        entry("4F11A000000151000000A000000151000000AA 9F700107 C50100"),
        b"\xe4" + APPLICATION[1:],
        bytes.fromhex("08A0000001510000000700"),  # the older form, without tags
        DOMAIN * (MOST_ENTRIES + 1),
    ],
)
def test_an_answer_of_another_form_is_refused(page: bytes) -> None:
    with pytest.raises(CardAnswerMalformed):
        read_status(StatusKind.APPLICATIONS, [page])


def test_a_card_that_never_comes_to_an_end_is_refused() -> None:
    with pytest.raises(CardAnswerMalformed):
        read_status(StatusKind.APPLICATIONS, [b""] * 65)


@pytest.mark.parametrize(
    ("answer", "memory"),
    [
        ("FF210B 810105 82021000 83020800", FreeMemory(5, 0x1000, 0x800)),
        ("FF2111 810400000002 820400012000 830400000400", None),
        ("FF2112 810400000002 820400012000 830400000400", FreeMemory(2, 0x12000, 0x400)),
        ("FF210C 810105 8203012000 83020800", FreeMemory(5, 0x12000, 0x800)),
        ("FF2108 810105 82021000 83", None),
        ("FF2107 810105 82021000", None),
        ("FF210A 810105 8200 83020800", None),
        ("FF2110 810105 82050000001000 830400000800", None),
        ("FF220B 810105 82021000 83020800", None),
        ("810105 82021000 83020800", None),
        ("FF210B 810105 82021000 83020800 00", None),
        ("", None),
    ],
)
def test_free_memory_is_read_or_refused(answer: str, memory: FreeMemory | None) -> None:
    octets = bytes.fromhex(answer)
    if memory is not None:
        assert read_free_memory(octets) == memory
        return
    with pytest.raises(CardAnswerMalformed):
        read_free_memory(octets)


@given(st.sampled_from(StatusKind), st.lists(st.binary(max_size=256), max_size=4))
def test_any_answer_is_read_or_refused(kind: StatusKind, pages: list[bytes]) -> None:
    try:
        contents = read_status(kind, pages)
    except CardAnswerMalformed:
        contents = ()
    assert all(5 <= len(each.aid) <= 16 for each in contents)


@given(st.data())
def test_an_altered_answer_is_read_or_refused(data: st.DataObject) -> None:
    octets = bytearray(APPLICATION + SUPPLEMENTARY + LOAD_FILE)
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        contents = read_status(StatusKind.APPLICATIONS, [bytes(octets)])
    except CardAnswerMalformed:
        contents = ()
    assert len(contents) <= 3


@given(st.binary(max_size=64))
def test_any_octets_are_free_memory_or_refused(octets: bytes) -> None:
    try:
        memory = read_free_memory(octets)
    except CardAnswerMalformed:
        return
    assert memory.persistent < 2**32
