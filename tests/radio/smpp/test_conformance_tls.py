"""Behaviour 22 of an SMPP link over TLS: the peer proves who it is, or is not spoken to."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.radio.smpp.peer import (
    DELIVER,
    RESP,
    bound_scene,
    deliver,
    scene,
    story,
)
from tsm_gateway.messages import Verdict
from tsm_gateway.radio.smpp.options import TlsOptions, TlsVersion

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Authority:
    """A throw-away authority, a server's context, and the files a link needs."""

    def __init__(self, folder: Path, name: str = "localhost") -> None:
        self.ca = trustme.CA()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(name, "127.0.0.1" if name == "localhost" else name).configure_cert(self.context)
        client = self.ca.issue_cert("gateway@example.com")
        self.ca_file, self.certificate_file = folder / "ca.pem", folder / "client.pem"
        self.ca.cert_pem.write_to_path(str(self.ca_file))
        client.private_key_and_cert_chain_pem.write_to_path(str(self.certificate_file))

    def options(self, **changes: Any) -> TlsOptions:
        return TlsOptions(ca=str(self.ca_file), server_hostname="localhost", **changes)


@story
async def test_22_tls_carries_the_link(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with bound_scene(context=authority.context, tls=authority.options()) as (stage, line):
        line.say(deliver(5))
        await stage.record.until(lambda: bool(stage.record.arrivals))
        stage.link.answer([(stage.record.tickets[0], Verdict.TAKEN)])
        await line.hear_only(DELIVER | RESP)


@story
async def test_22_a_client_certificate_is_shown_when_there_is_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.context.verify_mode = ssl.CERT_REQUIRED
    authority.ca.configure_trust(authority.context)
    tls = authority.options(certificate=str(authority.certificate_file), minimum=TlsVersion.TLS_1_3)
    async with bound_scene(context=authority.context, tls=tls) as (_, line):
        assert line.writer.get_extra_info("peercert")
        assert line.writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        await line.alive()


def _wrong_name(authority: Authority) -> TlsOptions:
    return TlsOptions(ca=str(authority.ca_file), server_hostname="elsewhere.example")


def _wrong_authority(authority: Authority) -> TlsOptions:
    trustme.CA().cert_pem.write_to_path(str(authority.ca_file))
    return authority.options()


def _too_old(authority: Authority) -> TlsOptions:
    authority.context.maximum_version = ssl.TLSVersion.TLSv1_2
    return authority.options(minimum=TlsVersion.TLS_1_3)


def _no_file(authority: Authority) -> TlsOptions:
    authority.ca_file.unlink()
    return authority.options()


def _no_key(authority: Authority) -> TlsOptions:
    return authority.options(certificate=str(authority.ca_file))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_wrong_name, "tls_certificate"),
        (_wrong_authority, "tls_certificate"),
        (_no_file, "smpp-tls-unusable"),
        (_no_key, "smpp-tls-unusable"),
    ],
)
@story
async def test_22_a_peer_that_cannot_prove_itself_is_refused_loudly(
    tmp_path: Path, spoil: Callable[[Authority], TlsOptions], reason: str
) -> None:
    authority = Authority(tmp_path)
    tls = spoil(authority)
    async with scene(context=authority.context, tls=tls, rebind_min_s=0.1) as stage:
        await stage.record.until(lambda: "link.connect_failed" in stage.record.names)
        event = stage.record.event("link.connect_failed")
        assert (event.fields["reason"], event.alarm) == (reason, True)
        assert not stage.link.bound


@story
async def test_22_a_peer_with_an_old_protocol_version_is_not_spoken_to(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = _too_old(authority)
    async with scene(context=authority.context, tls=tls) as stage:
        await stage.record.until(lambda: "link.connect_failed" in stage.record.names)
        # an alert, when the peer still sends it before it resets the connection
        assert stage.record.event("link.connect_failed").fields["reason"] in {"tls", "reset"}
        assert stage.smsc.lines.empty()


@story
async def test_22_a_handshake_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with scene(tls=authority.options(handshake_s=0.3)) as stage:  # the peer speaks no TLS and waits
        await stage.record.until(lambda: "link.connect_failed" in stage.record.names)
        assert not stage.link.bound
