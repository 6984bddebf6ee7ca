"""Public keys that give their private key away.

What a public key alone can show, each with the reason it is refused for:

| reason | what it is |
|---|---|
| `rsa-numbers` | numbers the crypto library refuses to read: an even exponent, one of 1 |
| `rsa-size` | a modulus shorter than 2048 bits, or longer than what signatures are checked under |
| `rsa-exponent` | even, or outside 2**16 < e < 2**256 (FIPS 186-5 §5.4) |
| `rsa-factor` | divisible by a small prime, or a square: no product of two large primes |
| `rsa-close-primes` | p and q so near each other that Fermat's method finds them in a few steps |
| `rsa-roca` | made by the library of CVE-2017-15361, found in secure elements of one maker |
| `low-order` | an X25519 or Ed25519 point of order 1, 2, 4 or 8, or not spelled as RFC 7748 and 8032 do |
"""

from __future__ import annotations

from math import gcd, isqrt, lcm, prod
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from tsm_gateway.envelope.signature import RSA_BITS

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPONENT: Final = (1 << 16, 1 << 256)  # both excluded
FERMAT_STEPS: Final = 128  # finds |p-q| below about 2**(bits/4 + 4); chance does not come near
_SMALL: Final = 10_000  # primes below are tried as factors

_FIELD: Final = (1 << 255) - 19
_SIGN: Final = (1 << 255) - 1  # masks the highest bit: ignored by X25519, a sign in Ed25519
# The u coordinates of order 1 (infinity is 0), 2, 4 and 8 on Curve25519 and its twist.
_LOW_U: Final = frozenset(
    {
        *(0, 1, _FIELD - 1),
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)
# The y coordinates of order 1, 2, 4 and 8 on edwards25519: 1, -1, 0 and a pair of opposites.
_ORDER_8: Final = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
_LOW_Y: Final = frozenset({0, 1, _FIELD - 1, _ORDER_8, _FIELD - _ORDER_8})


def weakness_of(key: object) -> str | None:
    """The first reason of the table that holds for a public key; None when nothing is known against it.

    A point of P-256 was checked to lie on the curve when it was read, and every one of them is good.
    """
    if isinstance(key, RSAPublicKey):
        numbers = key.public_numbers()
        return weakness_of_rsa(numbers.n, numbers.e)
    if isinstance(key, X25519PublicKey | Ed25519PublicKey):
        points = _LOW_U if isinstance(key, X25519PublicKey) else _LOW_Y
        return "low-order" if _is_low(key.public_bytes_raw(), points) else None
    return None


def weakness_of_rsa(modulus: int, exponent: int) -> str | None:
    """The first reason of the table that holds for an RSA key; None when none does."""
    if modulus.bit_length() not in RSA_BITS:  # envelope/signature.py would never check a proof under it
        return "rsa-size"
    if exponent % 2 == 0 or not EXPONENT[0] < exponent < EXPONENT[1]:
        return "rsa-exponent"
    if gcd(modulus, _SMALL_PRIMES_PRODUCT) != 1 or isqrt(modulus) ** 2 == modulus:
        return "rsa-factor"
    if is_roca(modulus):
        return "rsa-roca"
    return "rsa-close-primes" if has_close_primes(modulus) else None


def has_close_primes(modulus: int) -> bool:
    """Fermat: n = a**2 - b**2 = (a-b)(a+b), with `a` just above the root when the factors are close."""
    a = isqrt(modulus - 1) + 1
    for above in range(a, a + FERMAT_STEPS):
        square = above * above - modulus
        if isqrt(square) ** 2 == square:
            return True
    return False


def is_roca(modulus: int) -> bool:
    """The fingerprint of CVE-2017-15361 (Nemec et al., ACM CCS 2017, §2).

    Its primes are k·M + (65537**a mod M), M the product of the first primes; so n mod M is a power of
    65537 as well. Modulo each small prime the exponent is looked up, and all of them have to be one
    number: for a modulus of another origin the chance is far below 2**-100. M is larger for longer keys,
    and divisible by these 38 odd primes at every length.
    """
    exponent, period = 0, 1
    for prime, powers in _POWERS.items():
        found = powers.get(modulus % prime)
        if found is None:
            return False
        order = len(powers)
        shared = gcd(period, order)
        if (found - exponent) % shared:
            return False
        steps = (found - exponent) // shared * pow(period // shared, -1, order // shared)
        exponent, period = exponent + period * (steps % (order // shared)), lcm(period, order)
    return True


def _is_low(octets: bytes, points: frozenset[int]) -> bool:
    coordinate = int.from_bytes(octets, "little") & _SIGN
    return coordinate >= _FIELD or coordinate in points


def _primes_below(limit: int) -> list[int]:
    """The sieve of Eratosthenes."""
    left = bytearray([1]) * limit
    left[:2] = bytes(2)
    for number in range(2, isqrt(limit) + 1):
        if left[number]:
            left[number * number :: number] = bytes(len(range(number * number, limit, number)))
    return [number for number, is_prime in enumerate(left) if is_prime]


def _powers_of_65537(prime: int) -> dict[int, int]:
    """65537**i mod `prime` -> i, over one period."""
    powers, value = {1: 0}, 65537 % prime
    while value != 1:
        powers[value] = len(powers)
        value = value * 65537 % prime
    return powers


_SMALL_PRIMES: Final = _primes_below(_SMALL)
_SMALL_PRIMES_PRODUCT: Final = prod(_SMALL_PRIMES)
_POWERS: Final[Mapping[int, Mapping[int, int]]] = {
    prime: _powers_of_65537(prime)
    for prime in _SMALL_PRIMES
    if 2 < prime <= 167  # noqa: PLR2004 - M of 512 bits
}
