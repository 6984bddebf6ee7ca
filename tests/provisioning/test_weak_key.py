"""Public keys that give their private key away, built by the weakness each is known for."""

from __future__ import annotations

import random
from math import isqrt, prod
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from hypothesis import given, settings
from hypothesis import strategies as st

from tsm_gateway.envelope import weak_key
from tsm_gateway.envelope.weak_key import has_close_primes, is_roca, weakness_of_rsa
from tsm_gateway.provisioning.certificate_errors import KeyWeak
from tsm_gateway.provisioning.weak_key import refuse_weak

FIELD = 2**255 - 19
CHANCE = random.Random(20171015)
SMALL_PRIMES = [
    number for number in range(2, 2000) if all(number % each for each in range(2, isqrt(number) + 1))
]
GOOD = [rsa.generate_private_key(65537, 2048) for _ in range(3)]


def modulus(key: rsa.RSAPrivateKey) -> int:
    return key.public_key().public_numbers().n


def is_prime(number: int) -> bool:
    """Miller-Rabin over fixed bases: no adversary chose these numbers."""
    if any(number % each == 0 for each in SMALL_PRIMES[:200]):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in SMALL_PRIMES[:12]:
        power = pow(base, odd, number)
        if power not in {1, number - 1} and not any(
            (power := power * power % number) == number - 1 for _ in range(twos - 1)
        ):
            return False
    return True


def next_prime(number: int) -> int:
    number |= 1
    while not is_prime(number):
        number += 2
    return number


def some_prime(bits: int) -> int:
    return next_prime(CHANCE.getrandbits(bits) | 3 << (bits - 2))


def roca_prime(bits: int, primes: int) -> int:
    """k·M + (65537**a mod M), M the product of the first `primes` primes (Nemec et al., §2.1)."""
    primorial = prod(SMALL_PRIMES[:primes])
    spare = bits - primorial.bit_length()
    while True:
        k = CHANCE.getrandbits(spare) | 3 << (spare - 2)
        found = k * primorial + pow(65537, CHANCE.getrandbits(128), primorial)
        if found.bit_length() == bits and is_prime(found):
            return found


@pytest.mark.parametrize(
    ("bits", "primes"),
    [(256, 39), (512, 71), (1024, 126)],  # moduli of 512, 1024 and 2048 bits, with the product of each size
)
def test_a_modulus_of_the_library_of_2017_is_known_by_its_fingerprint(bits: int, primes: int) -> None:
    weak = roca_prime(bits, primes) * roca_prime(bits, primes)
    assert is_roca(weak)
    assert not is_roca(weak + 2)
    if bits == 1024:
        assert weakness_of_rsa(weak, 65537) == "rsa-roca"


def test_one_prime_of_that_library_alone_leaves_no_fingerprint() -> None:
    assert not is_roca(roca_prime(512, 71) * some_prime(512))


def test_good_keys_pass() -> None:
    for key in GOOD:
        assert weakness_of_rsa(modulus(key), 65537) is None
        refuse_weak(key.public_key())
    refuse_weak(ec.generate_private_key(ec.SECP256R1()).public_key())
    refuse_weak(ed25519.Ed25519PrivateKey.generate().public_key())
    refuse_weak(x25519.X25519PrivateKey.generate().public_key())


@given(st.integers(2**2047, 2**2048 - 1))
@settings(max_examples=300, deadline=None)
def test_no_other_number_has_the_fingerprint(number: int) -> None:
    assert not is_roca(number)


@pytest.mark.parametrize(
    ("exponent", "reason"),
    [
        (65537, None),
        (2**256 - 1, None),
        (2**256 + 1, "rsa-exponent"),
        (65535, "rsa-exponent"),
        (3, "rsa-exponent"),
        (1, "rsa-exponent"),
        (65538, "rsa-exponent"),
    ],
)
def test_the_exponent_is_odd_and_neither_small_nor_huge(exponent: int, reason: str | None) -> None:
    assert weakness_of_rsa(modulus(GOOD[0]), exponent) == reason


@pytest.mark.parametrize(
    ("bits", "reason"), [(2047, "rsa-size"), (2048, None), (4096, None), (4097, "rsa-size")]
)
def test_the_modulus_has_2048_bits_at_least(bits: int, reason: str | None) -> None:
    number = (1 << bits) - 1
    while weakness_of_rsa(number, 65537) == "rsa-factor":
        number -= 2
    assert weakness_of_rsa(number, 65537) == reason


def test_small_factors_and_squares_are_found() -> None:
    good = some_prime(1024)
    for factor in (2, 3, 97, 9973):
        assert weakness_of_rsa(factor * modulus(GOOD[0]), 65537) == "rsa-factor"
    assert weakness_of_rsa(good * good, 65537) == "rsa-factor"


@pytest.mark.parametrize("apart", [2, 1 << 100, 1 << 500], ids=["twins", "100 bits", "500 bits"])
def test_primes_close_to_each_other_are_found(apart: int) -> None:
    one = some_prime(1024)
    other = next_prime(one + apart)
    assert has_close_primes(one * other)
    assert weakness_of_rsa(one * other, 65537) == "rsa-close-primes"


def test_primes_far_enough_apart_are_not_called_close() -> None:
    one = some_prime(1024)
    assert not has_close_primes(one * next_prime(one + (1 << 924)))  # FIPS 186-5: |p-q| > 2**(bits/2 - 100)


@pytest.mark.parametrize("coordinate", [*sorted(weak_key._LOW_U), FIELD, FIELD + 1, 2**255 - 1])
@pytest.mark.parametrize("highest_bit", [0, 1 << 255])
def test_an_x25519_point_of_low_order_is_refused_however_it_is_spelled(
    coordinate: int, highest_bit: int
) -> None:
    octets = (coordinate | highest_bit).to_bytes(32, "little")
    with pytest.raises(KeyWeak):
        refuse_weak(x25519.X25519PublicKey.from_public_bytes(octets))


def test_those_are_the_points_with_which_everybody_agrees_on_nothing() -> None:
    mine = x25519.X25519PrivateKey.generate()
    for coordinate in weak_key._LOW_U:
        with pytest.raises(ValueError):  # the library refuses a shared secret of zeros
            mine.exchange(x25519.X25519PublicKey.from_public_bytes(coordinate.to_bytes(32, "little")))


def test_the_low_points_of_edwards25519_have_an_order_that_divides_8() -> None:
    curve = SimpleNamespace(d=-121665 * pow(121666, -1, FIELD) % FIELD)
    for y in weak_key._LOW_Y:
        x = x_of(y, curve.d)
        point = (x, y)
        for _ in range(3):
            point = doubled(*point, curve.d)
        assert point == (0, 1)
        for sign in (0, 1 << 255):
            with pytest.raises(KeyWeak):
                refuse_weak(ed25519.Ed25519PublicKey.from_public_bytes((y | sign).to_bytes(32, "little")))


def x_of(y: int, d: int) -> int:
    """RFC 8032 §5.1.3."""
    square = (y * y - 1) * pow(d * y * y + 1, -1, FIELD) % FIELD
    root = pow(square, (FIELD + 3) // 8, FIELD)
    if root * root % FIELD != square:
        root = root * pow(2, (FIELD - 1) // 4, FIELD) % FIELD
    assert root * root % FIELD == square, "not on the curve"
    return root


def doubled(x: int, y: int, d: int) -> tuple[int, int]:
    """RFC 8032 §5.1.4, in affine coordinates."""
    product = d * x * x * y * y
    return (
        2 * x * y * pow(1 + product, -1, FIELD) % FIELD,
        (y * y + x * x) * pow(1 - product, -1, FIELD) % FIELD,
    )


def test_the_reason_is_told_and_the_key_is_not() -> None:
    weak: Any = rsa.generate_private_key(3, 2048).public_key()
    with pytest.raises(KeyWeak) as refused:
        refuse_weak(weak)
    assert refused.value.facts == {"reason": "rsa-exponent"}
