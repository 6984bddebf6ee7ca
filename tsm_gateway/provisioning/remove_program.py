"""Remove: delete an application's load files with all their instances, and have the card prove they are gone.

| the card's own word (with an R-MAC) | proves |
|---|---|
| 9000 to the DELETE of a load file | that this one is gone |
| a list of load files without it, told to its end | that it is not there |
| a count of no applications at all (FF21) | that no instance of any is left to be used |

An error status carries no MAC: by itself "not found" proves nothing, neither to DELETE nor to GET STATUS. The
card may have refused, and its agent say otherwise.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.provisioning.app_command import Delete, GetFreeMemory, StatusKind
from tsm_gateway.provisioning.card_status import LOAD_FILE
from tsm_gateway.provisioning.delivery_errors import CardContentNotVouched, CardContentUnexpected
from tsm_gateway.provisioning.delivery_events import Removed
from tsm_gateway.provisioning.inventory_program import listed, resources_in

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tsm_gateway.provisioning.delegation import Delegation
    from tsm_gateway.provisioning.script_program import Answers, Batch, OpenedCard, Program, Request


class Removal(NamedTuple):
    """What is to go: the load files of every version of one application."""

    package_aids: tuple[bytes, ...]  # at least one
    delegation: Delegation | None = None


def remove(order: Removal) -> Callable[[OpenedCard], Program]:
    """The program that removes `order`; what is not there any more is removed already.

    It raises CardContentUnexpected when something is left, CardContentNotVouched when the card did not say
    of each load file that it is gone, and what the receipts of a delegation raise.
    """
    return partial(_remove, order)


def _remove(order: Removal, _card: OpenedCard) -> Program:
    aids = tuple(dict.fromkeys(order.package_aids))
    commands: Batch = tuple(Delete(aid, related=True) for aid in aids)
    if order.delegation is not None:
        commands = order.delegation.authorise(commands)
    answers, there = yield from listed((StatusKind.LOAD_FILES,), ahead=commands)
    deleted = answers[: len(commands)]
    if order.delegation is not None:
        order.delegation.confirm(commands, deleted)
    left = sum(there.holds(LOAD_FILE, aid) for aid in aids)
    if left:
        raise CardContentUnexpected(left=left)
    unproven = sum(not answer.succeeded for answer in deleted)
    if unproven and not there.vouched and not (yield from _has_no_applications()):
        raise CardContentNotVouched(unproven=unproven)
    return Removed(order.package_aids)


def _has_no_applications() -> Generator[Request, Answers, bool]:
    """Whether the card says that none is installed; some do not tell."""
    (answer,) = yield (GetFreeMemory(),)
    resources = resources_in(answer)
    return resources is not None and resources.applications == 0
