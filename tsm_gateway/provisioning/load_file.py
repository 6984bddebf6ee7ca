"""A load file as it travels: its data block, the DAP blocks ahead of it, and the cut into LOAD commands.

```
E2 <len> { 4F <len> <SD AID>  C3 <len> <signature> }   one DAP block a security domain that verifies
C4 <len> <load file data block>
```

The card hashes the data block it received; the signature is over that hash (GlobalPlatform Card Specification
2.3 §11.6.2.3).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tsm_gateway.provisioning.application_errors import LoadFileTooLarge
from tsm_gateway.provisioning.tlv import encode_length, tlv

AID_OCTETS: Final = range(5, 16 + 1)  # ISO/IEC 7816-5
DIGEST_OCTETS: Final = 32
MOST_BLOCKS: Final = 256  # P2 of LOAD counts them in one octet
_DAP_BLOCK: Final = 0xE2
_SD_AID: Final = 0x4F
_SIGNATURE: Final = 0xC3
_DATA_BLOCK: Final = 0xC4
_LONGEST: Final = 0xFFFF  # octets of a data block: beyond what 256 short commands carry


def checked_aid(aid: bytes) -> bytes:
    """`aid` itself. Raises ValueError unless it has 5 to 16 octets."""
    if len(aid) not in AID_OCTETS:
        message = f"an AID has 5 to 16 octets, not {len(aid)}"
        raise ValueError(message)
    return aid


@dataclass(frozen=True, slots=True)
class LoadFile:
    """A load file data block (1..65,535 octets) under the AID the card is to know it by.

    `digest` is SHA-256 over exactly the octets that are sent. Raises ValueError.
    """

    octets: bytes = field(repr=False)
    aid: bytes  # 5..16 octets
    digest: bytes = field(init=False)  # 32 octets

    def __post_init__(self) -> None:
        """Check the bounds and hash what will be sent."""
        checked_aid(self.aid)
        if not 1 <= len(self.octets) <= _LONGEST:
            message = f"a load file data block has 1 to {_LONGEST} octets, not {len(self.octets)}"
            raise ValueError(message)
        object.__setattr__(self, "octets", bytes(self.octets))  # what was hashed can change no more
        object.__setattr__(self, "digest", hashlib.sha256(self.octets).digest())

    @property
    def size(self) -> int:
        """Octets of the data block."""
        return len(self.octets)


class DapBlock(NamedTuple):
    """A signature over a load file's digest, and the security domain that is to verify it."""

    sd_aid: bytes  # 5..16 octets
    signature: bytes

    def encode(self) -> bytes:
        """The block for the card. Raises ValueError for an AID of no such length or without a signature."""
        if not self.signature:
            message = "a DAP block holds a signature"
            raise ValueError(message)
        return tlv(_DAP_BLOCK, tlv(_SD_AID, checked_aid(self.sd_aid)) + tlv(_SIGNATURE, self.signature))


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """A load file with its DAP blocks, cut to what one LOAD command carries.

    `block_octets` (1..255) is the most data a command takes inside its secure channel. Raises
    LoadFileTooLarge when more than 256 blocks would be needed, ValueError for another size of blocks.
    """

    load_file: LoadFile
    daps: tuple[DapBlock, ...]
    block_octets: int
    head: bytes = field(init=False, repr=False)  # all that goes ahead of the data block's octets
    count: int = field(init=False)  # blocks, 1..256

    def __post_init__(self) -> None:
        """Lay out what goes ahead and count the blocks."""
        if not 1 <= self.block_octets <= 0xFF:  # noqa: PLR2004
            message = f"a LOAD command carries 1 to 255 octets, not {self.block_octets}"
            raise ValueError(message)
        daps = b"".join(each.encode() for each in self.daps)
        head = daps + bytes((_DATA_BLOCK,)) + encode_length(self.load_file.size)
        count = -(-(len(head) + self.load_file.size) // self.block_octets)
        if count > MOST_BLOCKS:
            raise LoadFileTooLarge(size=self.load_file.size, block=self.block_octets)
        object.__setattr__(self, "head", head)
        object.__setattr__(self, "count", count)

    def block(self, index: int) -> bytes:
        """The data of LOAD number `index` (0..count-1). Raises ValueError."""
        if not 0 <= index < self.count:
            message = f"there is no block {index} of {self.count}"
            raise ValueError(message)
        begin = index * self.block_octets
        end = begin + self.block_octets
        ahead = len(self.head)
        return self.head[begin:end] + self.load_file.octets[max(begin - ahead, 0) : max(end - ahead, 0)]

    def blocks(self) -> tuple[bytes, ...]:
        """The data of every LOAD command, in order."""
        return tuple(self.block(index) for index in range(self.count))
