"""The systemd files, judged by systemd's own tools."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tsm_gateway.daemon.exits import NO_RESTART, RESTART_ALWAYS
from tsm_gateway.daemon.relay_daemon import DRAIN_S
from tsm_gateway.daemon.settings import load_settings

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"
UNIT = UNITS / "tsm-gateway.service"
PROVISIONING = UNITS / "tsm-gateway-provisioning.service"
EXPOSURE = 12  # tenths: 1.2 of 10

both = pytest.mark.parametrize("unit", [UNIT, PROVISIONING], ids=lambda unit: unit.stem)
pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")


def settings_of(unit: Path) -> dict[str, list[str]]:
    """Every assignment of a unit file, by its name."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(params=[UNIT, PROVISIONING], ids=lambda unit: unit.stem)
def runnable(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit with programs and documents that exist on every machine."""
    unit: Path = request.param
    copy = tmp_path / unit.name
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
    copy.write_text(re.sub(r"^Documentation=.*", "", text, flags=re.MULTILINE))
    return copy


@both
def test_the_unit_exposes_no_more_than_it_may_and_than_we_say(unit: Path) -> None:
    judged = analyze("security", "--offline=yes", f"--threshold={EXPOSURE}", unit)
    assert judged.returncode == 0, judged.stdout
    exposure = re.search(r"exposure level for \S+: ([0-9.]+)", judged.stdout)
    assert exposure is not None
    said = re.search(
        rf"\*\*Exposure\*\*.*?([0-9.]+) of 10\s+\({unit.stem}\)", (UNITS / "README.md").read_text(), re.DOTALL
    )
    assert said is not None
    assert float(exposure[1]) <= float(said[1])


def test_the_threshold_can_fail(tmp_path: Path) -> None:
    weak = tmp_path / UNIT.name
    weak.write_text(UNIT.read_text().replace("NoNewPrivileges=yes", "").replace("PrivateUsers=yes", ""))
    assert analyze("security", "--offline=yes", f"--threshold={EXPOSURE}", weak).returncode != 0


def test_systemd_finds_nothing_to_say_about_the_unit(runnable: Path) -> None:
    judged = analyze("verify", runnable)
    assert (judged.returncode, judged.stderr) == (0, "")


def test_systemd_would_have_said_something(runnable: Path) -> None:
    runnable.write_text(runnable.read_text().replace("ProtectSystem=", "ProtectSytem="))
    assert "ProtectSytem" in analyze("verify", runnable).stderr


def test_the_drop_in_is_understood(runnable: Path) -> None:
    directory = runnable.with_name(f"{runnable.name}.d")
    shutil.copytree(UNITS / directory.name, directory)
    judged = analyze("verify", runnable)
    assert (judged.returncode, judged.stderr) == (0, "")


@both
def test_exit_codes_mean_the_same_to_systemd(unit: Path) -> None:
    found = settings_of(unit)
    assert found["RestartPreventExitStatus"] == [" ".join(str(int(code)) for code in NO_RESTART)]
    assert found["RestartForceExitStatus"] == [" ".join(str(int(code)) for code in RESTART_ALWAYS)]
    assert found["Restart"] == ["on-failure"]


@both
def test_the_drain_ends_before_systemd_loses_patience(unit: Path) -> None:
    assert int(settings_of(unit)["TimeoutStopSec"][0]) >= 2 * DRAIN_S


@both
def test_keys_stay_out_of_core_files_and_swap(unit: Path) -> None:
    found = settings_of(unit)
    assert found["LimitCORE"] == ["0"]
    assert found["MemorySwapMax"] == ["0"]
    assert "MemoryMax" in found
    assert "Environment" not in found


def test_the_two_processes_are_two_users_who_share_the_store_alone() -> None:
    relay, provisioning = settings_of(UNIT), settings_of(PROVISIONING)
    assert relay["User"] != provisioning["User"]
    assert relay["Group"] == provisioning["Group"]
    directories = [f"/var/lib/{each}" for each in relay["StateDirectory"][0].split()]
    assert provisioning["ReadWritePaths"] == [" ".join(directories)]
    secrets = [
        {each.partition(":")[0] for each in found["LoadCredential"]} for found in (relay, provisioning)
    ]
    assert secrets[0] & secrets[1] == {"master-key"}


def test_the_provisioning_unit_hands_over_what_the_sample_configuration_asks_for() -> None:
    settings = load_settings(ROOT / "config" / "gateway.toml", to_run=False)
    wanted, unit = settings.provisioning, settings_of(PROVISIONING)
    assert wanted is not None
    assert wanted.metrics_address is not None
    handed = {each.partition(":")[0]: each.partition(":")[2] for each in unit["LoadCredential"]}
    secrets = {settings.keys.master, wanted.key, wanted.key_delivery_key}
    assert {each.removeprefix("credential:") for each in secrets} == handed.keys()
    for certificate, key in (
        (wanted.certificate, wanted.key),
        (wanted.key_delivery_certificate, wanted.key_delivery_key),
    ):
        assert handed[key.removeprefix("credential:")] == str(certificate.with_suffix(".key"))
    ports = [wanted.address[1], wanted.metrics_address[1]]
    assert unit["SocketBindAllow"] == [f"ipv4:tcp:{port}" for port in ports]


def test_the_unit_hands_over_what_the_sample_configuration_asks_for() -> None:
    settings = load_settings(ROOT / "config" / "gateway.toml", to_run=False)
    unit = settings_of(UNIT)
    handed = {each.partition(":")[0] for each in unit["LoadCredential"]}
    wanted = [settings.keys.master, *(link.password for link in settings.smpp)]
    assert {each.removeprefix("credential:") for each in wanted} == handed
    directories = {f"/var/lib/{each}" for each in unit["StateDirectory"][0].split()}
    assert {str(settings.store.path.parent), str(settings.epoch_mark.parent)} == directories
    assert settings.metrics.address is not None
    assert unit["SocketBindAllow"] == [f"ipv4:tcp:{settings.metrics.address[1]}"]


def test_user_and_directories_are_made_as_the_unit_wants_them(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    tools = [
        ("systemd-sysusers", UNITS / "sysusers.d" / "tsm-gateway.conf", ()),
        ("systemd-tmpfiles", UNITS / "tmpfiles.d" / "tsm-gateway.conf", ("--create",)),
    ]
    for tool, file, options in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not here")
        made = subprocess.run(
            [tool, f"--root={tmp_path}", *options, file],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert made.returncode == 0, made.stderr
    passwd = (tmp_path / "etc" / "passwd").read_text()
    made_users = {line.partition(":")[0] for line in passwd.splitlines()}
    assert {settings_of(unit)["User"][0] for unit in (UNIT, PROVISIONING)} == made_users
    assert settings_of(UNIT)["StateDirectoryMode"] == ["2770"]
    for directory in settings_of(UNIT)["StateDirectory"][0].split():
        assert (tmp_path / "var" / "lib" / directory).stat().st_mode & 0o7777 == 0o2770
    assert (tmp_path / "etc" / "tsm-gateway").stat().st_mode & 0o777 == 0o750


def test_the_drop_in_for_channel_2_gives_what_the_sample_names() -> None:
    """Its credential and its port are those of [provisioning.delivery] in the sample, and no signing key."""
    drop_in = UNITS / "tsm-gateway-provisioning.service.d" / "delivery.conf"
    given = settings_of(drop_in)
    sample = (ROOT / "config" / "gateway.toml").read_text()
    delivery = sample.partition("# [provisioning.delivery]")[2].partition("# [[")[0]
    named = re.findall(r'^# key = "credential:([^"]+)"', delivery, flags=re.MULTILINE)
    assert [each.partition(":")[0] for each in given["LoadCredential"]] == named
    port = re.search(r'^# listen = "[^:]+:(\d+)"', delivery, flags=re.MULTILINE)
    assert port is not None
    assert given["SocketBindAllow"] == [f"ipv4:tcp:{port[1]}"]
    assert "signing" not in drop_in.read_text().partition("[Service]")[2]


def test_the_drop_in_for_channel_2_means_something_to_systemd(runnable: Path) -> None:
    folder = runnable.with_name(f"{runnable.name}.d")
    folder.mkdir()
    drop_in = UNITS / "tsm-gateway-provisioning.service.d" / "delivery.conf"
    (folder / "delivery.conf").write_text(drop_in.read_text())
    judged = analyze("verify", runnable)
    assert (judged.returncode, judged.stderr) == (0, "")
