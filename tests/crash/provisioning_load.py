"""Phones that enrol without pause, many at a time, until they are told to stop."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.faults.premises import POLL_S
from tsm_gateway.virtual.errors import VirtualError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.premises import Phone, Premises

MOST = 2_000


class EnrolmentLoad:
    """Whoever was told "registered" is in `told`; whoever was cut off, in `cut`."""

    def __init__(self, premises: Premises, threads: int = 4) -> None:
        self._premises = premises
        self._threads = [
            threading.Thread(target=self._work, name=f"phones {number}") for number in range(threads)
        ]
        self._over = threading.Event()
        self.phones: list[Phone] = []
        self.told: list[Phone] = []
        self.refusals: list[str] = []  # of phones that were refused rather than cut off

    @property
    def cut(self) -> list[Phone]:
        return [phone for phone in self.phones if not phone.state]

    @contextmanager
    def going(self) -> Iterator[None]:
        """The phones enrol while this lasts."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    def _work(self) -> None:
        while not self._over.is_set() and len(self.phones) < MOST:
            phone = self._premises.phone()
            self.phones.append(phone)
            try:
                phone.enrol(hurried=True)
            except VirtualError as error:
                self.refusals.append(f"{error.code} {error.facts}")
                self._over.wait(POLL_S * 10)  # nobody hammers at a closed door
            else:
                self.told.append(phone)
