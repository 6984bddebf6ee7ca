"""A second reading of SCP03 and PC/SC: `yubikit` of the PyPI package yubikey-manager, one JSON job per line.

Runs in an environment of its own and shares nothing with the product but the octets. The session is
`yubikit`'s (AES-128, S8, security level 0x33), and so is PUT KEY. Of card content management it knows
nothing: the test hands over those commands whole and gets the answer.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from smartcard.System import readers  # type: ignore[import-not-found]
from ykman.pcsc import ScardSmartCardConnection  # type: ignore[import-not-found]
from yubikit.core.smartcard import ApduError  # type: ignore[import-not-found]
from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, StaticKeys  # type: ignore[import-not-found]
from yubikit.securitydomain import SecurityDomainSession  # type: ignore[import-not-found]

SCP03_KID = 1


def key_set(job: dict[str, Any], name: str = "keys") -> Any:
    """`keys` of the job: ENC, MAC and DEK, 16 octets each."""
    return StaticKeys(*(bytes.fromhex(key) for key in job[name]))


class Host:
    """At most one session with the card in the named reader."""

    def __init__(self) -> None:
        self._connection: Any = None
        self._session: Any = None

    def connect(self, job: dict[str, Any]) -> dict[str, Any]:
        """Connect to the card in `reader` and select its issuer security domain; its ATR."""
        self.disconnect(job)
        reader = next(each for each in readers() if each.name == job["reader"])
        self._connection = ScardSmartCardConnection(reader.createConnection())
        self._session = SecurityDomainSession(self._connection)
        return {"octets": bytes(self._connection.connection.getATR()).hex()}

    def authenticate(self, job: dict[str, Any]) -> dict[str, Any]:
        """Open an SCP03 session under `keys` of version `kvn`."""
        ref = KeyRef(SCP03_KID, job["kvn"])
        self._session.authenticate(Scp03KeyParams(ref=ref, keys=key_set(job)))
        return {"octets": ""}

    def send(self, job: dict[str, Any]) -> dict[str, Any]:
        """Send one command, secured when a session is open; the data of an answer 9000."""
        command = bytes.fromhex(job["command"])
        return {"octets": self._session.protocol.send_apdu(*command[:4], command[4:]).hex()}

    def put_keys(self, job: dict[str, Any]) -> dict[str, Any]:
        """PUT KEY: the set `keys` as version `kvn`, instead of the version `instead_of` (0: besides)."""
        self._session.put_key(KeyRef(SCP03_KID, job["kvn"]), key_set(job), job["instead_of"])
        return {"octets": ""}

    def disconnect(self, _job: dict[str, Any]) -> dict[str, Any]:
        """Let go of the card."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._session = None
        return {"octets": ""}

    def answer(self, job: dict[str, Any]) -> dict[str, Any]:
        """What the verb gives; or the status word, or the name of what was raised."""
        try:
            done: dict[str, Any] = getattr(self, job["verb"])(job)
        except ApduError as error:
            return {"refused": "ApduError", "sw": f"{error.sw:04x}", "octets": error.data.hex()}
        except Exception as error:  # noqa: BLE001  # whatever the library says is its verdict
            return {"refused": type(error).__name__, "said": str(error)}
        return done


if __name__ == "__main__":
    host = Host()
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(host.answer(asked) | {"number": asked["number"]}), flush=True)  # noqa: T201
