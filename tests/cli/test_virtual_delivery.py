"""What `virtual deliver` takes for done: a job that failed now is told, whatever was installed before."""

from __future__ import annotations

from typing import Any, Self

import pytest

from tsm_gateway.cli import virtual_delivery
from tsm_gateway.cli.virtual_enrolment import Service
from tsm_gateway.virtual.app_agent import Delivered
from tsm_gateway.virtual.errors import DeliveryIncomplete

OLD, NEW = "01" * 8, "02" * 8


class Record:
    """A handset, as far as it is looked at."""

    device_id = "d:0011223344556677"

    class element:  # noqa: N801 - a field
        """Its crypto SE."""

        tsm_root = b""

    class app_agent:  # noqa: N801 - a field
        """The agent of its card."""

        @staticmethod
        def context(_root: bytes) -> None:
            """No TLS is spoken."""


def deliver(monkeypatch: pytest.MonkeyPatch, before: str | None, after: str) -> Delivered:
    """One visit of an installed handset, before and after which the gateway tells of these failures."""

    class Agent:
        def __init__(self, *_: object, **__: object) -> None: ...

        def status(self) -> dict[str, Any]:
            return {} if before is None else {"last_failed_job": before or None}

        def deliver(self) -> Delivered:
            return Delivered("active", (("pay", "1.0.0", "installed"),), 0, 60, 1, 1, after)

    class NoChannel:
        def __init__(self, *_: object, **__: object) -> None: ...

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(virtual_delivery, "AppAgent", Agent)
    monkeypatch.setattr(virtual_delivery, "Channel", NoChannel)
    service = Service("https://127.0.0.1:8444", lambda *_: None)
    record: Any = Record()
    card: Any = None
    return virtual_delivery.deliver_through_channel_2(service, record, card)


@pytest.mark.parametrize("before", ["", OLD])
def test_a_job_that_failed_now_is_told_though_an_application_is_installed(
    monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    with pytest.raises(DeliveryIncomplete) as caught:
        deliver(monkeypatch, before, NEW)
    assert caught.value.facts == {"job": NEW, "state": "failed"}


@pytest.mark.parametrize(("before", "after"), [("", ""), (OLD, OLD), (OLD, ""), (None, "")])
def test_what_failed_at_an_earlier_visit_is_not_held_against_this_one(
    monkeypatch: pytest.MonkeyPatch, before: str | None, after: str
) -> None:
    assert deliver(monkeypatch, before, after).installed == 1
