"""Write the TSM-1 vectors beside this file: `python tests/vectors/tsm1/make.py [FOLDER]`.

A second, literal reading of the packet: octets are concatenated as the format's figures show them, with
`cryptography` for the primitives and nothing of the product. Signing is deterministic (RFC 6979), so the
same run gives the same files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY = bytes(range(0x40, 0x60))
KID = bytes.fromhex("5a17c0de")
OTHER_KID = bytes.fromhex("5a17c0df")
PORT = 16500
DEVICE = "d:00112233aabbccdd"
PROVIDER = "parking"
ADDRESS = "+4930123456789"
CTI = bytes.fromhex("c710000000000001")
INSTRUMENT = bytes.fromhex("70cec0ffee0000000000000000000001")
MESSAGE_ID = bytes.fromhex("0123456789abcdef0123456789abcdef")
SIGNER = ec.derive_private_key(0x5EC0DE, ec.SECP256R1())
STRANGER = ec.derive_private_key(0x0BAD, ec.SECP256R1())
WAYS = ("up", "down", "to provider", "from provider")


# --- CBOR by hand (RFC 8949 §3): the head of an item is its type and its length or value ---


def head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes([major * 32 + value])
    if value < 256:
        return bytes([major * 32 + 24, value])
    if value < 65536:
        return bytes([major * 32 + 25]) + value.to_bytes(2, "big")
    if value < 2**32:
        return bytes([major * 32 + 26]) + value.to_bytes(4, "big")
    return bytes([major * 32 + 27]) + value.to_bytes(8, "big")


def uint(value: int) -> bytes:
    return head(0, value)


def bstr(octets: bytes) -> bytes:
    return head(2, len(octets)) + octets


def tstr(text: str) -> bytes:
    return head(3, len(text.encode())) + text.encode()


def array(*items: bytes) -> bytes:
    return head(4, len(items)) + b"".join(items)


# --- the certificate ---

AMR = array(tstr("fpt"))


def payment(amr: bytes = AMR) -> bytes:
    return b"\x3a\x00\x01\x00\x00" + array(bstr(INSTRUMENT), uint(129900), uint(978), amr)


def claims(amr: bytes = AMR) -> bytes:
    return b"".join(
        (
            b"\xa6",
            b"\x01" + tstr(DEVICE),
            b"\x03" + tstr(ADDRESS),
            b"\x04" + uint(1700000300),
            b"\x06" + uint(1700000000),
            b"\x07" + bstr(CTI),
            payment(amr),
        )
    )


def certificate(payload: bytes, signer: ec.EllipticCurvePrivateKey = SIGNER) -> bytes:
    signed = array(tstr("Signature1"), bstr(b"\xa1\x01\x26"), bstr(b""), bstr(payload))
    r, s = decode_dss_signature(signer.sign(signed, ec.ECDSA(SHA256(), deterministic_signing=True)))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return b"\x84\x43\xa1\x01\x26\xa0" + bstr(payload) + bstr(signature)


# --- the packet ---


def derived(label: str, length: int) -> bytes:
    info = array(tstr("tsm-1"), tstr(label), uint(length))
    return HKDF(SHA256(), length, salt=KID, info=info).derive(KEY)


def ciphertext(
    plaintext: bytes, piv: bytes, direction: int = 0, owner: str = DEVICE, port: int = PORT
) -> bytes:
    iv = derived(WAYS[direction] + " iv", 12)
    block = bytes([len(KID)]) + KID.rjust(6, b"\x00") + piv.rjust(5, b"\x00")
    nonce = bytes(a ^ b for a, b in zip(iv, block, strict=True))
    external_aad = array(uint(1), uint(direction), tstr(owner), uint(port))
    aad = array(tstr("Encrypt0"), bstr(b"\xa1\x01\x03"), bstr(external_aad))
    return AESGCM(derived(WAYS[direction] + " key", 32)).encrypt(nonce, plaintext, aad)


def packet(sealed: bytes, piv: bytes, kid: bytes = KID, alg: bytes = b"\x43\xa1\x01\x03") -> bytes:
    return b"\x83" + alg + b"\xa2\x04" + bstr(kid) + b"\x06" + bstr(piv) + bstr(sealed)


# --- the files ---


class Vector(NamedTuple):
    name: str
    comment: str
    clause: str
    expect: str
    octets: bytes
    headers: tuple[tuple[str, str], ...] = ()


PIV = bytes.fromhex("011170")  # 70000
PLAIN = array(tstr(ADDRESS), bstr(certificate(claims())))
SEALED = ciphertext(PLAIN, PIV)
GENUINE = packet(SEALED, PIV)
UP = (("direction", "0"), ("owner", DEVICE))
AT_REST = (*UP, ("highest-piv", "69999"))


def opened(name: str, comment: str, piv: bytes, highest: int) -> Vector:
    headers = (*UP, ("highest-piv", str(highest)), ("plaintext", PLAIN.hex()))
    return Vector(name, comment, "RFC 8613 §5.2", "opened", packet(ciphertext(PLAIN, piv), piv), headers)


def malformed(name: str, comment: str, octets: bytes, clause: str = "RFC 8949 §4.2.1") -> Vector:
    return Vector(name, comment, clause, "malformed", octets, AT_REST)


def foreign(name: str, comment: str, octets: bytes, clause: str = "RFC 9052 §5.3") -> Vector:
    return Vector(name, comment, clause, "not_authentic", octets, AT_REST)


def inside(name: str, comment: str, plaintext: bytes, expect: str, clause: str) -> Vector:
    return Vector(name, comment, clause, expect, packet(ciphertext(plaintext, PIV), PIV), AT_REST)


def replayed(name: str, comment: str, highest: int) -> Vector:
    headers = (*UP, ("highest-piv", str(highest)))
    return Vector(name, comment, "RFC 8613 §7.4", "replay", GENUINE, headers)


def vectors() -> list[Vector]:
    return [*genuine(), *misspelt(), *other_keys(), *other_contents(), *seen_before(), for_provider()]


def genuine() -> list[Vector]:
    return [
        opened("opened", "the usual packet of two parts", PIV, 69999),
        opened("opened-piv-0", "the first counter there is: one octet 00", b"\x00", -1),
        opened("opened-piv-255", "the highest of one octet", b"\xff", 254),
        opened("opened-piv-256", "the lowest of two octets", b"\x01\x00", 255),
        opened("opened-piv-last", "the highest of five octets", b"\xff" * 5, 2**40 - 2),
        opened("opened-late", "63 behind the highest, its place still free", PIV, 70063),
    ]


def misspelt() -> list[Vector]:
    two_crit = b"\x48\xa2\x01\x03\x02\x81\x19\x03\xe7"  # {1: 3, 2: [999]}
    swapped = b"\x83\x43\xa1\x01\x03\xa2\x06" + bstr(PIV) + b"\x04" + bstr(KID) + bstr(SEALED)
    twice = b"\x83\x43\xa1\x01\x03\xa2\x04" + bstr(KID) + b"\x04" + bstr(KID) + bstr(SEALED)
    before = GENUINE[: -len(bstr(SEALED))]
    zero = packet(ciphertext(PLAIN, PIV), b"\x00" + PIV)
    return [
        malformed("empty", "no octet at all", b"", "TSM-1, packet"),
        malformed("piv-leading-zero", "the same counter in one octet more", zero, "RFC 8613 §5"),
        malformed("piv-two-zeros", "counter 0 in two octets", packet(SEALED, b"\x00\x00"), "RFC 8613 §5"),
        malformed("piv-empty", "a Partial IV of no octets", packet(SEALED, b""), "RFC 8613 §6.1"),
        malformed("piv-6-octets", "a Partial IV of six", packet(SEALED, b"\x01" * 6), "RFC 8613 §6.1"),
        malformed("kid-3-octets", "a kid too short", packet(SEALED, PIV, KID[:3])),
        malformed("kid-5-octets", "a kid too long", packet(SEALED, PIV, KID + b"\x00")),
        malformed("alg-a128gcm", "another algorithm", packet(SEALED, PIV, alg=b"\x43\xa1\x01\x01")),
        malformed("alg-long", "A256GCM in an octet more", packet(SEALED, PIV, alg=b"\x44\xa1\x01\x18\x03")),
        malformed("alg-absent", "an empty protected header", packet(SEALED, PIV, alg=b"\x40")),
        malformed("crit", "a critical header", packet(SEALED, PIV, alg=two_crit), "RFC 9052 §3.1"),
        malformed("headers-swapped", "Partial IV ahead of kid", swapped),
        malformed("kid-twice", "a duplicate key", twice),
        malformed("length-long", "the ciphertext's length in two octets", before + b"\x59\x00\xcb" + SEALED),
        malformed("indefinite", "a ciphertext in chunks", before + b"\x5f" + bstr(SEALED) + b"\xff"),
        malformed("tagged", "with the COSE_Encrypt0 tag", b"\xd0" + GENUINE),
        malformed("trailing", "an octet behind the end", GENUINE + b"\x00", "TSM-1, packet"),
        malformed("cut", "without its last octet", GENUINE[:-1], "TSM-1, packet"),
        malformed("no-room-for-tag", "a ciphertext of 15 octets", packet(SEALED[:15], PIV), "RFC 9053 §4.1"),
        malformed("too-long", "1025 octets", packet(bytes(1025 - 20), PIV), "TSM-1, packet"),
    ]


def other_keys() -> list[Vector]:
    flipped = bytes([SEALED[0] ^ 0x80])
    return [
        foreign("tag-flipped", "the last bit", GENUINE[:-1] + bytes([GENUINE[-1] ^ 1])),
        foreign("text-flipped", "the first bit of the text", packet(flipped + SEALED[1:], PIV)),
        foreign("longest", "1024 octets", packet(bytes(1024 - 20), PIV), "TSM-1, packet"),
        foreign("tag-alone", "16 octets of nothing", packet(bytes(16), PIV)),
        foreign("direction", "sealed as from the TSM", packet(ciphertext(PLAIN, PIV, 1), PIV)),
        foreign("owner", "sealed for another owner", packet(ciphertext(PLAIN, PIV, 0, "d:" + "0" * 16), PIV)),
        foreign("port", "sealed for another port", packet(ciphertext(PLAIN, PIV, port=16501), PIV)),
        foreign("kid-altered", "the kid names another key", packet(SEALED, PIV, OTHER_KID), "RFC 8613 §5.2"),
        foreign("piv-altered", "the counter moved on", packet(SEALED, b"\x01\x11\x71"), "RFC 8613 §5.2"),
    ]


def other_contents() -> list[Vector]:
    forged = array(tstr(ADDRESS), bstr(certificate(claims(), STRANGER)))
    unknown = array(tstr(ADDRESS), bstr(certificate(b"\xa7" + claims()[1:] + b"\x3a\x00\x01\x00\x01\x00")))
    twice = array(tstr(ADDRESS), bstr(certificate(b"\xa7\x01" + tstr(DEVICE) + claims()[1:])))
    amr = array(tstr(ADDRESS), bstr(certificate(claims(array(tstr("tel"))))))
    return [
        inside("signer", "signed by another device", forged, "certificate_invalid", "RFC 9052 §4.4"),
        inside("claim-unknown", "a seventh claim", unknown, "malformed", "TSM-1, certificate"),
        inside("claim-twice", "the issuer twice", twice, "malformed", "RFC 8949 §5.6"),
        inside("amr-unknown", "a method that is in no table", amr, "malformed", "RFC 8176 §2"),
        inside("payload-empty", "sealed nothing", b"", "malformed", "TSM-1, payload"),
        inside("payload-trailing", "an octet behind it", PLAIN + b"\x00", "malformed", "TSM-1, payload"),
    ]


def seen_before() -> list[Vector]:
    return [
        replayed("replay-highest", "a genuine packet, its counter the highest accepted", 70000),
        replayed("replay-left", "64 behind the highest: left of the window", 70064),
    ]


def for_provider() -> Vector:
    plaintext = array(bstr(certificate(claims())), uint(1700000001), bstr(MESSAGE_ID))
    octets = packet(ciphertext(plaintext, PIV, 2, PROVIDER), PIV)
    headers = (("direction", "2"), ("owner", PROVIDER), ("plaintext", plaintext.hex()))
    return Vector("to-provider", "what a provider receives", "RFC 8613 §5.2", "opened", octets, headers)


def text_of(vector: Vector) -> str:
    public = SIGNER.public_key().public_numbers()
    headers = [
        ("source", "tests/vectors/tsm1/make.py"),
        ("made-with", "python tests/vectors/tsm1/make.py"),
        ("clause", vector.clause),
        ("comment", vector.comment),
        ("key", KEY.hex()),
        ("kid", KID.hex()),
        ("port", str(PORT)),
        ("signer", f"{public.x:064x}{public.y:064x}"),
        *vector.headers,
        ("expect", vector.expect),
    ]
    octets = vector.octets
    lines = [octets[start : start + 32].hex(" ") for start in range(0, len(octets), 32)]
    return "".join(f"{name}: {value}\n" for name, value in headers) + "\n" + "".join(f"{x}\n" for x in lines)


def main(folder: Path) -> None:
    for vector in vectors():
        (folder / f"{vector.name}.txt").write_text(text_of(vector), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
