"""Apply the tables of moves of devices, providers, applications on devices, and jobs (design §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.registry.application import INSTALL_MOVES
from tsm_gateway.registry.device import DEVICE_MOVES
from tsm_gateway.registry.errors import MoveNotAllowed
from tsm_gateway.registry.job import JOB_MOVES
from tsm_gateway.registry.provider import PROVIDER_MOVES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import Enum

    from tsm_gateway.registry.application import DeviceApplication, InstallMove
    from tsm_gateway.registry.device import Device, DeviceMove
    from tsm_gateway.registry.job import Job, JobMove
    from tsm_gateway.registry.provider import Provider, ProviderMove


def move_device(device: Device, move: DeviceMove, *, reason: str, at: int) -> Device:
    """The device after `move`, at Unix second `at`. Raises MoveNotAllowed."""
    allowed, target = DEVICE_MOVES[move]
    if device.state not in allowed:
        raise _refused(device.device_id, move, device.state, allowed, target)
    return device._replace(state=target, reason=reason, changed_at=at)


def move_provider(provider: Provider, move: ProviderMove, *, reason: str, at: int) -> Provider:
    """The provider after `move`, at Unix second `at`. Raises MoveNotAllowed."""
    allowed, target = PROVIDER_MOVES[move]
    if provider.state not in allowed:
        raise _refused(provider.name, move, provider.state, allowed, target)
    return provider._replace(state=target, reason=reason, changed_at=at)


def move_installed(known: DeviceApplication, move: InstallMove, *, reason: str, at: int) -> DeviceApplication:
    """The application on a device after `move`, at Unix second `at`. Raises MoveNotAllowed."""
    allowed, target = INSTALL_MOVES[move]
    if known.state not in allowed:
        name = f"{known.application} on {known.device_id}"
        raise _refused(name, move, known.state, allowed, target)
    return known._replace(state=target, reason=reason, changed_at=at)


def move_job(job: Job, move: JobMove, *, reason: str, at: int) -> Job:
    """The job after `move`, at Unix second `at`. Raises MoveNotAllowed."""
    allowed, target = JOB_MOVES[move]
    if job.state not in allowed:
        raise _refused(job.job_id.hex(), move, job.state, allowed, target)
    return job._replace(state=target, reason=reason, changed_at=at)


def _refused(name: str, move: Enum, state: Enum, allowed: Iterable[Enum], target: Enum) -> MoveNotAllowed:
    """The refusal, with what would be allowed; that it stands there already says enough."""
    if state is target:
        return MoveNotAllowed(name=name, move=move.value, state=f"{state.value} already")
    states = " or ".join(sorted(each.value for each in allowed))
    return MoveNotAllowed(name=name, move=move.value, state=state.value, allowed_from=states)
