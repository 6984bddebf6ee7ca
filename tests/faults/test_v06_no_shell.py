"""V6: text from the air that reaches a shell, an interpreter or a modem's command line.

No program is ever started for a message, nothing that was received is evaluated, and whatever goes out as
a number is a number.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tsm_gateway
from tests.faults.carrier import carrier_for
from tests.radio.smpp.peer import DELIVER, deliver_body, pdu, story
from tsm_gateway.radio.sms.address import AddressError, normalise, split
from tsm_gateway.registry.address import normalise_address
from tsm_gateway.registry.errors import AddressInvalid

if TYPE_CHECKING:
    from tests.faults.daemon import Daemon

RUNNERS = frozenset(
    [
        "eval",
        "exec",
        "compile",
        "system",
        "popen",
        "Popen",
        "fork",
        "forkpty",
        "posix_spawn",
        "spawnl",
        "spawnv",
        "execl",
        "execv",
        "execve",
    ]
)
RUNS_NOTHING = ("radio", "envelope", "keys", "registry", "relay", "outbound", "store", "daemon")
NUMBER = re.compile(r"\+?[0-9]{1,20}", re.ASCII)

HOSTILE = (
    b"$(touch /tmp/x)",
    b"`id>here`",
    b";touch here;",
    b"|tee here",
    b"&& touch here",
    b"AT+CMGD=1,4",
    b'"\r\nATD112;\r\n',
    b"\x1aAT+CFUN=0",
    b"%s%s%n",
    b"__import__('os')",
    b"../../etc/passwd",
    b"' OR 1=1 --",
    b"+49\x00123",
)


def test_the_relay_has_no_way_to_run_anything() -> None:
    """Read in the source: no call that starts a program or evaluates text, no module that could."""
    found = [
        f"{path.name}:{getattr(node, 'lineno', 0)}"
        for stage in RUNS_NOTHING
        for path in (Path(tsm_gateway.__file__).parent / stage).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if _runs(node)
    ]
    assert found == []


def _runs(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return any(name.name in {"subprocess", "pty", "shlex", "code"} for name in names)
        case ast.ImportFrom(module="subprocess" | "pty" | "shlex" | "code"):
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in RUNNERS
        case ast.Call(func=ast.Attribute(value=ast.Name(id="os" | "asyncio" | "builtins"), attr=name)):
            return name in RUNNERS or name.startswith("create_subprocess")
        case ast.keyword(arg="shell"):
            return True
    return False


@pytest.mark.parametrize("call", ["os.system('x')", "eval('1')", "import subprocess", "run(x, shell=True)"])
def test_the_reading_of_the_source_sees_what_it_looks_for(call: str) -> None:
    assert any(_runs(node) for node in ast.walk(ast.parse(call)))


@story
async def test_hostile_senders_and_texts_start_no_process_and_leave_no_file(daemon: Daemon) -> None:
    async with carrier_for(daemon) as (carrier, _):
        files = set(daemon.folder.iterdir())
        sequence = 0
        for text in HOSTILE:
            sender = text[:20].replace(b"\0", b"")
            for source, body, esm_class in ((sender, b"hi", 0), (b"49170", text, 0), (b"49170", text, 0x40)):
                sequence += 1
                message = deliver_body(body, source=source, esm_class=esm_class)
                carrier.say(pdu(DELIVER, sequence, message))
        assert set(await carrier.answers(range(1, sequence + 1))) == {0}
        assert psutil.Process(daemon.pid).children(recursive=True) == []
        assert set(daemon.folder.iterdir()) == files
        await carrier.pay()


@story
async def test_what_is_dialled_is_the_number_of_the_register(daemon: Daemon) -> None:
    async with carrier_for(daemon) as (carrier, _):
        await carrier.pay()
        for submit in carrier.submits:
            assert submit.destination == daemon.provider.msisdn
            assert NUMBER.fullmatch(submit.destination)


@given(st.text(st.characters(max_codepoint=255), max_size=24), st.integers(0, 255))
def test_an_address_from_the_air_is_printable_and_short_or_refused(text: str, ton: int) -> None:
    try:
        address = normalise(text, ton)
    except AddressError:
        return
    assert len(address) <= 21
    assert address.isascii()
    assert address.isprintable()
    if ton == 1 and address:
        assert NUMBER.fullmatch(address)


@given(st.text(st.characters(max_codepoint=255), max_size=24))
def test_an_address_we_send_to_is_a_number_or_a_name_without_control_characters(text: str) -> None:
    try:
        ton, _, digits = split(text)
    except AddressError:
        return
    assert digits.isascii()
    assert digits.isprintable()
    assert ton == 5 or re.fullmatch(r"[0-9*#]{1,20}", digits)


@pytest.mark.parametrize("text", [each.decode("latin-1") for each in HOSTILE])
def test_no_hostile_text_is_an_address_of_a_provider(text: str) -> None:
    with pytest.raises(AddressInvalid):
        normalise_address(text)
