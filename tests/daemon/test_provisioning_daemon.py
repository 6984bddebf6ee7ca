"""`tsm-gateway provisioning` as a process: starts, serves, reloads, dies and begins again."""

from __future__ import annotations

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from tests.daemon.literal_device import TSM_ID
from tests.daemon.provisioning_process import Site
from tests.provisioning.authority import DAY, Authority, key_pem, pem
from tsm_gateway.daemon.exits import Exit
from tsm_gateway.keys.master_store import add_master_version
from tsm_gateway.provisioning.pki import Use, build_below_root, host_names
from tsm_gateway.registry.audit import broken_links
from tsm_gateway.registry.key_package import Delivery, KeyOrder
from tsm_gateway.store.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Deadline


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as made:
        yield made


def opened(site: Site, *, exclusive: bool = False) -> SqliteStore:
    mark = site.folder / "master.key.epoch"
    return SqliteStore.open(site.folder / "gateway.db", mark=mark, exclusive=exclusive)


def test_a_device_is_served_over_tls_and_the_operator_sees_it(site: Site) -> None:
    process = site.running()
    device = site.device()
    status, problem = site.ask(device, "GET", "/v1/status")
    assert (status, problem["code"]) == (404, "TSM-DEVICE-UNKNOWN")
    answer = site.enrol(device)
    status, done = site.install_and_prove(device, answer)
    assert (status, done["state"]) == (200, "registered")
    _, standing = site.ask(device, "GET", "/v1/status")
    assert standing["keys"] == [{"kid": answer["kid"], "epoch": 1, "state": "current"}]
    assert site.page("/health") == "ok\n"
    page = json.loads(site.page("/status"))
    assert page["process"] == "provisioning"
    assert page["master_versions"] == [1]
    assert page["degraded"] == []
    figures = site.page("/metrics")
    assert 'tsm_provisioning_enrolments_total{outcome="new"} 1.0' in figures
    assert 'tsm_provisioning_registrations_total{bearer="channel"} 1.0' in figures
    assert 'tsm_provisioning_expiry_timestamp_seconds{owner="tsm",use="key-delivery"}' in figures
    assert 'tsm_provisioning_refusals_total{code="device-unknown",use="status"} 1.0' in figures
    process.send_signal(signal.SIGTERM)
    site.told("STOPPING=1")
    assert site.ended(process) == Exit.DONE
    for event in ("daemon.ready", "enrolment.accepted", "key_package.made", "registration.accepted"):
        assert len(site.logged(event)) == 1, event
    store = opened(site)
    try:
        entries = store.provisioning.audit()
        assert {each.entry.actor for each in entries} == {"provisioning"}
        assert broken_links(entries) == []
    finally:
        store.close()


def test_a_process_that_is_killed_goes_on_where_it_was(site: Site) -> None:
    device = site.device()
    first = site.running()
    before = site.enrol(device)
    site.ended(first, signal.SIGKILL)
    second = site.running()
    after = site.enrol(device)
    assert after["key_package"] == before["key_package"]
    stale = {**after, "challenge": before["challenge"]}
    status, problem = site.install_and_prove(device, stale)
    assert (status, problem["code"]) == (409, "TSM-CHALLENGE-STALE")
    status, done = site.install_and_prove(device, after)
    assert (status, done["state"]) == (200, "registered")
    site.ended(second, signal.SIGKILL)
    site.running()
    again = site.enrol(device)
    assert (again["state"], again["key_package"]) == ("registered", None)


def test_a_relay_may_have_the_store_at_the_same_time_but_no_second_provisioning(site: Site) -> None:
    site.running()
    relay = opened(site, exclusive=True)
    try:
        site.enrol(site.device())
        second = site.start()
        assert site.ended(second) == Exit.FAILED
        (line,) = site.logged("daemon.failed")
        assert line["error"] == "store-locked"
        assert len(relay.registry.devices()) == 1
    finally:
        relay.close()


def test_an_order_of_an_operator_becomes_a_key_by_itself(site: Site, deadline: Deadline) -> None:
    site.running()
    device = site.device()
    status, _ = site.install_and_prove(device, site.enrol(device))
    assert status == 200
    store = opened(site)
    try:
        store.provisioning.order(KeyOrder(device.device_id, Delivery.CHANNEL, "told to", site.now))
        store.flush()
        deadline(lambda: not store.provisioning.orders(1), "the order is carried out", 20.0)
    finally:
        store.close()
    status, package = site.ask(device, "GET", "/v1/key-package")
    assert (status, package["epoch"]) == (200, 2)


def test_a_reload_takes_over_issuers_and_certificates_or_nothing(site: Site) -> None:
    process = site.running()
    other = Authority("Another issuer", lifetime=(site.now - DAY, site.now + 100 * DAY))
    device = site.device(common="other", authority=other)
    with pytest.raises(OSError, match=r".*"):
        site.enrol(device)
    second = f'[[provisioning.issuer]]\nname = "second"\nanchors = "{site.folder}/second.pem"\n'
    site.configure(second)
    site.reload(process)  # the file is not there
    with pytest.raises(OSError, match=r".*"):
        site.enrol(device)
    (site.folder / "second.pem").write_bytes(pem(other.certificate))
    site.pki.renew(Use.KEY_DELIVERY, owner="tsm-1", new_key=True, at=site.now)
    site.configure(second, challenge_s=60)
    site.reload(process)
    status, done = site.install_and_prove(device, site.enrol(device))
    assert (status, done["state"]) == (200, "registered")
    (refused,), (taken,) = site.logged("daemon.reload_refused"), site.logged("daemon.reloaded")
    assert refused["level"] == "error"
    assert refused["changed"].startswith("nothing")
    assert "challenge_s" in taken["changed"]
    assert json.loads(site.page("/status"))["issuers"] == ["se-issuer", "second"]


def test_a_bad_list_keeps_the_old_settings_and_no_new_master_key_waiting(site: Site) -> None:
    process = site.running()
    garbage = site.folder / "list.crl"
    garbage.write_bytes(b"no list")
    site.configure(f'crls = ["{garbage}"]\n', challenge_s=60)
    add_master_version(site.folder / "master.key", bytes(range(32)))
    site.reload(process)
    (refused,) = site.logged("daemon.reload_refused")
    assert str(garbage) in refused["problem"]
    assert refused["error"] == "issuer-unusable"
    assert refused["changed"].startswith("only the master key (now version 2)")
    assert json.loads(site.page("/status"))["master_versions"] == [1, 2]
    assert site.logged("daemon.reloaded") == []
    assert site.enrol(site.device())["state"] == "keyed"


def test_reading_a_long_list_again_keeps_nobody_waiting(site: Site) -> None:
    process = site.running()
    slow = site.folder / "list.crl"
    os.mkfifo(slow)  # whoever reads it waits for us
    site.configure(f'crls = ["{slow}"]\n')
    process.send_signal(signal.SIGHUP)
    site.told("RELOADING=1")
    with slow.open("wb") as file:  # goes on once the reader is there
        assert site.page("/health") == "ok\n"
        assert site.enrol(site.device())["state"] == "keyed"
        file.write(site.authority.crl(this_update=site.now - DAY, next_update=site.now + DAY))
    site.told("READY=1")
    assert "issuer" in site.logged("daemon.reloaded")[0]["changed"]


def test_a_reload_asks_responders_anew(site: Site) -> None:
    device, revoked, asked = site.device(), threading.Event(), []

    class Responder(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status = ocsp.OCSPCertStatus.REVOKED if revoked.is_set() else ocsp.OCSPCertStatus.GOOD
            asked.append(status)
            certificate = x509.load_der_x509_certificate(device.certificate)
            answer = site.authority.answer(
                certificate, status, this_update=site.now - DAY, next_update=site.now + DAY
            )
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Responder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        site.configure(f'ocsp = "http://127.0.0.1:{server.server_port}/"\n')
        process = site.running()
        site.enrol(device)
        revoked.set()
        assert site.ask(device, "GET", "/v1/status")[0] == 200  # the answer is kept
        site.reload(process)
        with pytest.raises(OSError, match=r".*"):
            site.ask(device, "GET", "/v1/status")
        server.shutdown()
    assert asked == [ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED]


def test_what_is_wrong_with_the_configuration_is_told_before_anything_is_open(site: Site) -> None:
    site.pki.key_path(Use.KEY_DELIVERY).chmod(0o644)
    process = site.start()
    assert site.ended(process) == Exit.USAGE
    text = (site.folder / "log-0").read_text()
    assert "provisioning.key_delivery_key" in text
    assert "chmod 600" in text
    assert not (site.folder / "gateway.db").exists()


def test_one_key_for_the_channel_and_for_key_packages_stops_the_start(site: Site) -> None:
    shared = site.pki.pair(Use.KEY_DELIVERY)
    root = site.pki.pair(Use.ROOT)
    channel = build_below_root(
        Use.CHANNEL_1,
        shared.key.public_key(),
        root,
        owner=TSM_ID,
        names=host_names(["127.0.0.1"]),
        serial=7,
        at=site.now,
    )
    site.pki.certificate_path(Use.CHANNEL_1).write_bytes(pem(channel))
    site.pki.key_path(Use.CHANNEL_1).write_bytes(key_pem(shared.key))
    process = site.start()
    assert site.ended(process) != Exit.DONE
    assert "a key of its own" in (site.folder / "log-0").read_text()


def test_a_certificate_that_ends_soon_is_told(site: Site) -> None:
    site.configure(expiry_warning_days=60)
    (site.folder / "anchors.pem").write_bytes(
        pem(Authority("Soon over", lifetime=(site.now - DAY, site.now + 5 * DAY)).certificate)
    )
    process = site.running()
    page = json.loads(site.page("/status"))
    assert any("se-issuer anchor ends in" in each for each in page["degraded"])
    assert site.ended(process, signal.SIGTERM) == Exit.DONE
    (line,) = site.logged("certificate.expiring")
    assert (line["issuer"], line["certificate"], line["days"]) == ("se-issuer", "anchor", 4)
