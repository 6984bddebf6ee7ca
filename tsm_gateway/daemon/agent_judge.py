"""Whom to believe on channel 2 at this moment: `agent_trust` with today's issuers and OCSP answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.provisioning.agent_trust import judge_agent
from tsm_gateway.provisioning.certificate_errors import CertificateUntrusted
from tsm_gateway.provisioning.device_trust import questions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tsm_gateway.provisioning.agent_trust import TrustedAgent
    from tsm_gateway.provisioning.issuer import Issuer
    from tsm_gateway.provisioning.ocsp_link import OcspLink


class AgentJudge:
    """Judges certificates of agents; a crypto SE, whoever vouches for it, is no agent."""

    def __init__(
        self,
        issuers: Callable[[], Sequence[Issuer]],
        responders: OcspLink,
        is_enrolled: Callable[[str], bool],
        wall: Callable[[], float],
    ) -> None:
        """`issuers` of agents, as they are when somebody asks; `wall`: Unix seconds.

        `is_enrolled` says of a device id ("d:…") whether a crypto SE enrolled with that very key.
        """
        self._issuers, self._responders = issuers, responders
        self._is_enrolled, self._wall = is_enrolled, wall

    async def agent(self, der: bytes) -> TrustedAgent:
        """The agent whose certificate is `der`. Raises a CertificateRefused."""
        issuers, at = self._issuers(), int(self._wall())
        answers = await self._responders.answers(questions(der, issuers, at), at)
        agent = judge_agent(der, issuers, at, ocsp=answers)
        if self._is_enrolled(f"d{agent.agent_id[1:]}"):
            raise CertificateUntrusted
        return agent
