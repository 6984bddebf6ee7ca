"""Agents of app SEs: who is believed, for which element, and who may vouch for them."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.provisioning.authority import CLIENT, DAY, NOW, SERVER, Authority, der, new_key, uses
from tsm_gateway.provisioning.agent_trust import check_agents_apart, judge_agent
from tsm_gateway.provisioning.certificate_errors import CertificateRefused, IssuerUnusable
from tsm_gateway.provisioning.device_trust import judge
from tsm_gateway.provisioning.issuer import Issuer

CA = (x509.BasicConstraints(ca=True, path_length=None), True)
ANY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
ROOT = Authority("Agents")
ISSUER = Issuer("agents", (ROOT.certificate,))
KEY = new_key("p256").public_key()
APP_SE = bytes(range(16))
GOOD: Any = [(CLIENT, False)]


def subject(*numbers: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "agent")]
        + [x509.NameAttribute(NameOID.SERIAL_NUMBER, each) for each in numbers]
    )


def certificate(*numbers: str, extensions: Any = None, **other: Any) -> bytes:
    extensions = GOOD if extensions is None else extensions
    return der(ROOT.issue(KEY, subject(*numbers), extensions=extensions, **other))


@pytest.mark.parametrize("app_se", [APP_SE, bytes(8), bytes(32)], ids=["16", "8", "32"])
@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_an_agent_is_believed_for_the_element_its_certificate_names(app_se: bytes, spelled: Any) -> None:
    agent = judge_agent(certificate(spelled(app_se.hex())), [ISSUER], NOW)
    assert (agent.app_se, agent.issuer, agent.test_only) == (app_se, "agents", False)
    assert agent.identity == agent.agent_id


def test_an_agent_s_identity_is_its_key_and_no_device_s() -> None:
    one, other = certificate(APP_SE.hex()), certificate(bytes(16).hex())
    agent = judge_agent(one, [ISSUER], NOW)
    assert agent.agent_id == judge_agent(other, [ISSUER], NOW).agent_id
    assert agent.agent_id == f"a{judge(one, [ISSUER], NOW).device_id[1:]}"


REFUSED: dict[str, tuple[str, Any]] = {
    "no element": ("agent-names-no-element", certificate),
    "two elements": ("agent-names-no-element", lambda: certificate(APP_SE.hex(), bytes(16).hex())),
    "7 octets": ("agent-names-no-element", lambda: certificate(bytes(7).hex())),
    "33 octets": ("agent-names-no-element", lambda: certificate(bytes(33).hex())),
    "no hexadecimal": ("agent-names-no-element", lambda: certificate("card number 12345678")),
    "hexadecimal in pairs": ("agent-names-no-element", lambda: certificate("00 11 22 33 44 55 66 77")),
    "half an octet": ("agent-names-no-element", lambda: certificate("00112233445566778")),
    "no use stated": ("certificate-usage", lambda: certificate(APP_SE.hex(), extensions=[])),
    "any use": ("certificate-usage", lambda: certificate(APP_SE.hex(), extensions=[(ANY, False)])),
    "a server": ("certificate-usage", lambda: certificate(APP_SE.hex(), extensions=[(SERVER, False)])),
    "an authority": ("certificate-usage", lambda: certificate(APP_SE.hex(), extensions=[CA, *GOOD])),
    "may not sign": (
        "certificate-usage",
        lambda: certificate(APP_SE.hex(), extensions=[*GOOD, uses("key_agreement")]),
    ),
    "expired": (
        "certificate-expired",
        lambda: certificate(APP_SE.hex(), lifetime=(NOW - 2 * DAY, NOW - DAY)),
    ),
    "a stranger's": (
        "certificate-untrusted",
        lambda: der(Authority("Agents").issue(KEY, subject(APP_SE.hex()), extensions=GOOD)),
    ),
}


@pytest.mark.parametrize("flaw", REFUSED)
def test_who_is_no_agent_of_one_element_is_refused_by_its_own_code(flaw: str) -> None:
    code, make = REFUSED[flaw]
    with pytest.raises(CertificateRefused) as refused:
        judge_agent(make(), [ISSUER], NOW)
    assert refused.value.code == code


def test_no_authority_vouches_for_both_sides_of_a_handset() -> None:
    maker = Authority("Maker")
    check_agents_apart(ISSUER, [Issuer("maker", (maker.certificate,))])
    crossed = Authority("Another name", key=maker.key)  # another certificate over the same key
    between = Authority("Between", above=maker)
    for agents in (
        Issuer("a", (maker.certificate,)),
        Issuer("a", (crossed.certificate,)),
        Issuer("a", (ROOT.certificate,), (between.certificate,)),
    ):
        with pytest.raises(IssuerUnusable, match="maker"):
            check_agents_apart(agents, [Issuer("maker", (maker.certificate,), (between.certificate,))])
