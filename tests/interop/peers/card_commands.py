"""GlobalPlatform commands spelt out octet by octet (Card Specification 2.3 §11), for hosts that know none.

They share nothing with the product's own. A command is CLA INS P1 P2 and the data field, without Lc.
"""

from __future__ import annotations

BLOCK = 239  # the most that pads to 240 octets and leaves room for a C-MAC of eight
SECURITY_DOMAINS, APPLICATIONS, LOAD_FILES = 0x80, 0x40, 0x20  # P1 of GET STATUS
ROW, AID = 0xE3, 0x4F  # tags in its answer
SELECTABLE = bytes.fromhex("00")  # no privilege


def lv(*values: bytes) -> bytes:
    """Each value behind its length of one octet."""
    return b"".join(bytes([len(value)]) + value for value in values)


def tlv(tag: str, value: bytes) -> bytes:
    """A tag in hex, a length in as few octets as it takes, the value."""
    length = len(value)
    octets = length.to_bytes((length.bit_length() + 7) // 8 or 1, "big")
    return bytes.fromhex(tag) + (b"" if length < 0x80 else bytes([0x80 | len(octets)])) + octets + value


def install_for_load(file: bytes, domain: bytes, digest: bytes, size: int) -> bytes:
    needs = tlv("EF", tlv("C6", size.to_bytes(2, "big")))
    return bytes.fromhex("80E60200") + lv(file, domain, digest, needs, b"")


def load(load_file: bytes, signatures: list[tuple[bytes, bytes]]) -> list[bytes]:
    """LOAD blocks of a load file data block behind its DAP blocks: (security domain, signature) each."""
    daps = b"".join(tlv("E2", tlv("4F", domain) + tlv("C3", signature)) for domain, signature in signatures)
    whole = daps + tlv("C4", load_file)
    blocks = [whole[at : at + BLOCK] for at in range(0, len(whole), BLOCK)]
    last = len(blocks) - 1
    return [
        bytes([0x80, 0xE8, 0x80 if number == last else 0x00, number & 0xFF]) + block
        for number, block in enumerate(blocks)
    ]


def install_and_make_selectable(file: bytes, module: bytes, instance: bytes) -> bytes:
    return bytes.fromhex("80E60C00") + lv(file, module, instance, SELECTABLE, tlv("C9", b""), b"")


def delete_with_instances(aid: bytes) -> bytes:
    return bytes.fromhex("80E40080") + tlv("4F", aid)


def get_status(of: int) -> bytes:
    return bytes([0x80, 0xF2, of, 0x02]) + tlv("4F", b"")


def key_information() -> bytes:
    return bytes.fromhex("80CA00E0")


def objects(octets: bytes) -> list[tuple[int, bytes]]:
    """The tags of one octet in `octets`, with their values of at most 127; longer tags are passed over."""
    found, at = [], 0
    while at < len(octets):
        tag, start = octets[at], at + 2 + (octets[at] & 0x1F == 0x1F)
        at = start + octets[start - 1]
        found.append((tag, octets[start:at]))
    return found


def load_file_data_block(package: bytes, applet: bytes, code_octets: int) -> bytes:
    """A package of one applet in CAP format 2.1 (Java Card VM Specification, chapter 6), no Descriptor.

    Its code is nothing a card could run: `code_octets` of Method that tell where they stand.
    """
    parts = {
        1: bytes.fromhex("DECAFFED 01 02 04 00 01") + lv(package),  # Header: with applets, version 1.0
        4: bytes(1),  # Import: none
        3: bytes([1]) + lv(applet) + bytes(2),
        6: b"",  # Class
        7: bytes(at % 251 for at in range(code_octets)),
        8: bytes(10),  # StaticField
        5: bytes(2),  # ConstantPool
        9: bytes(4),  # RefLocation
    }
    directory = 31
    sizes = {tag: len(part) for tag, part in parts.items()} | {2: directory}
    told = b"".join(sizes.get(tag, 0).to_bytes(2, "big") for tag in range(1, 12))
    parts = {1: parts[1], 2: told.ljust(directory - 2, b"\0") + bytes([1, 0])} | parts  # one applet
    return b"".join(bytes([tag]) + len(part).to_bytes(2, "big") + part for tag, part in parts.items())
