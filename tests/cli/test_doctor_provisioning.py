"""`doctor` where provisioning is configured: what ends, what is not known, who does not answer or get on."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import free_port
from tests.cli.life import D, deliver, put, store_of
from tests.cli.status_pages import answering
from tests.provisioning.authority import Authority, p256, pem
from tsm_gateway.daemon.rekey_policy import TRIES
from tsm_gateway.registry.control import ControlMessage, ControlState
from tsm_gateway.store.audit_triggers import TRIGGERS
from tsm_gateway.store.control_store import insert_message
from tsm_gateway.store.lock_store import StoreLock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Site

DAY = 86_400
NOW = int(time.time())
LIFE = (NOW - DAY, NOW + 400 * DAY)
SECTION = """
[provisioning]
certificate = "{folder}/channel-1.pem"
key = "file:{folder}/channel-1.key"
key_delivery_certificate = "{folder}/delivery.pem"
key_delivery_key = "file:{folder}/delivery.key"
metrics = "127.0.0.1:{port}"
"""
ISSUER = """
[[provisioning.issuer]]
name = "maker"
anchors = "{folder}/maker.pem"
"""
PAGE = '{"version": "1", "uptime_s": 1.0, "degraded": [%s], "master_versions": [1]}'


class Provisioned:
    """A site with certificates of its own and one issuer."""

    def __init__(self, site: Site) -> None:
        self.site, self.folder, self.port = site, site.folder, free_port()
        self.maker = Authority("Maker", lifetime=LIFE)
        self.certificates()
        self.issuer()

    def certificates(self, life: tuple[int, int] = LIFE) -> None:
        for name in ("channel-1", "delivery"):
            issued = self.maker.issue(p256().public_key(), name, lifetime=life)
            (self.folder / f"{name}.pem").write_bytes(pem(issued))

    def issuer(self, more: str = "", *, life: tuple[int, int] = LIFE) -> None:
        self.maker = Authority("Maker", lifetime=life)
        (self.folder / "maker.pem").write_bytes(pem(self.maker.certificate))
        self.configure(ISSUER.format(folder=self.folder) + more)

    def configure(self, issuers: str) -> None:
        text = self.site.config.read_text("utf-8").partition("\n[provisioning]")[0]
        section = SECTION.format(folder=self.folder, port=self.port)
        self.site.config.write_text(text + section + issuers, "utf-8")

    def crl(self, until: int) -> str:
        octets = self.maker.crl(this_update=NOW - 3 * DAY, next_update=until)
        (self.folder / "maker.crl").write_bytes(octets)
        return f'crls = ["{self.folder}/maker.crl"]\n'

    def found(self, check: str) -> list[tuple[str, str]]:
        """Verdict and text of each finding of that name."""
        rows: list[dict[str, Any]] = self.site("doctor", "-o", "json", "--timeout", "1").json
        return [(row["verdict"], row["text"]) for row in rows if row["check"] == check]


@pytest.fixture
def provisioned(site: Site) -> Provisioned:
    return Provisioned(site)


@pytest.fixture
def running(provisioned: Provisioned) -> Iterator[None]:
    put(provisioned.site, 1, D.ACTIVE)
    lock = StoreLock.take(provisioned.folder / "gateway.db.provisioning")
    yield
    lock.release()


def test_without_provisioning_nothing_is_said_of_it(site: Site) -> None:
    put(site, 1, D.ACTIVE)
    checks = {row["check"] for row in site("doctor", "-o", "json", "--timeout", "1").json}
    assert not checks & {"provisioning", "issuers", "devices", "certificate channel-1"}


def test_sound_certificates_say_when_they_end(provisioned: Provisioned) -> None:
    for use in ("channel-1", "key-delivery"):
        ((verdict, text),) = provisioned.found(f"certificate {use}")
        assert (verdict, "expires in" in text) == ("OK", True)


@pytest.mark.parametrize(("days", "verdict"), [(-1, "FAIL"), (3, "WARN"), (300, "OK")])
def test_certificates_that_end_are_told_in_time(provisioned: Provisioned, days: int, verdict: str) -> None:
    life = (NOW - 500 * DAY, NOW + days * DAY + 60)
    provisioned.certificates(life)
    provisioned.issuer(life=life)
    assert provisioned.found("certificate channel-1")[0][0] == verdict
    assert provisioned.found("certificate key-delivery")[0][0] == verdict
    assert provisioned.found("issuer maker")[0][0] == verdict


def test_files_that_are_no_certificates_fail(provisioned: Provisioned) -> None:
    (provisioned.folder / "channel-1.pem").write_text("nothing", "ascii")
    (provisioned.folder / "delivery.pem").unlink()
    (provisioned.folder / "maker.pem").write_text("nothing", "ascii")
    for check in ("certificate channel-1", "certificate key-delivery", "issuer maker"):
        assert provisioned.found(check)[0][0] == "FAIL"


def test_an_issuer_that_tells_nothing_of_revocation_is_named(provisioned: Provisioned) -> None:
    told = ("WARN", "has no revocation data: a revoked certificate is taken")
    assert told in provisioned.found("issuer maker")
    provisioned.issuer('revocation = "off"\n')
    assert "nobody asks" in provisioned.found("issuer maker")[1][1]
    provisioned.issuer('ocsp = "http://127.0.0.1:1/"\n')
    assert [verdict for verdict, _ in provisioned.found("issuer maker")] == ["OK"]


def test_without_an_issuer_no_device_can_enrol(provisioned: Provisioned) -> None:
    provisioned.configure("")
    assert provisioned.found("issuers")[0][0] == "WARN"


@pytest.mark.parametrize(
    ("good_for_s", "policy", "verdict"),
    [(DAY, "required", "OK"), (-DAY, "required", "FAIL"), (-DAY, "when_known", "WARN")],
)
def test_a_stale_revocation_list_is_named(
    provisioned: Provisioned, good_for_s: int, policy: str, verdict: str
) -> None:
    line = provisioned.crl(NOW + good_for_s)
    provisioned.configure(ISSUER.format(folder=provisioned.folder) + line + f'revocation = "{policy}"\n')
    found = provisioned.found("issuer maker")
    assert found[-1][0] == verdict
    assert ("out of date" in found[-1][1]) == (verdict != "OK")


def test_a_process_that_does_not_run_is_told(provisioned: Provisioned) -> None:
    put(provisioned.site, 1, D.ACTIVE)
    assert provisioned.found("provisioning") == [("WARN", "does not run")]


@pytest.mark.usefixtures("running")
def test_a_process_that_does_not_answer_has_failed(provisioned: Provisioned) -> None:
    ((verdict, text),) = provisioned.found("provisioning")
    assert (verdict, text.startswith("runs, but does not answer")) == ("FAIL", True)


@pytest.mark.usefixtures("running")
def test_a_process_that_answers_tells_its_troubles(provisioned: Provisioned) -> None:
    with answering(provisioned.port, PAGE % '"maker crl has ended"'):
        found = provisioned.found("provisioning")
    assert [verdict for verdict, _ in found] == ["OK", "WARN"]
    assert found[1][1] == "maker crl has ended"


def test_devices_and_keys_that_stand_still_are_counted(provisioned: Provisioned) -> None:
    site = provisioned.site
    put(site, 1, D.ACTIVE)
    assert provisioned.found("devices")[0][0] == "OK"
    put(site, 2, D.KEYED)
    name = put(site, 3, D.ACTIVE)
    with store_of(site) as store:
        deliver(site, store, name, 2)
        store.flush()
    texts = [text for verdict, text in provisioned.found("devices") if verdict == "WARN"]
    assert [text.split()[0] for text in texts] == ["1", "1"]
    assert "registered" in texts[0]
    assert "confirmed" in texts[1]


def test_a_device_that_confirms_none_of_its_new_keys_is_named_as_given_up(provisioned: Provisioned) -> None:
    site = provisioned.site
    name = put(site, 1, D.ACTIVE)
    with store_of(site) as store:
        for epoch in range(2, 2 + TRIES):
            texts = [text for _, text in provisioned.found("devices")]
            assert not [text for text in texts if "none of" in text]
            kid = deliver(site, store, name, epoch)
            message = ControlMessage(
                *(kid, name, kid, "+4915550001167", b"package", ControlState.FAILED),
                *(9, NOW, NOW, NOW, "permanent"),
            )
            with store._writer.transaction() as cursor:
                insert_message(cursor, message)
            store.flush()
    (text,) = [text for _, text in provisioned.found("devices") if "none of" in text]
    assert text.startswith(f"1 confirmed none of {TRIES} ")


def test_a_broken_audit_log_is_no_matter_of_backups(site: Site) -> None:
    put(site, 1, D.ACTIVE)
    connection = sqlite3.connect(site.folder / "gateway.db")
    for name in TRIGGERS:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("UPDATE audit SET reason = 'x' WHERE sequence = 2")
    for sql in TRIGGERS.values():
        connection.execute(sql)
    connection.commit()
    connection.close()
    rows = site("doctor", "-o", "json", "--timeout", "1").json
    (row,) = [row for row in rows if row["check"] == "audit log"]
    assert (row["verdict"], "audit verify" in row["fix"]) == ("FAIL", True)
