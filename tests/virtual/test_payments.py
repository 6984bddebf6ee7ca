"""From a touch of the finger to the provider's line, with the formats in between."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tsm_gateway.virtual.air import Weather, blow
from tsm_gateway.virtual.amount import CURRENCIES, read_amount, write_amount
from tsm_gateway.virtual.biometric import Finger
from tsm_gateway.virtual.certificate import read_payment, require_current, verify_payment
from tsm_gateway.virtual.errors import (
    AmountInvalid,
    BiometricMismatch,
    CounterExhausted,
    DeviceUnknown,
    FormatMalformed,
    PacketNotAuthentic,
    PaymentRefused,
    VirtualError,
)
from tsm_gateway.virtual.handset import VALIDITY_S, Handset
from tsm_gateway.virtual.identity import Identity, Kind, new_identity
from tsm_gateway.virtual.issuer import Issuer
from tsm_gateway.virtual.packet import MAX_PIV, read_packet
from tsm_gateway.virtual.part import Part, cut, part_from_json, read_header
from tsm_gateway.virtual.provider import OpenedPayment, Provider

if TYPE_CHECKING:
    from tests.virtual.conftest import Relay
    from tsm_gateway.virtual.party_records import HandsetRecord, ProviderRecord

NOW = 1_760_000_000
ADDRESS = "+4930123456789"
FIXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def receive(provider: Provider, parts: list[Part]) -> list[OpenedPayment]:
    return [opened for part in parts if (opened := provider.receive(part)) is not None]


def test_a_payment_reaches_the_provider_as_it_was_approved(
    handset_record: HandsetRecord, provider_record: ProviderRecord, relay: Relay
) -> None:
    sent = Handset(handset_record).pay(ADDRESS, "1299.00", "EUR", at=NOW, cti=b"cti12345")
    passed_on = relay(sent)
    opened = receive(Provider(provider_record), passed_on)
    assert [payment.as_json() for payment in opened] == [
        {
            "message_id": "00000000000000000000000000000001",
            "device_id": handset_record.device_id,
            "amount": "1299.00",
            "currency": "EUR",
            "to": ADDRESS,
            "cti": b"cti12345".hex(),
            "issued_at": NOW,
            "expires_at": NOW + VALIDITY_S,
            "received_at": NOW,
            "instrument": opened[0].payment.instrument.hex(),
            "amr": ["fpt"],
            "piv": 1,
        }
    ]
    # design §5.2: 222 octets from the device, 229 to the provider with a Partial IV of three octets
    assert sum(len(part.data) for part in sent) == 222
    assert sum(len(part.data) for part in relay(sent, piv=70_000)) == 229


@pytest.mark.parametrize("kind", Kind)
def test_a_provider_verifies_the_signature_of_every_kind_of_element(
    kind: Kind, handset_record: HandsetRecord, provider_record: ProviderRecord, relay: Relay
) -> None:
    identity = Issuer.create("maker", NOW).issue(kind, NOW)
    record = replace(handset_record, private_key=identity.private_key)  # under the id the relay knows
    devices = {record.device_id: identity.certificate}
    passed_on = relay(Handset(record).pay(ADDRESS, "12.99", "EUR", at=NOW))
    (opened,) = receive(Provider(replace(provider_record, devices=devices)), passed_on)
    assert opened.payment.amount == 1299
    with pytest.raises((PaymentRefused, FormatMalformed)):  # another signature, or another algorithm
        receive(Provider(provider_record), passed_on)


def test_a_payment_goes_in_two_short_messages_of_at_most_140_octets(handset_record: HandsetRecord) -> None:
    for wide, room in ((False, 128), (True, 127)):
        parts = Handset(handset_record, wide_reference=wide).pay(ADDRESS, "12.99", "EUR", at=NOW)
        assert len(parts[0].data) == room
        assert len(parts) == 2
        assert all(len(part.udh + part.data) <= 140 for part in parts)
        assert {(part.source, part.dcs, part.pid) for part in parts} == {(handset_record.msisdn, 4, 0)}


def test_the_headers_are_the_literal_octets() -> None:
    assert [udh.hex() for udh, _ in cut(bytes(133), 16500, 7)] == ["06050440744074"]
    assert [udh.hex() for udh, _ in cut(bytes(134), 16500, 7)] == [
        "0b05044074407400030702" + "01",
        "0b05044074407400030702" + "02",
    ]
    assert cut(bytes(300), 16500, 0x1234, wide=True)[2][0].hex() == "0c0504407440740804123403" + "03"


@given(st.binary(min_size=1, max_size=1500), st.integers(0, 65535), st.integers(0, 255), st.booleans())
def test_what_is_cut_reads_as_what_it_was(packet: bytes, port: int, reference: int, wide: bool) -> None:
    cuts = cut(packet, port, reference, wide=wide)
    headers = [read_header(udh) for udh, _ in cuts]
    assert b"".join(body for _, body in cuts) == packet
    assert all(len(udh) + len(body) <= 140 for udh, body in cuts)
    assert {header.port for header in headers} == {port}
    assert [header.number for header in headers] == list(range(1, len(cuts) + 1))
    assert len(cuts) == 1 or {header.reference for header in headers} == {reference}


@given(st.binary(max_size=20))
def test_any_header_is_read_or_refused(udh: bytes) -> None:
    try:
        header = read_header(udh)
    except FormatMalformed:
        return
    assert 1 <= header.number <= header.total


@FIXED
@given(seed=st.integers(0, 10_000))
def test_any_order_and_any_doubling_opens_each_payment_once(
    handset_record: HandsetRecord, provider_record: ProviderRecord, relay: Relay, seed: int
) -> None:
    handset = Handset(handset_record)
    parts = [
        part
        for piv in range(1, 9)
        for part in relay(handset.pay(ADDRESS, f"{piv}.00", "EUR", at=NOW), piv=piv)
    ]
    weather = Weather(doubling=0.4, reordering=0.5, hold_back=9)
    opened = receive(Provider(provider_record), blow(parts, weather, seed))
    assert sorted(payment.payment.amount for payment in opened if not payment.duplicate) == [
        100 * piv for piv in range(1, 9)
    ]


def test_a_payment_sent_again_byte_for_byte_is_told_as_a_duplicate(
    handset_record: HandsetRecord, provider_record: ProviderRecord, relay: Relay
) -> None:
    provider = Provider(provider_record)
    parts = relay(Handset(handset_record).pay(ADDRESS, "5", "EUR", at=NOW))
    opened = receive(provider, [*parts, *reversed(parts), *parts])
    assert [payment.duplicate for payment in opened] == [False, True, True]
    assert "duplicate" not in opened[0].as_json()
    assert opened[1].as_json()["duplicate"] is True


def test_one_part_that_comes_again_is_neither_missing_its_siblings_nor_in_their_way(
    handset_record: HandsetRecord, provider_record: ProviderRecord, relay: Relay
) -> None:
    provider, handset = Provider(provider_record), Handset(handset_record)
    first = relay(handset.pay(ADDRESS, "1.00", "EUR", at=NOW), piv=5)
    second = relay(handset.pay(ADDRESS, "2.00", "EUR", at=NOW), piv=5 + 256)
    opened = receive(provider, [*first, first[0], second[1], second[0]])
    assert [payment.payment.amount for payment in opened] == [100, 200]
    assert provider.gaps() == []


def test_a_reference_used_again_does_not_mix_two_payments(
    handset_record: HandsetRecord, provider_record: ProviderRecord, relay: Relay
) -> None:
    provider, handset = Provider(provider_record), Handset(handset_record)
    first = relay(handset.pay(ADDRESS, "1.00", "EUR", at=NOW), piv=5)
    second = relay(handset.pay(ADDRESS, "2.00", "EUR", at=NOW), piv=5 + 256)
    assert read_header(first[0].udh).reference == read_header(second[0].udh).reference
    opened = receive(provider, [first[0], second[0], second[1], first[1]])
    assert [payment.payment.amount for payment in opened] == [200, 100]
    assert provider.gaps() == []


def test_what_never_became_whole_is_named(
    handset_record: HandsetRecord, provider_record: ProviderRecord, relay: Relay
) -> None:
    provider = Provider(provider_record)
    receive(provider, relay(Handset(handset_record).pay(ADDRESS, "5", "EUR", at=NOW), piv=9)[:1])
    assert [(gap.reference, gap.total, gap.missing) for gap in provider.gaps()] == [(9, 2, (2,))]


@FIXED
@given(which=st.integers(0, 1), at=st.integers(0, 90), bit=st.integers(0, 7))
def test_one_changed_bit_is_refused(
    handset_record: HandsetRecord,
    provider_record: ProviderRecord,
    relay: Relay,
    which: int,
    at: int,
    bit: int,
) -> None:
    parts = relay(Handset(handset_record).pay(ADDRESS, "5", "EUR", at=NOW))
    body = bytearray(parts[which].data)
    body[at] ^= 1 << bit
    parts[which] = parts[which]._replace(data=bytes(body))
    with pytest.raises(VirtualError):
        receive(Provider(provider_record), parts)


def test_a_payment_of_an_unknown_device_is_refused(
    handset_record: HandsetRecord, provider_record: ProviderRecord, relay: Relay
) -> None:
    parts = relay(Handset(handset_record).pay(ADDRESS, "5", "EUR", at=NOW))
    with pytest.raises(DeviceUnknown):
        receive(Provider(replace(provider_record, devices={})), parts)


def test_a_payment_signed_with_another_device_s_key_is_refused(
    handset_record: HandsetRecord, provider_record: ProviderRecord, relay: Relay
) -> None:
    thief = replace(handset_record, private_key=ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(PaymentRefused):
        receive(Provider(provider_record), relay(Handset(thief).pay(ADDRESS, "5", "EUR", at=NOW)))


def test_a_payment_for_another_provider_or_too_late_is_refused(
    handset_record: HandsetRecord, provider_record: ProviderRecord, relay: Relay
) -> None:
    elsewhere = relay(Handset(handset_record).pay("+4930000", "5", "EUR", at=NOW))
    late = relay(Handset(handset_record).pay(ADDRESS, "5", "EUR", at=NOW, validity_s=60), at=NOW + 60)
    for parts in (elsewhere, late):
        with pytest.raises(PaymentRefused):
            receive(Provider(provider_record), parts)


def test_a_packet_under_another_key_is_refused(
    handset_record: HandsetRecord, provider_record: ProviderRecord, relay: Relay
) -> None:
    parts = relay(Handset(handset_record).pay(ADDRESS, "5", "EUR", at=NOW))
    other = replace(provider_record, kid=b"none")
    with pytest.raises(PacketNotAuthentic):
        receive(Provider(other), parts)


def test_every_payment_has_its_own_counter_and_the_last_one_ends_it(handset_record: HandsetRecord) -> None:
    handset = Handset(replace(handset_record, next_piv=MAX_PIV - 1))
    pivs = []
    for _ in range(2):
        parts = handset.pay(ADDRESS, "1", "EUR", at=NOW)
        pivs.append(read_packet(b"".join(part.data for part in parts)).piv)
    assert pivs == [MAX_PIV - 1, MAX_PIV]
    with pytest.raises(CounterExhausted):
        handset.pay(ADDRESS, "1", "EUR", at=NOW)


def test_another_finger_gets_no_certificate_and_uses_no_counter(handset_record: HandsetRecord) -> None:
    handset = Handset(handset_record)
    with pytest.raises(BiometricMismatch):
        handset.pay(ADDRESS, "1", "EUR", at=NOW, finger=Finger("somebody else"))
    assert handset.next_piv == handset_record.next_piv
    assert handset.pay(ADDRESS, "1", "EUR", at=NOW)


def test_a_certificate_is_what_was_signed(
    handset_record: HandsetRecord, provider_record: ProviderRecord, relay: Relay
) -> None:
    parts = relay(Handset(handset_record, method="iris").pay(ADDRESS, "1", "JPY", at=NOW))
    (opened,) = receive(Provider(provider_record), parts)
    assert read_payment(opened.certificate) == opened.payment
    assert opened.payment.methods == ("iris",)
    assert (opened.payment.amount, opened.payment.currency) == (1, 392)
    assert "1" not in repr(opened.payment)
    public = x509.load_der_x509_certificate(handset_record.certificate).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert verify_payment(opened.certificate, public) == opened.payment
    require_current(opened.payment, ADDRESS, opened.payment.expires - 1)
    with pytest.raises(PaymentRefused):
        require_current(opened.payment, ADDRESS, opened.payment.expires)


@given(st.integers(0, 10**12 - 1), st.sampled_from(sorted(CURRENCIES)))
def test_an_amount_reads_as_it_is_written(minor: int, currency: str) -> None:
    amount, name = write_amount(minor, CURRENCIES[currency].numeric)
    assert name == currency
    assert read_amount(amount, name) == (minor, CURRENCIES[currency].numeric)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("12.999", "EUR"),
        ("1.0", "JPY"),
        ("-1", "EUR"),
        ("1,00", "EUR"),
        ("", "EUR"),
        ("1", "XXX"),
        ("\u0661", "EUR"),
    ],
)
def test_what_is_no_amount_is_refused_and_never_rounded(amount: str, currency: str) -> None:
    with pytest.raises(AmountInvalid):
        read_amount(amount, currency)


def test_a_part_reads_as_it_is_written(handset_record: HandsetRecord) -> None:
    for part in Handset(handset_record).pay(ADDRESS, "1", "EUR", at=NOW):
        assert part_from_json(part.as_json()) == part


def test_an_identity_says_that_it_is_for_tests(identity: Identity) -> None:
    certificate = x509.load_der_x509_certificate(identity.certificate)
    assert "TEST ONLY" in certificate.subject.rfc4514_string()
    assert identity.device_id in certificate.subject.rfc4514_string()
    certificate.verify_directly_issued_by(certificate)
    others = {new_identity(NOW).device_id for _ in range(3)}
    assert len(others) == 3
