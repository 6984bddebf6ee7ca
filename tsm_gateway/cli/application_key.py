"""The application-signing key: the private half for an operator's deliberate act, the public half to compare.

The private key may be kept away from here; the certificate is always at hand, and says which key is meant.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.cli.context import acting_as_owner_of
from tsm_gateway.cli.pki_folder import folder_of, settings_if_whole
from tsm_gateway.daemon.settings_secrets import secret_value
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.provisioning.pki import Use
from tsm_gateway.provisioning.pki_file_store import read_file
from tsm_gateway.provisioning.pki_fitness import check_fit, read_certificate, read_key
from tsm_gateway.provisioning.pki_store import PkiStore
from tsm_gateway.provisioning.signing import (
    FileSigner,
    application_key,
    check_signature,
    key_id_of,
    sign_load_file,
)
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.provisioning.load_file import LoadFile
    from tsm_gateway.provisioning.signing import ApplicationKey, ApplicationSigner
    from tsm_gateway.registry.application import ApplicationSignature

CREDENTIAL = "credential:"
KEY_HELP = (
    "The application-signing key, PEM and mode 0600, or credential:NAME.  [default: application-signing.key "
    "of `pki init`]"
)


class ApplicationKeyMismatch(TsmError):
    """This is not the key of the certificate it was to sign under."""

    code, side, temporary = "application-key-mismatch", Side.OURS, False


class Signing(NamedTuple):
    """Who signs, and the key by which the daemon and the cards will verify it."""

    signer: ApplicationSigner
    key: ApplicationKey

    @classmethod
    def of(cls, signer: ApplicationSigner, certificate: Certificate) -> Signing:
        """Pair them. Raises ApplicationKeyMismatch, ApplicationKeyUnfit."""
        key = application_key(certificate.public_key())
        if signer.key_id != key_id_of(key):
            raise ApplicationKeyMismatch(key=signer.key_id.hex(), certificate=key_id_of(key).hex())
        return cls(signer, key)

    def over(self, load_file: LoadFile, at: int) -> ApplicationSignature:
        """The signature over a load file, verified. Raises ApplicationNotAuthentic."""
        signature = sign_load_file(self.signer, load_file, at=at)
        check_signature(self.key, load_file, signature)
        return signature


def signing_with(config_path: Path, key: str | None, earlier: Path | None = None) -> Signing:
    """What to sign with; `key`: see KEY_HELP. `earlier`: its certificate, where it is not the present one.

    Raises what `present_certificate` or `earlier_certificate` raises, PkiFileMissing and the other errors of
    a key's file, SecretUnreadable, ApplicationKeyMismatch, ApplicationKeyUnfit.
    """
    if earlier is None:
        certificate = present_certificate(config_path, at=int(time.time()))
    else:
        certificate = earlier_certificate(earlier)
    return Signing.of(
        FileSigner(read_key(Use.APPLICATION_SIGNING.value, _octets(config_path, key))), certificate
    )


def present_certificate(config_path: Path, *, at: int | None = None) -> Certificate:
    """The application-signing certificate: that of [provisioning.delivery], else of the folder of `pki init`.

    With `at` (Unix seconds) it has to be valid then. Raises PkiFileMissing and its like, PkiUnfit.
    """
    return certificate_of(settings_if_whole(config_path), folder_of(config_path, None), at=at)


def certificate_of(settings: Settings | None, folder: Path, *, at: int | None = None) -> Certificate:
    """As `present_certificate`."""
    path = application_certificate_path(settings, folder)
    certificate = read_certificate(str(path), read_file(path))
    if at is not None:
        check_fit(Use.APPLICATION_SIGNING, certificate, at, None)
    return certificate


def earlier_certificate(path: Path) -> Certificate:
    """An application-signing certificate, which may have ended since. Raises PkiFileMissing, PkiUnfit."""
    certificate = read_certificate(str(path), read_file(path))
    check_fit(Use.APPLICATION_SIGNING, certificate, int(certificate.not_valid_after_utc.timestamp()), None)
    return certificate


def application_certificate_path(settings: Settings | None, folder: Path) -> Path:
    """Where it lies, or would."""
    delivery = settings.provisioning.delivery if settings and settings.provisioning else None
    if delivery is not None:
        return Path(delivery.signing_certificate)
    return PkiStore(folder).certificate_path(Use.APPLICATION_SIGNING)


def present_key_id(config_path: Path) -> bytes | None:
    """Which key is the present one, 8 octets; None when no certificate says so."""
    try:
        return key_id_of(application_key(present_certificate(config_path).public_key()))
    except TsmError:
        return None


def _octets(config_path: Path, key: str | None) -> Secret:
    if key is not None and key.startswith(CREDENTIAL):
        return secret_value(key)
    path = PkiStore(folder_of(config_path, None)).key_path(Use.APPLICATION_SIGNING)
    if key is not None:
        path = Path(key.removeprefix("file:")).absolute()
    with acting_as_owner_of(path):
        return Secret(read_file(path, private=True))
