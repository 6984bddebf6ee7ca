"""Signature checks in a small pool: the crypto library lets go of the interpreter while it verifies."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tsm_gateway.envelope.certificate import verify_signature
from tsm_gateway.envelope.errors import CertificateInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.relay.opening import Payment

INLINE = 2  # so few are checked at once, without a thread: an idle gateway answers sooner


class Verifier:
    """Checks a batch of payments, in order."""

    def __init__(self, threads: int) -> None:
        """`threads` of the pool, at most one per core; 0 checks in the event loop."""
        self._threads = threads
        self._pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="verify")  # threads start late

    async def check(self, payments: Sequence[Payment]) -> list[bool]:
        """Whether each certificate's signature holds; those left to the provider count as good."""
        if not self._threads or len(payments) <= INLINE:
            return [_holds(payment) for payment in payments]
        loop = asyncio.get_running_loop()
        step = -(-len(payments) // self._threads)
        slices = [payments[at : at + step] for at in range(0, len(payments), step)]
        checked = await asyncio.gather(
            *(loop.run_in_executor(self._pool, _all_hold, each) for each in slices)
        )
        return [good for each in checked for good in each]

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _all_hold(payments: Sequence[Payment]) -> list[bool]:
    return [_holds(payment) for payment in payments]


def _holds(payment: Payment) -> bool:
    if not payment.needs_signature:
        return True
    try:
        verify_signature(payment.certificate, payment.device.public_key)
    except CertificateInvalid:
        return False
    return True
