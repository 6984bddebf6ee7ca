"""Which error ends the daemon with which exit code."""

from __future__ import annotations

import importlib
import pkgutil

import tsm_gateway
from tsm_gateway.daemon.exits import _EXITS, Exit
from tsm_gateway.envelope.errors import SelfTestFailed
from tsm_gateway.errors import TsmError


def classes(root: type[TsmError] = TsmError) -> set[type[TsmError]]:
    below = set(root.__subclasses__())
    return below.union(*(classes(each) for each in below))


def codes() -> set[str]:
    for module in pkgutil.walk_packages(tsm_gateway.__path__, "tsm_gateway."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return {each.code for each in classes()}


def test_every_code_of_the_table_is_one_an_error_has():
    known = codes()
    for name in _EXITS:
        assert any(code.startswith(name) if name.endswith("-") else code == name for code in known), name


def test_a_failed_self_test_is_no_ordinary_failure():
    assert Exit.of(SelfTestFailed()) is Exit.SELFTEST_FAILED
