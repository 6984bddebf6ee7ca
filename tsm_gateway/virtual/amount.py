"""Amounts as people write them, and as ISO 4217 numbers them."""

from __future__ import annotations

import re
from typing import NamedTuple

from tsm_gateway.virtual.errors import AmountInvalid

_AMOUNT = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,4}))?")


class Currency(NamedTuple):
    """A row of ISO 4217."""

    numeric: int
    exponent: int  # decimal digits of the minor unit


CURRENCIES = {
    "AED": Currency(784, 2),
    "AUD": Currency(36, 2),
    "BGN": Currency(975, 2),
    "BHD": Currency(48, 3),
    "BRL": Currency(986, 2),
    "CAD": Currency(124, 2),
    "CHF": Currency(756, 2),
    "CLP": Currency(152, 0),
    "CNY": Currency(156, 2),
    "COP": Currency(170, 2),
    "CZK": Currency(203, 2),
    "DKK": Currency(208, 2),
    "EUR": Currency(978, 2),
    "GBP": Currency(826, 2),
    "HKD": Currency(344, 2),
    "HUF": Currency(348, 2),
    "IDR": Currency(360, 2),
    "ILS": Currency(376, 2),
    "INR": Currency(356, 2),
    "ISK": Currency(352, 0),
    "JOD": Currency(400, 3),
    "JPY": Currency(392, 0),
    "KES": Currency(404, 2),
    "KRW": Currency(410, 0),
    "KWD": Currency(414, 3),
    "MXN": Currency(484, 2),
    "MYR": Currency(458, 2),
    "NGN": Currency(566, 2),
    "NOK": Currency(578, 2),
    "NZD": Currency(554, 2),
    "OMR": Currency(512, 3),
    "PHP": Currency(608, 2),
    "PLN": Currency(985, 2),
    "RON": Currency(946, 2),
    "SAR": Currency(682, 2),
    "SEK": Currency(752, 2),
    "SGD": Currency(702, 2),
    "THB": Currency(764, 2),
    "TND": Currency(788, 3),
    "TRY": Currency(949, 2),
    "TWD": Currency(901, 2),
    "UAH": Currency(980, 2),
    "USD": Currency(840, 2),
    "VND": Currency(704, 0),
    "ZAR": Currency(710, 2),
}
_NAMES = {currency.numeric: (name, currency.exponent) for name, currency in CURRENCIES.items()}


def read_amount(amount: str, currency: str) -> tuple[int, int]:
    """(minor units, ISO 4217 numeric) of "12.99" and "EUR". Raises AmountInvalid; nothing is rounded."""
    row = CURRENCIES.get(currency)
    if row is None:
        raise AmountInvalid(what="unknown currency")
    match = _AMOUNT.fullmatch(amount)
    if match is None or len(match[2] or "") > row.exponent:
        raise AmountInvalid(what="digits", decimals=row.exponent)
    return int(match[1] + (match[2] or "").ljust(row.exponent, "0")), row.numeric


def write_amount(minor: int, currency: int) -> tuple[str, str]:
    """("12.99", "EUR") of 1299 and 978; of an unknown currency the bare units and its three digits."""
    name, exponent = _NAMES.get(currency, (f"{currency:03d}", 0))
    digits = str(minor).rjust(exponent + 1, "0")
    return (f"{digits[:-exponent]}.{digits[-exponent:]}" if exponent else digits), name
