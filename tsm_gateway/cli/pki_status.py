"""`tsm-gateway pki status`: every certificate and revocation list, whose it is, and when it ends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from tsm_gateway.cli.output import output_option, show_rows, when
from tsm_gateway.cli.pki_folder import dir_option, folder_of, settings_if_whole
from tsm_gateway.daemon.exits import Exit
from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning.expiry import (
    OWN,
    ExpiringItem,
    Urgency,
    item_of,
    items_of_certificates,
    items_of_issuers,
)
from tsm_gateway.provisioning.issuer_store import load_issuer
from tsm_gateway.provisioning.pki import Use
from tsm_gateway.provisioning.pki_errors import PkiFileMissing
from tsm_gateway.provisioning.pki_file_store import read_file
from tsm_gateway.provisioning.pki_store import PkiStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.x509 import Certificate

    from tsm_gateway.cli.output import Form
    from tsm_gateway.daemon.settings_provisioning import ProvisioningSettings

Row = dict[str, object]
COLUMNS = ("owner", "use", "subject", "key", "fingerprint", "expires", "days", "state")
WARNING_DAYS = 30
MAY_BE_ELSEWHERE = frozenset({Use.ROOT, Use.AGENTS, Use.APPLICATION_SIGNING})  # no daemon reads these keys
_EXITS = {Urgency.GOOD: Exit.DONE, Urgency.SOON: Exit.DEGRADED, Urgency.EXPIRED: Exit.FAILED}


class Line(NamedTuple):
    """A row, and what it makes of the command's exit code."""

    row: Row
    code: Exit


@click.command()
@dir_option
@output_option
@click.pass_obj
def status(config_path: Path, folder: Path | None, form: Form) -> int:
    """Show every certificate with its end: the gateway's own, and the issuers' of the configuration.

    Exit code 3 when one ends within provisioning.expiry_warning_days, 1 when one has ended, a revocation
    list is out of date, or a file cannot be used.

    \b
    Example: tsm-gateway pki status -o json
    """
    at, settings = int(time.time()), settings_if_whole(config_path)
    provisioning = settings.provisioning if settings else None
    warning = provisioning.expiry_warning_days if provisioning else WARNING_DAYS
    lines = [*_own(PkiStore(folder_of(config_path, folder)), at, warning)]
    if provisioning is not None:
        known = {line.row["fingerprint"] for line in lines}
        configured = _configured(provisioning, at, warning)
        lines += [line for line in configured if line.row["fingerprint"] not in known]
        lines += _issuers(provisioning, at, warning)
    show_rows([line.row for line in lines], COLUMNS, form)
    if not lines:
        click.echo("there is nothing: make it with `tsm-gateway pki init`", err=True)
    codes = {line.code for line in lines}
    return next((code for code in (Exit.FAILED, Exit.DEGRADED) if code in codes), Exit.DONE)


def made_row(use: str, path: Path, certificate: Certificate, at: int) -> Row:
    """What a command that made a certificate shows of it."""
    item = item_of(OWN, use, certificate)
    return {
        "use": use,
        "path": str(path),
        "subject": item.subject,
        "fingerprint": item.fingerprint,
        "expires": when(item.not_after),
        "days": item.days_left(at),
    }


def _own(store: PkiStore, at: int, warning: int) -> Iterator[Line]:
    for use in Use:
        if not store.has(use):
            continue
        try:
            line = _line(item_of(OWN, use.value, store.certificate(use)), at, warning)
            yield _with_key(line, store, use)
        except TsmError as error:
            yield _broken(OWN, use.value, error)


def _with_key(line: Line, store: PkiStore, use: Use) -> Line:
    """The line of a certificate, or what is wrong with the key beside it."""
    try:
        store.pair(use)
    except PkiFileMissing:
        if use not in MAY_BE_ELSEWHERE:
            return Line(line.row | {"state": "its key is missing"}, Exit.FAILED)
        return line._replace(row=line.row | {"state": f"{line.row['state']}, key kept elsewhere"})
    except TsmError as error:
        return Line(line.row | {"state": str(error)}, Exit.FAILED)
    return line


def _configured(provisioning: ProvisioningSettings, at: int, warning: int) -> Iterator[Line]:
    """What the configuration names outside the folder."""
    delivery = provisioning.delivery
    named = [
        (Use.CHANNEL_1, provisioning.certificate),
        (Use.KEY_DELIVERY, provisioning.key_delivery_certificate),
    ]
    if delivery is not None:
        named += [
            (Use.CHANNEL_2, delivery.certificate),
            (Use.APPLICATION_SIGNING, delivery.signing_certificate),
        ]
    for use, path in named:
        try:
            for item in items_of_certificates(OWN, use.value, read_file(Path(path))):
                yield _line(item, at, warning)
        except TsmError as error:
            yield _broken(OWN, use.value, error)


def _issuers(provisioning: ProvisioningSettings, at: int, warning: int) -> Iterator[Line]:
    agents = provisioning.delivery.issuer if provisioning.delivery else ()
    for each in (*provisioning.issuer, *agents):
        try:
            issuer = load_issuer(**each.model_dump())
            yield from (_line(item, at, warning) for item in items_of_issuers([issuer]))
        except TsmError as error:
            yield _broken(each.name, "issuer", error)


def _line(item: ExpiringItem, at: int, warning: int) -> Line:
    urgency = item.urgency(at, warning)
    late = item.use == "crl" and urgency is Urgency.EXPIRED
    row: Row = {
        "owner": item.owner,
        "use": item.use,
        "subject": item.subject,
        "key": item.key or None,
        "fingerprint": item.fingerprint or None,
        "expires": when(item.not_after),
        "days": item.days_left(at),
        "state": "out of date" if late else urgency.value,
    }
    return Line(row, _EXITS[urgency])


def _broken(owner: str, use: str, error: TsmError) -> Line:
    empty = dict.fromkeys(("subject", "key", "fingerprint", "expires", "days"))
    return Line({"owner": owner, "use": use, **empty, "state": str(error)}, Exit.FAILED)
