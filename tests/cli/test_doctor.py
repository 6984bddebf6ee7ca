"""`doctor` and `status`, beside a gateway, a peer, or nobody."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.cli.status_pages import answering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tests.cli.conftest import Site

PAGE = (
    '{"version": "1", "gateway": "t", "uptime_s": 3661.5, "ready": true, "degraded": [%s], '
    '"messages": {"queued": 2}, "segments_waiting": 0, "unanswered": 0, "under_way": 0, "lanes_waiting": 0, '
    '"store": {"path": "/x", "free_bytes": 1048576}, "links": [{"name": "a", "state": "bound", "host": "h", '
    '"port": 1, "window": 50, "window_used": 0, "unanswered": 0, "pause_s": 0.0, "counters": {}}]}'
)


def gateway(site: Site, page: str) -> AbstractContextManager[None]:
    """Whoever answers on the metrics port."""
    return answering(site.metrics, page)


@contextmanager
def message_centre(site: Site, context: ssl.SSLContext | None = None) -> Iterator[None]:
    """Takes connections on the link's port, and shakes hands when there is a context."""
    with socket.create_server(("127.0.0.1", site.smpp)) as server:

        def serve() -> None:
            try:
                connection, _ = server.accept()
                with connection:
                    if context is not None:
                        context.wrap_socket(connection, server_side=True).close()
            except OSError:
                pass  # the client did not like us, or nobody came

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def verdicts(site: Site) -> tuple[int, dict[str, Any]]:
    result = site("doctor", "-o", "json", "--timeout", "2")
    return result.code, {row["check"]: row for row in result.json}


def test_status_shows_a_gateway_that_is_well(site: Site) -> None:
    with gateway(site, PAGE % ""):
        result = site.done("status")
        assert "01:01:01" in result.out
        assert "queued=2" in result.out
        assert site.done("status", "-o", "json").json["gateway"] == "t"


def test_status_tells_degraded_from_unreachable(site: Site) -> None:
    with gateway(site, PAGE % '"link a is closed"'):
        result = site("status")
        assert (result.code, "link a is closed" in result.out) == (3, True)
    assert site("status").code == 7


@pytest.mark.parametrize("page", ["", "[]", "{}", "<html>"])
def test_another_program_on_the_port_is_no_gateway(site: Site, page: str) -> None:
    with gateway(site, page):
        assert site("status").code == 7


def test_status_without_a_listener_is_a_configuration_matter(site: Site) -> None:
    text = site.config.read_text("utf-8").replace(f"127.0.0.1:{site.metrics}", "")
    site.config.write_text(text, encoding="utf-8")
    result = site("status")
    assert (result.code, "metrics.listen" in result.err) == (2, True)


def test_all_is_well(site: Site) -> None:
    site.add_device()
    with gateway(site, PAGE % ""), message_centre(site):
        code, found = verdicts(site)
    bad = {
        name: row for name, row in found.items() if row["verdict"] != "OK" and name not in {"clock", "unit"}
    }
    assert bad == {}
    assert {"configuration", "master key", "store", "epoch mark", "disk", "link a", "gateway"} <= found.keys()
    assert code in {0, 3}  # a machine without NTP is warned of its clock


def test_whatever_fails_is_named_with_its_fix(site: Site) -> None:
    site.add_device()
    (site.folder / "password").chmod(0o644)
    (site.folder / "master.key").chmod(0o640)
    (site.folder / "gateway.db").chmod(0o644)
    code, found = verdicts(site)
    assert code == 1
    for name, fix in (
        ("master key", "chmod 600"),
        ("link a, password", "chmod 600"),
        ("store", "owner and mode"),
    ):
        assert found[name]["verdict"] == "FAIL"
        assert fix in found[name]["fix"]
    assert found["link a"]["text"].endswith("refuses connections")
    assert found["gateway"]["verdict"] == "WARN"


def test_a_wrong_configuration_is_all_there_is_to_say(site: Site) -> None:
    site.config.write_text("[gateway]\n", encoding="utf-8")
    result = site("doctor")
    assert result.code == 1
    assert "config check" in result.out


def test_a_rolled_back_store_is_told_from_a_sound_one(site: Site) -> None:
    site.add_device()
    mark = site.folder / "master.key.epoch"
    mark.write_text(mark.read_text("ascii").replace('"generation": ', '"generation": 9'), encoding="ascii")
    _, found = verdicts(site)
    assert found["epoch mark"]["fix"] == "tsm-gateway store resync"


def test_a_port_that_another_program_has_is_named(site: Site) -> None:
    with socket.create_server(("127.0.0.1", site.metrics)) as server:
        server.settimeout(5)

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        _, found = verdicts(site)
        thread.join()
    assert found["metrics port"]["verdict"] == "FAIL"


@pytest.mark.parametrize(
    ("name", "trusted", "verdict"),
    [("localhost", True, "OK"), ("other", True, "FAIL"), ("localhost", False, "FAIL")],
)
def test_the_tls_handshake_is_tried(site: Site, name: str, trusted: bool, verdict: str) -> None:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    (ca if trusted else trustme.CA()).cert_pem.write_to_path(str(site.folder / "ca.pem"))
    tls = f'[smpp.tls]\nca = "{site.folder}/ca.pem"\nserver_name = "{name}"\n[metrics]'
    text = site.config.read_text("utf-8").replace("[metrics]", tls)
    site.config.write_text(text, encoding="utf-8")
    with message_centre(site, context):
        _, found = verdicts(site)
    assert found["link a"]["verdict"] == verdict, found["link a"]
