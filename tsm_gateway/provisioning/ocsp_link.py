"""Asks OCSP responders over HTTP (RFC 6960 appendix A.1) and keeps their answers while they are good.

What fails is no error here: the answer is missing, the issuer's policy decides what that means, and
`report` is told. A responder that failed is left alone for `PAUSE_S`, so that a dead one costs one
time-out and not one for each device. Answers are kept until nextUpdate, but no longer than `KEPT_S`: a
revocation is then seen within that time, whatever the responder signs ahead. Redirects are not followed
and compressed bodies not taken: a responder is a configured peer, not a way to others.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

import aiohttp

from tsm_gateway.provisioning.device_trust import (
    KeyCertificate,
    TrustedDevice,
    judge,
    judge_key_certificate,
    questions,
)
from tsm_gateway.provisioning.ocsp import OcspAnswerUnusable, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from tsm_gateway.provisioning.issuer import Issuer
    from tsm_gateway.provisioning.ocsp import OcspQuestion

TIMEOUT_S: Final = 5.0  # from connecting to the last octet
PAUSE_S: Final = 10.0
KEPT_S: Final = 3600
MAX_ANSWER: Final = 32 * 1024  # octets
MAX_KEPT: Final = 10_000  # answers, some 2 kB each
MAX_CONNECTIONS: Final = 16
_HEADERS: Final = {
    "Content-Type": "application/ocsp-request",
    "Accept": "application/ocsp-response",
    "Accept-Encoding": "identity",
}


class _Kept(NamedTuple):
    octets: bytes
    until: int  # Unix seconds


class _Silent(Exception):
    """No answer; the argument is the reason to report."""


class OcspLink:
    """One session to all responders; an asynchronous context manager."""

    def __init__(
        self, report: Callable[[str, str], None], *, timeout_s: float = TIMEOUT_S, pause_s: float = PAUSE_S
    ) -> None:
        """`report` is called with a responder's URL and the reason why nothing of use came from it."""
        self._report, self._timeout_s, self._pause_s = report, timeout_s, pause_s
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[bytes | None]] = {}
        self._paused: dict[str, float] = {}  # URL -> loop time from which on it is asked again
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the session; nothing is connected yet."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            headers=_HEADERS,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Give up what is being asked and close every connection."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def judge(self, der: bytes, issuers: Sequence[Issuer], at: int) -> TrustedDevice:
        """As `device_trust.judge`, with the answers it needs."""
        answers = await self.answers(questions(der, issuers, at), at)
        return judge(der, issuers, at, ocsp=answers)

    async def judge_key_certificate(
        self, der: bytes, device: TrustedDevice, issuers: Sequence[Issuer], at: int
    ) -> KeyCertificate:
        """As `device_trust.judge_key_certificate`, with the answers it needs."""
        answers = await self.answers(questions(der, issuers, at), at)
        return judge_key_certificate(der, device, issuers, at, ocsp=answers)

    async def answers(self, asked: Sequence[OcspQuestion], at: int) -> dict[bytes, bytes]:
        """OCSP responses (DER) by request, for those that came or were kept; `at` is Unix seconds."""
        found = await asyncio.gather(*(self._answer(question, at) for question in asked))
        return {each.request: octets for each, octets in zip(asked, found, strict=True) if octets}

    async def _answer(self, question: OcspQuestion, at: int) -> bytes | None:
        kept = self._kept.get(question.request)
        if kept is not None and at < kept.until:
            self._kept.move_to_end(question.request)
            return kept.octets
        if self._paused.get(question.url, 0) > asyncio.get_running_loop().time():
            return None
        task = self._asking.get(question.request)
        if task is None:  # many connections of one device ask once
            task = asyncio.create_task(self._ask(question, at), name="ocsp")
            self._asking[question.request] = task
            task.add_done_callback(lambda _: self._asking.pop(question.request, None))
        return await asyncio.shield(task)  # one of them going away leaves the others their answer

    async def _ask(self, question: OcspQuestion, at: int) -> bytes | None:
        try:
            octets = await self._post(question)
            answer = read_answer(octets, question.certificate, question.authority, at)
        except OcspAnswerUnusable as error:
            self._report(question.url, str(error.facts["reason"]))
            return None
        except _Silent as silent:
            self._paused[question.url] = asyncio.get_running_loop().time() + self._pause_s
            self._report(question.url, str(silent))
            return None
        self._keep(question.request, _Kept(octets, min(answer.good_until, at + KEPT_S)))
        return octets

    async def _post(self, question: OcspQuestion) -> bytes:
        """The body of a good response. Raises _Silent."""
        if self._session is None:
            message = "closed"
            raise _Silent(message)
        try:
            async with self._session.post(
                question.url, data=question.request, allow_redirects=False
            ) as response:
                if response.status != 200:  # noqa: PLR2004 - HTTP's own number
                    raise _Silent(f"status-{response.status}")  # noqa: EM102 - a code, no sentence
                return await _bounded(response.content)
        except TimeoutError:
            message = "timeout"
        except aiohttp.ClientError:
            message = "unreachable"
        raise _Silent(message)

    def _keep(self, request: bytes, kept: _Kept) -> None:
        self._kept[request] = kept
        self._kept.move_to_end(request)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """The whole body. Raises _Silent for one longer than MAX_ANSWER."""
    body = bytearray()
    async for chunk in content.iter_chunked(MAX_ANSWER):
        body += chunk
        if len(body) > MAX_ANSWER:
            message = "too-long"
            raise _Silent(message)
    return bytes(body)
