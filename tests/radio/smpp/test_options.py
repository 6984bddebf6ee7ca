from __future__ import annotations

import pytest

from tests.radio.smpp.peer import (
    options_for,
)
from tsm_gateway.radio.smpp.options import Endpoint, TlsOptions, problems
from tsm_gateway.secret import Secret


def test_options_that_work_have_no_problems() -> None:
    assert problems(options_for(2775)) == []
    assert problems(options_for(2775, hosts=(Endpoint("smsc.example", 2775),), tls=TlsOptions())) == []


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"hosts": ()}, "host"),
        ({"hosts": (Endpoint("", 1),), "plain_text": True}, "host"),
        ({"hosts": (Endpoint("::1", 0),)}, "port"),
        ({"hosts": (Endpoint("198.51.100.1", 2775),)}, "tls"),
        ({"tls": TlsOptions(key="k.pem")}, "tls.key"),
        ({"name": ""}, "name"),
        ({"system_id": "sixteen-letters!"}, "system_id"),
        ({"password": Secret(b"nine-long")}, "password"),
        ({"password": Secret(b"a\0b")}, "password"),
        ({"service_type": "toolong"}, "service_type"),
        ({"source": "+49123456789012345678901"}, "source"),
        ({"source": "a name too long"}, "source"),
        ({"window": 0}, "window"),
        ({"source_ton": 256}, "source_ton"),
        ({"rebind_min_s": 9.0, "rebind_max_s": 1.0}, "rebind_min_s"),
    ],
)
def test_a_problem_of_the_options_is_named_by_its_key(changes: dict[str, object], key: str) -> None:
    assert {problem.partition(":")[0] for problem in problems(options_for(2775, **changes))} == {key}


def test_every_problem_is_told_at_once_and_the_password_never() -> None:
    options = options_for(2775, window=0, system_id="x" * 20, password=Secret(b"swordfish-9"))
    found = problems(options)
    assert len(found) == 3
    assert "swordfish" not in " ".join(found) + repr(options)


def test_a_private_way_needs_no_tls() -> None:
    assert problems(options_for(hosts=(Endpoint("198.51.100.1", 2775),), plain_text=True)) == []
