"""Enrolments, key packages, registrations, suspensions, orders and control messages in the store.

Every write joins the open transaction, as `SqliteStore.stage` does, with its entry of the audit log; it
is durable after `SqliteStore.flush`. Whatever it raises has rolled that whole transaction back.

Besides what each method names, writes raise NotKnown for a device or key nobody registered,
MoveNotAllowed for a move that the tables of `registry/device.py` do not have, RowDamaged for a row whose
checksum does not hold, and StoreBusy, StoreFull or StoreBroken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.store import (
    audit_store,
    control_store,
    enrolment_store,
    life_store,
    registration_store,
    use_store,
)
from tsm_gateway.store.provisioning_read_store import ProvisioningReads

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from tsm_gateway.registry.audit import AuditEntry
    from tsm_gateway.registry.control import ControlMessage, ControlState
    from tsm_gateway.registry.device import Device, WrappedKey
    from tsm_gateway.registry.enrolment import Enrolment
    from tsm_gateway.registry.key_package import KeyOrder, StoredPackage
    from tsm_gateway.registry.registration import Registration
    from tsm_gateway.registry.suspension import SuspensionKind
    from tsm_gateway.store.acts import Changed
    from tsm_gateway.store.connection_store import Reader
    from tsm_gateway.store.failures import Health
    from tsm_gateway.store.writer_store import Writer


class ProvisioningStore(ProvisioningReads):
    """Reads and writes of provisioning."""

    def __init__(self, writer: Writer, people: Reader, path: Path, health: Health, actor: str) -> None:
        """Write through `writer` in the name of `actor`; see `ProvisioningReads` for the rest."""
        super().__init__(people, path, health)
        self._writer, self._actor = writer, actor

    # --- enrolment and keys ---

    def enrol(self, device: Device, enrolment: Enrolment) -> None:
        """Make a device known, as it presented itself. Raises AlreadyKnown."""
        with self._writer.transaction() as cursor:
            audit_store.append(cursor, self._actor, enrolment_store.enrol(cursor, device, enrolment))

    def renew(self, device_id: str, *, certificate: bytes, enrolment: Enrolment, at: int) -> Device:
        """Replace a live device's certificates (DER), its identity key being the same; what is stored.

        Raises MoveNotAllowed while it is suspended.
        """
        with self._writer.transaction() as cursor:
            changed = enrolment_store.renew(cursor, device_id, certificate, enrolment, at)
            return self._done(cursor, changed)

    def deliver(
        self,
        key: WrappedKey,
        window: tuple[int, int],
        package: StoredPackage,
        control: ControlMessage | None = None,
        *,
        at: int,
    ) -> Device:
        """Store a PENDING key with its window and package, and the message that carries it, if one does.

        An enrolled device is keyed by it, an order for it is done with, messages of earlier packages are
        given up. Raises AlreadyKnown for the kid, or for an epoch that is not above all others of the
        device; MoveNotAllowed while it is suspended, but where only a proof brings it back: then it may be
        fetched, and sent if it was made after the suspension and nobody else may have the phone; or when
        `control` goes to another number than the device's; ValueError when the four do not belong together.
        """
        with self._writer.transaction() as cursor:
            changed = enrolment_store.deliver(cursor, (key, window), package, control, at)
            return self._done(cursor, changed)

    def register(self, registration: Registration, *, overlap_s: int, at: int) -> Device:
        """Store a proved registration; its key is CURRENT from now on.

        Every earlier key that was PENDING or CURRENT stays accepted for `overlap_s`, 0 = not at all. A
        keyed device is registered, and one suspended until it proves itself resumes. Raises
        SecureElementTaken, ElementsChanged for a device that is registered with other secure elements
        (`forget_elements`), KeyNotWaiting for a key that is neither PENDING nor CURRENT.
        """
        with self._writer.transaction() as cursor:
            return self._done(cursor, registration_store.register(cursor, registration, overlap_s, at))

    def confirm(self, kid: bytes, *, overlap_s: int, at: int) -> Device:
        """Make a PENDING key of a registered device CURRENT, because it was used; see `register`.

        Raises MoveNotAllowed for a device that is neither registered nor active, KeyNotWaiting for a key in
        any other state.
        """
        with self._writer.transaction() as cursor:
            return self._done(cursor, registration_store.confirm(cursor, kid, overlap_s, at))

    def order(self, order: KeyOrder) -> None:
        """Ask for a new key of a live device; a later order replaces an earlier one."""
        with self._writer.transaction() as cursor:
            audit_store.append(cursor, self._actor, enrolment_store.order(cursor, order))

    # --- over the air ---

    def settle_arrival(self, kid: bytes, piv: int) -> None:
        """Forget a confirmation that was judged; its outcome is the judge's to note."""
        with self._writer.transaction() as cursor:
            control_store.settle_arrival(cursor, kid, piv)

    def refuse_arrival(self, kid: bytes, piv: int) -> None:
        """Forget a confirmation that was not believed: nothing that came under its key so far was use."""
        with self._writer.transaction() as cursor:
            control_store.settle_arrival(cursor, kid, piv)
            use_store.forget_use(cursor, kid)

    def move_control(
        self, message_id: bytes, state: ControlState, *, attempts: int, due_at: int, reason: str, at: int
    ) -> None:
        """Write how far a queued message is; SENT and FAILED go to the audit log, another try does not.

        Raises MoveNotAllowed when it is not QUEUED any more.
        """
        with self._writer.transaction() as cursor:
            entry = control_store.move_message(cursor, message_id, state, attempts, due_at, reason, at)
            if entry is not None:
                audit_store.append(cursor, self._actor, entry)

    # --- life ---

    def suspend(
        self, device_id: str, kind: SuspensionKind, *, proof_wanted: bool, reason: str, at: int
    ) -> Device:
        """Suspend a live device; one that is suspended is so for both reasons from now on, the graver first.

        What is queued for the air to it is given up. `proof_wanted`: only a fresh registration ends it.
        Raises MoveNotAllowed when it is suspended in this very way.
        """
        with self._writer.transaction() as cursor:
            changed = life_store.suspend(cursor, device_id, kind, reason, at, proof_wanted=proof_wanted)
            return self._done(cursor, changed)

    def resume(self, device_id: str, *, reason: str, at: int) -> Device:
        """Back to the state it was suspended in. Raises ProofWanted where only `register` may do that."""
        with self._writer.transaction() as cursor:
            return self._done(cursor, life_store.resume(cursor, device_id, reason, at))

    def terminate(self, device_id: str, *, reason: str, at: int) -> Device:
        """End a device for good: its keys, orders and messages, and its claim to its secure elements."""
        with self._writer.transaction() as cursor:
            return self._done(cursor, life_store.terminate(cursor, device_id, reason, at))

    def forget_elements(self, device_id: str, *, reason: str, at: int) -> Device:
        """End a live device's claim to its secure elements: whoever proves them next has them.

        What was delivered is on its app SE, so it is REMOVED: a device that is ACTIVE by it is REGISTERED
        again (a suspended one resumes to that). Else its state stays, as its registration on record does.
        Raises NotKnown where it claims none.
        """
        with self._writer.transaction() as cursor:
            return self._done(cursor, life_store.forget_elements(cursor, device_id, reason, at))

    def activate(self, device_id: str, *, reason: str, at: int) -> Device:
        """Let a registered device pay."""
        with self._writer.transaction() as cursor:
            return self._done(cursor, life_store.activate(cursor, device_id, reason, at))

    def change_number(self, device_id: str, msisdn: str, *, reason: str, at: int) -> Device:
        """Write a live device's new number ("+E.164"); the same one again stands for a new SIM.

        One that is registered or active is suspended until its crypto SE proves that it is still there;
        one that was, and is suspended for another reason, has to prove it after it resumes: it resumes as
        keyed.
        """
        with self._writer.transaction() as cursor:
            return self._done(cursor, life_store.change_number(cursor, device_id, msisdn, reason, at))

    def replace(self, old: str, new: str, *, reason: str, at: int) -> tuple[Device, Device]:
        """Terminate the device `old`; its number goes to `new`, a live one. Returns both, old first."""
        with self._writer.transaction() as cursor:
            terminated, successor = life_store.replace(cursor, old, new, reason, at)
            return self._done(cursor, terminated), self._done(cursor, successor)

    def note(self, entry: AuditEntry) -> None:
        """Add an entry to the audit log: a refusal, or what was done outside of the store."""
        with self._writer.transaction() as cursor:
            audit_store.append_entry(cursor, entry)

    def roll_back(self) -> None:
        """Take back all that was staged since the last flush. Raises StoreBroken."""
        self._writer.roll_back()

    def _done(self, cursor: sqlite3.Cursor, changed: Changed) -> Device:
        """Put a change on record, and tell the relay when it concerns what that may have cached."""
        audit_store.append(cursor, self._actor, changed.act)
        if changed.relay_concerned:
            self._writer.registry_moved()
        return changed.device
