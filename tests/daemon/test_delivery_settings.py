"""Settings of channel 2: what it needs is missed before it starts, and no key serves two uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.provisioning.authority import DAY, Authority, key_pem, p256, pem
from tsm_gateway.daemon.channel_errors import ChannelTlsUnusable
from tsm_gateway.daemon.process import Process
from tsm_gateway.daemon.provisioning_sources import read_sources
from tsm_gateway.daemon.settings import Settings, SettingsErrors, load_settings
from tsm_gateway.keys.master_store import init_master
from tsm_gateway.provisioning.certificate_errors import IssuerUnusable
from tsm_gateway.provisioning.pki import Use, host_names
from tsm_gateway.provisioning.pki_errors import PkiUnfit
from tsm_gateway.provisioning.pki_store import PkiStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tsm_gateway.daemon.provisioning_sources import Sources
    from tsm_gateway.daemon.settings import Problem

NOW = 1_800_000_000
GOOD = """\
[gateway]
id = "tsm-1"
[store]
url = "sqlite:///{here}/gateway.db"
[keys]
master = "file:{here}/master.key"
[provisioning]
certificate = "{here}/pki/channel-1.pem"
key = "file:{here}/pki/channel-1.key"
key_delivery_certificate = "{here}/pki/key-delivery.pem"
key_delivery_key = "file:{here}/pki/key-delivery.key"
[[provisioning.issuer]]
name = "se-issuer"
anchors = "{here}/anchors.pem"
[provisioning.delivery]
certificate = "{here}/pki/channel-2.pem"
key = "file:{here}/pki/channel-2.key"
signing_certificate = "{here}/pki/application-signing.pem"
[[provisioning.delivery.issuer]]
name = "agents"
anchors = "{here}/pki/agents.pem"
"""
HEAD = "[provisioning.delivery]\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of one gateway, as `pki init` makes them."""
    here = tmp_path_factory.mktemp("gateway")
    pki = PkiStore(here / "pki")
    for use in Use:
        names = host_names(["127.0.0.1"]) if use in {Use.CHANNEL_1, Use.CHANNEL_2} else ()
        pki.make(use, owner="tsm-1", names=names, at=NOW)
    issuer = Authority("SE issuer", lifetime=(NOW - DAY, NOW + DAY))
    (here / "anchors.pem").write_bytes(pem(issuer.certificate))
    token = here / "token.key"
    token.write_bytes(key_pem(p256()))
    token.chmod(0o600)
    init_master(here / "master.key", bytes(range(32)))
    return here


@pytest.fixture
def load(made: Path, tmp_path: Path) -> Callable[..., Settings]:
    def load(text: str = GOOD) -> Settings:
        path = tmp_path / "gateway.toml"
        path.write_text(text.replace("{here}", str(made)))
        return load_settings(path, process=Process.PROVISIONING)

    return load


@pytest.fixture
def problems(load: Callable[..., Settings]) -> Callable[..., list[Problem]]:
    def problems(text: str) -> list[Problem]:
        with pytest.raises(SettingsErrors) as caught:
            load(text)
        return list(caught.value.problems)

    return problems


@pytest.fixture
def read(load: Callable[..., Settings]) -> Callable[..., Sources]:
    def read(text: str = GOOD) -> Sources:
        settings = load(text)
        assert settings.provisioning is not None
        return read_sources(settings, settings.provisioning, NOW)

    return read


def test_a_minimal_section_gets_every_default(load: Callable[..., Settings]) -> None:
    section = load().provisioning
    assert section is not None
    delivery = section.delivery
    assert delivery is not None
    assert delivery.address == ("0.0.0.0", 8444)  # noqa: S104 - the default under test
    assert (delivery.script_commands, delivery.session_s, delivery.poll_s) == (16, 300.0, 86_400)
    assert (delivery.gateway_number, delivery.currency, delivery.token_key) == ("", 978, None)


def test_without_the_section_there_is_no_channel_2(read: Callable[..., Sources]) -> None:
    sources = read(GOOD.partition(HEAD)[0])
    assert (sources.material.delivery, sources.delivery_context) == (None, None)


def test_everything_channel_2_needs_is_read(read: Callable[..., Sources]) -> None:
    sources = read(GOOD.replace(HEAD, f'{HEAD}token_key = "file:{{here}}/token.key"\n'))
    delivery = sources.material.delivery
    assert delivery is not None
    assert sources.delivery_context is not None
    assert [issuer.name for issuer in delivery.issuers] == ["agents"]
    assert delivery.token_key is not None
    assert {"channel-2", "application-signing"} <= {item.use for item in sources.items}


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("pki/channel-2.pem", "gone.pem", "certificate", "No such file"),
        ("pki/channel-2.pem", "pki/channel-1.pem", "certificate", "do not belong together"),
        ("pki/channel-2.key", "gone.key", "key", "No such file"),
        ("pki/application-signing.pem", "gone.pem", "signing_certificate", "No such file"),
        ("pki/agents.pem", "gone.pem", "issuer[0].anchors", "No such file"),
        ("pki/agents.pem", "pki/agents.key", "issuer[0].anchors", "cannot be used"),
    ],
)
def test_a_file_that_does_not_serve_is_named(
    problems: Callable[..., list[Problem]], old: str, new: str, key: str, says: str
) -> None:
    assert GOOD.count(old) == 1
    (problem,) = problems(GOOD.replace(old, new))
    assert problem.key == f"provisioning.delivery.{key}"
    assert says in problem.problem
    assert problem.line > 1


def test_a_token_key_that_is_not_there_is_named(problems: Callable[..., list[Problem]]) -> None:
    (problem,) = problems(GOOD.replace(HEAD, f'{HEAD}token_key = "file:/gone/token.key"\n'))
    assert problem.key == "provisioning.delivery.token_key"


def test_without_an_issuer_of_agents_nothing_could_be_delivered(
    problems: Callable[..., list[Problem]],
) -> None:
    (problem,) = problems(GOOD.partition("[[provisioning.delivery.issuer]]")[0])
    assert problem.key == "provisioning.delivery.issuer"
    assert "[[provisioning.delivery.issuer]]" in problem.suggestion


def test_two_issuers_of_agents_of_one_name_cannot_be_told_apart(
    problems: Callable[..., list[Problem]],
) -> None:
    more = '[[provisioning.delivery.issuer]]\nname = "agents"\nanchors = "{here}/pki/agents.pem"\n'
    (problem,) = problems(GOOD + more)
    assert problem.key == "provisioning.delivery.issuer[1].name"


@pytest.mark.parametrize("listen", ["127.0.0.1:8443", "0.0.0.0:9465", "[::]:9464"])
def test_channel_2_takes_nobody_elses_port(problems: Callable[..., list[Problem]], listen: str) -> None:
    (problem,) = problems(GOOD.replace(HEAD, f'{HEAD}listen = "{listen}"\n'))
    assert problem.key == "provisioning.delivery.listen"
    assert "listens there already" in problem.problem


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("script_commands = 1", "at least 2"),
        ("script_commands = 65", "at most 64"),
        ("session_s = 1", "at least 5"),
        ("poll_s = 1", "at least 60"),
        ("currency = 1000", "at most 999"),
        ('gateway_number = "shop"', "short code"),
        ("sesion_s = 5", 'did you mean "session_s"'),
    ],
)
def test_a_value_out_of_bounds_has_its_sentence(
    problems: Callable[..., list[Problem]], line: str, says: str
) -> None:
    found = problems(GOOD.replace(HEAD, f"{HEAD}{line}\n"))
    assert any(says in str(problem) for problem in found), found


def test_no_authority_vouches_for_devices_and_for_agents(read: Callable[..., Sources]) -> None:
    with pytest.raises(IssuerUnusable, match="issues crypto SEs"):
        read(GOOD.replace("{here}/pki/agents.pem", "{here}/anchors.pem"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("application-signing.pem", "key-delivery.pem"),
        ("application-signing.pem", "channel-2.pem"),
        ("application-signing.pem", "agents.pem"),
        ("application-signing.pem", "root.pem"),
        ("channel-2", "channel-1"),
        ("channel-2", "key-delivery"),
    ],
)
def test_each_use_has_a_key_of_its_own(read: Callable[..., Sources], old: str, new: str) -> None:
    with pytest.raises((PkiUnfit, ChannelTlsUnusable)):
        read(GOOD.replace(f"pki/{old}", f"pki/{new}"))


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("pki/application-signing.key", "its key is that of application-signing"),
        ("pki/key-delivery.key", "its key is that of key-delivery"),
        ("pki/channel-1.key", "its key is that of channel-1"),
        ("pki/channel-2.key", "its key is that of channel-2"),
        ("pki/agents.key", "its key is that of anchor 1 of agents"),
        ("rsa.key", "it has to be a key over EC P-256"),
    ],
)
def test_tokens_are_signed_with_a_p256_key_that_serves_nothing_else(
    read: Callable[..., Sources], made: Path, key: str, says: str
) -> None:
    rsa_key = made / "rsa.key"
    rsa_key.touch(mode=0o600)
    rsa_key.write_bytes(key_pem(rsa.generate_private_key(65537, 2048)))
    with pytest.raises(PkiUnfit, match=f"token_key: {says}"):
        read(GOOD.replace(HEAD, f'{HEAD}token_key = "file:{{here}}/{key}"\n'))


@pytest.fixture
def thorough(made: Path, tmp_path: Path) -> Callable[..., list[Problem]]:
    """What `config check` finds."""

    def thorough(text: str) -> list[Problem]:
        path = tmp_path / "gateway.toml"
        path.write_text(text.replace("{here}", str(made)))
        try:
            load_settings(path, process=Process.PROVISIONING, thorough=True)
        except SettingsErrors as errors:
            return list(errors.problems)
        return []

    return thorough


def test_a_thorough_check_passes_what_is_good(thorough: Callable[..., list[Problem]]) -> None:
    assert thorough(GOOD) == []
    assert thorough(GOOD.replace(HEAD, f'{HEAD}token_key = "file:{{here}}/token.key"\n')) == []


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("{here}/pki/agents.pem", "{here}/anchors.pem", "issuer[0].anchors", "issues crypto SEs"),
        ("application-signing.pem", "channel-2.pem", "signing_certificate", "its key is that of channel-2"),
        ("application-signing.pem", "channel-1.pem", "signing_certificate", "its key is that of channel-1"),
        ("application-signing.pem", "key-delivery.pem", "signing_certificate", "that of key-delivery"),
        ("application-signing.pem", "root.pem", "signing_certificate", "cA has to be unset"),
        ("application-signing.pem", "channel-2.key", "signing_certificate", "no readable certificate"),
        ("pki/channel-2", "pki/channel-1", "certificate", "its key is that of channel-1"),
    ],
)
def test_a_thorough_check_tells_whose_key_serves_two_uses(
    thorough: Callable[..., list[Problem]], old: str, new: str, key: str, says: str
) -> None:
    (problem,) = thorough(GOOD.replace(old, new))
    assert problem.key == f"provisioning.delivery.{key}"
    assert says in problem.problem
    assert "`pki init`" in problem.suggestion


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("pki/application-signing.key", "its key is that of application-signing"),
        ("pki/channel-1.key", "its key is that of channel-1"),
        ("pki/agents.key", "its key is that of anchor 1 of agents"),
        ("rsa-token.key", "it has to be a key over EC P-256"),
    ],
)
def test_a_thorough_check_tells_of_a_token_key_that_will_not_do(
    thorough: Callable[..., list[Problem]], made: Path, key: str, says: str
) -> None:
    rsa_key = made / "rsa-token.key"
    rsa_key.touch(mode=0o600)
    rsa_key.write_bytes(key_pem(rsa.generate_private_key(65537, 2048)))
    (problem,) = thorough(GOOD.replace(HEAD, f'{HEAD}token_key = "file:{{here}}/{key}"\n'))
    assert problem.key == "provisioning.delivery.token_key"
    assert says in problem.problem
    assert "openssl" in problem.suggestion


def test_a_signing_certificate_that_has_ended_is_refused(
    read: Callable[..., Sources], tmp_path: Path
) -> None:
    old = PkiStore(tmp_path / "old")
    for use in (Use.ROOT, Use.APPLICATION_SIGNING):
        old.make(use, owner="tsm-1", at=NOW - 30 * 365 * DAY)
    path = str(old.certificate_path(Use.APPLICATION_SIGNING))
    with pytest.raises(PkiUnfit, match="application-signing: the certificate is not valid now"):
        read(GOOD.replace("{here}/pki/application-signing.pem", path))
