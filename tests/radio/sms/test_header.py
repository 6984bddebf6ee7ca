"""The user data header: tables of good and bad ones, and any octets at all."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.radio.sms.header import (
    Concatenation,
    Element,
    Header,
    HeaderMalformed,
    HeaderOverflow,
    build_header,
    payment_header,
    read_any_header,
    read_header,
)

BODY = bytes(range(60))
PORTS = (16500, 0)

GOOD = [
    # what is read: ports, then reference, total, number and whether wide
    ("00", None, None),
    ("06 0504 40740000", PORTS, None),
    ("0b 0504 40740000 0003 070201", PORTS, (7, 2, 1, False)),
    ("0b 0003 070202 0504 40740000", PORTS, (7, 2, 2, False)),
    ("0c 0504 40740000 0804 12340302", PORTS, (0x1234, 3, 2, True)),
    ("05 0003 000201", None, (0, 2, 1, False)),  # reference 0 is a reference
    ("06 0804 00000201", None, (0, 2, 1, True)),
    ("05 0003 ffffff", None, (255, 255, 255, False)),
    ("05 0003 070101", None, (7, 1, 1, False)),
    ("04 0402 f0f1", (0xF0, 0xF1), None),
    ("08 0504 40740001 7000", (16500, 1), None),
    ("0e 7003 aabbcc 0003 070201 a102 0102", None, (7, 2, 1, False)),  # unknown ones around it
    ("02 0000", None, None),  # a known element of another length is passed over
    ("04 0002 0702", None, None),
    ("06 0004 07020100", None, None),
    ("05 0803 070201", None, None),
    ("05 0503 407400", None, None),
    ("05 0403 407400", None, None),
    # what makes no part is no concatenation (Nokia and Siemens phones of old fell over these)
    ("05 0003 070001", None, None),  # total 0
    ("05 0003 070200", None, None),  # number 0
    ("05 0003 070203", None, None),  # number above total
    ("05 0003 070000", None, None),
    ("06 0804 00070203", None, None),
    ("0b 0504 40740000 0003 070200", PORTS, None),
    ("0b 0504 40740000 0003 070203", PORTS, None),
    ("0b 0504 40740000 0003 070000", PORTS, None),
    # repeated, or excluding each other: the last one that counts
    ("0a 0003 070201 0003 080302", None, (8, 3, 2, False)),
    ("0b 0804 00070201 0003 080302", None, (8, 3, 2, False)),
    ("0b 0003 080302 0804 00070201", None, (7, 2, 1, True)),
    ("0a 0003 070201 0003 080300", None, (7, 2, 1, False)),
    ("0a 0504 40740000 0402 0102", (1, 2), None),
    ("0a 0402 0102 0504 40740000", PORTS, None),
    ("0c 0504 00010002 0504 40740000", PORTS, None),
    ("0b 0504 40740000 0503 000000", PORTS, None),
]


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


@pytest.mark.parametrize(("header", "ports", "part"), GOOD)
@pytest.mark.parametrize("body", [b"", b"\x00", BODY])
def test_a_header_says_its_ports_and_part(
    header: str, ports: tuple[int, int] | None, part: tuple[int, int, int, bool] | None, body: bytes
) -> None:
    read = read_header(octets(header) + body)
    assert read.ports == ports
    assert read.concatenation == (None if part is None else Concatenation(*part))
    assert read.body == body


BAD = {
    "nothing at all": "",
    "the header runs past the end": "05 0003 0702",
    "the header is longer than everything": "ff 0003 070201",
    "nothing behind its length": "01",
    "an element without a length": "01 00",
    "an element without a length behind another": "06 0003 070201 05",
    "an element runs past the header": "05 0004 070201 aaaaaa",
    "an element runs past everything": "05 00ff 070201",
    "the last of two elements runs past the header": "0a 0504 40740000 0003 0702 01",
    "the common layout, one octet short": "0b 0504 40740000 0003 0702",
    "the common layout, header one too long": "0c 0504 40740000 0003 070201 aa",
    "the common layout, header two short": "09 0504 40740000 0003 070201",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_header_that_does_not_add_up_is_malformed(text: str) -> None:
    with pytest.raises(HeaderMalformed):
        read_header(octets(text))


def test_every_element_is_kept_in_its_order() -> None:
    read = read_header(octets("11 7003 aabbcc 0003 070200 0003 070201 a100 ffff"))
    assert read.elements == (
        Element(0x70, octets("aabbcc")),
        Element(0x00, octets("070200")),
        Element(0x00, octets("070201")),
        Element(0xA1, b""),
    )
    assert read.body == b"\xff\xff"


def test_the_error_holds_no_octets() -> None:
    with pytest.raises(HeaderMalformed) as caught:
        read_header(octets("05 00ff deadbeef"))
    assert "dead" not in str(caught.value)


# --- building ---------------------------------------------------------------------------------------


def test_the_header_of_a_single_part_has_ports_only() -> None:
    assert payment_header(16500, 9, 7, 1, 1) == octets("06 0504 40740009")


def test_the_header_of_a_part_among_others_has_its_number_too() -> None:
    assert payment_header(16500, 9, 7, 3, 2) == octets("0b 0504 40740009 0003 070302")


@pytest.mark.parametrize(
    "arguments",
    [
        (-1, 0, 0, 1, 1),
        (65536, 0, 0, 1, 1),
        (1, -1, 0, 1, 1),
        (1, 65536, 0, 1, 1),
        (1, 0, -1, 2, 1),
        (1, 0, 256, 2, 1),
        (1, 0, 0, 256, 1),
        (1, 0, 0, 0, 0),
        (1, 0, 0, 2, 0),
        (1, 0, 0, 2, 3),
    ],
)
def test_a_header_out_of_range_is_not_built(arguments: tuple[int, int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="out of its range"):
        payment_header(*arguments)


def test_an_element_that_does_not_fit_is_not_built() -> None:
    assert build_header([(0x70, bytes(253))]) == b"\xff\x70\xfd" + bytes(253)
    with pytest.raises(HeaderOverflow):
        build_header([(0x70, bytes(254))])
    with pytest.raises(HeaderOverflow):
        build_header([(0x70, bytes(256))])
    with pytest.raises(HeaderOverflow):
        build_header([(0x70, bytes(100))] * 3)


def test_an_empty_header_can_be_built() -> None:
    assert build_header([]) == b"\x00"


elements = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=20)), max_size=8)


@given(elements, st.binary(max_size=140))
def test_what_is_built_is_read_again(built: list[tuple[int, bytes]], body: bytes) -> None:
    read = read_header(build_header(built) + body)
    assert list(read.elements) == built
    assert read.body == body


@given(st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 255), st.data())
def test_a_payments_header_is_read_again(port: int, source: int, reference: int, data: st.DataObject) -> None:
    total = data.draw(st.integers(1, 255))
    number = data.draw(st.integers(1, total))
    read = read_header(payment_header(port, source, reference, total, number) + BODY)
    assert read.ports == (port, source)
    assert read.body == BODY
    expected = Concatenation(reference, total, number, wide=False) if total > 1 else None
    assert read.concatenation == expected


# --- any octets -------------------------------------------------------------------------------------

common = st.tuples(
    st.binary(min_size=4, max_size=4), st.binary(min_size=3, max_size=3), st.binary(max_size=130)
).map(lambda drawn: b"\x0b\x05\x04" + drawn[0] + b"\x00\x03" + drawn[1] + drawn[2])
small = st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 8, 11, 255]), max_size=20).map(bytes)
any_octets = st.one_of(st.binary(max_size=160), small, common)


def read_or_nothing(user_data: bytes) -> Header | None:
    try:
        return read_header(user_data)
    except HeaderMalformed:
        return None


def check(user_data: bytes) -> None:
    """A header or HeaderMalformed; and if a header, every octet is accounted for."""
    read = read_or_nothing(user_data)
    if read is None:
        return
    assert build_header(read.elements) + read.body == user_data
    part = read.concatenation
    assert part is None or 1 <= part.number <= part.total <= 255


@given(any_octets)
def test_any_octets_are_a_header_or_malformed(user_data: bytes) -> None:
    check(user_data)


@given(any_octets)
def test_the_short_cut_reads_what_the_general_reader_reads(user_data: bytes) -> None:
    read = read_or_nothing(user_data)
    try:
        general = read_any_header(user_data)
    except HeaderMalformed:
        assert read is None
    else:
        assert read == general


def reference_reader(user_data: bytes) -> tuple[list[tuple[int, bytes]], bytes] | None:
    """The header read in the plainest way: an octet at a time off an iterator."""
    rest = iter(user_data)
    length = next(rest, None)
    area = list(islice(rest, length or 0))
    if length is None or len(area) != length:
        return None
    found: list[tuple[int, bytes]] = []
    inner = iter(area)
    for iei in inner:
        size = next(inner, None)
        data = bytes(islice(inner, size or 0))
        if size is None or len(data) != size:
            return None
        found.append((iei, data))
    return found, bytes(rest)


@given(any_octets)
def test_a_plain_reader_finds_the_same_elements(user_data: bytes) -> None:
    read = read_or_nothing(user_data)
    assert (None if read is None else (list(read.elements), read.body)) == reference_reader(user_data)


def mutate(octets_in: bytearray, chance: random.Random) -> bytes:
    """One to four changes at random: overwrite, delete, insert, cut, double."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(octets_in)) if octets_in else 0
        kind = chance.randrange(5)
        if kind == 0 and octets_in:
            octets_in[at] = chance.choice((0, 1, 2, 3, 4, 5, 8, 0x7F, 0xFF, chance.randrange(256)))
        elif kind == 1:
            del octets_in[at : at + chance.randint(1, 4)]
        elif kind == 2:
            octets_in[at:at] = chance.randbytes(chance.randint(1, 4))
        elif kind == 3:
            del octets_in[at:]
        else:
            octets_in[at:at] = octets_in[at : at + chance.randint(1, 8)]
    return bytes(octets_in)


def test_a_hundred_thousand_mutated_headers_raise_nothing_else() -> None:
    chance = random.Random(20240)
    seeds = [octets(header) + BODY[:20] for header, _, _ in GOOD]
    malformed = 0
    for _ in range(100_000):
        user_data = mutate(bytearray(chance.choice(seeds)), chance)
        malformed += read_or_nothing(user_data) is None
        check(user_data)
    assert 5_000 < malformed < 95_000  # the mutations reach both outcomes
