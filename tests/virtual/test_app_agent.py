"""The agent on channel 2: it carries what it is given, stops where the card says no, keeps its place."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.virtual.tsm import Root, served
from tsm_gateway.virtual.agent_credentials import AgentCredentials, credentials_from_json
from tsm_gateway.virtual.app_agent import SESSIONS, AppAgent
from tsm_gateway.virtual.card import Card, Moment
from tsm_gateway.virtual.card_new import new_card
from tsm_gateway.virtual.channel import Channel
from tsm_gateway.virtual.errors import (
    ChannelBroken,
    ChannelRefused,
    DeliveryBrokenOff,
    FormatMalformed,
    PartyFileInvalid,
)
from tsm_gateway.virtual.issuer import Issuer
from tsm_gateway.virtual.x509_profile import Use, build_certificate, life

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = int(time.time())
SELECT, GET_KEYS = bytes.fromhex("00A4040000"), bytes.fromhex("80CA00E000")
REFUSED, LOAD = bytes.fromhex("80E6020000"), bytes.fromhex("80E80000014A")  # nobody has authenticated: 6982
OK, NOT_SECURE = b"\x90\x00", b"\x69\x82"
BEGIN: dict[str, Any] = {"session": None, "number": 0, "responses": []}
INSTALLED = {"name": "pay", "version": "1.0.0", "state": "installed"}


def b64(*octets: bytes) -> list[str]:
    return [base64.b64encode(each).decode() for each in octets]


class Delivering:
    """A service that has scripts to give; it answers the very same post like the first time."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.scripts: list[tuple[bytes, ...]] = [(SELECT, GET_KEYS)]
        self.job: dict[str, Any] | None = None
        self.sessions = 0
        self.posts: list[dict[str, Any]] = []  # without those that came again
        self.asked: list[str] = []
        self.cuts: dict[int, str] = {}
        self.busy = 0
        self.refusals: list[str] = []  # codes, for the next answers to scripts
        self.status: Any = {
            "app_se": "00" * 8,
            "device_id": "d:0",
            "device_state": "active",
            "applications": [INSTALLED],
            "jobs_waiting": 0,
            "session": False,
        }
        self.spoilt: dict[str, Any] = {}  # fields of scripts that are to be others
        self._told: dict[str, Any] = {}

    def answer(self, ask: str, body: dict[str, Any], _certificate: bytes) -> tuple[int, Any]:
        if self.busy:
            self.busy -= 1
            return 503, {"code": "TSM-STORE-BUSY"}
        if ask == "GET /v1/status":
            return 200, self.status
        assert ask == "POST /v1/script"
        if not self.posts or body != self.posts[-1] or body == BEGIN:
            self.posts.append(body)
            if body != BEGIN and self.refusals:
                return 409, {"code": self.refusals.pop()}
            self._told = self._next(body)
        return 200, self._told

    def _next(self, body: dict[str, Any]) -> dict[str, Any]:
        if body == BEGIN:
            self.sessions += 1
        else:
            assert body["session"] == f"{self.sessions:032x}"
        number = body["number"] + 1
        if number > len(self.scripts):
            return script(done=True, retry_after_s=86_400, number=number)
        commands = b64(*self.scripts[number - 1])
        told = script(session=f"{self.sessions:032x}", number=number, commands=commands, job=self.job)
        return told | self.spoilt

    def answers(self, which: int) -> list[bytes]:
        return [base64.b64decode(each) for each in self.posts[which]["responses"]]


def script(**fields: Any) -> dict[str, Any]:
    blank: dict[str, Any] = {
        "session": None,
        "number": 0,
        "commands": [],
        "done": False,
        "job": None,
        "retry_after_s": None,
    }
    return blank | fields


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer.create("agents", NOW)


@pytest.fixture(scope="module")
def root() -> Root:
    return Root(NOW)


@pytest.fixture
def service(root: Root) -> Delivering:
    return Delivering(root)


@pytest.fixture
def agent(
    service: Delivering, issuer: Issuer, root: Root, tmp_path: Path
) -> Iterator[Callable[..., AppAgent]]:
    """Makes an agent at the service, in front of a card, which is by default a new one."""
    made = AgentCredentials.new()
    signed = build_certificate(
        made.private_key.public_key(),
        "agent",
        (Use.DIGITAL_SIGNATURE,),
        life(NOW),
        signer=issuer.issuing.key,
        issuer=x509.load_der_x509_certificate(issuer.issuing.der),
    )
    context = made.certified(x509.load_der_x509_certificate(signed)).context(root.der)
    channels: list[Channel] = []
    with served(service, issuer, tmp_path) as url:  # type: ignore[arg-type]  # it answers like the other one

        def make(card: Card | None = None, told: list[tuple[str, str]] | None = None) -> AppAgent:
            channel = Channel(url, context, timeout_s=5, sleep=lambda _: None)
            channels.append(channel)
            tell = (lambda _step, _what: None) if told is None else (lambda *each: told.append(each))
            return AppAgent(card or Card(new_card()), channel, tell=tell)

        yield make
        for channel in channels:
            channel.close()


def test_commands_go_to_the_card_in_order_and_answers_come_back_in_order(
    service: Delivering, agent: Callable[..., AppAgent]
) -> None:
    service.scripts = [(SELECT, GET_KEYS), (GET_KEYS, SELECT, SELECT)]
    done = agent().deliver()
    assert [post["number"] for post in service.posts] == [0, 1, 2]
    card = Card(new_card())
    expected = [[card.transmit(each) for each in commands] for commands in service.scripts]
    assert [[len(each) for each in service.answers(which)] for which in (1, 2)] == [
        [len(each) for each in answers] for answers in expected
    ]
    assert service.answers(1)[0] == expected[0][0]
    assert service.answers(2)[1:] == [expected[0][0]] * 2
    assert (done.scripts, done.commands, done.device_state, done.installed) == (2, 5, "active", 1)
    assert done.complete
    assert done.retry_after_s == 86_400


def test_it_stops_behind_the_first_answer_other_than_9000(
    service: Delivering, agent: Callable[..., AppAgent]
) -> None:
    service.scripts = [(SELECT, REFUSED, SELECT, SELECT)]
    told: list[tuple[str, str]] = []
    assert agent(told=told).deliver().commands == 2
    first, second = service.answers(1)
    assert first[-2:] == OK
    assert second == NOT_SECURE
    assert ("script", "1: SELECT x 3, INSTALL; the card said 6982") in told


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("number", range(4))
def test_a_post_whose_answer_was_lost_is_repeated_to_the_octet(
    service: Delivering, agent: Callable[..., AppAgent], cut: str, number: int
) -> None:
    service.scripts = [(SELECT,), (GET_KEYS,)]
    service.cuts = {number: cut}
    sent: list[bytes] = []

    def note(at: Moment, apdu: bytes) -> bool:
        if at is Moment.BEFORE:
            sent.append(apdu)
        return False

    card = Card(new_card(), tear=note)
    done = agent(card).deliver()
    assert done.complete
    assert sent == [SELECT, GET_KEYS]  # the card is given nothing twice
    begun = 2 if (cut, number) == ("after", 0) else 1
    assert [post["number"] for post in service.posts] == [*[0] * begun, 1, 2]
    assert len(service.asked) == 5  # begin, two scripts, the status, and the one that was cut


def test_a_service_that_is_busy_is_asked_again(service: Delivering, agent: Callable[..., AppAgent]) -> None:
    service.busy = 2
    assert agent().deliver().complete
    assert len(service.asked) == 5


@pytest.mark.parametrize("code", ["TSM-SESSION-OVER", "TSM-SCRIPT-OUT-OF-TURN", "TSM-RESPONSES-MALFORMED"])
def test_a_session_that_is_over_is_begun_anew(
    service: Delivering, agent: Callable[..., AppAgent], code: str
) -> None:
    service.refusals = [code]
    assert agent().deliver().complete
    assert service.sessions == 2


def test_a_session_that_is_over_again_and_again_is_given_up(
    service: Delivering, agent: Callable[..., AppAgent]
) -> None:
    service.refusals = ["TSM-SESSION-OVER"] * SESSIONS
    with pytest.raises(DeliveryBrokenOff):
        agent().deliver()
    assert service.sessions == SESSIONS


@pytest.mark.parametrize("code", ["TSM-CARD-UNKNOWN", "TSM-DEVICE-SUSPENDED"])
def test_a_refusal_is_told_at_once(service: Delivering, agent: Callable[..., AppAgent], code: str) -> None:
    service.refusals = [code] * 9
    with pytest.raises(ChannelRefused) as refused:
        agent().deliver()
    assert refused.value.facts["reason"] == code
    assert service.sessions == 1


def test_a_service_that_is_busy_for_ever_is_given_up(
    service: Delivering, agent: Callable[..., AppAgent]
) -> None:
    service.busy = 99
    with pytest.raises(ChannelBroken):
        agent().deliver()


def test_a_card_that_lost_its_power_is_powered_on_and_begun_anew(
    service: Delivering, agent: Callable[..., AppAgent]
) -> None:
    torn = iter([True])
    card = Card(new_card(), tear=lambda *_: next(torn, False))
    assert agent(card).deliver().complete
    assert service.sessions == 2
    assert service.posts[:2] == [BEGIN, BEGIN]


def test_a_card_that_keeps_losing_its_power_is_given_up(
    service: Delivering, agent: Callable[..., AppAgent]
) -> None:
    with pytest.raises(DeliveryBrokenOff):
        agent(Card(new_card(), tear=lambda *_: True)).deliver()
    assert service.sessions == SESSIONS


def test_progress_is_told_block_by_block(service: Delivering, agent: Callable[..., AppAgent]) -> None:
    service.job = {
        "job_id": "0011223344556677",
        "kind": "install",
        "application": "pay",
        "version": "1.0.0",
        "blocks_done": 15,
        "blocks_total": 101,
    }
    service.scripts = [(SELECT,), (LOAD, LOAD)]
    told: list[tuple[str, str]] = []
    agent(told=told).deliver()
    assert told[0][0] == "handshake"
    assert told[1:] == [
        ("install", "pay 1.0.0"),
        ("script", "1: SELECT; 15 of 101 blocks"),
        ("script", "2: LOAD x 2; 15 of 101 blocks; the card said 6982"),
        ("installed", "pay 1.0.0; 2 round trips, 2 commands"),
    ]


@pytest.mark.parametrize(
    ("state", "waiting", "complete"),
    [("installed", 0, True), ("removed", 0, True), ("installed", 1, False), ("failed", 0, False)],
)
def test_it_is_complete_when_nothing_is_missing(
    service: Delivering, agent: Callable[..., AppAgent], state: str, waiting: int, complete: bool
) -> None:
    service.status |= {"applications": [INSTALLED | {"state": state}], "jobs_waiting": waiting}
    assert agent().deliver().complete is complete


def test_the_newest_job_that_was_given_up_is_told(
    service: Delivering, agent: Callable[..., AppAgent]
) -> None:
    assert agent().deliver().last_failed_job == "", "an earlier gateway does not tell"
    service.status |= {"last_failed_job": "07" * 8}
    assert agent().deliver().last_failed_job == "07" * 8


@pytest.mark.parametrize(
    "spoilt",
    [
        {"commands": None},
        {"commands": []},
        {"commands": ["?"]},
        {"commands": b64(b"\x00\xa4\x04")},
        {"commands": b64(bytes(262))},
        {"job": {"kind": "install"}},
        {"job": 7},
    ],
)
def test_a_script_of_another_form_reaches_no_card(
    service: Delivering, agent: Callable[..., AppAgent], spoilt: dict[str, Any]
) -> None:
    service.spoilt = spoilt
    card = Card(new_card(), tear=lambda *_: pytest.fail("the card was given something"))
    with pytest.raises(FormatMalformed):
        agent(card).deliver()


@pytest.mark.parametrize("spoilt", [{"applications": None}, {"applications": [{}]}, {"jobs_waiting": "x"}])
def test_a_status_of_another_form_is_refused(
    service: Delivering, agent: Callable[..., AppAgent], spoilt: dict[str, Any]
) -> None:
    service.status |= spoilt
    with pytest.raises(FormatMalformed):
        agent().deliver()


def test_credentials_survive_their_file_and_show_no_key() -> None:
    made = AgentCredentials.new()
    read = credentials_from_json(made.as_json())
    assert read.private_key.private_numbers() == made.private_key.private_numbers()
    assert read.certificate == b""
    assert str(made.private_key.private_numbers().private_value) not in repr(made)
    ed25519 = Ed25519PrivateKey.generate()
    pem = ed25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(PartyFileInvalid):
        credentials_from_json({"private_key": pem, "certificate": ""})


def test_a_request_names_the_agent_and_its_element() -> None:
    asked = x509.load_pem_x509_csr(AgentCredentials.new().request("agent of d:1", bytes(10)))
    assert asked.is_signature_valid
    names = {each.oid: each.value for each in asked.subject}
    assert (names[NameOID.COMMON_NAME], names[NameOID.SERIAL_NUMBER]) == ("agent of d:1", "00" * 10)
