"""The secrets of a gateway whose phones enrol, and everywhere it can be looked at from outside."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.faults.premises import HOST, PASSWORD
from tsm_gateway.cli import cli
from tsm_gateway.keys.derive import derive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.faults.premises import Phone, Premises
    from tsm_gateway.secret import Secret
    from tsm_gateway.virtual.party_records import HandsetRecord

OURS = ("gateway.toml", "password", "master.key")  # where an operator put secrets on purpose
FOLDERS_OF_OTHERS = ("issuer",)  # the elements' maker
HTTP_S = 5.0
COMMANDS = {  # what an operator may look at
    "audit export": ("audit", "export"),
    "audit list": ("audit", "list"),
    "devices": ("device", "list"),
    "pki": ("pki", "status"),
}


def scalar_of(key: object) -> bytes:
    """What makes a private key private."""
    if isinstance(key, EllipticCurvePrivateKey):
        return key.private_numbers().private_value.to_bytes(32, "big")
    if isinstance(key, RSAPrivateKey):
        prime = key.private_numbers().p
        return prime.to_bytes(prime.bit_length() // 8, "big")
    return bytes(key.private_bytes_raw())  # type: ignore[attr-defined]  # Ed25519, X25519


def secrets_of_device(record: HandsetRecord) -> Iterator[tuple[str, bytes]]:
    """(name, octets) of what a device and the gateway share, and of what the device alone has."""
    element = record.element
    assert element
    held = [(record.kid, record.key)]
    if element.waiting:
        held.append((element.waiting.kid, element.waiting.key))
    for kid, key in held:
        yield f"key {kid.hex()}", key.reveal()
        for label, octets in (("confirm key", 32), ("up key", 32), ("up iv", 12), ("down key", 32)):
            yield f"{label} of {kid.hex()}", derive(key, kid, label, octets).reveal()
    yield "private key", scalar_of(record.private_key)
    if element.exchange is not None:
        yield "private exchange key", scalar_of(element.exchange)
    for template in element.templates:
        yield "template", template.features.reveal()
        yield "template handle", template.handle


def secrets_of(premises: Premises, records: Iterable[HandsetRecord]) -> dict[str, bytes]:
    """What may stand nowhere, by name."""
    provider: Secret = premises.provider.key
    found = {
        "provider key": provider.reveal(),
        "master key": premises.masters.current.key.reveal(),
        "carrier password": PASSWORD.encode(),
    }
    for name in ("key-delivery", "channel-1", "root"):
        path = premises.folder / "pki" / f"{name}.key"
        found[f"{name} key"] = scalar_of(load_pem_private_key(path.read_bytes(), None))
    for record in records:
        found |= {f"{what} of {record.device_id}": octets for what, octets in secrets_of_device(record)}
    return found


def places_of(premises: Premises, phones: Iterable[Phone]) -> dict[str, bytes]:
    """Everywhere two running processes can be looked at, by name."""
    folder = premises.folder
    backup = folder / "backup.db"
    backup.unlink(missing_ok=True)
    said = {"backup": command(premises, "store", "backup", str(backup))}
    said |= {name: command(premises, *words) for name, words in COMMANDS.items()}
    for number, phone in enumerate(phones):
        said[f"device {number}"] = command(premises, "device", "show", phone.record.device_id)
        said[f"answers to {number}"] = b"\n".join(heard.octets for heard in phone.heard)
    for name, port in (("relay", premises.relay_metrics), ("provisioning", premises.metrics)):
        said |= {f"{name} {page}": page_of(port, page) for page in ("metrics", "status", "health")}
    for life in (life for life in premises.lives if not life.gone):
        process = Path("/proc") / str(life.pid)
        said |= {f"{word} {life.pid}": (process / word).read_bytes() for word in ("cmdline", "environ")}
    return said | files_in(folder)


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` but those that hold secrets on purpose: logs, database, mark, and all."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
        and path.name not in OURS
        and path.suffix != ".key"
        and path.relative_to(folder).parts[0] not in FOLDERS_OF_OTHERS
    }


def command(premises: Premises, *words: str) -> bytes:
    """What `tsm-gateway` prints."""
    done = CliRunner().invoke(cli, ["--config", str(premises.config), *words])
    assert done.exit_code in {0, 3}, (words, done.output, done.exception)
    return done.stdout.encode() + done.stderr.encode()


def page_of(port: int, page: str) -> bytes:
    """A status page."""
    with urllib.request.urlopen(f"http://{HOST}:{port}/{page}", timeout=HTTP_S) as answer:
        return bytes(answer.read())
