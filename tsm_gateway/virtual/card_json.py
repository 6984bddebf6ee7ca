"""A virtual card as JSON: the fields of its file. Octets are in hexadecimal, public keys in PEM.

The first field says that it is for tests only: the card's keys stand there in clear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tsm_gateway.secret import Secret
from tsm_gateway.virtual.card_signature import read_verifying_key
from tsm_gateway.virtual.card_state import (
    CardLife,
    CardState,
    Instance,
    KeySet,
    LoadFile,
    Parameters,
    Profile,
)
from tsm_gateway.virtual.errors import PartyFileInvalid
from tsm_gateway.virtual.party_records import TEST_ONLY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.virtual.card_signature import VerifyingKey

_WARNING = "a virtual card with its keys in clear: never in production"
_AES_OCTETS = (16, 24, 32)


def card_as_json(state: CardState) -> dict[str, object]:
    """The fields of a card's file."""
    return {
        TEST_ONLY: _WARNING,
        "profile": _profile_json(state.profile),
        "key_sets": [_keys_json(keys) for keys in state.key_sets],
        "life": state.life.name,
        "issuer": state.issuer.hex(),
        "manager_url": state.manager_url.hex(),
        "load_files": [_load_file_json(file) for file in state.load_files],
        "instances": [_instance_json(each) for each in state.instances],
        "confirmations": state.confirmations,
    }


def card_from_json(fields: object) -> CardState:
    """Read what `card_as_json` wrote. Raises PartyFileInvalid."""
    if not isinstance(fields, dict) or TEST_ONLY not in fields:
        raise PartyFileInvalid(what=f"the field {TEST_ONLY!r} is missing")
    try:
        return _state(fields)
    except KeyError as missing:
        raise PartyFileInvalid(what=f"the field {missing} is missing") from None
    except (ValueError, TypeError, AttributeError):
        raise PartyFileInvalid(what="a field of another type, length or form") from None


def _state(fields: Mapping[str, Any]) -> CardState:
    key_sets = tuple(map(_keys, fields["key_sets"]))
    if not key_sets:
        raise PartyFileInvalid(what="a card without keys")
    return CardState(
        profile=_profile(fields["profile"]),
        key_sets=key_sets,
        life=CardLife[fields["life"]],
        issuer=bytes.fromhex(fields["issuer"]),
        manager_url=bytes.fromhex(fields["manager_url"]),
        load_files=tuple(map(_load_file, fields["load_files"])),
        instances=tuple(map(_instance, fields["instances"])),
        confirmations=int(fields["confirmations"]),
    )


def _profile_json(profile: Profile) -> dict[str, object]:
    return {
        "app_se": profile.app_se.hex(),
        "sd_aid": profile.sd_aid.hex(),
        "diversification": profile.diversification.hex(),
        "i": f"{profile.protocol:02x}",
        "memory": profile.memory,
        "dap_keys": [_pem(key) for key in profile.dap_keys],
        "token_key": _pem(profile.token_key) if profile.token_key else None,
        "receipt_key": profile.receipt_key.reveal().hex() if profile.receipt_key else None,
    }


def _profile(fields: Mapping[str, Any]) -> Profile:
    token_key, receipt_key = fields["token_key"], fields["receipt_key"]
    return Profile(
        app_se=bytes.fromhex(fields["app_se"]),
        sd_aid=bytes.fromhex(fields["sd_aid"]),
        diversification=bytes.fromhex(fields["diversification"]),
        protocol=int(fields["i"], 16),
        memory=int(fields["memory"]),
        dap_keys=tuple(read_verifying_key(pem.encode()) for pem in fields["dap_keys"]),
        token_key=read_verifying_key(token_key.encode()) if token_key else None,
        receipt_key=_aes(receipt_key) if receipt_key else None,
    )


def _keys_json(keys: KeySet) -> dict[str, object]:
    return {
        "kvn": keys.kvn,
        "enc": keys.enc.reveal().hex(),
        "mac": keys.mac.reveal().hex(),
        "dek": keys.dek.reveal().hex(),
        "sequence": keys.sequence,
        "failures": keys.failures,
    }


def _keys(fields: Mapping[str, Any]) -> KeySet:
    enc, mac, dek = (_aes(fields[name]) for name in ("enc", "mac", "dek"))
    return KeySet(int(fields["kvn"]), enc, mac, dek, int(fields["sequence"]), int(fields["failures"]))


def _aes(text: str) -> Secret:
    octets = bytes.fromhex(text)
    if len(octets) not in _AES_OCTETS:
        raise PartyFileInvalid(what="a key of another length")
    return Secret(octets)


def _load_file_json(file: LoadFile) -> dict[str, object]:
    return {
        "aid": file.aid.hex(),
        "version": list(file.version),
        "modules": [aid.hex() for aid in file.modules],
        "sha256": file.digest.hex(),
        "size": file.size,
        "security_domain": file.security_domain.hex(),
    }


def _load_file(fields: Mapping[str, Any]) -> LoadFile:
    major, minor = fields["version"]
    return LoadFile(
        aid=bytes.fromhex(fields["aid"]),
        version=(int(major), int(minor)),
        modules=tuple(map(bytes.fromhex, fields["modules"])),
        digest=bytes.fromhex(fields["sha256"]),
        size=int(fields["size"]),
        security_domain=bytes.fromhex(fields["security_domain"]),
    )


def _instance_json(instance: Instance) -> dict[str, object]:
    return {
        "aid": instance.aid.hex(),
        "load_file": instance.load_file.hex(),
        "module": instance.module.hex(),
        "privileges": instance.privileges.hex(),
        "install_data": instance.install_data.hex(),
        "life": instance.life,
        "locked": instance.locked,
        "parameters": parameters_as_json(instance.parameters) if instance.parameters else None,
    }


def parameters_as_json(parameters: Parameters) -> dict[str, object]:
    """What the payment application was personalised with."""
    return {
        "provider_address": parameters.provider_address,
        "gateway_number": parameters.gateway_number,
        "port": parameters.port,
        "amount_limit": parameters.amount_limit,
        "currency": parameters.currency,
    }


def _instance(fields: Mapping[str, Any]) -> Instance:
    parameters = fields["parameters"]
    return Instance(
        aid=bytes.fromhex(fields["aid"]),
        load_file=bytes.fromhex(fields["load_file"]),
        module=bytes.fromhex(fields["module"]),
        privileges=bytes.fromhex(fields["privileges"]),
        install_data=bytes.fromhex(fields["install_data"]),
        life=int(fields["life"]),
        locked=bool(fields["locked"]),
        parameters=Parameters(**parameters) if parameters is not None else None,
    )


def _pem(key: VerifyingKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
