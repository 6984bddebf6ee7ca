"""The judge's word about a certificate: how long it holds, and which words are not kept at all."""

from __future__ import annotations

import asyncio

import pytest

from tests.provisioning.authority import p256
from tsm_gateway.daemon.channel_admission import HOLDS_S, Admission
from tsm_gateway.errors import TsmError
from tsm_gateway.provisioning.certificate_errors import CertificateRevoked, RevocationUnknown
from tsm_gateway.provisioning.device_key import KeyKind
from tsm_gateway.provisioning.device_trust import TrustedDevice

DER = b"certificate"
DEVICE = TrustedDevice(
    der=DER,
    device_id="d:0000000000000001",
    issuer="maker",
    kind=KeyKind.P256,
    public_key=p256().public_key(),
    may_receive=True,
    test_only=False,
)


class Bench:
    """A judge that says what it is told to, and a clock that is turned by hand."""

    def __init__(self, *, holds_s: float = HOLDS_S) -> None:
        self.now, self.asked = 1000.0, 0
        self.word: TrustedDevice | TsmError = DEVICE
        self.held_up: asyncio.Event | None = None
        self.admission = Admission(self._judge, holds_s=holds_s, clock=lambda: self.now)

    async def _judge(self, der: bytes) -> TrustedDevice:
        assert der == DER
        self.asked += 1
        word = self.word
        if self.held_up is not None:
            await self.held_up.wait()
        if isinstance(word, TsmError):
            raise word
        return word

    def said(self) -> str:
        """Who was admitted, or why nobody was."""
        try:
            return asyncio.run(self.admission.admit(DER)).device_id
        except TsmError as refused:
            return refused.code


@pytest.mark.parametrize(("holds_s", "seconds"), [(10, 10), (60, 60), (3600, 60)])
def test_a_word_holds_so_long_and_never_more_than_a_minute(holds_s: float, seconds: float) -> None:
    bench = Bench(holds_s=holds_s)
    assert bench.said() == DEVICE.device_id
    bench.word = CertificateRevoked()
    bench.now += seconds - 0.5
    assert (bench.said(), bench.asked) == (DEVICE.device_id, 1)
    bench.now += 0.5
    assert (bench.said(), bench.asked) == ("certificate-revoked", 2)


def test_a_refusal_holds_as_long_as_an_admission() -> None:
    bench = Bench()
    bench.word = CertificateRevoked()
    assert bench.said() == "certificate-revoked"
    bench.word = DEVICE
    bench.now += HOLDS_S - 0.5
    assert (bench.said(), bench.asked) == ("certificate-revoked", 1)
    bench.now += 0.5
    assert (bench.said(), bench.asked) == (DEVICE.device_id, 2)


def test_a_passing_trouble_is_not_remembered() -> None:
    bench = Bench()
    bench.word = RevocationUnknown()
    assert bench.said() == "revocation-unknown"
    bench.word = DEVICE
    assert (bench.said(), bench.asked) == (DEVICE.device_id, 2)


def test_a_reload_makes_it_ask_anew() -> None:
    bench = Bench()
    assert bench.said() == DEVICE.device_id
    bench.word = CertificateRevoked()
    bench.admission.forget()
    assert (bench.said(), bench.asked) == ("certificate-revoked", 2)


def test_a_word_from_before_a_reload_that_comes_after_it_is_not_kept() -> None:
    async def inside() -> None:
        bench = Bench()
        bench.held_up = asyncio.Event()
        first = asyncio.create_task(bench.admission.admit(DER))
        while not bench.asked:
            await asyncio.sleep(0)
        bench.admission.forget()
        bench.word = CertificateRevoked()
        bench.held_up.set()
        assert await first == DEVICE
        with pytest.raises(CertificateRevoked):
            await bench.admission.admit(DER)

    asyncio.run(asyncio.wait_for(inside(), 5))
