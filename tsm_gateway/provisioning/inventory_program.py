"""What is on the card: asked by itself, and as the first and last thing of what changes it."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Final

from tsm_gateway.provisioning.app_command import GetFreeMemory, GetStatus, StatusKind
from tsm_gateway.provisioning.card_status import MOST_PAGES, read_free_memory, read_status
from tsm_gateway.provisioning.card_steps import MORE
from tsm_gateway.provisioning.delivery_events import Listed

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from tsm_gateway.provisioning.script_program import Answers, Batch, OpenedCard, Program, Request
    from tsm_gateway.registry.card import CardContent

CONTENT: Final = (StatusKind.APPLICATIONS, StatusKind.LOAD_FILES)
_ALL: Final = (StatusKind.DOMAIN, *CONTENT)


def take_inventory(_card: OpenedCard) -> Program:
    """Everything the card lists, and its free memory where it tells that."""
    (memory, *_), contents = yield from listed(_ALL, ahead=(GetFreeMemory(),))
    free = read_free_memory(memory.data).persistent if memory.succeeded else None
    return Listed(contents, free)


def listed(
    kinds: Sequence[StatusKind], *, ahead: Batch = ()
) -> Generator[Request, Answers, tuple[Answers, tuple[CardContent, ...]]]:
    """Part of a program: `ahead`, and then what the card lists of `kinds`; one after the other, in one batch.

    Returns the answers to the whole batch, and the entries. A list that does not fit one answer is read
    again from its beginning, on its own: a card loses its place when it is asked anything in between.
    Raises CardAnswerMalformed.
    """
    answers = yield (*ahead, *(GetStatus(kind) for kind in kinds))
    found: list[CardContent] = []
    for kind, answer in zip(kinds, answers[len(ahead) :], strict=True):
        pages = (yield from _pages(kind)) if answer.sw == MORE else [answer.data]
        found += read_status(kind, pages)
    return answers, tuple(found)


def _pages(kind: StatusKind) -> Generator[Request, Answers, list[bytes]]:
    """All answers, or one more than is accepted."""
    pages = []
    for following in chain((False,), repeat(True, MOST_PAGES)):  # noqa: FBT003
        (answer,) = yield (GetStatus(kind, following),)
        pages.append(answer.data)
        if answer.sw != MORE:
            break
    return pages
