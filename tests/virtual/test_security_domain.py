"""The crypto element takes what its TSM sealed to it, once and in order, and nothing else."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cbor2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.virtual.tsm import (
    TSM_ID,
    Recipient,
    Root,
    confirmation,
    package,
    public_key_of,
    sign1,
    verify1,
)
from tsm_gateway.secret import Secret
from tsm_gateway.virtual.biometric import Finger, Sensor, new_pairing
from tsm_gateway.virtual.element_record import ElementRecord, EnrolledTemplate
from tsm_gateway.virtual.errors import (
    BiometricMismatch,
    FormatMalformed,
    KeyLost,
    NothingEnrolled,
    PackageRefused,
    TunnelBroken,
    VirtualError,
)
from tsm_gateway.virtual.handset import Handset
from tsm_gateway.virtual.identity import ElementKeys, Kind
from tsm_gateway.virtual.issuer import Issuer
from tsm_gateway.virtual.packet import Direction, Traffic, read_packet
from tsm_gateway.virtual.part import Part, cut
from tsm_gateway.virtual.party_files import read_handset, write_party
from tsm_gateway.virtual.personalised import Subscription, Tsm, personalised
from tsm_gateway.virtual.proof import ProvedKey, statement
from tsm_gateway.virtual.security_domain import SecurityDomain
from tsm_gateway.virtual.sms_keying import SmsKeying

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_760_000_000
KEY, KID = bytes(range(100, 132)), b"\1\2\3\4"
OWNER = Subscription("+491701234567", 16500, ("sp:shop",))
ISSUER = Issuer.create("maker", NOW)
ROOT = Root(NOW)


def element(kind: Kind, root: Root = ROOT) -> SecurityDomain:
    return SecurityDomain(personalised(ISSUER.issue(kind, NOW), Tsm(TSM_ID, root.der), OWNER))


def recipient(domain: SecurityDomain) -> Recipient:
    record, inside = domain.record, domain.element
    hybrid = inside.hybrid.presented(record.device_id, record.private_key) if inside.hybrid else b""
    return Recipient(record.certificate, inside.key_certificate, hybrid)


def enrol_user(domain: SecurityDomain, method: str = "fpt") -> None:
    pairing = new_pairing()
    sensor = Sensor(pairing, random.Random(1), method)
    domain.pair(pairing, sensor.connect)
    domain.enrol_template(method, sensor.capture(Finger(domain.record.device_id)), NOW)


@pytest.fixture(params=Kind)
def domain(request: pytest.FixtureRequest) -> SecurityDomain:
    return element(request.param)


@pytest.fixture
def phone() -> SecurityDomain:
    return element(Kind.P256)


# packages


def test_a_package_opens_with_the_elements_own_key(domain: SecurityDomain) -> None:
    assert domain.install(package(ROOT, recipient(domain), KEY), NOW, ROOT.delivery)
    waiting = domain.element.waiting
    assert waiting is not None
    assert (waiting.kid, waiting.key.reveal(), waiting.epoch, waiting.next_piv) == (KID, KEY, 1, 1_000)
    assert not domain.record.is_keyed  # not before somebody knows that it arrived
    domain.settle(KID)
    assert (domain.record.kid, domain.record.key.reveal(), domain.record.next_piv) == (KID, KEY, 1_000)


def test_a_package_of_another_tsm_is_refused(domain: SecurityDomain) -> None:
    other = Root(NOW)
    octets = package(other, recipient(domain), KEY)
    for certificate in (other.delivery, ROOT.delivery, b"", b"\0" * 40):
        with pytest.raises(PackageRefused):
            domain.install(octets, NOW, certificate)
    assert domain.element.waiting is None


def test_a_package_for_another_device_is_refused_and_does_not_open(domain: SecurityDomain) -> None:
    other = element(domain.element.kind)
    octets = package(ROOT, recipient(other), KEY)
    with pytest.raises(PackageRefused, match="another device"):
        domain.install(octets, NOW, ROOT.delivery)
    renamed = package(ROOT, recipient(other), KEY, f2=domain.record.device_id)  # what a thief would wish for
    with pytest.raises(PackageRefused, match="sealed"):
        domain.install(renamed, NOW, ROOT.delivery)


def test_an_altered_octet_anywhere_is_refused(phone: SecurityDomain) -> None:
    octets = package(ROOT, recipient(phone), KEY)
    for at, bit in itertools.product(range(len(octets)), (1, 0x80)):
        altered = octets[:at] + bytes((octets[at] ^ bit,)) + octets[at + 1 :]
        with pytest.raises((PackageRefused, FormatMalformed)):
            phone.install(altered, NOW, ROOT.delivery)
    for short in (b"", octets[:-1], octets + b"\0"):
        with pytest.raises((PackageRefused, FormatMalformed)):
            phone.install(short, NOW, ROOT.delivery)
    assert phone.element.waiting is None


def test_altered_sealed_octets_are_refused_even_when_signed(domain: SecurityDomain) -> None:
    to = recipient(domain)
    sealed = cbor2.loads(cbor2.loads(package(ROOT, to, KEY))[2])[7]
    for at in (0, len(sealed) // 2, len(sealed) - 1):
        altered = sealed[:at] + bytes((sealed[at] ^ 1,)) + sealed[at + 1 :]
        with pytest.raises(PackageRefused, match="sealed"):
            domain.install(package(ROOT, to, KEY, f7=altered), NOW, ROOT.delivery)
    with pytest.raises(PackageRefused, match="sealed"):
        domain.install(package(ROOT, to, KEY[:31]), NOW, ROOT.delivery)


@pytest.mark.parametrize("change", [{"f3": b"\1\2\3\5"}, {"f4": 2}])
def test_a_package_is_bound_to_its_kid_and_epoch(domain: SecurityDomain, change: dict[str, Any]) -> None:
    with pytest.raises(PackageRefused, match="sealed"):
        domain.install(package(ROOT, recipient(domain), KEY, **change), NOW, ROOT.delivery)


def test_a_package_is_bound_to_the_tsm_and_the_certificate(domain: SecurityDomain) -> None:
    octets = package(ROOT, recipient(domain), KEY)
    record, inside = domain.record, domain.element
    elsewhere = SecurityDomain(replace(record, element=replace(inside, tsm_id="tsm-2")))
    with pytest.raises(PackageRefused, match="sealed"):
        elsewhere.install(octets, NOW, ROOT.delivery)
    again = ISSUER.certify(_keys(domain), inside.kind, NOW)  # the same keys, certified anew
    renewed = SecurityDomain(
        replace(
            record,
            certificate=again.certificate,
            element=replace(inside, key_certificate=again.key_certificate),
        )
    )
    with pytest.raises(PackageRefused, match="sealed"):
        renewed.install(octets, NOW, ROOT.delivery)


def _keys(domain: SecurityDomain) -> ElementKeys:
    return ElementKeys(domain.record.private_key, domain.element.exchange, domain.element.hybrid)


@pytest.mark.parametrize("kem", [0, 0x0011, 0x0021, 0x647B, -42, 2**40])
def test_an_unknown_kem_is_refused(phone: SecurityDomain, kem: int) -> None:
    with pytest.raises(PackageRefused, match="kem"):
        phone.install(package(ROOT, recipient(phone), KEY, f6=kem), NOW, ROOT.delivery)


def test_the_kem_of_another_kind_of_key_is_refused(domain: SecurityDomain) -> None:
    to = recipient(domain)
    for kem in {0x0010, 0x0020, 0x647A, -41} - {to.kem}:
        with pytest.raises(PackageRefused):
            domain.install(package(ROOT, to, KEY, f6=kem), NOW, ROOT.delivery)


def test_an_epoch_never_goes_back(phone: SecurityDomain) -> None:
    to = recipient(phone)
    first, fifth = (package(ROOT, to, KEY, epoch=epoch, kid=bytes((epoch,)) * 4) for epoch in (1, 5))
    assert phone.install(first, NOW, ROOT.delivery)
    phone.settle(b"\1" * 4)
    assert phone.install(fifth, NOW)  # signed by whom the last one was
    for epoch in (1, 4, 5):
        with pytest.raises(PackageRefused, match="epoch"):
            phone.install(package(ROOT, to, KEY, epoch=epoch), NOW)
    assert not phone.install(fifth, NOW)  # the very octets: a retry, and no rollback
    assert not phone.install(first, NOW)
    phone.settle(b"\5" * 4)
    assert not phone.install(fifth, NOW)
    with pytest.raises(PackageRefused, match="epoch"):
        phone.install(first, NOW)
    assert phone.element.epoch == 5


def test_the_key_in_use_stays_until_the_new_one_is_confirmed(phone: SecurityDomain) -> None:
    to = recipient(phone)
    phone.install(package(ROOT, to, KEY), NOW, ROOT.delivery)
    phone.settle(KID)
    for epoch in (2, 3):  # the second is replaced before it was confirmed
        phone.install(package(ROOT, to, bytes(32), epoch=epoch, kid=bytes((epoch,)) * 4), NOW)
        assert (phone.record.kid, phone.record.key.reveal()) == (KID, KEY)
    with pytest.raises(KeyLost):
        phone.settle(b"\2" * 4)
    phone.settle(b"\3" * 4)
    assert phone.record.key.reveal() == bytes(32)


@pytest.mark.parametrize(
    "change",
    [
        {"f1": "tsm-key-2"},
        {"f2": 7},
        {"f3": b"\1\2\3"},
        {"f4": 0},
        {"f4": -1},
        {"f4": "1"},
        {"f5": 2**31},
        {"f5": -1},
        {"f6": "P-256"},
        {"f7": "sealed"},
        {"f8": 1},
    ],
)
def test_a_package_of_another_form_is_malformed(phone: SecurityDomain, change: dict[str, Any]) -> None:
    with pytest.raises(FormatMalformed):
        phone.install(package(ROOT, recipient(phone), KEY, **change), NOW, ROOT.delivery)


def test_a_package_that_is_no_map_is_malformed(phone: SecurityDomain) -> None:
    for payload in ([1, 2], {"1": 2}, 7):
        with pytest.raises(FormatMalformed):
            phone.install(sign1(cbor2.dumps(payload), ROOT.delivery_key), NOW, ROOT.delivery)


# whom it believes


@pytest.mark.parametrize(
    "how",
    [
        {"usages": (ExtendedKeyUsageOID.SERVER_AUTH,)},  # the TSM's own web server delivers no keys
        {"usages": (ExtendedKeyUsageOID.CLIENT_AUTH,)},
        {"usages": (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)},
        {"usages": ()},  # whatever the root certified once: it is not said that it delivers keys
        {"days": -1},
        {"ca": True},
    ],
)
def test_a_signer_certified_for_something_else_or_no_more_is_refused(how: dict[str, Any]) -> None:
    root = Root(NOW, **how)
    domain = element(Kind.P256, root)
    with pytest.raises(PackageRefused, match="signer"):
        domain.install(package(root, recipient(domain), KEY), NOW, root.delivery)


def test_the_root_itself_signs_no_package(phone: SecurityDomain) -> None:
    with pytest.raises(PackageRefused):
        phone.install(package(ROOT, recipient(phone), KEY), NOW, ROOT.der)


# proofs

# Of key 0x64.., kid 01020304, epoch 1, challenge 0x00..1f; the MAC by `openssl mac -cipher AES-256-CBC
# -macopt hexkey:K CMAC` with K = HKDF-SHA256(key, salt kid, info 83 65 "tsm-1" 6b "confirm key" 18 20)
# over 83 5820 CHALLENGE 44 KID 01.
STATEMENT = (
    "a8"
    "01697473 6d2d7265 672d31"
    "0272643a 30303131 32323333 34343535 36363737"
    "034401020304"
    "045820 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    "0550 {mac}"
    "0682"
    "8363667074 5820 {fpt} 1a68e77800"
    "8363 70696e 5820 {pin} 1a68e77801"
    "0748 a0a1a2a3a4a5a6a7"
    "084a b0b1b2b3b4b5b6b7b8b9"
)
MAC = "6551bc5ffd320b1d85252b55d37ce2d6"


def test_the_proof_is_the_literal_octets() -> None:
    handles = {"fpt": b"f" * 16, "pin": b"p" * 16}
    templates = tuple(
        EnrolledTemplate(method, handle, Secret(bytes(32)), NOW + later)
        for later, (method, handle) in enumerate(handles.items())
    )
    ids = bytes(range(0xA0, 0xA8)), bytes(range(0xB0, 0xBA))
    made = ElementRecord(Kind.P256, *ids, "tsm-1", b"", templates=templates)
    proved = ProvedKey(KID, Secret(KEY), 1)
    octets = statement("d:0011223344556677", proved, bytes(range(32)), made)
    hashes = {method: hashlib.sha256(handle).hexdigest() for method, handle in handles.items()}
    assert octets == bytes.fromhex(STATEMENT.format(mac=MAC, **hashes).replace(" ", ""))


def test_a_proof_is_signed_by_the_element_and_names_its_user_and_both_elements(
    domain: SecurityDomain,
) -> None:
    domain.install(package(ROOT, recipient(domain), KEY), NOW, ROOT.delivery)
    with pytest.raises(NothingEnrolled):
        domain.prove(bytes(32), KID)
    enrol_user(domain)
    proof = domain.prove(bytes(32), KID)
    fields = verify1(proof, public_key_of(domain.record.certificate))
    (template,) = domain.element.templates
    assert fields == {
        1: "tsm-reg-1",
        2: domain.record.device_id,
        3: KID,
        4: bytes(32),
        5: confirmation(KEY, KID, 1, bytes(32)),
        6: [["fpt", hashlib.sha256(template.handle).digest(), NOW]],
        7: domain.element.crypto_se,
        8: domain.element.app_se,
    }
    assert fields[7] != fields[8]
    assert template.features.reveal() not in proof
    with pytest.raises((InvalidSignature, AssertionError)):
        verify1(proof, public_key_of(ISSUER.issue(domain.element.kind, NOW).certificate))


def test_nothing_is_proved_about_a_key_it_does_not_hold(phone: SecurityDomain) -> None:
    enrol_user(phone)
    for kid in (b"", KID):
        with pytest.raises(KeyLost):
            phone.prove(bytes(32), kid)
    with pytest.raises(KeyLost):
        phone.settle(KID)


# the user


def test_a_template_comes_through_the_tunnel_or_not_at_all(phone: SecurityDomain) -> None:
    sensor = Sensor(new_pairing(), random.Random(1))
    with pytest.raises(TunnelBroken):
        phone.enrol_template("fpt", b"", NOW)
    phone.pair(new_pairing(), sensor.connect)  # of another sensor's pairing
    with pytest.raises(TunnelBroken):
        phone.enrol_template("fpt", sensor.capture(Finger("owner")), NOW)
    assert phone.element.templates == ()


def test_who_was_enrolled_pays_and_nobody_else_does(phone: SecurityDomain) -> None:
    phone.install(package(ROOT, recipient(phone), KEY), NOW, ROOT.delivery)
    enrol_user(phone)
    phone.settle(KID)
    for seed in range(5):
        handset = Handset(phone.record, seed=seed)
        assert handset.pay("sp:shop", "1.00", "EUR", at=NOW)
        with pytest.raises(BiometricMismatch):
            handset.pay("sp:shop", "1.00", "EUR", at=NOW, finger=Finger("a stranger"))


# by short message


def in_parts(octets: bytes, reference: int = 7, port: int = 16500) -> list[Part]:
    return [Part("16500", OWNER.msisdn, 4, 0, udh, body) for udh, body in cut(octets, port, reference)]


def opened_confirmation(
    domain: SecurityDomain, parts: list[Part], key: bytes
) -> tuple[int, dict[int, object]]:
    """(PIV, the proof's fields) of a confirmation, as the gateway reads it."""
    packet = read_packet(b"".join(part.data for part in parts))
    up = Traffic(Secret(key), packet.kid, Direction.DEVICE_TO_TSM, domain.record.device_id, OWNER.port)
    word, proof = cbor2.loads(up.open(packet))
    assert word == "tsm-confirm-1"
    return packet.piv, verify1(proof, public_key_of(domain.record.certificate))


@pytest.mark.parametrize("kind", [Kind.P256, Kind.X25519, Kind.ED25519])
def test_a_package_fits_two_short_messages_that_come_in_any_order(kind: Kind) -> None:
    first = element(kind)
    octets = package(ROOT, recipient(first), KEY)
    assert len(in_parts(octets)) == 2
    for order in itertools.permutations(in_parts(octets)):
        domain = SecurityDomain(
            replace(first.record, element=replace(first.element, tsm_certificate=ROOT.delivery))
        )
        enrol_user(domain)
        kept: list[object] = []
        keying = SmsKeying(domain, gateway="16500", keep=kept.append)
        assert keying.receive(order[0], NOW) == []
        answer = keying.receive(order[1], NOW)
        assert {(part.source, part.destination, part.dcs) for part in answer} == {(OWNER.msisdn, "16500", 4)}
        piv, fields = opened_confirmation(domain, answer, KEY)
        assert piv == 1_000
        assert (fields[3], fields[4]) == (KID, hashlib.sha256(octets).digest())
        assert fields[5] == confirmation(KEY, KID, 1, hashlib.sha256(octets).digest())
        assert kept == [domain.record]
        assert (domain.record.kid, domain.record.next_piv, domain.element.waiting) == (KID, 1_001, None)


def test_a_package_of_many_parts_comes_in_any_order_and_beside_strangers_parts() -> None:
    domain = element(Kind.XWING)
    octets = package(ROOT, recipient(domain), KEY)
    domain = SecurityDomain(
        replace(domain.record, element=replace(domain.element, tsm_certificate=ROOT.delivery))
    )
    enrol_user(domain)
    keying = SmsKeying(domain, gateway="16500", keep=lambda _: None)
    mixed = in_parts(octets) * 2 + in_parts(bytes(300), reference=9) + in_parts(octets, port=9)
    mixed += [Part("", "", 4, 0, b"\5\0\3", b""), Part("", "", 4, 0, b"", b"hello")]
    random.Random(3).shuffle(mixed)
    answers = [answer for part in mixed if (answer := keying.receive(part, NOW))]
    assert domain.record.kid == KID
    assert 1 <= len(answers) <= 2  # the doubles may complete it once more: then it is confirmed once more
    assert opened_confirmation(domain, answers[0], KEY)[0] == 1_000


def test_a_package_that_comes_again_is_confirmed_again_under_the_next_counter(phone: SecurityDomain) -> None:
    octets = package(ROOT, recipient(phone), KEY)
    phone = SecurityDomain(
        replace(phone.record, element=replace(phone.element, tsm_certificate=ROOT.delivery))
    )
    enrol_user(phone)
    keying = SmsKeying(phone, gateway="16500", keep=lambda _: None)
    confirmed = [keying.receive(part, NOW) for part in in_parts(octets) + in_parts(octets, reference=8)]
    pivs = [opened_confirmation(phone, parts, KEY)[0] for parts in confirmed if parts]
    assert pivs == [1_000, 1_001]


def test_a_forged_or_older_package_by_short_message_changes_nothing(phone: SecurityDomain) -> None:
    to = recipient(phone)
    phone.install(package(ROOT, to, KEY, epoch=3), NOW, ROOT.delivery)
    enrol_user(phone)
    phone.settle(KID)
    before = phone.record
    keying = SmsKeying(phone, gateway="16500", keep=lambda _: None)
    forged, older = package(Root(NOW), to, KEY, epoch=4), package(ROOT, to, bytes(32), epoch=2)
    for part in in_parts(forged, reference=1) + in_parts(older, reference=2):
        assert keying.receive(part, NOW) == []
    assert len(keying.refusals) == 2
    assert phone.record == before


# on the disk


def test_a_handset_reads_as_it_was_written_at_every_stage(domain: SecurityDomain, tmp_path: Path) -> None:
    path = tmp_path / "handset.json"

    def back() -> None:
        write_party(path, domain.record)
        fields = read_handset(path).as_json()
        assert fields == domain.record.as_json()
        assert json.loads(path.read_text()) == json.loads(json.dumps(fields))

    back()
    domain.install(package(ROOT, recipient(domain), KEY), NOW, ROOT.delivery)
    enrol_user(domain)
    back()
    domain.settle(KID)
    back()
    read = SecurityDomain(read_handset(path))
    assert read.install(package(ROOT, recipient(read), bytes(32), epoch=2, kid=b"next"), NOW)
    for secret in (KEY, bytes(32), domain.element.templates[0].features.reveal()):
        assert secret.hex() not in repr(read.record)
        assert repr(secret) not in repr(read.record)


def test_a_handset_without_an_element_takes_no_keys(handset_record: object) -> None:
    with pytest.raises(KeyLost):
        SecurityDomain(handset_record)  # type: ignore[arg-type]  # the fixture's own type
    assert issubclass(KeyLost, VirtualError)


def test_the_device_id_is_the_hash_of_the_signing_key(domain: SecurityDomain) -> None:
    public_key = domain.record.private_key.public_key()
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert domain.record.device_id == f"d:{hashlib.sha256(spki).hexdigest()[:16]}"
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    assert other != public_key
