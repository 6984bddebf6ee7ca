"""Why a message is refused: the closed list.

Toward the radio every one of them looks the same (the message is consumed in silence); the reason goes
to our log and counters only (design §3).
"""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """One refusal reason; the value stands in logs, metrics and `explain`."""

    MALFORMED = "malformed"  # header, packet or certificate is not of the format
    NOT_FOR_US = "not_for_us"  # plain text, or another application port
    UNKNOWN_KEY = "unknown_key"  # no such kid
    KEY_UNREADABLE = "key_unreadable"  # our own record of the key is damaged: put off, not consumed
    KEY_RETIRED = "key_retired"  # the kid is known but no longer accepted
    NOT_AUTHENTIC = "not_authentic"  # the tag does not hold under that device's key
    REPLAY = "replay"  # PIV left of the window, or cti seen before
    COUNTER_JUMP = "counter_jump"  # PIV further ahead than the limit
    CERTIFICATE_INVALID = "certificate_invalid"  # signature or claims do not hold
    ADDRESS_MISMATCH = "address_mismatch"  # aud is not the address beside it
    OWNER_MISMATCH = "owner_mismatch"  # iss is not the owner of the key
    EXPIRED = "expired"  # exp has passed
    DEVICE_NOT_REGISTERED = "device_not_registered"  # its crypto SE has not proved possession of the key yet
    APPLICATION_NOT_DELIVERED = "application_not_delivered"  # registered, its application is not there yet
    DEVICE_NOT_ACTIVE = "device_not_active"  # suspended or terminated
    PROVIDER_UNKNOWN = "provider_unknown"  # the address is in no table
    PROVIDER_NOT_ACTIVE = "provider_not_active"  # suspended or retired
    AMOUNT_OVER_LIMIT = "amount_over_limit"  # above the provider's hard limit
    BIOMETRIC_REQUIRED = "biometric_required"  # above the limit that demands a biometric amr
    INCOMPLETE = "incomplete"  # parts still missing when the time limit passed
    OVER_BOUND = "over_bound"  # evicted: the sender holds more unfinished parts than allowed
