"""Channel 2 of the provisioning process, over TLS: a delivery, a kill in the middle, a reload, the end."""

from __future__ import annotations

import http.client
import json
import secrets
import signal
import ssl
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tests.daemon.literal_device import TSM_ID
from tests.daemon.provisioning_process import WITHIN_S, Site, free_port
from tests.provisioning.authority import key_pem, name, p256, pem
from tsm_gateway.keys.master_store import read_master
from tsm_gateway.keys.wrap import NONCE_OCTETS, card_place, wrap
from tsm_gateway.provisioning.cap_file import read_cap
from tsm_gateway.provisioning.card_key_octets import join_keys
from tsm_gateway.provisioning.card_keys import KeySet
from tsm_gateway.provisioning.load_file import LoadFile
from tsm_gateway.provisioning.pki import Use, host_names
from tsm_gateway.provisioning.signing import FileSigner, sign_load_file
from tsm_gateway.registry.application import Application, ApplicationState, Rule, Scope, Version
from tsm_gateway.registry.card import Card as CardRecord
from tsm_gateway.registry.card import CardKeySet, CardKeyState
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.cap_writer import payment_cap
from tsm_gateway.virtual.card import Card
from tsm_gateway.virtual.card_new import new_card

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Deadline
    from tests.daemon.literal_device import LiteralDevice


class DeliverySite(Site):
    """A gateway with a channel 2, as `pki init` equips it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port_2 = free_port()
        names = host_names(["127.0.0.1"])
        for use in (Use.CHANNEL_2, Use.APPLICATION_SIGNING, Use.AGENTS):
            self.pki.make(use, owner=TSM_ID, names=names if use is Use.CHANNEL_2 else (), at=self.now)
        self.configure(self.delivery())

    def delivery(self, **section: Any) -> str:
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in section.items())
        path = self.pki.certificate_path
        return (
            f'[provisioning.delivery]\nlisten = "127.0.0.1:{self.port_2}"\n'
            f'certificate = "{path(Use.CHANNEL_2)}"\nkey = "file:{self.pki.key_path(Use.CHANNEL_2)}"\n'
            f'signing_certificate = "{path(Use.APPLICATION_SIGNING)}"\n{lines}'
            f'[[provisioning.delivery.issuer]]\nname = "agents"\nanchors = "{path(Use.AGENTS)}"\n'
        )

    def store(self) -> SqliteStore:
        return SqliteStore.open(
            self.folder / "gateway.db", mark=self.folder / "master.key.epoch", exclusive=False
        )

    def stock(self, card: Card, size: int) -> Application:
        """What an operator does: publish, assign, import the card."""
        cap = read_cap(payment_cap(size))
        load_file = LoadFile(cap.load_file, cap.package_aid)
        application = Application(
            "pay",
            Version(1, 0, 0),
            load_file.digest,
            "",
            cap.package_aid,
            cap.package_version,
            cap.applet_aids,
            cap.java_card,
            load_file.size,
            ApplicationState.PUBLISHED,
            self.now,
        )
        signer = FileSigner(self.pki.pair(Use.APPLICATION_SIGNING).key)
        state = card.state
        first, profile = state.key_sets[0], state.profile
        keys = join_keys(KeySet(first.kvn, first.enc, first.mac, first.dek), None)
        place, nonce = card_place(profile.app_se, first.kvn), secrets.token_bytes(NONCE_OCTETS)
        wrapped, version = wrap(read_master(f"file:{self.folder}/master.key"), keys, place, nonce=nonce)
        record = CardRecord(profile.app_se, profile.sd_aid, profile.protocol, "maker", b"", self.now)
        transport = CardKeySet(profile.app_se, first.kvn, CardKeyState.TRANSPORT, wrapped, version, self.now)
        rule = Rule("pay", Scope.ALL, "", None, wanted=True, made_at=self.now)
        store = self.store()
        try:
            signature = sign_load_file(signer, load_file, at=self.now)
            store.delivery.publish(application, load_file.octets, signature, at=self.now)
            store.delivery.assign(rule, reason="test")
            store.delivery.import_cards([(record, transport)], reason="test", at=self.now)
            store.flush()
        finally:
            store.close()
        return application


class HttpsAgent:
    """An agent of a few lines, on http.client and ssl."""

    def __init__(self, site: DeliverySite, card: Card) -> None:
        self.site, self.card, self.scripts = site, card, 0
        key = p256()
        request = x509.CertificateSigningRequestBuilder().subject_name(name("agent")).sign(key, SHA256())
        certificate = site.pki.sign_agent(
            request.public_bytes(Encoding.DER), owner=TSM_ID, at=site.now, app_se=card.state.profile.app_se
        )
        self.chain = site.folder / "agent.pem"
        self.chain.write_bytes(pem(certificate) + key_pem(key))

    def ask(self, method: str, path: str, body: Any = None, port: int = 0) -> tuple[int, Any]:
        """Raises OSError where nobody listens to us."""
        context = ssl.create_default_context(cafile=str(self.site.pki.certificate_path(Use.ROOT)))
        context.load_cert_chain(self.chain)
        connection = http.client.HTTPSConnection(
            "127.0.0.1", port or self.site.port_2, timeout=WITHIN_S, context=context
        )
        try:
            octets = None if body is None else json.dumps(body)
            headers = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, path, octets, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def begin(self) -> dict[str, Any]:
        return self.post({})

    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        status, answer = self.ask("POST", "/v1/script", body)
        assert status == 200, answer
        self.scripts += 1
        return dict(answer)

    def carry(self, script: dict[str, Any]) -> dict[str, Any]:
        responses = []
        for command in script["commands"]:
            responses.append(self.card.transmit(b64decode(command)))
            if responses[-1][-2:] != b"\x90\x00":
                break
        told = [b64encode(each).decode() for each in responses]
        return {"session": script["session"], "number": script["number"], "responses": told}

    def run(self) -> dict[str, Any]:
        script = self.begin()
        while not script["done"]:
            script = self.post(self.carry(script))
        return script


@pytest.fixture
def site(tmp_path: Path) -> Iterator[DeliverySite]:
    with DeliverySite(tmp_path) as made:
        yield made


def registered(site: DeliverySite, size: int = 3000) -> tuple[LiteralDevice, HttpsAgent]:
    device = site.device()
    signer = FileSigner(site.pki.pair(Use.APPLICATION_SIGNING).key)
    card = Card(new_card(app_se=device.app_se, dap_keys=[signer.public_key]))
    site.stock(card, size)
    status, done = site.install_and_prove(device, site.enrol(device))
    assert (status, done["state"]) == (200, "registered")
    return device, HttpsAgent(site, card)


def test_an_application_is_delivered_over_tls_and_the_operator_sees_it(site: DeliverySite) -> None:
    process = site.running()
    device, agent = registered(site)
    script = agent.begin()
    while not (script["job"]["kind"] == "install" and script["job"]["blocks_total"]):
        script = agent.post(agent.carry(script))
    page = json.loads(site.page("/status"))
    assert page["delivery_listen"] == f"127.0.0.1:{site.port_2}"
    assert page["listen"] == f"127.0.0.1:{site.port}"
    assert page["sessions_open"] == 1
    (session,) = page["sessions"]
    assert (session["device"], session["application"]) == (device.device_id, "pay")
    assert (session["job"], session["blocks_total"]) == ("install", 13)
    while not script["done"]:
        script = agent.post(agent.carry(script))
    _, standing = agent.ask("GET", "/v1/status")
    assert (standing["device_state"], standing["jobs_waiting"], standing["session"]) == ("active", 0, False)
    assert standing["applications"] == [{"name": "pay", "version": "1.0.0", "state": "installed"}]
    _, of_device = site.ask(device, "GET", "/v1/status")
    assert of_device["state"] == "active"
    figures = site.page("/metrics")
    for series in (
        'delivery_jobs_total{kind="install",outcome="done"} 1.0',
        'delivery_jobs_total{kind="renew-keys",outcome="done"} 1.0',
        "delivery_blocks_total 13.0",
        'delivery_sessions_total{end="done"} 1.0',
        "delivery_sessions_open 0.0",
        'delivery_requests_total{route="script",status="200"}',
    ):
        assert f"tsm_provisioning_{series}" in figures, series
    assert site.ended(process, signal.SIGTERM) == 0
    assert {each["channel"] for each in site.logged("listener.opened")} == {1, 2}


def test_a_credential_of_one_channel_is_nothing_on_the_other(site: DeliverySite) -> None:
    site.running()
    device, agent = registered(site)
    with pytest.raises((OSError, http.client.HTTPException)):
        agent.ask("GET", "/v1/status", port=site.port)
    chain, agent.chain = agent.chain, site.folder / f"{device.common}.pem"
    with pytest.raises((OSError, http.client.HTTPException)):
        agent.ask("GET", "/v1/status")
    agent.chain = chain
    assert agent.ask("GET", "/v1/status")[0] == 200


def test_a_process_that_is_killed_in_the_middle_delivers_after_its_restart(site: DeliverySite) -> None:
    process = site.running()
    device, agent = registered(site, size=20_000)
    script = agent.begin()
    while not (script["job"] and script["job"]["blocks_done"] > 20):
        script = agent.post(agent.carry(script))
    owed = agent.carry(script)
    process.kill()
    process.wait(WITHIN_S)
    site.running()
    status, problem = agent.ask("POST", "/v1/script", owed)
    assert (status, problem["code"]) == (409, "TSM-SESSION-OVER")
    agent.card.power_on()
    agent.run()
    _, of_device = site.ask(device, "GET", "/v1/status")
    assert of_device["state"] == "active"
    assert len(agent.card.state.load_files) == 1
    store = site.store()
    try:
        (job,) = [each for each in store.delivery.jobs(device.device_id) if each.kind.value == "install"]
        assert (job.state.value, job.attempts) == ("done", 2)
    finally:
        store.close()


def test_a_reload_changes_channel_2_but_for_where_it_listens(site: DeliverySite) -> None:
    process = site.running()
    _, agent = registered(site)
    assert agent.run()["retry_after_s"] == 86_400
    site.configure(site.delivery(poll_s=7200))
    site.reload(process)
    assert agent.begin()["retry_after_s"] == 7200
    site.configure(site.delivery(poll_s=7200).replace(str(site.port_2), str(free_port())))
    site.reload(process)
    site.configure()
    site.reload(process)
    one, two, three = [each["changed"] for each in site.logged("daemon.reloaded")]
    assert "delivery" in one
    assert "at the next start" not in one
    assert "delivery (at the next start)" in two
    assert "delivery (at the next start)" in three
    status, problem = agent.ask("GET", "/v1/status")
    assert status == 200, problem
    site.configure(site.delivery())
    site.reload(process)
    assert agent.begin()["done"]


def test_a_new_agents_authority_is_taken_over_by_a_reload(site: DeliverySite) -> None:
    process = site.running()
    _, agent = registered(site)
    assert agent.ask("GET", "/v1/status")[0] == 200
    site.pki.certificate_path(Use.AGENTS).rename(site.folder / "old.pem")
    site.pki.key_path(Use.AGENTS).unlink()
    site.pki.make(Use.AGENTS, owner=TSM_ID, at=site.now)
    site.reload(process)
    with pytest.raises((OSError, http.client.HTTPException)):
        agent.ask("GET", "/v1/status")
    assert HttpsAgent(site, agent.card).ask("GET", "/v1/status")[0] == 200


def test_a_silent_agents_session_is_ended_by_the_clock(site: DeliverySite, deadline: Deadline) -> None:
    site.configure(site.delivery(session_s=5))
    site.running()
    _, agent = registered(site)
    script = agent.begin()
    assert script["commands"]
    deadline(lambda: site.logged("delivery.session_ended"), "its session ended", WITHIN_S)
    assert site.logged("delivery.session_ended")[0]["reason"] == "agent-silent"
    assert json.loads(site.page("/status"))["sessions"] == []


def test_without_the_section_nothing_listens(site: DeliverySite) -> None:
    site.configure()
    site.running()
    assert json.loads(site.page("/status"))["delivery_listen"] == ""
    assert {each["channel"] for each in site.logged("listener.opened")} == {1}
