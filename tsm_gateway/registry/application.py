"""Payment applications: what was published, who is to have it, and what a device has (design §7)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

LATEST: Final = ""  # as a rule's version: the newest one that is not retired


class ApplicationState(Enum):
    """Whether a version may be loaded."""

    PUBLISHED = "published"
    RETIRED = "retired"  # no longer loaded; where it is installed it stays until it is replaced or removed


class Version(NamedTuple):
    """A version of an application; they are ordered as numbers are."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        """As people write it: "1.2.0"."""
        return f"{self.major}.{self.minor}.{self.patch}"


class Application(NamedTuple):
    """One version of one application. Its load file is kept beside it, by `digest`."""

    name: str  # 1..32 of a-z, 0-9, "-"
    version: Version
    digest: bytes  # SHA-256 over the load file data block: what is signed, and what the card hashes again
    provider: str  # whose application it is; "" = of no single provider
    package_aid: bytes  # 5..16 octets, also the load file's AID
    package_version: tuple[int, int]  # (major, minor) of the CAP file's header
    applet_aids: tuple[bytes, ...]  # at least one, 5..16 octets each; the first is instantiated
    java_card: str  # "3.0.5"; of the CAP file's format
    size: int  # octets of the load file data block
    state: ApplicationState
    published_at: int  # Unix seconds


class ApplicationSignature(NamedTuple):
    """The gateway's signature over one `digest`, as cards verify it (DAP)."""

    digest: bytes  # 32 octets
    key_id: bytes  # 8 octets: the head of SHA-256 over the signing key's SubjectPublicKeyInfo
    scheme: str  # "ecdsa-p256" or "rsa-pss-2048"
    signature: bytes  # r || s, or the RSA signature
    signed_at: int  # Unix seconds


class Scope(Enum):
    """Whom a rule is for; where several apply, the one further up decides."""

    DEVICE = "device"
    ISSUER = "issuer"  # of the crypto SE's certificate
    ALL = "all"


class Rule(NamedTuple):
    """Which version of an application some devices are to have."""

    application: str  # name
    scope: Scope
    subject: str  # device id, issuer's name, or ""
    version: Version | None  # None: the newest that is published
    wanted: bool  # False: they are not to have it
    made_at: int  # Unix seconds


class InstallState(Enum):
    """Where an application stands on one device."""

    ASSIGNED = "assigned"
    LOADING = "loading"
    INSTALLED = "installed"
    FAILED = "failed"
    REMOVED = "removed"


class InstallMove(Enum):
    """What happens to an application on a device."""

    ASSIGN = "assign"
    LOAD = "load"
    INSTALL = "install"
    FAIL = "fail"
    REMOVE = "remove"


S = InstallState
INSTALL_MOVES: Mapping[InstallMove, tuple[frozenset[InstallState], InstallState]] = {
    InstallMove.ASSIGN: (frozenset(S), S.ASSIGNED),  # another version, or once more
    InstallMove.LOAD: (frozenset({S.ASSIGNED, S.LOADING, S.FAILED}), S.LOADING),  # again after a cut
    InstallMove.INSTALL: (frozenset({S.LOADING}), S.INSTALLED),
    InstallMove.FAIL: (frozenset({S.ASSIGNED, S.LOADING, S.INSTALLED}), S.FAILED),  # or its removal did
    InstallMove.REMOVE: (
        frozenset({S.ASSIGNED, S.LOADING, S.INSTALLED, S.FAILED}),
        S.REMOVED,
    ),
}


class DeviceApplication(NamedTuple):
    """An application on a device's app SE."""

    device_id: str
    application: str  # name
    version: Version  # the one that is (to be) there
    digest: bytes  # of its load file data block
    state: InstallState
    changed_at: int  # Unix seconds
    reason: str
