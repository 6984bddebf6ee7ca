"""`tsm-gateway device add`: make a device known by its certificate and its random key, by hand."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import click

from tsm_gateway.cli.context import held_masters, master_option, open_store, read_settings
from tsm_gateway.cli.device_key import FILE, key_given, key_options, key_out, path_of
from tsm_gateway.cli.errors import InputInvalid, VirtualPartyRefused
from tsm_gateway.cli.key_files import read_certificate_file
from tsm_gateway.cli.new_keys import wrapped_key
from tsm_gateway.cli.output import output_option, show_record
from tsm_gateway.envelope.device_certificate import read_device_certificate
from tsm_gateway.envelope.replay import initial_window
from tsm_gateway.registry.address import INTERNATIONAL
from tsm_gateway.registry.device import Device, DeviceState
from tsm_gateway.relay.directory import DEVICE_KEYS

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.cli.output import Form

DEVICE_ID = re.compile(r"d:[0-9a-f]{16}")
STATES = (DeviceState.KEYED, DeviceState.REGISTERED, DeviceState.ACTIVE)  # those of a device with a key


@click.command()
@click.option(
    "--certificate", type=FILE, required=True, help="The crypto SE's: PEM or DER; P-256, Ed25519 or RSA."
)
@click.option(
    "--id", "device_id", help="d: and 16 hexadecimal digits.  [default: from the certificate's key]"
)
@click.option("--msisdn", default="", help='Its number, "+49…"; never proves anything.')
@key_options
@click.option(
    "--state",
    type=click.Choice([state.value for state in STATES]),
    default=DeviceState.ACTIVE.value,
    show_default=True,
    help="active says that it registered and that its application was delivered: only then it may pay.",
)
@click.option("--reason", default="registered by hand", show_default=True, help="Kept with the device.")
@master_option
@output_option
@click.pass_obj
def add(config_path: Path, /, master: Path | None, form: Form, **given: str | int | Path | None) -> None:
    """Register a device with its certificate and key by hand: for laboratories and imports.

    Everywhere else devices enrol over channel 1, and no key is ever in clear outside of the crypto SE.

    Its id is "d:" and the first 8 octets of SHA-256 over its certificate's SubjectPublicKeyInfo, in hex,
    unless --id gives another. A key made here is written in clear to --key-out (64 hexadecimal digits,
    mode 0600, never overwritten): bring it into the crypto SE by a way you trust, then destroy the file.

    \b
    Examples: tsm-gateway device add --certificate se.pem --key-file se.key --kid 0a0b0c0d --first-piv 41
              tsm-gateway device add --certificate se.pem --key-out se.key --msisdn +4915550001122
    """
    settings, at = read_settings(config_path), int(time.time())
    certificate = read_device_certificate(read_certificate_file(path_of(given["certificate"])), at)
    if certificate.test_only and not settings.takes_test_parties:
        raise VirtualPartyRefused
    found = Device(
        device_id=_device_id(given["device_id"]) or certificate.device_id,
        state=DeviceState(given["state"]),
        certificate=certificate.der,
        msisdn=_msisdn(str(given["msisdn"])),
        created_at=at,
        changed_at=at,
        reason=str(given["reason"]),
    )
    made = key_given(given)
    with held_masters(settings, master) as masters:
        stored = wrapped_key(
            masters, made.key, table=DEVICE_KEYS, kid=made.kid, owner=found.device_id, epoch=1, at=at
        )
        with key_out(made, given["key_out"]), open_store(settings) as store:
            store.registry.add_device(found, stored, initial_window(made.next_piv))
    show_record(
        {
            "device": found.device_id,
            "state": found.state.value,
            "kid": made.kid.hex(),
            "first_piv": made.next_piv,
            "key_file": str(given["key_out"]) if made.is_new else None,
        },
        form,
    )


def _device_id(text: str | int | Path | None) -> str:
    if text is None:
        return ""
    if not DEVICE_ID.fullmatch(str(text)):
        raise InputInvalid(what="--id", problem='is not "d:" and 16 lower-case hexadecimal digits')
    return str(text)


def _msisdn(text: str) -> str:
    if text and not INTERNATIONAL.fullmatch(text):
        raise InputInvalid(what="--msisdn", problem='is not "+" and 7 to 15 digits')
    return text
