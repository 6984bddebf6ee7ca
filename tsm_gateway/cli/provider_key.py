"""A provider's key: made here, stored wrapped, handed out once, sealed to the provider's certificate."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.context import held_masters, master_option, open_store, read_settings
from tsm_gateway.cli.key_files import handed_out, read_certificate_file
from tsm_gateway.cli.new_keys import first_piv, new_key, new_kid, wrapped_key
from tsm_gateway.cli.output import output_option, show_record
from tsm_gateway.outbound.key_handover import KeyIdentity, handover_record, read_recipient
from tsm_gateway.registry.errors import NotKnown
from tsm_gateway.relay.directory import PROVIDER_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsm_gateway.cli.output import Form
    from tsm_gateway.keys.wrap import MasterKeys
    from tsm_gateway.registry.device import WrappedKey

FILE = click.Path(dir_okay=False, path_type=Path)
CERTIFICATE_HELP = "The provider's certificate, PEM or DER: P-256, X25519, or RSA of 2048 bits or more."
KEY_OUT_HELP = "Where to write the key for the provider, sealed to its certificate."


@contextmanager
def key_handed_out(
    masters: MasterKeys, *, tsm_id: str, name: str, version: int, certificate: Path, out: Path, at: int
) -> Iterator[WrappedKey]:
    """A new key for provider `name`, written sealed to `out`; store it inside the block, or it is withdrawn.

    Raises InputInvalid, X509Unusable, RecipientUnusable, FileExists or FileDenied.
    """
    recipient = read_recipient(read_certificate_file(certificate), at)
    key, kid = new_key(), new_kid()
    stored = wrapped_key(masters, key, table=PROVIDER_KEYS, kid=kid, owner=name, epoch=version, at=at)
    record = handover_record(key, recipient, KeyIdentity(tsm_id, name, kid, version))
    with handed_out(out, json.dumps(record, indent=2).encode("ascii") + b"\n"):
        yield stored


@click.command(name="rotate-key")
@click.argument("name")
@click.option("--certificate", type=FILE, required=True, help=CERTIFICATE_HELP)
@click.option("--key-out", type=FILE, required=True, help=KEY_OUT_HELP)
@click.option(
    "--overlap",
    type=click.IntRange(0),
    default=86_400,
    show_default=True,
    help="Seconds for which the key before stays accepted.",
)
@master_option
@output_option
@click.pass_obj
def rotate_key(
    config_path: Path,
    name: str,
    certificate: Path,
    key_out: Path,
    overlap: int,
    *,
    master: Path | None,
    form: Form,
) -> None:
    """Make a provider's next key; new packets are sealed with it at once.

    Packets on their way stay sealed with the key before, so the provider keeps that one until the overlap
    is over, and puts packets under a kid it does not know aside until it has opened the file.

    \b
    Example: tsm-gateway provider rotate-key coffee-shop --certificate shop.pem --key-out shop-2.json
    """
    settings, at = read_settings(config_path), int(time.time())
    with held_masters(settings, master) as masters, open_store(settings) as store:
        keys = store.registry.keys(name)
        if not keys:
            raise NotKnown(what="provider", name=name)
        version = max(key.epoch for key in keys) + 1
        with key_handed_out(
            masters,
            tsm_id=settings.gateway.id,
            name=name,
            version=version,
            certificate=certificate,
            out=key_out,
            at=at,
        ) as key:
            store.registry.rotate_provider_key(key, next_piv=first_piv(), overlap_s=overlap, at=at)
    show_record({"provider": name, "kid": key.kid.hex(), "version": version, "key_out": str(key_out)}, form)
