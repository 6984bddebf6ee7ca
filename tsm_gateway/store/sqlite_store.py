"""The spool on SQLite: one writing connection, group commit, fail-stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tsm_gateway.relay.interfaces import Batch, Outgoing, Staged, StoredSegment
    from tsm_gateway.store.queue_store import QueueStore
    from tsm_gateway.store.registry_store import RegistryStore


class Resynced(NamedTuple):
    """What `resync` did."""

    epoch: int  # the new one
    devices: int  # device keys whose window moved, or that are STALE now
    providers: int  # provider keys whose next PIV moved


class SqliteStore:
    """The durable store: a `relay.interfaces.Spool`; `registry` is a `relay.interfaces.Registry`."""

    registry: RegistryStore
    queue: QueueStore

    @classmethod
    def open(cls, path: Path, *, mark: Path, exclusive: bool, accept_rollback: bool = False) -> Self:
        """Open, create or upgrade the store at `path`; its epoch mark is the file `mark`.

        `exclusive` (the daemon): one process only, and a busy store raises StoreBusy at once instead of
        after 5 s. `accept_rollback` (`store resync` and `store check` only): open even when rolled back.

        Raises StoreLocked (facts pid), StoreUnsafe, StoreUnreadable, SchemaNewer, StoreRolledBack,
        StoreFull, StoreBusy or StoreBroken.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Roll back what was not flushed, write the mark and close; never raises for a broken store."""
        raise NotImplementedError

    def stage(self, batch: Batch) -> Staged:
        """See `relay.interfaces.Spool`."""
        raise NotImplementedError

    def flush(self) -> None:
        """See `relay.interfaces.Spool`."""
        raise NotImplementedError

    def claim_due(self, now: int, limit: int, providers: Sequence[str]) -> list[Outgoing]:
        """See `relay.interfaces.Spool`."""
        raise NotImplementedError

    def unfinished(self) -> list[StoredSegment]:
        """See `relay.interfaces.Spool`."""
        raise NotImplementedError

    def taken_ctis(self, pairs: Iterable[tuple[str, bytes]]) -> set[tuple[str, bytes]]:
        """See `relay.interfaces.Spool`; may be called while `flush` runs."""
        raise NotImplementedError

    def recover(self, now: int) -> int:
        """See `relay.interfaces.Spool`."""
        raise NotImplementedError

    def purge(self, now: int, keep_done_s: int, keep_early_s: int, limit: int) -> int:
        """See `relay.interfaces.Spool`."""
        raise NotImplementedError

    def mark(self) -> None:
        """Write the epoch mark if the generation moved; call it about once a second, from any thread.

        Raises StoreFull or StoreBroken.
        """
        raise NotImplementedError

    def checkpoint(self) -> None:
        """Move the log into the database and truncate it; blocking. Raises as `flush`."""
        raise NotImplementedError

    def backup(self, target: Path) -> None:
        """Copy the store while it is in use; the copy is refused until `resync`. Blocking.

        Raises AlreadyKnown when `target` exists, StoreFull or StoreBroken.
        """
        raise NotImplementedError

    def check(self) -> list[str]:
        """Everything found wrong, one sentence each; empty when sound. Blocking, reads all of it."""
        raise NotImplementedError

    def resync(self, *, advance: int, demand_new_keys: bool) -> Resynced:
        """Make a rolled back store safe to start: new epoch, nothing seen before is accepted again."""
        raise NotImplementedError
