"""The guard before the app SE: everything bound for it passes here, and no secret does (design §1).

Two locks, each of which would do alone:

1. **Types** (allowed_types.py). Only a command of the closed set of app_command.py is let through: that
   very type, made of plain values, none of which is a `Secret` or a record with a key. It is made anew from
   its fields: what was checked is what is sent.
2. **Content.** The octets of all commands, in clear and joined as they come one behind the other, are
   searched for pieces of the device's live secrets, as they are and in hexadecimal, base64, base32, decimal
   lists, UTF-16, UTF-32 and reversed (readings.py says which readings, and what is beyond them). Any eight
   octets in a row of a secret are found, in the blocks of a load file any eleven.

The one thing that leaves unreadable is a card's own new key set, encrypted under the card's own key: it is
let through only when it was shown in clear before (`Guard.vouch`), and is no secret of the device.

Both refuse before anything is wrapped, let alone sent. A load file is read once and remembered, since
the same goes to many: what a device costs does not grow with it.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Final

from tsm_gateway.provisioning.allowed_types import AllowedTypes
from tsm_gateway.provisioning.app_command import APP_SE_COMMANDS, LoadBlock, PutCardKeys
from tsm_gateway.provisioning.card_keys import put_key
from tsm_gateway.provisioning.delivery_errors import ExclusionRefused, SecretBound
from tsm_gateway.provisioning.live_secrets import NO_SECRETS, LiveSecrets
from tsm_gateway.provisioning.load_file import LoadFile
from tsm_gateway.provisioning.readings import windows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from tsm_gateway.provisioning.apdu import Command
    from tsm_gateway.provisioning.app_command import AppSeCommand
    from tsm_gateway.provisioning.card_keys import KeySet

ALLOWED: Final = AllowedTypes(APP_SE_COMMANDS, apart=[LoadFile])  # that travels as blocks
TAIL_OCTETS: Final = 256  # eight octets of a secret in the widest reading, 0x.. with commas in UTF-32

_EVERY_PLACE: Final = 1
_BLOCK_STRIDE: Final = 4  # any eleven octets in a row hold a window that begins at such a place
_REMEMBERED: Final = 8  # load files


def release(commands: Sequence[AppSeCommand], secrets: LiveSecrets) -> list[Command]:
    """The commands in clear, to be wrapped and sent: the only way from an `AppSeCommand` to octets.

    Raises ExclusionRefused, or SecretBound with the label of the secret that was found.
    """
    return Guard(secrets).release(commands)


class Guard:
    """`release` for one conversation: what was sent before is kept in mind, so that no cut hides a secret."""

    __slots__ = ("_foreign", "_own", "_secrets", "_tail", "_vouched")

    def __init__(self, secrets: LiveSecrets, own: LiveSecrets = NO_SECRETS) -> None:
        """Look for `secrets`, and for those of the card's `own`, which must not leave in clear either."""
        self._own = own
        self._tail = b""
        self._vouched: frozenset[bytes] = frozenset()
        self.look_for(secrets)

    def look_for(self, secrets: LiveSecrets) -> None:
        """From here on look for these, gathered anew: keys were made meanwhile. The card's own stay."""
        self._foreign = secrets
        self._secrets = secrets | self._own

    def vouch(self, new: KeySet, current: KeySet) -> None:
        """Let PUT KEY of `new` under the DEK of `current` pass. Raises SecretBound if it is another's secret.

        Its three keys are secrets themselves from then on: in clear they go nowhere.
        """
        keys = LiveSecrets.of_keys(new)
        _search(self._foreign, keys.grams)
        self._vouched |= {put_key(new, current, replaces=0).data}
        self._own |= keys
        self._secrets |= keys

    def release(self, commands: Sequence[AppSeCommand]) -> list[Command]:
        """As the function `release`; a refusal leaves the guard as it was."""
        taken = ALLOWED.take(tuple(commands))  # looked at once: from here on nobody else holds what is sent
        if any(
            type(each.command) is PutCardKeys and each.command.data not in self._vouched for each in taken
        ):
            raise ExclusionRefused(what=PutCardKeys.__qualname__)
        plain: list[Command] = [each.command.command() for each in taken]
        tail = self._tail
        for loading, members in groupby(range(len(plain)), lambda at: type(taken[at].command) is LoadBlock):
            chosen = list(members)
            joined = b"".join(plain[at].data for at in chosen)
            unframed = b"" if loading else b"".join(taken[at].octets for at in chosen)
            self._search_joined(tail, joined, unframed, loading=loading)
            tail = (tail + joined)[-TAIL_OCTETS:]
        self._tail = tail
        return plain

    def check(self, command: Command) -> Command:
        """A command that the secure channel makes for itself (EXTERNAL AUTHENTICATE). Raises SecretBound."""
        _search(self._secrets, windows(self._tail + command.data, _EVERY_PLACE))
        return command

    def _search_joined(self, tail: bytes, joined: bytes, unframed: bytes, *, loading: bool) -> None:
        """`joined`: the data of neighbours of one sort; `unframed`: their fields and nothing else."""
        if loading:
            _search(self._secrets, _windows_of_load_file(joined))
        near = joined[:TAIL_OCTETS] if loading else joined
        _search(self._secrets, windows(tail + near, _EVERY_PLACE) | windows(unframed, _EVERY_PLACE))


def _search(secrets: LiveSecrets, outgoing: AbstractSet[bytes]) -> None:
    found = secrets.found_in(outgoing)
    if found is not None:
        raise SecretBound(which=found)


@lru_cache(maxsize=_REMEMBERED)
def _windows_of_load_file(octets: bytes) -> frozenset[bytes]:
    """The windows of all blocks in a row; remembered by the octets themselves, and by no name of theirs."""
    return windows(octets, _BLOCK_STRIDE)
