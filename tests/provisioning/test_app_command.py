"""What an app SE is told, octet by octet, and what cannot be said to it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tsm_gateway.provisioning import app_command as say
from tsm_gateway.provisioning.apdu import ANSWER_DATA, Command, read_command
from tsm_gateway.provisioning.card_keys import KeySet, put_key
from tsm_gateway.provisioning.load_file import LoadFile, LoadPlan
from tsm_gateway.provisioning.parameters import Parameters
from tsm_gateway.secret import Secret

PACKAGE = bytes.fromhex("A00000015141434C")
APPLET = bytes.fromhex("A00000015141434C00")
SD = bytes.fromhex("A000000151000000")
LOAD_FILE = LoadFile(bytes(300), PACKAGE)
PLAN = LoadPlan(LOAD_FILE, (), 200)
PARAMETERS = Parameters("+4930123456", "+4915200000001", 16500, 50_000, 978)
ADDRESS, NUMBER = b"+4930123456", b"+4915200000001"
TOKEN = bytes(range(64))
DIGEST = LOAD_FILE.digest.hex()


def key_set(kvn: int, length: int = 16) -> KeySet:
    return KeySet(kvn, *(Secret(bytes((each,)) * length) for each in (1, 2, 3)))


PUT = put_key(key_set(0x31), key_set(0x30), replaces=0x30)

SAID: list[tuple[Any, str]] = [
    (say.SelectDomain(SD), "00A4040008 A000000151000000 00"),
    (say.BeginSession(0x30, bytes(8)), "8050300008 0000000000000000 00"),
    (say.BeginSession(0, bytes(16)), "8050000010 00000000000000000000000000000000 00"),
    (
        say.InstallForLoad(LOAD_FILE, SD),
        f"80E602003B 08A00000015141434C 08A000000151000000 20{DIGEST} 06EF04C602012C 00 00",
    ),
    (
        say.InstallForLoad(LOAD_FILE, SD, TOKEN, 0x7FFF),
        f"80E602007B 08A00000015141434C 08A000000151000000 20{DIGEST} 06EF04C6027FFF 40{TOKEN.hex()} 00",
    ),
    (
        say.InstallForLoad(LOAD_FILE, SD, code_octets=0x8000),
        f"80E602003D 08A00000015141434C 08A000000151000000 20{DIGEST} 08EF06C60400008000 00 00",
    ),
    (say.LoadBlock(PLAN, 0), f"80E80000C8 C482012C{'00' * 196} 00"),
    (say.LoadBlock(PLAN, 1), f"80E8800168 {'00' * 104} 00"),
    (
        say.InstallForInstall(PACKAGE, APPLET, APPLET),
        "80E60C0023 08A00000015141434C 09A00000015141434C00 09A00000015141434C00 0100 02C900 00 00",
    ),
    (
        say.InstallForInstall(PACKAGE, APPLET, APPLET, b"\x04\x00\x00", TOKEN),
        f"80E60C0065 08{PACKAGE.hex()} 09{APPLET.hex()} 09{APPLET.hex()} 03040000 02C900 40{TOKEN.hex()} 00",
    ),
    (say.Delete(PACKAGE, related=True), "80E400800A 4F08A00000015141434C 00"),
    (say.Delete(APPLET, related=False), "80E400000B 4F09A00000015141434C00 00"),
    (say.Delete(APPLET, False, TOKEN), f"80E400004D 4F09A00000015141434C00 9E40{TOKEN.hex()} 00"),
    (say.GetStatus(say.StatusKind.DOMAIN), "80F2800202 4F00 00"),
    (say.GetStatus(say.StatusKind.APPLICATIONS), "80F2400202 4F00 00"),
    (say.GetStatus(say.StatusKind.LOAD_FILES, following=True), "80F2200302 4F00 00"),
    (say.GetStatus(say.StatusKind.LOAD_FILES_AND_MODULES), "80F2100202 4F00 00"),
    (say.GetFreeMemory(), "80CAFF21 00"),
    (say.PersonaliseApplication(APPLET), "80E620000F 0000 09A00000015141434C00 000000 00"),
    (
        say.StoreParameters(PARAMETERS),
        f"80E2880032 0101 2F 800B{ADDRESS.hex()} 810E{NUMBER.hex()} 82024074 8308000000000000C350 840203D2",
    ),
    (say.PutCardKeys.of(PUT), PUT.encode().hex()),
]


@pytest.mark.parametrize(
    ("said", "octets"), SAID, ids=[f"{n}-{type(s).__name__}" for n, (s, _) in enumerate(SAID)]
)
def test_a_command_is_the_octets_of_the_specification(said: Any, octets: str) -> None:
    command = said.command()
    assert command.encode() == bytes.fromhex(octets)
    assert read_command(command.encode()) == command


def test_every_type_of_the_set_is_tried_here() -> None:
    assert {type(said) for said, _ in SAID} == say.APP_SE_COMMANDS


def test_the_set_is_closed_and_frozen() -> None:
    for said, _ in SAID:
        assert dataclasses.is_dataclass(said)
        assert not hasattr(said, "__dict__")
        for field in dataclasses.fields(said):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(said, field.name, b"anything")


def test_only_storing_data_awaits_no_answer() -> None:
    silent = [type(said) for said, _ in SAID if said.command().le != ANSWER_DATA]
    assert silent == [say.StoreParameters]


class Anything:
    """What could encode itself, count its blocks and have a size: and is none of ours."""

    size = 16
    count = 1
    aid = PACKAGE
    digest = bytes(32)

    def encode(self) -> bytes:
        return b"octets of one's own"

    def block(self, _: int) -> bytes:
        return self.encode()


class KindredPlan(LoadPlan):
    def block(self, _: int) -> bytes:
        return b"octets of one's own"


class KindredParameters(Parameters):
    def encode(self) -> bytes:
        return b"octets of one's own"


OUT_OF_BOUNDS: list[tuple[type, tuple[Any, ...]]] = [
    (say.SelectDomain, (bytes(4),)),
    (say.SelectDomain, (bytes(17),)),
    (say.BeginSession, (256, bytes(8))),
    (say.BeginSession, (-1, bytes(8))),
    (say.BeginSession, (0x30, bytes(7))),
    (say.BeginSession, (0x30, bytes(32))),
    (say.InstallForLoad, (LOAD_FILE, bytes(4))),
    (say.InstallForLoad, (LOAD_FILE, SD, bytes(63))),
    (say.InstallForLoad, (LOAD_FILE, SD, bytes(256))),
    (say.InstallForLoad, (LOAD_FILE, SD, b"", -1)),
    (say.InstallForLoad, (LOAD_FILE, SD, b"", 2**32)),
    (say.InstallForLoad, (Anything(), SD)),
    (say.LoadBlock, (PLAN, 2)),
    (say.LoadBlock, (PLAN, -1)),
    (say.LoadBlock, (Anything(), 0)),
    (say.LoadBlock, (KindredPlan(LOAD_FILE, (), 200), 0)),
    (say.InstallForInstall, (bytes(4), APPLET, APPLET)),
    (say.InstallForInstall, (PACKAGE, bytes(17), APPLET)),
    (say.InstallForInstall, (PACKAGE, APPLET, b"")),
    (say.InstallForInstall, (PACKAGE, APPLET, APPLET, bytes(2))),
    (say.InstallForInstall, (PACKAGE, APPLET, APPLET, bytes(32))),
    (say.InstallForInstall, (PACKAGE, APPLET, APPLET, b"\x00", bytes(16))),
    (say.Delete, (bytes(32), True)),
    (say.Delete, (PACKAGE, True, bytes(16))),
    (say.PersonaliseApplication, (bytes(32),)),
    (say.StoreParameters, (Anything(),)),
    (say.StoreParameters, (KindredParameters("+4930123456", "12345", 1, 1, 978),)),
    (say.PutCardKeys, (0x80, PUT.data)),
    (say.PutCardKeys, (-1, PUT.data)),
    (say.PutCardKeys, (0x30, b"")),
    (say.PutCardKeys, (0x30, b"\x31" + bytes(16))),
    (say.PutCardKeys, (0x30, b"\x00" + PUT.data[1:])),
    (say.PutCardKeys, (0x30, b"\x80" + PUT.data[1:])),
    (say.PutCardKeys, (0x30, PUT.data + b"\x00")),
    (say.PutCardKeys, (0x30, PUT.data[:-1])),
    (say.PutCardKeys, (0x30, PUT.data + PUT.data[1:24])),
    (say.PutCardKeys, (0x30, PUT.data[:1] + b"\x80" + PUT.data[2:])),
    (say.PutCardKeys, (0x30, PUT.data[:2] + b"\x12" + PUT.data[3:])),
    (say.PutCardKeys, (0x30, PUT.data[:3] + b"\x0f" + PUT.data[4:])),
    (say.PutCardKeys, (0x30, PUT.data[:20] + b"\x04" + PUT.data[21:])),
]


@pytest.mark.parametrize(
    ("kind", "arguments"),
    OUT_OF_BOUNDS,
    ids=[f"{number}-{kind.__name__}" for number, (kind, _) in enumerate(OUT_OF_BOUNDS)],
)
def test_what_is_out_of_bounds_is_a_defect(kind: type, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError):
        kind(*arguments)


@pytest.mark.parametrize("length", [16, 24, 32])
def test_keys_of_each_length_are_put(length: int) -> None:
    command = put_key(key_set(0x32, length), key_set(0x31, length), replaces=0)
    assert say.PutCardKeys.of(command).command() == command


def test_keys_of_two_lengths_are_not_put() -> None:
    long = put_key(key_set(0x31, 24), key_set(0x30, 24), replaces=0x30).data  # 24 octets go as 32
    longer = put_key(key_set(0x31, 32), key_set(0x30, 32), replaces=0x30).data
    third = len(long) // 3
    with pytest.raises(ValueError, match="one length"):
        say.PutCardKeys(0x30, long[: 1 + third] + longer[1 + third :])


@pytest.mark.parametrize(
    "command", [Command(0x80, 0xE2, 0, 0x81, PUT.data), Command(0x80, 0xD8, 0, 1, PUT.data)]
)
def test_only_putting_a_whole_set_puts_keys(command: Command) -> None:
    with pytest.raises(ValueError, match="PUT KEY"):
        say.PutCardKeys.of(command)


def test_key_octets_do_not_print() -> None:
    assert PUT.data.hex()[:8] not in repr(say.PutCardKeys.of(PUT))
    assert str(PUT.data)[2:10] not in repr(say.PutCardKeys.of(PUT))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("provider_address", ""),
        ("provider_address", "sp:" + "a" * 33),
        ("provider_address", "SP:name"),
        ("provider_address", "+0123456789"),
        ("provider_address", "0f" * 32),
        ("provider_address", "12345\n"),
        ("gateway_number", "12"),
        ("gateway_number", "1" * 16),
        ("gateway_number", "+49 30"),
        ("gateway_number", "deadbeef"),
        ("gateway_number", "١٢٣"),
        ("port", 0),
        ("port", 65536),
        ("amount_limit", -1),
        ("amount_limit", 2**63),
        ("currency", 0),
        ("currency", 1000),
    ],
)
def test_parameters_out_of_bounds_are_named_and_not_shown(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"out of bounds: {field}$"):
        dataclasses.replace(PARAMETERS, **{field: value})


@pytest.mark.parametrize("address", ["+4930123456", "12345", "sp:cinema.example-1_x"])
def test_addresses_of_each_kind_are_told(address: str) -> None:
    told = dataclasses.replace(PARAMETERS, provider_address=address, amount_limit=0).encode()
    assert told[3:5] == bytes((0x80, len(address)))
    assert address.encode() in told


def test_the_longest_parameters_fit_one_command() -> None:
    longest = Parameters("sp:" + "a" * 32, "+" + "1" * 15, 65535, 2**63 - 1, 999)
    assert len(say.StoreParameters(longest).command().data) < 128
