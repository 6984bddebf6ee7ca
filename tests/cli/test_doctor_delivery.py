"""`doctor` with channel 2: what would not be delivered, what failed, what the guard stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.deliveries import FIRST, PAY, SECOND, assign, configure, loaded, manifest, publish
from tests.cli.life import NOW, D, device_id, put, store_of
from tests.provisioning.authority import Authority, pem
from tsm_gateway.cli import doctor_delivery
from tsm_gateway.cli.card_job import new_job
from tsm_gateway.registry.audit import REFUSED, AuditEntry
from tsm_gateway.registry.job import JobKind

if TYPE_CHECKING:
    from tests.cli.conftest import Site

DAY = 86_400
CHECKS = {
    "applications",
    "rules",
    "jobs",
    "cards' DAP keys",
    "deliveries",
    "exclusion guard",
    "certificate channel-2",
}
ALARM = "secret-bound-for-app-element"


@pytest.fixture
def shop(site: Site) -> Site:
    configure(site)
    put(site, 1, D.REGISTERED)
    return site


def found(site: Site) -> dict[str, list[tuple[str, str]]]:
    """Check -> verdict and text of its findings."""
    rows: list[dict[str, Any]] = site("doctor", "-o", "json", "--timeout", "1").json
    checks: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        checks.setdefault(row["check"], []).append((row["verdict"], row["text"]))
    return checks


def stopped(site: Site, at: int, code: str = ALARM, *, quiet: int = 0) -> None:
    """What the daemon writes down when the guard stops something; and `quiet` later entries of others."""
    with store_of(site) as store:
        for action, reason in (("application.deliver", code),) + (("device.enrol", "denied"),) * quiet:
            entry = AuditEntry(at, "provisioning", action, device_id(1), REFUSED, reason, ())
            store.delivery.note(entry)
        store.flush()


def test_without_channel_2_nothing_is_said_of_it(site: Site) -> None:
    put(site, 1, D.ACTIVE)
    assert not CHECKS & found(site).keys()


def test_a_catalogue_and_rules_in_order_are_fine(shop: Site) -> None:
    publish(shop)
    shop.done("application", "assign", PAY, "--all")
    checks = found(shop)
    assert checks["applications"] == [("OK", "1 versions are published and signed by the present key")]
    assert not {"rules", "deliveries", "exclusion guard"} & checks.keys()
    for use in ("channel-2", "application-signing"):
        assert checks[f"certificate {use}"][0][0] == "OK"
    assert checks["agents' issuer agents"][0][0] == "OK"


def test_an_empty_catalogue_and_no_rule_are_told(shop: Site) -> None:
    assert found(shop)["applications"][0][0] == "WARN"
    publish(shop)
    assert found(shop)["rules"] == [("WARN", "there is none: no device is to have an application")]
    shop.done("application", "retire", PAY, "--version", FIRST)
    checks = found(shop)
    assert ("none is published" in checks["applications"][0][1], "rules" in checks) == (True, False)


def test_what_the_present_key_has_not_signed_fails(shop: Site) -> None:
    publish(shop)
    shop.done("pki", "renew", "application-signing", "--new-key")
    ((verdict, text),) = found(shop)["applications"]
    assert (verdict, "1 are not signed by the present key" in text, "pay 1.0.0" in text) == (
        "FAIL",
        True,
        True,
    )
    publish(shop, SECOND)
    shop.done("application", "retire", PAY, "--version", FIRST)
    assert found(shop)["applications"][0][0] == "OK", "a retired version need not be signed"


def test_rules_that_nothing_comes_of_are_named(shop: Site) -> None:
    publish(shop)
    publish(shop, SECOND)
    shop.done("application", "assign", PAY, "--device", device_id(1), "--version", FIRST)
    shop.done("application", "assign", PAY, "--all")
    assert "rules" not in found(shop)
    shop.done("application", "retire", PAY, "--version", FIRST)
    ((verdict, text),) = found(shop)["rules"]
    assert (verdict, f"1 name versions that are retired or unknown: pay 1.0.0 for device {device_id(1)}") == (
        "WARN",
        text,
    )
    shop.done("application", "retire", PAY, "--version", SECOND)
    assert "2 name versions" in found(shop)["rules"][0][1]
    shop.done("application", "unassign", PAY, "--all")
    shop.done("application", "remove", PAY, "--device", device_id(1), "--yes")
    assert "rules" not in found(shop), "a removal needs no version"


def test_failures_are_counted_by_version(shop: Site) -> None:
    publish(shop)
    for number in (1, 2):
        loaded(shop, put(shop, number + 10, D.REGISTERED), failed="card-memory-full")
    loaded(shop, device_id(1))
    ((verdict, text),) = found(shop)["deliveries"]
    assert (verdict, text) == ("WARN", "applications failed on devices: pay 1.0.0 on 2")


def test_cards_whose_key_has_not_signed_the_newest_version_are_counted(shop: Site) -> None:
    publish(shop)
    pki = shop.folder / "pki"
    cards = [b"app-%08d" % number for number in (1, 2)]
    shop.done("card", "import", manifest(shop, *cards), "--issuer", "maker")
    assert "cards' DAP keys" not in found(shop), "they verify with whatever is present"
    certificate = pki / "application-signing.pem"
    shop.done("card", "dap-key", "--issuer", "maker", "--certificate", certificate)
    assert "cards' DAP keys" not in found(shop)
    shop.done("pki", "renew", "application-signing", "--new-key")
    shop.done("application", "sign", "--all")
    assert "cards' DAP keys" not in found(shop), "signatures by earlier keys are kept"
    publish(shop, SECOND)
    ((verdict, text),) = found(shop)["cards' DAP keys"]
    assert (verdict, "pay 1.1.0 by key" in text, "of 2 cards" in text, "1.0.0" in text) == (
        *("WARN", True, True),
        False,
    )
    keys = ("--key", pki / "application-signing.key.old", "--also-for", pki / "application-signing.pem.old")
    shop.done("application", "sign", "--all", *keys)
    assert "cards' DAP keys" not in found(shop)


def test_jobs_that_failed_on_cards_are_counted_by_kind_and_reason_for_a_week(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(shop)
    for number in (1, 2, 3):
        device = put(shop, number, D.ACTIVE) if number > 1 else device_id(1)
        with store_of(shop) as store:
            job = new_job(device, JobKind.RENEW_KEYS, reason="", at=NOW)
            store.delivery.queue([job], [], at=NOW)
            store.flush()
            store.delivery.begin(job.job_id, at=NOW)
            store.delivery.fail(job.job_id, reason="card-not-authentic", at=NOW + 5)
            store.flush()
    loaded(shop, device_id(2), failed="card-memory-full")
    shown = shop.done("device", "show", device_id(1), "-o", "json").json
    assert [(each["kind"], each["state"], each["reason"]) for each in shown["jobs"]] == [
        ("renew-keys", "failed", "card-not-authentic")
    ]
    monkeypatch.setattr("time.time", lambda: float(NOW + 7 * DAY))
    told = "3 x renew-keys for card-not-authentic, 1 x install for card-memory-full"
    assert found(shop)["jobs"] == [("WARN", f"in the last 7 days failed on cards: {told}")]
    monkeypatch.setattr("time.time", lambda: float(NOW + 7 * DAY + 6))
    assert "jobs" not in found(shop)


def test_a_removal_that_waits_is_no_failure(shop: Site) -> None:
    publish(shop)
    loaded(shop, device_id(1))
    with store_of(shop) as store:
        assign(store, device_id(1), kind=JobKind.REMOVE)
        store.flush()
    assert "deliveries" not in found(shop)


@pytest.mark.parametrize("code", [ALARM, "not-for-an-app-element"])
def test_an_alarm_of_the_guard_fails_for_a_week(
    shop: Site, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_delivery, "SLICE", 2)
    now = 2_000_000_000
    monkeypatch.setattr("time.time", lambda: float(now))
    stopped(shop, now - 6 * DAY, code, quiet=5)
    ((verdict, text),) = found(shop)["exclusion guard"]
    assert (verdict, "for 1 devices" in text, device_id(1) in text) == ("FAIL", True, True)
    monkeypatch.setattr("time.time", lambda: float(now + 2 * DAY))
    assert "exclusion guard" not in found(shop)


def test_other_refusals_are_no_alarm_and_the_look_back_is_bounded(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 2_000_000_000
    monkeypatch.setattr("time.time", lambda: float(now))
    stopped(shop, now, "card-response-not-authentic")
    assert "exclusion guard" not in found(shop)
    stopped(shop, now, quiet=3)
    monkeypatch.setattr(doctor_delivery, "LOOKED_AT", 3)
    assert "exclusion guard" not in found(shop)
    monkeypatch.setattr(doctor_delivery, "LOOKED_AT", 4)
    assert "exclusion guard" in found(shop)


def test_applications_of_a_provider_need_a_number_to_tell(site: Site) -> None:
    configure(site, without="gateway_number")
    site.add_provider()
    publish(site, FIRST, "--provider", "shop")
    texts = [text for verdict, text in found(site)["applications"] if verdict == "WARN"]
    assert texts == ["are installed without parameters: the gateway has no number to tell them"]


def test_issuers_of_agents_are_looked_at_like_others(shop: Site) -> None:
    (shop.folder / "pki" / "agents.pem").write_text("nothing", "ascii")
    assert found(shop)["agents' issuer agents"][0][0] == "FAIL"
    now = 1_700_000_000
    old = Authority("Agents", lifetime=(now - DAY, now))
    (shop.folder / "pki" / "agents.pem").write_bytes(pem(old.certificate))
    assert ("FAIL", "anchor CN=Agents has expired") in found(shop)["agents' issuer agents"]


def test_without_an_issuer_of_agents_nobody_can_come(site: Site) -> None:
    configure(site)
    text = site.config.read_text("utf-8")
    site.config.write_text(text.partition("[[provisioning.delivery.issuer]]")[0], "utf-8")
    put(site, 1, D.REGISTERED)
    assert found(site)["agents' issuers"] == [("WARN", "none is trusted: no agent can come to channel 2")]


@pytest.mark.parametrize(("channel", "path"), [("1", "/v1/enrolment"), ("2", "/v1/script")])
def test_each_channel_has_its_description(site: Site, channel: str, path: str) -> None:
    told = site.done("provisioning", "--openapi", "--channel", channel).json
    assert path in told["paths"]
    assert told["info"]["title"].endswith(f"channel {channel}")
    default = site.done("provisioning", "--openapi").json
    assert (default == told) == (channel == "1")
    assert site("provisioning", "--openapi", "--channel", "3").code == 2


def test_activate_tells_that_channel_2_does_it_by_itself(site: Site) -> None:
    assert "Channel 2 does this by itself" in " ".join(site.done("device", "activate", "--help").out.split())
