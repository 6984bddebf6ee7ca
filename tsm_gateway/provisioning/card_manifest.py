"""An issuer's manifest: which cards there are, and the key sets that open them; a JSON object a line.

| line | members |
|---|---|
| a card | `app_se`, `sd_aid`, `kvn`, `i`, `enc`, `mac`, `dek`; at will `receipt`, `dap_key` |
| first line, where cards are diversified | `master`, `kdf`, `i`, `sd_aid`; at will `dap_key` |
| a card below it | `app_se`, `diversification`; at will `i`, `sd_aid`, `dap_key`, `receipt` |

`master` is `{"kvn", "key"}`, or `{"kvn", "enc", "mac", "dek"}` where each key has a master of its own, and
`kdf` is "sp800-108" (`card_keys.diversify`; a card's keys are as long as their master). `kvn` is a number, 1
to 127; all else is hexadecimal text: `i` 1 octet, `app_se` 8 to 32, `sd_aid` 5 to 16, `diversification` 1 to
32, keys 16, 24 or 32, `receipt` 16, `dap_key` 8. Another member, or one twice, is an error: it may be a key
whose name was misspelt.

Complaints name line and member, and never what stands there: it may be a key.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.provisioning.agent_trust import ELEMENT_OCTETS
from tsm_gateway.provisioning.card_errors import CardKeysMalformed, CardProtocolUnsupported
from tsm_gateway.provisioning.card_key_octets import RECEIPT_KEY_OCTETS
from tsm_gateway.provisioning.card_keys import KEY_LENGTHS, MAX_KVN, KeySet, Protocol03, diversify
from tsm_gateway.provisioning.load_file import AID_OCTETS
from tsm_gateway.provisioning.signing import KEY_ID_OCTETS
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

LONGEST_LINE: Final = 4096  # octets
KDF: Final = "sp800-108"
_DIVERSIFICATION: Final = range(1, 33)  # octets
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})+", re.ASCII)
_KEYS: Final = ("enc", "mac", "dek")
_ROOM: Final[Mapping[str, Container[int]]] = {  # member -> octets it may have
    "app_se": ELEMENT_OCTETS,
    "sd_aid": AID_OCTETS,
    "i": (1,),
    "dap_key": (KEY_ID_OCTETS,),
    "diversification": _DIVERSIFICATION,
    "receipt": (RECEIPT_KEY_OCTETS,),
    "key": KEY_LENGTHS,
    **dict.fromkeys(_KEYS, KEY_LENGTHS),
}
_PLAIN: Final = (frozenset({"app_se", "sd_aid", "kvn", "i", *_KEYS}), frozenset({"receipt", "dap_key"}))
_HEAD: Final = (frozenset({"master", "kdf", "i", "sd_aid"}), frozenset({"dap_key"}))
_COMMON: Final[tuple[str, ...]] = ("i", "sd_aid", "dap_key")
_BELOW: Final = (frozenset({"app_se", "diversification"}), frozenset({"i", "sd_aid", "dap_key", "receipt"}))
_ONE_MASTER: Final = (frozenset({"kvn", "key"}), frozenset[str]())
_THREE_MASTERS: Final = (frozenset({"kvn", *_KEYS}), frozenset[str]())


class ManifestMalformed(TsmError):
    """A line of the manifest is not of the format."""

    code, side, temporary = "manifest-malformed", Side.PEER, False

    def __init__(self, *, line: int, problem: str) -> None:
        """`line` counts from 1; `problem` names members and none of their values."""
        super().__init__(line=line)
        self.problem = problem

    def __str__(self) -> str:
        """The line and what is wrong with it."""
        return f"line {self.facts['line']}: {self.problem} [{self.code}]"


class ManifestCard(NamedTuple):
    """One card and its transport keys."""

    line: int  # of the manifest, from 1
    app_se: bytes
    sd_aid: bytes
    protocol: int
    dap_key: bytes  # 8 octets, or b""
    keys: KeySet
    receipt_key: Secret | None


class _Head(NamedTuple):
    """What diversified cards have in common."""

    kvn: int
    masters: tuple[Secret, Secret, Secret]  # of ENC, MAC and DEK
    common: Mapping[str, bytes]


class CardManifest:
    """Reads a manifest line by line."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._line = 0
        self._head: _Head | None = None
        self._begun = False

    def read(self, octets: bytes) -> ManifestCard | None:
        """The card of the next line; None for a head and for an empty line. Raises ManifestMalformed."""
        self._line += 1
        if len(octets) > LONGEST_LINE:
            self._refuse(f"it is longer than {LONGEST_LINE} octets")
        if not octets.strip():
            return None
        members = self._members(octets)
        first, self._begun = not self._begun, True
        if "master" in members:
            if not first:
                self._refuse("`master` stands in the first line, or nowhere")
            self._head = self._read_head(members)
            return None
        try:
            return self._plain(members) if self._head is None else self._diversified(members, self._head)
        except CardKeysMalformed:
            self._refuse("`enc`, `mac` and `dek` are not of one length")

    def _members(self, octets: bytes) -> dict[str, Any]:
        members, problem = None, "it is no JSON object in UTF-8"
        try:
            members = json.loads(octets.decode("utf-8"), object_pairs_hook=_once)
        except _Twice:
            problem = "a member stands there twice"
        except (ValueError, RecursionError):  # its text would quote the line
            pass
        if not isinstance(members, dict):
            self._refuse(problem)
        return members

    def _read_head(self, members: dict[str, Any]) -> _Head:
        self._check_members(members, _HEAD)
        if members["kdf"] != KDF:
            self._refuse(f'`kdf` is another than "{KDF}", the only one that is known')
        master = members["master"]
        if not isinstance(master, dict):
            self._refuse("`master` is no object")
        self._check_members(master, _ONE_MASTER if "key" in master else _THREE_MASTERS)
        names = ("key", "key", "key") if "key" in master else _KEYS
        enc, mac, dek = (Secret(self._octets(master, name)) for name in names)
        if len({len(enc), len(mac), len(dek)}) != 1:
            self._refuse("`enc`, `mac` and `dek` of the master are not of one length")
        common: dict[str, bytes] = {name: self._octets(members, name) for name in _COMMON if name in members}
        self._protocol(common)
        return _Head(self._kvn(master), (enc, mac, dek), common)

    def _plain(self, members: dict[str, Any]) -> ManifestCard:
        """Raises CardKeysMalformed."""
        if "diversification" in members:
            self._refuse("`diversification` needs a head with `master` in the first line")
        self._check_members(members, _PLAIN)
        octets = {name: self._octets(members, name) for name in members if name in _ROOM}
        keys = KeySet(self._kvn(members), *(Secret(octets[name]) for name in _KEYS))
        return self._card(octets, keys)

    def _diversified(self, members: dict[str, Any], head: _Head) -> ManifestCard:
        self._check_members(members, _BELOW)
        octets = {**head.common, **{name: self._octets(members, name) for name in members}}
        data = octets["diversification"]
        enc, mac, dek = (diversify(master, data, head.kvn, len(master)) for master in head.masters)
        return self._card(octets, KeySet(head.kvn, enc.enc, mac.mac, dek.dek))

    def _card(self, octets: Mapping[str, bytes], keys: KeySet) -> ManifestCard:
        receipt = octets.get("receipt")
        return ManifestCard(
            self._line,
            octets["app_se"],
            octets["sd_aid"],
            self._protocol(octets),
            octets.get("dap_key", b""),
            keys,
            None if receipt is None else Secret(receipt),
        )

    def _check_members(self, members: Mapping[str, Any], rule: tuple[frozenset[str], frozenset[str]]) -> None:
        needed, allowed = rule
        missing, strange = needed - members.keys(), members.keys() - needed - allowed
        if missing:
            self._refuse(f"a member is missing: {', '.join(sorted(missing))}")
        if strange:  # not quoted: it may be what belongs behind a name
            self._refuse(f"{len(strange)} of its members do not belong there")

    def _octets(self, members: Mapping[str, Any], name: str) -> bytes:
        value = members[name]
        if not isinstance(value, str) or not _HEX.fullmatch(value):
            self._refuse(f"`{name}` is not hexadecimal text")
        octets = bytes.fromhex(value)
        if len(octets) not in _ROOM[name]:
            self._refuse(f"`{name}` has {len(octets)} octets: that many it cannot have")
        return octets

    def _kvn(self, members: Mapping[str, Any]) -> int:
        kvn = members["kvn"]
        if type(kvn) is not int or not 1 <= kvn <= MAX_KVN:
            self._refuse(f"`kvn` is no number from 1 to {MAX_KVN}")
        return kvn

    def _protocol(self, octets: Mapping[str, bytes]) -> int:
        """Parameter "i", of a card that can authenticate and encrypt its answers."""
        (i,) = octets["i"]
        try:
            protocol = Protocol03.read(i)
        except CardProtocolUnsupported:
            self._refuse("`i` sets bits that SCP03 does not know")
        if not protocol.has_r_enc:
            self._refuse(
                "`i` says that the card can not both sign and encrypt its answers, as 60, 61, 70, 71 do"
            )
        return i

    def _refuse(self, problem: str) -> NoReturn:
        raise ManifestMalformed(line=self._line, problem=problem) from None


class _Twice(ValueError):
    """A member stands in an object twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Twice
    return members
