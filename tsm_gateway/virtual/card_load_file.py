"""LOAD: a load file comes in blocks, and is there with the last one or not at all.

GlobalPlatform Card Specification 2.3, §11.6 and §9.3.

The blocks make up `E2 { 4F <security domain>, C3 <signature> }`, none or more of them, and then
`C4 <load file data block>`. Blocks are numbered from 00 by P2; behind FF comes 00 again.

Nothing of a load is kept without power, and any other command ends it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tsm_gateway.virtual.cap_reader import read_load_file
from tsm_gateway.virtual.card_apdu import Answer, Command, Refusal, Status
from tsm_gateway.virtual.card_memory import LOAD_FILE_EXTRA, require_memory
from tsm_gateway.virtual.card_receipt import confirmed
from tsm_gateway.virtual.card_signature import is_signed_by
from tsm_gateway.virtual.card_state import LoadFile
from tsm_gateway.virtual.card_tlv import as_table, read_head

if TYPE_CHECKING:
    from tsm_gateway.virtual.card_session import Running
    from tsm_gateway.virtual.card_state import CardState

MORE, LAST = 0x00, 0x80
_DAP_BLOCK, _SECURITY_DOMAIN, _SIGNATURE, _LOAD_FILE_DATA_BLOCK = 0xE2, 0x4F, 0xC3, 0xC4
_MODULES = 8  # of one load file: its row in the registry is read in one response


@dataclass(slots=True)
class Loading:
    """A load between INSTALL [for load] and its last block."""

    aid: bytes
    security_domain: bytes
    digest: bytes  # the load file data block's SHA-256 as INSTALL gave it; may be empty
    block: int = 0  # the next one's number
    octets: bytearray = field(default_factory=bytearray)
    heads: tuple[list[bytes], int, int] | None = None  # see `_heads`, once it has come to the end of them


def load(running: Running, command: Command) -> Answer:
    """Take one block. Raises Refusal; then the load is over and nothing of it is left."""
    loading, running.volatile.loading = running.volatile.loading, None
    if command.p1 not in {MORE, LAST}:
        raise Refusal(Status.WRONG_P1P2, "P1 is neither 00 nor 80")
    if loading is None:
        raise Refusal(Status.NOT_NOW, "no INSTALL [for load] went ahead")
    if command.p2 != loading.block % 0x100:
        raise Refusal(Status.WRONG_P1P2, f"block {command.p2:02X}, and not {loading.block % 0x100:02X}")
    loading.block += 1
    loading.octets += command.data
    daps, start, length = heads = loading.heads or _heads(loading.octets)
    loading.heads = heads if start else None
    require_memory(running.state, length + LOAD_FILE_EXTRA)
    missing = start + length - len(loading.octets) if start else 1  # octet at least
    if missing < 0 or (command.p1 == LAST and missing):
        raise Refusal(Status.WRONG_DATA, "another length than the load file data block's head says")
    if command.p1 == LAST:
        return _finish(running, loading, daps, bytes(loading.octets[start:]))
    running.volatile.loading = loading
    return Answer()


def _heads(octets: bytearray) -> tuple[list[bytes], int, int]:
    """The DAP blocks so far, and where the load file data block starts and how long it is (0, 0: not yet)."""
    daps: list[bytes] = []
    at = 0
    while (head := read_head(octets, at)) is not None:
        if head.tag == _LOAD_FILE_DATA_BLOCK:
            return daps, head.start, head.length
        if head.tag != _DAP_BLOCK:
            raise Refusal(Status.WRONG_DATA, f"tag {head.tag:X} in a load file")
        at = head.start + head.length
        if at > len(octets):
            break
        daps.append(bytes(octets[head.start : at]))
    return daps, 0, 0


def _finish(running: Running, loading: Loading, daps: list[bytes], block: bytes) -> Answer:
    digest = hashlib.sha256(block).digest()
    if loading.digest and not hmac.compare_digest(digest, loading.digest):
        raise Refusal(Status.WRONG_DATA, "the load file data block has another hash than INSTALL said")
    _require_signature(running.state, loading, daps, digest)
    package = read_load_file(block)
    if package.aid != loading.aid:
        raise Refusal(Status.WRONG_DATA, "a package of another AID than INSTALL said")
    if len(package.applets) > _MODULES:
        raise Refusal(Status.NO_MEMORY, "too many modules")
    file = LoadFile(
        loading.aid, package.version, package.applets, digest, len(block), loading.security_domain
    )
    running.state = replace(running.state, load_files=(*running.state.load_files, file))
    return confirmed(running, loading.aid, loading.security_domain)


def _require_signature(state: CardState, loading: Loading, daps: list[bytes], digest: bytes) -> None:
    """Mandated DAP: one block names this security domain, and every block that does is right (§9.2.1)."""
    profile = state.profile
    if daps and not loading.digest:
        raise Refusal(Status.NOT_NOW, "a signature, and no hash in INSTALL [for load]")
    for dap in map(as_table, daps):
        if set(dap) != {_SECURITY_DOMAIN, _SIGNATURE} or dap[_SECURITY_DOMAIN] != profile.sd_aid:
            raise Refusal(Status.NOT_REFERENCED, "a signature for another security domain")
        if not any(is_signed_by(key, digest, dap[_SIGNATURE]) for key in profile.dap_keys):
            raise Refusal(Status.NOT_NOW, "the load file is not signed by whom this card trusts")
    if profile.dap_keys and not daps:
        raise Refusal(Status.NOT_NOW, "the load file is not signed")
