"""The payment certificate (design §5.3): a CWT (RFC 8392) in a COSE_Sign1, made by the crypto element."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.virtual.cbor_literal import Value, decode, encode
from tsm_gateway.virtual.cose_literal import read_sign1, sign1, verify_sign1
from tsm_gateway.virtual.errors import FormatMalformed, PaymentRefused

if TYPE_CHECKING:
    from tsm_gateway.virtual.signature_literal import SigningKey, VerifyingKey

ISS, AUD, EXP, IAT, CTI = 1, 3, 4, 6, 7  # RFC 8392 §4
PAYMENT = -65537  # private use: [instrument, amount, currency, [amr…]]
CTI_OCTETS, INSTRUMENT_OCTETS = 8, 16


class Payment(NamedTuple):
    """The claims of a payment certificate."""

    device_id: str  # iss: "d:" and 16 hexadecimal digits
    address: str  # aud: the service provider's
    expires: int  # Unix seconds
    issued: int  # Unix seconds
    cti: bytes  # 8 octets, never twice from one device
    instrument: bytes  # 16 octets, a token and never a card number
    amount: int  # minor units
    currency: int  # ISO 4217 numeric
    methods: tuple[str, ...]  # how the user was recognised (RFC 8176): "fpt", "face", "iris", "pin"

    def __repr__(self) -> str:
        """Say what it is, never who pays what."""
        return "Payment(…)"


def sign_payment(payment: Payment, private_key: SigningKey) -> bytes:
    """The certificate over `payment`, signed with the device's key."""
    claims: dict[int, Value] = {
        ISS: payment.device_id,
        AUD: payment.address,
        EXP: payment.expires,
        IAT: payment.issued,
        CTI: payment.cti,
        PAYMENT: [payment.instrument, payment.amount, payment.currency, payment.methods],
    }
    return sign1(encode(claims), private_key)


def verify_payment(certificate: bytes, public_key: VerifyingKey) -> Payment:
    """The payment that `certificate` proves. Raises FormatMalformed or PaymentRefused."""
    return _payment(verify_sign1(read_sign1(certificate), public_key))


def read_payment(certificate: bytes) -> Payment:
    """The claims of `certificate`, NOT verified: to find out whose signature to verify."""
    return _payment(read_sign1(certificate).payload)


def _payment(payload: bytes) -> Payment:
    claims = decode(payload)
    if not isinstance(claims, dict) or set(claims) != {ISS, AUD, EXP, IAT, CTI, PAYMENT}:
        raise FormatMalformed(what="claims")
    match (*(claims[label] for label in (ISS, AUD, EXP, IAT, CTI)), claims[PAYMENT]):
        case (
            str(iss),
            str(aud),
            int(exp),
            int(iat),
            bytes(cti),
            [bytes(instrument), int(amount), int(currency), list(amr)],
        ) if len(cti) == CTI_OCTETS and len(instrument) == INSTRUMENT_OCTETS:
            methods = tuple(method for method in amr if isinstance(method, str))
            if len(methods) == len(amr) and min(exp, iat, amount, currency) >= 0:
                return Payment(iss, aud, exp, iat, cti, instrument, amount, currency, methods)
    raise FormatMalformed(what="a claim of another type or length")


def require_current(payment: Payment, address: str, at: int) -> None:
    """Raise PaymentRefused unless `payment` is for `address` and had not expired at `at`, Unix seconds."""
    if payment.address != address:
        raise PaymentRefused(what="aud")
    if payment.expires <= at:
        raise PaymentRefused(what="exp")
