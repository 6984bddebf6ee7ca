"""Power torn at every APDU of a delivery, at every moment of it, and the retry that heals what there is."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.virtual.card_host import APPLET, PACKAGE, Host, dap, load_file, lv, tlv
from tests.virtual.test_card_upkeep import PARAMETERS, STORED, as_set, grouping, kcv, key_data
from tsm_gateway.virtual.card import ATR, Card, Moment
from tsm_gateway.virtual.card_files import open_card, read_card, write_card
from tsm_gateway.virtual.card_memory import free_memory
from tsm_gateway.virtual.card_new import new_card
from tsm_gateway.virtual.errors import ApplicationNotInstalled, CardTorn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tsm_gateway.virtual.card_state import CardState, KeySet

SIGNER = ec.generate_private_key(ec.SECP256R1())
BLOCK = load_file(code=500)
R, S = decode_dss_signature(SIGNER.sign(hashlib.sha256(BLOCK).digest(), ec.ECDSA(SHA256())))
SIGNED = [dap(R.to_bytes(32, "big") + S.to_bytes(32, "big"))]
NEW_KEYS = [bytes([0x50 + number]) * 16 for number in range(3)]


def deliver(host: Host, keys: KeySet) -> None:
    """A whole delivery, which begins by looking what is there; each step is one that a host repeats."""
    host.open(keys)
    if host.send("80F22002", tlv("4F", PACKAGE)).sw != 0x6A88:
        assert host.send("80E40080", tlv("4F", PACKAGE)).sw == 0x9000
    host.put_application(BLOCK, SIGNED)
    assert host.send("80E62000", lv(b"", b"", APPLET, b"", b"", b"")).sw == 0x9000
    assert host.send("80E28800", grouping(PARAMETERS)).sw == 0x9000


class Tearing:
    """Takes the power at one moment of the n-th APDU."""

    def __init__(self, at: int, moment: Moment) -> None:
        self.at, self.moment = at, moment
        self.seen: list[bytes] = []

    def __call__(self, moment: Moment, apdu: bytes) -> bool:
        if moment is Moment.BEFORE:
            self.seen.append(apdu)
        return moment is self.moment and len(self.seen) == self.at


def apdus_of(run: Callable[[Host, KeySet], object]) -> int:
    counting = Tearing(0, Moment.BEFORE)
    state = new_card(dap_keys=[SIGNER.public_key()])
    run(Host(Card(state, tear=counting)), state.key_sets[0])
    return len(counting.seen)


DELIVERY = apdus_of(deliver)


def content(state: CardState) -> tuple[object, ...]:
    return state.load_files, state.instances, free_memory(state), state.key_sets[0].enc.reveal()


@pytest.mark.parametrize("moment", list(Moment))
def test_a_delivery_torn_at_any_apdu_leaves_a_whole_state_that_the_next_one_mends(
    moment: Moment, tmp_path: Path
) -> None:
    wholes = whole_states()
    for at in range(1, DELIVERY + 1):
        path = tmp_path / "card.json"
        state = new_card(dap_keys=[SIGNER.public_key()])
        keys = state.key_sets[0]
        write_card(path, state)
        with open_card(path, tear=Tearing(at, moment)) as card:
            try:
                deliver(Host(card), keys)
            except CardTorn:
                with pytest.raises(CardTorn):
                    card.transmit(bytes.fromhex("00A4040000"))  # no power yet
            assert content(card.state)[:3] in wholes
        assert read_card(path) == card.state  # what is on the disk is what the card is
        with open_card(path) as card:
            assert card.power_on() == ATR
            host = Host(card)
            host.level = 0
            assert host.send("80F28002", b"\x4f\0") == (b"", 0x6982)  # the session is gone
            deliver(host, keys)
            assert card.application(APPLET) == STORED
        assert content(card.state)[:3] == wholes[-1]


def whole_states() -> list[tuple[object, ...]]:
    """What a delivery leaves when it ends behind a command that succeeded."""
    kept: list[CardState] = []
    state = new_card(dap_keys=[SIGNER.public_key()])
    deliver(Host(Card(state, keep=kept.append)), state.key_sets[0])
    seen = [content(each)[:3] for each in [state, *kept]]
    return [each for number, each in enumerate(seen) if each not in seen[:number]]


def test_the_states_of_a_delivery_are_these() -> None:
    empty, loaded, installed, personalised = whole_states()
    assert (len(empty[0]), len(loaded[0]), len(loaded[1])) == (0, 1, 0)  # type: ignore[arg-type]
    assert installed[1] != personalised[1]


@pytest.mark.parametrize("moment", list(Moment))
def test_keys_torn_on_their_way_are_the_old_ones_or_the_new_ones(moment: Moment) -> None:
    def renew(host: Host, keys: KeySet) -> None:
        host.open(keys)
        host.send("80D83081", key_data(0x31, NEW_KEYS, keys.dek))

    opens = []
    for at in range(1, apdus_of(renew) + 1):
        state = new_card()
        card = Card(state, tear=Tearing(at, moment))
        try:
            renew(Host(card), state.key_sets[0])
        except CardTorn:
            card.power_on()
        known = [keys.kvn for keys in card.state.key_sets]
        assert known in ([0x30], [0x31])
        keys = state.key_sets[0] if known == [0x30] else as_set(0x31, NEW_KEYS)
        Host(card).open(keys)
        opens.append(known[0])
    last = 0x31 if moment is Moment.WRITTEN else 0x30
    assert opens[-1] == last
    assert kcv(NEW_KEYS[0])


def test_a_removal_torn_in_the_middle_removes_all_or_nothing() -> None:
    for moment, left in ((Moment.BEFORE, 1), (Moment.UNWRITTEN, 1), (Moment.WRITTEN, 0)):
        state = new_card(dap_keys=[SIGNER.public_key()])
        tearing = Tearing(DELIVERY + 1, moment)
        host = Host(Card(state, tear=tearing))
        deliver(host, state.key_sets[0])
        with pytest.raises(CardTorn):
            host.send("80E40080", tlv("4F", PACKAGE))
        after = host.card.state
        assert (len(after.load_files), len(after.instances)) == (left, left)
        if not left:
            with pytest.raises(ApplicationNotInstalled):
                host.card.application(APPLET)


def test_what_changes_nothing_writes_nothing() -> None:
    kept: list[CardState] = []
    state = new_card()
    host = Host(Card(state, keep=kept.append))
    host.open(state.key_sets[0])
    begun = len(kept)
    for head in ("80F28002", "80F24002", "80CA0045", "80E60200", "80D83081"):
        host.send(head, b"" if head == "80CA0045" else b"\x4f\0")
    host.begin_load(BLOCK)
    assert host.send("80E80000", tlv("C4", BLOCK)[:200]).sw == 0x9000
    assert len(kept) == begun == 1


def test_a_state_that_cannot_be_written_is_not_taken(tmp_path: Path) -> None:
    def broken(_: CardState) -> None:
        raise OSError(28, "No space left on device")

    state = new_card()
    card = Card(state, keep=broken)
    with pytest.raises(OSError, match="No space"):
        Host(card).initialize(state.key_sets[0])
    assert card.state == state
    with pytest.raises(CardTorn):
        card.transmit(bytes.fromhex("00A4040000"))


def test_sequence_numbers_are_never_given_out_twice() -> None:
    state, given = new_card(), []
    for _ in range(4):
        card = Card(state, tear=Tearing(2, Moment.WRITTEN))
        Host(card).initialize(card.state.key_sets[0])
        given.append(card.state.key_sets[0].sequence)
        with pytest.raises(CardTorn):
            Host(card).initialize(card.state.key_sets[0])
        state = card.state
    assert given == [1, 3, 5, 7]  # 2, 4 and 6 were used up when the power went
