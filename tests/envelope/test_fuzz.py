"""A hundred thousand packets gone wrong on their way: two errors and nothing else."""

from __future__ import annotations

import random
from collections import Counter

from tests.envelope.house import packet, up
from tsm_gateway.envelope.cose import TAG_OCTETS
from tsm_gateway.envelope.errors import Malformed, NotAuthentic
from tsm_gateway.envelope.tsm1 import open_packet, parse_packet

CASES = 100_000
HEAD = 20  # octets up to the ciphertext: where changes meet the parser


def mutated(genuine: bytes, chance: random.Random) -> bytes:
    """One to three changes: a bit, an octet, a cut, a piece put in, a piece doubled, another end."""
    octets = bytearray(genuine)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(HEAD if chance.random() < 0.5 else len(octets)) % len(octets)
        match chance.randrange(6):
            case 0:
                octets[at] ^= 1 << chance.randrange(8)
            case 1:
                octets[at] = chance.randrange(256)
            case 2:
                del octets[at : at + chance.randint(1, 4)]
            case 3:
                octets[at:at] = chance.randbytes(chance.randint(1, 4))
            case 4:
                octets[at:at] = octets[at : at + chance.randint(1, 40)]
            case _:
                del octets[max(at, TAG_OCTETS) :]
        if not octets:
            break
    return bytes(octets)


def test_a_mutated_packet_is_malformed_or_not_authentic() -> None:
    chance = random.Random(9052)  # repeatable, not secret
    genuine, traffic = packet(), up()
    met: Counter[str] = Counter()
    for _ in range(CASES):
        octets = mutated(genuine, chance)
        if octets == genuine:
            continue
        try:
            open_packet(parse_packet(octets), traffic)
        except (Malformed, NotAuthentic) as error:
            met[error.code] += 1
        else:
            raise AssertionError(octets.hex())
    assert min(met["malformed"], met["not-authentic"]) > CASES // 20  # both stages were reached
