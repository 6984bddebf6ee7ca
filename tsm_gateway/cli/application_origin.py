"""Whether a load file in the store is one that an operator published: shown before it is signed anew.

The store itself shows nothing: whoever may write it can put a load file there. A signature by a key whose
certificate lies in a file shows it, and so does the CAP file the version was made from.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.cli.application_key import application_certificate_path, earlier_certificate
from tsm_gateway.cli.application_publish import read_cap_file
from tsm_gateway.cli.pki_folder import folder_of, settings_if_whole
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.provisioning.application_errors import ApplicationNotAuthentic
from tsm_gateway.provisioning.load_file import LoadFile
from tsm_gateway.provisioning.load_file_contents import check_contents, read_load_file
from tsm_gateway.provisioning.pki import Use
from tsm_gateway.provisioning.pki_store import PkiStore
from tsm_gateway.provisioning.signing import application_key, is_signed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tsm_gateway.provisioning.signing import ApplicationKey
    from tsm_gateway.registry.application import Application
    from tsm_gateway.store.sqlite_store import SqliteStore


class ApplicationOriginUnknown(TsmError):
    """Nothing shows that this load file was ever published here: no key that is known has signed it."""

    code, side, temporary = "application-origin-unknown", Side.OURS, False

    def __str__(self) -> str:
        """With the ways out."""
        name, version = self.facts.get("name", "NAME"), self.facts.get("version", "V")
        ways = (
            f"Sign it from its CAP file, `application sign {name} --version {version} --cap FILE`, or name "
            "the certificate it was signed under with --signed-by FILE."
        )
        return f"{self.__doc__} {ways} (application={name}, version={version}) [{self.code}]"


class CapNotPublished(TsmError):
    """The CAP file gives another load file than the one that stands in the store for this version."""

    code, side, temporary = "cap-not-published", Side.OURS, False


class ByKeys(NamedTuple):
    """Believe what one of these keys signed."""

    keys: tuple[ApplicationKey, ...]

    def check(self, store: SqliteStore, found: Application) -> None:
        """Raises ApplicationOriginUnknown."""
        stored = store.delivery.signatures(found.digest)
        if not any(is_signed(key, found.digest, stored) for key in self.keys):
            raise ApplicationOriginUnknown(name=found.name, version=str(found.version))


class ByCap(NamedTuple):
    """Believe these load files, by digest: those of one CAP file, with and without its Descriptor."""

    digests: frozenset[bytes]

    def check(self, _store: SqliteStore, found: Application) -> None:
        """Raises CapNotPublished."""
        if found.digest not in self.digests:
            raise CapNotPublished(name=found.name, version=str(found.version), digest=found.digest.hex())


Origin = ByKeys | ByCap


def by_cap(path: Path) -> ByCap:
    """What a CAP file shows. Raises InputInvalid, CapMalformed."""
    return ByCap(frozenset(read_cap_file(path, include_descriptor=each).digest for each in (True, False)))


def by_certificates(config_path: Path, more: Sequence[Path] = ()) -> ByKeys:
    """What the application-signing certificates show: the present one, the one before it, and `more`.

    Raises PkiFileMissing and its like for one of `more`, PkiUnfit for what is none.
    """
    paths = [*_at_hand(config_path), *more]
    return ByKeys(tuple(map(_key, paths)))


def published_load_file(store: SqliteStore, found: Application) -> LoadFile:
    """The load file of a version, which is what its row says.

    Raises ApplicationNotAuthentic when its octets are not those published, ApplicationMismatch, CapMalformed.
    """
    load_file = LoadFile(store.delivery.load_file(found.digest), found.package_aid)
    if load_file.digest != found.digest:
        raise ApplicationNotAuthentic
    check_contents(read_load_file(load_file.octets), found)
    return load_file


def _at_hand(config_path: Path) -> Iterator[Path]:
    """Certificates by where `pki init`, the configuration and `pki renew` have them, those that are there."""
    settings, folder = settings_if_whole(config_path), folder_of(config_path, None)
    configured = application_certificate_path(settings, folder)
    for path in dict.fromkeys((configured, PkiStore(folder).certificate_path(Use.APPLICATION_SIGNING))):
        yield from filter(Path.exists, (path, path.with_name(f"{path.name}.old")))


def _key(path: Path) -> ApplicationKey:
    """The public key of an application-signing certificate, which may have ended since. Raises PkiUnfit."""
    return application_key(earlier_certificate(path).public_key())
