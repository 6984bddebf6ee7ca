"""What the second channel and operators ask of applications, cards and jobs; as of the last commit.

What is asked of one thing raises RowDamaged for a row whose checksum does not hold. Lists of jobs, and pages
of many things, pass such rows over and count them, so that one damaged row stops one device and not all;
`store check` names them. Besides, StoreBusy or StoreBroken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.registry.application import InstallState
from tsm_gateway.registry.card import CardKeyState
from tsm_gateway.registry.errors import NotKnown
from tsm_gateway.registry.job import JobKind, JobState
from tsm_gateway.store.connection_store import reading
from tsm_gateway.store.delivery_rows import (
    read_application,
    read_card,
    read_card_keys,
    read_installed,
    read_inventory,
    read_job,
    read_load_file,
    read_rule,
    read_signature,
)
from tsm_gateway.store.delivery_statements import (
    COUNT_DAP_KEYS,
    COUNT_FAILED_JOBS,
    COUNT_INSTALLED,
    COUNT_OPEN_JOBS,
    COUNT_STANDING,
    FIND_APPLICATION,
    FIND_BY_DIGEST,
    FIND_CARD,
    FIND_INVENTORY,
    FIND_JOB,
    FIND_LOAD_FILE,
    LIST_ALL_CARD_KEYS,
    LIST_APPLICATIONS,
    LIST_CARD_KEYS,
    LIST_CARDS,
    LIST_INSTALLED,
    LIST_JOBS_OF,
    LIST_OPEN_JOBS,
    LIST_OPEN_JOBS_OF,
    LIST_RULES,
    LIST_RULES_FOR,
    LIST_SIGNATURES,
)
from tsm_gateway.store.provisioning_rows import read_claim, read_element, read_registration
from tsm_gateway.store.provisioning_statements import FIND_CLAIM, FIND_ELEMENT, FIND_REGISTRATION
from tsm_gateway.store.registry_rows import RowDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import Any, TypeVar

    from tsm_gateway.registry.application import (
        Application,
        ApplicationSignature,
        DeviceApplication,
        Rule,
        Version,
    )
    from tsm_gateway.registry.card import Card, CardKeySet, Inventory
    from tsm_gateway.registry.job import Job
    from tsm_gateway.store.connection_store import Reader
    from tsm_gateway.store.failures import Health

    K = TypeVar("K")
    T = TypeVar("T")

FIRST_CARD_KEY: Final = (b"", 0)  # (app SE, key version number) ahead of all
KEYS_IN_ORDER: Final = (
    *(CardKeyState.PENDING, CardKeyState.CURRENT),
    *(CardKeyState.TRANSPORT, CardKeyState.RETIRED),
)
KINDS_IN_ORDER: Final = (  # of jobs that were made at once: first what the others build on
    *(JobKind.RENEW_KEYS, JobKind.REMOVE, JobKind.INSTALL),
    *(JobKind.PERSONALISE, JobKind.INVENTORY),
)


class DeliveryReads:
    """The reading half of `DeliveryStore`."""

    def __init__(self, people: Reader, path: Path, health: Health) -> None:
        """Read through `people`; long looks use a connection of their own to the database at `path`."""
        self._people, self._path, self._health = people, path, health
        self.damaged = 0  # rows passed over

    # --- applications ---

    def applications(self) -> list[Application]:
        """All that was published, by name, the newest version first."""
        return [read_application(row) for row in self._people.rows(LIST_APPLICATIONS)]

    def application(self, name: str, version: Version) -> Application | None:
        """One version of an application."""
        return self._one(FIND_APPLICATION, (name, *version), read_application)

    def by_digest(self, digest: bytes) -> Application | None:
        """The application whose load file data block has that SHA-256."""
        return self._one(FIND_BY_DIGEST, (digest,), read_application)

    def load_file(self, digest: bytes) -> bytes:
        """The load file data block with that SHA-256. Raises NotKnown."""
        octets = self._one(FIND_LOAD_FILE, (digest,), read_load_file)
        if octets is None:
            raise NotKnown(what="load file", digest=digest.hex())
        return octets

    def signatures(self, digest: bytes) -> list[ApplicationSignature]:
        """The signatures over a load file, the newest first."""
        found = [read_signature(row) for row in self._people.rows(LIST_SIGNATURES, (digest,))]
        return sorted(found, key=lambda each: each.signed_at, reverse=True)

    def rules(self) -> list[Rule]:
        """Every rule, by scope, subject and application."""
        return [read_rule(row) for row in self._people.rows(LIST_RULES)]

    def rules_for(self, device_id: str, issuer: str) -> list[Rule]:
        """The rules that a device of that issuer comes under, however many there are for others."""
        return [read_rule(row) for row in self._people.rows(LIST_RULES_FOR, (device_id, issuer))]

    def on_device(self, device_id: str) -> list[DeviceApplication]:
        """What a device has, had or is to have, by name."""
        return [read_installed(row) for row in self._people.rows(LIST_INSTALLED, (device_id,))]

    def installed_counts(self) -> dict[tuple[str, str], int]:
        """(name, version as text) -> on how many live devices it is INSTALLED.

        From any thread, blocking: every device is looked at.
        """
        with reading(self._path, self._health) as reader:
            return {(name, version): count for name, version, count in reader.rows(COUNT_INSTALLED)}

    def standing_counts(self) -> dict[tuple[str, str, InstallState], int]:
        """(name, version as text, state) -> on how many live devices it stands there.

        From any thread, blocking: every device is looked at.
        """
        with reading(self._path, self._health) as reader:
            rows = reader.rows(COUNT_STANDING)
        return {(name, version, InstallState(state)): count for name, version, state, count in rows}

    # --- cards ---

    def owner_of(self, app_se: bytes) -> str | None:
        """The id of the device that is registered with that app SE; None when none is."""
        claim = self._one(FIND_CLAIM, (app_se,), read_claim)
        return claim[0] if claim is not None and claim[1] == app_se else None

    def app_se_of(self, device_id: str) -> bytes | None:
        """The app SE that a device is registered with (8..32 octets); None without one, or when freed."""
        with self._people.snapshot():
            known = self._one(FIND_REGISTRATION, (device_id,), read_registration)
            if known is None:
                return None
            claimed = self._one(FIND_ELEMENT, (known.app_se,), read_element)
        return known.app_se if claimed is not None and claimed[1] == device_id else None

    def card(self, app_se: bytes) -> Card | None:
        """One card by its app SE id."""
        return self._one(FIND_CARD, (app_se,), read_card)

    def cards(self, *, after: bytes = b"", limit: int = 1000) -> list[Card]:
        """Cards by app SE id, those behind `after`."""

        def behind(last: bytes) -> list[Any]:
            return self._people.rows(LIST_CARDS, (last, limit))

        return self._page(behind, lambda row: row[0], read_card, after, limit)

    def dap_key_counts(self) -> dict[bytes, int]:
        """Key id (8 octets; empty = the gateway's present key) -> how many cards verify load files with it.

        From any thread, blocking: every card is looked at.
        """
        with reading(self._path, self._health) as reader:
            return dict(reader.rows(COUNT_DAP_KEYS))

    def card_keys(self, app_se: bytes) -> list[CardKeySet]:
        """The key sets of a card, newest first: PENDING, CURRENT, TRANSPORT, RETIRED."""
        found = [read_card_keys(row) for row in self._people.rows(LIST_CARD_KEYS, (app_se,))]
        return sorted(found, key=lambda each: (KEYS_IN_ORDER.index(each.state), -each.created_at))

    def all_card_keys(
        self, *, after: tuple[bytes, int] = FIRST_CARD_KEY, limit: int = 1000
    ) -> list[CardKeySet]:
        """Key sets that have octets, by app SE id and key version number, those behind `after`.

        For rewrapping: raises RowDamaged.
        """
        return [read_card_keys(row) for row in self._people.rows(LIST_ALL_CARD_KEYS, (*after, limit))]

    def inventory(self, app_se: bytes) -> Inventory | None:
        """What a card said when it was asked last."""
        return self._one(FIND_INVENTORY, (app_se,), read_inventory)

    # --- jobs ---

    def job(self, job_id: bytes) -> Job | None:
        """One job by its id (8 octets)."""
        return self._one(FIND_JOB, (job_id,), read_job)

    def jobs(self, device_id: str, *, open_only: bool = False) -> list[Job]:
        """The jobs of a device, in the order in which they are to be done; damaged ones are passed over."""
        sql = LIST_OPEN_JOBS_OF if open_only else LIST_JOBS_OF
        return sorted(self._sound(self._people.rows(sql, (device_id,)), read_job), key=_turn)

    def open_jobs(self, *, after: bytes = b"", limit: int = 1000) -> list[Job]:
        """Jobs of all devices that are QUEUED or ACTIVE, by id, those behind `after`."""

        def behind(last: bytes) -> list[Any]:
            return self._people.rows(LIST_OPEN_JOBS, (last, limit))

        return self._page(behind, lambda row: row[0], read_job, after, limit)

    def count_jobs(self) -> tuple[int, int]:
        """How many jobs are QUEUED, how many ACTIVE; from any thread, blocking."""
        with reading(self._path, self._health) as reader:
            counts = dict(reader.rows(COUNT_OPEN_JOBS))
        return counts.get(JobState.QUEUED.value, 0), counts.get(JobState.ACTIVE.value, 0)

    def failed_jobs(self, *, since: int) -> dict[tuple[JobKind, str], int]:
        """(kind, reason) -> how many jobs failed so since Unix second `since`, of those that are still kept.

        From any thread, blocking; along the index of closed jobs by age.
        """
        with reading(self._path, self._health) as reader:
            rows = reader.rows(COUNT_FAILED_JOBS, (since,))
        return {(JobKind(kind), reason): count for kind, reason, count in rows}

    # --- all ---

    def _one(self, sql: str, key: tuple[object, ...], read: Callable[[Any], T]) -> T | None:
        row = self._people.row(sql, key)
        return None if row is None else read(row)

    def _page(
        self,
        behind: Callable[[K], list[Any]],
        place: Callable[[Any], K],
        read: Callable[[Any], T],
        after: K,
        limit: int,
    ) -> list[T]:
        """`limit` records, or all there are, however many rows among them are damaged."""
        found: list[T] = []
        while rows := behind(after):
            found += self._sound(rows, read)
            after = place(rows[-1])
            if len(rows) < limit or len(found) >= limit:
                break
        return found[:limit]

    def _sound(self, rows: Iterable[Any], read: Callable[[Any], T]) -> list[T]:
        """The records of the rows whose checksums hold."""
        found = []
        for row in rows:
            try:
                found.append(read(row))
            except RowDamaged:
                self.damaged += 1
        return found


def _turn(job: Job) -> tuple[int, int, bytes]:
    """Jobs are done in this order."""
    return job.created_at, KINDS_IN_ORDER.index(job.kind), job.job_id
