"""What a provider allows: its standing and its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.envelope.certificate import BIOMETRIC
from tsm_gateway.registry.provider import ProviderState
from tsm_gateway.relay.reasons import Reason

if TYPE_CHECKING:
    from tsm_gateway.envelope.certificate import PaymentCertificate
    from tsm_gateway.registry.provider import Provider


def policy_reason(provider: Provider, certificate: PaymentCertificate) -> Reason | None:
    """Why `provider` does not take this payment; None when it does. Limits are in minor units, 0 = none."""
    if provider.state is not ProviderState.ACTIVE:
        return Reason.PROVIDER_NOT_ACTIVE
    if provider.amount_limit and certificate.amount > provider.amount_limit:
        return Reason.AMOUNT_OVER_LIMIT
    demanded = provider.biometric_above and certificate.amount > provider.biometric_above
    if demanded and not BIOMETRIC.intersection(certificate.amr):
        return Reason.BIOMETRIC_REQUIRED
    return None
