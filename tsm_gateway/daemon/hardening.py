"""What a process does to itself before it touches a key: no core file, no debugger, no open file modes."""

from __future__ import annotations

import ctypes
import os
import resource

PR_SET_DUMPABLE = 4  # linux/prctl.h
PR_GET_DUMPABLE = 3
OWNER_ONLY = 0o077


def harden() -> None:
    """Keep keys in this process. Raises OSError when the kernel does not comply.

    A process that is not dumpable writes no core file and cannot be traced by its own user, and its
    /proc files belong to root.
    """
    os.umask(OWNER_ONLY)
    if resource.getrlimit(resource.RLIMIT_CORE) != (0, 0):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def dumpable() -> bool:
    """Whether a debugger or a core file could still read this process: for `doctor` and tests."""
    return bool(ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
