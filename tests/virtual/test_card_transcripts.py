"""The virtual card against published transcripts and signatures, from the card's side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tsm_gateway.secret import Secret
from tsm_gateway.virtual import card as card_module
from tsm_gateway.virtual.card import Card, Row
from tsm_gateway.virtual.card_apdu import Answer, Command, read_command
from tsm_gateway.virtual.card_put_key import key_check_value
from tsm_gateway.virtual.card_signature import is_signed_by, token_message
from tsm_gateway.virtual.card_state import CardState, KeySet, Profile

VECTORS = Path(__file__).parents[1] / "vectors"
TRANSCRIPTS: list[dict[str, Any]] = json.loads((VECTORS / "scp03" / "transcripts.json").read_text())
DAP: dict[str, Any] = json.loads((VECTORS / "dap" / "dap-token.json").read_text())

octets = bytes.fromhex


def card_of(transcript: dict[str, Any]) -> Card:
    """The card of a transcript, right before it."""
    greeting = octets(transcript["init_upd_rsp"])
    enc, mac = octets(transcript["static_enc"]), octets(transcript["static_mac"])
    sequence = int.from_bytes(greeting[29:32], "big") - 1
    keys = KeySet(greeting[10], Secret(enc), Secret(mac), Secret(mac), sequence)
    profile = Profile(
        app_se=bytes(16),
        sd_aid=octets(transcript["sd_aid"]),
        diversification=greeting[:10],
        protocol=greeting[12],
    )
    return Card(CardState(profile, (keys,)))


@pytest.mark.parametrize("number", range(len(TRANSCRIPTS)))
def test_the_card_answers_as_the_card_of_a_published_transcript(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript = TRANSCRIPTS[number]
    card = card_of(transcript)
    challenge = octets(transcript["host_challenge"])
    assert card.transmit(octets("8050000008") + challenge + b"\0") == octets(transcript["init_upd_rsp"])
    assert card.transmit(octets(transcript["ext_auth_cmd"])) == octets("9000")
    for step in transcript["steps"]:
        seen: list[bytes] = []

        def run(_: object, command: Command, step: Any = step, seen: list[bytes] = seen) -> Answer:
            seen.append(command.data)
            return Answer(octets(step.get("plain_response", "")))

        plain = read_command(octets(step["plain"]))
        monkeypatch.setitem(card_module.INSTRUCTIONS, plain.ins, Row(run))
        answer = card.transmit(octets(step["wrapped"]))
        assert seen == [plain.data]
        if "card_response" in step:
            assert answer == octets(step["card_response"])


def test_key_check_values_are_the_published_ones() -> None:
    checked = 0
    for transcript in TRANSCRIPTS:
        for name, value in transcript.get("kcv", {}).items():
            key = Secret(octets(transcript[f"static_{name}"]))
            assert key_check_value(key) == octets(value)
            checked += 1
    assert checked == 9


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_published_load_file_signatures_verify_and_altered_ones_do_not(kind: str) -> None:
    key: Any = load_der_public_key(octets(DAP["public_keys_spki_der"][kind]))
    digest, signature = octets(DAP["lfdb_sha256"]), octets(DAP["dap"][kind]["signature"])
    assert is_signed_by(key, digest, signature)
    assert not is_signed_by(key, bytes([digest[0] ^ 1]) + digest[1:], signature)
    assert not is_signed_by(key, digest, bytes([signature[0] ^ 1]) + signature[1:])
    assert not is_signed_by(key, digest, signature[:-1])


@pytest.mark.parametrize(
    ("token", "kind"), [("load_token", "p256"), ("load_token", "rsa2048"), ("install_token", "p256")]
)
def test_published_tokens_verify_over_the_command_without_them(token: str, kind: str) -> None:
    key: Any = load_der_public_key(octets(DAP["public_keys_spki_der"][kind]))
    signed = octets(DAP[token]["signed_data"])
    command = Command(0x80, 0xE6, signed[0], signed[1])
    assert signed[2] == len(signed) - 3
    message = token_message(command, signed[3:])
    assert message == signed
    assert is_signed_by(key, message, octets(DAP[token][kind]))
    assert not is_signed_by(key, message + b"\0", octets(DAP[token][kind]))
