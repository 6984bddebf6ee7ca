"""The agent on channel 1: every kind of element is enrolled, and a cut at any step is mended by going on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.virtual.tsm import TSM_ID, Miniature, Root, public_key_of, served
from tsm_gateway.virtual.agent import Agent
from tsm_gateway.virtual.channel import Channel
from tsm_gateway.virtual.errors import ChannelBroken, ChannelRefused, KeyLost
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.identity import Kind
from tsm_gateway.virtual.issuer import Flaw, Issuer
from tsm_gateway.virtual.party_files import keep_handset, read_handset, take_piv, write_party
from tsm_gateway.virtual.personalised import Subscription, Tsm, context_of, personalised
from tsm_gateway.virtual.security_domain import SecurityDomain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.virtual.party_records import HandsetRecord

NOW = int(time.time())
OWNER = Subscription("+491701234567", 16500, ("sp:shop",))
STEPS = ["handshake", "enrolled", "keyed", "user", "proved", "registered"]


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer.create("maker", NOW)


@pytest.fixture(scope="module")
def root() -> Root:
    return Root(NOW)


@pytest.fixture
def books(root: Root) -> Miniature:
    return Miniature(root)


@pytest.fixture
def url(books: Miniature, issuer: Issuer, tmp_path: Path) -> Iterator[str]:
    with served(books, issuer, tmp_path) as running:
        yield running


@pytest.fixture
def path(issuer: Issuer, root: Root, tmp_path: Path) -> Path:
    """The file of a handset that was never enrolled."""
    return made(issuer, root, tmp_path, Kind.P256)


def made(issuer: Issuer, root: Root, folder: Path, kind: Kind, flaw: Flaw | None = None) -> Path:
    path = folder / f"{kind.value}.json"
    write_party(path, personalised(issuer.issue(kind, NOW, flaw), Tsm(TSM_ID, root.der), OWNER))
    return path


class Ended(BaseException):
    """The agent's process ended here."""


class Run:
    """One life of the agent's process: what it knows comes from the file."""

    def __init__(self, url: str, path: Path, *, tries: int = 6) -> None:
        record = read_handset(path)
        assert record.element is not None
        self.told: list[str] = []
        self.pauses: list[float] = []
        self.channel = Channel(url, context_of(record, record.element), timeout_s=5, sleep=self._sleep)
        self._tries = tries
        self.agent = Agent(
            SecurityDomain(record),
            self.channel,
            keep=lambda kept: keep_handset(path, kept),
            tell=lambda step, _: self.told.append(step),
        )

    def _sleep(self, pause_s: float) -> None:
        self.pauses.append(pause_s)
        if len(self.pauses) >= self._tries:
            raise Ended  # the process is ended while it waits

    def enrol(self) -> str:
        with self.channel:
            return self.agent.enrol()

    def rekey(self) -> str:
        with self.channel:
            return self.agent.rekey()

    def prove_again(self) -> str:
        with self.channel:
            return self.agent.prove_again()


def holds(books: Miniature, record: HandsetRecord) -> None:
    """The element and the service agree, and the handset pays."""
    kid, key, epoch = books.keys[-1]
    assert record.element is not None
    assert (record.kid, record.key.reveal(), record.element.epoch) == (kid, key, epoch)
    assert record.element.waiting is None
    assert books.registered[2] == record.device_id
    assert (books.registered[7], books.registered[8]) == (record.element.crypto_se, record.element.app_se)
    (template,) = record.element.templates
    assert books.registered[6] == [["fpt", template.handle_hash, template.enrolled_at]]
    assert Handset(record).pay("sp:shop", "12.99", "EUR", at=NOW)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_element_is_enrolled(
    kind: Kind, url: str, books: Miniature, issuer: Issuer, root: Root, tmp_path: Path
) -> None:
    path = made(issuer, root, tmp_path, kind)
    run = Run(url, path)
    assert run.enrol() == "registered"
    assert run.told == STEPS
    assert run.channel.handshake is not None
    assert run.channel.handshake.version == "TLSv1.3"
    holds(books, read_handset(path))
    assert books.asked == ["PUT /v1/enrolment", "POST /v1/registration"]


def test_a_handset_pays_only_once_it_is_enrolled(url: str, path: Path) -> None:
    with pytest.raises(KeyLost):
        take_piv(path)
    Run(url, path).enrol()
    assert take_piv(path).next_piv == 1_000


def test_enrolling_again_changes_nothing(url: str, books: Miniature, path: Path) -> None:
    Run(url, path).enrol()
    before = path.read_bytes()
    again = Run(url, path)
    assert again.enrol() == "registered"
    assert again.told == ["handshake", "enrolled"]
    assert path.read_bytes() == before
    assert len(books.keys) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", [0, 1])
def test_a_cut_connection_is_opened_anew(
    step: int, when: str, url: str, books: Miniature, path: Path
) -> None:
    books.cuts[step] = when
    run = Run(url, path)
    assert run.enrol() == "registered"
    assert len(run.pauses) == 1
    assert len(books.keys) == 1
    holds(books, read_handset(path))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", [0, 1])
def test_a_process_that_ended_at_any_step_goes_on_where_it_was(
    step: int, when: str, url: str, books: Miniature, path: Path
) -> None:
    books.cuts[step] = when
    with pytest.raises(Ended):
        Run(url, path, tries=1).enrol()
    assert Run(url, path).enrol() == "registered"
    assert len(books.keys) == 1
    holds(books, read_handset(path))


@pytest.mark.parametrize("step", ["keyed", "user", "proved"])
def test_an_element_that_lost_power_at_any_step_goes_on_where_it_was(
    step: str, url: str, books: Miniature, path: Path
) -> None:
    run = Run(url, path)

    def tell(told: str, _: str) -> None:
        if told == step:
            raise Ended

    run.agent._tell = tell
    with pytest.raises(Ended):
        run.enrol()
    assert Run(url, path).enrol() == "registered"
    holds(books, read_handset(path))


def test_what_was_never_written_down_is_fetched_again(url: str, books: Miniature, path: Path) -> None:
    fresh = path.read_bytes()
    run = Run(url, path)
    run.agent._keep = lambda _: None  # every write is lost
    books.cuts[1] = "before"
    run._tries = 1
    with pytest.raises(Ended):
        run.enrol()
    assert path.read_bytes() == fresh
    assert Run(url, path).enrol() == "registered"
    holds(books, read_handset(path))


def test_a_service_that_stays_away_is_given_up_after_some_tries(
    url: str, books: Miniature, path: Path
) -> None:
    books.cuts = dict.fromkeys(range(20), "before")
    run = Run(url, path, tries=99)
    with pytest.raises(ChannelBroken):
        run.enrol()
    assert run.pauses == sorted(run.pauses)
    assert len(books.asked) == 6


def test_a_busy_service_is_asked_again(url: str, books: Miniature, path: Path) -> None:
    books.busy = 2
    run = Run(url, path)
    assert run.enrol() == "registered"
    assert len(run.pauses) == 2


def test_a_stale_challenge_is_replaced(url: str, books: Miniature, path: Path) -> None:
    books.stale = 1
    run = Run(url, path)
    assert run.enrol() == "registered"
    assert run.told.count("proved") == 2
    assert books.asked[-3:] == ["POST /v1/registration", "POST /v1/challenge", "POST /v1/registration"]


def test_challenges_that_are_always_stale_end_it(url: str, books: Miniature, path: Path) -> None:
    books.stale = 99
    with pytest.raises(KeyLost):
        Run(url, path).enrol()


def test_a_new_key_is_fetched_and_the_old_one_pays_until_it_is_confirmed(
    url: str, books: Miniature, path: Path
) -> None:
    Run(url, path).enrol()
    first = read_handset(path)
    assert Run(url, path).rekey() == "registered"  # nothing waits
    books.order()
    books.cuts[len(books.asked) + 1] = "before"  # the request for a challenge is cut
    with pytest.raises(Ended):
        Run(url, path, tries=1).rekey()
    between = read_handset(path)
    assert between.element is not None
    assert between.element.waiting is not None
    assert (between.kid, between.key) == (first.kid, first.key)
    assert Handset(between).pay("sp:shop", "1.00", "EUR", at=NOW)
    assert Run(url, path).rekey() == "registered"
    holds(books, read_handset(path))
    assert read_handset(path).kid != first.kid


def test_a_payment_made_meanwhile_keeps_its_counter(url: str, path: Path) -> None:
    Run(url, path).enrol()
    run = Run(url, path)
    taken = take_piv(path, 5).next_piv
    run.enrol()
    assert read_handset(path).next_piv == taken + 5


def test_an_element_proves_again_that_it_holds_its_key(url: str, books: Miniature, path: Path) -> None:
    Run(url, path).enrol()
    books.state, books.proof = "suspended", b""
    assert Run(url, path).prove_again() == "registered"
    holds(books, read_handset(path))


@pytest.mark.parametrize("flaw", [Flaw.EXPIRED, Flaw.NOT_YET_VALID])
def test_a_certificate_the_service_does_not_take_ends_in_a_clear_refusal(
    flaw: Flaw, url: str, books: Miniature, issuer: Issuer, root: Root, tmp_path: Path
) -> None:
    run = Run(url, made(issuer, root, tmp_path, Kind.P256, flaw), tries=9)
    with pytest.raises(ChannelRefused) as refusal:
        run.enrol()
    assert refusal.value.facts["what"] == "TLS"
    assert books.asked == []


def test_a_service_under_another_root_is_told_nothing(
    url: str, books: Miniature, issuer: Issuer, tmp_path: Path
) -> None:
    run = Run(url, made(issuer, Root(NOW), tmp_path, Kind.P256))
    with pytest.raises(ChannelRefused):
        run.enrol()
    assert books.asked == []


def test_a_refusal_names_its_code(url: str, books: Miniature, path: Path) -> None:
    def refused(*_: Any) -> tuple[int, dict[str, Any]]:
        return 403, {"code": "TSM-DEVICE-TERMINATED"}

    books.answer = refused  # type: ignore[method-assign, assignment]  # the service knows better
    with pytest.raises(ChannelRefused) as refusal:
        Run(url, path).enrol()
    assert refusal.value.facts == {"status": 403, "reason": "TSM-DEVICE-TERMINATED"}


@pytest.mark.parametrize(
    "given", ["http://127.0.0.1:1", "https://", "127.0.0.1:8443", "https://tsm.example:1/path"]
)
def test_only_a_service_by_https_is_an_address(given: str, path: Path) -> None:
    record = read_handset(path)
    assert record.element is not None
    with pytest.raises(ValueError, match="https"):
        Channel(given, context_of(record, record.element))


def test_the_signing_key_of_every_kind_is_that_of_its_certificate(issuer: Issuer) -> None:
    for kind in Kind:
        identity = issuer.issue(kind, NOW)
        assert public_key_of(identity.certificate) == identity.private_key.public_key()
