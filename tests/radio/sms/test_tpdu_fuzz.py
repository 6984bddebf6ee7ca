"""Any octets are a value or one of our own errors: 50,000 of them, random, mutated, cut and joined."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tsm_gateway.radio.sms.data_coding import require_octets
from tsm_gateway.radio.sms.header import HeaderMalformed, read_header
from tsm_gateway.radio.sms.modem_pdu import read_modem_pdu
from tsm_gateway.radio.sms.tpdu_deliver import deliver_octets, read_deliver
from tsm_gateway.radio.sms.tpdu_errors import TpduError
from tsm_gateway.radio.sms.tpdu_kind import Kind, content_hash, tpdu_kind
from tsm_gateway.radio.sms.tpdu_status_report import read_status_report, status_report_octets
from tsm_gateway.radio.sms.tpdu_submit import read_submit, submit_octets

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = 50_000
SEEDS = [
    bytes.fromhex(text)
    for text in (
        "440c919471103254760004523071113254800f0b0504407400090003070301001aff",
        "0409d0e8329bfd0600045230711132548003001aff",
        "040c919471103254760000523071113254800ae8329bfd4697d9ec37",
        "71070c919471103254760004a70f0b0504407400090003070301001aff",
        "49070c9194711032547600f5030040610000000306050440",
        "5907058117 32f400005230711132548004e8373b0c",
        "06070c919471103254765230711132548052307111325580000700040300112233",
    )
]


def cases(random: Random, count: int) -> Iterator[bytes]:
    for at in range(count):
        octets = bytearray(random.choice(SEEDS))
        for _ in range(random.choice((1, 1, 2, 4))):
            octets[random.randrange(len(octets))] = random.randrange(256)
        if at % 4 == 1:
            del octets[random.randrange(len(octets)) :]
        elif at % 4 == 2:
            octets += random.choice(SEEDS)
        elif at % 4 == 3:
            octets = bytearray(random.randbytes(random.randrange(200)))
        yield bytes(octets)


def read_and_use(tpdu: bytes) -> None:
    """Read a TPDU and everything in it; what was read writes itself so that it is read the same again."""
    kind = tpdu_kind(tpdu)
    content_hash(tpdu)
    if kind is Kind.STATUS_REPORT:
        report = read_status_report(tpdu)
        assert report.destination.isascii()
        assert report.verdict.value
        assert read_status_report(status_report_octets(report)) == report
    elif kind is Kind.SUBMIT:
        submission = read_submit(tpdu)
        assert submission.validity.seconds is None or submission.validity.until is None
        assert read_submit(submit_octets(submission)) == submission
    else:
        message = read_deliver(tpdu)
        assert message.source.isascii()
        assert read_deliver(deliver_octets(message)) == message
        require_octets(message.data_coding)
        if message.has_header:
            read_header(message.user_data)


def test_any_octets_are_a_value_or_our_own_error() -> None:
    read = 0
    for tpdu in cases(Random(20250317), CASES):
        try:
            read_and_use(tpdu)
            read += 1
        except (TpduError, HeaderMalformed):
            pass
    assert CASES // 10 < read < CASES * 9 // 10  # both ways are taken


def test_any_characters_are_a_line_or_our_own_error() -> None:
    random = Random(7)
    read = 0
    for tpdu in cases(random, CASES // 10):
        line = bytearray(b"00" + tpdu.hex().encode())
        line[random.randrange(len(line))] = random.choice(b"0123456789abcdefABCDEFg \xff\x00")
        try:
            received = read_modem_pdu(bytes(line), len(tpdu) - random.choice((0, 0, 0, 1)))
            read += 1
        except TpduError:
            continue
        assert len(received.tpdu) <= 255
    assert read > CASES // 50
