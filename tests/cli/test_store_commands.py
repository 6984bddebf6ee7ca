"""`store check`, `backup` and `resync`."""

from __future__ import annotations

import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from tsm_gateway.store.failures import StoreRolledBack
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from tests.cli.conftest import Site


def open_store(site: Site, *, exclusive: bool = False) -> SqliteStore:
    folder = site.folder
    return SqliteStore.open(folder / "gateway.db", mark=folder / "master.key.epoch", exclusive=exclusive)


def restore(site: Site) -> None:
    """Put a copy from before the last change back in place."""
    copy = site.folder / "copy.db"
    site.done("store", "backup", copy)
    site.add_device()
    shutil.copy(copy, site.folder / "gateway.db")


def test_a_sound_store_is_called_sound(site: Site) -> None:
    site.add_provider()
    found = site.done("store", "check", "-o", "json").json
    assert (found["sound"], found["faults"]) == (True, [])
    assert "sound" in site.done("store", "check").out


def test_there_is_nothing_to_check_before_the_first_start(site: Site) -> None:
    assert site("store", "check").code == 4
    assert not (site.folder / "gateway.db").exists()


def test_a_flipped_bit_is_found(site: Site) -> None:
    device = site.add_device("--msisdn", "+4915550001167")
    path = site.folder / "gateway.db"
    octets = path.read_bytes()
    assert octets.count(b"+4915550001167") == 1
    path.write_bytes(octets.replace(b"+4915550001167", b"+4915550001166"))
    result = site("store", "check")
    assert result.code == 1
    assert device in result.out
    assert "checksum" in result.out


def test_a_copy_is_made_beside_a_running_gateway(site: Site) -> None:
    site.add_device()
    store, copy = open_store(site, exclusive=True), site.folder / "copy.db"
    site.done("store", "backup", copy)
    again = site("store", "backup", copy)
    assert again.code == 6
    assert "[file-exists]" in again.err
    store.close()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_restored_copy_is_refused_until_it_is_resynced(site: Site) -> None:
    site.add_device("--id", "d:0000000000000001", "--first-piv", 100)
    site.add_provider()
    restore(site)
    with pytest.raises(StoreRolledBack):
        open_store(site, exclusive=True)
    check = site("store", "check")
    assert check.code == 1
    assert "store resync" in check.out
    assert site("store", "resync").code == 130  # asks, and nobody answers
    done = site.done("store", "resync", "--advance", 1000, "--yes", "-o", "json").json
    assert (done["device_keys"], done["provider_keys"]) == (1, 1)
    store = open_store(site, exclusive=True)
    (key,) = store.registry.keys("d:0000000000000001")
    assert store.registry.window_of(key.kid) == (1099, 2**64 - 1)
    store.close()


def test_new_keys_can_be_demanded_instead(site: Site) -> None:
    device = site.add_device()
    assert site("store", "resync", "--demand-new-keys", "--advance", 64, "--yes").code == 2
    site.done("store", "resync", "--demand-new-keys", "--yes")
    assert site.done("device", "show", device, "-o", "json").json["keys"][0]["state"] == "stale"


def test_a_running_gateway_is_not_resynced(site: Site) -> None:
    site.add_device()
    store = open_store(site, exclusive=True)
    refused = site("store", "resync")
    assert refused.code == 6
    assert "Go on?" not in refused.err  # nobody is asked for what cannot be done
    store.close()


def test_whoever_resyncs_a_current_store_is_told_so(site: Site) -> None:
    site.add_device()
    asked = site("store", "resync")
    assert "this store is current" in asked.err
    restore(site)
    assert "this store is current" not in site("store", "resync").err
