"""Asks OCSP responders over HTTP (RFC 6960 appendix A.1) and keeps their answers while they are good.

What fails is no error here: the answer is missing, the issuer's policy decides what that means, and
`report` is told.

| what came | is asked again after `PAUSE_S`, and until then |
|---|---|
| no connection, or no whole answer in time | nobody asks this responder: a dead one costs one time-out |
| another status than 200, or nothing that proves anything | this question waits, all others go on |

For whoever makes a responder refuse one question must not silence it about everybody else. Answers are
kept until nextUpdate, but no longer than `KEPT_S`: a revocation is then seen within that time, whatever
the responder signs ahead; `forget` lets go of them at once. Redirects are not followed and compressed
bodies not taken: a responder is a configured peer, not a way to others.
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
    """The responder does not talk to us; the argument is the reason to report."""


class _Refused(Exception):
    """It talks, but gave no answer to this question; the argument is the reason to report."""


class OcspLink:
    """One session to all responders; an asynchronous context manager."""

    def __init__(
        self, report: Callable[[str, str], None], *, timeout_s: float = TIMEOUT_S, pause_s: float = PAUSE_S
    ) -> None:
        """`report` is called with a responder's URL and the reason why nothing of use came from it."""
        self._report, self._timeout_s, self._pause_s = report, timeout_s, pause_s
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[bytes | None]] = {}
        self._tasks: set[asyncio.Task[bytes | None]] = set()  # also those `forget` let go of
        # responder (URL), or question to it: the loop time from which on it is asked again
        self._paused: OrderedDict[str | tuple[str, bytes], float] = OrderedDict()
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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def forget(self) -> None:
        """Ask anew from now on: an answer that is under way serves only who waits for it already."""
        self._kept, self._asking, self._paused = OrderedDict(), {}, OrderedDict()

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
        if self._waits(question.url) or self._waits((question.url, question.request)):
            return None
        task = self._asking.get(question.request)
        if task is None:  # many connections of one device ask once
            task = self._start(question, at)
        return await asyncio.shield(task)  # one of them going away leaves the others their answer

    def _start(self, question: OcspQuestion, at: int) -> asyncio.Task[bytes | None]:
        task = asyncio.create_task(self._ask(question, at), name="ocsp")
        asking = self._asking
        asking[question.request] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: asking.pop(question.request, None))
        return task

    async def _ask(self, question: OcspQuestion, at: int) -> bytes | None:
        kept, url = self._kept, question.url  # not into what there is after `forget`
        try:
            octets = await self._post(question)
            answer = read_answer(octets, question.certificate, question.authority, at)
        except OcspAnswerUnusable as error:
            self._pause((url, question.request), url, str(error.facts["reason"]))
        except _Refused as refused:
            self._pause((url, question.request), url, str(refused))
        except _Silent as silent:
            self._pause(url, url, str(silent))
        else:
            _keep(kept, question.request, _Kept(octets, min(answer.good_until, at + KEPT_S)))
            return octets
        return None

    def _pause(self, what: str | tuple[str, bytes], url: str, reason: str) -> None:
        """Leave a responder, or a question to it, alone for a while, and tell why."""
        self._paused[what] = asyncio.get_running_loop().time() + self._pause_s
        self._paused.move_to_end(what)
        if len(self._paused) > MAX_KEPT:
            self._paused.popitem(last=False)
        self._report(url, reason)

    def _waits(self, what: str | tuple[str, bytes]) -> bool:
        return self._paused.get(what, 0) > asyncio.get_running_loop().time()

    async def _post(self, question: OcspQuestion) -> bytes:
        """The body of a good response. Raises _Silent, _Refused."""
        if self._session is None:
            message = "closed"
            raise _Silent(message)
        try:
            async with self._session.post(
                question.url, data=question.request, allow_redirects=False
            ) as response:
                if response.status != 200:  # noqa: PLR2004 - HTTP's own number
                    raise _Refused(f"status-{response.status}")  # noqa: EM102 - a code, no sentence
                return await _bounded(response.content)
        except TimeoutError:
            message = "timeout"
        except aiohttp.ClientError:
            message = "unreachable"
        raise _Silent(message)


def _keep(answers: OrderedDict[bytes, _Kept], request: bytes, kept: _Kept) -> None:
    answers[request] = kept
    answers.move_to_end(request)
    if len(answers) > MAX_KEPT:
        answers.popitem(last=False)


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """The whole body. Raises _Refused for one longer than MAX_ANSWER."""
    body = bytearray()
    async for chunk in content.iter_chunked(MAX_ANSWER):
        body += chunk
        if len(body) > MAX_ANSWER:
            message = "too-long"
            raise _Refused(message)
    return bytes(body)
