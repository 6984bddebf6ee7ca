"""Load files as sessions share them: few are in use at a time, and each is read and hashed once."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.provisioning.application_errors import ApplicationNotAuthentic
from tsm_gateway.provisioning.load_file import LoadFile
from tsm_gateway.provisioning.signing import application_key, check_signature, key_id_of

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from tsm_gateway.registry.application import Application, ApplicationSignature
    from tsm_gateway.registry.card import Card
    from tsm_gateway.store.delivery_store import DeliveryStore

MOST: Final = 8  # load files kept, 64 KiB each at most


class ApplicationNotSigned(TsmError):
    """No signature by the present application-signing key, or none by the key this card verifies with."""

    code, side, temporary = "application-not-signed", Side.OURS, False


class LoadFileShelf:
    """Load files by digest, the last used ones."""

    def __init__(self, store: DeliveryStore) -> None:
        """Read from `store` what is not at hand."""
        self._store = store
        self._held: OrderedDict[bytes, LoadFile] = OrderedDict()

    def take(self, application: Application) -> LoadFile:
        """The load file of an application.

        Raises ApplicationNotAuthentic when its octets are not those published; what the store raises.
        """
        digest = application.digest
        load_file = self._held.pop(digest, None)
        if load_file is None:
            load_file = LoadFile(self._store.load_file(digest), application.package_aid)
            if load_file.digest != digest:
                raise ApplicationNotAuthentic
        self._held[digest] = load_file
        if len(self._held) > MOST:
            self._held.popitem(last=False)
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


def _by(stored: list[ApplicationSignature], key_id: bytes) -> ApplicationSignature:
    for each in stored:
        if each.key_id == key_id:
            return each
    raise ApplicationNotSigned(key=key_id.hex(), signatures=len(stored))
