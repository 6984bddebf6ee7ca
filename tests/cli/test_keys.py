"""`key init`, `list` and `rotate`: the master key, stopped and beside a running gateway."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import free_port
from tests.cli.life import D, deliver, put, store_of
from tests.cli.status_pages import answering
from tsm_gateway.cli import key_prune, key_rewrap
from tsm_gateway.cli.key_audit import key_act
from tsm_gateway.keys.errors import KeyUnwrapFailed, MasterKeyMissing
from tsm_gateway.keys.master_hold_store import versions_alone, versions_kept
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.keys.wrap import unwrap
from tsm_gateway.relay.directory import DEVICE_KEYS, PROVIDER_KEYS, place_of
from tsm_gateway.relay.interfaces import StoreConflict
from tsm_gateway.store.lock_store import StoreLock
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Site
    from tsm_gateway.registry.audit import AuditEntry
    from tsm_gateway.store.registry_rows import StoredKey


@pytest.fixture
def running(site: Site) -> Iterator[None]:
    """What a running gateway holds, and one device's key."""
    site.add_device()
    lock = StoreLock.take(site.folder / "gateway.db")
    yield
    lock.release()


def stored(site: Site) -> list[StoredKey]:
    folder = site.folder
    store = SqliteStore.open(folder / "gateway.db", mark=folder / "master.key.epoch", exclusive=False)
    try:
        return store.registry.all_keys()
    finally:
        store.close()


def secrets_of(site: Site) -> dict[bytes, bytes]:
    """Every stored key, opened for its place."""
    masters = read_master(f"file:{site.folder}/master.key")
    return {
        each.key.kid: unwrap(
            masters,
            each.key.wrapped,
            each.key.master_version,
            place_of(DEVICE_KEYS if each.of_device else PROVIDER_KEYS, each.key),
        ).reveal()
        for each in stored(site)
    }


def test_init_makes_a_private_file_and_shows_no_key(empty: Site) -> None:
    result = empty.done("key", "init", "-o", "json")
    path = empty.folder / "master.key"
    master = read_master(f"file:{path}").current
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert result.json == {"path": str(path), "version": 1, "check_value": master.check_value()}
    assert path.read_text("ascii").split()[3] not in result.out + result.err


def test_init_never_overwrites(site: Site) -> None:
    before = (site.folder / "master.key").read_bytes()
    assert site("key", "init").code == 6
    assert (site.folder / "master.key").read_bytes() == before


def test_a_credential_is_made_with_master_only(empty: Site) -> None:
    text = empty.config.read_text("utf-8").replace(f"file:{empty.folder}/master.key", "credential:m")
    mark = f'min_free_mb = 1\nepoch_mark = "{empty.folder}/mark"'
    empty.config.write_text(text.replace("min_free_mb = 1", mark), encoding="utf-8")
    result = empty("key", "init")
    assert result.code == 2
    assert "--master" in result.err
    made = empty.folder / "m.key"
    assert empty.done("key", "init", "--master", made).code == 0
    assert empty.done("key", "list", "--master", made, "-o", "json").json[0]["version"] == 1


def test_rotating_while_stopped_wraps_every_key_anew_and_changes_none(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rewrap, "SLICE", 2)
    site.add_provider()
    for number in range(4):
        site.add_device("--id", f"d:{number:016x}")
    before = secrets_of(site)
    assert len(before) == 5
    result = site.done("key", "rotate", "-o", "json")
    assert result.json == {"version": 2, "rewrapped": 5, "already": 0, "unreadable": []}
    assert {each.key.master_version for each in stored(site)} == {2}
    assert secrets_of(site) == before
    rows = site.done("key", "list", "-o", "json").json
    assert [(row["version"], row["wrapped_keys"]) for row in rows] == [(1, 0), (2, 5)]


def test_rotating_before_the_first_start_only_adds_a_version(site: Site) -> None:
    site.done("key", "rotate")
    assert read_master(f"file:{site.folder}/master.key").versions() == (1, 2)
    assert not (site.folder / "gateway.db").exists()


def test_a_rewrap_that_broke_off_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_rewrap, "SLICE", 1)
    for number in range(3):
        site.add_device("--id", f"d:{number:016x}")
    site.done("key", "rotate", "--add")
    seen: list[int] = []

    def stop(count: int) -> None:
        seen.append(count)
        raise KeyboardInterrupt

    masters = read_master(f"file:{site.folder}/master.key")
    folder = site.folder
    store = SqliteStore.open(folder / "gateway.db", mark=folder / "master.key.epoch", exclusive=False)
    with pytest.raises(KeyboardInterrupt):
        key_rewrap.rewrap_all(store, masters, stop)
    store.close()
    result = site.done("key", "rotate", "--rewrap", "-o", "json").json
    assert (seen, result["rewrapped"], result["already"]) == ([1], 2, 1)


def test_a_slice_that_somebody_else_changes_is_read_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add_device()
    site.done("key", "rotate", "--add")
    folder = site.folder
    store = SqliteStore.open(folder / "gateway.db", mark=folder / "master.key.epoch", exclusive=False)
    masters, real, tries = read_master(f"file:{folder}/master.key"), store.registry.rewrap_all, []

    def conflicting(rows: list[tuple[bytes, bytes, bytes, int]]) -> int:
        tries.append(rows)
        if len(tries) == 1:
            raise StoreConflict
        return real(rows)

    monkeypatch.setattr(store.registry, "rewrap_all", conflicting)
    assert key_rewrap.rewrap_all(store, masters, lambda _: None).done == 1
    store.close()
    assert len(tries) == 2


@pytest.mark.usefixtures("running")
def test_beside_a_running_gateway_it_is_refused_with_the_steps_to_take(site: Site) -> None:
    result = site("key", "rotate")
    assert result.code == 6
    assert "--help" in result.err
    assert read_master(f"file:{site.folder}/master.key").versions() == (1,)


@pytest.mark.usefixtures("running")
def test_the_steps_beside_a_running_gateway(site: Site) -> None:
    site.done("key", "rotate", "--add")
    assert {each.key.master_version for each in stored(site)} == {1}
    assert site("key", "rotate", "--rewrap").code == 130  # asked, and nobody is there to answer
    assert {each.key.master_version for each in stored(site)} == {1}
    site.done("key", "rotate", "--rewrap", "--yes")
    assert {each.key.master_version for each in stored(site)} == {2}


def test_pruning_keeps_what_wraps_a_key(site: Site) -> None:
    site.add_device()
    site.done("key", "rotate", "--add")
    assert site.done("key", "rotate", "--prune", "--yes", "-o", "json").json["removed"] == []
    site.done("key", "rotate", "--rewrap")
    assert site.done("key", "rotate", "--prune", "--yes", "-o", "json").json["removed"] == [1]
    assert len(secrets_of(site)) == 1


def test_a_master_key_that_lacks_a_version_is_an_error_that_names_it(site: Site) -> None:
    site.add_device()
    other = Path(site.folder, "other.key")
    site.done("key", "init", "--master", other)
    site.done("key", "rotate", "--add", "--master", other)
    site.done("key", "rotate", "--prune", "--yes", "--master", other)
    result = site("key", "rotate", "--rewrap", "--master", other)
    assert result.code == 1
    assert "unreadable" in result.out


# --- what the running processes know ---

PAGE = '{"degraded": [], "master_versions": %s}'
PROVISIONING = """
[provisioning]
certificate = "{folder}/c.pem"
key = "file:{folder}/c.key"
key_delivery_certificate = "{folder}/c.pem"
key_delivery_key = "file:{folder}/c.key"
metrics = "127.0.0.1:{port}"
"""


@pytest.fixture
def provisioning(site: Site) -> Iterator[int]:
    """A provisioning process holds its lock; the port of its metrics."""
    site.add_device()
    port = free_port()
    text = site.config.read_text("utf-8") + PROVISIONING.format(folder=site.folder, port=port)
    site.config.write_text(text, "utf-8")
    lock = StoreLock.take(site.folder / "gateway.db.provisioning")
    yield port
    lock.release()


@pytest.mark.usefixtures("running")
def test_a_relay_that_knows_the_newest_version_is_not_asked_about(site: Site) -> None:
    site.done("key", "rotate", "--add")
    with answering(site.metrics, PAGE % "[1, 2]"):
        assert site.done("key", "rotate", "--rewrap").err.count("?") == 0
    assert {each.key.master_version for each in stored(site)} == {2}


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("step", ["--rewrap", "--prune"])
def test_a_relay_that_does_not_know_it_stands_in_the_way_whatever_is_said(site: Site, step: str) -> None:
    site.done("key", "rotate", "--add")
    with answering(site.metrics, PAGE % "[1]"):
        result = site("key", "rotate", step, "--yes")
    assert (result.code, "[master-version-awaited]" in result.err) == (6, True)
    assert {each.key.master_version for each in stored(site)} == {1}
    assert read_master(f"file:{site.folder}/master.key").versions() == (1, 2)


@pytest.mark.parametrize("step", ["--rewrap", "--prune"])
def test_provisioning_is_asked_as_well(site: Site, provisioning: int, step: str) -> None:
    site.done("key", "rotate", "--add")
    with answering(provisioning, PAGE % "[1]"):
        refused = site("key", "rotate", step, "--yes")
    assert (refused.code, "process=provisioning" in refused.err) == (6, True)
    if step == "--rewrap":
        assert "provisioning cannot be asked" in site("key", "rotate", step).err
    with answering(provisioning, PAGE % "[1, 2]"):
        site.done("key", "rotate", step, "--yes")


@pytest.mark.usefixtures("provisioning")
def test_all_at_once_is_for_when_both_are_stopped(site: Site) -> None:
    result = site("key", "rotate")
    assert (result.code, "provisioning" in result.err) == (6, True)
    assert read_master(f"file:{site.folder}/master.key").versions() == (1,)


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("page", ['{"degraded": []}', PAGE % '"2"', PAGE % "[true]"])
def test_a_page_that_does_not_tell_is_asked_about_or_refused(site: Site, page: str) -> None:
    site.done("key", "rotate", "--add")
    with answering(site.metrics, page):
        assert site("key", "rotate", "--rewrap").code in {6, 130}
    assert {each.key.master_version for each in stored(site)} == {1}


# --- nobody loses a key ---


def test_a_key_that_waits_is_rewrapped_too(site: Site) -> None:
    put(site, 1, D.KEYED)
    before = secrets_of(site)
    site.done("key", "rotate")
    assert secrets_of(site) == before
    site.done("key", "rotate", "--prune", "--yes")
    assert secrets_of(site) == before


def test_pruning_waits_for_whoever_wraps_a_key_right_now(site: Site) -> None:
    site.add_device()
    site.done("key", "rotate")
    with versions_kept(site.folder / "master.key"):
        for step in ("--prune", "--add"):
            result = site("key", "rotate", step, "--yes")
            assert (result.code, "[master-file-busy]" in result.err) == (6, True)
    assert read_master(f"file:{site.folder}/master.key").versions() == (1, 2)
    site.done("key", "rotate", "--prune", "--yes")


def test_who_waited_for_a_change_holds_the_file_that_is_in_place(site: Site) -> None:
    path = site.folder / "master.key"
    with versions_kept(path), versions_kept(path):
        pass
    with versions_alone(path):
        site("key", "init", "--master", site.folder / "next.key")
        (site.folder / "next.key").rename(path)
        with versions_kept(path):  # the new file is nobody's yet
            pass


def test_a_key_added_between_count_and_removal_keeps_its_version(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Provisioning stores a key under the old version in the very moment in which it looked unused."""
    site.add_device()
    site.done("key", "rotate")
    real = key_act

    def late(*words: str, **facts: Any) -> AuditEntry:
        folder = site.folder
        both = (folder / "master.key").read_bytes()
        (folder / "master.key").write_bytes(b"".join(both.splitlines(keepends=True)[:2]))  # version 1 only
        put(site, 7, D.KEYED)
        (folder / "master.key").write_bytes(both)
        return real(*words, **facts)

    monkeypatch.setattr(key_prune, "key_act", late)
    result = site("key", "rotate", "--prune", "--yes")
    assert (result.code, "[store-conflict]" in result.err) == (6, True)
    assert len(secrets_of(site)) == 2
    assert "master.prune" not in {row["action"] for row in site.done("audit", "list", "-o", "json").json}


def test_a_rewrap_finds_what_was_added_behind_its_back(site: Site) -> None:
    """A command that read the key file before --add stores its key while the rewrap is past that place."""
    site.add_device("--kid", "ffffffff")
    site.done("key", "rotate", "--add")
    masters = read_master(f"file:{site.folder}/master.key")
    path, both = site.folder / "master.key", (site.folder / "master.key").read_bytes()
    told: list[int] = []

    def late(count: int) -> None:
        told.append(count)
        path.write_bytes(b"".join(both.splitlines(keepends=True)[:2]))
        site.add_device("--id", "d:0000000000000009", "--kid", "00000001")
        path.write_bytes(both)

    with store_of(site) as store:
        result = key_rewrap.rewrap_all(store, masters, late)
    assert (told, result.done) == ([1], 2)
    assert {each.key.master_version for each in stored(site)} == {2}


def test_the_old_master_opens_nothing_after_the_prune(site: Site) -> None:
    site.add_device()
    with store_of(site) as store:
        deliver(site, store, stored(site)[0].key.owner, 2)
        store.flush()
    old, before = read_master(f"file:{site.folder}/master.key"), stored(site)
    site.done("key", "rotate")
    site.done("key", "rotate", "--prune", "--yes")
    new = read_master(f"file:{site.folder}/master.key")
    for each in stored(site):
        for version in (1, 2):
            with pytest.raises((KeyUnwrapFailed, MasterKeyMissing)):
                unwrap(old, each.key.wrapped, version, place_of(DEVICE_KEYS, each.key))
    for each in before:
        for version in (1, 2):
            with pytest.raises((KeyUnwrapFailed, MasterKeyMissing)):
                unwrap(new, each.key.wrapped, version, place_of(DEVICE_KEYS, each.key))


def test_acts_on_the_master_key_stand_in_the_audit_log(site: Site) -> None:
    site.add_device()
    site.done("key", "init", "--master", site.folder / "other.key")
    site.done("key", "rotate")
    site.done("key", "rotate", "--prune", "--yes")
    rows = site.done("audit", "list", "-o", "json").json
    acts = [row["action"] for row in rows]
    assert acts == ["device.add", "master.init", "master.rotate", "key.rewrap", "master.prune"]
    assert rows[2]["facts"]["version"] == "2"
    assert rows[4]["facts"] == {"removed": "1"}
    assert all(row["actor"].startswith("operator ") for row in rows)
