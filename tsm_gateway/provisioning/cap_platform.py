"""Which release of Java Card an application needs, told by what its CAP file is and imports.

| release | CAP format | javacard.framework |
|---|---|---|
| 2.1 | 2.1 | 1.0 |
| 2.2.1 | 2.2 | 1.2 |
| 2.2.2 | | 1.3 |
| 3.0.1 | | 1.4 |
| 3.0.4 | | 1.5 |
| 3.0.5 | | 1.6 |
| 3.1.0 | 2.3 | 1.8 |
| 3.2.0 | | 1.9 |

A converter may write an older format than its release knows, so the package imported decides where it asks
for more. The versions are those of the export files that came with each development kit; 1.1 and 1.7 were
never handed out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.provisioning.application_errors import CapMalformed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tsm_gateway.provisioning.cap_components import PackageInfo

FRAMEWORK: Final = bytes.fromhex("A0000000620101")

_RELEASES: Final = ("2.1", "2.2.1", "2.2.2", "3.0.1", "3.0.4", "3.0.5", "3.1.0", "3.2.0")  # oldest first
_BY_FORMAT: Final = {(2, 1): "2.1", (2, 2): "2.2.1", (2, 3): "3.1.0"}
_BY_FRAMEWORK_MINOR: Final = {
    0: "2.1",
    2: "2.2.1",
    3: "2.2.2",
    4: "3.0.1",
    5: "3.0.4",
    6: "3.0.5",
    8: "3.1.0",
    9: "3.2.0",
}


def java_card_release(cap_format: tuple[int, int], imports: Iterable[PackageInfo]) -> str:
    """The oldest release that knows `cap_format` and the imported javacard.framework: "3.0.5".

    Raises CapMalformed for a framework of no known release.
    """
    needed = [_BY_FORMAT[cap_format]]
    for package in imports:
        if package.aid != FRAMEWORK:
            continue
        major, minor = package.version
        if major != 1 or minor not in _BY_FRAMEWORK_MINOR:
            problem = f"The application imports javacard.framework {major}.{minor}, of no known release."
            raise CapMalformed(problem=problem)
        needed.append(_BY_FRAMEWORK_MINOR[minor])
    return max(needed, key=_RELEASES.index)
