"""The audit log: who did what to whom, when, why, and how it ended; each entry chained to the one before.

`hash(n) = SHA-256(CBOR ["tsm-audit-1", n, hash(n-1), at, actor, action, subject, outcome, reason, facts])`,
in deterministic CBOR, with hash(0) = 32 zero octets. Whoever alters, removes or reorders an entry breaks
the chain from there on; whoever cuts off its end is found by an earlier head kept elsewhere (every `audit
export` ends with one).
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

import cbor2

if TYPE_CHECKING:
    from collections.abc import Iterable

HASH_OCTETS: Final = 32
START: Final = bytes(HASH_OCTETS)  # the hash ahead of the first entry
DONE, REFUSED = "done", "refused"  # outcomes


class AuditEntry(NamedTuple):
    """One act. Nothing secret, and of telephone numbers only the last two digits."""

    at: int  # Unix seconds
    actor: str  # "operator alice (uid 1000)", "provisioning", "device d:…"
    action: str  # "device.suspend", "key.deliver", … : noun.verb
    subject: str  # device id or provider name
    outcome: str  # DONE, or REFUSED
    reason: str  # why it was done, or the error code of the refusal
    facts: tuple[tuple[str, str], ...]  # further names and values, sorted by name


class ChainedEntry(NamedTuple):
    """An entry in its place."""

    sequence: int  # 1, 2, …
    entry: AuditEntry
    hash: bytes  # 32 octets


def chain_hash(sequence: int, previous: bytes, entry: AuditEntry) -> bytes:
    """The 32-octet hash of `entry` as number `sequence` behind the entry hashed `previous`."""
    facts = [list(fact) for fact in entry.facts]
    return sha256(cbor2.dumps(["tsm-audit-1", sequence, previous, *entry[:-1], facts])).digest()


def broken_links(entries: Iterable[ChainedEntry], sequence: int = 0, previous: bytes = START) -> list[int]:
    """The numbers of entries that are not where they were written, in order; [] for a sound chain.

    Checks a run of the chain that follows the entry `sequence` hashed `previous`.
    """
    broken = []
    for chained in entries:
        expected = chain_hash(sequence + 1, previous, chained.entry)
        if chained.sequence != sequence + 1 or chained.hash != expected:
            broken.append(chained.sequence)
        sequence, previous = chained.sequence, chained.hash
    return broken
