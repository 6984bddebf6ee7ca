"""Reads an issuer's files: anchors, intermediates, revocation lists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tsm_gateway.provisioning.certificate_errors import IssuerUnusable
from tsm_gateway.provisioning.element_id import ElementIdRule
from tsm_gateway.provisioning.issuer import Issuer, RevocationPolicy, read_issuer
from tsm_gateway.provisioning.revocation_list import MAX_OCTETS

if TYPE_CHECKING:
    from collections.abc import Sequence


def load_issuer(
    name: str,
    *,
    anchors: Path | str,
    intermediates: Path | str | None = None,
    crls: Sequence[Path | str] = (),
    ocsp: str = "",
    revocation: str = RevocationPolicy.WHEN_KNOWN.value,
    element_id: str = ElementIdRule.CLAIMED.value,
) -> Issuer:
    """The issuer those files describe, read again at each call.

    A list of 100,000 entries takes half a second. Raises IssuerUnusable that names the file, also for one
    that cannot be read.
    """
    files = {
        "anchors": (anchors,),
        "intermediates": (intermediates,) if intermediates else (),
        "crls": tuple(crls),
    }
    octets = {
        setting: [_octets(name, setting, *each) for each in enumerate(paths)]
        for setting, paths in files.items()
    }
    try:
        return read_issuer(
            name,
            anchors=octets["anchors"][0],
            intermediates=b"".join(octets["intermediates"]),
            crls=octets["crls"],
            ocsp=ocsp,
            revocation=RevocationPolicy(revocation),
            element_id=ElementIdRule(element_id),
        )
    except IssuerUnusable as error:
        raise error.naming(files) from None


def _octets(issuer: str, setting: str, number: int, path: Path | str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_OCTETS + 1)
    except OSError as error:
        problem = f"{path}: cannot be read: {error.strerror}"
        raise IssuerUnusable(issuer=issuer, problem=problem, setting=setting, number=number) from None
