"""What a conversation with a card tells whoever runs it: turns to take, and what became of the jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tsm_gateway.errors import TsmError
    from tsm_gateway.provisioning.card_keys import KeySet
    from tsm_gateway.registry.card import CardContent


class Script(NamedTuple):
    """A turn: send these commands (short C-APDUs, at least one) to the card, then call `answer`."""

    commands: tuple[bytes, ...]


class Store(NamedTuple):
    """A turn: keep this new key set durably as PENDING, then call `stored`; before that no script has it.

    It may be the one that is kept as PENDING already: then nothing changes.
    """

    keys: KeySet


class Finished(NamedTuple):
    """The last turn: nothing more is said to the card in this conversation."""

    cause: TsmError | None = None  # what ended it before its time


Turn = Script | Store | Finished


class KeysRenewed(NamedTuple):
    """A result: the card holds `keys`; the set `replaced` is gone (0: it took them earlier)."""

    keys: KeySet
    replaced: int  # kvn


class Installed(NamedTuple):
    """A result: the card listed the load file, and its instance as selectable."""

    package_aid: bytes
    instance_aid: bytes


class Removed(NamedTuple):
    """A result: the card said itself that these load files are gone."""

    package_aids: tuple[bytes, ...]


class Personalised(NamedTuple):
    """A result: the instance took its parameters."""

    instance_aid: bytes


class Listed(NamedTuple):
    """A result: what the card says it holds."""

    contents: tuple[CardContent, ...]
    free_memory: int | None  # octets, where the card tells
    silent: tuple[
        str, ...
    ] = ()  # kinds that the card itself did not list to the end, nor said it has none of


Result = KeysRenewed | Installed | Removed | Personalised | Listed


class KeysInUse(NamedTuple):
    """The card proved that it holds this key set: it answered a fresh challenge under it."""

    kvn: int


class JobBegun(NamedTuple):
    """The next script is the first one of this job."""

    job_id: bytes


class Progress(NamedTuple):
    """The card confirmed `done` of `total` blocks of the load file."""

    job_id: bytes
    done: int
    total: int


class JobDone(NamedTuple):
    """The job came to its end."""

    job_id: bytes
    result: Result


class JobFailed(NamedTuple):
    """The job did not; the conversation is over. `cause.temporary`: a later one may do better."""

    job_id: bytes
    cause: TsmError
    permanent: bool


Event = KeysInUse | JobBegun | Progress | JobDone | JobFailed
