"""SCP03: every published session is reproduced, by our host and by the card of these tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.provisioning.gp_card import Card
from tests.provisioning.scp03_pair import (
    OK,
)
from tsm_gateway.provisioning.apdu import Command, Response, read_command, read_response
from tsm_gateway.provisioning.card_keys import KeySet
from tsm_gateway.provisioning.scp03 import (
    SecurityLevel,
    Session,
    derive_session_keys,
    initialize_update,
    open_session,
    read_greeting,
)
from tsm_gateway.secret import Secret

VECTORS = Path(__file__).parents[1] / "vectors" / "scp03"
TRANSCRIPTS: list[dict[str, Any]] = json.loads((VECTORS / "transcripts.json").read_text("utf-8"))


def name_of(transcript: dict[str, Any]) -> str:
    return f"{transcript['algo']} {transcript['security_level']} {transcript['origin'].split()[-1]}"


def key_set(transcript: dict[str, Any], kvn: int = 0) -> KeySet:
    dek = transcript.get("static_dek", transcript["static_mac"])
    octets = (transcript["static_enc"], transcript["static_mac"], dek)
    return KeySet(kvn, *(Secret(bytes.fromhex(each)) for each in octets))


def opened_as_published(transcript: dict[str, Any]) -> tuple[Session, Command]:
    return open_session(
        key_set(transcript),
        bytes.fromhex(transcript["host_challenge"]),
        read_response(bytes.fromhex(transcript["init_upd_rsp"])),
        sd_aid=bytes.fromhex(transcript["sd_aid"]),
        level=SecurityLevel(int(transcript["security_level"], 16)),
        expected_i=int(transcript["i"], 16),
    )


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=name_of)
def test_a_published_session_is_reproduced(transcript: dict[str, Any]) -> None:
    session, external_authenticate = opened_as_published(transcript)
    assert external_authenticate.encode().hex() == transcript["ext_auth_cmd"]
    assert session.unwrap(OK) == Response(b"", 0x9000)
    answered: list[dict[str, Any]] = []
    for step in transcript["steps"]:
        wrapped = session.wrap(read_command(bytes.fromhex(step["plain"])))
        assert wrapped.encode().hex() == step["wrapped"]
        if "card_response" in step and len(answered) == session.awaited - 1:
            answered.append(step)
    for step in answered:
        response = session.unwrap(bytes.fromhex(step["card_response"]))
        assert response == Response(bytes.fromhex(step["plain_response"]), 0x9000)
    assert answered or "card_response" not in transcript["steps"][0]


@pytest.mark.parametrize("transcript", [each for each in TRANSCRIPTS if "init_upd_cmd" in each], ids=name_of)
def test_a_published_initialize_update_is_written(transcript: dict[str, Any]) -> None:
    octets = bytes.fromhex(transcript["init_upd_cmd"])
    assert initialize_update(bytes.fromhex(transcript["host_challenge"]), octets[2]).encode() == octets


@pytest.mark.parametrize("transcript", [each for each in TRANSCRIPTS if "s_enc" in each], ids=name_of)
def test_published_session_keys_are_derived(transcript: dict[str, Any]) -> None:
    greeting = read_greeting(read_response(bytes.fromhex(transcript["init_upd_rsp"])))
    context = bytes.fromhex(transcript["host_challenge"]) + greeting.challenge
    made = derive_session_keys(key_set(transcript), context)
    assert [key.reveal().hex() for key in made] == [transcript[name] for name in ("s_enc", "s_mac", "s_rmac")]


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=name_of)
def test_the_card_of_these_tests_says_what_published_cards_say(transcript: dict[str, Any]) -> None:
    enc, mac = (bytes.fromhex(transcript[f"static_{name}"]) for name in ("enc", "mac"))
    greeting = bytes.fromhex(transcript["init_upd_rsp"])
    aid = bytes.fromhex(transcript["sd_aid"])
    card = Card(enc, mac, i=int(transcript["i"], 16), kvn=greeting[10], sd_aid=aid)
    count = int.from_bytes(greeting[-5:-2], "big")
    assert card.greet(bytes.fromhex(transcript["host_challenge"]), seq=count)[10:] == greeting[10:]
    card.authenticate(bytes.fromhex(transcript["ext_auth_cmd"]))
    for step in transcript["steps"]:
        assert card.take(bytes.fromhex(step["wrapped"])) == read_command(bytes.fromhex(step["plain"])).data
        if "card_response" in step:
            assert card.answer(bytes.fromhex(step["plain_response"])).hex() == step["card_response"]
