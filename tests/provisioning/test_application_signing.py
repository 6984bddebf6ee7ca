"""Signatures, tokens and receipts: those of another implementation hold, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from tsm_gateway.envelope.errors import SelfTestFailed
from tsm_gateway.provisioning import application_selftest, selftest
from tsm_gateway.provisioning.apdu import Response
from tsm_gateway.provisioning.app_command import Delete, InstallForInstall, InstallForLoad, LoadBlock
from tsm_gateway.provisioning.application_errors import (
    ApplicationKeyUnfit,
    ApplicationNotAuthentic,
    ReceiptMalformed,
    ReceiptNotAuthentic,
)
from tsm_gateway.provisioning.delegation import Delegation
from tsm_gateway.provisioning.load_file import LoadFile, LoadPlan
from tsm_gateway.provisioning.receipts import Receipt, read_receipt, verify_receipt
from tsm_gateway.provisioning.signing import (
    ECDSA_P256,
    RSA_PSS_2048,
    ApplicationKey,
    FileSigner,
    application_key,
    check_signature,
    key_id_of,
    sign_load_file,
    verify_signature,
)
from tsm_gateway.provisioning.tokens import Delegated, token_data, verify_token, with_token
from tsm_gateway.secret import Secret

VECTORS = Path(__file__).parents[1] / "vectors" / "dap" / "dap-token.json"
KNOWN: dict[str, Any] = json.loads(VECTORS.read_text("utf-8"))
KEYS = {
    name: application_key(load_der_public_key(bytes.fromhex(spki)))
    for name, spki in KNOWN["public_keys_spki_der"].items()
}
DIGEST = bytes.fromhex(KNOWN["lfdb_sha256"])
PACKAGE, APPLET, SD = (bytes.fromhex(KNOWN[name]) for name in ("load_file_aid", "module_aid", "sd_aid"))
P256 = ec.derive_private_key(7, ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
SIGNERS = {ECDSA_P256: FileSigner(P256), RSA_PSS_2048: FileSigner(RSA)}
LOAD_FILE = LoadFile(b"a load file data block", PACKAGE)
AT = 1_800_000_000


def signed(of: str, by: str) -> bytes:
    known = KNOWN[of][by]
    return bytes.fromhex(known["signature"] if of == "dap" else known)


def message(of: str) -> bytes:
    return DIGEST if of == "dap" else bytes.fromhex(KNOWN[of]["signed_data"])


SIGNATURES = [(of, by) for of in ("dap", "load_token", "install_token") for by in KEYS if by in KNOWN[of]]


def published_install_for_load() -> InstallForLoad:
    """Of the vectors' load file, of which only size and digest were published."""
    load_file = LoadFile(bytes(KNOWN["lfdb_length"]), PACKAGE)
    object.__setattr__(load_file, "digest", DIGEST)
    return InstallForLoad(load_file, SD, code_octets=0x10C8)


@pytest.mark.parametrize(("of", "by"), SIGNATURES)
def test_a_foreign_signature_holds(of: str, by: str) -> None:
    verify_signature(KEYS[by], message(of), signed(of, by))


@pytest.mark.parametrize(("of", "by"), SIGNATURES)
@given(data=st.data())
def test_one_flipped_bit_of_message_or_signature_is_refused(of: str, by: str, data: st.DataObject) -> None:
    whole = bytearray(message(of) + signed(of, by))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ApplicationNotAuthentic):
        verify_signature(KEYS[by], bytes(whole[: len(message(of))]), bytes(whole[len(message(of)) :]))


@pytest.mark.parametrize("by", KEYS)
@given(octets=st.binary(max_size=300))
def test_any_other_octets_are_no_signature(by: str, octets: bytes) -> None:
    with pytest.raises(ApplicationNotAuthentic):
        verify_signature(KEYS[by], DIGEST, octets)


def test_a_signature_by_the_other_key_is_refused() -> None:
    for by, other in (("p256", "rsa2048"), ("rsa2048", "p256")):
        with pytest.raises(ApplicationNotAuthentic):
            verify_signature(KEYS[by], DIGEST, signed("dap", other))


@pytest.mark.parametrize("scheme", SIGNERS)
def test_what_is_signed_here_verifies_here_and_as_others_do_it(scheme: str) -> None:
    signer = SIGNERS[scheme]
    row = sign_load_file(signer, LOAD_FILE, at=AT)
    assert (row.scheme, row.digest, row.signed_at) == (scheme, LOAD_FILE.digest, AT)
    assert row.key_id == signer.key_id == key_id_of(signer.public_key)
    assert len(row.signature) == {ECDSA_P256: 64, RSA_PSS_2048: 256}[scheme]
    check_signature(signer.public_key, LOAD_FILE, row)
    if isinstance(signer.public_key, rsa.RSAPublicKey):
        pss = PSS(mgf=MGF1(SHA256()), salt_length=32)
        signer.public_key.verify(row.signature, LOAD_FILE.digest, pss, SHA256())


@pytest.mark.parametrize("scheme", SIGNERS)
def test_a_signature_over_the_data_in_place_of_its_hash_is_refused(scheme: str) -> None:
    signer = SIGNERS[scheme]
    row = sign_load_file(signer, LOAD_FILE, at=AT)
    over_data = row._replace(signature=signer.sign(LOAD_FILE.octets))
    with pytest.raises(ApplicationNotAuthentic):
        check_signature(signer.public_key, LOAD_FILE, over_data)


def test_a_signature_by_rsa_in_the_old_padding_is_refused() -> None:
    old = RSA.sign(DIGEST, PKCS1v15(), SHA256())
    with pytest.raises(ApplicationNotAuthentic):
        verify_signature(RSA.public_key(), DIGEST, old)


def test_a_salt_of_another_length_is_refused() -> None:
    longest = RSA.sign(DIGEST, PSS(mgf=MGF1(SHA256()), salt_length=PSS.MAX_LENGTH), SHA256())
    with pytest.raises(ApplicationNotAuthentic):
        verify_signature(RSA.public_key(), DIGEST, longest)


def test_one_flipped_bit_of_the_load_file_is_refused() -> None:
    row = sign_load_file(SIGNERS[ECDSA_P256], LOAD_FILE, at=AT)
    altered = LoadFile(b"b" + LOAD_FILE.octets[1:], PACKAGE)
    with pytest.raises(ApplicationNotAuthentic):
        check_signature(P256.public_key(), altered, row)
    with pytest.raises(ApplicationNotAuthentic):
        check_signature(P256.public_key(), altered, row._replace(digest=altered.digest))


def test_a_signature_by_an_old_key_is_refused() -> None:
    old = FileSigner(ec.derive_private_key(8, ec.SECP256R1()))
    row = sign_load_file(old, LOAD_FILE, at=AT)
    check_signature(old.public_key, LOAD_FILE, row)
    for stated in (row, row._replace(key_id=key_id_of(P256.public_key()))):
        with pytest.raises(ApplicationNotAuthentic):
            check_signature(P256.public_key(), LOAD_FILE, stated)


def test_a_row_that_states_another_scheme_is_refused() -> None:
    row = sign_load_file(SIGNERS[ECDSA_P256], LOAD_FILE, at=AT)._replace(scheme=RSA_PSS_2048)
    with pytest.raises(ApplicationNotAuthentic):
        check_signature(P256.public_key(), LOAD_FILE, row)


UNFIT = (
    ec.derive_private_key(7, ec.SECP384R1()),
    ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)),
    rsa.generate_private_key(65537, 3072),
)


@pytest.mark.parametrize("key", UNFIT, ids=["p384", "ed25519", "rsa3072"])
def test_other_keys_sign_and_verify_no_application(key: Any) -> None:
    with pytest.raises(ApplicationKeyUnfit):
        FileSigner(key)
    with pytest.raises(ApplicationKeyUnfit):
        verify_signature(key.public_key(), DIGEST, bytes(64))
    with pytest.raises(ApplicationKeyUnfit):
        FileSigner(key.public_key())


def test_a_signer_prints_nothing_of_its_key() -> None:
    signer = SIGNERS[ECDSA_P256]
    assert repr(signer) == f"FileSigner({signer.key_id.hex()})"


def test_r_and_s_have_32_octets_each_even_when_they_are_small() -> None:
    class SmallSigner(FileSigner):
        def sign(self, message: bytes, /) -> bytes:
            signature = super().sign(message)
            while signature[0] and signature[32]:  # till one half begins with a zero
                signature = super().sign(message)
            return signature

    signature = SmallSigner(P256).sign(DIGEST)
    assert len(signature) == 64
    verify_signature(P256.public_key(), DIGEST, signature)
    assert decode_dss_signature(P256.sign(DIGEST, ec.ECDSA(SHA256())))[0] > 0


def test_the_data_of_the_published_tokens_is_ours_too() -> None:
    load = published_install_for_load()
    install = InstallForInstall(PACKAGE, APPLET, APPLET)
    assert token_data(load) == message("load_token")
    assert token_data(install) == message("install_token")


def test_the_published_tokens_hold_over_our_commands() -> None:
    load = published_install_for_load()
    install = InstallForInstall(PACKAGE, APPLET, APPLET, token=signed("install_token", "p256"))
    verify_token(KEYS["p256"], install)
    verify_token(KEYS["p256"], InstallForLoad(load.load_file, SD, signed("load_token", "p256"), 0x10C8))
    with pytest.raises(ApplicationNotAuthentic):
        verify_token(KEYS["p256"], InstallForLoad(load.load_file, SD, signed("load_token", "p256"), 0x10C9))


DELEGATED: list[Delegated] = [
    InstallForLoad(LOAD_FILE, SD),
    InstallForInstall(PACKAGE, APPLET, APPLET),
    Delete(PACKAGE, related=True),
]


@pytest.mark.parametrize("command", DELEGATED, ids=lambda each: type(each).__name__)
def test_a_token_is_for_its_command_and_no_other(command: Any) -> None:
    signer = SIGNERS[ECDSA_P256]
    given_leave = with_token(command, signer)
    verify_token(signer.public_key, given_leave)
    assert given_leave.command().data.endswith(given_leave.token)
    assert token_data(given_leave) == token_data(command)
    for other in DELEGATED:
        if type(other) is not type(command):
            with pytest.raises(ApplicationNotAuthentic):
                verify_signature(signer.public_key, token_data(other), given_leave.token)


def test_a_delete_token_says_whether_what_is_related_goes_too() -> None:
    assert token_data(Delete(PACKAGE, related=True)) == bytes.fromhex("00800A4F08") + PACKAGE
    assert token_data(Delete(PACKAGE, related=False)) == bytes.fromhex("00000A4F08") + PACKAGE


def test_tokens_by_rsa_fit_no_command() -> None:
    with pytest.raises(ApplicationKeyUnfit):
        with_token(DELEGATED[2], SIGNERS[RSA_PSS_2048])


RECEIPT_KEY = Secret(bytes(range(16)))
CARD_DATA = bytes.fromhex("420101450899")


def receipt_for(*aids: bytes, counter: int = 7, key: Secret = RECEIPT_KEY) -> bytes:
    """As a card makes it, spelt out."""
    covered = b"\x02" + counter.to_bytes(2, "big") + bytes((len(CARD_DATA),)) + CARD_DATA
    mac = CMAC(AES(key.reveal()))
    mac.update(covered + b"".join(bytes((len(aid),)) + aid for aid in aids))
    confirmation = b"\x10" + mac.finalize() + covered
    return bytes((len(confirmation),)) + confirmation


CONFIRMED: list[tuple[Delegated, tuple[bytes, ...]]] = [
    (DELEGATED[0], (PACKAGE, SD)),
    (DELEGATED[1], (PACKAGE, APPLET)),
    (DELEGATED[2], (PACKAGE,)),
]


@pytest.mark.parametrize(("command", "aids"), CONFIRMED, ids=["load", "install", "delete"])
def test_a_receipt_is_for_its_command_and_no_other(command: Any, aids: tuple[bytes, ...]) -> None:
    receipt = read_receipt(receipt_for(*aids))
    assert receipt is not None
    assert (receipt.counter, receipt.card_data) == (7, CARD_DATA)
    verify_receipt(RECEIPT_KEY, receipt, command)
    wrong = [other for other, _ in CONFIRMED if other is not command]
    for other in wrong:
        with pytest.raises(ReceiptNotAuthentic):
            verify_receipt(RECEIPT_KEY, receipt, other)
    for altered in (receipt._replace(counter=8), receipt._replace(card_data=b"")):
        with pytest.raises(ReceiptNotAuthentic):
            verify_receipt(RECEIPT_KEY, altered, command)
    with pytest.raises(ReceiptNotAuthentic):
        verify_receipt(Secret(bytes(16)), receipt, command)


@pytest.mark.parametrize("data", [b"", b"\x00"])
def test_a_card_may_give_no_receipt(data: bytes) -> None:
    assert read_receipt(data) is None


def test_what_later_editions_add_to_a_confirmation_is_passed_over() -> None:
    data = receipt_for(PACKAGE)
    longer = bytes((data[0] + 2,)) + data[1:] + b"\x01\xaa"
    assert read_receipt(longer) == read_receipt(data)


@pytest.mark.parametrize("data", ["01", "00AA", "0110", "1300000000", "0311AA00", "0500020007"])
def test_a_receipt_of_another_form_is_refused(data: str) -> None:
    with pytest.raises(ReceiptMalformed):
        read_receipt(bytes.fromhex(data))


def test_a_receipt_is_looked_for_behind_the_last_block_and_no_other() -> None:
    announced = InstallForLoad(LOAD_FILE, SD)
    plan = LoadPlan(LOAD_FILE, (), 10)
    blocks = [LoadBlock(plan, index) for index in range(plan.count)]
    assert len(blocks) > 2
    delegation = Delegation(SIGNERS[ECDSA_P256], RECEIPT_KEY)

    def confirm(*data: bytes) -> None:
        delegation.confirm([announced, *blocks], [Response(each, 0x9000) for each in (b"\x00", *data)])

    silent = [b"\x00"] * (len(blocks) - 1)
    sound, forged = receipt_for(PACKAGE, SD), receipt_for(PACKAGE, SD, key=Secret(bytes(16)))
    confirm(*silent, sound)
    confirm(forged, *silent[1:], sound)  # whatever comes with another block is no receipt
    with pytest.raises(ReceiptNotAuthentic):
        confirm(*silent, forged)
    with pytest.raises(ReceiptNotAuthentic):
        confirm(*silent, receipt_for(APPLET, SD))


def test_octets_behind_a_receipt_are_refused() -> None:
    with pytest.raises(ReceiptMalformed):
        read_receipt(receipt_for(PACKAGE) + b"\x00")


@given(st.binary(max_size=80))
def test_any_octets_are_a_receipt_or_refused(data: bytes) -> None:
    try:
        receipt = read_receipt(data)
    except ReceiptMalformed:
        return
    assert receipt is None or isinstance(receipt, Receipt)


CONSTANTS = {
    "_DIGEST": "dap-ecdsa-p256",
    "_P256_KEY": "dap-ecdsa-p256",
    "_P256_SIGNATURE": "dap-ecdsa-p256",
    "_RSA_KEY": "dap-rsa-pss",
    "_RSA_SIGNATURE": "dap-rsa-pss",
}


def test_the_known_answers_are_the_published_ones() -> None:
    assert application_selftest._DIGEST == DIGEST
    assert signed("dap", "p256") == application_selftest._P256_SIGNATURE
    assert signed("dap", "rsa2048") == application_selftest._RSA_SIGNATURE
    assert all(holds() for holds in application_selftest.TESTS.values())


@pytest.mark.parametrize(("constant", "primitive"), CONSTANTS.items())
def test_every_input_and_answer_counts(
    constant: str, primitive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = vars(application_selftest)[constant]
    monkeypatch.setattr(application_selftest, constant, octets[:-4] + bytes([octets[-4] ^ 2]) + octets[-3:])
    with pytest.raises(SelfTestFailed) as caught:
        selftest.run(hybrid=False)
    assert caught.value.facts == {"primitive": primitive}


def test_a_check_that_takes_any_signature_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def lenient(key: ApplicationKey, message: bytes, signature: bytes) -> None:
        pass

    monkeypatch.setattr(application_selftest, "verify_signature", lenient)
    assert not any(holds() for holds in application_selftest.TESTS.values())
