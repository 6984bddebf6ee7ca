"""Only the closed set of commands, only typed arguments, nothing secret shown."""

from __future__ import annotations

import pytest

from tsm_gateway.radio.modem import at_command
from tsm_gateway.radio.modem.at_command import Command, Indications, Memory
from tsm_gateway.radio.modem.faults import CommandInvalid
from tsm_gateway.secret import Secret


def constants() -> list[Command]:
    found = list(at_command.CARD_NUMBERS.values())
    for value in vars(at_command).values():
        found += [value] if isinstance(value, Command) else []
        found += [each for each in value if isinstance(each, Command)] if isinstance(value, tuple) else []
    return found


def test_every_command_is_one_line_of_printable_characters():
    for command in constants():
        assert command.line.startswith("AT")
        assert command.line.isprintable()
        assert command.octets == command.line.encode() + b"\r"


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (at_command.select_memory(Memory.SIM), 'AT+CPMS="SM"'),
        (at_command.select_memories((Memory.PHONE, Memory.SIM, Memory.BOTH)), 'AT+CPMS="ME","SM","MT"'),
        (at_command.set_indications(Indications(2, 1, 0, 1, 0)), "AT+CNMI=2,1,0,1,0"),
        (at_command.read(0), "AT+CMGR=0"),
        (at_command.delete(65_535), "AT+CMGD=65535"),
        (at_command.select_service(1), "AT+CSMS=1"),
        (at_command.fix_speed(115_200), "AT+IPR=115200"),
        (at_command.send(b"\x01\x1a\r"), "AT+CMGS=3"),
    ],
)
def test_arguments_stand_where_they_belong(command, line):
    assert command.line == line


def test_the_body_is_hex_and_its_end_whatever_octets_it_has():
    command = at_command.send(bytes(range(175)))
    body, end = command.body_octets[:-1], command.body_octets[-1:]
    assert bytes.fromhex(body.decode()) == b"\0" + bytes(range(175))
    assert end == b"\x1a"


@pytest.mark.parametrize(
    "build",
    [
        lambda: at_command.read(-1),
        lambda: at_command.delete(65_536),
        lambda: at_command.delete("1\rAT+CMGD=1,4"),  # type: ignore[arg-type]
        lambda: at_command.read(True),
        lambda: at_command.select_service(2),
        lambda: at_command.set_indications(Indications(4, 0, 0, 0, 0)),
        lambda: at_command.select_memories(()),
        lambda: at_command.select_memories((Memory.SIM,) * 4),
        lambda: at_command.send(b""),
        lambda: at_command.send(bytes(176)),
        lambda: at_command.enter_pin(Secret(b"123")),
        lambda: at_command.enter_pin(Secret(b"123456789")),
        lambda: at_command.enter_pin(Secret(b'12"\r')),
    ],
)
def test_anything_else_is_refused(build):
    with pytest.raises(CommandInvalid):
        build()


def test_a_memory_is_one_of_ours_or_nothing():
    with pytest.raises(ValueError, match="not a valid Memory"):
        at_command.select_memory('SM"\r')  # type: ignore[arg-type]


def test_neither_pin_nor_body_is_shown():
    pin = at_command.enter_pin(Secret(b"4711"))
    assert pin.octets == b'AT+CPIN="4711"\r'
    assert "4711" not in repr(pin)
    assert repr(at_command.send(b"\xab" * 20)) == "<AT+CMGS=20 +21 octets>"
