"""Second half of a batch: replay marks, sealing, and the one transaction that makes payments ours.

RFC 8613 §7.4's order: a packet is decrypted and verified first, and only then its number is struck out.
An authentic message that is refused uses up its number too, so that it cannot be tried again later. A
control message is stored as it came, in the transaction of its replay mark: another daemon judges it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.envelope.replay import ReplayVerdict, check, strike
from tsm_gateway.outbound.packet import seal_for_provider
from tsm_gateway.relay.interfaces import Acceptance, Batch, PivMove, WindowMove
from tsm_gateway.relay.outcomes import Accepted, Confirmed, Refused
from tsm_gateway.relay.reasons import Reason
from tsm_gateway.relay.states import MessageState

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from tsm_gateway.registry.provider import Provider
    from tsm_gateway.relay.directory import Directory
    from tsm_gateway.relay.intake import Opened, OpenedBatch

REFUSALS = {ReplayVerdict.REPLAY: Reason.REPLAY, ReplayVerdict.JUMP: Reason.COUNTER_JUMP}


@dataclass(slots=True)
class Decided:
    """A batch ready for the store, and what it will mean once it is durable."""

    rows: Batch
    accepted: list[Accepted] = field(default_factory=list)
    controls: list[Confirmed] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    windows: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    pivs: dict[bytes, int] = field(default_factory=dict)


class AcceptLimits(NamedTuple):
    """What bounds an acceptance."""

    max_jump: int  # how far a counter may run ahead of the highest one accepted
    skew_s: int  # how long past its `exp` a certificate is still accepted


class Acceptor:
    """Decides opened batches; remembers nothing but what `Directory` caches."""

    def __init__(
        self,
        directory: Directory,
        limits: AcceptLimits,
        *,
        new_id: Callable[[], bytes],
        direct: Callable[[Provider], bool],
    ) -> None:
        """`new_id` gives 16 fresh octets; `direct` says whether a lane takes the message at once."""
        self._directory, self._limits = directory, limits
        self._new_id, self._direct = new_id, direct

    def settle(
        self,
        batch: OpenedBatch,
        valid: Sequence[bool],
        taken: Container[tuple[str, bytes]] = frozenset(),
    ) -> Decided:
        """Decide a batch: `valid[i]` says whether `opened[i]` is signed, `taken` are known (device, cti).

        May be called again for the same batch after a StoreConflict, with the windows read anew.
        """
        rows = Batch(
            journal=list(batch.journal.values()), forget=list(batch.forget), receipts=list(batch.receipts)
        )
        decided = Decided(rows, refused=list(batch.refused))
        for refused in batch.struck:
            self._strike(decided, refused.kid, refused.piv)
            decided.refused.append(refused)
        for confirmed in batch.controls:
            self._keep_control(decided, confirmed)
        ctis: set[tuple[str, bytes]] = set()
        for opened, good in zip(batch.opened, valid, strict=True):
            reason = self._reason(decided, opened, good=good)
            mark = (opened.payment.device.device.device_id, opened.payment.certificate.cti)
            if reason is None and (mark in taken or mark in ctis):
                reason = Reason.REPLAY
            if reason is None:
                ctis.add(mark)
                decided.accepted.append(self._accept(decided, opened, batch.now))
            else:
                decided.refused.append(_refused(opened, reason))
        self._write_moves(decided)
        return decided

    def confirm(self, decided: Decided) -> None:
        """The batch is durable: what it moved is the truth now."""
        self._directory.committed_windows(decided.windows)
        for kid, following in decided.pivs.items():
            self._directory.advance(kid, durable=following)

    def _strike(self, decided: Decided, kid: bytes, piv: int) -> ReplayVerdict:
        """Use up one number in this batch's view of the window."""
        window = decided.windows.get(kid) or self._directory.window(kid)
        verdict = check(window, piv, self._limits.max_jump)
        if verdict is ReplayVerdict.FRESH:
            decided.windows[kid] = strike(window, piv)
        return verdict

    def _keep_control(self, decided: Decided, confirmed: Confirmed) -> None:
        """Store a confirmation for provisioning, unless its number is used up."""
        arrival = confirmed.arrival
        verdict = self._strike(decided, arrival.kid, arrival.piv)
        if verdict is ReplayVerdict.FRESH:
            decided.rows.controls.append(arrival)
            decided.controls.append(confirmed)
        else:
            decided.refused.append(_not_kept(confirmed, REFUSALS[verdict]))

    def _reason(self, decided: Decided, opened: Opened, *, good: bool) -> Reason | None:
        verdict = self._strike(decided, opened.payment.kid, opened.payment.piv)
        if verdict is not ReplayVerdict.FRESH:
            return REFUSALS[verdict]
        return None if good else Reason.CERTIFICATE_INVALID

    def _accept(self, decided: Decided, opened: Opened, now: int) -> Accepted:
        """Seal the payment and write its row; its number toward the provider is never used again."""
        payment, provider = opened.payment, opened.payment.provider
        piv = self._directory.counter(provider.kid).next
        self._directory.advance(provider.kid, following=piv + 1)
        decided.pivs[provider.kid] = piv + 1
        message_id = self._new_id()
        row = Acceptance(
            message_id=message_id,
            kid=payment.kid,
            piv=payment.piv,
            device_id=payment.device.device.device_id,
            cti=payment.certificate.cti,
            cti_expires=payment.certificate.expires + self._limits.skew_s,
            provider=provider.provider.name,
            provider_kid=provider.kid,
            provider_piv=piv,
            bearer=opened.bearer,
            received_at=now,
            packet=seal_for_provider(payment.octets, now, message_id, provider.down, piv),
            reference=piv & 0xFF,
            receipt=provider.provider.receipt,
            state=MessageState.ACTIVE if self._direct(provider.provider) else MessageState.QUEUED,
        )
        decided.rows.acceptances.append(row)
        return Accepted(row, provider.provider, opened.source, opened.parts, opened.first_seen_at)

    def _write_moves(self, decided: Decided) -> None:
        """The compare-and-set rows: from what the store holds to what this batch makes of it."""
        decided.rows.windows.extend(
            WindowMove(kid, self._directory.window(kid), window) for kid, window in decided.windows.items()
        )
        decided.rows.pivs.extend(
            PivMove(kid, self._directory.counter(kid).durable, following)
            for kid, following in decided.pivs.items()
        )


def _not_kept(confirmed: Confirmed, reason: Reason) -> Refused:
    arrival = confirmed.arrival
    return Refused(
        reason, confirmed.bearer, confirmed.source, arrival.kid, arrival.piv, arrival.device_id, provider=""
    )


def _refused(opened: Opened, reason: Reason) -> Refused:
    payment = opened.payment
    return Refused(
        reason,
        opened.bearer,
        opened.source,
        payment.kid,
        payment.piv,
        payment.device.device.device_id,
        payment.provider.provider.name,
    )
