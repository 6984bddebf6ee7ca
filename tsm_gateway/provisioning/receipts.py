"""Receipts: a card's word that it loaded, installed or deleted something under a token.

```
confirmation = <len> receipt (16)  02 counter (2)  <len> card's own data  [anything later editions add]
answer = <len> confirmation, or the confirmation alone: cards read the specification either way
```

The receipt is an AES-CMAC under the issuer's receipt key over counter and card data as they stand there, and
then the AIDs: load file and security domain (load), load file and instance (install), or the one deleted.
Reference: GlobalPlatform Card Specification 2.3 §11.1.6 and Appendix C.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from tsm_gateway.provisioning.app_command import Delete, InstallForInstall, InstallForLoad
from tsm_gateway.provisioning.application_errors import ReceiptMalformed, ReceiptNotAuthentic
from tsm_gateway.provisioning.tlv import lv

if TYPE_CHECKING:
    from tsm_gateway.provisioning.tokens import Delegated
    from tsm_gateway.secret import Secret

RECEIPT_OCTETS: Final = 16
COUNTER_OCTETS: Final = 2


class Receipt(NamedTuple):
    """A card's confirmation; `counter` grows by one with each."""

    mac: bytes
    counter: int
    card_data: bytes  # what tells this card from others, as its issuer chose

    @property
    def signed(self) -> bytes:
        """What the receipt covers ahead of the AIDs."""
        return lv(self.counter.to_bytes(COUNTER_OCTETS, "big")) + lv(self.card_data)


def read_receipt(data: bytes) -> Receipt | None:
    """The receipt in the answer to the last LOAD, to INSTALL or DELETE; None where the card gave none.

    Raises ReceiptMalformed.
    """
    if data in {b"", b"\x00"}:  # an answer of one octet 00: nothing to confirm
        return None
    confirmation, rest = _field(data)
    if (
        len(confirmation) == RECEIPT_OCTETS
    ):  # too short for a confirmation: its first field, and no length ahead
        confirmation, rest = data, b""
    if rest:
        raise ReceiptMalformed(length=len(data))
    mac, rest = _field(confirmation)
    counter, rest = _field(rest)
    card_data, _ = _field(rest)
    if len(mac) != RECEIPT_OCTETS or len(counter) != COUNTER_OCTETS:
        raise ReceiptMalformed(length=len(data))
    return Receipt(mac, int.from_bytes(counter, "big"), card_data)


def verify_receipt(key: Secret, receipt: Receipt, command: Delegated) -> None:
    """Check that the card confirms exactly `command`; the receipt `key` has 16, 24 or 32 octets.

    A load's receipt comes with the last LOAD, and is for the INSTALL [for load]. Raises ReceiptNotAuthentic.
    """
    mac = CMAC(AES(key.reveal()))
    mac.update(receipt.signed + b"".join(lv(aid) for aid in _confirmed(command)))
    try:
        mac.verify(receipt.mac)
    except InvalidSignature:
        raise ReceiptNotAuthentic(counter=receipt.counter) from None


def _confirmed(command: Delegated) -> tuple[bytes, ...]:
    match command:
        case InstallForLoad():
            return command.load_file.aid, command.sd_aid
        case InstallForInstall():
            return command.package_aid, command.instance_aid
        case Delete():
            return (command.aid,)


def _field(octets: bytes) -> tuple[bytes, bytes]:
    end = 1 + octets[0] if octets else 1
    if end > len(octets):
        raise ReceiptMalformed(length=len(octets))
    return octets[1:end], octets[end:]
