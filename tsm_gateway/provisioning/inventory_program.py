"""What is on the card: asked by itself, and as the first and last thing of what changes it.

An error status carries no MAC: that nothing of a kind is there (6A88) may be the word of whoever stands
between. So a list counts as the card's own only when its last answer carried one. For a kind that was
answered by a bare 6A88 the count of applications may speak, which carries a MAC; else the kind is silent.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.provisioning.app_command import GetFreeMemory, GetStatus, StatusKind
from tsm_gateway.provisioning.card_status import (
    APPLICATION,
    DOMAIN,
    LOAD_FILE,
    MOST_PAGES,
    read_free_memory,
    read_status,
)
from tsm_gateway.provisioning.card_steps import MORE, NOTHING_THERE
from tsm_gateway.provisioning.delivery_errors import CardContentNotVouched
from tsm_gateway.provisioning.delivery_events import Listed

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from tsm_gateway.provisioning.apdu import Response
    from tsm_gateway.provisioning.card_status import FreeMemory
    from tsm_gateway.provisioning.script_program import Answers, Batch, OpenedCard, Program, Request
    from tsm_gateway.registry.card import CardContent

CONTENT: Final = (StatusKind.APPLICATIONS, StatusKind.LOAD_FILES)
_ALL: Final = (StatusKind.DOMAIN, *CONTENT)
_NAMES: Mapping[StatusKind, str] = {
    StatusKind.DOMAIN: DOMAIN,
    StatusKind.APPLICATIONS: APPLICATION,
    StatusKind.LOAD_FILES: LOAD_FILE,
}


class Contents(NamedTuple):
    """What was listed, and of which kinds the card itself said so, to the end of the list."""

    entries: tuple[CardContent, ...]
    vouched: frozenset[StatusKind]

    def holds(self, kind: str, aid: bytes) -> bool:
        """Whether an entry of this `kind` ("load-file", …) and AID is listed."""
        return any((each.kind, each.aid) == (kind, aid) for each in self.entries)


def take_inventory(_card: OpenedCard) -> Program:
    """Everything the card lists, and its free memory where it tells that.

    It raises CardContentNotVouched when the card itself does not list its security domain, as every card has
    one: then nothing of the rest need have reached it.
    """
    (memory, _, applications, _), contents = yield from listed(_ALL, ahead=(GetFreeMemory(),))
    resources = resources_in(memory)
    vouched = set(contents.vouched)
    if resources is not None and resources.applications == 0 and applications.sw == NOTHING_THERE:
        vouched.add(StatusKind.APPLICATIONS)
    silent = tuple(_NAMES[kind] for kind in _ALL if kind not in vouched)
    if DOMAIN in silent:
        raise CardContentNotVouched(silent=", ".join(silent))
    return Listed(contents.entries, None if resources is None else resources.persistent, silent)


def resources_in(answer: Response) -> FreeMemory | None:
    """What an answer to GetFreeMemory says; None where the card does not tell. Raises CardAnswerMalformed."""
    return read_free_memory(answer.data) if answer.succeeded else None


def listed(
    kinds: Sequence[StatusKind], *, ahead: Batch = ()
) -> Generator[Request, Answers, tuple[Answers, Contents]]:
    """Part of a program: `ahead`, and then what the card lists of `kinds`; one after the other, in one batch.

    Returns the answers to the whole batch, and the entries. A list that does not fit one answer is read
    again from its beginning, on its own: a card loses its place when it is asked anything in between.
    Raises CardAnswerMalformed.
    """
    answers = yield (*ahead, *(GetStatus(kind) for kind in kinds))
    found: list[CardContent] = []
    vouched: set[StatusKind] = set()
    for kind, answer in zip(kinds, answers[len(ahead) :], strict=True):
        pages = (yield from _pages(kind)) if answer.sw == MORE else [answer]
        found += read_status(kind, [page.data for page in pages])
        if pages[-1].succeeded:
            vouched.add(kind)
    return answers, Contents(tuple(found), frozenset(vouched))


def _pages(kind: StatusKind) -> Generator[Request, Answers, list[Response]]:
    """All answers, or one more than is accepted."""
    pages = []
    for following in chain((False,), repeat(True, MOST_PAGES)):  # noqa: FBT003
        (answer,) = yield (GetStatus(kind, following),)
        pages.append(answer)
        if answer.sw != MORE:
            break
    return pages
