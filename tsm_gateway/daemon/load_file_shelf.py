"""Load files as sessions share them: few are in use at a time, and each is read and hashed once.

What the catalogue says of one is believed only as far as the load file itself says it, and the load file
because of its signature: the store vouches for nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeVar

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.provisioning.application_errors import ApplicationNotAuthentic
from tsm_gateway.provisioning.load_file import LoadFile
from tsm_gateway.provisioning.load_file_contents import check_contents, read_load_file
from tsm_gateway.provisioning.signing import application_key, check_signature, key_id_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryptography.x509 import Certificate

    from tsm_gateway.provisioning.load_file_contents import LoadFileContents
    from tsm_gateway.provisioning.signing import ApplicationKey
    from tsm_gateway.registry.application import Application, ApplicationSignature
    from tsm_gateway.registry.card import Card
    from tsm_gateway.store.delivery_store import DeliveryStore

MOST: Final = 8  # load files kept, 64 KiB each at most
MOST_NAMES: Final = 1024  # load files whose AIDs and signatures are remembered

K = TypeVar("K")
V = TypeVar("V")


class ApplicationNotSigned(TsmError):
    """No signature by the present application-signing key, or none by the key this card verifies with."""

    code, side, temporary = "application-not-signed", Side.OURS, False


class LoadFileShelf:
    """Load files by digest, the last used ones, and what each of them says of itself."""

    def __init__(self, store: DeliveryStore) -> None:
        """Read from `store` what is not at hand."""
        self._store = store
        self._held: OrderedDict[bytes, LoadFile] = OrderedDict()
        self._contents: OrderedDict[bytes, LoadFileContents] = OrderedDict()
        self._vouched: OrderedDict[tuple[bytes, bytes], None] = OrderedDict()  # digest, key that signed it

    def take(self, application: Application) -> LoadFile:
        """The load file of an application, which holds the AIDs that the catalogue states.

        Raises ApplicationNotAuthentic when its octets are not those published, ApplicationMismatch,
        CapMalformed; what the store raises.
        """
        load_file = self._read(application.digest)
        check_contents(self._contents[application.digest], application)
        return load_file

    def signature(self, load_file: LoadFile, card: Card, certificate: Certificate) -> bytes:
        """The signature `card` is to verify; nothing goes out that the present key has not signed as well.

        `certificate` is of that key. Raises ApplicationNotSigned, ApplicationNotAuthentic,
        ApplicationKeyUnfit; what the store raises.
        """
        key = application_key(certificate.public_key())
        stored = self._store.signatures(load_file.digest)
        present = _by(stored, key_id_of(key))
        check_signature(key, load_file, present)
        return (_by(stored, card.dap_key) if card.dap_key else present).signature

    def contents(self, application: Application, certificates: Iterable[Certificate]) -> LoadFileContents:
        """The AIDs of an application, which a key of one of `certificates` signed.

        Raises as `take`, and ApplicationNotSigned, ApplicationNotAuthentic, ApplicationKeyUnfit.
        """
        digest = application.digest
        keys = {key_id_of(key): key for key in (application_key(each.public_key()) for each in certificates)}
        if digest not in self._contents or not any((digest, each) in self._vouched for each in keys):
            self._vouch(self._read(digest), keys)
        contents = self._contents[digest]
        check_contents(contents, application)
        return contents

    def _vouch(self, load_file: LoadFile, keys: Mapping[bytes, ApplicationKey]) -> None:
        """Verify the stored signature by one of `keys`, and remember that it holds."""
        digest = load_file.digest
        stored = [each for each in self._store.signatures(digest) if each.key_id in keys]
        if not stored:
            raise ApplicationNotSigned(digest=digest.hex(), keys=len(keys))
        check_signature(keys[stored[0].key_id], load_file, stored[0])
        _keep(self._vouched, (digest, stored[0].key_id), None, MOST_NAMES)

    def _read(self, digest: bytes) -> LoadFile:
        load_file = self._held.pop(digest, None)
        if load_file is None or digest not in self._contents:
            octets = self._store.load_file(digest)
            if sha256(octets).digest() != digest:
                raise ApplicationNotAuthentic
            contents = read_load_file(octets)
            load_file = LoadFile(octets, contents.package_aid)
            _keep(self._contents, digest, contents, MOST_NAMES)
        _keep(self._held, digest, load_file, MOST)
        return load_file


def _keep(kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    """As the last used one; the one that was not used for longest goes."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)


def _by(stored: list[ApplicationSignature], key_id: bytes) -> ApplicationSignature:
    for each in stored:
        if each.key_id == key_id:
            return each
    raise ApplicationNotSigned(key=key_id.hex(), signatures=len(stored))
