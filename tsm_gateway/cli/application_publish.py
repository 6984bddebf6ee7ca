"""`tsm-gateway application publish`: read a CAP file, sign what will be sent, keep it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from tsm_gateway.cli.application_key import KEY_HELP, signing_with
from tsm_gateway.cli.application_words import NO_PARAMETERS, UPGRADE, number_told, when_devices_get_it
from tsm_gateway.cli.audited import audited
from tsm_gateway.cli.context import open_store, read_settings
from tsm_gateway.cli.errors import InputInvalid
from tsm_gateway.cli.output import output_option, show_record
from tsm_gateway.cli.parameter_types import NAME, VERSION
from tsm_gateway.provisioning.application_errors import LoadFileTooLarge
from tsm_gateway.provisioning.cap_archive import LARGEST_FILE
from tsm_gateway.provisioning.cap_file import read_cap
from tsm_gateway.provisioning.load_file import AID_OCTETS, DapBlock, LoadFile, LoadPlan
from tsm_gateway.provisioning.scp03_session import SecurityLevel, max_data
from tsm_gateway.provisioning.signing import is_signed
from tsm_gateway.registry.application import Application, ApplicationState
from tsm_gateway.registry.errors import AlreadyKnown, MoveNotAllowed, NotKnown
from tsm_gateway.registry.provider import ProviderState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.cli.application_key import Signing
    from tsm_gateway.cli.output import Form
    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.provisioning.cap_file import CapFile
    from tsm_gateway.registry.application import ApplicationSignature, Version
    from tsm_gateway.store.sqlite_store import SqliteStore

FILE = click.Path(dir_okay=False, path_type=Path)
LONGEST_AID: Final = bytes(AID_OCTETS[-1])  # the security domain's is not known yet
NOT_S16: Final = "cards that speak SCP03 with 16-octet MACs (i = 61, 71) cannot take it: it is too large"
SAME: Final = "nothing to do: this very version is published already, from this very load file"
LOWER: Final = "{} is published already: devices get the higher version, unless a rule names this one"


class LoadFileKnown(AlreadyKnown):
    """This load file is published already, as another version or for another provider, or is not in use."""

    def __str__(self) -> str:
        """Which version holds it, and the way out."""
        facts = self.facts
        return (
            f"This load file is published already, as {facts['name']} {facts['version']} ({facts['state']}, "
            f"provider {facts['provider']}). Another version is another CAP file; the same one is signed "
            f"anew by `application sign {facts['name']} --version {facts['version']} --cap FILE`. "
            f"[{self.code}]"
        )


class Publication(NamedTuple):
    """What is to be published."""

    name: str
    version: Version
    provider: str  # "" = of no single provider
    cap: CapFile


class Published(NamedTuple):
    """What was."""

    application: Application
    signature: ApplicationSignature
    blocks: int  # LOAD commands it takes
    fits_s16: bool  # whether cards with 16-octet MACs can take it


def read_cap_file(path: Path, *, include_descriptor: bool = True) -> CapFile:
    """A CAP file. Raises InputInvalid, CapMalformed."""
    try:
        with path.open("rb") as file:
            octets = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputInvalid(what=str(path), problem=f"cannot be read: {error.strerror}") from None
    return read_cap(octets, include_descriptor=include_descriptor)


def publish_application(store: SqliteStore, wanted: Publication, signing: Signing, *, at: int) -> Published:
    """Sign a version and keep it, staged; `store.flush` makes it durable.

    Raises NotKnown or MoveNotAllowed for its provider; AlreadyKnown for the version, the load file, or an AID
    that an application of another name has; LoadFileTooLarge, ApplicationNotAuthentic.
    """
    cap = wanted.cap
    _check_load_file(store, cap.digest)
    _check_provider(store, wanted.provider)
    _check_aids(store.delivery.applications(), wanted)
    load_file = LoadFile(cap.load_file, cap.package_aid)
    signature = signing.over(load_file, at)
    blocks = _blocks(load_file, signature, s16=False)
    application = Application(
        name=wanted.name,
        version=wanted.version,
        digest=cap.digest,
        provider=wanted.provider,
        package_aid=cap.package_aid,
        package_version=cap.package_version,
        applet_aids=cap.applet_aids,
        java_card=cap.java_card,
        size=load_file.size,
        state=ApplicationState.PUBLISHED,
        published_at=at,
    )
    store.delivery.publish(application, cap.load_file, signature, at=at)
    return Published(application, signature, blocks, _fits_s16(load_file, signature))


def published_before(store: SqliteStore, wanted: Publication, signing: Signing) -> Published | None:
    """The very same publication, in use and signed by the present key; None when there is none such."""
    found = store.delivery.by_digest(wanted.cap.digest)
    if found is None or found.state is not ApplicationState.PUBLISHED:
        return None
    stored = store.delivery.signatures(found.digest)
    same = (found.name, found.version, found.provider) == (wanted.name, wanted.version, wanted.provider)
    if not same or not is_signed(signing.key, found.digest, stored):
        return None
    signature = next(each for each in stored if each.key_id == signing.signer.key_id)
    load_file = LoadFile(wanted.cap.load_file, found.package_aid)
    blocks = _blocks(load_file, signature, s16=False)
    return Published(found, signature, blocks, _fits_s16(load_file, signature))


def _check_load_file(store: SqliteStore, digest: bytes) -> None:
    """Raises LoadFileKnown, which names the version that holds it."""
    found = store.delivery.by_digest(digest)
    if found is not None:
        raise LoadFileKnown(
            name=found.name,
            version=str(found.version),
            state=found.state.value,
            provider=found.provider or "none",
        )


def _check_provider(store: SqliteStore, name: str) -> None:
    if not name:
        return
    found = next((each for each in store.registry.providers() if each.name == name), None)
    if found is None:
        raise NotKnown(what="provider", name=name)
    if found.state is ProviderState.RETIRED:
        raise MoveNotAllowed(name=name, move="publish", state=found.state.value)


def _check_aids(applications: Sequence[Application], wanted: Publication) -> None:
    """Two applications with one AID would take each other's place on a card."""
    own = {wanted.cap.package_aid, *wanted.cap.applet_aids}
    for other in applications:
        for aid in sorted(own & {other.package_aid, *other.applet_aids}):
            if other.name != wanted.name:
                raise AlreadyKnown(what="AID", aid=aid.hex().upper(), name=other.name)


def _blocks(load_file: LoadFile, signature: ApplicationSignature, *, s16: bool) -> int:
    """LOAD commands at most. Raises LoadFileTooLarge."""
    dap = DapBlock(LONGEST_AID, signature.signature)
    return LoadPlan(load_file, (dap,), max_data(SecurityLevel.L33, s16=s16)).count


def _fits_s16(load_file: LoadFile, signature: ApplicationSignature) -> bool:
    try:
        _blocks(load_file, signature, s16=True)
    except LoadFileTooLarge:
        return False
    return True


@click.command()
@click.argument("cap", metavar="FILE.cap", type=FILE)
@click.option("--name", type=NAME, required=True, help="1 to 32 of a-z, 0-9 and -.")
@click.option("--version", type=VERSION, required=True, help="Three numbers: 1.2.0.")
@click.option("--provider", default="", help="Whose application it is; its address becomes a parameter.")
@click.option("--key", help=KEY_HELP)
@click.option("--without-descriptor", is_flag=True, help="Leave out the Descriptor: some cards refuse it.")
@output_option
@click.pass_obj
def publish(  # noqa: PLR0913 - click's values, one per option
    config_path: Path,
    /,
    cap: Path,
    name: str,
    version: Version,
    *,
    provider: str,
    key: str | None,
    without_descriptor: bool,
    form: Form,
) -> None:
    """Check a CAP file, sign its load file, and keep both as a version of an application.

    Signed is the SHA-256 of exactly the octets that cards will be sent. The daemon has no such key: it sends
    what was signed here, and nothing else. Whether a device gets it, rules say: `application assign`.
    The very same version from the very same file again is nothing to do.

    \b
    Example: tsm-gateway application publish pay.cap --name pay --version 1.0.0 --provider coffee-shop
    """
    settings, at = read_settings(config_path), int(time.time())
    signing = signing_with(config_path, key)
    found = read_cap_file(cap, include_descriptor=not without_descriptor)
    wanted = Publication(name, version, provider, found)
    with open_store(settings) as store:
        before = published_before(store, wanted, signing)
        published = before or audited(
            store,
            "application.publish",
            name,
            lambda: publish_application(store, wanted, signing, at=at),
        )
        notes = [SAME] if before else list(_notes(store, settings, published))
    show_record(_row(published, found), form)
    for each in notes:
        click.echo(each, err=True)


def _row(published: Published, cap: CapFile) -> dict[str, object]:
    application, signature = published.application, published.signature
    return {
        "application": application.name,
        "version": str(application.version),
        "provider": application.provider or None,
        "package_aid": application.package_aid.hex().upper(),
        "package_version": ".".join(map(str, application.package_version)),
        "package_name": cap.package_name or None,
        "applet_aids": [aid.hex().upper() for aid in application.applet_aids],
        "java_card": application.java_card,
        "cap_format": cap.cap_format,
        "components": [f"{part}:{octets}" for part, octets in cap.components],
        "left_out": list(cap.left_out),
        "size": application.size,
        "blocks": published.blocks,
        "digest": application.digest.hex(),
        "key_id": signature.key_id.hex(),
        "scheme": signature.scheme,
    }


def _notes(store: SqliteStore, settings: Settings, published: Published) -> list[str]:
    """What to know about it, and what happens next."""
    application = published.application
    others = [
        each.version
        for each in store.delivery.applications()
        if each.name == application.name and each.version != application.version
    ]
    notes = [] if published.fits_s16 else [NOT_S16]
    if others:
        notes.append(UPGRADE)
    if any(version > application.version for version in others):
        notes.append(LOWER.format(max(others)))
    if not application.provider or not number_told(settings):
        notes.append(NO_PARAMETERS)
    rules = [each for each in store.delivery.rules() if each.application == application.name and each.wanted]
    if any(rule.version in {None, application.version} for rule in rules):
        notes.append(f"next: rules name it already; {when_devices_get_it(settings)}")
    else:
        notes.append(f"next: say who is to have it: `application assign {application.name} --all`")
    return notes
