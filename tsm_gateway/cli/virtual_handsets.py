"""The handset files of a folder: those to finish, and names and makings of new ones."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.virtual.party_files import read_handset, write_party
from tsm_gateway.virtual.personalised import Subscription, Tsm, personalised

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsm_gateway.virtual.identity import Kind
    from tsm_gateway.virtual.issuer import Issuer
    from tsm_gateway.virtual.party_records import HandsetRecord, ProviderRecord


class Makers(NamedTuple):
    """Who makes the elements, which, and whom they trust."""

    issuer: Issuer
    kind: Kind
    tsm: Tsm


def new_number() -> str:
    """A telephone number nobody has: German mobile numbers that begin like this are for tests."""
    return f"+491555{secrets.randbelow(10**7):07d}"


def new_handset(makers: Makers, owner: Subscription) -> HandsetRecord:
    """A handset fresh from its makers, with a number of its own where `owner` has none."""
    identity = makers.issuer.issue(makers.kind, int(time.time()))
    return personalised(identity, makers.tsm, owner._replace(msisdn=owner.msisdn or new_number()))


def handsets_to_enrol(
    out: Path, provider: ProviderRecord, makers: Makers, owner: Subscription, count: int
) -> Iterator[Path]:
    """The files of `count` handsets that are not enrolled yet, each on the disk when it is given out.

    First those a run before this one began; a handset is finished when its provider knows it.
    """
    for path in sorted(out.glob("handset*.json")):
        if count and _is_unfinished(read_handset(path), provider):
            count -= 1
            yield path
    for path in _free_names(out, count):
        write_party(path, new_handset(makers, owner))
        yield path


def finished(provider: ProviderRecord, handset: HandsetRecord) -> ProviderRecord:
    """The provider, who knows `handset` now."""
    return replace(provider, devices=provider.devices | {handset.device_id: handset.certificate})


def _is_unfinished(handset: HandsetRecord, provider: ProviderRecord) -> bool:
    return handset.element is not None and handset.device_id not in provider.devices


def _free_names(out: Path, count: int) -> Iterator[Path]:
    """`count` names no handset's file has yet: handset.json for one alone, numbered ones for many."""
    alone = out / "handset.json"
    if count == 1 and not alone.exists():
        yield alone
        return
    number = 0
    while count:
        number += 1
        path = out / f"handset-{number:04d}.json"
        if not path.exists():
            count -= 1
            yield path
