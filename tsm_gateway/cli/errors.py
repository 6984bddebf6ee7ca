"""How a command ends: which failure is which exit code (design §8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.daemon.exits import Exit
from tsm_gateway.daemon.settings import SettingsErrors
from tsm_gateway.errors import Side, TsmError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Error code -> exit code of a command, where it is not what a daemon would end with.
_CODES: Mapping[str, Exit] = {
    "already-known": Exit.CONFLICT,
    "move-not-allowed": Exit.CONFLICT,
    "store-conflict": Exit.CONFLICT,
    "store-locked": Exit.CONFLICT,
    "master-file-exists": Exit.CONFLICT,
    "master-file-busy": Exit.CONFLICT,
    "file-exists": Exit.CONFLICT,
    "pki-file-exists": Exit.CONFLICT,
    "pki-file-busy": Exit.CONFLICT,
    "not-movable": Exit.CONFLICT,
    "gateway-running": Exit.CONFLICT,
    "proof-wanted": Exit.CONFLICT,
    "number-wanted": Exit.CONFLICT,
    "master-version-awaited": Exit.CONFLICT,
    "not-known": Exit.NOT_FOUND,
    "not-found": Exit.NOT_FOUND,
    "pki-file-missing": Exit.NOT_FOUND,
    "ambiguous": Exit.USAGE,
    "address-invalid": Exit.USAGE,
    "input-invalid": Exit.USAGE,
    "pki-unfit": Exit.USAGE,
    "virtual-party-refused": Exit.DENIED,
    "x509-unusable": Exit.USAGE,
    "device-certificate-unusable": Exit.USAGE,
    "recipient-unusable": Exit.USAGE,
    "master-file-foreign": Exit.DENIED,
    "cap-malformed": Exit.USAGE,
    "load-file-too-large": Exit.USAGE,
    "application-key-unfit": Exit.USAGE,
    "application-key-mismatch": Exit.USAGE,
    "manifest-malformed": Exit.USAGE,
    "file-denied": Exit.DENIED,
    "file-exposed": Exit.DENIED,
    "pki-file-exposed": Exit.DENIED,
    "gateway-unreachable": Exit.UNREACHABLE,
}


class InputInvalid(TsmError):
    """An argument or a file given is not what the command needs."""

    code, side, temporary = "input-invalid", Side.OURS, False

    def __init__(self, *, what: str, problem: str) -> None:
        """`what` names the option or file, `problem` is a sentence with the way out; neither is secret."""
        super().__init__(what=what)
        self.problem = problem

    def __str__(self) -> str:
        """The sentence itself."""
        return f"{self.facts['what']}: {self.problem} [{self.code}]"


class VirtualPartyRefused(TsmError):
    """A virtual party's keys lie in clear in its file: no gateway with a bind to another machine takes it."""

    code, side, temporary = "virtual-party-refused", Side.OURS, False


class NotFound(TsmError):
    """There is nothing by that name."""

    code, side, temporary = "not-found", Side.OURS, False


class Ambiguous(TsmError):
    """More than one message id begins like this: give more digits."""

    code, side, temporary = "ambiguous", Side.OURS, False


class NotMovable(TsmError):
    """The message is in a state from which it cannot be moved like this."""

    code, side, temporary = "not-movable", Side.OURS, False

    def __init__(self, message_id: str, move: str, why: str) -> None:
        """`message_id` in hex, the `move` asked for, and what its state has against it."""
        super().__init__(message_id=message_id, move=move)
        self.why = why

    def __str__(self) -> str:
        """A sentence about this message."""
        return f"message {self.facts['message_id']}: no {self.facts['move']}, {self.why} [{self.code}]"


class GatewayRunning(TsmError):
    """The gateway runs: stop it first, or take the steps named in --help."""

    code, side, temporary = "gateway-running", Side.OURS, False


class GatewayUnreachable(TsmError):
    """The gateway does not answer on its status port: see whether it runs, with this configuration."""

    code, side, temporary = "gateway-unreachable", Side.OURS, True


def exit_code_of(error: BaseException) -> int | None:
    """The exit code for an expected failure; None for a defect, which shows its traceback.

    The codes above 7 are a daemon's way to talk to systemd; a command that meets the same error failed.
    """
    if isinstance(error, SettingsErrors):
        return Exit.USAGE
    if isinstance(error, PermissionError):
        return Exit.DENIED
    if isinstance(error, TsmError):
        code = _CODES.get(error.code, Exit.of(error))
        return code if code <= Exit.UNREACHABLE else Exit.FAILED
    return None
