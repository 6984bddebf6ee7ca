"""What a virtual card keeps without power: identity, keys, life cycles, load files and applications.

One frozen record is the whole of it. A command makes a new record, and the card either keeps that or the one
before; there is nothing in between for a power cut to leave behind.

| card (GlobalPlatform §5.1) | | application (§5.3) | | load file | |
|---|---|---|---|---|---|
| OP_READY | 01 | INSTALLED | 03 | LOADED | 01 |
| INITIALIZED | 07 | SELECTABLE | 07 | | |
| SECURED | 0F | LOCKED | bit 80 | | |
| CARD_LOCKED | 7F | | | | |
| TERMINATED | FF | | | | |
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsm_gateway.secret import Secret
    from tsm_gateway.virtual.card_signature import VerifyingKey

ISD_AID = bytes.fromhex("A000000151000000")  # the security domain's default AID
AID_OCTETS = range(5, 17)


class CardLife(IntEnum):
    """Life cycle of the card, which is its issuer security domain's."""

    OP_READY = 0x01
    INITIALIZED = 0x07
    SECURED = 0x0F
    CARD_LOCKED = 0x7F
    TERMINATED = 0xFF


class ApplicationLife(IntEnum):
    """Life cycle of an application, without the bit that says it is locked."""

    INSTALLED = 0x03
    SELECTABLE = 0x07


LOADED = 0x01  # life cycle of a load file


@dataclass(frozen=True, slots=True)
class KeySet:
    """Three static AES keys of 16, 24 or 32 octets under one key version number."""

    kvn: int  # 01 to 7F, or FF for keys of the factory
    enc: Secret
    mac: Secret
    dek: Secret
    sequence: int = 0  # of the last session; 3 octets
    failures: int = 0  # wrong cryptograms in a row

    def __repr__(self) -> str:
        """Name the set, show nothing else."""
        return f"KeySet(kvn={self.kvn:02X})"


@dataclass(frozen=True, slots=True)
class Profile:
    """What the makers put into a card, and nothing changes."""

    app_se: bytes  # 16 octets: the element's id, read as card image number
    sd_aid: bytes = ISD_AID
    diversification: bytes = bytes(10)
    protocol: int = 0x70  # "i" of Amendment D: bit 01 S16, 10 pseudo-random challenge, 20 R-MAC, 40 R-ENC
    memory: int = 512 * 1024  # octets for load files and applications
    dap_keys: tuple[VerifyingKey, ...] = ()  # any one of them signs; none: load files need no signature
    token_key: VerifyingKey | None = None  # delegated management: every change needs a token
    receipt_key: Secret | None = None  # AES, for receipts of delegated management


@dataclass(frozen=True, slots=True)
class LoadFile:
    """An executable load file."""

    aid: bytes
    version: tuple[int, int]  # major, minor of the package
    modules: tuple[bytes, ...]  # AIDs of its applets
    digest: bytes  # SHA-256 over the load file data block
    size: int  # octets of the load file data block
    security_domain: bytes


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the payment application was personalised with; nothing of it is secret."""

    provider_address: str = ""
    gateway_number: str = ""
    port: int = 0
    amount_limit: int | None = None  # minor units; 0: any amount
    currency: int | None = None  # ISO 4217 numeric


@dataclass(frozen=True, slots=True)
class Instance:
    """An application made out of a module."""

    aid: bytes
    load_file: bytes
    module: bytes
    privileges: bytes  # 1 or 3 octets, as INSTALL gave them
    install_data: bytes  # the value of C9
    life: int = ApplicationLife.INSTALLED
    locked: bool = False
    parameters: Parameters | None = None  # None: not personalised

    @property
    def life_octet(self) -> int:
        """The life cycle as GET STATUS gives it."""
        return self.life | (0x80 if self.locked else 0)

    @property
    def is_selectable(self) -> bool:
        """Whether SELECT finds it."""
        return self.life >= ApplicationLife.SELECTABLE and not self.locked


@dataclass(frozen=True, slots=True)
class CardState:
    """The whole card without power."""

    profile: Profile
    key_sets: tuple[KeySet, ...]
    life: CardLife = CardLife.SECURED
    issuer: bytes = b""  # issuer identification number, as GET DATA 42 gives it
    manager_url: bytes = b""  # of whoever manages the security domain, as GET DATA 5F50 gives it
    load_files: tuple[LoadFile, ...] = ()
    instances: tuple[Instance, ...] = ()
    confirmations: int = 0  # receipts given

    def key_set(self, kvn: int) -> KeySet | None:
        """The set of version `kvn`; 0: the first one."""
        return next((keys for keys in self.key_sets if kvn in {0, keys.kvn}), None)

    def load_file(self, aid: bytes) -> LoadFile | None:
        """The load file of that very AID."""
        return next((file for file in self.load_files if file.aid == aid), None)

    def instance(self, aid: bytes) -> Instance | None:
        """The application of that very AID."""
        return next((each for each in self.instances if each.aid == aid), None)

    def with_keys(self, keys: KeySet) -> CardState:
        """`keys` in the place of the set of their version."""
        return replace(self, key_sets=tuple(keys if each.kvn == keys.kvn else each for each in self.key_sets))

    def with_instance(self, changed: Instance) -> CardState:
        """`changed` in the place of the application of its AID."""
        return replace(
            self, instances=tuple(changed if each.aid == changed.aid else each for each in self.instances)
        )
