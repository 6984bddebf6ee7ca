"""A site with channel 2: its certificates, applications, and devices that have them or failed to."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from tests.cli.life import NOW, store_of
from tsm_gateway.registry.application import DeviceApplication, InstallState, Version
from tsm_gateway.registry.job import Job, JobKind, JobState
from tsm_gateway.virtual.cap_writer import payment_cap
from tsm_gateway.virtual.card_new import manifest_line, new_card, new_key_set

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.cli.conftest import Site
    from tsm_gateway.registry.audit import AuditEntry
    from tsm_gateway.store.sqlite_store import SqliteStore

PAY, FIRST, SECOND = "pay", Version(1, 0, 0), Version(1, 1, 0)
SECTIONS = """
[provisioning]
certificate = "{pki}/channel-1.pem"
key = "file:{pki}/channel-1.key"
key_delivery_certificate = "{pki}/key-delivery.pem"
key_delivery_key = "file:{pki}/key-delivery.key"
[[provisioning.issuer]]
name = "maker"
anchors = "{pki}/root.pem"
[provisioning.delivery]
certificate = "{pki}/channel-2.pem"
key = "file:{pki}/channel-2.key"
signing_certificate = "{pki}/application-signing.pem"
gateway_number = "+4930999000"
[[provisioning.delivery.issuer]]
name = "agents"
anchors = "{pki}/agents.pem"
"""


def configure(site: Site, *, without: str = "") -> None:
    """Certificates and the sections of both channels, but for lines that begin with `without`."""
    site.done("pki", "init", "--name", "localhost")
    lines = SECTIONS.format(pki=site.folder / "pki").splitlines()
    kept = [line for line in lines if not without or not line.startswith(without)]
    text = site.config.read_text("utf-8")
    site.config.write_text(text + "\n".join(kept) + "\n", "utf-8")


def cap_file(site: Site, size: int = 3000, version: tuple[int, int] = (1, 0), **kind: Any) -> Path:
    path = site.folder / "pay.cap"
    path.write_bytes(payment_cap(size, version, **kind))
    return path


def publish(site: Site, version: Version = FIRST, *more: object, name: str = PAY, **kind: Any) -> Any:
    """Publish a version, of a package version of its own."""
    cap = cap_file(site, version=(1, version.minor), **kind)
    options = ("--name", name, "--version", version, *more)
    return site.done("application", "publish", cap, *options, "-o", "json").json


def audited(site: Site, action: str) -> list[AuditEntry]:
    with store_of(site) as store:
        entries = [each.entry for each in store.provisioning.audit()]
    return [each for each in entries if each.action == action]


def assign(
    store: SqliteStore, device_id: str, version: Version = FIRST, kind: JobKind = JobKind.INSTALL
) -> Job:
    """As the daemon does it: a job is queued, the application is ASSIGNED."""
    found = store.delivery.application(PAY, version)
    assert found is not None
    job = Job(
        *(secrets.token_bytes(8), device_id, kind, PAY, found.digest, JobState.QUEUED),
        attempts=0,
        progress=(0, 0),
        due_at=NOW,
        created_at=NOW,
        changed_at=NOW,
        reason="as the rules say",
    )
    wanted = DeviceApplication(
        device_id, PAY, version, found.digest, InstallState.ASSIGNED, NOW, "as the rules say"
    )
    store.delivery.queue([job], [wanted], at=NOW)
    return job


def loaded(site: Site, device_id: str, version: Version = FIRST, *, failed: str = "", part: int = 0) -> None:
    """A device that has the application, or failed with that reason, or is at that block of 13."""
    with store_of(site) as store:
        job = assign(store, device_id, version)
        store.flush()
        store.delivery.begin(job.job_id, at=NOW + 1)
        store.delivery.progress(job.job_id, part or 13, 13, at=NOW + 2)
        if failed:
            store.delivery.fail(job.job_id, reason=failed, at=NOW + 3)
        elif not part:
            store.delivery.finish(job.job_id, outstanding=False, at=NOW + 3)
        store.flush()


def manifest(site: Site, *app_ses: bytes, mode: int = 0o600, name: str = "manifest.jsonl") -> Path:
    """An issuer's manifest of virtual cards, as `virtual card --new` tells them."""
    cards = [manifest_line(new_card(app_se=each, keys=new_key_set())) for each in app_ses]
    return lines(site, *map(json.dumps, cards), mode=mode, name=name)


def lines(site: Site, *texts: str, mode: int = 0o600, name: str = "manifest.jsonl") -> Path:
    path = site.folder / name
    path.write_text("".join(f"{each}\n" for each in texts), "utf-8")
    path.chmod(mode)
    return path
