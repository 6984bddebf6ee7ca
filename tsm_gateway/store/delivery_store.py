"""Applications, cards, their key sets, and jobs on devices' app SEs in the store.

Every write joins the open transaction, as `SqliteStore.stage` does, with its entries of the audit log; it
is durable after `SqliteStore.flush`. Whatever it raises has rolled that whole transaction back.

Besides what each method names, writes raise NotKnown for what nobody registered, published, imported or
queued, MoveNotAllowed for a move that the tables of `registry/application.py`, `job.py` or `device.py` do
not have, ValueError for records that do not belong together, RowDamaged for a row whose checksum does not
hold, and StoreBusy, StoreFull or StoreBroken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.store import (
    application_store,
    audit_store,
    card_store,
    finish_store,
    job_store,
    on_device_store,
)
from tsm_gateway.store.delivery_read_store import DeliveryReads

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tsm_gateway.registry.application import (
        Application,
        ApplicationSignature,
        DeviceApplication,
        Rule,
        Scope,
        Version,
    )
    from tsm_gateway.registry.audit import AuditEntry
    from tsm_gateway.registry.card import Card, CardKeySet, Inventory
    from tsm_gateway.registry.device import Device
    from tsm_gateway.registry.job import Job
    from tsm_gateway.store.acts import Changed
    from tsm_gateway.store.card_store import Rewrap
    from tsm_gateway.store.connection_store import Reader
    from tsm_gateway.store.failures import Health
    from tsm_gateway.store.job_store import JobChanged
    from tsm_gateway.store.writer_store import Writer


class DeliveryStore(DeliveryReads):
    """Reads and writes of the second channel."""

    def __init__(self, writer: Writer, people: Reader, path: Path, health: Health, actor: str) -> None:
        """Write through `writer` in the name of `actor`; see `DeliveryReads` for the rest."""
        super().__init__(people, path, health)
        self._writer, self._actor = writer, actor

    # --- applications ---

    def publish(
        self, application: Application, load_file: bytes, signature: ApplicationSignature, *, at: int
    ) -> None:
        """Keep a version, its load file data block and the signature over that block's digest.

        Raises AlreadyKnown for the version, or for a load file that was published as another one.
        """
        with self._writer.transaction() as cursor:
            act = application_store.publish(cursor, application, load_file, signature, at)
            audit_store.append(cursor, self._actor, act)

    def sign(self, signature: ApplicationSignature) -> None:
        """Keep another key's signature over a published digest; one by the same key is replaced."""
        with self._writer.transaction() as cursor:
            audit_store.append(cursor, self._actor, application_store.sign(cursor, signature))

    def retire(self, name: str, version: Version, *, reason: str, at: int) -> Application:
        """Let a version not be loaded any more; where it is installed, it stays. Returns what is stored."""
        with self._writer.transaction() as cursor:
            retired, act = application_store.retire(cursor, name, version, reason, at)
            audit_store.append(cursor, self._actor, act)
            return retired

    def assign(self, rule: Rule, *, reason: str) -> None:
        """Say who is to have which version, or not to have it; a rule for the same subject is replaced.

        Raises NotKnown for a name or version nobody published, or a device nobody registered;
        MoveNotAllowed for a version that is retired, or a device that is terminated.
        """
        with self._writer.transaction() as cursor:
            audit_store.append(cursor, self._actor, application_store.assign(cursor, rule, reason))

    def unassign(self, application: str, scope: Scope, subject: str, *, reason: str, at: int) -> None:
        """Forget a rule. Raises NotKnown when there is none."""
        with self._writer.transaction() as cursor:
            act = application_store.unassign(cursor, (scope, subject, application), reason, at)
            audit_store.append(cursor, self._actor, act)

    def retry(self, device_id: str, application: str, *, reason: str, at: int) -> DeviceApplication:
        """Let an application that FAILED on a device be tried again: it is ASSIGNED from now on."""
        with self._writer.transaction() as cursor:
            assigned, act = on_device_store.retry(cursor, device_id, application, reason, at)
            audit_store.append(cursor, self._actor, act)
            return assigned

    # --- cards ---

    def import_cards(self, cards: Iterable[tuple[Card, CardKeySet]], *, reason: str, at: int) -> int:
        """Make cards known, each with its first key set; how many.

        Raises AlreadyKnown with facts `app_se` and `line` (1, 2, … in `cards`), and keeps none of them.
        """
        with self._writer.transaction() as cursor:
            count, act = card_store.import_cards(cursor, cards, reason, at)
            if count:
                audit_store.append(cursor, self._actor, act)
            return count

    def set_dap_key(self, app_ses: Iterable[bytes], key_id: bytes, *, reason: str, at: int) -> int:
        """Say with which key (8 octets) cards verify load files; how many had another until now.

        One entry of the audit log each. Give a slice at a time, and flush behind it.
        """
        with self._writer.transaction() as cursor:
            count, acts = card_store.dap_key(cursor, app_ses, key_id, reason, at)
            for act in acts:
                audit_store.append(cursor, self._actor, act)
            return count

    def forget_card(self, app_se: bytes, *, reason: str, at: int) -> None:
        """Delete a card, its key sets and its inventory; open jobs of its device are cancelled."""
        with self._writer.transaction() as cursor:
            audit_store.append(cursor, self._actor, card_store.forget(cursor, app_se, reason, at))

    def keys_pending(self, keys: CardKeySet, *, at: int) -> None:
        """Keep a PENDING key set, before it is sent to its card.

        Raises AlreadyKnown for a key version number that the card may know, or while another set is PENDING.
        """
        with self._writer.transaction() as cursor:
            audit_store.append(cursor, self._actor, card_store.keys_pending(cursor, keys, at))

    def keys_current(self, app_se: bytes, kvn: int, *, at: int) -> None:
        """Make a PENDING key set the CURRENT one: the card took it. All others lose their octets."""
        with self._writer.transaction() as cursor:
            audit_store.append(cursor, self._actor, card_store.keys_current(cursor, app_se, kvn, at))

    def keys_dropped(self, app_se: bytes, kvn: int, *, at: int) -> None:
        """Delete a PENDING key set that the card never took."""
        with self._writer.transaction() as cursor:
            audit_store.append(cursor, self._actor, card_store.keys_dropped(cursor, app_se, kvn, at))

    def keep_inventory(self, inventory: Inventory) -> None:
        """Keep what a card said it holds, in place of what it said before; not in the audit log."""
        with self._writer.transaction() as cursor:
            card_store.keep_inventory(cursor, inventory)

    def rewrap_card_keys(self, rows: Iterable[Rewrap]) -> int:
        """Replace wrapped octets, compare-and-set, in one transaction of its own; how many.

        Raises StoreConflict when they are not the old ones, or are gone, and keeps none of them.
        """
        with self._writer.administration() as cursor:
            count, act = card_store.rewrap_all(cursor, rows)
            if count:
                audit_store.append(cursor, self._actor, act)
            return count

    # --- jobs ---

    def queue(self, jobs: Sequence[Job], on_device: Sequence[DeviceApplication], *, at: int) -> None:
        """Keep QUEUED jobs of one live device, and the applications that are ASSIGNED to it by them.

        Raises AlreadyKnown for the id of a job, or while one of the same kind for the same application is
        open; MoveNotAllowed also for a version that is retired. Closed jobs of the device above the newest
        `job_store.KEPT` are forgotten.
        """
        with self._writer.transaction() as cursor:
            act = job_store.queue(cursor, jobs, on_device, at)
            if act is not None:
                audit_store.append(cursor, self._actor, act)

    def begin(self, job_id: bytes, *, at: int) -> Job:
        """A session begins with a job: it is ACTIVE, its application LOADING. Not in the audit log.

        Raises MoveNotAllowed also while its device is neither registered nor active.
        """
        with self._writer.transaction() as cursor:
            return job_store.begin(cursor, job_id, at)

    def progress(self, job_id: bytes, blocks: int, total: int, *, at: int) -> Job:
        """How many blocks of how many the card has by now. Not in the audit log."""
        with self._writer.transaction() as cursor:
            return job_store.progress(cursor, job_id, (blocks, total), at)

    def postpone(self, job_id: bytes, *, due_at: int, reason: str, at: int) -> Job:
        """Let a job wait up to Unix second `due_at`. Not in the audit log."""
        with self._writer.transaction() as cursor:
            return job_store.postpone(cursor, job_id, due_at, reason, at)

    def finish(self, job_id: bytes, *, outstanding: bool, at: int) -> Device | None:
        """An ACTIVE job is done: what it installed is INSTALLED, what it removed is REMOVED.

        `outstanding`: whether the device still waits for an application that it is to have. If it does not,
        it becomes ACTIVE (`settle`). One that is ACTIVE and has no INSTALLED application left by a removal
        is REGISTERED again. Returns the device if it moved, or would have, were it not suspended; else None.
        """
        with self._writer.transaction() as cursor:
            act, changed = finish_store.finish(cursor, job_id, at, outstanding=outstanding)
            audit_store.append(cursor, self._actor, act)
            return self._moved(cursor, changed)

    def settle(self, device_id: str, *, at: int) -> Device | None:
        """Activate a REGISTERED device that has an INSTALLED application and waits for none.

        For when nothing is to be installed any more, a rule being gone; that none is awaited, the caller
        knows. A suspended one becomes ACTIVE when it resumes. Returns as `finish`.
        """
        with self._writer.transaction() as cursor:
            return self._moved(cursor, finish_store.settle(cursor, device_id, at))

    def fail(self, job_id: bytes, *, reason: str, at: int) -> Job:
        """Give an open job up; its application on the device FAILED for that reason."""
        with self._writer.transaction() as cursor:
            return self._done(cursor, job_store.fail(cursor, job_id, reason, at))

    def cancel(self, job_id: bytes, *, reason: str, at: int) -> Job:
        """Give an open job up because nobody wants it any more; its application stays as it is."""
        with self._writer.transaction() as cursor:
            return self._done(cursor, job_store.cancel(cursor, job_id, reason, at))

    # --- all ---

    def note(self, entry: AuditEntry) -> None:
        """Add an entry to the audit log: a refusal, or what was done outside of the store."""
        with self._writer.transaction() as cursor:
            audit_store.append_entry(cursor, entry)

    def roll_back(self) -> None:
        """Take back all that was staged since the last flush. Raises StoreBroken."""
        self._writer.roll_back()

    def _done(self, cursor: sqlite3.Cursor, changed: JobChanged) -> Job:
        audit_store.append(cursor, self._actor, changed.act)
        return changed.job

    def _moved(self, cursor: sqlite3.Cursor, changed: Changed | None) -> Device | None:
        """Put a device's move on record, and tell the relay when it may have the device cached."""
        if changed is None:
            return None
        audit_store.append(cursor, self._actor, changed.act)
        if changed.relay_concerned:
            self._writer.registry_moved()
        return changed.device
