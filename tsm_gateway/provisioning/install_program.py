"""Install: away with what is in the way, load, make an instance, tell it its parameters, look.

Whatever an earlier attempt left, half a load file or a whole instance that nobody heard of, is listed by the
card and deleted first. What is deleted takes its state on the card with it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.provisioning.app_command import (
    Delete,
    InstallForInstall,
    InstallForLoad,
    LoadBlock,
    PersonaliseApplication,
    StoreParameters,
)
from tsm_gateway.provisioning.card_status import APPLICATION, LOAD_FILE
from tsm_gateway.provisioning.delivery_errors import CardContentNotVouched, CardContentUnexpected
from tsm_gateway.provisioning.delivery_events import Installed
from tsm_gateway.provisioning.inventory_program import CONTENT, listed
from tsm_gateway.provisioning.load_file import DapBlock, LoadPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tsm_gateway.provisioning.app_command import AppSeCommand
    from tsm_gateway.provisioning.delegation import Delegation
    from tsm_gateway.provisioning.inventory_program import Contents
    from tsm_gateway.provisioning.load_file import LoadFile
    from tsm_gateway.provisioning.parameters import Parameters
    from tsm_gateway.provisioning.script_program import Batch, OpenedCard, Program

_SELECTABLE: Final = 0x07  # life cycle of an application; the bits above are its own (§11.1.1)
_LOCKED: Final = 0x80


class Installation(NamedTuple):
    """What is to be installed, as one card is to have it."""

    load_file: LoadFile
    signature: bytes  # over its digest, by the key the card verifies with
    applet_aid: bytes
    instance_aid: bytes
    parameters: Parameters | None  # None: the application takes none
    replaces: tuple[bytes, ...] = ()  # package AIDs of other versions, which have to go
    delegation: Delegation | None = None


def install(order: Installation) -> Callable[[OpenedCard], Program]:
    """The program that installs `order`.

    It raises LoadFileTooLarge, CardContentUnexpected when the card does not list what it took or still lists
    another version, CardContentNotVouched when a list was cut short, and what the receipts of a delegation
    raise. The first list may be an agent's invention, which hides another version; the last is the card's.
    """
    return partial(_install, order)


def _install(order: Installation, card: OpenedCard) -> Program:
    _, before = yield from listed(CONTENT)
    commands: Batch = (*_deletions(order, before), *_loading(order, card), *_making(order))
    if order.delegation is not None:
        commands = order.delegation.authorise(commands)
    answers, there = yield from listed(CONTENT, ahead=commands)
    if order.delegation is not None:
        order.delegation.confirm(commands, answers[: len(commands)])
    _check_there(order, there)
    return Installed(order.load_file.aid, order.instance_aid)


def _deletions(order: Installation, there: Contents) -> Iterator[AppSeCommand]:
    """An instance ahead of its load file, which otherwise would take it along unasked."""
    if there.holds(APPLICATION, order.instance_aid):
        yield Delete(order.instance_aid, related=False)
    for aid in dict.fromkeys((order.load_file.aid, *order.replaces)):
        if there.holds(LOAD_FILE, aid):
            yield Delete(aid, related=True)


def _loading(order: Installation, card: OpenedCard) -> Iterator[AppSeCommand]:
    plan = LoadPlan(order.load_file, (DapBlock(card.sd_aid, order.signature),), card.max_data)
    yield InstallForLoad(order.load_file, card.sd_aid)
    for index in range(plan.count):
        yield LoadBlock(plan, index)


def _making(order: Installation) -> Iterator[AppSeCommand]:
    yield InstallForInstall(order.load_file.aid, order.applet_aid, order.instance_aid)
    if order.parameters is not None:
        yield PersonaliseApplication(order.instance_aid)
        yield StoreParameters(order.parameters)


def _check_there(order: Installation, there: Contents) -> None:
    loaded = there.holds(LOAD_FILE, order.load_file.aid)
    usable = any(
        (each.kind, each.aid) == (APPLICATION, order.instance_aid)
        and each.life_cycle & (_SELECTABLE | _LOCKED) == _SELECTABLE
        for each in there.entries
    )
    if not (loaded and usable):
        raise CardContentUnexpected(loaded=loaded, selectable=usable)
    left = sum(there.holds(LOAD_FILE, aid) for aid in set(order.replaces) - {order.load_file.aid})
    if left:
        raise CardContentUnexpected(left=left)
    if not there.vouched.issuperset(CONTENT):  # what is missing of the list may be another version
        raise CardContentNotVouched(silent=len(CONTENT) - len(there.vouched))
