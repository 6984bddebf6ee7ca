"""Manifests of cards: what is read, what is refused, and that no complaint quotes a line."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.provisioning.card_keys import diversify
from tsm_gateway.provisioning.card_manifest import LONGEST_LINE, CardManifest, ManifestCard, ManifestMalformed
from tsm_gateway.secret import Secret

ENC, MAC, DEK = (bytes([each]) * 16 for each in (0x11, 0x22, 0x33))
APP_SE, SD_AID = bytes(range(16)), bytes.fromhex("a000000151000000")
DATA = bytes.fromhex("00112233445566778899")
PLAIN: dict[str, Any] = {
    "app_se": APP_SE.hex(),
    "sd_aid": SD_AID.hex(),
    "kvn": 48,
    "i": "70",
    "enc": ENC.hex(),
    "mac": MAC.hex(),
    "dek": DEK.hex(),
}
HEAD: dict[str, Any] = {
    "master": {"kvn": 0x20, "key": "ab" * 32},
    "kdf": "sp800-108",
    "i": "60",
    "sd_aid": SD_AID.hex(),
}
BELOW: dict[str, Any] = {"app_se": APP_SE.hex(), "diversification": DATA.hex()}


def read(*lines: dict[str, Any] | bytes) -> list[ManifestCard | None]:
    manifest = CardManifest()
    return [manifest.read(each if isinstance(each, bytes) else json.dumps(each).encode()) for each in lines]


def only(*lines: dict[str, Any] | bytes) -> ManifestCard:
    (card,) = [each for each in read(*lines) if each is not None]
    return card


def refused(*lines: dict[str, Any] | bytes) -> ManifestMalformed:
    with pytest.raises(ManifestMalformed) as caught:
        read(*lines)
    return caught.value


def test_a_card_with_its_keys_is_read() -> None:
    card = only(PLAIN)
    assert (card.line, card.app_se, card.sd_aid, card.protocol, card.dap_key) == (
        1,
        APP_SE,
        SD_AID,
        0x70,
        b"",
    )
    assert (card.keys.kvn, card.receipt_key) == (48, None)
    assert [key.reveal() for key in (card.keys.enc, card.keys.mac, card.keys.dek)] == [ENC, MAC, DEK]
    more = only({**PLAIN, "receipt": "44" * 16, "dap_key": "55" * 8, "i": "61", "enc": ENC.hex().upper()})
    assert (more.receipt_key, more.dap_key, more.protocol) == (Secret(b"\x44" * 16), b"\x55" * 8, 0x61)
    assert more.keys.enc == Secret(ENC)


@pytest.mark.parametrize("length", [16, 24, 32])
def test_keys_of_a_master_are_diversified(length: int) -> None:
    key = "ab" * length
    card = only({**HEAD, "master": {"kvn": 0x20, "key": key}}, BELOW)
    assert card.keys == diversify(Secret(bytes.fromhex(key)), DATA, 0x20, length)
    assert (card.line, card.protocol, card.sd_aid) == (2, 0x60, SD_AID)


def test_each_key_may_have_a_master_of_its_own() -> None:
    masters = {name: bytes([each]) * 16 for each, name in enumerate(("enc", "mac", "dek"), 1)}
    head = {**HEAD, "master": {"kvn": 1, **{name: key.hex() for name, key in masters.items()}}}
    card = only(head, BELOW)
    of = {name: diversify(Secret(key), DATA, 1, 16) for name, key in masters.items()}
    assert (card.keys.enc, card.keys.mac, card.keys.dek) == (of["enc"].enc, of["mac"].mac, of["dek"].dek)


def test_a_card_below_a_head_may_differ_from_it() -> None:
    head = {**HEAD, "dap_key": "66" * 8}
    assert only(head, BELOW).dap_key == b"\x66" * 8
    own = {"i": "71", "sd_aid": "a0000000030000", "dap_key": "77" * 8, "receipt": "88" * 16}
    card = only(head, {**BELOW, **own})
    assert (card.protocol, card.sd_aid.hex(), card.dap_key) == (0x71, own["sd_aid"], b"\x77" * 8)
    assert card.receipt_key == Secret(b"\x88" * 16)


def test_empty_lines_count_and_hold_nothing() -> None:
    cards = read(b"", PLAIN, b"  ", {**PLAIN, "app_se": "ff" * 8})
    assert [each and each.line for each in cards] == [None, 2, None, 4]
    assert only(b"", HEAD, BELOW).line == 3


WITHOUT = [{name: value for name, value in PLAIN.items() if name != left} for left in PLAIN]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"app_se": "00" * 7}, "`app_se`"),
    ({"app_se": "00" * 33}, "`app_se`"),
    ({"app_se": 5}, "`app_se`"),
    ({"sd_aid": "a0" * 4}, "`sd_aid`"),
    ({"sd_aid": "a0" * 17}, "`sd_aid`"),
    ({"kvn": 0}, "`kvn`"),
    ({"kvn": 128}, "`kvn`"),
    ({"kvn": True}, "`kvn`"),
    ({"kvn": "48"}, "`kvn`"),
    ({"kvn": 48.0}, "`kvn`"),
    ({"i": "7"}, "`i`"),
    ({"i": "7070"}, "`i`"),
    ({"i": "02"}, "SCP03"),
    ({"i": "00"}, "answers"),
    ({"i": "20"}, "answers"),
    ({"enc": "1" * 31}, "`enc`"),
    ({"enc": "11" * 15}, "`enc`"),
    ({"mac": "zz" * 16}, "`mac`"),
    ({"mac": " " + "22" * 16}, "`mac`"),
    ({"dek": "33" * 24}, "one length"),
    ({"dek": None}, "`dek`"),
    ({"receipt": "44" * 24}, "`receipt`"),
    ({"dap_key": "55" * 7}, "`dap_key`"),
    ({"keys": "aa"}, "do not belong"),
    ({"diversification": "aa"}, "head"),
]


@pytest.mark.parametrize("members", WITHOUT, ids=list(PLAIN))
def test_every_member_is_needed(members: dict[str, Any]) -> None:
    (missing,) = PLAIN.keys() - members.keys()
    assert f"missing: {missing}" in str(refused(members))


@pytest.mark.parametrize(("members", "says"), WRONG)
def test_what_is_wrong_is_named_with_its_line(members: dict[str, Any], says: str) -> None:
    error = refused(PLAIN, {**PLAIN, **members})
    assert (error.facts["line"], says in str(error)) == (2, True), str(error)
    assert str(error).startswith("line 2: ")


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ({"kdf": "kdf3"}, '`kdf` is another than "sp800-108", the only one that is known'),
        ({"master": "ab" * 16}, "`master`"),
        ({"master": {"kvn": 1}}, "missing"),
        ({"master": {"kvn": 1, "key": "ab" * 16, "enc": "ab" * 16}}, "do not belong"),
        ({"master": {"kvn": 1, "key": "ab" * 17}}, "`key`"),
        ({"master": {"kvn": 0, "key": "ab" * 16}}, "`kvn`"),
        ({"master": {"kvn": 1, "enc": "ab" * 16, "mac": "ab" * 24, "dek": "ab" * 16}}, "one length"),
        ({"i": "00"}, "answers"),
        ({"app_se": APP_SE.hex()}, "do not belong"),
    ],
)
def test_a_wrong_head_is_refused(head: dict[str, Any], says: str) -> None:
    assert says in str(refused({**HEAD, **head}))


def test_a_head_stands_in_the_first_line_only() -> None:
    assert refused(PLAIN, HEAD).facts["line"] == 2
    assert refused(HEAD, HEAD).facts["line"] == 2
    assert "belong" in str(refused(HEAD, {**BELOW, "enc": ENC.hex()}))
    assert "missing" in str(refused(HEAD, PLAIN))
    assert "`diversification`" in str(refused(HEAD, {**BELOW, "diversification": "aa" * 33}))


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b"7", b'"a"', b"\xff\xfe", b"null", b"[" * 3000, b"NaN", b'{"kvn": 1, "kvn": 1}', b"\x00"],
)
def test_what_is_no_object_is_refused(line: bytes) -> None:
    assert refused(line).facts["line"] == 1


def test_a_line_is_bounded() -> None:
    padded = json.dumps(PLAIN).encode().ljust(LONGEST_LINE)
    assert only(padded).app_se == APP_SE
    assert "longer" in str(refused(padded + b" "))


@given(st.binary(max_size=200))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    with suppress(ManifestMalformed):
        assert CardManifest().read(octets) is None


KEY = "5e" * 16


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({**PLAIN, "enc": KEY, "dek": KEY + "5e"}),
        json.dumps({**PLAIN, KEY: 1}),
        json.dumps({**PLAIN, "enc": KEY})[:-1],
        json.dumps({**PLAIN, "enc": [KEY]}),
        json.dumps({**PLAIN, "mac": "x" + KEY}),
        json.dumps({**PLAIN, "kvn": KEY}),
        json.dumps({**HEAD, "master": KEY}),
        json.dumps({**HEAD, "kdf": KEY}),
        json.dumps({**HEAD, "master": {"kvn": 1, "key": KEY, KEY: KEY}}),
        f'{{"enc": "{KEY}", "enc": "{KEY}"}}',
    ],
)
def test_no_complaint_quotes_a_line(line: str) -> None:
    error = refused(line.encode())
    told = f"{error} {error!r} {error.facts} {error.__cause__}"
    assert "5e5e" not in told
    assert error.__suppress_context__, "a traceback would show what the parser quotes"


def test_a_card_never_prints_its_keys() -> None:
    card = only({**PLAIN, "enc": KEY, "receipt": KEY})
    assert "5e5e" not in repr(card)
    assert "^^" not in repr(card), "5e raw"
