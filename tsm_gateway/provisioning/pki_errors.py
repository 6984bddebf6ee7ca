"""What can be wrong with the gateway's own keys and certificates; each says what to do about it."""

from __future__ import annotations

from tsm_gateway.errors import Side, TsmError


class PkiFileExists(TsmError):
    """There is such a file already: keys and certificates are never overwritten."""

    code, side, temporary = "pki-file-exists", Side.OURS, False


class PkiFileMissing(TsmError):
    """There is no such file: make it with `tsm-gateway pki init`, or bring it with `pki import`."""

    code, side, temporary = "pki-file-missing", Side.OURS, False


class PkiFileBusy(TsmError):
    """A change of this file is under way, or broke off: if nobody is at it, remove the .new file."""

    code, side, temporary = "pki-file-busy", Side.OURS, True


class PkiFileExposed(TsmError):
    """A private key is open to others or not ours: `chmod 600`, `chown`, and renew it if they read it."""

    code, side, temporary = "pki-file-exposed", Side.OURS, False


class PkiFileUnreadable(TsmError):
    """The operating system would not read or write a file of keys and certificates: see the error number."""

    code, side, temporary = "pki-file-unreadable", Side.OURS, False


class PkiUnfit(TsmError):
    """A key, certificate or request is not fit for its use."""

    code, side, temporary = "pki-unfit", Side.OURS, False

    def __init__(self, *, what: str, problem: str) -> None:
        """`what` names the file or use, `problem` is a sentence's end for people; neither is secret."""
        super().__init__(what=what)
        self.problem = problem

    def __str__(self) -> str:
        """The sentence itself."""
        return f"{self.facts['what']}: {self.problem} [{self.code}]"
