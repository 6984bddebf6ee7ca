"""`explain`: every code has a text that says what it means and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tsm_gateway.cli import explain_errors, explain_events, explain_reasons, explain_smpp
from tsm_gateway.cli.explanations import NO_TEXT, error_classes, errors, find, others
from tsm_gateway.daemon.channel_handshakes import Refusal
from tsm_gateway.daemon.events import Event
from tsm_gateway.daemon.exits import Exit
from tsm_gateway.provisioning.certificate_errors import CertificateRefused
from tsm_gateway.radio.smpp.status import Status
from tsm_gateway.relay.reasons import Reason

if TYPE_CHECKING:
    from tests.cli.conftest import Site


IDENTITIES = [each for each in error_classes() if issubclass(each, CertificateRefused)]


def test_every_error_code_has_a_remedy_and_no_remedy_is_left_over() -> None:
    assert {each.code for each in error_classes()} == set(explain_errors.REMEDIES)


def test_every_event_has_a_remedy_and_no_remedy_is_left_over() -> None:
    assert {event.label for event in Event} == set(explain_events.REMEDIES)


def test_every_reason_status_and_exit_code_has_a_text() -> None:
    assert set(explain_reasons.REASONS) == set(Reason)
    assert set(explain_reasons.EXITS) == set(Exit)
    assert set(explain_smpp.STATUSES) == set(Status)


@pytest.mark.parametrize("refusal", Refusal)
def test_every_reason_of_a_refused_handshake_is_known_once_by_its_own_spelling(refusal: Refusal) -> None:
    (found,) = find(refusal.value)
    assert (found.code, found.kind in {"handshake", "error"}) == (refusal.value, True)


@pytest.mark.parametrize("refused", IDENTITIES)
def test_every_reason_of_a_refused_identity_is_known(refused: type[CertificateRefused]) -> None:
    assert "error" in {each.kind for each in find(refused.code)}


def test_texts_are_sentences() -> None:
    for each in (*errors(), *others()):
        assert each.remedy != NO_TEXT, each
        assert each.meaning[-1:] in set(".?…)"), each
        assert each.remedy[-1:] in set(".?)"), each


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("store-rolled-back", "store resync"),
        ("[STORE_ROLLED_BACK]", "store resync"),
        ("replay", "forwarded once"),
        ("TSM-CHALLENGE-STALE", "asks for a new challenge"),
        ("tsm-challenge-stale", "asks for a new challenge"),
        ("tsm_no_key_package", "device rekey"),
        ("certificate-revoked", "issuer"),
        ("TSM-Device-Suspended", "device resume"),
        ("payment.failed", "queue retry"),
        ("ESME_RTHROTTLED", "rate_per_s"),
        ("rthrottled", "rate_per_s"),
        ("0x58", "rate_per_s"),
        ("0x00000058", "rate_per_s"),
        ("0x412", "vendor"),
        ("11", "resync"),
        ("exit 11", "resync"),
        ("taken-over", "two agents"),
        ("agent-silent", "loses its connection"),
        ("session-over", "begins anew"),
        ("script-out-of-turn", "in order"),
    ],
)
def test_a_code_is_explained_in_each_of_its_spellings(site: Site, code: str, says: str) -> None:
    assert says in site.done("explain", code).out


def test_a_code_of_two_kinds_is_explained_twice(site: Site) -> None:
    assert {each["kind"] for each in site.done("explain", "malformed", "-o", "json").json} == {
        "refusal",
        "error",
    }


def test_an_unknown_code_is_not_found_and_a_close_one_is_named(site: Site) -> None:
    result = site("explain", "store-rolled-bak")
    assert result.code == 4
    assert "store-rolled-back" in result.err
    assert site("explain", "0xzz").code == 4


def test_all_codes_are_listed(site: Site) -> None:
    rows = site.done("explain", "-o", "json").json
    assert {row["kind"] for row in rows} == {
        "error",
        "refusal",
        "handshake",
        "session",
        "event",
        "smpp",
        "exit",
    }
