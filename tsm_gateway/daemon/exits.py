"""How a process ends: the exit codes, and which error leads to which.

systemd reads them too: `RestartPreventExitStatus=` and `RestartForceExitStatus=` of the unit name the
same numbers.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.errors import TsmError


class Exit(IntEnum):
    """An exit code; 0 to 7 are those of every command."""

    DONE = 0  # or nothing to do
    FAILED = 1
    USAGE = 2  # command line or configuration: a restart does not help
    DEGRADED = 3  # `status`, `doctor`: it works, but not everything
    NOT_FOUND = 4
    DENIED = 5
    CONFLICT = 6
    UNREACHABLE = 7  # the daemon does not answer
    STORE_BROKEN = 10  # a read or write of the store failed: restart and recover
    STORE_REFUSED = 11  # rolled back, from a newer release, no store of ours: a person has to act
    SELFTEST_FAILED = 12  # a known answer came out wrong: this installation must not run
    STUCK = 13  # a loop made no progress

    @classmethod
    def of(cls, error: TsmError) -> Exit:
        """How a daemon ends that `error` ended."""
        for prefix, code in _EXITS.items():
            if error.code == prefix or (prefix.endswith("-") and error.code.startswith(prefix)):
                return code
        return cls.FAILED


NO_RESTART = (Exit.USAGE, Exit.STORE_REFUSED, Exit.SELFTEST_FAILED)
RESTART_ALWAYS = (Exit.STORE_BROKEN, Exit.STUCK)

# Error code -> exit code; a prefix ends in "-". Anything else is FAILED, and systemd tries again.
_EXITS: Mapping[str, Exit] = {
    "config-invalid": Exit.USAGE,
    "secret-unreadable": Exit.USAGE,
    "file-unreadable": Exit.USAGE,
    "issuer-unusable": Exit.USAGE,
    "pki-": Exit.USAGE,
    "channel-tls-unusable": Exit.USAGE,
    "master-": Exit.USAGE,
    "store-unsafe": Exit.USAGE,
    "store-broken": Exit.STORE_BROKEN,
    "store-rolled-back": Exit.STORE_REFUSED,
    "store-unreadable": Exit.STORE_REFUSED,
    "schema-newer": Exit.STORE_REFUSED,
    "self-test-failed": Exit.SELFTEST_FAILED,
}
