"""The guard before the app SE: no secret gets out, by no field, in no spelling, across no cut."""

from __future__ import annotations

import base64
import copy
import dataclasses
import pickle
import time
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.provisioning.talk import PARAMETERS, key_set, load_file
from tsm_gateway.keys.derive import KEY_OCTETS, LABELS, derive
from tsm_gateway.provisioning import app_command as say
from tsm_gateway.provisioning import exclusion, readings
from tsm_gateway.provisioning.allowed_types import AllowedTypes
from tsm_gateway.provisioning.apdu import Command
from tsm_gateway.provisioning.card_keys import KeySet, put_key
from tsm_gateway.provisioning.delivery_errors import ExclusionRefused, SecretBound
from tsm_gateway.provisioning.exclusion import ALLOWED, Guard, release
from tsm_gateway.provisioning.live_secrets import NO_SECRETS, LiveSecrets
from tsm_gateway.provisioning.load_file import DapBlock, LoadFile, LoadPlan
from tsm_gateway.provisioning.parameters import Parameters
from tsm_gateway.registry.card import CardKeySet
from tsm_gateway.registry.device import DeviceEntry, WrappedKey
from tsm_gateway.registry.enrolment import Enrolment
from tsm_gateway.registry.key_package import StoredPackage
from tsm_gateway.registry.registration import AuthMethod, Registration
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tsm_gateway.provisioning.app_command import AppSeCommand

AID = b"\xa0\x00\x00\x09\x51\x01"
BLOCK = 239
SECRETS = st.binary(min_size=16, max_size=64).filter(lambda octets: len(set(octets)) > 12)


def live(octets: bytes, label: str = "device key, epoch 7") -> LiveSecrets:
    return LiveSecrets.of([(label, Secret(octets))])


def loading(octets: bytes, block: int = BLOCK, dap: bytes = b"\x33" * 64) -> list[AppSeCommand]:
    plan = LoadPlan(LoadFile(octets, AID), (DapBlock(AID, dap),), block)
    return [say.LoadBlock(plan, index) for index in range(plan.count)]


SAMPLES: list[AppSeCommand] = [
    say.SelectDomain(AID),
    say.BeginSession(0x30, b"\x01" * 8),
    say.InstallForLoad(load_file(), AID),
    *loading(load_file().octets),
    say.InstallForInstall(AID, AID, AID),
    say.Delete(AID, related=True),
    say.GetStatus(say.StatusKind.APPLICATIONS),
    say.GetFreeMemory(),
    say.PersonaliseApplication(AID),
    say.StoreParameters(PARAMETERS),
]


# --- the first lock: types


def reached(kind: object, seen: set[object]) -> set[object]:
    """Everything that the hints of a type lead to, by a walk of the test's own."""
    if kind in seen:
        return seen
    seen.add(kind)
    for each in get_args(kind):
        reached(each, seen)
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        for hint in get_type_hints(kind).values():
            reached(hint, seen)
    return seen


def test_the_closed_set_cannot_express_a_secret_or_a_record_with_a_key() -> None:
    types: set[object] = set()
    for command in say.APP_SE_COMMANDS:
        reached(command, types)
    records = {each for each in types if isinstance(each, type) and each.__module__.startswith("tsm_gateway")}
    assert records == set(ALLOWED.records)
    assert records - set(say.APP_SE_COMMANDS) == {LoadFile, LoadPlan, DapBlock, Parameters, say.StatusKind}
    forbidden = {
        Secret,
        WrappedKey,
        KeySet,
        CardKeySet,
        Registration,
        AuthMethod,
        Enrolment,
        StoredPackage,
        DeviceEntry,
    }
    assert not forbidden & types
    assert not {object, Any, bytearray, memoryview, dict, list} & types


@pytest.mark.parametrize(
    "hint",
    ["AuthMethod", "Secret", "Any", "object", "dict[str, bytes]", "WrappedKey", "list[bytes]", "bytearray"],
)
def test_a_command_that_could_hold_more_stops_the_program_when_it_is_loaded(hint: str) -> None:
    names = {"Secret": Secret, "Any": Any, "WrappedKey": WrappedKey, "AuthMethod": AuthMethod}
    kind = dataclasses.make_dataclass("Wider", [("field", eval(hint, names))], frozen=True)  # noqa: S307
    kind.__module__ = "tsm_gateway.provisioning.app_command"
    with pytest.raises(TypeError):
        AllowedTypes([kind])


@pytest.mark.parametrize("command", SAMPLES, ids=lambda each: type(each).__name__)
def test_what_is_allowed_passes_as_it_is(command: AppSeCommand) -> None:
    assert release([command], live(bytes(range(32)))) == [command.command()]


class Disguised(say.Delete):
    """A kin of an allowed command."""

    def command(self) -> Command:
        return Command(0x80, 0xE2, 0x80, 0, b"anything")


class Alike:
    """It looks like an allowed command."""

    aid, related, token, p2 = AID, True, b"", 0x80

    def __repr__(self) -> str:
        return "Alike()"  # without its place in memory: the names of the tests are the same in every process

    def command(self) -> Command:
        return Command(0x80, 0xE2, 0x80, 0, b"anything")


@pytest.mark.parametrize(
    "sent",
    [
        Disguised(AID, related=True),
        Alike(),
        Command(0x80, 0xE2, 0x80, 0, b"anything"),
        b"\x80\xe2\x80\x00\x01\x00",
        Secret(bytes(32)),
        WrappedKey(b"kid1", "d:1", 1, None, b"w", 1, 0),  # type: ignore[arg-type]
        Registration("d:1", b"kid1", b"c", b"a", (), b"proof", 0),
        key_set(0x30),
        PARAMETERS,
        None,
    ],
    ids=lambda each: type(each).__name__,
)
def test_nothing_else_passes_whatever_it_can_do(sent: object) -> None:
    with pytest.raises(ExclusionRefused) as refused:
        release([say.GetFreeMemory(), sent], NO_SECRETS)  # type: ignore[list-item]
    assert refused.value.facts == {"what": type(sent).__qualname__}


class Text(str):
    """Text that encodes itself in its own way."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return b"\x00" * 16


class Octets(bytes):
    """Octets that are a kin of octets."""

    __slots__ = ()


def forged(command: AppSeCommand, **fields: object) -> AppSeCommand:
    """A command whose own checks were passed by."""
    other = copy.copy(command)
    for name, value in fields.items():
        object.__setattr__(other, name, value)
    return other


@pytest.mark.parametrize(
    "sent",
    [
        forged(say.Delete(AID, related=True), aid=Octets(AID)),
        forged(say.Delete(AID, related=True), aid=Secret(AID)),
        forged(say.Delete(AID, related=True), token=bytearray(64)),
        forged(say.StoreParameters(PARAMETERS), parameters=forged(PARAMETERS, provider_address=Text("sp:a"))),  # type: ignore[arg-type]
        forged(say.StoreParameters(PARAMETERS), parameters=Alike()),
        forged(SAMPLES[3], plan=forged(SAMPLES[3].plan, daps=(Secret(AID),))),  # type: ignore[union-attr,arg-type]
        forged(SAMPLES[3], plan=forged(SAMPLES[3].plan, load_file=forged(load_file(), octets=Octets(b"x")))),  # type: ignore[union-attr,arg-type]
    ],
    ids=str,
)
def test_a_field_of_another_type_is_refused(sent: AppSeCommand) -> None:
    with pytest.raises(ExclusionRefused):
        release([sent], NO_SECRETS)


class TwoFaced(list[Any]):
    """Whoever looks for the third time and later sees something else."""

    looks = 0

    def __iter__(self) -> Iterator[Any]:
        self.looks += 1
        return iter([say.GetFreeMemory()] if self.looks <= 1 else [Alike()])

    def __getitem__(self, _: Any) -> Any:
        return say.GetFreeMemory()


def test_commands_are_looked_at_once() -> None:
    assert release(TwoFaced([Alike()]), NO_SECRETS) == [say.GetFreeMemory().command()]


def changed(record: Any, **to: object) -> Any:
    for name, value in to.items():
        object.__setattr__(record, name, value)
    return record


@pytest.mark.parametrize(
    "sent",
    [
        changed(say.SelectDomain(AID), aid=bytes(224)),
        changed(say.Delete(AID, related=True), token=bytes(99)),
        changed(say.InstallForInstall(AID, AID, AID), privileges=bytes(77)),
        changed(say.GetStatus(say.StatusKind.DOMAIN), kind=0x5A),
        changed(say.LoadBlock(LoadPlan(load_file(), (), BLOCK), 0), index=200),
        say.StoreParameters(changed(Parameters("sp:shop", "+493012", 16500, 0, 978), amount_limit=-1)),
        say.StoreParameters(
            changed(Parameters("sp:shop", "+493012", 16500, 0, 978), gateway_number="\udc80")
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_record_that_was_changed_beyond_its_bounds_is_refused(sent: AppSeCommand) -> None:
    with pytest.raises(ExclusionRefused):
        release([sent], NO_SECRETS)


def test_what_a_record_works_out_for_itself_is_worked_out_again() -> None:
    plan = LoadPlan(load_file(), (DapBlock(AID, b"\x33" * 64),), BLOCK)
    announced = say.InstallForLoad(load_file(), AID)
    sound = [announced.command(), say.LoadBlock(plan, 0).command()]
    changed(plan, head=b"anything" * 9)
    changed(announced.load_file, digest=b"anything" * 4)
    assert release([announced, say.LoadBlock(plan, 0)], NO_SECRETS) == sound


def test_what_is_sent_is_what_was_searched() -> None:
    """An allowed record that is changed while the guard looks: whatever it read is what it searched."""
    secret = bytes(range(200, 216))
    command = say.SelectDomain(AID)
    taken = ALLOWED.take((command,))
    changed(command, aid=secret)
    assert taken[0].command.command().data == AID == taken[0].octets
    assert command is not taken[0].command


# --- the second lock: contents. Every field that takes octets or text of some freedom, and what fits it.


def cut(octets: bytes, least: int, most: int) -> bytes:
    return octets[:most].ljust(least, b"\x00")


ROUTES: dict[str, Callable[[bytes], list[AppSeCommand]]] = {
    "SelectDomain.aid": lambda it: [say.SelectDomain(cut(it, 5, 16))],
    "BeginSession.host_challenge, S8": lambda it: [say.BeginSession(1, cut(it, 8, 8))],
    "BeginSession.host_challenge, S16": lambda it: [say.BeginSession(1, cut(it, 16, 16))],
    "InstallForLoad.sd_aid": lambda it: [say.InstallForLoad(load_file(), cut(it, 5, 16))],
    "InstallForLoad.token": lambda it: [say.InstallForLoad(load_file(), AID, cut(it, 64, 64))],
    "InstallForLoad.load_file.aid": lambda it: [say.InstallForLoad(load_file(aid=cut(it, 5, 16)), AID)],
    "LoadBlock.plan.daps, signature": lambda it: loading(b"\x00" * 100, dap=it),
    "LoadBlock.plan.daps, AID": lambda it: [
        say.LoadBlock(LoadPlan(load_file(), (DapBlock(cut(it, 5, 16), b"x"),), BLOCK), 0)
    ],
    "LoadBlock.plan.load_file": lambda it: loading(b"\x00" * 300 + it + b"\x00" * 300),
    "InstallForInstall.package_aid": lambda it: [say.InstallForInstall(cut(it, 5, 16), AID, AID)],
    "InstallForInstall.applet_aid": lambda it: [say.InstallForInstall(AID, cut(it, 5, 16), AID)],
    "InstallForInstall.instance_aid": lambda it: [say.InstallForInstall(AID, AID, cut(it, 5, 16))],
    "InstallForInstall.token": lambda it: [say.InstallForInstall(AID, AID, AID, token=cut(it, 64, 64))],
    "Delete.aid": lambda it: [say.Delete(cut(it, 5, 16), related=False)],
    "Delete.token": lambda it: [say.Delete(AID, related=False, token=cut(it, 64, 64))],
    "PersonaliseApplication.instance_aid": lambda it: [say.PersonaliseApplication(cut(it, 5, 16))],
    "several AIDs": lambda it: [
        say.InstallForInstall(cut(it[:7], 5, 16), cut(it[7:14], 5, 16), cut(it[14:], 5, 16))
    ],
    "several commands": lambda it: [
        say.Delete(cut(it[at : at + 7], 5, 16), related=False) for at in range(0, len(it), 7)
    ],
    "privileges and AID": lambda it: [
        say.InstallForInstall(AID, AID, cut(it[:-3], 5, 16), cut(it[-3:], 3, 3))
    ],
}
FREE_FIELDS = {
    (say.SelectDomain, "aid"),
    (say.BeginSession, "host_challenge"),
    (say.InstallForLoad, "sd_aid"),
    (say.InstallForLoad, "token"),
    (say.InstallForInstall, "package_aid"),
    (say.InstallForInstall, "applet_aid"),
    (say.InstallForInstall, "instance_aid"),
    (say.InstallForInstall, "privileges"),
    (say.InstallForInstall, "token"),
    (say.Delete, "aid"),
    (say.Delete, "token"),
    (say.PersonaliseApplication, "instance_aid"),
    (say.PutCardKeys, "data"),  # ciphertext: vouched for, below
    (LoadFile, "octets"),
    (LoadFile, "aid"),
    (LoadFile, "digest"),  # worked out
    (LoadPlan, "head"),  # worked out
    (DapBlock, "sd_aid"),
    (DapBlock, "signature"),
    (Parameters, "provider_address"),
    (Parameters, "gateway_number"),
}


def test_every_field_that_takes_octets_or_text_is_a_route_of_these_tests() -> None:
    found = {
        (record, name)
        for record in ALLOWED.records
        if record is not say.StatusKind
        for name, hint in get_type_hints(record).items()
        if name in ALLOWED.records[record] and {bytes, str} & reached(hint, set())
        if hint in {bytes, str}
    }
    assert found == FREE_FIELDS


@pytest.mark.parametrize("route", ROUTES)
@settings(max_examples=25, deadline=None)
@given(secret=SECRETS)
def test_no_secret_leaves_by_any_field(route: str, secret: bytes) -> None:
    commands = ROUTES[route](secret)
    with pytest.raises(SecretBound) as alarm:
        release(commands, live(secret))
    assert alarm.value.facts == {"which": "device key, epoch 7"}
    assert secret.hex() not in repr(alarm.value) + str(alarm.value)
    assert release(commands, live(bytes(range(100, 132))))  # of another device: nothing is found by chance


def widened(text: bytes) -> Iterator[bytes]:
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        yield text.decode("latin-1").encode(encoding)


def swapped(octets: bytes) -> bytes:
    return bytes.fromhex("".join(digits[1] + digits[0] for digits in map("{:02x}".format, octets)))


def cuts(octets: bytes, length: int) -> list[bytes]:
    return [octets[at : at + length] for at in range(0, len(octets), length)]


def spellings(secret: bytes) -> dict[str, bytes]:
    plain = {
        "raw": secret,
        "hexadecimal": secret.hex().encode(),
        "HEXADECIMAL": secret.hex().upper().encode(),
        "hex with colons": secret.hex(":").encode(),
        "hex as an array": b", ".join(b"0x%02x" % octet for octet in secret),
        "hex escapes": b"".join(b"\\x%02x" % octet for octet in secret),
        "base64": base64.b64encode(secret),
        "base64url": base64.urlsafe_b64encode(secret).rstrip(b"="),
        "base64 behind one octet": base64.b64encode(b"!" + secret),
        "base64 behind two": base64.b64encode(b"!?" + secret),
        "base64 in lines": base64.encodebytes(secret * 3),
        "base32": base64.b32encode(secret),
        "base32 in small letters": base64.b32encode(b"..." + secret).lower(),
        "base32hex": base64.b32hexencode(secret),
        "base32hex in small letters": base64.b32hexencode(b"..." + secret).lower(),
        "percent": b"".join(b"%%%02X" % octet for octet in secret),
        "quoted-printable": b"".join(b"=%02X" % octet for octet in secret),
        "hex with bars": b"|".join(b"%02x" % octet for octet in secret),
        "hex of Java": b"{" + b", ".join(b"(byte) 0x%02x" % octet for octet in secret) + b"}",
        "hex of an assembler": b" ".join(b"%02Xh" % octet for octet in secret),
        "base64 in quotes": b'" +\n"'.join(cuts(base64.b64encode(secret), 8)),
        "base64 of JSON": base64.b64encode(secret).replace(b"/", b"\\/"),
        "decimal": b", ".join(b"%d" % octet for octet in secret),
        "decimal of Java": b",".join(b"(byte)%d" % ((octet ^ 0x80) - 0x80) for octet in secret),
        "swapped halves": swapped(secret),
        "swapped halves in hex": swapped(secret).hex().encode(),
        "constants": b"".join(bytes((0x10, octet)) for octet in secret),
    }
    wide = {
        f"{name}, {order}": text
        for name, it in plain.items()
        if name not in {"swapped halves", "constants"}
        for order, text in zip(("16<", "16>", "32<", "32>"), widened(it), strict=True)
        if not (order.startswith("32") and "of Java" in name)  # eight octets would be longer than the tail
    }
    return plain | wide | {f"{name}, backwards": text[::-1] for name, text in (plain | wide).items()}


SPELLINGS = tuple(spellings(bytes(16)))


@pytest.mark.parametrize("spelling", SPELLINGS)
@settings(max_examples=6, deadline=None)
@given(
    secret=SECRETS,
    at=st.integers(0, 700),
    block=st.integers(120, 247),
    filler=st.sampled_from([b"\x00", b"\xff", b".", b"a", b"7"]),
)
def test_no_secret_leaves_in_a_load_file_at_any_place_in_any_spelling(
    spelling: str, secret: bytes, at: int, block: int, filler: bytes
) -> None:
    body = filler * at + spellings(secret)[spelling] + filler * 50
    with pytest.raises(SecretBound):
        release(loading(body, block), live(secret))


@pytest.mark.parametrize("spelling", SPELLINGS)
@settings(max_examples=5, deadline=None)
@given(secret=st.binary(min_size=8, max_size=8).filter(lambda octets: 0 not in octets))
def test_no_eight_octets_of_a_secret_leave_in_a_token_in_any_spelling_that_fits(
    spelling: str, secret: bytes
) -> None:
    spelled = spellings(secret)[spelling]
    if len(spelled) > 64:
        return
    with pytest.raises(SecretBound):
        release([say.Delete(AID, related=False, token=cut(spelled, 64, 64))], live(secret))


@given(secret=st.binary(min_size=20, max_size=32), start=st.integers(0, 9), at=st.integers(300, 340))
def test_a_piece_of_eleven_octets_is_enough_to_be_found(secret: bytes, start: int, at: int) -> None:
    piece = secret[start : start + 11]
    with pytest.raises(SecretBound):
        release(loading(b"\x00" * at + piece + b"\x00" * 77), live(secret))


@given(secret=st.binary(min_size=12, max_size=15), spelling=st.sampled_from(["raw", "hexadecimal", "base32"]))
def test_an_address_is_no_way_out(secret: bytes, spelling: str) -> None:
    spelled = spellings(secret)[spelling].lower().rstrip(b"=")
    try:
        parameters = Parameters(f"sp:{spelled.decode('ascii')}", "+4930123456", 16500, 0, 978)
    except ValueError:  # it does not fit the registry's spelling
        return
    with pytest.raises(SecretBound):
        release([say.StoreParameters(parameters)], live(secret))


@given(secret=st.integers(10**14, 10**15 - 1))
def test_a_number_is_no_way_out(secret: int) -> None:
    digits = str(secret)
    parameters = Parameters(f"+{digits}", f"+{digits}", 16500, 0, 978)
    with pytest.raises(SecretBound):
        release([say.StoreParameters(parameters)], live(digits.encode()))


@settings(max_examples=60, deadline=None)
@given(
    secret=st.binary(min_size=16, max_size=32),
    spelling=st.sampled_from(SPELLINGS),
    at=st.integers(0, 300),
    block=st.integers(12, 247),
)
def test_what_is_cut_across_blocks_and_scripts_is_found(
    secret: bytes, spelling: str, at: int, block: int
) -> None:
    guard = Guard(live(secret))
    body = b"\xff" * at + spellings(secret)[spelling] + b"\xff" * 40
    with pytest.raises(SecretBound):
        _ = [guard.release([command]) for command in loading(body, block)]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_is_lost_in_the_smallest_of_blocks(spelling: str) -> None:
    secret = bytes(range(200, 216))
    guard = Guard(live(secret))
    with pytest.raises(SecretBound):
        _ = [guard.release([block]) for block in loading(spellings(secret)[spelling] + b"\xff" * 40, 20)]


@pytest.mark.parametrize("ahead", range(9))
@pytest.mark.parametrize("spelling", ["hexadecimal", "base64", "base32"])
def test_a_run_is_read_from_every_digit_on(spelling: str, ahead: int) -> None:
    secret = bytes(range(200, 216))
    with pytest.raises(SecretBound):
        release(loading(b"\xff" * 9 + b"A" * ahead + spellings(secret)[spelling]), live(secret))


@pytest.mark.parametrize("before", range(1, 8))
def test_what_is_cut_between_a_load_file_and_the_next_command_is_found(before: int) -> None:
    secret = bytes(range(200, 216))
    guard = Guard(live(secret))
    guard.release(loading(b"\x00" * 50 + secret[:before]))
    with pytest.raises(SecretBound):
        guard.release([say.SelectDomain(secret[before : before + 7])])


def test_what_is_cut_between_a_command_and_the_authentication_is_found() -> None:
    secret = bytes(range(200, 216))
    guard = Guard(live(secret))
    guard.release([say.SelectDomain(secret[:7])])
    guard.check(Command(0x84, 0x82, 0x33, 0, b"\x00" * 16))
    with pytest.raises(SecretBound):
        guard.check(Command(0x84, 0x82, 0x33, 0, secret[7:14]))


def test_a_refusal_releases_nothing_and_forgets_nothing() -> None:
    secret = bytes(range(200, 232))
    guard = Guard(live(secret))
    guard.release([say.SelectDomain(secret[:7])])
    tail = guard._tail
    with pytest.raises(ExclusionRefused):
        guard.release([say.GetFreeMemory(), Alike()])  # type: ignore[list-item]
    assert guard._tail == tail
    with pytest.raises(SecretBound):
        guard.release([say.SelectDomain(secret[7:14])])


def test_every_derived_key_of_a_device_is_found() -> None:
    key = Secret(bytes(range(32)))
    derived = [
        (label, derive(key, b"kid1", label, 12 if label.endswith("iv") else KEY_OCTETS))
        for label in sorted(LABELS)
    ]
    secrets = LiveSecrets.of(derived)
    for label, each in derived:
        with pytest.raises(SecretBound) as alarm:
            release(loading(b"\x00" * 31 + each.reveal() + b"\x00" * 31), secrets)
        assert alarm.value.facts == {"which": label}


def test_random_applications_raise_no_alarm() -> None:
    secrets = LiveSecrets.of((f"key {n}", Secret(load_file(32 * (n + 1)).octets[-32:])) for n in range(10))
    quiet = bytes(octet ^ 0x55 for octet in load_file(30_000).octets)
    assert release(loading(quiet), secrets)


# --- a card's own new keys, the one thing that leaves unreadable


def test_new_card_keys_pass_once_they_were_shown_and_only_then() -> None:
    new, current = key_set(0x31), key_set(0x30)
    command = say.PutCardKeys.of(put_key(new, current, replaces=0x30))
    guard = Guard(live(bytes(range(32))), LiveSecrets.of_keys(current))
    with pytest.raises(ExclusionRefused):
        guard.release([command])
    with pytest.raises(ExclusionRefused):
        release([command], NO_SECRETS)
    guard.vouch(new, current)
    assert guard.release([command]) == [command.command()]
    with pytest.raises(ExclusionRefused):
        guard.release([say.PutCardKeys.of(put_key(key_set(0x32), current, replaces=0x30))])


@pytest.mark.parametrize("at", [0, 1, 2])
def test_no_secret_is_made_a_key_of_the_card(at: int) -> None:
    secret = Secret(bytes(range(50, 66)))
    keys = [Secret(bytes([n]) * 16) for n in range(3)]
    keys[at] = secret
    with pytest.raises(SecretBound):
        Guard(live(secret.reveal())).vouch(KeySet(0x31, *keys), key_set(0x30))


@pytest.mark.parametrize("kvn", [0x30, 0x31])
def test_the_cards_own_keys_do_not_leave_in_clear(kvn: int) -> None:
    guard = Guard(NO_SECRETS, LiveSecrets.of_keys(key_set(0x30)))
    guard.vouch(key_set(0x31), key_set(0x30))
    with pytest.raises(SecretBound) as alarm:
        guard.release(loading(b"\x00" * 9 + key_set(kvn).dek.reveal() + b"\x00" * 9))
    assert alarm.value.facts == {"which": f"card key set {kvn:02x}"}


# --- what the secrets are kept in, and what it costs


def test_live_secrets_are_not_shown_copied_or_kept() -> None:
    secrets = live(b"sixteen octets !")
    assert repr(secrets) == str(secrets) == "LiveSecrets(…)"
    for spread in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            spread(secrets)
    assert not hasattr(secrets, "__dict__")


@pytest.mark.parametrize("wrong", [b"octets as they are", "text", type("Kin", (Secret,), {})(bytes(16))])
def test_only_a_secret_is_taken(wrong: Any) -> None:
    with pytest.raises(TypeError):
        LiveSecrets.of([("label", wrong)])


def test_what_is_too_short_to_be_told_from_chance_is_refused() -> None:
    with pytest.raises(ValueError, match="8 octets"):
        LiveSecrets.of([("pin", Secret(b"1234567"))])


def test_both_together_are_searched_for() -> None:
    first, second = bytes(range(16)), bytes(range(100, 116))
    both = live(first, "one") | live(second, "two")
    for secret, label in ((first, "one"), (second, "two")):
        with pytest.raises(SecretBound) as alarm:
            release([say.SelectDomain(secret)], both)
        assert alarm.value.facts == {"which": label}


def test_a_load_file_is_read_once_for_all_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    exclusion._windows_of_load_file.cache_clear()
    commands = loading(load_file(32_000).octets)
    read: list[int] = []

    def counted(octets: bytes, stride: int) -> frozenset[bytes]:
        read.append(len(octets))
        return readings.windows(octets, stride)

    monkeypatch.setattr(exclusion, "windows", counted)
    for device in range(3):
        release(commands, live(bytes(range(device, 32 + device))))
    assert len([length for length in read if length > 1000]) == 1
    same_size = load_file(32_000).octets[:-1] + b"\x00"
    release(loading(same_size), NO_SECRETS)
    assert len([length for length in read if length > 1000]) == 2


def test_searching_a_known_load_file_takes_no_longer_than_wrapping_a_few_blocks() -> None:
    octets = load_file(32_768).octets
    secrets = LiveSecrets.of((f"key {n}", Secret(bytes(range(n, n + 32)))) for n in range(10))
    exclusion._windows_of_load_file(octets)
    best = min(
        _seconds(
            lambda: exclusion._search(secrets, exclusion._windows_of_load_file(bytes(bytearray(octets))))
        )
        for _ in range(50)
    )
    assert best < 100e-6


def _seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun
