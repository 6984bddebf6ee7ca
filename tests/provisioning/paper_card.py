"""A GlobalPlatform card on paper, and an agent in front of it: for tests of who talks to cards.

The channel is `gp_card`'s literal one, at level 33 always. Behind it the card knows as little as a delivery
needs, and answers what it was told to where a test wants trouble.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from tests.provisioning import gp_card

if TYPE_CHECKING:
    from collections.abc import Sequence

OK, MISSING = b"\x90\x00", b"\x6a\x88"
SD_AID = bytes.fromhex("a000000151000000")


def lvs(octets: bytes) -> list[bytes]:
    fields = []
    while octets:
        fields.append(octets[1 : 1 + octets[0]])
        octets = octets[1 + octets[0] :]
    return fields


def entry(aid: bytes, life: int) -> bytes:
    body = bytes([0x4F, len(aid)]) + aid + bytes([0x9F, 0x70, 1, life, 0xC5, 1, 0])
    return bytes([0xE3, len(body)]) + body


class PaperCard:
    """`keys`: per version number ENC, MAC and DEK. `refuses`: what the n-th (0, 1, …) command of INS gets."""

    def __init__(self, keys: dict[int, tuple[bytes, bytes, bytes]], *, i: int = 0x70) -> None:
        self.keys, self.i = dict(keys), i
        self.refuses: dict[tuple[int, int], bytes] = {}
        self.more: dict[int, int] = {}  # kind of GET STATUS: how many further pages it has
        self.count: Counter[int] = Counter()
        self.files: dict[bytes, bytes] = {}
        self.instances: dict[bytes, bytes] = {}  # AID: that of its load file
        self.stored: list[bytes] = []
        self.heard: list[int] = []  # instructions, in order
        self.channel: gp_card.Card | None = None
        self.session_kvn = 0
        self.loading: tuple[bytes, bytearray] | None = None
        self.sequence = 0
        self.misread = False  # whether it confirms other keys than it took
        self.life = 0x07  # of its instances
        self.one_by_one, self.place = False, 0  # whether it lists one entry an answer, the newest first
        self.counts = True  # whether it tells its resources
        self.keeps = False  # whether it says it deleted, and does not

    def transmit(self, apdu: bytes) -> bytes:
        cla, ins = apdu[:2]
        self.heard.append(ins)
        nth = self.count[ins]
        self.count[ins] += 1
        refusal = self.refuses.get((ins, nth))
        if ins == 0xA4:
            self.channel = None
            return refusal or b"\x6f\x00" + OK
        if ins == 0x50:
            return refusal or self._greet(apdu)
        if self.channel is None or cla != 0x84:
            return b"\x69\x82"
        if ins == 0x82:
            return refusal or self.channel.authenticate(apdu)
        assert self.channel.level == 0x33
        data = self.channel.take(apdu)
        answer, sw = (b"", refusal) if refusal else self._run(ins, apdu[2], apdu[3], data)
        return self.channel.answer(answer, sw) if sw[0] in {0x90, 0x62, 0x63} else sw

    def _greet(self, apdu: bytes) -> bytes:
        kvn, host = apdu[2], apdu[5 : 5 + apdu[4]]
        if kvn not in self.keys:
            return MISSING
        self.session_kvn = kvn
        enc, mac, _ = self.keys[kvn]
        self.channel = gp_card.Card(enc, mac, i=self.i, kvn=kvn, sd_aid=SD_AID)
        self.sequence += 1
        random = None if self.i & 0x10 else bytes(range(self.channel.size))
        return self.channel.greet(host, seq=self.sequence, random=random)

    def _run(self, ins: int, p1: int, p2: int, data: bytes) -> tuple[bytes, bytes]:
        run = {
            0xE6: self._install,
            0xE8: self._load,
            0xE4: self._delete,
            0xF2: self._status,
            0xD8: self._put_key,
            0xE2: self._store,
            0xCA: lambda *_: self._resources(),
        }
        return run[ins](p1, p2, data)

    def _install(self, p1: int, _p2: int, data: bytes) -> tuple[bytes, bytes]:
        fields = lvs(data)
        if p1 == 0x02:
            if fields[0] in self.files:
                return b"", b"\x69\x85"
            self.loading = fields[0], bytearray()
        if p1 == 0x0C:
            if fields[0] not in self.files:
                return b"", MISSING
            if fields[2] in self.instances:
                return b"", b"\x69\x85"
            self.instances[fields[2]] = fields[0]
        return b"\x00", OK

    def _load(self, p1: int, _p2: int, data: bytes) -> tuple[bytes, bytes]:
        if self.loading is None:
            return b"", b"\x69\x85"
        aid, octets = self.loading
        octets += data
        if p1 == 0x80:
            self.files[aid], self.loading = bytes(octets), None
        return b"\x00", OK

    def _delete(self, _p1: int, p2: int, data: bytes) -> tuple[bytes, bytes]:
        aid = data[2 : 2 + data[1]]
        if self.keeps:
            return b"\x00", OK
        if aid in self.instances:
            del self.instances[aid]
        elif aid in self.files:
            assert p2 == 0x80
            del self.files[aid]
            self.instances = {made: of for made, of in self.instances.items() if of != aid}
        else:
            return b"", MISSING
        return b"\x00", OK

    def _status(self, p1: int, p2: int, _data: bytes) -> tuple[bytes, bytes]:
        if p2 == 0x02:
            self.pages = self.more.get(p1, 0)
        if self.pages:
            self.pages -= 1
            return entry(b"\xa1" * 8 + bytes([self.pages % 256]), 7), b"\x63\x10"
        if p1 == 0x80:
            return entry(SD_AID, 0x0F), OK
        found = self.instances if p1 == 0x40 else self.files
        entries = [entry(aid, self.life if p1 == 0x40 else 1) for aid in found]
        if self.one_by_one and entries:
            self.place = 0 if p2 == 0x02 else self.place + 1
            return entries[-1 - self.place], OK if self.place == len(entries) - 1 else b"\x63\x10"
        listed = b"".join(entries)
        return (listed, OK) if listed or p2 == 0x03 else (b"", MISSING)

    def _resources(self) -> tuple[bytes, bytes]:
        if not self.counts:
            return b"", b"\x6d\x00"
        rest = bytes.fromhex("8204000100008302 0200")
        return bytes([0xFF, 0x21, 13, 0x81, 1, len(self.instances)]) + rest, OK

    def _put_key(self, p1: int, _p2: int, data: bytes) -> tuple[bytes, bytes]:
        dek, kvn, at, keys, checks = self.keys[self.session_kvn][2], data[0], 1, [], b""
        for _ in range(3):
            length = data[at + 2]
            sealed = data[at + 3 : at + 2 + data[at + 1]]
            key = Cipher(AES(dek), CBC(bytes(16))).decryptor().update(sealed)[:length]
            check = gp_card.block(key, b"\x01" * 16)[:3]
            at += 2 + data[at + 1] + 4
            assert data[at - 4 : at] == b"\x03" + check
            keys.append(key)
            checks += check
        del self.keys[p1 or 0xFF]
        self.keys[kvn] = (keys[0], keys[1], keys[2])
        return bytes([kvn]) + (bytes(9) if self.misread else checks), OK

    def _store(self, _p1: int, _p2: int, data: bytes) -> tuple[bytes, bytes]:
        self.stored.append(data)
        return b"", OK


def carry(card: PaperCard, commands: Sequence[bytes]) -> list[bytes]:
    """What an honest agent brings back: all answers up to the first that is not 9000."""
    answers = []
    for command in commands:
        answers.append(card.transmit(command))
        if answers[-1][-2:] != OK:
            break
    return answers
