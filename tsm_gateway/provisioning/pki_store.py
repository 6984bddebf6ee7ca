"""The folder of the gateway's own keys and certificates: for each use `USE.pem` and `USE.key`.

Keys are PKCS #8 in PEM, mode 0600. What is there is never overwritten. The key comes first, so that a
broken-off `make` leaves at most a key without certificate, which the next one takes up. A renewal keeps
what it replaces as `NAME.old`, put there first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tsm_gateway.keys.beside_store import write_beside
from tsm_gateway.provisioning.pki import BELOW_ROOT, Pair, Use, build_agent, build_authority, build_below_root
from tsm_gateway.provisioning.pki_errors import PkiFileExists, PkiUnfit
from tsm_gateway.provisioning.pki_file_store import (
    CERTIFICATE_MODE,
    KEY_MODE,
    beside,
    keep_old,
    make_folder,
    put_file,
    read_file,
)
from tsm_gateway.provisioning.pki_fitness import (
    agent_subject,
    check_apart,
    check_fit,
    read_certificate,
    read_key,
    read_pair,
    read_request,
)
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.x509 import Certificate, GeneralName

    from tsm_gateway.provisioning.pki import SigningKey


class PkiStore:
    """One folder; every method raises the errors of `pki_errors`, and leaves whole files behind."""

    def __init__(self, folder: Path) -> None:
        """Nothing is touched yet."""
        self.folder = folder

    def certificate_path(self, use: Use) -> Path:
        """Where the certificate of `use` is, or would be."""
        return self.folder / f"{use.value}.pem"

    def key_path(self, use: Use) -> Path:
        """Where the private key of `use` is, or would be."""
        return self.folder / f"{use.value}.key"

    def has(self, use: Use) -> bool:
        """Whether there is a certificate of `use`."""
        return self.certificate_path(use).exists()

    def certificate(self, use: Use) -> Certificate:
        """The certificate of `use`."""
        path = self.certificate_path(use)
        return read_certificate(str(path), read_file(path))

    def pair(self, use: Use) -> Pair:
        """The certificate of `use` with its key."""
        path = self.key_path(use)
        key = Secret(read_file(path, private=True))
        return read_pair(str(path), read_file(self.certificate_path(use)), key)

    def make(self, use: Use, *, owner: str, names: Sequence[GeneralName] = (), at: int) -> Certificate:
        """Make key and certificate of `use` at Unix second `at`; a key that is there already is used.

        Raises PkiFileExists when there is a certificate; PkiFileMissing without the root's key, when
        `use` is below it.
        """
        if self.has(use):
            raise PkiFileExists(path=str(self.certificate_path(use)))
        root = self.pair(Use.ROOT) if use in BELOW_ROOT else None
        make_folder(self.folder)
        key = self._kept_key(use)
        if key is None:
            key = generate_private_key(SECP256R1())
            put_file(self.key_path(use), _key_octets(key), KEY_MODE)
        certificate = _built(use, key, root, owner=owner, names=names, at=at)
        put_file(self.certificate_path(use), certificate.public_bytes(Encoding.PEM), CERTIFICATE_MODE)
        return certificate

    def renew(
        self, use: Use, *, owner: str, new_key: bool, names: Sequence[GeneralName] = (), at: int
    ) -> Certificate:
        """Replace the certificate of `use`, and its key if `new_key`; the old ones stay as `.old`.

        Without `names` a channel keeps those it has. An authority keeps its key always: what it issued
        stays good. Raises PkiUnfit when it was issued by somebody else, and so has to be renewed there.
        """
        old = self.pair(use)
        root = self.pair(Use.ROOT) if use in BELOW_ROOT else Pair(old.certificate, old.key)
        if old.certificate.issuer != root.certificate.subject:
            raise PkiUnfit(what=use.value, problem="issued elsewhere: renew it there, then `pki import` it")
        key: SigningKey = generate_private_key(SECP256R1()) if new_key and use in BELOW_ROOT else old.key
        certificate = _built(use, key, root, owner=owner, names=names or _names_of(old.certificate), at=at)
        self._replace(use, Pair(certificate, key), keep_key=key is old.key)
        return certificate

    def take(self, use: Use, certificate: bytes, key: Secret | None, at: int) -> Certificate:
        """Take over a certificate (PEM) that somebody else issued, with its key (PEM).

        Only the root may come without a key: then it is kept elsewhere, and issues elsewhere. What was
        here stays as `.old`. Raises PkiUnfit when it cannot serve `use`.
        """
        if key is None and use is not Use.ROOT:
            raise PkiUnfit(what=use.value, problem="needs --key: only the root's may stay elsewhere")
        found = read_certificate(use.value, certificate)
        pair = read_pair(use.value, certificate, key) if key is not None else None
        root = self.certificate(Use.ROOT) if use in BELOW_ROOT and self.has(Use.ROOT) else None
        check_fit(use, found, at, root)
        others = {each.value: self.certificate(each) for each in Use if each is not use and self.has(each)}
        check_apart(use.value, found, others)
        make_folder(self.folder)
        if self.has(use):
            self._replace(use, pair or found)
        else:
            if pair is not None:
                put_file(self.key_path(use), _key_octets(pair.key), KEY_MODE)
            put_file(self.certificate_path(use), found.public_bytes(Encoding.PEM), CERTIFICATE_MODE)
        return found

    def sign_agent(self, request: bytes, *, owner: str, at: int, app_se: bytes = b"") -> Certificate:
        """A certificate for the agent that made `request` (PKCS #10, PEM or DER).

        `app_se`: the id of the app SE it speaks for on channel 2, 8 to 32 octets; b"" = none.
        """
        asked = read_request(request)
        subject = agent_subject(asked, owner, app_se)
        agents = self.pair(Use.AGENTS)
        return build_agent(subject, asked.public_key(), agents, serial=x509.random_serial_number(), at=at)

    def _kept_key(self, use: Use) -> SigningKey | None:
        path = self.key_path(use)
        if not path.exists():
            return None
        return read_key(str(path), Secret(read_file(path, private=True)))

    def _replace(self, use: Use, fresh: Pair | Certificate, *, keep_key: bool = False) -> None:
        """Put new files in the place of old ones, both written before the first is put there."""
        certificate, key = fresh if isinstance(fresh, tuple) else (fresh, None)
        with beside(self.certificate_path(use)) as new_certificate, beside(self.key_path(use)) as new_key:
            write_beside(new_certificate, certificate.public_bytes(Encoding.PEM), CERTIFICATE_MODE)
            if not keep_key:
                if key is not None:
                    write_beside(new_key, _key_octets(key), KEY_MODE)
                keep_old(self.key_path(use))
                if key is not None:
                    new_key.replace(self.key_path(use))
                else:
                    self.key_path(use).unlink(missing_ok=True)
            keep_old(self.certificate_path(use))
            new_certificate.replace(self.certificate_path(use))


def write_certificate(path: Path, certificate: Certificate) -> None:
    """Write a certificate that is given away to a file of its own. Raises PkiFileExists."""
    put_file(path, certificate.public_bytes(Encoding.PEM), CERTIFICATE_MODE)


def _built(
    use: Use, key: SigningKey, root: Pair | None, *, owner: str, names: Sequence[GeneralName], at: int
) -> Certificate:
    serial = x509.random_serial_number()
    if use not in BELOW_ROOT or root is None:
        return build_authority(use, key, owner=owner, serial=serial, at=at)
    return build_below_root(use, key.public_key(), root, owner=owner, names=names, serial=serial, at=at)


def _names_of(certificate: Certificate) -> list[GeneralName]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _key_octets(key: SigningKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
