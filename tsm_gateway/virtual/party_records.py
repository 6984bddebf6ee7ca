"""The virtual parties as JSON: the fields of `handset.json` and `provider.json` (design §5.7).

Octets are in hexadecimal, X.509 keys and certificates in PEM. The first field says that it is for tests only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tsm_gateway.secret import Secret
from tsm_gateway.virtual.agent_credentials import AgentCredentials, credentials_from_json
from tsm_gateway.virtual.element_record import KEY_OCTETS, ElementRecord, der_of, element_from_json, pem_of
from tsm_gateway.virtual.errors import PartyFileInvalid
from tsm_gateway.virtual.signature_literal import SigningKey, header_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TEST_ONLY = "test_only"  # the first field of either file
_WARNING = "a virtual party with its keys in clear: never in production"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HandsetRecord:
    """A handset as it stands in its file."""

    device_id: str
    kid: bytes  # 4 octets; none before the element is given a key
    key: Secret  # 32 octets; none before
    next_piv: int
    port: int
    msisdn: str
    certificate: bytes  # X.509 DER
    private_key: SigningKey
    provider_addresses: tuple[str, ...]
    element: ElementRecord | None = None  # how it is enrolled; None: the key was put there by hand
    app_agent: AgentCredentials | None = None  # of a handset whose app element is a card (`card_path`)

    @property
    def is_keyed(self) -> bool:
        """Whether there is a key to pay with."""
        return bool(self.kid)

    def as_json(self) -> dict[str, object]:
        """The fields of `handset.json`."""
        pem = self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        more = {name: each.as_json() for name, each in self._parts() if each is not None}
        return {
            TEST_ONLY: _WARNING,
            "device_id": self.device_id,
            "kid": self.kid.hex(),
            "key": self.key.reveal().hex(),
            "next_piv": self.next_piv,
            "port": self.port,
            "msisdn": self.msisdn,
            "certificate": pem_of(self.certificate),
            "private_key": pem.decode(),
            "provider_addresses": list(self.provider_addresses),
        } | more

    def _parts(self) -> tuple[tuple[str, ElementRecord | AgentCredentials | None], ...]:
        """What not every handset has."""
        return ("element", self.element), ("app_agent", self.app_agent)


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """A service provider as it stands in its file."""

    name: str
    address: str
    kid: bytes  # 4 octets
    key: Secret  # 32 octets
    msisdn: str
    devices: dict[str, bytes]  # device id -> X.509 DER

    def as_json(self) -> dict[str, object]:
        """The fields of `provider.json`."""
        return {
            TEST_ONLY: _WARNING,
            "name": self.name,
            "address": self.address,
            "kid": self.kid.hex(),
            "key": self.key.reveal().hex(),
            "msisdn": self.msisdn,
            "devices": {device: pem_of(der) for device, der in self.devices.items()},
        }


def _private_key(pem: str) -> SigningKey:
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, SigningKey):
        raise PartyFileInvalid(what="a private key that signs nothing here")
    header_of(key)  # ValueError for another curve
    return key


def _handset(fields: Mapping[str, Any]) -> HandsetRecord:
    element = element_from_json(fields["element"]) if "element" in fields else None
    kid = bytes.fromhex(fields["kid"])
    length = 0 if element and not kid else KEY_OCTETS
    return HandsetRecord(
        device_id=str(fields["device_id"]),
        kid=kid,
        key=Secret(bytes.fromhex(fields["key"]), length=length),
        next_piv=int(fields["next_piv"]),
        port=int(fields["port"]),
        msisdn=str(fields["msisdn"]),
        certificate=der_of(fields["certificate"]),
        private_key=_private_key(fields["private_key"]),
        provider_addresses=tuple(map(str, fields["provider_addresses"])),
        element=element,
        app_agent=credentials_from_json(fields["app_agent"]) if "app_agent" in fields else None,
    )


def _provider(fields: Mapping[str, Any]) -> ProviderRecord:
    return ProviderRecord(
        name=str(fields["name"]),
        address=str(fields["address"]),
        kid=bytes.fromhex(fields["kid"]),
        key=Secret(bytes.fromhex(fields["key"]), length=KEY_OCTETS),
        msisdn=str(fields["msisdn"]),
        devices={str(device): der_of(pem) for device, pem in fields["devices"].items()},
    )


def handset_from_json(fields: object) -> HandsetRecord:
    """Read what `HandsetRecord.as_json` wrote. Raises PartyFileInvalid."""
    return _read(_handset, fields)


def provider_from_json(fields: object) -> ProviderRecord:
    """Read what `ProviderRecord.as_json` wrote. Raises PartyFileInvalid."""
    return _read(_provider, fields)


def _read(read: Callable[[Mapping[str, Any]], T], fields: object) -> T:
    """Call `read`, and say only which field is wrong, never what stands in it."""
    if not isinstance(fields, dict) or TEST_ONLY not in fields:
        raise PartyFileInvalid(what=f"the field {TEST_ONLY!r} is missing")
    try:
        return read(fields)
    except KeyError as missing:
        raise PartyFileInvalid(what=f"the field {missing} is missing") from None
    except (ValueError, TypeError, AttributeError):
        raise PartyFileInvalid(what="a field of another type, length or form") from None
