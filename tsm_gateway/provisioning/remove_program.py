"""Remove: delete an application's load files with all their instances, and look whether they are gone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.provisioning.app_command import Delete, StatusKind
from tsm_gateway.provisioning.card_status import LOAD_FILE
from tsm_gateway.provisioning.delivery_errors import CardContentUnexpected
from tsm_gateway.provisioning.delivery_events import Removed
from tsm_gateway.provisioning.inventory_program import CONTENT, listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.provisioning.delegation import Delegation
    from tsm_gateway.provisioning.script_program import Batch, OpenedCard, Program


class Removal(NamedTuple):
    """What is to go: the load files of every version of one application."""

    package_aids: tuple[bytes, ...]  # at least one
    delegation: Delegation | None = None


def remove(order: Removal) -> Callable[[OpenedCard], Program]:
    """The program that removes `order`; what is not there any more is removed already.

    It raises CardContentUnexpected when something is left, or when nothing that was answered is the card's
    own word: an error status carries no MAC, so a run of nothing but errors proves nothing. One answer that
    carries one does: its command's MAC covers those of all before it, so the card had them all.
    """
    return partial(_remove, order)


def _remove(order: Removal, _card: OpenedCard) -> Program:
    commands: Batch = tuple(Delete(aid, related=True) for aid in dict.fromkeys(order.package_aids))
    if order.delegation is not None:
        commands = order.delegation.authorise(commands)
    answers, there = yield from listed((*CONTENT, StatusKind.DOMAIN), ahead=commands)
    if order.delegation is not None:
        order.delegation.confirm(commands, answers[: len(commands)])
    left = sum(each.kind == LOAD_FILE and each.aid in order.package_aids for each in there)
    if left or all(answer.failed for answer in answers):
        raise CardContentUnexpected(left=left)
    return Removed(order.package_aids)
