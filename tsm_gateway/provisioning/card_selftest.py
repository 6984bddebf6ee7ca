"""Known answers of the secure channel to a card: one published session, and a key check value.

The session is that of osmocom/pysim, tests/unittests/test_globalplatform.py, SCP03_Test_AES128_33: AES-128,
S8, level 33, recorded from a card. Both directions are asked, and an altered answer has to be refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.provisioning.apdu import Response, read_command, read_response
from tsm_gateway.provisioning.card_errors import CardError
from tsm_gateway.provisioning.card_keys import KeySet, check_value
from tsm_gateway.provisioning.scp03 import SecurityLevel, open_session
from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tsm_gateway.provisioning.apdu import Command
    from tsm_gateway.provisioning.scp03 import Session

_hex = bytes.fromhex

_ENC: Final = _hex("000102030405060708090a0b0c0d0e0f")
_MAC: Final = _hex("101112131415161718191a1b1c1d1e1f")
_SD_AID: Final = _hex("a0000005591010ffffffff8900000100")
_HOST_CHALLENGE: Final = _hex("fdf38259a1e0de44")
_GREETING: Final = _hex("000000000000000000003003703b1aca81e821f219081cdc01c26b372d0000039000")
_EXTERNAL_AUTHENTICATE: Final = _hex("84823300108c36f96bcc00724a4e13ad591d7da3f0")
_COMMAND: Final = _hex("80e2910006bf3e035c015a00")
_WRAPPED: Final = _hex("84e2910018267a85dfe4a98fca6fb0527e0dfecce4914e40401433c87f00")
_ANSWER: Final = _hex("f3ba2b1013aa6224f5e1c138d71805c569e5439b47576260b75fc021b25097cb2e68f8a0144975b99000")
_ANSWER_DATA: Final = _hex("bf3e125a1089882119900000000000000000000005")
_ENC_CHECK: Final = _hex("c35280")
_SUCCESS: Final = _hex("9000")


def _scp03() -> bool:
    try:
        session, opening = _opened()
        wrapped = session.wrap(read_command(_COMMAND))
        session.unwrap(_SUCCESS)
        answer = session.unwrap(_ANSWER)
    except CardError:
        return False
    sent = (opening.encode(), wrapped.encode())
    return (*sent, answer) == (
        _EXTERNAL_AUTHENTICATE,
        _WRAPPED,
        Response(_ANSWER_DATA, 0x9000),
    ) and _refuses()


def _refuses() -> bool:
    session, _ = _opened()
    session.wrap(read_command(_COMMAND))
    session.unwrap(_SUCCESS)
    try:
        session.unwrap(bytes((_ANSWER[0] ^ 1,)) + _ANSWER[1:])
    except CardError:
        return True
    return False


def _opened() -> tuple[Session, Command]:
    mac = Secret(_MAC)
    return open_session(
        KeySet(0, Secret(_ENC), mac, mac),
        _HOST_CHALLENGE,
        read_response(_GREETING),
        sd_aid=_SD_AID,
        level=SecurityLevel.L33,
    )


def _check_value() -> bool:
    return check_value(Secret(_ENC)) == _ENC_CHECK


TESTS: Mapping[str, Callable[[], bool]] = {
    "scp03": _scp03,
    "aes-check-value": _check_value,
}
