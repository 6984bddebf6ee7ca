"""A handset's agent of channel 2: carries scripts to the card and its answers back, and can read neither.

| what comes | what the agent does |
|---|---|
| a script | card gets its commands in order, up to the first answer other than 9000; answers are posted |
| the end | asks where the device stands |
| the session is over, the script out of turn | begins anew, a few times |
| a cut, 429, 503 | the very same post again (`channel.py`): the service answers it like the first |
| the card lost its power | powers it on and begins anew |

Commands are enciphered but for their heads, so the agent can tell which they are and not what is in them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from tsm_gateway.virtual.channel import base64_octets, base64_of
from tsm_gateway.virtual.errors import CardTorn, ChannelRefused, DeliveryBrokenOff, FormatMalformed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tsm_gateway.virtual.card import Card
    from tsm_gateway.virtual.channel import Handshake

    Tell = Callable[[str, str], None]

BEGIN_ANEW: Final = frozenset({"TSM-SESSION-OVER", "TSM-SCRIPT-OUT-OF-TURN", "TSM-RESPONSES-MALFORMED"})
SESSIONS: Final = 5  # begun before giving up
_OK: Final = b"\x90\x00"
_LOAD: Final = 0xE8
_LONGEST_COMMAND: Final = 261  # octets of a short command: header, Lc, 255 of data, Le
_NAMES: Final[Mapping[int, str]] = {
    0xA4: "SELECT",
    0x50: "INITIALIZE UPDATE",
    0x82: "EXTERNAL AUTHENTICATE",
    0xCA: "GET DATA",
    0xD8: "PUT KEY",
    0xE2: "STORE DATA",
    0xE4: "DELETE",
    0xE6: "INSTALL",
    _LOAD: "LOAD",
    0xF2: "GET STATUS",
}


_ABOUT_CARDS: Final[Mapping[str, str]] = {
    "renew-keys": "keys of the gateway's own take the place of those it was made with",
    "inventory": "what is on it",
}


class Asks(Protocol):
    """Whoever carries requests to the service: `channel.Channel`."""

    @property
    def handshake(self) -> Handshake | None:
        """What TLS agreed on, of the connection opened last."""

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The JSON object that answers. Raises ChannelBroken, ChannelRefused, FormatMalformed."""


class Doing(NamedTuple):
    """What a script is about."""

    job_id: str
    kind: str  # "renew-keys", "install", …
    application: str  # "" where it is about the card itself
    version: str
    blocks: tuple[int, int]  # the card has, of how many


class Delivered(NamedTuple):
    """Where the device stands when there is nothing more to do for now."""

    device_state: str  # "active", "registered", …; "" when no device has registered with this element
    applications: tuple[tuple[str, str, str], ...]  # name, version, state ("installed", …)
    jobs_waiting: int
    retry_after_s: int  # when to come again
    scripts: int  # round trips that brought commands
    commands: int  # the card was given
    last_failed_job: str  # id of the newest job that was given up, "" for none

    @property
    def complete(self) -> bool:
        """Whether all that is to be there is installed."""
        return not self.jobs_waiting and all(state in _SETTLED for _, _, state in self.applications)

    @property
    def installed(self) -> int:
        """How many applications are installed."""
        return sum(state == "installed" for _, _, state in self.applications)


_SETTLED: Final = ("installed", "removed")


class AppAgent:
    """The software between one card and channel 2."""

    def __init__(
        self,
        card: Card,
        channel: Asks,
        *,
        tell: Tell = lambda step, what: None,  # noqa: ARG005 - names for the reader
    ) -> None:
        """`tell` hears of each step as it happened."""
        self._card, self._channel, self._tell = card, channel, tell
        self._doing: Doing | None = None
        self._scripts = self._commands = 0

    def deliver(self) -> Delivered:
        """Fetch and carry out whatever is due for the card.

        Raises ChannelBroken, ChannelRefused, FormatMalformed; DeliveryBrokenOff when the session is over
        again and again; what the card's file raises.
        """
        for _ in range(SESSIONS):
            try:
                return self._session()
            except ChannelRefused as refusal:
                if refusal.facts.get("reason") not in BEGIN_ANEW:
                    raise
                self._tell("session", "the gateway ended it; beginning anew")
            except CardTorn:
                self._tell("card", "lost its power; beginning anew")
            self._card.power_on()
            self._doing = None
        raise DeliveryBrokenOff(sessions=SESSIONS)

    def status(self) -> dict[str, Any]:
        """What the service says of this element and its device."""
        return self._channel.ask("GET", "/v1/status")

    def _session(self) -> Delivered:
        script = self._post(None, 0, [])
        if self._channel.handshake is not None:
            self._tell("handshake", " ".join(self._channel.handshake) + ", both sides certified")
        while not script.get("done"):
            answers = self._carry_out(script)
            script = self._post(script.get("session"), script.get("number"), answers)
        self._follow(None)
        return self._standing(script)

    def _post(self, session: object, number: object, responses: Sequence[bytes]) -> dict[str, Any]:
        answers = [base64_of(each) for each in responses]
        return self._channel.ask(
            "POST", "/v1/script", {"session": session, "number": number, "responses": answers}
        )

    def _carry_out(self, script: Mapping[str, Any]) -> list[bytes]:
        """Give the card its commands, up to the first that does not succeed; all answers. Raises CardTorn."""
        commands = _commands(script)
        self._follow(_doing(script))
        answers: list[bytes] = []
        for command in commands:
            answers.append(self._card.transmit(command))
            if answers[-1][-2:] != _OK:
                break
        self._scripts += 1
        self._commands += len(answers)
        self._tell("script", f"{self._scripts}: {_named(commands)}{self._came_of(commands, answers)}")
        return answers

    def _came_of(self, commands: Sequence[bytes], answers: Sequence[bytes]) -> str:
        """How many blocks the card has by now, and where it said no."""
        said = ""
        if self._doing is not None and self._doing.blocks[1]:
            done, total = self._doing.blocks
            pairs = zip(commands, answers, strict=False)  # it may have stopped early
            done += sum(command[1] == _LOAD and answer[-2:] == _OK for command, answer in pairs)
            said = f"; {done} of {total} blocks"
        status = answers[-1][-2:]
        return said if status == _OK else f"{said}; the card said {status.hex().upper()}"

    def _follow(self, doing: Doing | None) -> None:
        """Tell what was begun; what came of it, the device's standing will say."""
        before, self._doing = self._doing, doing
        if doing is not None and (before is None or before.job_id != doing.job_id):
            about = " ".join(filter(None, (doing.application, doing.version)))
            self._tell(doing.kind, about or _ABOUT_CARDS.get(doing.kind, "of the card"))

    def _standing(self, script: Mapping[str, Any]) -> Delivered:
        status = self.status()
        try:
            rows = tuple(
                (str(each["name"]), str(each["version"]), str(each["state"]))
                for each in status["applications"]
            )
            delivered = Delivered(
                str(status["device_state"] or ""),
                rows,
                int(status["jobs_waiting"]),
                int(script.get("retry_after_s") or 0),
                self._scripts,
                self._commands,
                str(status.get("last_failed_job") or ""),
            )
        except (KeyError, TypeError, ValueError):
            raise FormatMalformed(what="a status of another form") from None
        for name, version, state in rows:
            self._tell(state, f"{name} {version}; {self._scripts} round trips, {self._commands} commands")
        return delivered


def _commands(script: Mapping[str, Any]) -> list[bytes]:
    given = script.get("commands")
    if not isinstance(given, list) or not given:
        raise FormatMalformed(what="a script without commands")
    commands = [base64_octets(each, "commands") for each in given]
    if any(not 4 <= len(each) <= _LONGEST_COMMAND for each in commands):  # noqa: PLR2004 - a header
        raise FormatMalformed(what="a command of another length")
    return commands


def _doing(script: Mapping[str, Any]) -> Doing | None:
    job = script.get("job")
    if job is None:
        return None
    try:
        return Doing(
            str(job["job_id"]),
            str(job["kind"]),
            str(job["application"]),
            str(job["version"]),
            (int(job["blocks_done"]), int(job["blocks_total"])),
        )
    except (KeyError, TypeError, ValueError):
        raise FormatMalformed(what="a job of another form") from None


def _named(commands: Sequence[bytes]) -> str:
    """Their names in order of first appearance, with how many of each there are."""
    counts = Counter(_NAMES.get(each[1], f"{each[1]:02X}") for each in commands)
    return ", ".join(name if count == 1 else f"{name} x {count}" for name, count in counts.items())
