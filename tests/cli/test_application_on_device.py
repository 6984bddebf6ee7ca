"""`application personalise` and `retire`: what becomes of an application where it is, or was about to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.deliveries import FIRST, PAY, audited, configure, loaded, publish
from tests.cli.life import D, device_id, put, store_of
from tsm_gateway.registry.job import JobKind, JobState

if TYPE_CHECKING:
    from tests.cli.conftest import Site

DEVICE = device_id(1)


@pytest.fixture
def shop(site: Site) -> Site:
    """A site with channel 2, a provider, and its application published."""
    configure(site)
    site.add_provider()
    publish(site, FIRST, "--provider", "shop")
    return site


def test_parameters_are_written_anew_on_order(shop: Site) -> None:
    loaded(shop, put(shop, 1, D.REGISTERED))
    order = ("application", "personalise", PAY, "--device", DEVICE)
    result = shop.done(*order, "--reason", "new limit", "-o", "json")
    assert (result.json[0]["kind"], result.json[0]["state"]) == ("personalise", "queued")
    assert "when its agent comes next" in result.err
    with store_of(shop) as store:
        (job,) = store.delivery.jobs(DEVICE, open_only=True)
        (there,) = store.delivery.on_device(DEVICE)
    assert (job.kind, job.state, job.reason) == (JobKind.PERSONALISE, JobState.QUEUED, "new limit")
    assert (job.application, job.digest) == (PAY, there.digest)
    entry = audited(shop, "job.queue")[-1]
    assert (entry.subject, dict(entry.facts)["jobs"]) == (DEVICE, "personalise pay")
    assert shop(*order).code == 6, "one is open already"


def test_parameters_are_for_what_is_installed_and_takes_some(shop: Site) -> None:
    put(shop, 1, D.REGISTERED)
    order = ("application", "personalise", PAY, "--device", DEVICE)
    assert shop(*order).code == 4
    loaded(shop, DEVICE, part=5)
    result = shop(*order)
    assert (result.code, "state=loading" in result.err) == (6, True)
    assert shop("application", "personalise", PAY, "--device", device_id(9)).code == 4
    outcomes = [each.outcome for each in audited(shop, "job.queue")]
    assert outcomes == ["refused", "done", "refused", "refused"], "the one that is done installs"


def test_without_a_provider_there_is_nothing_to_tell(site: Site) -> None:
    configure(site)
    publish(site)
    loaded(site, put(site, 1, D.REGISTERED))
    result = site("application", "personalise", PAY, "--device", DEVICE)
    assert (result.code, "of no provider" in result.err) == (6, True)


def test_without_a_number_of_ours_there_is_nothing_to_tell(site: Site) -> None:
    configure(site, without="gateway_number")
    text = site.config.read_text("utf-8")
    site.config.write_text(text.replace("[gateway]", '[gateway]\nsource_address = "SHOP"', 1), "utf-8")
    result = site("application", "personalise", PAY, "--device", DEVICE)
    assert (result.code, "gateway_number" in result.err) == (2, True)


def test_who_retires_a_version_is_told_what_becomes_of_it_where_it_is_being_loaded(shop: Site) -> None:
    loaded(shop, put(shop, 1, D.REGISTERED), part=5)
    told = shop.done("application", "retire", PAY, "--version", FIRST).err
    assert "it is being loaded to 1 devices" in told
    assert "it is removed" in told


def test_nothing_is_said_of_loading_where_nothing_is_loaded(shop: Site) -> None:
    loaded(shop, put(shop, 1, D.REGISTERED))
    assert "being loaded" not in shop.done("application", "retire", PAY, "--version", FIRST).err
