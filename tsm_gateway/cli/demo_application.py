"""The demo's payment application: written, signed, published, and assigned to every device."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from tsm_gateway.cli.application_key import Signing
from tsm_gateway.cli.application_publish import Publication, publish_application
from tsm_gateway.cli.virtual_enrolment import opened_store
from tsm_gateway.provisioning.cap_file import read_cap
from tsm_gateway.provisioning.pki import Use
from tsm_gateway.provisioning.signing import FileSigner
from tsm_gateway.registry.application import Rule, Scope, Version
from tsm_gateway.virtual.cap_writer import payment_cap

if TYPE_CHECKING:
    from tsm_gateway.cli.demo_stage import Stage

NAME: Final = "pay"
VERSION: Final = Version(1, 0, 0)
SIZE: Final = 24_000  # octets of the load file


def publish_for_all(stage: Stage, size: int = SIZE) -> str:
    """Publish an application of `size` octets and assign it to all devices; says what was done."""
    at, pair = int(time.time()), stage.cards.pki.pair(Use.APPLICATION_SIGNING)
    signing = Signing.of(FileSigner(pair.key), pair.certificate)
    wanted = Publication(NAME, VERSION, stage.provider.name, read_cap(payment_cap(size)))
    with opened_store(stage.settings) as store:
        published = publish_application(store, wanted, signing, at=at)
        rule = Rule(NAME, Scope.ALL, subject="", version=None, wanted=True, made_at=at)
        store.delivery.assign(rule, reason="for everybody")
        store.flush()
    scheme, blocks = published.signature.scheme, published.blocks
    return (
        f"application {NAME} {VERSION} of {size} octets: signed ({scheme}), {blocks} blocks, assigned to all"
    )
