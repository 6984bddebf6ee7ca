"""Reads the text vectors: header lines, a blank line, octets in hex."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

VECTORS = Path(__file__).parents[1] / "vectors"

REQUIRED = {
    *("source", "made-with", "clause", "comment"),
    *("key", "kid", "port", "signer", "direction", "owner", "expect"),
}
HEADERS = REQUIRED | {"highest-piv", "plaintext"}


class VectorBroken(Exception):
    """A vector file is not of the format: the run must fail rather than pass over it."""


class Vector(NamedTuple):
    """One vector as its file has it."""

    name: str
    headers: dict[str, str]
    octets: bytes


def read_vector(path: Path) -> Vector:
    """Read one file; a header that nobody knows, or that is missing, raises VectorBroken."""
    head, _, body = path.read_text(encoding="utf-8").partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines())
    if not REQUIRED <= headers.keys() <= HEADERS:
        raise VectorBroken(path.name, sorted(headers.keys() ^ REQUIRED))
    return Vector(path.stem, headers, bytes.fromhex(body))


def read_vectors() -> list[Vector]:
    """Every TSM-1 vector, by name."""
    return [read_vector(path) for path in sorted((VECTORS / "tsm1").glob("*.txt"))]
