"""The master key's file on a real disk: who may read it, what it may hold, what a crash leaves."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tsm_gateway.keys.errors import (
    MasterCredentialMissing,
    MasterFileBusy,
    MasterFileExists,
    MasterFileExposed,
    MasterFileForeign,
    MasterFileGarbled,
    MasterFileIndirect,
    MasterFileMissing,
    MasterFileUnreadable,
    MasterReferenceInvalid,
)
from tsm_gateway.keys.master_store import MAX_FILE, add_master_version, init_master, read_master
from tsm_gateway.keys.wrap import MasterKey
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

RANDOM = bytes(range(100, 132))
MORE = bytes(range(200, 232))
NOBODY = 65_534
ROOT = Path(__file__).parents[2]  # where the package is imported from


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "master.key"
    init_master(made, RANDOM)
    return made


def read(path: Path) -> list[tuple[int, bytes]]:
    masters = read_master(f"file:{path}")
    return [(number, masters.version(number).key.reveal()) for number in masters.versions()]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def line(version: int, octets: bytes) -> str:
    key = urlsafe_b64encode(octets).decode().rstrip("=")
    return f"{version} {key} {MasterKey(version, Secret(octets)).check_value()}\n"


def test_a_new_file_holds_version_1_and_is_closed_to_others(path: Path) -> None:
    assert read(path) == [(1, RANDOM)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == f"tsm-master-key 1\n{line(1, RANDOM)}"


def test_the_umask_neither_opens_nor_closes_the_file(tmp_path: Path) -> None:
    for umask in (0o000, 0o777):
        before = os.umask(umask)
        try:
            init_master(tmp_path / f"key-{umask}", RANDOM)
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / f"key-{umask}").stat().st_mode) == 0o600


def test_a_version_is_added_and_becomes_the_current_one(path: Path) -> None:
    assert add_master_version(path, MORE).version == 2
    assert read(path) == [(1, RANDOM), (2, MORE)]
    assert read_master(f"file:{path}").current.version == 2
    assert names(path.parent) == [path.name]


def test_adding_keeps_a_read_only_file_read_only(path: Path) -> None:
    path.chmod(0o400)
    add_master_version(path, MORE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_adding_leaves_the_file_to_its_user(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may add to the file of the gateway's user, who must still be able to read it."""
    owner = NOBODY if os.geteuid() == 0 else os.geteuid()
    os.chown(path, owner, -1)
    monkeypatch.setattr(os, "geteuid", lambda: owner)
    add_master_version(path, MORE)
    assert path.stat().st_uid == owner


def test_a_file_that_exists_is_never_overwritten(path: Path) -> None:
    with pytest.raises(MasterFileExists):
        init_master(path, MORE)
    assert read(path) == [(1, RANDOM)]
    assert names(path.parent) == [path.name]


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_makes_no_file(tmp_path: Path, length: int) -> None:
    with pytest.raises(ValueError, match="32 octets"):
        init_master(tmp_path / "master.key", bytes(length))
    assert names(tmp_path) == []


def test_an_addition_of_another_length_leaves_the_file_as_it_was(path: Path) -> None:
    with pytest.raises(ValueError, match="32 octets"):
        add_master_version(path, bytes(31))
    assert read(path) == [(1, RANDOM)]
    assert names(path.parent) == [path.name]


def test_two_changes_at_once_are_kept_apart(path: Path) -> None:
    path.with_name("master.key.new").touch()
    for change in (add_master_version, init_master):
        with pytest.raises(MasterFileBusy) as caught:
            change(path, MORE)
        assert caught.value.facts == {"path": f"{path}.new"}
    assert read(path) == [(1, RANDOM)]


def test_a_change_that_begins_when_another_is_in_place_is_not_swept_away(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def renamed(self: Path, target: Path) -> Path:
        put = rename(self, target)
        self.touch()  # the next change holds the name at once
        return put

    monkeypatch.setattr(Path, "rename", renamed)
    add_master_version(path, MORE)
    assert sorted(names(path.parent)) == [path.name, f"{path.name}.new"]
    assert read(path) == [(1, RANDOM), (2, MORE)]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o660, 0o700, 0o644, 0o4600])
def test_a_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(MasterFileExposed, match="chmod 600"):
        read(path)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_closed_to_others_is_read(path: Path, mode: int) -> None:
    path.chmod(mode)
    assert read(path) == [(1, RANDOM)]


def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(path, NOBODY, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    with pytest.raises(MasterFileForeign, match="chown"):
        read(path)


def test_a_file_the_system_does_not_let_us_read_says_whose_it_should_be(path: Path) -> None:
    """In a process of its own, for a user id once given up does not come back."""
    path.chmod(0)
    program = (
        "import os, sys\n"
        "from tsm_gateway.keys.errors import MasterFileForeign\n"
        "from tsm_gateway.keys.master_store import read_master\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try: read_master('file:' + sys.argv[1])\n"
        "except MasterFileForeign: print('foreign')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout == "foreign\n"


@pytest.mark.parametrize("kind", ["link", "directory", "fifo"])
def test_a_path_that_is_no_regular_file_is_refused(path: Path, kind: str) -> None:
    other = path.with_name("other")
    make: dict[str, Callable[[], None]] = {
        "link": lambda: other.symlink_to(path),
        "directory": lambda: other.mkdir(mode=0o700),
        "fifo": lambda: os.mkfifo(other, 0o600),
    }
    make[kind]()
    with pytest.raises(MasterFileIndirect, match="regular file"):
        read(other)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(MasterFileMissing, match="key init"):
        read(tmp_path / "absent")
    with pytest.raises(MasterFileMissing):
        add_master_version(tmp_path / "absent", MORE)
    assert names(tmp_path) == []


def test_a_missing_folder_is_the_systems_error_not_a_missing_key(tmp_path: Path) -> None:
    with pytest.raises(MasterFileUnreadable) as caught:
        init_master(tmp_path / "absent" / "master.key", RANDOM)
    assert caught.value.facts["errno"] == 2


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", 1),
        ("tsm-master-key 1", 1),
        ("tsm-master-key 1\n", 2),
        ("tsm-master-key 2\n" + line(1, RANDOM), 1),
        ("TSM-MASTER-KEY 1\n" + line(1, RANDOM), 1),
        (line(1, RANDOM), 1),
        ("\ntsm-master-key 1\n" + line(1, RANDOM), 1),
        ("tsm-master-key 1\r\n" + line(1, RANDOM), 1),
        ("tsm-master-key 1\n" + line(1, RANDOM)[:-1], 2),
        ("tsm-master-key 1\n" + line(1, RANDOM)[:-2] + "\n", 2),
        ("tsm-master-key 1\n" + line(1, RANDOM)[:30], 2),
        ("tsm-master-key 1\n\n" + line(1, RANDOM), 2),
        ("tsm-master-key 1\n" + line(1, RANDOM) + "\n", 3),
        ("tsm-master-key 1\n" + line(1, RANDOM) + line(2, MORE)[:20], 3),
        ("tsm-master-key 1\n" + line(1, RANDOM) + line(1, MORE), 3),
        ("tsm-master-key 1\n" + line(2, RANDOM) + line(1, MORE), 3),
        ("tsm-master-key 1\n" + line(0, RANDOM), 2),
        ("tsm-master-key 1\n" + line(-1, RANDOM), 2),
        ("tsm-master-key 1\n0" + line(1, RANDOM), 2),
        ("tsm-master-key 1\n+" + line(1, RANDOM), 2),
        ("tsm-master-key 1\n" + line(1, RANDOM).replace("ZGVm", "ZGVn"), 2),
        ("tsm-master-key 1\n" + line(1, RANDOM).replace(" ", "  ", 1), 2),
        ("tsm-master-key 1\n" + line(1, RANDOM).replace(" ", " =", 1), 2),
        ("tsm-master-key 1\n" + line(1, RANDOM).upper(), 2),
        ("tsm-master-key 1\n" + line(1, RANDOM).removesuffix("\n") + " x\n", 2),
        ("tsm-master-key 1\n1 é\n", 2),
        ("tsm-master-key 1\n" + "9" * 5000 + line(1, RANDOM), 2),
        ("tsm-master-key 1\n" + line(1, RANDOM) + "\n" * MAX_FILE, 1),
    ],
)
def test_a_garbled_file_is_refused_with_its_line_and_without_its_key(path: Path, text: str, at: int) -> None:
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(MasterFileGarbled, match="backup") as caught:
        read(path)
    assert caught.value.facts == {"path": str(path), "line": at}
    assert "ZGVm" not in str(caught.value)


def test_every_flipped_bit_of_the_file_is_found(path: Path) -> None:
    """A bit of the key shows in its check value; a bit of the version in the line's spelling or order."""
    octets = path.read_bytes()
    taken = []
    for bit in range(len(octets) * 8):
        altered = bytearray(octets)
        altered[bit // 8] ^= 1 << bit % 8
        path.write_bytes(altered)
        try:
            taken.append(read(path))
        except MasterFileGarbled:
            continue
    assert {number for versions in taken for number, _ in versions} <= {3, 5, 9}  # "1" as another digit
    assert all(octets == RANDOM for versions in taken for _, octets in versions)


@pytest.mark.parametrize(
    "reference",
    [
        *("", "file", "file:", "file:relative/path", "/absolute", "env:NAME", "FILE:/x"),
        *("credential:", "credential:..", "credential:.", "credential:a/b", "credential:/etc/passwd"),
    ],
)
def test_a_reference_of_another_form_is_refused(reference: str) -> None:
    with pytest.raises(MasterReferenceInvalid):
        read_master(reference)


def test_a_credential_is_read_from_the_service_managers_folder(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.chmod(0o440)  # as the service manager hands it out, with an access list for the user
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(path.parent))
    assert read_master(f"credential:{path.name}").current.key == Secret(RANDOM)


@pytest.mark.parametrize("directory", [None, "", "here"])
def test_a_missing_credential_says_what_the_unit_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str | None
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if directory is not None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", directory and str(tmp_path))
    with pytest.raises(MasterCredentialMissing, match="LoadCredential") as caught:
        read_master("credential:tsm-master")
    assert caught.value.facts == {"name": "tsm-master"}


def test_a_garbled_credential_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tsm-master").write_bytes(b"\x00" * 48)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(MasterFileGarbled):
        read_master("credential:tsm-master")


def killed_at(step: int, change: str, path: Path) -> bool:
    """Change in a process that dies at its `step`-th system call; True once it got through."""
    program = f"""
import os, sys
from pathlib import Path
from tsm_gateway.keys import master_store
left = [{step}]
def dying(call):
    def wrapped(*given, **named):
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)
        return call(*given, **named)
    return wrapped
for name in ("open", "close", "fchmod", "fchown", "fsync", "link", "rename", "unlink"):
    setattr(os, name, dying(getattr(os, name)))
master_store.{change}(Path({str(path)!r}), bytes(range(200, 232)))
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=30, check=False, cwd=ROOT)
    assert done.returncode in (0, 9)
    return done.returncode == 0


@pytest.mark.parametrize(
    ("change", "afterwards"), [("init_master", []), ("add_master_version", [(1, RANDOM)])]
)
def test_a_crash_at_any_step_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, change: str, afterwards: list[tuple[int, bytes]]
) -> None:
    whole = [*afterwards, (len(afterwards) + 1, MORE)]
    for step in range(40):
        folder = tmp_path / str(step)
        folder.mkdir()
        path = folder / "master.key"
        if afterwards:
            init_master(path, RANDOM)
        through = killed_at(step, change, path)
        found = read(path) if path.exists() else []
        assert found == whole if through else found in (afterwards, whole)
        if through:
            assert names(folder) == [path.name]
            break
    else:
        pytest.fail("the change never got through")


@pytest.mark.parametrize(("change", "placed"), [(init_master, "link"), (add_master_version, "rename")])
def test_the_file_is_synced_before_it_is_placed_and_its_folder_after(
    tmp_path: Path, change: Callable[[Path, bytes], object], placed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "master.key"
    if placed == "rename":
        init_master(path, RANDOM)
    fsync, place = os.fsync, getattr(os, placed)
    steps: list[str] = []

    def synced(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def put(*paths: Path) -> None:
        steps.append(placed)
        place(*paths)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, placed, put)
    change(path, MORE)
    assert steps == ["file", placed, "folder"]


@pytest.mark.parametrize("failing", ["fsync", "fchmod", "link"])
def test_a_failing_disk_leaves_nothing_and_says_so(
    tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(MasterFileUnreadable) as caught:
        init_master(tmp_path / "master.key", RANDOM)
    assert caught.value.facts["errno"] == 5
    assert names(tmp_path) == []
