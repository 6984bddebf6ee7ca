"""What the virtual card tells, and how its keys and parameters change."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from hypothesis import given
from hypothesis import strategies as st

from tests.virtual.card_host import APPLET, ISD, PACKAGE, Host, load_file, lv, tlv
from tsm_gateway.secret import Secret
from tsm_gateway.virtual.app_element import AppElement, Carriage
from tsm_gateway.virtual.card import Card
from tsm_gateway.virtual.card_apdu import Refusal
from tsm_gateway.virtual.card_new import manifest_line, new_card, new_key_set
from tsm_gateway.virtual.card_state import KeySet, Parameters
from tsm_gateway.virtual.errors import AmountInvalid, ApplicationNotInstalled
from tsm_gateway.virtual.payment_application import personalise

if TYPE_CHECKING:
    from collections.abc import Sequence

SECOND = PACKAGE + b"\x02"


@pytest.fixture
def host() -> Host:
    host = Host(Card(new_card(app_se=bytes(range(16)))))
    host.open(host.card.state.key_sets[0])
    return host


@pytest.fixture
def full(host: Host) -> Host:
    host.put_application(load_file(applets=(APPLET, SECOND), version=(2, 7)))
    assert host.install(SECOND, module=SECOND, p1=0x04).sw == 0x9000
    return host


# GET DATA


@pytest.mark.parametrize(
    ("tag", "answer"),
    [
        ("0042", "42049999990F"),
        ("0045", "4510000102030405060708090A0B0C0D0E0F"),
        ("0066", "662D732B06072A864886FC6B01600B06092A864886FC6B020203630906072A864886FC6B03"),
        ("00C1", "C103000001"),
        ("00C2", "C2020000"),
        ("00CF", "CF0A060708090A0B0C0D0E0F"),
        ("00E0", "E012C00401308810C00402308810C00403308810"),
        ("FF21", "FF21108102000082040008000083040000"),
    ],
)
def test_the_card_tells_about_itself(host: Host, tag: str, answer: str) -> None:
    secured = host.send(f"80CA{tag}")
    assert secured.sw == 0x9000
    assert secured.data.hex().upper().startswith(answer.replace("662D732B", secured.data[:4].hex().upper()))
    plain = Host(host.card)
    assert plain.select().sw == 0x9000
    assert plain.raw(f"00CA{tag}00").data == plain.raw(f"80CA{tag}00").data == secured.data


def test_card_data_name_the_protocol_and_its_parameter(host: Host) -> None:
    data = host.send("80CA0066").data
    assert data == tlv("66", tlv("73", data[4:]))
    assert data.endswith(bytes.fromhex("640B06092A864886FC6B040370"))


@pytest.mark.parametrize("tag", ["0000", "0067", "2F00", "5F50", "FFFF"])
def test_what_the_card_does_not_have_it_does_not_tell(host: Host, tag: str) -> None:
    assert host.send(f"80CA{tag}") == (b"", 0x6A88)


def test_a_response_longer_than_asked_for_is_refused_with_its_length(host: Host) -> None:
    host.select()
    assert host.raw("80CA004501") == (b"", 0x6C12)
    assert host.raw("80503000080001020304050607" + "1C") == (b"", 0x6C20)
    assert host.card.state.key_sets[0].sequence == 1  # of the session before: nothing was done
    assert len(host.raw("80CA004512").data) == 0x12


def test_key_information_names_every_key() -> None:
    point, modulus = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    card = Card(new_card(dap_keys=[point.public_key(), modulus.public_key()], token_key=point.public_key()))
    told = Host(card).raw("80CA00E000").data[2:]
    rows = [told[at + 2 : at + 6].hex() for at in range(0, len(told), 6)]
    assert rows == ["01308810", "02308810", "03308810", "0173b041", "0273a000", "0170b041", "01718810"]


# GET STATUS


def test_status_of_applications_in_tlv(full: Host) -> None:
    rows = [(APPLET, "07"), (SECOND, "03")]
    expected = b"".join(
        tlv(
            "E3",
            tlv("4F", aid) + bytes.fromhex(f"9F7001{life}C503000000") + tlv("C4", PACKAGE) + tlv("CC", ISD),
        )
        for aid, life in rows
    )
    assert full.send("80F24002", b"\x4f\0") == (expected, 0x9000)


def test_status_of_load_files_in_tlv(full: Host) -> None:
    common = tlv("4F", PACKAGE) + bytes.fromhex("9F700101CE020207") + tlv("CC", ISD)
    assert full.send("80F22002", b"\x4f\0") == (tlv("E3", common), 0x9000)
    modules = tlv("84", APPLET) + tlv("84", SECOND)
    assert full.send("80F21002", b"\x4f\0") == (tlv("E3", common + modules), 0x9000)


def test_status_without_tlv(full: Host) -> None:
    assert full.send("80F28000", b"\x4f\0").data == lv(ISD) + bytes.fromhex("0F9E")
    assert full.send("80F24000", b"\x4f\0").data == lv(APPLET) + b"\7\0" + lv(SECOND) + b"\3\0"
    assert full.send("80F22000", b"\x4f\0").data == lv(PACKAGE) + b"\1\0"
    assert full.send("80F21000", b"\x4f\0").data == lv(PACKAGE) + b"\1\0\2" + lv(APPLET, SECOND)


def test_status_is_of_those_whose_aid_begins_as_asked(full: Host) -> None:
    assert full.send("80F24002", tlv("4F", SECOND)).data.count(SECOND) == 1
    assert full.send("80F24002", tlv("4F", PACKAGE)).data.count(b"\xe3") == 2
    assert full.send("80F24002", tlv("4F", ISD)) == (b"", 0x6A88)
    assert full.send("80F22002", tlv("4F", APPLET)) == (b"", 0x6A88)


def test_status_gives_the_tags_asked_for(full: Host) -> None:
    asked = b"\x4f\0" + tlv("5C", bytes.fromhex("4F9F70"))
    assert full.send("80F22002", asked).data == tlv("E3", tlv("4F", PACKAGE) + bytes.fromhex("9F700101"))


@pytest.mark.parametrize(
    ("p1p2", "data", "sw"),
    [
        ("4002", b"", 0x6A80),
        ("4002", b"\x4f\0\x99\0", 0x6A80),
        ("4002", b"\x4f", 0x6A80),
        ("6002", b"\x4f\0", 0x6A86),
        ("4004", b"\x4f\0", 0x6A86),
        ("4003", b"\x4f\0", 0x6985),
        ("4002", b"\x4f\0", 0x6A88),
    ],
)
def test_a_wrong_question_about_status_is_refused(host: Host, p1p2: str, data: bytes, sw: int) -> None:
    assert host.send(f"80F2{p1p2}", data) == (b"", sw)


def test_a_long_status_comes_in_parts(host: Host) -> None:
    count = 12
    for number in range(count):
        package = PACKAGE + bytes([0xF0, number])
        block = load_file(package, (package + b"\1",))
        assert host.begin_load(block, package).sw == 0x9000
        assert host.load(block).sw == 0x9000
    rows, p2, sw = b"", 0x02, 0x6310
    while sw == 0x6310:
        part = host.send(f"80F210{p2:02X}", b"\x4f\0")
        assert len(part.data) <= 200
        rows, p2, sw = rows + part.data, 0x03, part.sw
    assert sw == 0x9000
    assert rows.count(b"\xe3") == count
    assert host.send("80F21003", b"\x4f\0") == (b"", 0x6985)
    host.send("80F21002", b"\x4f\0")
    host.send("80CA0045")
    assert host.send("80F21003", b"\x4f\0") == (b"", 0x6985)  # the list ended with another command


# PUT KEY


def cbc(key: Secret, octets: bytes) -> bytes:
    return Cipher(AES(key.reveal()), CBC(bytes(16))).encryptor().update(octets + bytes(-len(octets) % 16))


def kcv(key: bytes) -> bytes:
    return Cipher(AES(key), ECB()).encryptor().update(b"\1" * 16)[:3]  # noqa: S305


def key_data(kvn: int, keys: Sequence[bytes], dek: Secret, *, with_length: bool = True) -> bytes:
    data = bytes([kvn])
    for key in keys:
        field = bytes([len(key)]) * with_length + cbc(dek, key)
        data += b"\x88" + lv(field) + lv(kcv(key))
    return data


def as_set(kvn: int, keys: Sequence[bytes]) -> KeySet:
    enc, mac, dek = map(Secret, keys)
    return KeySet(kvn, enc, mac, dek)


@pytest.mark.parametrize(
    ("octets", "with_length"),
    [(16, True), (24, True), (32, True), (16, False), (32, False)],  # 24 octets fill two blocks, as 32 do
)
def test_new_keys_take_the_place_of_the_transport_keys(host: Host, octets: int, with_length: bool) -> None:
    old = host.card.state.key_sets[0]
    keys = [secrets.token_bytes(octets) for _ in range(3)]
    data = key_data(0x31, keys, old.dek, with_length=with_length)
    assert host.send("80D83081", data) == (b"\x31" + b"".join(map(kcv, keys)), 0x9000)
    assert host.send("80F28002", b"\x4f\0").sw == 0x9000  # the session goes on
    assert host.initialize(old) == (b"", 0x6A88)
    host.open(as_set(0x31, keys))
    assert host.card.state.key_sets[0].sequence == 1


def test_keys_may_be_added_replaced_in_place_and_removed(host: Host) -> None:
    first = host.card.state.key_sets[0]
    more, same = ([secrets.token_bytes(16) for _ in range(3)] for _ in range(2))
    assert host.send("80D80081", key_data(0x31, more, first.dek)).sw == 0x9000
    assert host.send("80D83181", key_data(0x31, same, first.dek)).sw == 0x9000
    assert [keys.kvn for keys in host.card.state.key_sets] == [0x30, 0x31]
    host.open(as_set(0x31, same))
    assert host.send("80E40000", bytes.fromhex("D20131")) == (b"", 0x6985)  # the session's own
    assert host.send("80E40000", bytes.fromhex("D20100")) == (b"", 0x6A88)
    assert host.send("80E40000", bytes.fromhex("D20132")) == (b"", 0x6A88)
    assert host.send("80E40000", bytes.fromhex("D00101D20130")) == (b"", 0x6A88)
    assert host.send("80E40000", bytes.fromhex("D20130")) == (b"\0", 0x9000)
    assert host.send("80E40000", bytes.fromhex("D20131")) == (b"", 0x6985)  # the last one
    assert host.initialize(first) == (b"", 0x6A88)


def test_the_last_key_set_stays_even_when_the_session_is_of_another(host: Host) -> None:
    dek = host.card.state.key_sets[0].dek
    assert host.send("80D83081", key_data(0x31, KEYS, dek)).sw == 0x9000
    assert host.send("80E40000", bytes.fromhex("D20131")) == (b"", 0x6985)


KEYS = [bytes([number]) * 16 for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("p1p2", "sw", "kvn", "spoil"),
    [
        ("3181", 0x6A88, 0x31, None),
        ("3001", 0x6A86, 0x31, None),
        ("3082", 0x6A86, 0x31, None),
        ("0081", 0x6A80, 0x30, None),
        ("3081", 0x6A80, 0x00, None),
        ("3081", 0x6A80, 0x73, None),
        ("3081", 0x6A80, 0x80, None),
        ("3081", 0x6A80, 0x31, lambda data: data[:-1]),
        ("3081", 0x6A80, 0x31, lambda data: data + b"\0"),
        ("3081", 0x6A80, 0x31, lambda data: data[:-1] + bytes([data[-1] ^ 1])),  # key check value
        ("3081", 0x6A80, 0x31, lambda data: data[:10] + bytes([data[10] ^ 1]) + data[11:]),  # cipher text
        ("3081", 0x6A80, 0x31, lambda data: data[:1] + b"\x80" + data[2:]),  # a DES key
        ("3081", 0x6A80, 0x31, lambda data: data[:2] + b"\x12" + data[3:]),
        ("3081", 0x6A80, 0x31, lambda data: data[:3] + b"\x08" + data[4:]),
        ("3081", 0x6A80, 0x31, lambda data: data[: 1 + 2 * 23]),  # two keys
        ("3081", 0x6A80, 0x31, lambda _: b""),
    ],
)
def test_keys_that_did_not_arrive_whole_are_refused_and_the_old_ones_stay(
    host: Host, p1p2: str, sw: int, kvn: int, spoil
) -> None:
    before = host.card.state.key_sets
    data = key_data(kvn, KEYS, before[0].dek)
    assert host.send(f"80D8{p1p2}", spoil(data) if spoil else data) == (b"", sw)
    assert host.card.state.key_sets == before


def test_keys_of_several_lengths_are_no_set(host: Host) -> None:
    data = key_data(0x31, [KEYS[0], KEYS[1], bytes(32)], host.card.state.key_sets[0].dek)
    assert host.send("80D83081", data) == (b"", 0x6A80)


# STORE DATA


def grouping(octets: bytes, number: str = "0101") -> bytes:
    return bytes.fromhex(number) + (
        lv(octets) if len(octets) < 0xFF else b"\xff" + len(octets).to_bytes(2) + octets
    )


PARAMETERS = (
    tlv("80", b"sp:shop")
    + tlv("81", b"+4930123456789")
    + tlv("82", (16500).to_bytes(2, "big"))
    + tlv("83", (20_000).to_bytes(8, "big"))
    + tlv("84", (978).to_bytes(2, "big"))
)
STORED = Parameters("sp:shop", "+4930123456789", 16500, 20_000, 978)


def choose(host: Host, aid: bytes = APPLET) -> None:
    assert host.send("80E62000", lv(b"", b"", aid, b"", b"", b"")) == (b"\0", 0x9000)


def test_an_application_is_personalised_with_what_is_not_secret(full: Host) -> None:
    choose(full)
    assert full.send("80E28800", grouping(PARAMETERS)) == (b"", 0x9000)
    assert full.card.application(APPLET) == STORED
    choose(full)
    assert full.send("80E28800", grouping(tlv("80", b"sp:bank"))).sw == 0x9000
    assert full.card.application(APPLET) == Parameters("sp:bank")


def test_parameters_may_come_in_several_blocks_and_count_with_the_last(full: Host) -> None:
    choose(full)
    octets = grouping(PARAMETERS)
    assert full.send("80E20800", octets[:10]) == (b"", 0x9000)
    assert full.send("80E20801", octets[10:20]) == (b"", 0x9000)
    assert full.card.application(APPLET) == Parameters()
    assert full.send("80E28802", octets[20:]) == (b"", 0x9000)
    assert full.card.application(APPLET) == STORED


@pytest.mark.parametrize(
    ("data", "sw"),
    [
        (grouping(bytes(16), "8010"), 0x6A88),  # where card personalisation puts keys
        (grouping(bytes(32), "8F01"), 0x6A88),
        (grouping(bytes(32), "0102"), 0x6A88),
        (grouping(PARAMETERS) + grouping(bytes(32), "8F01"), 0x6A88),
        (grouping(PARAMETERS) * 2, 0x6A88),
        (b"", 0x6A88),
        (grouping(PARAMETERS + tlv("85", bytes(32))), 0x6A80),
        (grouping(tlv("80", bytes(32))), 0x6A80),
        (grouping(tlv("81", b"\xff")), 0x6A80),
        (grouping(tlv("80", b"a" * 65)), 0x6A80),
        (grouping(tlv("82", bytes(3))), 0x6A80),
        (grouping(tlv("83", bytes(8))), 0x6A80),
        (grouping(tlv("80", b"a") * 2), 0x6A80),
        (grouping(PARAMETERS)[:-1], 0x6A80),
        (b"\1\1", 0x6A80),
        (b"\1\1\xff\0", 0x6A80),
        (b"\1\1\xff\0\1", 0x6A80),
    ],
)
def test_there_is_no_place_for_a_key_in_an_application(full: Host, data: bytes, sw: int) -> None:
    choose(full)
    assert full.send("80E28800", data) == (b"", sw)
    assert full.card.application(APPLET) == Parameters()


def test_a_long_data_grouping_is_read(full: Host) -> None:
    assert personalise(b"\1\1\xff" + len(PARAMETERS).to_bytes(2, "big") + PARAMETERS) == STORED


@given(st.binary(max_size=80))
def test_any_octets_are_parameters_or_refused(octets: bytes) -> None:
    with suppress(Refusal):
        assert isinstance(personalise(octets), Parameters)


@pytest.mark.parametrize("p1p2", ["E800", "A800", "8000", "9000", "8900", "8801"])
def test_enciphered_or_unknown_structures_are_refused(full: Host, p1p2: str) -> None:
    choose(full)
    assert full.send(f"80E2{p1p2}", grouping(PARAMETERS)) == (b"", 0x6A86)


def test_blocks_out_of_turn_forget_those_before(full: Host) -> None:
    choose(full)
    assert full.send("80E20800", grouping(PARAMETERS)[:10]).sw == 0x9000
    assert full.send("80E28802", grouping(PARAMETERS)[10:]) == (b"", 0x6A86)
    assert full.send("80E28801", grouping(PARAMETERS)[10:]) == (b"", 0x6A86)
    assert full.send("80E20800", bytes(239)).sw == 0x9000
    for number in range(1, 4):
        assert full.send(f"80E208{number:02X}", bytes(239)).sw == 0x9000
    assert full.send("80E20804", bytes(239)) == (b"", 0x6A84)


def test_another_command_forgets_the_blocks_before(full: Host) -> None:
    choose(full)
    full.send("80E20800", grouping(PARAMETERS)[:10])
    full.send("80CA0045")
    assert full.send("80E28801", grouping(PARAMETERS)[10:]) == (b"", 0x6A86)


def test_what_comes_behind_the_parameters_is_for_the_security_domain_again(full: Host) -> None:
    choose(full)
    assert full.send("80E28800", grouping(PARAMETERS)).sw == 0x9000
    assert full.send("80E28800", grouping(PARAMETERS)) == (b"", 0x6A86)
    assert full.send("80E29000", bytes.fromhex("420101")).sw == 0x9000


def test_an_application_that_was_locked_meanwhile_is_not_personalised(full: Host) -> None:
    choose(full)
    assert full.send("80F04087", APPLET).sw == 0x9000
    assert full.send("80E28800", grouping(PARAMETERS)) == (b"", 0x6985)


def test_an_application_that_was_removed_meanwhile_is_not_personalised(full: Host) -> None:
    choose(full)
    full.send("80E40000", tlv("4F", APPLET))
    assert full.send("80E28800", grouping(PARAMETERS)) == (b"", 0x6985)


@pytest.mark.parametrize(("aid", "sw"), [(SECOND, 0x6985), (PACKAGE, 0x6A88), (b"", 0x6A88)])
def test_only_a_selectable_application_is_personalised(full: Host, aid: bytes, sw: int) -> None:
    assert full.send("80E62000", lv(b"", b"", aid, b"", b"", b"")) == (b"", sw)
    assert full.send("80E62000", lv(b"", b"", APPLET, b"\0", b"", b"")) == (b"", 0x6A80)


def test_the_security_domain_keeps_issuer_and_manager_and_nothing_else(host: Host) -> None:
    assert host.send("80E29000", bytes.fromhex("42031122335F5003414243")).sw == 0x9000
    assert host.send("80CA0042").data == bytes.fromhex("4203112233")
    assert host.send("80CA5F50").data == bytes.fromhex("5F5003414243")
    for data, sw in (
        (bytes.fromhex("450101"), 0x6A88),
        (b"", 0x6A88),
        (bytes.fromhex("4200"), 0x6A80),
        (tlv("5F50", bytes(129)), 0x6A80),
        (b"\x42", 0x6A80),
    ):
        assert host.send("80E29000", data) == (b"", sw)
    assert host.send("80E28800", bytes.fromhex("420101")) == (b"", 0x6A86)
    assert host.send("00E29000", bytes.fromhex("420101")).sw == 0x9000


# the application at work


def test_an_app_element_pays_only_with_its_application_installed_and_as_it_was_told(full: Host) -> None:
    choose(full)
    full.send("80E28800", grouping(PARAMETERS))
    element = AppElement(
        Carriage("+491700000000", "111", 222), ("sp:shop",), lambda: full.card.application(APPLET)
    )
    assert element.order("sp:shop", "199.99", "EUR").amount == 19_999
    with pytest.raises(AmountInvalid, match="limit"):
        element.order("sp:shop", "200.01", "EUR")
    assert element.order("sp:shop", "200.01", "USD").amount == 20_001
    part = element.parts(b"packet", 1)[0]
    assert part.destination == "+4930123456789"
    assert (16500).to_bytes(2, "big") in part.udh
    full.send("80E40000", tlv("4F", APPLET))
    with pytest.raises(ApplicationNotInstalled):
        element.order("sp:shop", "1", "EUR")
    with pytest.raises(ApplicationNotInstalled):
        element.parts(b"packet", 1)


def test_the_issuers_line_opens_a_session() -> None:
    state = new_card(keys=new_key_set(0x42, 32), protocol=0x71)
    line = manifest_line(state)
    assert list(line) == ["app_se", "sd_aid", "kvn", "i", "enc", "mac", "dek"]
    keys = [bytes.fromhex(str(line[name])) for name in ("enc", "mac", "dek")]
    assert (line["kvn"], line["i"], line["sd_aid"]) == (0x42, "71", ISD.hex())
    Host(Card(state)).open(as_set(0x42, keys))
    assert bytes.fromhex(str(line["app_se"])) == state.profile.app_se
