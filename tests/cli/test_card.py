"""`card`: a manifest comes in, cards are shown and forgotten, jobs are ordered; no key comes out."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import tracemalloc
from base64 import b64encode
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.deliveries import audited, configure, lines, manifest
from tests.cli.life import NOW, D, device_id, put, store_of
from tsm_gateway.cli import card_import, card_show, card_taking
from tsm_gateway.cli.application_key import present_certificate
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.keys.wrap import card_place, unwrap
from tsm_gateway.provisioning.card_key_octets import split_keys
from tsm_gateway.provisioning.card_keys import diversify
from tsm_gateway.provisioning.signing import application_key, key_id_of
from tsm_gateway.registry.card import CardContent, CardKeySet, CardKeyState, Inventory
from tsm_gateway.registry.job import JobKind, JobState
from tsm_gateway.secret import Secret
from tsm_gateway.store.card_store import Rewrap
from tsm_gateway.store.provisioning_rows import sealed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Site
    from tsm_gateway.provisioning.card_keys import KeySet

CARD = b"app-%08d" % 1  # of `life.put(site, 1, …)`
HEX = CARD.hex()
HEAD = {"master": {"kvn": 48, "key": "ab" * 16}, "kdf": "sp800-108", "i": "70", "sd_aid": "a000000151000000"}


def many(*numbers: int) -> list[bytes]:
    return [b"app-%08d" % each for each in numbers]


def take(site: Site, *app_ses: bytes, **more: Any) -> Any:
    return site.done("card", "import", manifest(site, *app_ses, **more), "--issuer", "maker", "-o", "json")


def cards_of(site: Site) -> list[bytes]:
    with store_of(site) as store:
        return [each.app_se for each in store.delivery.cards()]


def opened(site: Site, app_se: bytes) -> tuple[KeySet, Secret | None]:
    """The newest key set of a card, as the daemon would open it."""
    masters = read_master(f"file:{site.folder}/master.key")
    with store_of(site) as store:
        keys = store.delivery.card_keys(app_se)[0]
    joined = unwrap(masters, keys.wrapped, keys.master_version, card_place(app_se, keys.kvn))
    return split_keys(joined, keys.kvn)


def renewed(site: Site, app_se: bytes, state: CardKeyState) -> None:
    """Keys of ours are on their way to a card, or there."""
    with store_of(site) as store:
        (transport,) = store.delivery.card_keys(app_se)
        ours = CardKeySet(
            app_se, 0x31, CardKeyState.PENDING, transport.wrapped, transport.master_version, NOW
        )
        store.delivery.keys_pending(ours, at=NOW)
        if state is CardKeyState.CURRENT:
            store.delivery.keys_current(app_se, 0x31, at=NOW)
        store.flush()


# --- import ---


def test_cards_of_a_manifest_are_kept_wrapped_and_open_again(site: Site) -> None:
    path = manifest(site, *many(1, 2))
    first = json.loads(path.read_text("ascii").splitlines()[0])
    result = site.done("card", "import", path, "--issuer", "maker", "-o", "json")
    assert result.json == {"issuer": "maker", "imported": 2, "already_known": 0, "conflicts": 0}
    assert "destroy the manifest" in result.err
    keys, receipt = opened(site, CARD)
    assert (keys.kvn, receipt) == (48, None)
    assert [key.reveal().hex() for key in (keys.enc, keys.mac, keys.dek)] == [
        first[name] for name in ("enc", "mac", "dek")
    ]
    with store_of(site) as store:
        card = store.delivery.card(CARD)
        (stored,) = store.delivery.card_keys(CARD)
    assert card is not None
    assert (card.issuer, card.protocol, card.sd_aid.hex()) == ("maker", 0x70, first["sd_aid"])
    assert stored.state is CardKeyState.TRANSPORT
    (entry,) = audited(site, "card.import")
    assert (entry.outcome, dict(entry.facts)) == ("done", {"cards": "2", "issuers": "maker"})


def test_cards_below_a_master_are_diversified(site: Site) -> None:
    data = [{"app_se": each.hex(), "diversification": each[-10:].hex()} for each in many(1, 2)]
    path = lines(site, *map(json.dumps, (HEAD, *data)))
    assert site.done("card", "import", path, "--issuer", "maker", "-o", "json").one("imported") == 2
    keys, _ = opened(site, CARD)
    assert keys == diversify(Secret(b"\xab" * 16), CARD[-10:], 48, 16)


def test_a_receipt_key_and_a_verifying_key_come_along(site: Site) -> None:
    (line,) = manifest(site, CARD).read_text("ascii").splitlines()
    path = lines(site, json.dumps({**json.loads(line), "receipt": "77" * 16, "dap_key": "66" * 8}))
    site.done("card", "import", path, "--issuer", "maker")
    assert opened(site, CARD)[1] == Secret(b"\x77" * 16)
    assert site.done("card", "show", HEX, "-o", "json").one("dap_key") == "66" * 8


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o666])
def test_a_manifest_that_others_may_read_or_write_is_refused(site: Site, mode: int) -> None:
    result = site("card", "import", manifest(site, CARD, mode=mode), "--issuer", "maker")
    assert (result.code, "[file-exposed]" in result.err) == (5, True)


def test_a_manifest_is_a_regular_file_named_itself(site: Site) -> None:
    path = manifest(site, CARD)
    link, pipe = site.folder / "link", site.folder / "pipe"
    link.symlink_to(path)
    os.mkfifo(pipe, 0o600)
    for wrong in (link, pipe, site.folder, site.folder / "missing"):
        result = site("card", "import", wrong, "--issuer", "maker")
        assert result.code == 2, (wrong, result)


@pytest.mark.parametrize("issuer", ["", "a b", "x" * 33, "-maker", "maker\n"])
def test_an_issuers_name_is_plain(site: Site, issuer: str) -> None:
    assert site("card", "import", manifest(site, CARD), "--issuer", issuer).code == 2


def test_nothing_is_kept_unless_every_line_is_right(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_taking, "SLICE", 2)
    good = manifest(site, *many(1, 2, 3, 4)).read_text("ascii").splitlines()
    wrong = json.dumps({**json.loads(good[0]), "kvn": 0})
    result = site("card", "import", lines(site, *good, wrong), "--issuer", "maker")
    assert (result.code, "line 5" in result.err, "[manifest-malformed]" in result.err) == (2, True, True)
    assert not (site.folder / "gateway.db").exists() or cards_of(site) == []


@pytest.mark.parametrize("texts", [(), ("", ""), (json.dumps(HEAD),)])
def test_a_manifest_without_a_card_is_refused(site: Site, texts: tuple[str, ...]) -> None:
    result = site("card", "import", lines(site, *texts), "--issuer", "maker")
    assert (result.code, "holds no card" in result.err) == (2, True)


def test_a_line_without_an_end_is_read_no_further_than_its_bound(site: Site) -> None:
    path = lines(site, "x" * 20_000_000)
    tracemalloc.start()
    result = site("card", "import", path, "--issuer", "maker")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (result.code, "longer than" in result.err) == (2, True)
    assert peak < 8_000_000


def test_a_long_manifest_comes_in_slices_with_progress(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_taking, "SLICE", 2)
    monkeypatch.setattr(card_import, "CHECKED", 3)
    result = take(site, *many(1, 2, 3, 4, 5))
    assert result.err.index("3 cards checked") < result.err.index("2 of 5 cards")
    assert ("2 of 5 cards" in result.err, "4 of 5 cards" in result.err) == (True, True)
    assert len(cards_of(site)) == 5
    assert [dict(each.facts)["cards"] for each in audited(site, "card.import")] == ["2", "2", "1"]


def test_memory_does_not_grow_with_the_manifest(site: Site) -> None:
    (line,) = manifest(site, CARD).read_text("ascii").splitlines()
    members = json.loads(line)

    def peak(count: int) -> int:
        path = lines(site, *(json.dumps({**members, "app_se": f"{each:032x}"}) for each in range(count)))
        tracemalloc.start()
        with path.open("rb") as file:
            assert sum(1 for _ in card_import.cards_of(file)) == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(2000) < peak(200) + 200_000


def test_a_known_card_names_its_line_and_what_was_kept_stays(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_taking, "SLICE", 2)
    take(site, *many(4))
    path = manifest(site, *many(1, 2, 3, 4, 5))
    with path.open("a", encoding="ascii") as file:
        file.write(path.read_text("ascii").splitlines()[0] + "\n")
    result = site("card", "import", path, "--issuer", "maker")
    assert (result.code, "line=4" in result.err, many(4)[0].hex() in result.err) == (6, True, True)
    assert "kept are 2 cards" in result.err
    assert sorted(cards_of(site)) == many(1, 2, 4), "the slice it is in is not kept"
    assert [each.outcome for each in audited(site, "card.import")] == ["done", "done", "refused"]
    again = site.done("card", "import", path, "--issuer", "maker", "--skip-known", "-o", "json")
    assert again.json == {"issuer": "maker", "imported": 2, "already_known": 3, "conflicts": 1}
    assert ["2 of 6 cards" in again.err, "4 of 6 cards" in again.err] == [True, True], (
        "all gone through count"
    )
    assert f"line 4: card {many(4)[0].hex()} stays as it is on record, with another: key set\n" in again.err
    assert sorted(cards_of(site)) == many(1, 2, 3, 4, 5)


def test_a_line_counts_from_the_head_and_empty_lines(site: Site) -> None:
    data = [{"app_se": each.hex(), "diversification": "00"} for each in many(1, 2, 1)]
    path = lines(site, *map(json.dumps, (HEAD, *data[:2])), "", json.dumps(data[2]))
    result = site("card", "import", path, "--issuer", "maker")
    assert (result.code, "line=5" in result.err, cards_of(site)) == (6, True, [])
    again = site.done("card", "import", path, "--issuer", "maker", "--skip-known", "-o", "json").json
    assert (again["imported"], again["already_known"]) == (2, 1)


def test_known_cards_that_are_passed_over_stay_as_they_are(site: Site) -> None:
    take(site, CARD)
    before = opened(site, CARD)
    path = manifest(site, CARD)
    site.done("card", "import", path, "--issuer", "others", "--skip-known")
    assert opened(site, CARD) == before
    assert site.done("card", "show", HEX, "-o", "json").one("issuer") == "maker"


@pytest.mark.parametrize(
    ("change", "issuer", "told"),
    [
        ({}, "maker", ""),
        ({}, "others", "with another: issuer\n"),
        ({"i": "60"}, "maker", "with another: `i`\n"),
        ({"sd_aid": "a000000151000001"}, "maker", "with another: `sd_aid`\n"),
        ({"dap_key": "66" * 8}, "maker", "with another: `dap_key` (`card dap-key` sets it)\n"),
        ({"enc": "11" * 16}, "others", "with another: issuer, key set\n"),
        ({"kvn": 49}, "maker", "with another: key set\n"),
    ],
)
def test_a_known_card_that_is_on_record_otherwise_is_a_conflict(
    site: Site, change: dict[str, object], issuer: str, told: str
) -> None:
    path = manifest(site, CARD)
    site.done("card", "import", path, "--issuer", "maker")
    line = json.loads(path.read_text("ascii")) | change
    again = (
        "card",
        "import",
        lines(site, json.dumps(line)),
        "--issuer",
        issuer,
        "--skip-known",
        "-o",
        "json",
    )
    result = site.done(*again)
    expected = {"imported": 0, "already_known": 0 if told else 1, "conflicts": 1 if told else 0}
    assert result.json == {"issuer": issuer, **expected}
    assert told in result.err
    assert ("1 cards are on record otherwise" in result.err) is bool(told)


def test_a_key_set_on_record_that_does_not_open_is_another_one(site: Site) -> None:
    path = manifest(site, CARD)
    site.done("card", "import", path, "--issuer", "maker")
    with store_of(site) as store:
        (keys,) = store.delivery.card_keys(CARD)
        other = keys.wrapped[:-1] + bytes([keys.wrapped[-1] ^ 1])
        store.delivery.rewrap_card_keys([Rewrap(CARD, keys.kvn, keys.wrapped, other, keys.master_version)])
        store.flush()
    result = site.done("card", "import", path, "--issuer", "maker", "--skip-known", "-o", "json")
    assert (result.one("conflicts"), "with another: key set\n" in result.err) == (1, True)


def test_a_card_with_keys_of_ours_is_known_whatever_its_issuer_s_were(site: Site) -> None:
    take(site, CARD)
    renewed(site, CARD, CardKeyState.CURRENT)
    result = site.done(
        "card", "import", manifest(site, CARD), "--issuer", "maker", "--skip-known", "-o", "json"
    )
    assert result.json == {"issuer": "maker", "imported": 0, "already_known": 1, "conflicts": 0}


def test_what_kept_nothing_does_not_say_that_a_run_goes_on(site: Site) -> None:
    take(site, CARD)
    result = site("card", "import", manifest(site, CARD), "--issuer", "maker")
    assert (result.code, "no card was kept" in result.err) == (6, True)


def test_ctrl_c_keeps_what_was_kept_and_says_how_much(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_taking, "SLICE", 2)

    def pressed(so_far: int, _count: int) -> None:
        if so_far == 4:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(card_import, "_tell", pressed)
    path = manifest(site, *many(1, 2, 3, 4, 5))
    result = site("card", "import", path, "--issuer", "maker")
    assert (result.code, "kept are 4 cards" in result.err) == (130, True)
    assert sorted(cards_of(site)) == many(1, 2, 3, 4)
    monkeypatch.setattr(card_import, "_tell", lambda *_: None)
    again = site.done("card", "import", path, "--issuer", "maker", "--skip-known", "-o", "json").json
    assert (again["imported"], again["already_known"]) == (1, 4)


def test_without_its_master_key_nothing_is_kept(site: Site) -> None:
    (site.folder / "master.key").unlink()
    result = site("card", "import", manifest(site, CARD), "--issuer", "maker")
    assert result.code == 2
    assert "[master-file-missing]" in result.err


# --- no key comes out ---


def test_the_octets_of_a_manifest_are_nowhere_but_in_it(site: Site) -> None:
    path = manifest(site, *many(1, 2), mode=0o600)
    members = [json.loads(line) for line in path.read_text("ascii").splitlines()]
    keys = [bytes.fromhex(each[name]) for each in members for name in ("enc", "mac", "dek")]
    put(site, 1, D.REGISTERED)
    broken = {**members[0], "dek": members[0]["dek"] + "00"}
    said = [
        site("card", "import", lines(site, json.dumps(broken), name="broken"), "--issuer", "maker"),
        site("card", "import", lines(site, json.dumps(members[0])[:-1], name="cut"), "--issuer", "maker"),
        site("card", "import", path, "--issuer", "maker"),
        site("card", "import", path, "--issuer", "maker"),
        site("card", "list", "-o", "json"),
        site("card", "show", HEX),
        site("card", "show", HEX, "-o", "json"),
        site("card", "inventory", HEX),
        site("audit", "list", "-o", "json"),
        site("device", "show", device_id(1), "-o", "json"),
    ]
    files = {
        each.name: each.read_bytes()
        for each in site.folder.iterdir()
        if each.is_file() and each.name not in {path.name, "broken", "cut"}
    }
    assert "gateway.db" in files
    files |= {f"output {number}": (each.out + each.err).encode() for number, each in enumerate(said)}
    for key in keys:
        for spelling in (key, key.hex().encode(), key.hex().upper().encode(), b64encode(key)[:20]):
            assert [name for name, octets in files.items() if spelling in octets] == []


# --- list, show, forget ---


def test_cards_are_listed_in_order_and_counted(site: Site) -> None:
    take(site, *many(3, 1, 2))
    site.done("card", "import", manifest(site, *many(4)), "--issuer", "others")
    rows = site.done("card", "list", "-o", "json").json
    assert [bytes.fromhex(row["app_se"]) for row in rows] == many(1, 2, 3, 4)
    assert len(site.done("card", "list", "--issuer", "maker", "-o", "json").json) == 3
    assert len(site.done("card", "list", "--limit", "2", "-o", "json").json) == 2


def test_a_card_shows_its_keys_by_number_its_device_and_what_it_holds(site: Site) -> None:
    take(site, CARD)
    device = put(site, 1, D.REGISTERED)
    renewed(site, CARD, CardKeyState.CURRENT)
    contents = (CardContent("application", b"\xf0" * 9, 0x07, b"\x00"),)
    with store_of(site) as store:
        store.delivery.keep_inventory(Inventory(CARD, contents, 4711, NOW, ("domain", "load-file")))
        store.flush()
    shown = site.done("card", "show", HEX, "-o", "json").json
    assert (shown["device"], shown["protocol"], shown["free_memory"]) == (device, "70", 4711)
    assert shown["not_vouched_for"] == "domain, load-file"
    assert [(each["kvn"], each["state"], each["master_version"]) for each in shown["keys"]] == [
        (0x31, "current", 1),
        (48, "retired", None),
    ]
    assert [(each["kind"], each["aid"], each["life_cycle"]) for each in shown["contents"]] == [
        ("application", "F0" * 9, "07")
    ]
    table = site.done("card", "show", HEX).out
    assert "F0F0F0" in table
    assert site("card", "show", "00" * 8).code == 4
    assert site("card", "show", "xyz").code == 2


@pytest.mark.parametrize(
    ("state", "says"),
    [(None, "manifest"), (CardKeyState.PENDING, "nobody else"), (CardKeyState.CURRENT, "nobody else")],
)
def test_forgetting_asks_and_warns_of_keys_that_only_we_have(
    site: Site, state: CardKeyState | None, says: str
) -> None:
    take(site, CARD)
    if state is not None:
        renewed(site, CARD, state)
    result = site("card", "forget", HEX)
    assert (result.code, says in result.err, cards_of(site)) == (130, True, [CARD])
    site.done("card", "forget", HEX, "--yes", "--reason", "destroyed")
    assert cards_of(site) == []
    (entry,) = audited(site, "card.forget")
    assert (entry.subject, entry.reason) == (HEX, "destroyed")
    assert site("card", "forget", HEX, "--yes").code == 4
    assert audited(site, "card.forget")[-1].outcome == "refused"


# --- the key that cards verify load files with ---


def dap_keys(site: Site) -> list[bytes]:
    with store_of(site) as store:
        return [each.dap_key for each in store.delivery.cards()]


def test_a_key_that_the_issuer_replaced_is_told_card_by_card(site: Site) -> None:
    take(site, *many(1, 2))
    told = site.done("card", "dap-key", HEX, "--key-id", "01" * 8, "--reason", "ticket 7").out
    assert told.startswith("1 of 1 cards verify with key 0101010101010101")
    assert dap_keys(site) == [b"\x01" * 8, b""]
    (entry,) = audited(site, "card.dap-key")
    assert (entry.subject, entry.reason) == (HEX, "ticket 7")
    assert dict(entry.facts)["key"] == "01" * 8
    assert "0 of 1 cards" in site.done("card", "dap-key", HEX, "--key-id", "01" * 8).out
    assert len(audited(site, "card.dap-key")) == 1


def test_all_cards_of_an_issuer_get_the_key_of_a_certificate_in_slices(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_show, "SLICE", 2)
    configure(site)
    take(site, *many(1, 2, 3))
    site.done("card", "import", manifest(site, *many(4)), "--issuer", "other")
    certificate = site.folder / "pki" / "application-signing.pem"
    result = site.done("card", "dap-key", "--issuer", "maker", "--certificate", certificate)
    assert ("3 of 3 cards" in result.out, "2 cards looked at, 2 changed" in result.err) == (True, True)
    key_id = key_id_of(application_key(present_certificate(site.config).public_key()))
    assert dap_keys(site) == [key_id] * 3 + [b""]
    assert len(audited(site, "card.dap-key")) == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((HEX,), 2),
        (("--key-id", "01" * 8), 2),
        ((HEX, "--issuer", "maker", "--key-id", "01" * 8), 2),
        ((HEX, "--key-id", "01" * 7), 2),
        ((HEX, "--key-id", "xy"), 2),
        ((HEX, "--key-id", "01" * 8, "--certificate", "x.pem"), 2),
        ((HEX, "0f" * 8, "--key-id", "01" * 8), 4),
        (("--issuer", "nobody", "--key-id", "01" * 8), 4),
    ],
)
def test_which_cards_and_which_key_is_said_once_and_all_or_none_is_changed(
    site: Site, arguments: tuple[str, ...], code: int
) -> None:
    take(site, CARD)
    assert site("card", "dap-key", *arguments).code == code
    assert dap_keys(site) == [b""]


# --- jobs ---


@pytest.mark.parametrize(
    ("command", "kind"), [("inventory", JobKind.INVENTORY), ("renew-keys", JobKind.RENEW_KEYS)]
)
def test_a_job_is_queued_for_the_card_of_a_device_once(site: Site, command: str, kind: JobKind) -> None:
    configure(site)
    take(site, CARD)
    device = put(site, 1, D.ACTIVE)
    result = site.done("card", command, HEX, "--reason", "audit", "-o", "json")
    assert "when its agent comes next" in result.err
    with store_of(site) as store:
        (job,) = store.delivery.jobs(device)
    assert (job.kind, job.state, job.reason, job.digest) == (kind, JobState.QUEUED, "audit", b"")
    assert result.json[0]["job"] == job.job_id.hex()
    again = site("card", command, "--device", device)
    assert (again.code, "[already-known]" in again.err) == (6, True)
    entries = audited(site, "job.queue")
    assert [(each.subject, each.outcome) for each in entries] == [(device, "done"), (device, "refused")]


def test_a_job_needs_a_card_that_is_known_and_a_device_that_has_it(site: Site) -> None:
    take(site, *many(1, 2, 3))
    put(site, 4, D.REGISTERED)  # its card was not imported
    put(site, 5, D.KEYED)  # has not registered
    ended = put(site, 3, D.TERMINATED)
    wrong = (HEX, many(9)[0].hex())
    for app_se in wrong:
        assert site("card", "inventory", app_se).code == 4, app_se
    for device in (device_id(4), device_id(5), device_id(6), ended):
        assert site("card", "inventory", "--device", device).code == 4, device
    entries = audited(site, "job.queue")
    assert [each.outcome for each in entries] == ["refused"] * 6
    assert [each.subject for each in entries[:3]] == [*wrong, device_id(4)]


@pytest.mark.parametrize("arguments", [(), (HEX, "--device", device_id(1))])
def test_which_card_is_said_once(site: Site, arguments: tuple[str, ...]) -> None:
    take(site, CARD)
    assert site("card", "inventory", *arguments).code == 2


def test_without_channel_2_it_says_that_nobody_comes(site: Site) -> None:
    take(site, CARD)
    put(site, 1, D.ACTIVE)
    assert "nothing is delivered before" in site.done("card", "inventory", HEX).err


def test_a_card_imported_from_a_virtual_cards_line_is_its_own(site: Site, tmp_path: Path) -> None:
    printed = site.done("virtual", "card", "--new", "--file", tmp_path / "card.json").out
    path = lines(site, printed.strip(), name="line")
    site.done("card", "import", path, "--issuer", "maker")
    (found,) = cards_of(site)
    assert found.hex() == json.loads(printed)["app_se"]


@pytest.mark.parametrize("words", [("store", "check"), ("doctor",)])
def test_an_inventory_in_another_form_is_told_by_what_diagnoses(site: Site, words: tuple[str, ...]) -> None:
    configure(site)
    take(site, CARD)
    contents = json.dumps([["application", "aa", 7, "00"]])
    row = sealed(CARD, contents, None, NOW)
    with store_of(site) as store:
        store.delivery.keep_inventory(Inventory(CARD, (), None, NOW))
        store.flush()
    with closing(sqlite3.connect(site.folder / "gateway.db")) as connection, connection:
        connection.execute("UPDATE card_inventory SET contents = ?, crc = ?", (contents, row[-1]))
    result = site(*words)
    assert "in a form that this version does not read" in result.out + result.err
    assert result.code != 0
