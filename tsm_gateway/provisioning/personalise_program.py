"""Personalise: tell an instance that is there already its parameters anew."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.provisioning.app_command import PersonaliseApplication, StoreParameters
from tsm_gateway.provisioning.delivery_events import Personalised

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsm_gateway.provisioning.parameters import Parameters
    from tsm_gateway.provisioning.script_program import OpenedCard, Program


class Personalisation(NamedTuple):
    """Whom to tell what."""

    instance_aid: bytes
    parameters: Parameters


def personalise(order: Personalisation) -> Callable[[OpenedCard], Program]:
    """The program that tells an instance its parameters."""
    return partial(_personalise, order)


def _personalise(order: Personalisation, _card: OpenedCard) -> Program:
    yield PersonaliseApplication(order.instance_aid), StoreParameters(order.parameters)
    return Personalised(order.instance_aid)
