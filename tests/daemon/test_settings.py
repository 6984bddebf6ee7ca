"""Settings: everything that is wrong, at once, with its line and a way out."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tsm_gateway.daemon.settings import (
    Settings,
    SettingsErrors,
    SmppSettings,
    load_settings,
    secret_value,
)
from tsm_gateway.daemon.settings_lines import key_lines
from tsm_gateway.daemon.settings_secrets import SecretUnreadable
from tsm_gateway.daemon.settings_words import TABLES
from tsm_gateway.radio.smpp.options import SPANS
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.daemon.settings import Problem

SAMPLE = Path(__file__).parents[2] / "config" / "gateway.toml"

GOOD = """\
[gateway]
id = "tsm-1"
[store]
url = "sqlite:///{here}/gateway.db"
[keys]
master = "file:{here}/master.key"
[[smpp]]
name = "carrier-a"
host = "127.0.0.1"
port = 2775
system_id = "tsm"
password = "file:{here}/password"
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for name, content in (("master.key", "tsm-master-key 1\n"), ("password", "geheim\n")):
        secret = tmp_path / name
        secret.write_text(content)
        secret.chmod(0o600)
    return tmp_path


@pytest.fixture
def load(here: Path) -> Callable[..., Settings]:
    def load(text: str = GOOD, *, to_run: bool = True) -> Settings:
        path = here / "gateway.toml"
        path.write_text(text.replace("{here}", str(here)))
        return load_settings(path, to_run=to_run)

    return load


@pytest.fixture
def problems(load: Callable[..., Settings]) -> Callable[..., list[Problem]]:
    def problems(text: str, *, to_run: bool = True) -> list[Problem]:
        with pytest.raises(SettingsErrors) as caught:
            load(text, to_run=to_run)
        return list(caught.value.problems)

    return problems


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_minimal_file_gets_every_default(load: Callable[..., Settings], here: Path) -> None:
    settings = load()
    assert settings.gateway.application_port == 16500
    assert settings.store.path == here / "gateway.db"
    assert settings.epoch_mark == here / "master.key.epoch"
    assert settings.smpp[0].hosts == (("127.0.0.1", 2775),)
    assert settings.relay.join_wait_s == 72 * 3600
    assert settings.metrics.address == ("127.0.0.1", 9464)
    assert settings.log.number_key is None


@pytest.mark.parametrize(
    ("host", "says", "taken"),
    [
        ('host = "127.0.0.1"', "", True),
        ('host = "127.0.0.1"', "test_parties = false", False),
        ('host = "smsc.example"\nallow_plaintext = true', "", False),
        ('host = "127.0.0.1"\nfailover = ["smsc.example:2775"]\nallow_plaintext = true', "", False),
        ('host = "smsc.example"\nallow_plaintext = true', "test_parties = true", True),
    ],
)
def test_virtual_parties_are_for_gateways_that_stay_on_this_machine(
    load: Callable[..., Settings], host: str, says: str, *, taken: bool
) -> None:
    text = changed('host = "127.0.0.1"', host).replace('id = "tsm-1"', f'id = "tsm-1"\n{says}')
    assert load(text).takes_test_parties is taken


def test_settings_cannot_be_changed_afterwards(load: Callable[..., Settings]) -> None:
    settings = load()
    with pytest.raises(ValidationError):
        settings.gateway.application_port = 1
    assert isinstance(settings.smpp, tuple)


@pytest.mark.parametrize("url", ["sqlite:///var/x.db", "sqlite:////var/x.db"])
def test_three_and_four_slashes_name_the_same_store(load: Callable[..., Settings], url: str) -> None:
    assert load(changed("sqlite:///{here}/gateway.db", url)).store.path == Path("/var/x.db")


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file(
    problems: Callable[..., list[Problem]],
) -> None:
    text = """\
[gateway]
id = "tsm-1"
applicaton_port = 16500

[store]
url = "postgres://db"

[[smpp]]
name = "a"
host = "127.0.0.1"
port = 99999
system_id = "tsm"
password = "geheim"
bind = "transciever"
window = "50"
[[smpp]]
name = "a"
host = "smsc.example"
port = 2775
system_id = "tsm"
password = "file:{here}/missing"
[relay]
window = 50
"""
    found = [(each.line, each.key) for each in problems(text)]
    assert found == [
        (1, "keys"),
        (3, "gateway.applicaton_port"),
        (6, "store.url"),
        (11, "smpp[0].port"),
        (13, "smpp[0].password"),
        (14, "smpp[0].bind"),
        (15, "smpp[0].window"),
        (17, "smpp[1].name"),
        (18, "smpp[1].host"),
        (21, "smpp[1].password"),
        (23, "relay.window"),
    ]


def test_a_problem_reads_as_a_compiler_writes_it(problems: Callable[..., list[Problem]], here: Path) -> None:
    (problem,) = problems(changed("port = 2775", "port = 0"))
    assert str(problem) == f"{here}/gateway.toml:10: smpp[0].port: must be at least 1"


@pytest.mark.parametrize(
    ("line", "problem", "suggestion"),
    [
        ("windwo = 50", "is not a known key", 'did you mean "window"?'),
        ("Window = 50", "is not a known key", 'did you mean "window"?'),
        ("batch = 50", "is not a known key", "it belongs into [relay]"),
        ("zzz = 1", "is not a known key", "known here: name, host"),
        ('window = "50"', "must be a whole number, not text", ""),
        ("window = 5.5", "must be a whole number, not a number", ""),
        ("window = true", "must be a whole number, not true or false", ""),
        ("window = 0", "must be at least 1", ""),
        ("window = 10001", "must be at most 10000", ""),
        ("rate_per_s = nan", "must be a finite number", ""),
        ("enquire_s = inf", "must be a finite number", ""),
        ("enquire_s = 1979-05-27", "must be a number, not a date or time", ""),
        ('allow_plaintext = "yes"', "must be true or false, not text", ""),
        ('failover = "b:1"', "must be a list, not text", ""),
        ("service_type = [1]", "must be text in quotes, not a list", ""),
        ("tls = 1", "must be a table, not a whole number", ""),
        ('tls = { ca = "ca.pem" }', "must be an absolute path", ""),
        ("tls = { ca = 1 }", "must be text in quotes, not a whole number", ""),
        ('bind = "reciever"', "must be 'transceiver', 'receiver' or 'transmitter'", '"receiver"?'),
        ('service_type = "SIXSIX"', "at most 5 printable ASCII characters", ""),
        ('source_address = "+49x"', 'must be "+" and 7 to 15 digits', ""),
        ('failover = ["b"]', 'must be "host:port"', ""),
        ('failover = ["[::1]:0"]', 'must be "host:port"', ""),
        ("rebind_min_s = 9.0", "rebind_min_s = 9.0 is more than rebind_max_s = 5.0", ""),
        ('tls = { key = "/k" }', "is of no use without certificate", "add certificate"),
        ('tls = { ca = "/nowhere" }', "cannot be used: No such file", ""),
        ('"a\\nb" = 1', "is not a known key", ""),
    ],
)
def test_each_kind_of_mistake_has_its_sentence(
    problems: Callable[..., list[Problem]], line: str, problem: str, suggestion: str
) -> None:
    (found,) = problems(f"{GOOD}{line}\n")
    assert problem in found.problem
    assert suggestion in found.suggestion
    assert found.line == len(GOOD.splitlines()) + 1
    assert "\n" not in str(found)


def test_a_literal_password_is_refused_and_never_repeated(problems: Callable[..., list[Problem]]) -> None:
    (found,) = problems(changed("file:{here}/password", "hunter2"))
    assert "file of mode 0600" in found.problem
    assert '"file:/path"' in found.problem
    assert '"credential:NAME"' in found.problem
    assert "hunter2" not in str(found)


@pytest.mark.parametrize("reference", ["file:relative", "file:", "credential:", "credential:a/b"])
def test_a_reference_without_a_usable_target_is_refused(
    problems: Callable[..., list[Problem]], reference: str
) -> None:
    (found,) = problems(changed("file:{here}/password", reference))
    assert found.key == "smpp[0].password"


def test_a_secret_others_may_read_is_refused_with_the_command_that_helps(
    problems: Callable[..., list[Problem]], here: Path
) -> None:
    (here / "password").chmod(0o640)
    (found,) = problems(GOOD)
    assert "mode 0640" in found.problem
    assert found.suggestion == f"chmod 600 {here}/password"


def test_a_password_the_protocol_cannot_carry_is_refused(
    problems: Callable[..., list[Problem]], here: Path
) -> None:
    (here / "password").write_text("ninechars")
    (found,) = problems(GOOD)
    assert "1 to 8" in found.problem
    assert "ninechars" not in str(found)


def test_administration_needs_no_secret_and_no_link(load: Callable[..., Settings], here: Path) -> None:
    (here / "password").unlink()
    (here / "master.key").unlink()
    assert load(to_run=False).smpp[0].password.startswith("file:")
    assert load(GOOD.partition("[[smpp]]")[0], to_run=False).smpp == ()


def test_a_daemon_without_links_is_refused(problems: Callable[..., list[Problem]]) -> None:
    (found,) = problems(GOOD.partition("[[smpp]]")[0])
    assert found.key == "smpp"
    assert found.suggestion == "add [[smpp]]"


@pytest.mark.parametrize(("bind", "lacks"), [("receiver", "send"), ("transmitter", "receive")])
def test_links_of_one_direction_only_are_refused(
    problems: Callable[..., list[Problem]], bind: str, lacks: str
) -> None:
    (found,) = problems(f'{GOOD}bind = "{bind}"\n')
    assert f"no link can {lacks}" in found.problem


def test_a_single_bracketed_smpp_table_is_explained(problems: Callable[..., list[Problem]]) -> None:
    (found,) = problems(changed("[[smpp]]", "[smpp]"))
    assert "double brackets" in found.suggestion


REMOTE = changed('host = "127.0.0.1"', 'host = "smsc.example"')


def test_another_machine_without_tls_stops_the_start(problems: Callable[..., list[Problem]]) -> None:
    (found,) = problems(REMOTE)
    assert found.key == "smpp[0].host"
    assert "in the clear" in found.problem
    assert "[smpp.tls]" in found.suggestion
    assert "allow_plaintext" in found.suggestion


def test_a_remote_host_among_the_failovers_needs_tls_too(problems: Callable[..., list[Problem]]) -> None:
    (found,) = problems(f'{GOOD}failover = ["127.0.0.2:1", "10.0.0.1:2775"]\n')
    assert found.key == "smpp[0].failover"


@pytest.mark.parametrize("line", ["allow_plaintext = true", "tls = {}", "[smpp.tls]"])
def test_tls_or_a_stated_vpn_lets_another_machine_in(load: Callable[..., Settings], line: str) -> None:
    assert load(f"{REMOTE}{line}\n").smpp[0].host == "smsc.example"


def test_certificates_and_keys_are_tried_before_the_first_connection(
    load: Callable[..., Settings], problems: Callable[..., list[Problem]], here: Path
) -> None:
    authority = trustme.CA()
    ours = authority.issue_cert("tsm.example")
    authority.cert_pem.write_to_path(here / "ca.pem")
    ours.cert_chain_pems[0].write_to_path(here / "cert.pem")
    ours.private_key_pem.write_to_path(here / "key.pem")
    (here / "key.pem").chmod(0o640)
    text = (
        f'{REMOTE}[smpp.tls]\nca = "{{here}}/ca.pem"\ncertificate = "{{here}}/cert.pem"\n'
        'key = "{here}/key.pem"\nminimum = "1.3"\n'
    )
    tls = load(text).smpp[0].tls
    assert tls is not None
    assert tls.ca == here / "ca.pem"
    authority.issue_cert("other.example").private_key_pem.write_to_path(here / "key.pem")
    (found,) = problems(text)
    assert found.key == "smpp[0].tls.certificate"
    (here / "ca.pem").write_text("garbage")
    assert [each.key for each in problems(text)] == ["smpp[0].tls.ca", "smpp[0].tls.certificate"]


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_a_tls_key_that_others_may_read_or_replace_is_refused(
    problems: Callable[..., list[Problem]], here: Path, mode: int
) -> None:
    ours = trustme.CA().issue_cert("tsm.example")
    ours.cert_chain_pems[0].write_to_path(here / "cert.pem")
    ours.private_key_pem.write_to_path(here / "key.pem")
    (here / "key.pem").chmod(mode)
    files = 'certificate = "{here}/cert.pem"\nkey = "{here}/key.pem"\n'
    (found,) = problems(f"{REMOTE}[smpp.tls]\n{files}")
    assert found.key == "smpp[0].tls.key"
    assert f"mode {mode:04o}" in found.problem


def test_a_file_everybody_may_change_runs_nothing(load: Callable[..., Settings], here: Path) -> None:
    load(GOOD)
    (path,) = here.glob("*.toml")
    path.chmod(0o646)
    with pytest.raises(SettingsErrors) as refused:
        load_settings(path)
    assert [str(each) for each in refused.value.problems] == [
        f"{path}: everybody may write to it (mode 0646) - chmod o-w {path}"
    ]
    load_settings(path, to_run=False)


def test_metrics_on_every_interface_need_a_word_of_consent(
    load: Callable[..., Settings], problems: Callable[..., list[Problem]]
) -> None:
    text = f'{GOOD}[metrics]\nlisten = "0.0.0.0:9464"\n'
    (found,) = problems(text)
    assert found.key == "metrics.listen"
    assert load(f"{text}allow_remote = true\n").metrics.address == ("0.0.0.0", 9464)  # noqa: S104
    assert load(f'{GOOD}[metrics]\nlisten = ""\n').metrics.address is None


def test_a_master_credential_needs_a_place_for_the_epoch_mark(
    problems: Callable[..., list[Problem]],
    load: Callable[..., Settings],
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(here))
    text = changed("file:{here}/master.key", "credential:master.key")
    (found,) = problems(text)
    assert found.key == "store.epoch_mark"
    settings = load(text.replace("[keys]", 'epoch_mark = "/var/mark"\n[keys]'))
    assert settings.epoch_mark == Path("/var/mark")


def test_a_credential_outside_a_service_says_how_to_get_one(
    problems: Callable[..., list[Problem]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (found,) = problems(changed("file:{here}/password", "credential:pw"))
    assert "LoadCredential=pw:" in found.suggestion


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[gateway]\nid = "tsm-1\n', 2),
        ("[gateway]\n\nid = \n", 3),
        ("a = 1\na = 2\n", 2),
        ("a = 1\nb = [\n1,\n", 3),
        ("a = " + "[" * 5000, 1),
        ("a = " + "9" * 5000, 1),
    ],
)
def test_an_error_of_syntax_is_told_with_its_line(
    problems: Callable[..., list[Problem]], text: str, line: int
) -> None:
    (found,) = problems(text)
    assert found.line == line
    assert found.key == ""


def test_a_file_that_cannot_be_read_is_a_problem_like_others(tmp_path: Path) -> None:
    with pytest.raises(SettingsErrors, match=r"missing\.toml: cannot be read: No such file"):
        load_settings(tmp_path / "missing.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"[gateway]\nid = \xff\n")
    with pytest.raises(SettingsErrors, match=r"binary\.toml:2: is not UTF-8 text"):
        load_settings(binary)
    binary.write_bytes(b"#" * 1_100_000)
    with pytest.raises(SettingsErrors, match="is longer than"):
        load_settings(binary)


def test_the_sample_is_accepted_as_it_stands() -> None:
    settings = load_settings(SAMPLE, to_run=False)
    assert settings.smpp[0].name == "carrier-a"


def test_the_sample_shows_every_key_with_its_default() -> None:
    """Uncommenting every key gives a file whose values are the defaults of the code."""
    shown = tomllib.loads(uncommented(SAMPLE.read_text()))
    for names, table in TABLES.items():
        node: dict[str, object] = shown
        for name in names:
            found = node[name]
            node = found[0] if isinstance(found, list) else found  # type: ignore[assignment]
        assert set(node) | {"tls"} == set(table.model_fields) | {"tls"}, names
        for key, field in table.model_fields.items():
            scalar = isinstance(field.default, (str, int, float, bool)) and names
            if scalar and not (field.default == "" and isinstance(node[key], str) and node[key]):
                assert node[key] == field.default, (names, key)


def uncommented(text: str) -> str:
    """The sample with every `# key = value` and `# [table]` made real."""
    lines = []
    for line in text.splitlines():
        bare = line.removeprefix("# ")
        word = bare.split(" ", 1)[0]
        is_key = bare.startswith(f"{word} = ") and word.isidentifier()
        lines.append(bare if line.startswith("# ") and (is_key or bare.startswith("[")) else line)
    return "\n".join(lines)


def test_what_the_file_may_say_of_a_link_the_link_accepts() -> None:
    """Every bound of a number here lies within the bound of the link's own options."""
    spans = {span.key: span for span in SPANS}
    checked = 0
    for key, field in SmppSettings.model_fields.items():
        span = spans.get(key)
        if span is None:
            continue
        low = [rule.ge for rule in field.metadata if hasattr(rule, "ge")]
        high = [rule.le for rule in field.metadata if hasattr(rule, "le")]
        assert low, key
        assert span.low <= low[0] <= high[0] <= span.high, key
        checked += 1
    assert checked >= 12


# secrets


def written(path: Path, octets: bytes, mode: int = 0o600) -> str:
    path.write_bytes(octets)
    path.chmod(mode)
    return f"file:{path}"


@pytest.mark.parametrize(
    ("octets", "secret"), [(b"a\n", b"a"), (b"a\r\n", b"a"), (b"a\n\n", b"a\n"), (b" a ", b" a ")]
)
def test_one_newline_at_the_end_of_a_secret_is_dropped(tmp_path: Path, octets: bytes, secret: bytes) -> None:
    assert secret_value(written(tmp_path / "s", octets)) == Secret(secret)


@pytest.mark.parametrize("octets", [b"", b"\n", b"x" * 70_000])
def test_an_empty_or_huge_secret_is_refused(tmp_path: Path, octets: bytes) -> None:
    with pytest.raises(SecretUnreadable):
        secret_value(written(tmp_path / "s", octets))


def test_a_secret_that_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", "."):
        with pytest.raises(SecretUnreadable):
            secret_value(f"file:{tmp_path / name}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_secret_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = written(tmp_path / "s", b"a")
    os.chown(tmp_path / "s", 1234, 1234)
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    with pytest.raises(SecretUnreadable, match="belongs to another user"):
        secret_value(reference)


def test_a_credential_is_read_from_the_directory_systemd_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    written(tmp_path / "pw", b"geheim\n", 0o440)  # systemd guards the directory
    assert secret_value("credential:pw") == Secret(b"geheim")


# lines

KEYS = st.text(alphabet="ab.\"'\\=]#\n\t é", min_size=1, max_size=4)
SCALARS = st.one_of(
    st.integers(-9, 9).map(str),
    st.sampled_from(["true", "1979-05-27 07:32:00", "1e3", "nan", "'#]'", '"a\\"]#"', "''", '""']),
    st.sampled_from(['"""\na = 1\n\\""" ]"""', "'''\n[x]\n'''", '"""a"""""', "''''b''''"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[ # c ]\n" + ",\n".join(items) + "\n]"),
        st.dictionaries(KEYS, inner, max_size=2).map(
            lambda table: "{" + ", ".join(f"{quoted(key)} = {value}" for key, value in table.items()) + "}"
        ),
    ),
    max_leaves=6,
)


def quoted(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


@given(st.lists(st.tuples(st.booleans(), st.dictionaries(KEYS, VALUES, max_size=3)), max_size=4))
def test_every_key_of_any_document_has_the_line_it_stands_in(
    tables: list[tuple[bool, dict[str, str]]],
) -> None:
    text, expected = "# top\r\n", {}
    for index, (_, table) in enumerate(tables):
        text += "[[t]] # [x]\n"
        for key, value in table.items():
            text += f"\n  {quoted(key)} = {value} # = ]\n"
            before = text.rindex(f"  {quoted(key)} = {value} # = ]")
            expected["t", index, key] = text.count("\n", 0, before) + 1
    document = tomllib.loads(text)
    lines = key_lines(text)
    assert {path: lines[path] for path in expected} == expected
    assert set(paths(document)) <= set(lines)


def paths(node: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every path below `node`."""
    if isinstance(node, dict):
        children = list(node.items())
    elif isinstance(node, list):
        children = list(enumerate(node))
    else:
        return []
    return [path for key, value in children for path in ((*at, key), *paths(value, (*at, key)))]


def test_dotted_and_nested_headers_find_the_latest_element_of_an_array() -> None:
    text = '[[a]]\nx.y = 1\n[a.b]\nc = 2\n[[a.d]]\ne = 3\n[[a]]\n[a."b c"]\nf = {g = 4, h.i = 5}\n'
    lines = key_lines(text)
    assert lines["a", 0, "x", "y"] == 2
    assert lines["a", 0, "b", "c"] == 4
    assert lines["a", 0, "d", 0, "e"] == 6
    assert lines["a", 1, "b c", "f", "h", "i"] == 9
