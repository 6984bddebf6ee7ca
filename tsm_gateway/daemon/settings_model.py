"""The configuration file as frozen types; `config/gateway.toml` shows every key with unit and default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from tsm_gateway.daemon.settings_fields import (
    AbsolutePath,
    Count,
    Listener,
    LogFormat,
    LogLevel,
    Name,
    Port,
    Seconds,
    SecretReference,
    Section,
    SourceAddress,
    StoreUrl,
    as_tuple,
    is_loopback,
    split_host,
)
from tsm_gateway.daemon.settings_provisioning import ProvisioningSettings  # noqa: TC001 - pydantic reads it
from tsm_gateway.daemon.settings_smpp import SmppSettings


class GatewaySettings(Section):
    """`[gateway]`: who this gateway is."""

    id: Name  # the TSM's id in key packages; never changed once devices have keys
    application_port: Port = 16_500  # destination port of payments
    source_address: SourceAddress = ""  # sender of packets to providers; "" = the message centre's default
    test_parties: bool | None = None  # see `Settings.takes_test_parties`


class StoreSettings(Section):
    """`[store]`: the database and the mark that guards it against rollback."""

    url: StoreUrl
    epoch_mark: AbsolutePath | None = None  # None = beside the master key's file
    keep_done_days: Annotated[int, Field(ge=1, le=3650)] = 30
    min_free_mb: Annotated[int, Field(ge=0, le=10_000_000)] = 512  # MiB; below it payments are put off

    @property
    def path(self) -> Path:
        """The database file: everything behind "sqlite://"."""
        return Path("/" + self.url.removeprefix("sqlite://").lstrip("/"))


class KeysSettings(Section):
    """`[keys]`: where the master key lies."""

    master: SecretReference


class RelaySettings(Section):
    """`[relay]`: bounds and retries. Times are seconds."""

    join_wait_s: Seconds = 259_200.0  # 72 h for the missing parts of a message
    parts_per_sender: Annotated[int, Field(ge=2, le=100_000)] = 64
    parts_in_all: Annotated[int, Field(ge=2, le=10_000_000)] = 20_000
    max_counter_jump: Annotated[int, Field(ge=64, le=2**40)] = 1_048_576  # PIVs ahead of the highest
    clock_skew_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 300.0
    attempts: Annotated[int, Field(ge=1, le=1000)] = 24  # hand-overs tried before a message is failed
    retry_first_s: Seconds = 30.0
    retry_cap_s: Seconds = 3600.0
    batch: Annotated[int, Field(ge=1, le=100_000)] = 1000  # short messages decided and committed at once
    intake_limit: Count = 10_000  # unanswered short messages at which links stop reading
    lane_limit: Count = 1000  # messages of one provider under way at a time
    verify_threads: Annotated[int, Field(ge=0, le=64)] = 2  # for signatures; 0 = in the event loop


class LogSettings(Section):
    """`[log]`: one line per event, on standard output."""

    format: LogFormat = "auto"  # text on a terminal, JSON elsewhere
    level: LogLevel = "info"
    number_key: SecretReference | None = None  # hashes telephone numbers; None = a new one per start


class MetricsSettings(Section):
    """`[metrics]`: the HTTP listener for metrics, health and status."""

    listen: Listener = "127.0.0.1:9464"  # "" = none
    allow_remote: bool = False  # an address other than loopback

    @property
    def address(self) -> tuple[str, int] | None:
        """(host, port) to listen on, None when switched off."""
        return split_host(self.listen) if self.listen else None


Links = Annotated[tuple[SmppSettings, ...], BeforeValidator(as_tuple)]


class Settings(Section):
    """A whole configuration file."""

    gateway: GatewaySettings
    store: StoreSettings
    keys: KeysSettings
    smpp: Links = ()
    relay: RelaySettings = RelaySettings()
    provisioning: ProvisioningSettings | None = None  # None = this gateway enrols no device itself
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()

    @property
    def takes_test_parties(self) -> bool:
        """Whether virtual handsets and providers, whose keys lie in clear in files, may be registered.

        What the file says; if it says nothing, only where no bind leaves this machine.
        """
        if self.gateway.test_parties is not None:
            return self.gateway.test_parties
        return all(is_loopback(host) for link in self.smpp for host, _ in link.hosts)

    @property
    def epoch_mark(self) -> Path:
        """The file of the epoch mark; `load_settings` made sure that there is one."""
        if self.store.epoch_mark is not None:
            return self.store.epoch_mark
        return Path(self.keys.master.removeprefix("file:") + ".epoch")
