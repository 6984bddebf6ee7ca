"""APDUs: the four cases written and read, anything else refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.provisioning.apdu import Command, Response, read_command, read_response, status_text
from tsm_gateway.provisioning.card_errors import CardAnswerMalformed, CardCommandMalformed

octet = st.integers(0, 255)
commands = st.builds(
    Command,
    *(octet, octet, octet, octet),
    data=st.binary(max_size=255),
    le=st.none() | st.integers(1, 256),
)


@pytest.mark.parametrize(
    ("command", "octets"),
    [
        (Command(0x80, 0xF2, 0x20, 0x02), "80f22002"),
        (Command(0x80, 0xCA, 0x00, 0x66, le=256), "80ca006600"),
        (Command(0x80, 0xCA, 0x00, 0x66, le=255), "80ca0066ff"),
        (Command(0x00, 0xA4, 0x04, 0x00, b"\xa0\x00"), "00a4040002a000"),
        (Command(0x00, 0xA4, 0x04, 0x00, b"\xa0\x00", 256), "00a4040002a00000"),
        (Command(0x00, 0xA4, 0x04, 0x00, b"\xa0\x00", 2), "00a4040002a00002"),
    ],
    ids=["case 1", "case 2", "case 2, Le 255", "case 3", "case 4", "case 4, Le 2"],
)
def test_the_four_cases_are_written_and_read(command: Command, octets: str) -> None:
    assert command.encode().hex() == octets
    assert read_command(bytes.fromhex(octets)) == command


@given(commands)
def test_what_is_written_is_read_back(command: Command) -> None:
    assert read_command(command.encode()) == command


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "80",
        "80ca00",
        "80ca00660010",
        "80ca0066000100",
        "80e8000000000141",
        "00a4040002a0",
        "00a4040001a00000",
    ],
)
def test_cut_overlong_and_extended_commands_are_refused(octets: str) -> None:
    with pytest.raises(CardCommandMalformed):
        read_command(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "command",
    [
        Command(0, 0, 0, 0, bytes(256)),
        Command(0, 0, 0, 0, le=0),
        Command(0, 0, 0, 0, le=257),
        Command(256, 0, 0, 0),
        Command(0, 0, -1, 0),
    ],
)
def test_what_fits_no_short_apdu_is_not_written(command: Command) -> None:
    with pytest.raises(ValueError):
        command.encode()


@given(st.binary(max_size=270))
def test_any_octets_are_a_command_or_refused(octets: bytes) -> None:
    try:
        command = read_command(octets)
    except CardCommandMalformed:
        return
    assert command.encode() == octets


@given(st.binary(max_size=256), octet, octet)
def test_a_response_is_read_back(data: bytes, sw1: int, sw2: int) -> None:
    octets = data + bytes((sw1, sw2))
    response = read_response(octets)
    assert (response.data, response.sw) == (data, sw1 << 8 | sw2)
    assert response.encode() == octets


@pytest.mark.parametrize("length", [0, 1, 259, 1000])
def test_a_response_without_status_word_or_too_long_is_refused(length: int) -> None:
    with pytest.raises(CardAnswerMalformed):
        read_response(bytes(length))


@pytest.mark.parametrize(
    ("sw", "succeeded", "failed"),
    [
        (0x9000, True, False),
        (0x6200, False, False),
        (0x6310, False, False),
        (0x63C2, False, False),
        (0x6400, False, True),
        (0x6100, False, True),
        (0x6A88, False, True),
        (0x9001, False, True),
        (0x9100, False, True),
    ],
)
def test_success_warning_and_failure_are_told_apart(sw: int, succeeded: bool, failed: bool) -> None:
    response = Response(b"", sw)
    assert (response.succeeded, response.failed) == (succeeded, failed)


@pytest.mark.parametrize(
    ("sw", "says"),
    [
        (0x9000, "success"),
        (0x6A84, "not enough memory"),
        (0x6310, "more data available"),
        (0x6110, "16 more octets"),
        (0x6C08, "8 octets are there"),
        (0x63C2, "63C2"),
        (0x6543, "6543"),
        (0x1234, "status word 1234"),
    ],
)
def test_a_status_word_is_told_in_words(sw: int, says: str) -> None:
    assert says in status_text(sw)


@given(st.integers(0, 0xFFFF))
def test_every_status_word_has_a_text(sw: int) -> None:
    assert status_text(sw)
    assert "{" not in status_text(sw)
