"""The README's guide for providers, run as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec

from tsm_gateway.envelope.tsm1 import Direction, provider_payload, seal_packet, traffic_key
from tsm_gateway.outbound.key_handover import KeyIdentity, handover_record, read_recipient
from tsm_gateway.provisioning.card_keys import diversify
from tsm_gateway.secret import Secret
from tsm_gateway.virtual.certificate import Payment, sign_payment
from tsm_gateway.virtual.identity import new_identity

README = Path(__file__).parents[1] / "README.md"
KEY, KID, NAME, PORT = bytes(range(32)), b"\0\x01\xfe\xff", "bank", 16500
NOW = 1_790_000_000
MESSAGE_ID = bytes(range(16))


@pytest.fixture(scope="module")
def guide() -> dict[str, Any]:
    """The names its examples define."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL):
        exec(block, names)  # noqa: S102 - our own README
    return names


@pytest.mark.parametrize("piv", [0, 255, 2**32, 2**40 - 1])
def test_a_provider_who_follows_the_guide_opens_what_the_gateway_sealed(
    guide: dict[str, Any], piv: int
) -> None:
    traffic = traffic_key(Secret(KEY), KID, Direction.TSM_TO_PROVIDER, NAME, PORT)
    packet = seal_packet(provider_payload(b"certificate", 1_700_000_000, MESSAGE_ID), traffic, piv)
    assert guide["open_packet"](packet, NAME, KID, KEY) == (b"certificate", 1_700_000_000, MESSAGE_ID)
    with pytest.raises(InvalidTag):
        guide["open_packet"](packet, "shop", KID, KEY)


def test_a_provider_who_follows_the_guide_verifies_what_the_device_signed(guide: dict[str, Any]) -> None:
    device, stranger = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    paid = Payment("d:0011223344556677", "sp:bank", 2, 1, bytes(8), bytes(16), 1299, 978, ("fpt",))
    certificate = sign_payment(paid, device)
    claims = guide["read_certificate"](certificate, device.public_key())
    assert claims == {
        1: "d:0011223344556677",
        3: "sp:bank",
        4: 2,
        6: 1,
        7: bytes(8),
        -65537: [bytes(16), 1299, 978, ["fpt"]],
    }
    with pytest.raises(InvalidSignature):
        guide["read_certificate"](certificate, stranger.public_key())


def test_a_provider_who_follows_the_guide_opens_the_key_it_was_sent(guide: dict[str, Any]) -> None:
    identity = new_identity(NOW)
    recipient = read_recipient(identity.certificate, NOW)
    record = handover_record(Secret(KEY), recipient, KeyIdentity("tsm-1", NAME, KID, 1))
    opened = guide["open_key_file"](json.dumps(record), identity.private_key, identity.certificate)
    assert opened == KEY
    with pytest.raises(InvalidTag):
        guide["open_key_file"](
            json.dumps({**record, "version": 2}), identity.private_key, identity.certificate
        )


def test_everything_the_readme_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text("utf-8")):
        assert (README.parent / target).exists(), target


def test_every_section_the_readme_lists_is_there() -> None:
    text = README.read_text("utf-8")
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-")
        for line in re.findall(r"^## (.*)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) == headings


def test_the_keys_of_a_diversified_card_are_those_the_readme_states() -> None:
    text = README.read_text("utf-8")
    told = re.search(
        r"master `(\w+)` and the diversification `(\w+)`\s+ENC is `(\w+)`, MAC `(\w+)`, DEK\s+`(\w+)`", text
    )
    assert told is not None
    master, data, *keys = (bytes.fromhex(each) for each in told.groups())
    found = diversify(Secret(master), data, 48, 16)
    assert [found.enc.reveal(), found.mac.reveal(), found.dek.reveal()] == keys
