"""`config check` and `config show`."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Site

FIVE_MISTAKES = """\
[gateway]
id = "t"
aplication_port = 16500
[store]
url = "mysql://x"
[keys]
master = "/etc/key"
[[smpp]]
name = "a"
host = "127.0.0.1"
port = 99999
system_id = "x"
password = "secret"
"""


def test_five_mistakes_are_five_lines_with_their_places(empty: Site) -> None:
    path = empty.folder / "bad.toml"
    path.write_text(FIVE_MISTAKES, encoding="utf-8")
    result = empty("config", "check", config=path)
    lines = result.out.splitlines()
    assert result.code == 2
    assert [line.split(":")[1] for line in lines] == ["3", "5", "7", "11", "13"]
    assert all(line.startswith(f"{path}:") for line in lines)
    assert "did you mean" in lines[0]
    assert "secret" not in result.out.replace("secret-", "") or "password" in lines[4]


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_programs_get_the_same_problems(empty: Site, form: str) -> None:
    path = empty.folder / "bad.toml"
    path.write_text(FIVE_MISTAKES, encoding="utf-8")
    result = empty("config", "check", "-o", form, config=path)
    found = result.json if form == "json" else [json.loads(line) for line in result.out.splitlines()]
    assert [each["line"] for each in found] == [3, 5, 7, 11, 13]
    assert found[0]["key"] == "gateway.aplication_port"
    assert result.code == 2


def test_a_sound_file_says_what_was_checked(site: Site) -> None:
    result = site("config", "check")
    assert (result.code, result.out) == (0, "")
    assert "nothing is wrong" in result.err


def test_credentials_are_left_out_where_only_the_service_sees_them(
    empty: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    text = empty.config.read_text("utf-8")
    text = text.replace(f"file:{empty.folder}/master.key", "credential:master")
    text = text.replace(f"file:{empty.folder}/password", "credential:pw")
    text = text.replace("min_free_mb = 1", f'min_free_mb = 1\nepoch_mark = "{empty.folder}/mark"')
    empty.config.write_text(text, encoding="utf-8")
    result = empty("config", "check")
    assert (result.code, result.out) == (0, "")
    assert "keys.master = credential:master" in result.err
    assert "smpp[0].password = credential:pw" in result.err
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(empty.folder))
    assert empty("config", "check").code == 2  # inside a service they are looked at


def test_a_missing_file_names_the_way_out(empty: Site) -> None:
    result = empty("queue", "list", config=empty.folder / "absent.toml")
    assert result.code == 2
    assert "--config" in result.err
    assert "Traceback" not in result.err


def test_what_is_shown_can_be_read_again_and_means_the_same(site: Site) -> None:
    shown = site.done("config", "show").out
    assert tomllib.loads(shown)["relay"]["attempts"] == 24
    copy = site.folder / "copy.toml"
    copy.write_text(shown, encoding="utf-8")
    assert site("config", "show", config=copy).out == shown
    assert site("config", "check", config=copy).code == 0


def test_secrets_are_shown_as_references(site: Site) -> None:
    for form in ("table", "json"):
        shown = site.done("config", "show", "-o", form).out
        assert f"file:{site.folder}/password" in shown
        assert "pw\n" not in shown
