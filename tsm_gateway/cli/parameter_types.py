"""Arguments as they are written: names, versions and ids, checked before anything is opened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from tsm_gateway.cli.device_life import DEVICE_ID
from tsm_gateway.provisioning.agent_trust import ELEMENT_OCTETS
from tsm_gateway.registry.application import Version

if TYPE_CHECKING:
    from click import Context, Parameter

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_NUMBER: Final = r"(0|[1-9][0-9]{0,5})"
_VERSION: Final = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}", re.ASCII)


class NameType(click.ParamType[str]):
    """The name of an application; it begins with a letter, so that no telephone number passes for one."""

    name = "name"

    def convert(self, value: str, param: Parameter | None, ctx: Context | None) -> str:
        """The name itself."""
        if not _NAME.fullmatch(value):
            self.fail("a name is 1 to 32 of a-z, 0-9 and -, and begins with a letter", param, ctx)
        return value


class VersionType(click.ParamType[Version]):
    """A version, as three numbers."""

    name = "version"

    def convert(self, value: str | Version, param: Parameter | None, ctx: Context | None) -> Version:
        """The version as numbers."""
        if isinstance(value, Version):
            return value
        found = _VERSION.fullmatch(value)
        if found is None:
            self.fail("a version is three numbers, such as 1.2.0", param, ctx)
        return Version(*map(int, found.groups()))


class DeviceIdType(click.ParamType[str]):
    """The id of a device."""

    name = "device id"

    def convert(self, value: str, param: Parameter | None, ctx: Context | None) -> str:
        """The id itself."""
        if not DEVICE_ID.fullmatch(value):
            self.fail('a device id is "d:" and 16 lower-case hexadecimal digits', param, ctx)
        return value


class ElementIdType(click.ParamType[bytes]):
    """The id of an app SE."""

    name = "app SE"

    def convert(self, value: str | bytes, param: Parameter | None, ctx: Context | None) -> bytes:
        """Its octets."""
        if isinstance(value, bytes):
            return value
        try:
            octets = bytes.fromhex(value)
        except ValueError:
            octets = b""
        if len(octets) not in ELEMENT_OCTETS:
            self.fail("the id of an app SE is 8 to 32 octets in hexadecimal", param, ctx)
        return octets


class ServiceUrlType(click.ParamType[str]):
    """Where a channel listens; "" stands for the configured one."""

    name = "url"

    def convert(self, value: str, param: Parameter | None, ctx: Context | None) -> str:
        """The URL itself."""
        if value and not _is_service(value):
            self.fail("a channel is given as https://tsm.example:8443, without a path", param, ctx)
        return value


def _is_service(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # a port, or brackets, that are none
        return False
    more = parts.query or parts.fragment or parts.username or parts.password or parts.path not in {"", "/"}
    return parts.scheme == "https" and bool(parts.hostname) and port != 0 and not more


NAME: Final = NameType()
VERSION: Final = VersionType()
DEVICE: Final = DeviceIdType()
ELEMENT: Final = ElementIdType()
SERVICE_URL: Final = ServiceUrlType()
