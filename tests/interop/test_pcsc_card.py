"""The virtual card in a PC/SC reader, asked by hosts of others: opensc-tool and yubikey-manager's SCP03."""

from __future__ import annotations

import functools
import hashlib
import operator
import re
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.interop.peers import card_commands as gp
from tests.interop.peers.card_host import YubikitHost
from tests.interop.peers.pcsc import PORTS, READERS, CardInReader, PcscService, own_card
from tsm_gateway.virtual.card_files import write_card
from tsm_gateway.virtual.card_new import new_card

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

DOMAIN = bytes.fromhex("A000000151000000")
PACKAGE, APPLET, INSTANCE = (bytes.fromhex(f"F054534D504159{end}") for end in ("", "01", "0101"))
LOAD_FILE = gp.load_file_data_block(PACKAGE, APPLET, 5_000)  # over twenty blocks
DIGEST = hashlib.sha256(LOAD_FILE).digest()
KVN, NEW_KVN = 0x30, 0x31
OK, NOT_AUTHENTICATED, NOT_VERIFIED, NOT_NOW, NOTHING_THERE = 0x9000, 0x6982, 0x6300, 0x6985, 0x6A88
SIGNER, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


class IssuedCard:
    """A card fresh from its issuer, which may be put into the reader and taken away as often as one likes."""

    def __init__(self, folder: Path) -> None:
        """Make it: it takes load files that SIGNER signed."""
        self.file = folder / "card.json"
        state = new_card(dap_keys=[SIGNER.public_key()])
        write_card(self.file, state)
        keys = state.key_set(KVN)
        assert keys is not None
        self.keys = tuple(key.reveal() for key in (keys.enc, keys.mac, keys.dek))

    @contextmanager
    def in_reader(self, service: PcscService) -> Iterator[CardInReader]:
        """In the reader for as long as the block lasts, or until it is torn."""
        card = CardInReader(service, own_card(self.file))
        try:
            yield card
        finally:
            card.stop()


@pytest.fixture(scope="module")
def service() -> Iterator[PcscService]:
    made = PcscService()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def resident(service: PcscService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CardInReader]:
    """A card that stays in the second slot: for hosts that never get as far as to change it."""
    file = IssuedCard(tmp_path_factory.mktemp("resident")).file
    made = CardInReader(service, own_card(file, slot=1), slot=1)
    yield made
    made.stop()


@pytest.fixture
def issued(tmp_path: Path) -> IssuedCard:
    return IssuedCard(tmp_path)


@pytest.fixture
def card(service: PcscService, issued: IssuedCard) -> Iterator[CardInReader]:
    with issued.in_reader(service) as card:
        yield card


@pytest.fixture(scope="module")
def yubikit(service: PcscService) -> Iterator[YubikitHost]:
    made = YubikitHost(service)
    yield made
    made.stop()


@pytest.fixture
def host(yubikit: YubikitHost, card: CardInReader, issued: IssuedCard) -> YubikitHost:
    """In a session with the card."""
    yubikit.connect()
    opened = yubikit.authenticate(KVN, issued.keys)
    assert "refused" not in opened, opened
    return yubikit


def signature(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


SIGNED = [(DOMAIN, signature(SIGNER, DIGEST))]
BEGIN = gp.install_for_load(PACKAGE, DOMAIN, DIGEST, len(LOAD_FILE))
INSTALL = gp.install_and_make_selectable(PACKAGE, APPLET, INSTANCE)


def load(host: YubikitHost, signatures: list[tuple[bytes, bytes]], load_file: bytes = LOAD_FILE) -> list[int]:
    """The status word of each LOAD, up to the first that is not 9000; INSTALL [for load] went well."""
    _, status = host.send(BEGIN)
    assert status == OK
    statuses = []
    for block in gp.load(load_file, signatures):
        statuses.append(host.send(block)[1])
        if statuses[-1] != OK:
            break
    return statuses


def listed(host: YubikitHost, of: int) -> set[bytes]:
    """The AIDs that GET STATUS gives."""
    octets, status = host.send(gp.get_status(of))
    assert status == OK
    rows = [gp.objects(row) for tag, row in gp.objects(octets) if tag == gp.ROW]
    return {value for row in rows for tag, value in row if tag == gp.AID}


def key_versions(host: YubikitHost) -> set[int]:
    """The versions of the keys that the card says it has."""
    octets, status = host.send(gp.key_information())
    assert status == OK
    return {row[1] for _, template in gp.objects(octets) for _, row in gp.objects(template)}


def nothing_is_loaded(host: YubikitHost) -> bool:
    found = [host.send(gp.get_status(of)) for of in (gp.LOAD_FILES, gp.APPLICATIONS)]
    return found == [(b"", NOTHING_THERE)] * 2


def test_nobody_outside_reaches_the_reader_where_cards_are_put_in(service: PcscService) -> None:
    for port in PORTS:
        with socket.socket() as outside, pytest.raises(ConnectionRefusedError):
            outside.connect(("127.0.0.1", port))


def opensc(service: PcscService, *words: str) -> str:
    """What opensc-tool says of the resident card."""
    said = service.ask("--reader", "1", *words)
    assert (said.returncode, said.stderr) == (0, "")
    return said.stdout


def raw(service: PcscService, *commands: str) -> list[tuple[bytes, int]]:
    """(data, status word) that opensc-tool got for each command in hex."""
    sent = [word for command in commands for word in ("--send-apdu", command)]
    said = opensc(service, "--card-driver", "default", *sent)
    _, *answers = re.split(r"^Received ", said, flags=re.MULTILINE)
    assert len(answers) == len(commands), said
    return [answer_in(each.partition("Sending")[0]) for each in answers]


def answer_in(said: str) -> tuple[bytes, int]:
    """Of `(SW1=0x90, SW2=0x00):` and a dump: sixteen octets to a line, and behind them the same as text."""
    head, *lines = said.splitlines()
    data = b"".join(bytes.fromhex(line[:48]) for line in lines)
    return data, int("".join(re.findall("SW.=0x(..)", head)), 16)


def test_opensc_lists_the_readers_and_reads_the_cards_atr(
    service: PcscService, resident: CardInReader
) -> None:
    rows = service.ask("--list-readers").stdout.splitlines()[2:]
    assert [re.split(r"\s\s+", row) for row in rows] == [["0", "No", READERS[0]], ["1", "Yes", READERS[1]]]
    atr = bytes.fromhex(opensc(service, "--atr").strip().replace(":", ""))
    assert atr[0] == 0x3B
    assert b"TSM" in atr  # among the historical octets
    assert functools.reduce(operator.xor, atr[1:]) == 0  # TCK, the last one, makes it so


def test_the_card_outlives_every_guess_of_opensc_at_its_kind(
    service: PcscService, resident: CardInReader
) -> None:
    assert opensc(service, "--name")
    assert resident.program.process.poll() is None
    assert raw(service, "00A4040000")[0][1] == OK


def test_opensc_selects_the_security_domain_and_asks_what_anybody_may_know(
    service: PcscService, resident: CardInReader
) -> None:
    selected, recognition, keys, manager = raw(
        service, "00A4040000", "80CA006600", "80CA00E000", "80CA5F5000"
    )
    assert selected == (bytes.fromhex("6F108408A000000151000000A5049F6501FF"), OK)
    assert recognition[1] == keys[1] == OK
    assert bytes.fromhex("06072A864886FC6B01") in recognition[0]  # "a GlobalPlatform card"
    assert bytes.fromhex("640B06092A864886FC6B040370") in recognition[0]  # SCP03, i = 70
    assert [bytes.fromhex(f"C004{number:02X}{KVN:02X}8810") in keys[0] for number in (1, 2, 3)] == [True] * 3
    assert manager == (b"", NOTHING_THERE)


@pytest.mark.parametrize(
    "command", ["80F28002024F00", "80E40080074F05F054534D50", "80E60200050000000000", "80D800810100"]
)
def test_who_has_not_authenticated_changes_and_lists_nothing(
    service: PcscService, resident: CardInReader, command: str
) -> None:
    assert raw(service, "00A4040000", command)[1] == (b"", NOT_AUTHENTICATED)


def test_a_session_is_not_opened_by_a_cryptogram_that_is_made_up(
    service: PcscService, resident: CardInReader
) -> None:
    update, guess, listing = raw(
        service, "8050000008000102030405060700", "8482330010" + 16 * "5A", "80F28002024F00"
    )
    assert (len(update[0]), update[1]) == (32, OK)  # pseudo-random: a sequence counter follows
    assert guess == (b"", NOT_VERIFIED)
    assert listing == (b"", NOT_AUTHENTICATED)


def test_yubikit_opens_a_session_and_sees_the_security_domain(host: YubikitHost) -> None:
    assert listed(host, gp.SECURITY_DOMAINS) == {DOMAIN}
    assert nothing_is_loaded(host)
    assert KVN in key_versions(host)


def test_yubikit_loads_installs_lists_and_deletes_an_application(host: YubikitHost) -> None:
    statuses = load(host, SIGNED)
    assert statuses == [OK] * len(gp.load(LOAD_FILE, SIGNED))
    assert len(statuses) > 20
    assert listed(host, gp.LOAD_FILES) == {PACKAGE}
    assert host.send(gp.get_status(gp.APPLICATIONS)) == (b"", NOTHING_THERE)
    assert host.send(INSTALL)[1] == OK
    assert listed(host, gp.APPLICATIONS) == {INSTANCE}
    assert host.send(gp.delete_with_instances(PACKAGE))[1] == OK
    assert nothing_is_loaded(host)


def test_yubikit_loads_a_file_of_more_blocks_than_there_are_numbers(host: YubikitHost) -> None:
    large = gp.load_file_data_block(PACKAGE, APPLET, 62_000)
    digest = hashlib.sha256(large).digest()
    blocks = gp.load(large, [(DOMAIN, signature(SIGNER, digest))])
    assert len(blocks) > 0x100  # behind FF comes 00
    begin = gp.install_for_load(PACKAGE, DOMAIN, digest, len(large))
    assert {host.send(command)[1] for command in (begin, *blocks, INSTALL)} == {OK}
    assert listed(host, gp.APPLICATIONS) == {INSTANCE}


def test_what_is_installed_is_there_after_the_card_was_away(
    service: PcscService, issued: IssuedCard, yubikit: YubikitHost
) -> None:
    with issued.in_reader(service):
        yubikit.connect()
        yubikit.authenticate(KVN, issued.keys)
        load(yubikit, SIGNED)
        yubikit.send(INSTALL)
    with issued.in_reader(service):
        yubikit.connect()
        yubikit.authenticate(KVN, issued.keys)
        assert (listed(yubikit, gp.LOAD_FILES), listed(yubikit, gp.APPLICATIONS)) == ({PACKAGE}, {INSTANCE})


def test_host_and_card_of_different_keys_do_not_come_together(
    yubikit: YubikitHost, card: CardInReader, issued: IssuedCard
) -> None:
    enc, mac, dek = issued.keys
    yubikit.connect()
    refused = yubikit.authenticate(KVN, (enc, bytes(16), dek))
    assert (refused["refused"], refused["said"]) == ("ValueError", "Incorrect SCP parameters")
    assert yubikit.authenticate(NEW_KVN, issued.keys)["refused"] == "ValueError"  # no such version
    assert "refused" not in yubikit.authenticate(
        KVN, (bytes(16), mac, dek)
    )  # yubikit cannot tell, the card can
    assert yubikit.send(gp.get_status(gp.SECURITY_DOMAINS)) == (b"", NOT_AUTHENTICATED)


@pytest.mark.parametrize(
    "signatures",
    [
        pytest.param([], id="unsigned"),
        pytest.param([(DOMAIN, signature(STRANGER, DIGEST))], id="by somebody else"),
        pytest.param([(DOMAIN, signature(SIGNER, LOAD_FILE))], id="over the data and not their hash"),
        pytest.param([*SIGNED, (DOMAIN, bytes(64))], id="one right and one wrong"),
    ],
)
def test_a_load_file_that_is_not_signed_right_is_refused_whole(
    host: YubikitHost, signatures: list[tuple[bytes, bytes]]
) -> None:
    *taken, last = load(host, signatures)
    assert {*taken} == {OK}
    assert last == NOT_NOW
    assert nothing_is_loaded(host)
    assert host.send(INSTALL) == (b"", NOTHING_THERE)
    assert {*load(host, SIGNED)} == {OK}


def test_a_signed_load_file_with_one_bit_flipped_is_refused_whole(host: YubikitHost) -> None:
    flipped = bytearray(LOAD_FILE)
    flipped[2_500] ^= 1
    *taken, last = load(host, SIGNED, bytes(flipped))
    assert {*taken} == {OK}
    assert last not in {OK, NOTHING_THERE}
    assert nothing_is_loaded(host)


def test_a_card_torn_away_in_the_middle_of_a_load_is_loaded_from_the_start(
    service: PcscService, issued: IssuedCard, yubikit: YubikitHost
) -> None:
    blocks = gp.load(LOAD_FILE, SIGNED)
    with issued.in_reader(service) as card:
        yubikit.connect()
        yubikit.authenticate(KVN, issued.keys)
        assert {yubikit.send(command)[1] for command in (BEGIN, *blocks[:10])} == {OK}
        card.tear()
        gone = yubikit.ask("send", command=blocks[10].hex())
        assert gone["refused"] == "CardConnectionException", gone
    with issued.in_reader(service):
        yubikit.connect()
        yubikit.authenticate(KVN, issued.keys)
        assert nothing_is_loaded(yubikit)
        assert yubikit.send(blocks[10])[1] == NOT_NOW
        assert {*load(yubikit, SIGNED)} == {OK}
        assert yubikit.send(INSTALL)[1] == OK
        assert listed(yubikit, gp.APPLICATIONS) == {INSTANCE}


def test_yubikit_gives_the_card_new_keys_and_the_issuers_open_nothing_any_more(
    host: YubikitHost, issued: IssuedCard
) -> None:
    new = tuple(bytes([fill]) * 16 for fill in (0xE1, 0xE2, 0xE3))
    put = host.put_keys(NEW_KVN, new, instead_of=KVN)
    assert "refused" not in put, put
    assert {KVN, NEW_KVN} & key_versions(host) == {NEW_KVN}
    host.connect()
    assert host.authenticate(KVN, issued.keys)["refused"] == "ValueError"
    host.connect()
    assert "refused" not in host.authenticate(NEW_KVN, new)
    assert listed(host, gp.SECURITY_DOMAINS) == {DOMAIN}
