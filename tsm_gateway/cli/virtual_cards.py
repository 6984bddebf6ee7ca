"""App elements of virtual handsets: a card the gateway knows, and an agent it certified.

What three parties do for a real handset is done here at once: the card's issuer makes it and hands its line
of the manifest over, the gateway's operator imports that line and signs the request of the handset's agent.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from tsm_gateway.errors import Side, TsmError
from tsm_gateway.keys.wrap import NONCE_OCTETS, card_place, wrap
from tsm_gateway.provisioning.card_key_octets import join_keys
from tsm_gateway.provisioning.card_keys import KeySet
from tsm_gateway.provisioning.pki_store import PkiStore
from tsm_gateway.provisioning.signing import application_key, key_id_of
from tsm_gateway.registry.card import Card, CardKeySet, CardKeyState
from tsm_gateway.virtual.agent_credentials import AgentCredentials
from tsm_gateway.virtual.card_new import new_card
from tsm_gateway.virtual.card_signature import read_verifying_key

if TYPE_CHECKING:
    from pathlib import Path

    from tsm_gateway.keys.wrap import MasterKeys
    from tsm_gateway.store.delivery_store import DeliveryStore
    from tsm_gateway.virtual.card_signature import VerifyingKey
    from tsm_gateway.virtual.card_state import CardState
    from tsm_gateway.virtual.party_records import HandsetRecord

ISSUER: Final = "virtual"
REASON: Final = "the card of a virtual handset, for tests only"


class VirtualCardForeign(TsmError):
    """The store knows a card of this id that is not the one in the handset's file."""

    code, side = "virtual-card-foreign", Side.OURS


class CardMakers(NamedTuple):
    """Who makes app elements, whose applications they take, and who certifies their agents."""

    pki: PkiStore  # holds the agents' authority
    owner: str  # [gateway] id
    verifies_with: VerifyingKey  # load files are signed by its private half

    @classmethod
    def of(cls, folder: Path, owner: str, signing_certificate: Path) -> CardMakers:
        """From the folder of `pki init`. Raises PartyFileInvalid, OSError."""
        return cls(PkiStore(folder), owner, read_verifying_key(signing_certificate.read_bytes()))


def card_of(record: HandsetRecord, makers: CardMakers) -> CardState:
    """A card for the app element that `record` names. Raises VirtualCardForeign when it names none."""
    if record.element is None:
        raise VirtualCardForeign(device_id=record.device_id)
    return new_card(app_se=record.element.app_se, dap_keys=[makers.verifies_with])


def with_agent(record: HandsetRecord, state: CardState, makers: CardMakers) -> HandsetRecord:
    """The handset with an agent that may speak for its card. Raises what `PkiStore.sign_agent` raises."""
    credentials, app_se = AgentCredentials.new(), state.profile.app_se
    request = credentials.request(f"agent of {record.device_id}", app_se)
    signed = makers.pki.sign_agent(request, owner=makers.owner, at=int(time.time()), app_se=app_se)
    return replace(record, app_agent=credentials.certified(signed))


def import_card(store: DeliveryStore, masters: MasterKeys, state: CardState, at: int) -> None:
    """Make the card known, with its factory key set, unless it is; durable after the store's flush.

    Raises VirtualCardForeign, AlreadyKnown and what the store raises.
    """
    made = _card(state, at)
    known = store.card(made.app_se)
    if known is None:
        store.import_cards([(made, _factory_keys(masters, state, at))], reason=REASON, at=at)
    elif known._replace(imported_at=at) != made:
        raise VirtualCardForeign(app_se=made.app_se.hex())


def _card(state: CardState, at: int) -> Card:
    profile = state.profile
    keys = [key_id_of(application_key(key)) for key in profile.dap_keys]
    return Card(profile.app_se, profile.sd_aid, profile.protocol, ISSUER, b"".join(keys[:1]), at)


def _factory_keys(masters: MasterKeys, state: CardState, at: int) -> CardKeySet:
    made, profile = state.key_sets[0], state.profile
    joined = join_keys(KeySet(made.kvn, made.enc, made.mac, made.dek), profile.receipt_key)
    place, nonce = card_place(profile.app_se, made.kvn), secrets.token_bytes(NONCE_OCTETS)
    wrapped, version = wrap(masters, joined, place, nonce=nonce)
    return CardKeySet(profile.app_se, made.kvn, CardKeyState.TRANSPORT, wrapped, version, at)
