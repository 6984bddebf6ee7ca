"""The store on SQLite: one writing connection, group commit, fail-stop.

`SqliteStore` is the `relay.interfaces.Spool`; its `registry` is the `relay.interfaces.Registry`, its
`queue` what an operator sees, its `provisioning` what channel 1 asks and writes, its `delivery` what channel
2 does. The life of a batch:

| call | thread | after it |
|---|---|---|
| `stage` | event loop | written into the open transaction, seen by nobody else |
| `flush` | a worker | committed and fsynced: the radio may be answered |
| any of them raises | | the whole transaction is rolled back, nothing was promised |
| one raises StoreBroken | | every later call does: the process ends, its next start recovers |
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from tsm_gateway.errors import TsmError
from tsm_gateway.messages import Segment, Ticket
from tsm_gateway.registry.errors import AlreadyKnown
from tsm_gateway.relay.interfaces import Staged, StoredSegment, StoreFull
from tsm_gateway.store import (
    accept_store,
    claim_store,
    control_store,
    purge_store,
    receipt_store,
    resync_store,
)
from tsm_gateway.store.acts import STORE, Act, facts
from tsm_gateway.store.audit_store import append
from tsm_gateway.store.check_store import check_database
from tsm_gateway.store.connection_store import reading
from tsm_gateway.store.delivery_store import DeliveryStore
from tsm_gateway.store.dialect import in_chunks
from tsm_gateway.store.epoch_store import MarkKeeper
from tsm_gateway.store.files_store import free_octets
from tsm_gateway.store.key_store import retire_lapsed
from tsm_gateway.store.migrate_store import STORE_ID_OCTETS, copy_database
from tsm_gateway.store.move_store import move_messages
from tsm_gateway.store.open_store import Opened, locked, look_at_pages, open_database
from tsm_gateway.store.provisioning_store import ProvisioningStore
from tsm_gateway.store.purge_store import PurgeLimits
from tsm_gateway.store.queue_store import QueueStore
from tsm_gateway.store.registry_statements import STAMP_COPY
from tsm_gateway.store.registry_store import RegistryStore
from tsm_gateway.store.resync_store import Resynced
from tsm_gateway.store.statements import FIND_CTIS, READ_META, READ_SEGMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tsm_gateway.relay.interfaces import Batch, Outgoing, ReceiptOutcome
    from tsm_gateway.relay.states import MessageState


RESERVE: Final = 32 << 20  # octets; the log with its checkpoint stays below


class SqliteStore:
    """The durable store."""

    def __init__(self, path: Path, mark: Path, reserve: int, opened: Opened, actor: str) -> None:
        """Use `open` instead."""
        self._path, self._mark_path, self._reserve, self._opened = path, mark, reserve, opened
        self._health, self._writer, self._hot = opened.health, opened.writer, opened.hot
        self._keeper = None if opened.rolled_back else MarkKeeper(mark, opened.meta.store_id)
        self._aged_after = ""  # where the next slice of unmatched receipts begins
        self._actor = actor
        self.registry = RegistryStore(opened.writer, opened.hot, opened.people, opened.health, actor)
        self.provisioning = ProvisioningStore(opened.writer, opened.people, path, opened.health, actor)
        self.delivery = DeliveryStore(opened.writer, opened.people, path, opened.health, actor)
        self.queue = QueueStore(opened.writer, opened.people)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        mark: Path,
        exclusive: bool,
        accept_rollback: bool = False,
        reserve: int = RESERVE,
        actor: str = "unknown",
        patience_s: float | None = None,
    ) -> Self:
        """Open, create or upgrade the store at `path`; its epoch mark is the file `mark`.

        `exclusive` (the daemon): one process only, and a busy store raises StoreBusy at once instead of
        after 5 s. `accept_rollback` (`store resync` and `store check` only): open even when rolled back.
        `reserve`: octets of free disk below which nothing new is taken in, so that what is there gets out.
        `actor`: in whose name the audit log tells of writes. `patience_s`: how long a write waits for
        another process's, if not as long as `exclusive` says: 0 for an event loop that tries again.

        Raises StoreLocked (facts pid), StoreUnsafe, StoreUnreadable, SchemaNewer, StoreRolledBack,
        StoreFull, StoreBusy or StoreBroken.
        """
        opened = open_database(
            path, mark, exclusive=exclusive, accept_rollback=accept_rollback, patience_s=patience_s
        )
        store = cls(path, mark, reserve, opened, actor)
        try:
            store.mark()  # a mark that cannot be written is found at the start, not at the first rollback
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Roll back what was not flushed, write the mark and close; never raises for a broken store."""
        if not self._health.broken:
            with suppress(TsmError):  # the mark only stays a second behind
                self.mark()
        self._hot.close()
        self._opened.people.close()
        self._writer.close()  # last, so that it removes the log
        if self._opened.lock is not None:
            self._opened.lock.release()

    @property
    def generation(self) -> int:
        """How many writing transactions this process has seen committed."""
        return self._writer.generation

    @property
    def rolled_back(self) -> bool:
        """Whether the store was opened in spite of its mark and is not resynced yet."""
        return self._keeper is None

    # --- relay.interfaces.Spool ---

    def stage(self, batch: Batch) -> Staged:
        """See `relay.interfaces.Spool`.

        A batch with new payments, confirmations or parts raises StoreFull already while the disk has less
        than the reserve; one without still goes through.
        """
        with self._writer.transaction() as cursor:
            if (batch.acceptances or batch.journal or batch.controls) and self._tight():
                raise StoreFull(cause="reserve")
            accept_store.write_acceptances(cursor, batch.acceptances)
            accept_store.move_windows(cursor, batch.windows)
            accept_store.move_counters(cursor, batch.pivs)
            control_store.write_arrivals(cursor, batch.controls)
            accept_store.write_journal(cursor, batch.journal)
            accept_store.forget_segments(cursor, batch.forget)
            receipt_store.write_parts(cursor, batch.submitted)
            moved = move_messages(cursor, batch.transitions)
            early = receipt_store.take_early(cursor, batch.submitted)
            outcomes = receipt_store.settle_receipts(cursor, [*early, *batch.receipts], moved.awaiting)
            self._writer.uncommitted.update((row.device_id, row.cti) for row in batch.acceptances)
        return Staged(outcomes, moved.ignored)

    def flush(self) -> None:
        """See `relay.interfaces.Spool`."""
        self._writer.commit(tight=self._tight())
        self._health.ask()  # the mark may have failed meanwhile: then nothing more is answered

    def _tight(self) -> bool:
        return free_octets(self._path.parent) < self._reserve

    def settle_aged(self, now: int) -> list[ReceiptOutcome]:
        """See `relay.interfaces.Spool`."""
        with self._writer.transaction() as cursor:
            outcomes, self._aged_after = receipt_store.settle_aged(cursor, now, self._aged_after)
            return outcomes

    def claim_due(self, now: int, limit: int, providers: Sequence[str]) -> list[Outgoing]:
        """See `relay.interfaces.Spool`."""
        with self._writer.transaction() as cursor:
            return claim_store.claim_due(cursor, now, limit, providers)

    def unfinished(self) -> list[StoredSegment]:
        """See `relay.interfaces.Spool`."""
        return [_segment(*row) for row in self._hot.rows(READ_SEGMENTS)]

    def taken_ctis(self, pairs: Iterable[tuple[str, bytes]]) -> set[tuple[str, bytes]]:
        """See `relay.interfaces.Spool`; may be called while `flush` runs."""
        asked, staged = set(pairs), self._writer.uncommitted
        found = in_chunks(self._hot.rows, FIND_CTIS, [cti for _, cti in asked])
        return asked & (staged | set(found))

    def recover(self, now: int) -> int:
        """See `relay.interfaces.Spool`."""
        with self._writer.transaction() as cursor:
            return claim_store.recover(cursor, now)

    def purge(self, now: int, keep_done_s: int, keep_early_s: int, limit: int) -> int:
        """See `relay.interfaces.Spool`; also retires replaced keys whose overlap is over.

        Jobs that were closed are kept as long as messages that are done.
        """
        limits = PurgeLimits(now - keep_done_s, now - keep_early_s, now - keep_done_s)
        with self._writer.transaction() as cursor:
            if retire_lapsed(cursor, now):
                self._writer.registry_moved()
            return purge_store.purge(cursor, now, limits, limit)

    # --- upkeep ---

    def mark(self) -> None:
        """Write the epoch mark if the generation moved; call it about once a second, from any thread.

        Raises StoreFull, StoreBusy (another process keeps hold of the mark) or StoreBroken.
        """
        self._health.ask()
        if self._keeper is not None:
            try:
                self._keeper.follow(self._writer.generation, self._writer.base)
            except TsmError as error:
                raise self._health.noted(error) from error

    def checkpoint(self) -> None:
        """Move the log into the database and truncate it; blocking. Raises as `flush`, and StoreBusy."""
        self._writer.checkpoint()

    def counts(self) -> dict[MessageState, int]:
        """As `queue.counts`, which reads every message's state, but from any thread; blocking.

        Raises StoreBusy or StoreBroken.
        """
        with reading(self._path, self._health) as reader:
            return QueueStore(self._writer, reader).counts()

    def backup(self, target: Path) -> None:
        """Copy the store while it is in use; the copy is refused until `resync`. Blocking.

        Raises AlreadyKnown when `target` exists, StoreFull, StoreBusy or StoreBroken.
        """
        self._health.ask()
        if target.exists():
            raise AlreadyKnown(what="file", path=str(target))
        copy_database(self._path, target, STAMP_COPY)

    def look_at_pages(self) -> None:
        """Look at every page, if opening left that for later; blocking, from any thread.

        Raises StoreUnreadable or StoreBroken: the store is not to be used any more.
        """
        if self._opened.pages_due:
            look_at_pages(self._path, self._health)

    def check(self) -> list[str]:
        """Everything found wrong, one sentence each; empty when sound. Blocking, reads all of it."""
        return check_database(self._path)

    def resync(self, *, advance: int, demand_new_keys: bool) -> Resynced:
        """Make a rolled back store safe to start: new epoch, nothing seen before is accepted again.

        Every replay window moves forward by `advance` PIVs, or every device key becomes STALE; every
        provider key skips `resync_store.PIVS_SKIPPED`. Raises StoreLocked while a daemon has the store,
        RowDamaged for a damaged key, StoreFull, StoreBusy or StoreBroken.
        """
        store_id = os.urandom(STORE_ID_OCTETS)
        with locked(self._path, self._opened.lock):
            with self._writer.administration(registry=True, queue=True) as cursor:
                resync_store.begin_epoch(cursor, store_id)
                devices = (
                    resync_store.demand_new_keys(cursor)
                    if demand_new_keys
                    else resync_store.advance_windows(cursor, advance)
                )
                if not demand_new_keys:
                    resync_store.advance_packages(cursor, advance)
                providers = resync_store.skip_pivs(cursor)
                how = "new keys demanded" if demand_new_keys else f"windows advanced by {advance}"
                told = facts(devices=devices, providers=providers)
                append(cursor, self._actor, Act(int(time.time()), "store.resync", STORE, how, told))
            self._writer.base = 0  # the new id is in the log only
            self._keeper = MarkKeeper(self._mark_path, store_id)
            self.mark()
        return Resynced(self._hot.row(READ_META)[1], devices, providers)


def _segment(row: int, bearer: str, *fields: object) -> StoredSegment:
    """A journalled part; what its ticket answered is void after a restart."""
    *parts, received_at = fields
    return StoredSegment(row, Segment(Ticket(bearer, 0, 0, 0), *parts), received_at)  # type: ignore[arg-type]
