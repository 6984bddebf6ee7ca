"""Settings of provisioning: what its process needs is missed before it starts, and by nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme
from click.testing import CliRunner

from tests.provisioning.authority import DAY, Authority, pem
from tsm_gateway.cli import cli
from tsm_gateway.daemon.process import Process
from tsm_gateway.daemon.settings import Settings, SettingsErrors, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
certificate = "{here}/channel1.pem"
key = "file:{here}/channel1.key"
key_delivery_certificate = "{here}/delivery.pem"
key_delivery_key = "file:{here}/delivery.key"
[[provisioning.issuer]]
name = "se-issuer"
anchors = "{here}/anchors.pem"
"""


@pytest.fixture(scope="session")
def pairs() -> dict[str, bytes]:
    ca = trustme.CA()
    files = {"anchors.pem": ca.cert_pem.bytes()}
    for name in ("channel1", "delivery"):
        leaf = ca.issue_cert(f"{name}.example")
        files[f"{name}.pem"] = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        files[f"{name}.key"] = leaf.private_key_pem.bytes()
    return files


@pytest.fixture
def here(tmp_path: Path, pairs: dict[str, bytes]) -> Path:
    for name, octets in {**pairs, "master.key": b"tsm-master-key 1\n"}.items():
        (tmp_path / name).write_bytes(octets)
        (tmp_path / name).chmod(0o600)
    return tmp_path


@pytest.fixture
def load(here: Path) -> Callable[..., Settings]:
    def load(text: str = GOOD, *, to_run: bool = True) -> Settings:
        path = here / "gateway.toml"
        path.write_text(text.replace("{here}", str(here)))
        return load_settings(path, to_run=to_run, process=Process.PROVISIONING)

    return load


@pytest.fixture
def problems(load: Callable[..., Settings]) -> Callable[..., list[Problem]]:
    def problems(text: str = GOOD, *, to_run: bool = True) -> list[Problem]:
        with pytest.raises(SettingsErrors) as caught:
            load(text, to_run=to_run)
        return list(caught.value.problems)

    return problems


def test_a_minimal_section_gets_every_default(load: Callable[..., Settings]) -> None:
    section = load().provisioning
    assert section is not None
    assert section.address == ("0.0.0.0", 8443)  # noqa: S104 - the default under test
    assert section.metrics_address == ("127.0.0.1", 9465)
    assert (section.key_overlap_s, section.challenge_s, section.hybrid) == (259_200, 300, "off")
    assert (section.rekey_after_days, section.rekey_after_packets) == (0, 0)
    assert section.issuer[0].revocation == "when_known"


def test_a_gateway_without_the_section_is_no_provisioning_process(
    load: Callable[..., Settings], problems: Callable[..., list[Problem]]
) -> None:
    text = GOOD.partition("[provisioning]")[0]
    assert load(text, to_run=False).provisioning is None
    (problem,) = problems(text)
    assert problem.key == "provisioning"
    assert "key_delivery_key" in problem.suggestion


def test_provisioning_needs_no_link_and_no_password(load: Callable[..., Settings]) -> None:
    link = '[[smpp]]\nname = "a"\nhost = "127.0.0.1"\nport = 1\nsystem_id = "t"\npassword = "file:/gone"\n'
    assert load(GOOD + link).smpp[0].name == "a"
    assert load(GOOD).smpp == ()


def test_the_relay_needs_none_of_the_keys_of_provisioning(here: Path, load: Callable[..., Settings]) -> None:
    for name in ("channel1.key", "delivery.key", "channel1.pem", "anchors.pem"):
        (here / name).unlink()
    password = here / "password"
    password.write_text("geheim")
    password.chmod(0o600)
    link = '[[smpp]]\nname = "a"\nhost = "127.0.0.1"\nport = 1\nsystem_id = "t"\n'
    text = f'{GOOD}{link}password = "file:{password}"\n'
    load(text, to_run=False)
    assert load_settings(here / "gateway.toml", process=Process.RELAY).smpp


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("{here}/channel1.pem", "{here}/gone.pem", "provisioning.certificate", "No such file"),
        ("{here}/channel1.pem", "{here}/delivery.pem", "provisioning.certificate", "do not belong together"),
        (
            "{here}/delivery.pem",
            "{here}/channel1.pem",
            "provisioning.key_delivery_certificate",
            "do not belong together",
        ),
        ("file:{here}/channel1.key", "file:{here}/gone.key", "provisioning.key", "No such file"),
        ("{here}/anchors.pem", "{here}/gone.pem", "provisioning.issuer[0].anchors", "No such file"),
        ("{here}/anchors.pem", "{here}/channel1.key", "provisioning.issuer[0].anchors", "cannot be used"),
    ],
)
def test_a_file_that_does_not_serve_is_named(
    here: Path, problems: Callable[..., list[Problem]], old: str, new: str, key: str, says: str
) -> None:
    assert old in GOOD
    (problem,) = problems(GOOD.replace(old, new, 1))
    assert problem.key == key
    assert says in problem.problem
    assert new.replace("{here}", str(here)).removeprefix("file:") in str(problem)
    assert problem.suggestion
    assert problem.line > 1


def test_a_list_of_revoked_certificates_that_is_not_there_is_named(
    problems: Callable[..., list[Problem]],
) -> None:
    (problem,) = problems(GOOD + 'crls = ["{here}/anchors.pem", "{here}/gone.crl"]\n')
    assert problem.key == "provisioning.issuer[0].crls[1]"


def test_a_key_others_may_read_is_refused(here: Path, problems: Callable[..., list[Problem]]) -> None:
    (here / "delivery.key").chmod(0o644)
    (problem,) = problems()
    assert problem.key == "provisioning.key_delivery_key"
    assert problem.suggestion.startswith("chmod 600")


def test_without_an_issuer_nobody_could_enrol(problems: Callable[..., list[Problem]]) -> None:
    (problem,) = problems(GOOD.partition("[[provisioning")[0])
    assert problem.key == "provisioning.issuer"
    assert "[[provisioning.issuer]]" in problem.suggestion


def test_two_issuers_of_one_name_cannot_be_told_apart(problems: Callable[..., list[Problem]]) -> None:
    (problem,) = problems(
        GOOD + '[[provisioning.issuer]]\nname = "se-issuer"\nanchors = "{here}/anchors.pem"\n'
    )
    assert problem.key == "provisioning.issuer[1].name"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('listen = "127.0.0.1:9464"', "provisioning.listen"),
        ('listen = "0.0.0.0:9465"', "provisioning.metrics"),
        ('metrics = "127.0.0.1:9464"', "provisioning.metrics"),
        ('metrics = "127.0.0.1:8443"', "provisioning.metrics"),
    ],
)
def test_listeners_do_not_take_each_others_port(
    problems: Callable[..., list[Problem]], line: str, key: str
) -> None:
    (problem,) = problems(GOOD.replace("[provisioning]\n", f"[provisioning]\n{line}\n"))
    assert problem.key == key
    assert "listens there already" in problem.problem


def test_other_ports_and_no_metrics_are_no_conflict(load: Callable[..., Settings]) -> None:
    lines = '[provisioning]\nmetrics = ""\nlisten = "[::1]:9465"\n'
    assert load(GOOD.replace("[provisioning]\n", lines)).provisioning


def test_metrics_for_every_machine_need_a_word_of_consent(
    load: Callable[..., Settings], problems: Callable[..., list[Problem]]
) -> None:
    text = GOOD.replace("[provisioning]\n", '[provisioning]\nmetrics = "0.0.0.0:9465"\n')
    (problem,) = problems(text, to_run=False)
    assert problem.key == "provisioning.metrics"
    assert load(text + "[metrics]\nallow_remote = true\n").provisioning


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[provisioning]", '[provisioning]\nhybrid = "requried"', 'did you mean "required"'),
        ("[provisioning]", "[provisioning]\nchalenge_s = 3", 'did you mean "challenge_s"'),
        ("[provisioning]", "[provisioning]\nconnections = 0", "must be at least 1"),
        ("[[provisioning.issuer]]", "[provisioning.issuer]", "[[provisioning.issuer]]"),
        ('name = "se-issuer"', 'name = "se-issuer"\nocsp = "ldap://x"', "http or https"),
    ],
)
def test_a_slip_of_the_pen_has_its_sentence(
    problems: Callable[..., list[Problem]], old: str, new: str, says: str
) -> None:
    found = problems(GOOD.replace(old, new, 1))
    assert any(says in str(problem) for problem in found), found


def test_the_check_command_speaks_for_both_processes(here: Path, load: Callable[..., Settings]) -> None:
    load()
    (here / "channel1.pem").unlink()
    result = CliRunner().invoke(
        cli, ["--config", str(here / "gateway.toml"), "config", "check"], standalone_mode=False
    )
    assert result.return_value == 2
    assert f"provisioning.certificate: {here}/channel1.pem cannot be read: No such file" in result.stdout
    assert "pki init" in result.stdout
    assert "smpp: is required" in result.stdout


@pytest.mark.parametrize(
    ("setting", "written"),
    [
        ("crls[1]", 'crls = ["{here}/good.crl", "{here}/bad.pem"]\n'),
        ("intermediates", 'intermediates = "{here}/bad.pem"\n'),
    ],
)
def test_the_check_command_reads_an_issuers_files_to_their_end(
    here: Path, load: Callable[..., Settings], setting: str, written: str
) -> None:
    authority = Authority("lists", lifetime=(NOW - DAY, NOW + DAY))
    (here / "anchors.pem").write_bytes(pem(authority.certificate))
    (here / "good.crl").write_bytes(authority.crl(this_update=NOW - DAY, next_update=NOW + DAY))
    (here / "bad.pem").write_text("no list")
    load(GOOD)
    (here / "gateway.toml").write_text((GOOD + written).replace("{here}", str(here)))
    result = CliRunner().invoke(
        cli, ["--config", str(here / "gateway.toml"), "config", "check"], standalone_mode=False
    )
    assert f"provisioning.issuer[0].{setting}: {here}/bad.pem: " in result.stdout


def test_the_section_is_shown_with_every_default(here: Path, load: Callable[..., Settings]) -> None:
    load()
    shown = CliRunner().invoke(cli, ["--config", str(here / "gateway.toml"), "config", "show"])
    assert shown.exit_code == 0
    (here / "shown.toml").write_text(shown.stdout)
    assert (
        load_settings(here / "shown.toml", process=Process.PROVISIONING).provisioning == load().provisioning
    )
