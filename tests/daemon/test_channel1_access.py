"""Default-deny: every route of the code's own table, asked by every kind of client."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from tests.daemon.channel1_world import (
    LIFE,
    LONG,
    NO_ANSWER,
    SIGNS,
    Authorities,
    Identity,
    Listening,
    listening,
    request,
)
from tests.provisioning.authority import CLIENT, DAY, SERVER, Authority, key_pem, pem, uses
from tsm_gateway.daemon.channel1_models import Proof
from tsm_gateway.daemon.channel1_routes import ROUTES
from tsm_gateway.provisioning.device_trust import device_id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Deadline
    from tsm_gateway.daemon.channel_models import Asked
    from tsm_gateway.daemon.channel_service import Route

NOW = int(time.time())
BODIES: dict[type[Asked] | None, object] = {None: None, Proof: {"proof": "AAAA"}}


class Stranger(NamedTuple):
    """A client that must not be heard, and the figure that counts it."""

    make: Callable[[Authorities], Identity | None]
    counted: str


def _namesake(at: Authorities) -> Identity:
    return at.identity(by=Authority("Maker", lifetime=LONG))


def _self_signed(at: Authorities) -> Identity:
    alone = Authority("alone", extensions=(SIGNS,), lifetime=LIFE)
    return _filed(at, alone)


def _filed(at: Authorities, who: Authority) -> Identity:
    path = at.folder / f"{len(list(at.folder.iterdir()))}.pem"
    path.write_bytes(pem(who.certificate) + key_pem(who.key))
    return Identity(path, who.certificate)


def _authority_below(at: Authorities) -> Identity:
    ca = (x509.BasicConstraints(ca=True, path_length=None), True)
    return at.identity(extensions=(ca, uses("key_cert_sign", "digital_signature")))


TLS, JUDGE = "handshakes_refused_total", "identities_refused_total"
STRANGERS = {
    "no certificate": Stranger(lambda _: None, f'{TLS}{{reason="no-certificate"}}'),
    "of a foreign authority": Stranger(
        lambda at: at.identity(by=at.stranger), f'{TLS}{{reason="certificate-untrusted"}}'
    ),
    "of a namesake of the issuer": Stranger(_namesake, f'{TLS}{{reason="certificate-refused"}}'),
    "signed by itself": Stranger(_self_signed, f'{TLS}{{reason="certificate-untrusted"}}'),
    "expired": Stranger(
        lambda at: at.identity(lifetime=(NOW - 3 * DAY, NOW - DAY)), f'{TLS}{{reason="certificate-expired"}}'
    ),
    "not yet valid": Stranger(
        lambda at: at.identity(lifetime=(NOW + DAY, NOW + 3 * DAY)),
        f'{TLS}{{reason="certificate-not-yet-valid"}}',
    ),
    "a server's": Stranger(
        lambda at: at.identity(extensions=(SIGNS, (SERVER, False))), f'{TLS}{{reason="certificate-usage"}}'
    ),
    "the listener's own": Stranger(lambda at: at.server, f'{TLS}{{reason="certificate-untrusted"}}'),
    "RSA of 1024 bits": Stranger(lambda at: at.identity("rsa1024"), f'{TLS}{{reason="key-weak"}}'),
    "RSA with exponent 3": Stranger(lambda at: at.identity("rsa-e3"), f'{JUDGE}{{reason="key-weak"}}'),
    "EC P-384": Stranger(lambda at: at.identity("p384"), f'{JUDGE}{{reason="key-unsupported"}}'),
    "not meant to sign": Stranger(
        lambda at: at.identity(extensions=(uses("key_agreement"),)),
        f'{JUDGE}{{reason="certificate-usage"}}',
    ),
    "the issuer's own": Stranger(
        lambda at: _filed(at, at.root), f'{JUDGE}{{reason="certificate-untrusted"}}'
    ),
    "an authority's": Stranger(_authority_below, f'{JUDGE}{{reason="certificate-usage"}}'),
}


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return Authorities(tmp_path_factory.mktemp("channel1"))


@pytest.fixture(scope="module")
def channel(authorities: Authorities) -> Iterator[Listening]:
    with listening(authorities) as made:
        yield made


def asked(route: Route) -> bytes:
    """A request that the route would answer."""
    body = BODIES.get(route.asked, {})
    return request(route.method, route.path, body)


def test_a_device_of_the_issuer_is_answered_by_every_route(
    authorities: Authorities, channel: Listening
) -> None:
    for extensions in ((SIGNS,), (SIGNS, (CLIENT, False)), ()):
        me = authorities.identity(extensions=extensions)
        for route in ROUTES:
            assert channel.once(me, asked(route)).status == 200, route


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_every_kind_of_signing_key_is_heard(kind: str, authorities: Authorities, channel: Listening) -> None:
    assert channel.once(authorities.identity(kind), request("GET", "/v1/status")).status == 200


@pytest.mark.parametrize("who", STRANGERS)
def test_a_stranger_gets_no_octet_from_any_route_and_is_counted_by_reason(
    who: str, authorities: Authorities, channel: Listening, deadline: Deadline
) -> None:
    identity, before = STRANGERS[who].make(authorities), channel.figure(STRANGERS[who].counted)
    channel.desk.asked.clear()
    for route in ROUTES:
        assert channel.once(identity, asked(route)) == NO_ANSWER, route
    deadline(lambda: channel.figure(STRANGERS[who].counted) == before + len(ROUTES), STRANGERS[who].counted)
    assert not channel.desk.asked


def test_a_revoked_device_gets_no_octet_from_any_route(authorities: Authorities, deadline: Deadline) -> None:
    revoked, fine = authorities.identity(), authorities.identity()
    crl = authorities.root.crl(revoked.certificate, this_update=NOW - 60, next_update=NOW + DAY)
    with listening(authorities, crls=(crl,)) as channel:
        for route in ROUTES:
            assert channel.once(revoked, asked(route)) == NO_ANSWER, route
            assert channel.once(fine, asked(route)).status == 200, route
        counted = f'{JUDGE}{{reason="certificate-revoked"}}'
        deadline(lambda: channel.figure(counted) == len(ROUTES), counted)
        (told, *_) = channel.events("identity.refused")
        assert told["reason"] == "certificate-revoked"
        assert told["serial"] == f"{revoked.certificate.serial_number:x}"
        assert told["subject"] == revoked.certificate.subject.rfc4514_string()
        assert told["device"] == device_id_of(revoked.certificate.public_key())  # type: ignore[arg-type]
        assert revoked.certificate.fingerprint(SHA256()).hex().startswith(told["certificate"])


def test_tls_1_2_is_refused(authorities: Authorities, channel: Listening, deadline: Deadline) -> None:
    before = channel.figure(f'{TLS}{{reason="version"}}')
    with pytest.raises(OSError, match=r"EOF|reset|alert"):
        channel.connect(authorities.identity(), version=ssl.TLSVersion.TLSv1_2)
    deadline(lambda: channel.figure(f'{TLS}{{reason="version"}}') == before + 1, "counted")


def test_no_session_is_resumed(authorities: Authorities, channel: Listening) -> None:
    context = channel.tls(authorities.identity())
    with context.wrap_socket(channel.plain(), server_hostname="localhost") as sock:
        sock.sendall(request("GET", "/v1/status"))
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        assert sock.session is None or not sock.session.has_ticket


def test_a_revocation_read_meanwhile_ends_open_connections_without_an_answer(
    authorities: Authorities,
) -> None:
    me = authorities.identity()
    with listening(authorities) as channel, channel.connect(me) as client:
        assert client.ask("GET", "/v1/status").status == 200
        crl = authorities.root.crl(me.certificate, this_update=NOW - 60, next_update=NOW + DAY)
        channel.issuers = (authorities.issuer(crls=(crl,)),)
        assert client.ask("GET", "/v1/status").status == 200  # within the minute a word holds
        channel.within(lambda: channel.channel.renew(channel.context(), channel.limits))
        channel.desk.asked.clear()
        assert client.ask("GET", "/v1/status") == NO_ANSWER
        assert not channel.desk.asked
        assert channel.once(me, request("GET", "/v1/status")) == NO_ANSWER


def test_an_issuer_no_longer_trusted_is_refused_after_a_reload(authorities: Authorities) -> None:
    me = authorities.identity()
    with listening(authorities) as channel:
        assert channel.once(me, request("GET", "/v1/status")).status == 200
        channel.issuers = ()
        channel.within(channel.admission.forget)
        assert channel.once(me, request("GET", "/v1/status")) == NO_ANSWER


def test_the_judge_is_not_asked_again_within_its_minute(authorities: Authorities) -> None:
    me = authorities.identity()
    with listening(authorities) as channel:
        for _ in range(5):
            assert channel.once(me, request("GET", "/v1/status")).status == 200
        assert channel.judged == 1


def test_a_judge_that_fails_admits_nobody(authorities: Authorities) -> None:
    with listening(authorities) as channel:
        channel.issuers = (None,)  # type: ignore[assignment]  # a defect
        assert channel.once(authorities.identity(), request("GET", "/v1/status")) == NO_ANSWER
        assert channel.events("request.failed")
