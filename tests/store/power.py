"""A disk whose power can be cut: ext4 on a loop device, shut down without flushing what was not synced.

`FS_IOC_SHUTDOWN` with NOLOGFLUSH (linux/ext4: EXT4_GOING_FLAGS_NOLOGFLUSH) stops all IO at once: what was
fsynced is on the image, what only sat in the page cache is not. Needs root.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.store.history import History, lost_of
from tests.store.samples import open_store
from tsm_gateway.errors import TsmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Wait = Callable[[Callable[[], object], str], None]

ROOT = Path(__file__).parents[2]
FS_IOC_SHUTDOWN = 0x8004587D
NOLOGFLUSH = 2
DISK_MIB = 64


class Cut(NamedTuple):
    """What one power cut did."""

    told: int  # facts acknowledged before it
    lost: list[str]
    faults: list[str]  # what `store check` says after it


class Disk:
    """An ext4 image and where it is mounted."""

    def __init__(self, image: Path, mounted_at: Path) -> None:
        self._image, self.path = image, mounted_at

    def mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", self._image, self.path], check=True)

    def cut_power(self) -> None:
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        subprocess.run(["umount", self.path], check=True)


@contextmanager
def disk_in(folder: Path) -> Iterator[Disk]:
    """A fresh disk, mounted."""
    image, mounted_at = folder / "disk.img", folder / "disk"
    mounted_at.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_MIB << 20)
    subprocess.run(["mkfs.ext4", "-qF", image], check=True)
    disk = Disk(image, mounted_at)
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()


def cut_once(folder: Path, populated: Path, facts: int, wait: Wait, *, loose: bool = False) -> Cut:
    """Let a writer run on a disk of its own until it told `facts`, cut the power, and look at what is left.

    The acknowledgements are kept on another disk, as the radio would.
    """
    folder.mkdir()
    acks = folder / "acks"
    acks.touch()
    with disk_in(folder) as disk:
        shutil.copytree(populated, disk.path / "store")
        os.sync()
        command = [sys.executable, "-m", "tests.store.writer", str(disk.path / "store"), str(acks), "--lives"]
        writer = subprocess.Popen([*command, *(["--loose"] if loose else [])], cwd=ROOT)
        try:
            wait(lambda: acks.read_bytes().count(b"\n") > facts or writer.poll() is not None, "some facts")
            # What is told from here on does not count: a power cut would have taken the radio, too, while
            # this one lets an fdatasync that is under way return 0 although its journal is aborted.
            told = acks.read_text().rpartition("\n")[0]
            disk.cut_power()
            writer.wait(20)
        finally:
            writer.kill()
            writer.wait()
        disk.unmount()
        disk.mount()
        history = History.read(told)
        lost = lost_of(history, disk.path / "store" / "gateway.db")
        return Cut(sum(map(len, history.facts.values())), lost, _faults(disk.path / "store"))


def _faults(folder: Path) -> list[str]:
    try:
        store = open_store(folder)
    except TsmError as error:  # the mark survived, what it speaks of did not
        return [str(error)]
    try:
        return store.check()
    finally:
        store.close()
