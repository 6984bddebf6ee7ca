"""What comes onto the virtual card and what goes: loads, installations, removals, and what is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256

from tests.virtual.card_host import APPLET, ISD, PACKAGE, Host, Reply, dap, load_file, lv, tlv
from tsm_gateway.virtual.cap_reader import read_load_file
from tsm_gateway.virtual.cap_writer import payment_cap
from tsm_gateway.virtual.card import Card
from tsm_gateway.virtual.card_memory import free_memory
from tsm_gateway.virtual.card_new import new_card
from tsm_gateway.virtual.card_state import CardLife
from tsm_gateway.virtual.errors import ApplicationNotInstalled

OTHER = bytes.fromhex("F0998877665500")
SIGNER = ec.generate_private_key(ec.SECP256R1())
BLOCK = load_file()
OK = Reply(b"\0", 0x9000)


def opened(**card: Any) -> Host:
    host = Host(Card(new_card(**card)))
    host.open(host.card.state.key_sets[0])
    return host


@pytest.fixture
def host() -> Host:
    return opened()


def ecdsa(message: bytes, key: ec.EllipticCurvePrivateKey = SIGNER) -> bytes:
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def is_empty(host: Host) -> bool:
    state = host.card.state
    return not state.load_files and not state.instances and free_memory(state) == state.profile.memory


# loads


def test_an_application_is_loaded_installed_and_selectable(host: Host) -> None:
    host.put_application(BLOCK)
    file = host.card.state.load_file(PACKAGE)
    assert file is not None
    assert (file.modules, file.version, file.size) == ((APPLET,), (1, 0), len(BLOCK))
    assert file.digest == hashlib.sha256(BLOCK).digest()
    assert host.card.application(APPLET).provider_address == ""
    assert host.select(APPLET) == (bytes.fromhex("6F108408") + APPLET + bytes.fromhex("A5049F6501FF"), 0x9000)
    assert host.select(PACKAGE).sw == 0x9000  # its first octets


@pytest.mark.parametrize("size", [1, 2, 127, 239])
def test_blocks_of_any_size_make_up_a_load_file(size: int) -> None:
    host = opened(dap_keys=[SIGNER.public_key()])
    block = load_file(code=60)
    assert host.begin_load(block).sw == 0x9000
    assert host.load(block, [dap(ecdsa(hashlib.sha256(block).digest()))], size=size) == OK


def test_a_load_file_of_more_than_256_blocks_counts_on_from_00(host: Host) -> None:
    block = load_file(code=60_000)
    assert host.begin_load(block).sw == 0x9000
    assert host.load(block) == OK


@pytest.mark.parametrize("java_card", ["2.2.2", "3.0.5"])
@pytest.mark.parametrize("descriptor", [True, False])
def test_the_payment_application_of_the_cap_writer_is_a_load_file(java_card: str, descriptor: bool) -> None:
    import io  # noqa: PLC0415
    import zipfile  # noqa: PLC0415

    cap = zipfile.ZipFile(io.BytesIO(payment_cap(3000, (1, 2), java_card=java_card, descriptor=descriptor)))
    order = (
        "Header Directory Import Applet Class Method StaticField Export ConstantPool RefLocation Descriptor"
    )
    parts = {name.rpartition("/")[2].removesuffix(".cap"): cap.read(name) for name in cap.namelist()}
    package = read_load_file(b"".join(parts.get(name, b"") for name in order.split()))
    assert package.version == (1, 2)
    assert package.applets == (package.aid + b"\x01",)


def test_until_the_last_block_nothing_is_there(host: Host) -> None:
    host.begin_load(BLOCK)
    octets = tlv("C4", BLOCK)
    assert host.send("80E80000", octets[:200]) == (b"", 0x9000)
    assert is_empty(host)
    assert host.send("80CA0045").sw == 0x9000  # any other command ends the load
    assert host.send("80E80001", octets[200:400]) == (b"", 0x6985)
    assert host.begin_load(BLOCK).sw == 0x9000  # and it may begin anew at once
    assert host.load(BLOCK) == OK


def test_a_load_without_a_beginning_is_refused(host: Host) -> None:
    assert host.load(BLOCK) == (b"", 0x6985)


@pytest.mark.parametrize("p1p2", ["0001", "0100", "80FF", "4000"])
def test_a_block_out_of_turn_ends_the_load(host: Host, p1p2: str) -> None:
    host.begin_load(BLOCK)
    assert host.send(f"80E8{p1p2}", tlv("C4", BLOCK)[:200]) == (b"", 0x6A86)
    assert host.load(BLOCK) == (b"", 0x6985)
    assert is_empty(host)


def test_a_block_that_comes_twice_ends_the_load(host: Host) -> None:
    host.begin_load(BLOCK)
    assert host.send("80E80000", tlv("C4", BLOCK)[:200]).sw == 0x9000
    assert host.send("80E80000", tlv("C4", BLOCK)[:200]) == (b"", 0x6A86)


@pytest.mark.parametrize("where", [0, 3, 10, 40, 300, -1])
def test_one_flipped_bit_of_a_load_file_is_refused(host: Host, where: int) -> None:
    altered = bytearray(BLOCK)
    altered[where] ^= 1
    host.begin_load(BLOCK)
    assert host.load(bytes(altered)) == (b"", 0x6A80)
    assert is_empty(host)


@pytest.mark.parametrize(
    "octets",
    [
        tlv("C4", BLOCK)[:-1],
        tlv("C4", BLOCK) + b"\0",
        tlv("C4", BLOCK) + dap(bytes(64)),
        tlv("D4", BLOCK),
        tlv("C4", b""),
        b"\xc4",
        b"",
        b"\xc4\x80" + BLOCK,
        b"\xc4\x84\0\0\0\0" + BLOCK,
        dap(bytes(64)),
    ],
)
def test_a_load_that_is_cut_off_oversized_or_of_another_form_is_refused(host: Host, octets: bytes) -> None:
    host.begin_load(BLOCK)
    pieces = [octets[at : at + 200] for at in range(0, max(1, len(octets)), 200)]
    replies = []
    for number, piece in enumerate(pieces):
        replies.append(host.send(f"80E8{0x80 if piece is pieces[-1] else 0:02X}{number:02X}", piece))
        if replies[-1].sw != 0x9000:
            break
    assert replies[-1] == (b"", 0x6A80)
    assert is_empty(host)


def test_a_load_file_of_another_package_than_announced_is_refused(host: Host) -> None:
    host.begin_load(BLOCK, OTHER)
    assert host.load(BLOCK) == (b"", 0x6A80)
    assert is_empty(host)


def test_without_a_hash_a_load_file_is_taken_as_it_comes(host: Host) -> None:
    assert host.begin_load(BLOCK, digest=b"", domain=b"", parameters=b"").sw == 0x9000
    assert host.load(BLOCK) == OK


@pytest.mark.parametrize(
    ("wrong", "sw"),
    [
        ({"digest": bytes(20)}, 0x6A80),
        ({"domain": OTHER}, 0x6A88),
        ({"aid": PACKAGE[:4]}, 0x6A80),
        ({"aid": bytes(17)}, 0x6A80),
        ({"aid": ISD}, 0x6985),
        ({"token": bytes(64)}, 0x6A88),
        ({"parameters": tlv("EF", tlv("C6", bytes(3)))}, 0x6A80),
        ({"parameters": b"\xef"}, 0x6A80),
    ],
)
def test_a_load_that_begins_wrong_is_refused(host: Host, wrong: dict[str, bytes], sw: int) -> None:
    assert host.begin_load(BLOCK, **wrong) == (b"", sw)
    assert host.load(BLOCK) == (b"", 0x6985)


def test_fields_that_do_not_add_up_are_refused(host: Host) -> None:
    for data in (
        b"",
        lv(PACKAGE),
        lv(PACKAGE, ISD, b"", b"", b"", b""),
        lv(PACKAGE, ISD, b"", b"", b"")[:-1],
    ):
        assert host.send("80E60200", data) == (b"", 0x6A80)
    assert host.send("80E60200", b"\x08" + PACKAGE) == (b"", 0x6A80)


# memory


def test_a_load_file_that_does_not_fit_is_refused_before_it_comes() -> None:
    host = opened(memory=len(BLOCK) + 63)
    assert host.begin_load(BLOCK) == (b"", 0x6A84)
    assert host.begin_load(BLOCK, parameters=b"").sw == 0x9000  # nobody said how large it is
    assert host.send("80E80000", tlv("C4", BLOCK)[:100]) == (b"", 0x6A84)
    assert is_empty(host)


def test_an_application_that_does_not_fit_is_refused_and_its_load_file_stays() -> None:
    host = opened(memory=len(BLOCK) + 64 + 511)
    host.begin_load(BLOCK)
    assert host.load(BLOCK) == OK
    assert host.install() == (b"", 0x6A84)
    assert free_memory(host.card.state) == 511


def test_memory_is_told_taken_and_given_back(host: Host) -> None:
    def free() -> int:
        table = host.send("80CAFF21").data
        assert table[:3] == bytes.fromhex("FF2110")
        return int.from_bytes(table[9:13], "big")

    whole = free()
    host.put_application(BLOCK)
    assert free() == whole - len(BLOCK) - 64 - 512
    assert host.send("80CAFF21").data[3:7] == bytes.fromhex("81020001")
    assert host.send("80E40080", tlv("4F", PACKAGE)) == OK
    assert free() == whole


def test_an_application_may_say_how_much_it_needs(host: Host) -> None:
    host.begin_load(BLOCK)
    host.load(BLOCK)
    needs = b"\xc9\0" + tlv("EF", tlv("C8", (512 * 1024).to_bytes(4, "big")))
    assert host.send("80E60C00", lv(PACKAGE, APPLET, APPLET, b"\0", needs, b"")) == (b"", 0x6A84)
    needs = b"\xc9\0" + tlv("EF", tlv("C8", (1024).to_bytes(2, "big")))
    assert host.send("80E60C00", lv(PACKAGE, APPLET, APPLET, b"\0", needs, b"")) == OK


def test_a_load_file_of_more_modules_than_its_row_holds_is_refused(host: Host) -> None:
    for count, reply in ((9, (b"", 0x6A84)), (8, OK)):
        block = load_file(applets=[PACKAGE + bytes([number]) for number in range(count)])
        host.begin_load(block)
        assert host.load(block) == reply


def test_an_aborted_load_takes_no_memory(host: Host) -> None:
    host.begin_load(BLOCK)
    host.send("80E80000", tlv("C4", BLOCK)[:200])
    host.card.power_on()
    assert is_empty(host)


# signatures


@pytest.fixture
def strict() -> Host:
    return opened(dap_keys=[SIGNER.public_key()])


DIGEST = hashlib.sha256(BLOCK).digest()


def test_a_signed_load_file_is_taken(strict: Host) -> None:
    strict.put_application(BLOCK, [dap(ecdsa(DIGEST))])


def test_an_rsa_key_signs_with_pss() -> None:
    key = rsa.generate_private_key(65537, 2048)
    pss = padding.PSS(padding.MGF1(SHA256()), 32)
    host = opened(dap_keys=[key.public_key()])
    host.begin_load(BLOCK)
    assert host.load(BLOCK, [dap(key.sign(DIGEST, padding.PKCS1v15(), SHA256()))]) == (b"", 0x6985)
    host.put_application(BLOCK, [dap(key.sign(DIGEST, pss, SHA256()))])


def test_either_of_two_keys_signs_while_one_takes_over_from_the_other() -> None:
    old, new, gone = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    host = opened(dap_keys=[old.public_key(), new.public_key()])
    host.begin_load(BLOCK)
    assert host.load(BLOCK, [dap(ecdsa(DIGEST, gone))]) == (b"", 0x6985)
    host.put_application(BLOCK, [dap(ecdsa(DIGEST, new))])


@pytest.mark.parametrize(
    ("daps", "sw"),
    [
        ([], 0x6985),
        ([dap(ecdsa(BLOCK))], 0x6985),  # over the data and not the hash
        ([dap(ecdsa(DIGEST, ec.generate_private_key(ec.SECP256R1())))], 0x6985),
        ([dap(ecdsa(DIGEST)[:-1])], 0x6985),
        ([dap(b"")], 0x6985),
        ([dap(ecdsa(DIGEST), OTHER)], 0x6A88),
        ([tlv("E2", tlv("C3", ecdsa(DIGEST)))], 0x6A88),
        ([tlv("E2", b"\x4f")], 0x6A80),
        ([dap(ecdsa(DIGEST)), dap(bytes(64))], 0x6985),
    ],
)
def test_a_load_file_that_is_not_rightly_signed_is_refused(strict: Host, daps: list[bytes], sw: int) -> None:
    strict.begin_load(BLOCK)
    assert strict.load(BLOCK, daps) == (b"", sw)
    assert is_empty(strict)
    assert strict.install().sw == 0x6A88


@pytest.mark.parametrize("bit", [0, 255, 256, 511])
def test_one_flipped_bit_of_a_signature_is_refused(strict: Host, bit: int) -> None:
    signature = bytearray(ecdsa(DIGEST))
    signature[bit // 8] ^= 1 << bit % 8
    strict.begin_load(BLOCK)
    assert strict.load(BLOCK, [dap(bytes(signature))]) == (b"", 0x6985)
    assert is_empty(strict)


def test_a_signature_wants_the_hash_in_the_command_before(strict: Host) -> None:
    strict.begin_load(BLOCK, digest=b"")
    assert strict.load(BLOCK, [dap(ecdsa(DIGEST))]) == (b"", 0x6985)


def test_a_card_that_verifies_nothing_takes_no_signature(host: Host) -> None:
    host.begin_load(BLOCK)
    assert host.load(BLOCK, [dap(ecdsa(DIGEST))]) == (b"", 0x6985)


# applications


def test_an_application_may_be_installed_first_and_made_selectable_then(host: Host) -> None:
    host.begin_load(BLOCK)
    host.load(BLOCK)
    assert host.install(p1=0x04) == OK
    with pytest.raises(ApplicationNotInstalled):
        host.card.application(APPLET)
    assert host.raw(bytes.fromhex("00A40400") + lv(APPLET)).sw == 0x6A82
    assert host.send("80E60800", lv(b"", b"", APPLET, b"\0", b"", b"")) == OK
    host.card.application(APPLET)
    assert host.send("80E60800", lv(b"", b"", APPLET, b"\0", b"", b"")) == (b"", 0x6985)


@pytest.mark.parametrize(
    ("fields", "sw"),
    [
        ((OTHER, APPLET, APPLET, b"\0", b"\xc9\0", b""), 0x6A88),
        ((PACKAGE, OTHER, APPLET, b"\0", b"\xc9\0", b""), 0x6A88),
        ((PACKAGE, APPLET, PACKAGE, b"\0", b"\xc9\0", b""), 0x6985),
        ((PACKAGE, APPLET, ISD, b"\0", b"\xc9\0", b""), 0x6985),
        ((PACKAGE, APPLET, APPLET[:4], b"\0", b"\xc9\0", b""), 0x6A80),
        ((PACKAGE, APPLET, APPLET, b"\x80", b"\xc9\0", b""), 0x6A80),
        ((PACKAGE, APPLET, APPLET, b"\0\0\1", b"\xc9\0", b""), 0x6A80),
        ((PACKAGE, APPLET, APPLET, b"", b"\xc9\0", b""), 0x6A80),
        ((PACKAGE, APPLET, APPLET, b"\0", b"", b""), 0x6A80),
        ((PACKAGE, APPLET, APPLET, b"\0", b"\xc9\0\xca\0", b""), 0x6A80),
        ((PACKAGE, APPLET, APPLET, b"\0", b"\xc9\0", bytes(64)), 0x6A88),
        ((PACKAGE, APPLET, APPLET, b"\0", b"\xc9\0"), 0x6A80),
    ],
)
def test_an_installation_that_says_something_wrong_is_refused(
    host: Host, fields: tuple[bytes, ...], sw: int
) -> None:
    host.begin_load(BLOCK)
    host.load(BLOCK)
    assert host.send("80E60C00", lv(*fields)) == (b"", sw)
    assert not host.card.state.instances


def test_an_installation_that_comes_twice_is_refused(host: Host) -> None:
    host.put_application(BLOCK)
    assert host.install() == (b"", 0x6985)
    assert host.begin_load(BLOCK) == (b"", 0x6985)


@pytest.mark.parametrize("p1p2", ["1000", "0E00", "0001", "0000", "0201", "8200"])
def test_what_the_card_does_not_install_is_refused(host: Host, p1p2: str) -> None:
    assert host.send(f"80E6{p1p2}", lv(ISD, b"", APPLET, b"", b"", b"")) == (b"", 0x6A86)


def test_one_application_may_be_selected_by_default(host: Host) -> None:
    host.put_application(load_file(applets=(APPLET, OTHER)))
    update = lv(b"", b"", APPLET, b"\x04", b"", b"")
    assert host.send("80E64000", update) == OK
    assert host.send("80E60C00", lv(PACKAGE, OTHER, OTHER, b"\x04", b"\xc9\0", b"")) == (b"", 0x6985)
    assert host.send("80E64000", lv(b"", b"", OTHER, b"\0", b"", b"")) == (b"", 0x6A88)
    assert host.send("80E64000", lv(ISD, b"", APPLET, b"\x04", b"\xef\0", b"")) == (b"", 0x6A80)
    host.card.power_on()
    assert host.raw("80CA006600") == (b"", 0x6D00)  # the application has no such instruction
    host.open(host.card.state.key_sets[0])
    assert host.send("80F0807F").sw == 0x9000
    host.card.power_on()
    assert host.raw("80CA006600").sw == 0x9000  # a locked card selects its security domain
    host.open(host.card.state.key_sets[0])
    assert host.send("80F0800F").sw == 0x9000
    assert host.send("80E64000", lv(b"", b"", APPLET, b"\0", b"", b"")) == OK
    host.card.power_on()
    assert host.raw("80CA006600").sw == 0x9000


def test_an_application_answers_nothing_but_its_selection(host: Host) -> None:
    host.put_application(BLOCK)
    host.select(APPLET)
    for apdu in ("80CA006600", "8050300008000102030405060700", "80F28002024F0000", "80E290000101"):
        assert host.raw(apdu) == (b"", 0x6D00)


def test_selection_goes_on_to_the_next_application(host: Host) -> None:
    host.put_application(load_file(applets=(APPLET, PACKAGE + b"\2")))
    host.install(PACKAGE + b"\2", module=PACKAGE + b"\2")
    assert host.select(PACKAGE).data[4:12] == APPLET
    assert host.raw(bytes.fromhex("00A40402") + lv(PACKAGE)).data[4:12] == PACKAGE + b"\2"
    assert host.raw(bytes.fromhex("00A40402") + lv(PACKAGE)) == (b"", 0x6A82)


# removals


def test_a_load_file_goes_with_its_applications_or_when_it_has_none(host: Host) -> None:
    host.put_application(BLOCK)
    assert host.send("80E40000", tlv("4F", PACKAGE)) == (b"", 0x6985)
    assert host.send("80E40000", tlv("4F", APPLET)) == OK
    assert host.send("80E40000", tlv("4F", PACKAGE)) == OK
    assert is_empty(host)
    host.put_application(BLOCK)
    assert host.send("80E40080", tlv("4F", PACKAGE)) == OK
    assert is_empty(host)


@pytest.mark.parametrize(
    ("p1p2", "data", "sw"),
    [
        ("0000", tlv("4F", OTHER), 0x6A88),
        ("0080", tlv("4F", OTHER), 0x6A88),
        ("0080", tlv("4F", APPLET), 0x6A86),
        ("0000", tlv("4F", ISD), 0x6985),
        ("0001", tlv("4F", APPLET), 0x6A86),
        ("8000", tlv("4F", APPLET), 0x6A86),
        ("0000", b"", 0x6A80),
        ("0000", tlv("4F", APPLET) + tlv("99", b""), 0x6A80),
        ("0000", tlv("4F", APPLET) + tlv("4F", APPLET), 0x6A80),
        ("0000", tlv("4F", APPLET)[:-1], 0x6A80),
        ("0000", tlv("4F", APPLET) + tlv("9E", bytes(64)), 0x6A88),
        ("0000", tlv("9E", bytes(64)) + tlv("4F", APPLET), 0x6A80),
    ],
)
def test_a_removal_that_names_something_wrong_is_refused(host: Host, p1p2: str, data: bytes, sw: int) -> None:
    host.put_application(BLOCK)
    assert host.send(f"80E4{p1p2}", data) == (b"", sw)
    host.card.application(APPLET)


# delegated management


def token(p1: int, data: bytes, key: ec.EllipticCurvePrivateKey = SIGNER, p2: int = 0) -> bytes:
    return ecdsa(bytes([p1, p2, len(data)]) + data, key)


def test_with_delegated_management_every_change_wants_a_token_and_gives_a_receipt() -> None:
    host = opened(token_key=SIGNER.public_key())
    parameters = tlv("EF", tlv("C6", len(BLOCK).to_bytes(4, "big")))
    begin = lv(PACKAGE, ISD, DIGEST, parameters)
    assert host.send("80E60200", begin + lv(b"")) == (b"", 0x6985)
    assert host.send("80E60200", begin + lv(token(0x0C, begin))) == (b"", 0x6985)
    assert host.send("80E60200", begin + lv(token(0x02, begin))) == OK
    loaded = host.load(BLOCK)
    assert loaded == (receipt(host, 1, PACKAGE, ISD), 0x9000)
    install = lv(PACKAGE, APPLET, APPLET, b"\0", b"\xc9\0")
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert host.send("80E60C00", install + lv(token(0x0C, install, stranger))) == (b"", 0x6985)
    installed = host.send("80E60C00", install + lv(token(0x0C, install)))
    assert installed == (receipt(host, 2, PACKAGE, APPLET), 0x9000)
    update = lv(b"", b"", APPLET, b"\x04", b"")
    assert host.send("80E64000", update + lv(b"")) == (b"", 0x6985)
    assert host.send("80E64000", update + lv(token(0x40, update))) == (receipt(host, 3, APPLET), 0x9000)
    remove = tlv("4F", PACKAGE)
    assert host.send("80E40080", remove) == (b"", 0x6985)
    removed = host.send("80E40080", remove + tlv("9E", token(0, remove, p2=0x80)))
    assert removed == (receipt(host, 4, PACKAGE), 0x9000)
    assert host.send("80CA00C2").data == bytes.fromhex("C2020004")


def test_with_delegated_management_making_selectable_wants_a_token() -> None:
    host = opened(token_key=SIGNER.public_key())
    begin = lv(PACKAGE, ISD, DIGEST, b"")
    host.send("80E60200", begin + lv(token(0x02, begin)))
    host.load(BLOCK)
    install = lv(PACKAGE, APPLET, APPLET, b"\0", b"\xc9\0")
    assert host.send("80E60400", install + lv(token(0x04, install))).sw == 0x9000
    make = lv(b"", b"", APPLET, b"\0", b"")
    assert host.send("80E60800", make + lv(b"")) == (b"", 0x6985)
    assert host.send("80E60800", make + lv(token(0x08, make))) == (receipt(host, 3, APPLET), 0x9000)


def receipt(host: Host, counter: int, *aids: bytes) -> bytes:
    """Appendix C of the card specification, with AES-CMAC."""
    state = host.card.state
    assert state.profile.receipt_key is not None
    confirmation = lv(counter.to_bytes(2, "big"), state.issuer + state.profile.app_se)
    mac = CMAC(AES(state.profile.receipt_key.reveal()))
    mac.update(confirmation + lv(*aids))
    return lv(mac.finalize()) + confirmation


def test_with_delegated_management_a_load_wants_the_hash_that_the_token_covers() -> None:
    host = opened(token_key=SIGNER.public_key())
    begin = lv(PACKAGE, ISD, b"", b"")
    assert host.send("80E60200", begin + lv(token(0x02, begin))) == (b"", 0x6A80)


# life of the card


def locked() -> Host:
    host = opened()
    host.put_application(BLOCK)
    assert host.send("80F0807F") == (b"", 0x9000)
    return host


def test_a_locked_card_tells_about_itself_and_is_unlocked_and_nothing_else() -> None:
    host = locked()
    assert host.send("80F28002", b"\x4f\0").data[15:16] == b"\x7f"
    for head in ("80E60200", "80E88000", "80E40000", "80D80081", "80E29000"):
        assert host.send(head, b"\x4f\0") == (b"", 0x6985)
    with pytest.raises(ApplicationNotInstalled):
        host.card.application(APPLET)
    assert host.raw(bytes.fromhex("00A40400") + lv(APPLET)) == (b"", 0x6A82)
    assert host.select().sw == 0x6283
    host.open(host.card.state.key_sets[0])
    assert host.send("80F0800F") == (b"", 0x9000)
    host.card.application(APPLET)


def test_a_terminated_card_tells_about_itself_and_does_nothing() -> None:
    host = opened()
    host.put_application(BLOCK)
    assert host.send("80F080FF").sw == 0x9000
    host.card.power_on()
    assert host.raw("80CA006600").sw == 0x9000
    for apdu in ("00A4040000", "8050300008000102030405060700"):
        assert host.raw(apdu) == (b"", 0x6985)
    with pytest.raises(ApplicationNotInstalled):
        host.card.application(APPLET)


MOVES = {0x01: {0x07, 0x0F, 0xFF}, 0x07: {0x0F, 0xFF}, 0x0F: {0x7F, 0xFF}, 0x7F: {0x0F, 0xFF}}


@pytest.mark.parametrize("start", sorted(MOVES))
@pytest.mark.parametrize("end", [0x00, 0x01, 0x07, 0x0F, 0x7F, 0xFF])
def test_the_card_moves_along_its_life_only(start: int, end: int) -> None:
    host = Host(Card(replace(new_card(), life=CardLife(start))))
    host.open(host.card.state.key_sets[0])
    assert host.send(f"80F080{end:02X}").sw == (0x9000 if end in MOVES[start] else 0x6985)
    assert host.card.state.life == (end if end in MOVES[start] else start)


def test_a_locked_application_does_not_run_until_it_is_unlocked(host: Host) -> None:
    host.put_application(BLOCK)
    assert host.send("80F04087", APPLET).sw == 0x9000
    assert host.send("80F04087", APPLET) == (b"", 0x6985)
    assert b"\x9f\x70\x01\x87" in host.send("80F24002", b"\x4f\0").data
    with pytest.raises(ApplicationNotInstalled):
        host.card.application(APPLET)
    assert host.send("80E62000", lv(b"", b"", APPLET, b"", b"", b"")) == (b"", 0x6985)
    assert host.send("80F04007", APPLET).sw == 0x9000
    host.card.application(APPLET)
    assert host.send("80F04087", OTHER) == (b"", 0x6A88)
    assert host.send("80F06087", APPLET) == (b"", 0x6A86)
