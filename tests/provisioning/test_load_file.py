"""A load file as it travels: DAP blocks, the data block, and the cut into LOAD commands."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.provisioning.application_errors import LoadFileTooLarge
from tsm_gateway.provisioning.load_file import DapBlock, LoadFile, LoadPlan
from tsm_gateway.provisioning.tlv import encode_length, lv, read_tlvs, tlv

AID = bytes.fromhex("A00000015141434C")
SD = bytes.fromhex("A000000151000000")
DAP = DapBlock(SD, bytes(range(64)))


def test_the_digest_is_over_exactly_what_is_sent() -> None:
    load_file = LoadFile(b"\x01\x02\x03", AID)
    assert load_file.digest == hashlib.sha256(b"\x01\x02\x03").digest()
    assert (load_file.size, load_file.aid) == (3, AID)


def test_what_was_hashed_changes_no_more() -> None:
    octets = bytearray(b"\x01\x02\x03")
    load_file = LoadFile(octets, AID)  # type: ignore[arg-type]
    octets[0] = 9
    assert load_file.octets == b"\x01\x02\x03"


@pytest.mark.parametrize(
    ("octets", "aid"), [(b"", AID), (bytes(65_536), AID), (b"\x01", bytes(4)), (b"\x01", bytes(17))]
)
def test_a_load_file_out_of_bounds_is_a_defect(octets: bytes, aid: bytes) -> None:
    with pytest.raises(ValueError, match="octets"):
        LoadFile(octets, aid)


def test_a_load_file_does_not_print_its_octets() -> None:
    assert "secret" not in repr(LoadFile(b"secret", AID))
    assert "secret" not in repr(LoadPlan(LoadFile(b"secret", AID), (), 200))


def test_a_dap_block_stands_ahead_of_the_data_block() -> None:
    octets = bytes(300)
    blocks = LoadPlan(LoadFile(octets, AID), (DAP,), 240).blocks()
    expected = bytes.fromhex("E24C 4F08A000000151000000 C340") + DAP.signature
    assert b"".join(blocks) == expected + bytes.fromhex("C482012C") + octets


def test_each_security_domain_that_verifies_has_its_dap_block() -> None:
    other = DapBlock(SD[:-1] + b"\x01", bytes(256))
    sent = b"".join(LoadPlan(LoadFile(b"\x01", AID), (DAP, other), 240).blocks())
    assert sent == DAP.encode() + other.encode() + b"\xc4\x01\x01"
    assert other.encode()[:4] == bytes.fromhex("E282010E")


@pytest.mark.parametrize(
    "dap", [DapBlock(SD, b""), DapBlock(bytes(4), b"\x01"), DapBlock(bytes(17), b"\x01")]
)
def test_a_dap_block_without_signature_or_domain_is_a_defect(dap: DapBlock) -> None:
    with pytest.raises(ValueError, match=r"AID|signature"):
        dap.encode()


@pytest.mark.parametrize(
    ("size", "head"), [(127, "C47F"), (128, "C48180"), (255, "C481FF"), (256, "C4820100")]
)
def test_the_length_of_the_data_block_is_the_shortest(size: int, head: str) -> None:
    assert LoadPlan(LoadFile(bytes(size), AID), (), 255).head == bytes.fromhex(head)


@given(
    st.binary(min_size=1, max_size=2000),
    st.integers(8, 255),
    st.lists(st.just(DAP), max_size=2),
)
def test_the_blocks_are_the_whole_in_order(octets: bytes, size: int, daps: list[DapBlock]) -> None:
    plan = LoadPlan(LoadFile(octets, AID), tuple(daps), size) if len(octets) < 200 * size - 400 else None
    if plan is None:
        return
    blocks = plan.blocks()
    assert len(blocks) == plan.count
    assert all(len(block) == size for block in blocks[:-1])
    assert 1 <= len(blocks[-1]) <= size
    found = list(read_tlvs(b"".join(blocks)))
    assert found[-1] == (0xC4, octets)
    assert [tag for tag, _ in found[:-1]] == [0xE2] * len(daps)


def test_256_blocks_are_the_most_a_card_counts() -> None:
    most = 256 * 239 - 4  # the head of the data block takes four
    assert LoadPlan(LoadFile(bytes(most), AID), (), 239).count == 256
    with pytest.raises(LoadFileTooLarge) as caught:
        LoadPlan(LoadFile(bytes(most + 1), AID), (), 239)
    assert str(caught.value) == (
        "The load file needs more blocks than a card can count (256). 61181 octets do not fit 256 blocks "
        "of 239 octets. [load-file-too-large]"
    )


@pytest.mark.parametrize("size", [0, 256, -1])
def test_blocks_of_no_such_size_are_a_defect(size: int) -> None:
    with pytest.raises(ValueError, match="1 to 255"):
        LoadPlan(LoadFile(b"\x01", AID), (), size)


@pytest.mark.parametrize("index", [-1, 1])
def test_there_is_no_block_beyond_the_last(index: int) -> None:
    with pytest.raises(ValueError, match="no block"):
        LoadPlan(LoadFile(b"\x01", AID), (), 255).block(index)


@given(st.lists(st.tuples(st.sampled_from([0x4F, 0xC5, 0x9F70, 0xFF21, 0xE3]), st.binary(max_size=300))))
def test_data_objects_are_read_as_written(objects: list[tuple[int, bytes]]) -> None:
    assert list(read_tlvs(b"".join(tlv(*each) for each in objects))) == objects


@given(st.binary(max_size=64))
def test_any_octets_are_data_objects_or_refused(octets: bytes) -> None:
    try:
        objects = list(read_tlvs(octets))
    except ValueError:
        objects = []
    assert sum(len(value) + 2 for _, value in objects) <= len(octets)


@pytest.mark.parametrize(
    "octets", ["4F", "4F02AA", "4F80", "4F84", "4F8400000000", "9F", "9F7001", "9F8001", "5F8100"]
)
def test_data_objects_cut_short_are_refused(octets: str) -> None:
    with pytest.raises(ValueError, match=r"cut short|definite"):
        list(read_tlvs(bytes.fromhex(octets)))


def test_lengths_have_bounds() -> None:
    assert encode_length(0xFFFFFF) == b"\x83\xff\xff\xff"
    for wrong in (-1, 0x1000000):
        with pytest.raises(ValueError, match="no place"):
            encode_length(wrong)
    with pytest.raises(ValueError, match="one length octet"):
        lv(bytes(256))
