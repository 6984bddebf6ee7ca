"""One zygote for all lives of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.zygote import Zygote

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    with Zygote() as made:
        yield made
