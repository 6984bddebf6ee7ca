"""What can be wrong with a stored key, with the master key that wraps it, or with who is to receive it.

Each master key error says what to do about it; none holds a key, and the only facts are a path, a line,
a version, a name or an error number.
"""

from __future__ import annotations

from tsm_gateway.errors import Side, TsmError


class KeyUnwrapFailed(TsmError):
    """A stored key is not the one wrapped for this place: its row was altered, swapped or rolled back."""

    code, side, temporary = "key-unwrap-failed", Side.OURS, False


class MasterKeyMissing(TsmError):
    """The master key file lacks the version that wrapped a stored key: restore the file from its backup."""

    code, side, temporary = "master-key-missing", Side.OURS, False


class MasterReferenceInvalid(TsmError):
    """The master key is named by `file:/absolute/path` or by `credential:NAME`."""

    code, side, temporary = "master-reference-invalid", Side.OURS, False


class MasterFileMissing(TsmError):
    """There is no master key file: make one with `tsm-gateway key init`, or restore it from its backup."""

    code, side, temporary = "master-file-missing", Side.OURS, False


class MasterFileExists(TsmError):
    """There is a master key file already: it is never overwritten, as every stored key would be lost."""

    code, side, temporary = "master-file-exists", Side.OURS, False


class MasterFileExposed(TsmError):
    """The master key file is open to others: `chmod 600` it, and replace the key if they read it."""

    code, side, temporary = "master-file-exposed", Side.OURS, False


class MasterFileForeign(TsmError):
    """The master key file is not ours to read: `chown` it to the user who runs the gateway."""

    code, side, temporary = "master-file-foreign", Side.OURS, False


class MasterFileIndirect(TsmError):
    """The master key's path is not a regular file (a symbolic link, a directory): name the file itself."""

    code, side, temporary = "master-file-indirect", Side.OURS, False


class MasterFileGarbled(TsmError):
    """The master key file is cut short or altered: restore it from its backup."""

    code, side, temporary = "master-file-garbled", Side.OURS, False


class MasterFileBusy(TsmError):
    """The master key file is in use by a command; a .new file left beside it by one that broke off can go."""

    code, side, temporary = "master-file-busy", Side.OURS, True


class MasterFileUnreadable(TsmError):
    """The operating system would not read or write the master key file: see the error number."""

    code, side, temporary = "master-file-unreadable", Side.OURS, False


class MasterCredentialMissing(TsmError):
    """No such credential here: the unit needs `LoadCredential=NAME:PATH`, a terminal needs --master FILE."""

    code, side, temporary = "master-credential-missing", Side.OURS, False


class RecipientUnusable(TsmError):
    """No key can be sealed to this certificate: it takes EC P-256, X25519, or RSA of 2048 bits or more."""

    code, side, temporary = "recipient-unusable", Side.PEER, False
