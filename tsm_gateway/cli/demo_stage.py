"""The demo's stage: a folder of its own with a configuration, keys, certificates, a store and a provider."""

from __future__ import annotations

import secrets
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.cli.virtual_cards import CardMakers
from tsm_gateway.cli.virtual_parties import new_provider, register_provider
from tsm_gateway.daemon.settings import load_settings
from tsm_gateway.keys.master_store import init_master, read_master
from tsm_gateway.provisioning.pki import CHANNELS, Use, host_names
from tsm_gateway.provisioning.pki_store import PkiStore
from tsm_gateway.store.sqlite_store import SqliteStore
from tsm_gateway.virtual.element_record import der_of
from tsm_gateway.virtual.issuer import Issuer
from tsm_gateway.virtual.issuer_files import write_issuer
from tsm_gateway.virtual.personalised import Tsm

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.virtual.party_records import ProviderRecord

ID = "demo"
HOST = "127.0.0.1"
SYSTEM_ID, PASSWORD = "demo", "demo"
GATEWAY_NUMBER = "16500"
ADDRESS, MSISDN = "+4930123456789", "+4930999000"

CONFIG = """\
# Written by `tsm-gateway demo`; everything in this folder is for this one run.
[gateway]
id = "demo"
source_address = "{number}"
[store]
url = "sqlite://{folder}/gateway.db"
min_free_mb = 1
[keys]
master = "file:{folder}/master.key"
[[smpp]]
name = "virtual"
host = "127.0.0.1"
port = {port}
system_id = "{system_id}"
password = "file:{folder}/password"
rebind_min_s = 0.1
[log]
format = "json"
[metrics]
listen = "127.0.0.1:{metrics}"
"""

CHANNEL_1 = """\
[provisioning]
listen = "{host}:{channel_1}"
certificate = "{folder}/pki/channel-1.pem"
key = "file:{folder}/pki/channel-1.key"
key_delivery_certificate = "{folder}/pki/key-delivery.pem"
key_delivery_key = "file:{folder}/pki/key-delivery.key"
metrics = ""
[[provisioning.issuer]]
name = "demo-maker"
anchors = "{folder}/issuer/root.pem"
intermediates = "{folder}/issuer/issuing.pem"
crls = ["{folder}/issuer/issuing.crl", "{folder}/issuer/root.crl"]
"""

CHANNEL_2 = """\
[provisioning.delivery]
listen = "{host}:{channel_2}"
certificate = "{folder}/pki/channel-2.pem"
key = "file:{folder}/pki/channel-2.key"
signing_certificate = "{folder}/pki/application-signing.pem"
[[provisioning.delivery.issuer]]
name = "demo-agents"
anchors = "{folder}/pki/agents.pem"
"""


class Stage(NamedTuple):
    """What stands before anybody enters."""

    config: Path
    settings: Settings
    channel_1: int  # TCP port
    channel_2: int  # TCP port
    tsm: Tsm
    issuer: Issuer
    cards: CardMakers
    provider: ProviderRecord

    @property
    def url(self) -> str:
        """Of channel 1."""
        return f"https://{HOST}:{self.channel_1}"

    @property
    def delivery_url(self) -> str:
        """Of channel 2."""
        return f"https://{HOST}:{self.channel_2}"


def set_up(folder: Path, smsc_port: int) -> Stage:
    """Make everything the two processes need. Raises what store, keys and certificates raise."""
    at, channels = int(time.time()), (free_port(), free_port())
    config = _configure(folder, smsc_port, channels)
    issuer = Issuer.create("demo maker", at)
    write_issuer(folder / "issuer", issuer, at)
    root = _make_certificates(folder / "pki", at)
    init_master(folder / "master.key", secrets.token_bytes(32))
    settings = load_settings(config)
    provider = _register_provider(settings, at)
    cards = CardMakers.of(folder / "pki", ID, folder / "pki" / "application-signing.pem")
    return Stage(config, settings, *channels, Tsm(ID, root), issuer, cards, provider)


def _configure(folder: Path, smsc_port: int, channels: tuple[int, int]) -> Path:
    password, config = folder / "password", folder / "gateway.toml"
    text = (CONFIG + CHANNEL_1 + CHANNEL_2).format(
        folder=folder,
        number=GATEWAY_NUMBER,
        port=smsc_port,
        system_id=SYSTEM_ID,
        metrics=free_port(),
        host=HOST,
        channel_1=channels[0],
        channel_2=channels[1],
    )
    for path, content in ((password, PASSWORD), (config, text)):
        path.touch(mode=0o600)
        path.write_text(content + "\n")
    return config


def _make_certificates(folder: Path, at: int) -> bytes:
    """What `pki init` makes; the root in DER, which elements pin."""
    pki = PkiStore(folder)
    for use in Use:
        pki.make(use, owner=ID, names=host_names([HOST]) if use in CHANNELS else (), at=at)
    return der_of(pki.certificate_path(Use.ROOT).read_text("ascii"))


def _register_provider(settings: Settings, at: int) -> ProviderRecord:
    provider, masters = new_provider(ADDRESS, MSISDN, "coffee-shop"), read_master(settings.keys.master)
    store = SqliteStore.open(settings.store.path, mark=settings.epoch_mark, exclusive=False)
    try:
        register_provider(store.registry, masters, provider, at, receipt=True)
    finally:
        store.close()
    return provider


def free_port() -> int:
    """A TCP port on loopback that nobody used a moment ago."""
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])
