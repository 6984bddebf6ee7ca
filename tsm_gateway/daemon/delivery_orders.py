"""What a job is about, made ready for one card: its program, with all that the program needs.

| kind | program | from |
|---|---|---|
| renew-keys | our own keys in place of those the card proves | the set that is PENDING, else a fresh one |
| install | load, instantiate, personalise | load file, signature, parameters; other versions go |
| remove | every version of the application goes | package AIDs of all versions that we signed |
| personalise | parameters anew | the version that is on the device |
| inventory | what the card holds | |
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.daemon.load_file_shelf import ApplicationNotSigned
from tsm_gateway.errors import Side, TsmError
from tsm_gateway.provisioning.application_errors import ApplicationError
from tsm_gateway.provisioning.delegation import Delegation
from tsm_gateway.provisioning.install_program import Installation, install
from tsm_gateway.provisioning.inventory_program import take_inventory
from tsm_gateway.provisioning.parameters import Parameters
from tsm_gateway.provisioning.personalise_program import Personalisation, personalise
from tsm_gateway.provisioning.remove_program import Removal, remove
from tsm_gateway.provisioning.renew_keys_program import renew_keys
from tsm_gateway.provisioning.script_program import OpenedCard, Program, Task
from tsm_gateway.provisioning.signing import FileSigner
from tsm_gateway.registry.errors import NotKnown
from tsm_gateway.registry.job import JobKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.x509 import Certificate

    from tsm_gateway.daemon.card_key_shelf import OpenedKeys
    from tsm_gateway.daemon.load_file_shelf import LoadFileShelf
    from tsm_gateway.daemon.provisioning_material import DeliveryMaterial
    from tsm_gateway.daemon.settings_model import GatewaySettings
    from tsm_gateway.registry.application import Application
    from tsm_gateway.registry.card import Card
    from tsm_gateway.registry.job import Job
    from tsm_gateway.store.delivery_store import DeliveryStore
    from tsm_gateway.store.registry_store import RegistryStore

    Making = Callable[[OpenedCard], Program]


class ApplicationGone(TsmError):
    """The job is about an application that the catalogue does not hold, or that takes no parameters."""

    code, side, temporary = "application-gone", Side.OURS, False


class At(NamedTuple):
    """Which card, and what is held for it."""

    card: Card
    keys: OpenedKeys
    material: DeliveryMaterial


class DeliveryOrders:
    """Makes jobs ready."""

    def __init__(
        self, store: DeliveryStore, registry: RegistryStore, shelf: LoadFileShelf, gateway: GatewaySettings
    ) -> None:
        """`registry` knows providers, `gateway` our own number and port."""
        self._store, self._registry, self._shelf, self._gateway = store, registry, shelf, gateway

    def application(self, job: Job) -> Application | None:
        """The version a job is about; None for jobs about the card itself. Raises ApplicationGone."""
        if not job.digest:
            return None
        application = self._store.by_digest(job.digest)
        if application is None:
            raise ApplicationGone
        return application

    def ready(self, job: Job, application: Application | None, at: At) -> Task:
        """The task of a job.

        Raises ApplicationGone, ApplicationNotSigned, ApplicationError; what the store raises.
        """
        return Task(job.job_id, self._program(job, application, at))

    def _program(self, job: Job, application: Application | None, at: At) -> Making:
        if job.kind is JobKind.RENEW_KEYS:
            return renew_keys(at.keys.pending)
        if job.kind is JobKind.INVENTORY:
            return take_inventory
        if application is None:
            raise ApplicationGone
        if job.kind is JobKind.REMOVE:
            return remove(Removal(self._packages(application, at.material), _delegation(at)))
        if job.kind is JobKind.PERSONALISE:
            return self._personalise(application, at)
        return install(self._installation(application, at))

    def _personalise(self, application: Application, at: At) -> Making:
        parameters = self._parameters(application, at.material)
        if parameters is None:
            raise ApplicationGone
        contents = self._shelf.contents(application, _certificates(at.material))
        return personalise(Personalisation(contents.applet_aids[0], parameters))

    def _installation(self, application: Application, at: At) -> Installation:
        load_file = self._shelf.take(application)
        applet_aid = application.applet_aids[0]  # which the load file holds as well
        return Installation(
            load_file,
            self._shelf.signature(load_file, at.card, at.material.signing_certificate),
            applet_aid,
            applet_aid,
            self._parameters(application, at.material),
            tuple(aid for aid in self._others(application, at.material) if aid != application.package_aid),
            _delegation(at),
        )

    def _packages(self, application: Application, material: DeliveryMaterial) -> tuple[bytes, ...]:
        """The package AIDs of every version, this one's first."""
        own = self._shelf.contents(application, _certificates(material)).package_aid
        return tuple(dict.fromkeys((own, *self._others(application, material))))

    def _others(self, application: Application, material: DeliveryMaterial) -> Iterator[bytes]:
        """The package AIDs of the other versions. What we did not sign has no say in what is deleted."""
        for each in self._store.applications():
            if each.name != application.name or each.digest == application.digest:
                continue
            with suppress(ApplicationNotSigned, ApplicationError, NotKnown):
                yield self._shelf.contents(each, _certificates(material)).package_aid

    def _parameters(self, application: Application, material: DeliveryMaterial) -> Parameters | None:
        """None for an application of no single provider, or while the gateway has no number to tell."""
        section = material.section
        number = section.gateway_number or self._gateway.source_address
        entry = self._registry.provider_named(application.provider) if application.provider else None
        if entry is None or not number.removeprefix("+").isdigit():
            return None
        provider = entry.provider
        return Parameters(
            provider.addresses[0],
            number,
            self._gateway.application_port,
            provider.amount_limit,
            section.currency,
        )


def _certificates(material: DeliveryMaterial) -> tuple[Certificate, ...]:
    """Whose signatures vouch for the AIDs of what is on cards."""
    return (material.signing_certificate, *material.earlier_certificates)


def _delegation(at: At) -> Delegation | None:
    if at.material.token_key is None:
        return None
    return Delegation(FileSigner(at.material.token_key), at.keys.receipt_key)
