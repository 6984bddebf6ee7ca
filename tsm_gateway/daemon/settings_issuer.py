"""Those whose certificates are trusted: issuers of crypto SEs on channel 1, of agents on channel 2."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from tsm_gateway.daemon.settings_fields import AbsolutePath, Name, Section, as_tuple, matching

AbsolutePaths = Annotated[tuple[AbsolutePath, ...], BeforeValidator(as_tuple)]
Url = Annotated[
    str,
    AfterValidator(matching(r"|https?://[!-~]{1,2000}", "must be an address of http or https")),
]


class AgentIssuerSettings(Section):
    """One issuer of certificates that are trusted on a channel."""

    name: Name  # in the log, and with everything it vouches for
    anchors: AbsolutePath  # PEM, the roots of its chain
    intermediates: AbsolutePath | None = None  # PEM, between root and leaf; None = none
    crls: AbsolutePaths = ()  # PEM or DER, read again on SIGHUP
    ocsp: Url = ""  # responder that is asked about every certificate; "" = none
    revocation: Literal["when_known", "required", "off"] = "when_known"


class IssuerSettings(AgentIssuerSettings):
    """One issuer of crypto SEs."""

    element_id: Literal["claimed", "serial_number"] = "claimed"  # whose word a crypto SE's id is


Issuers = Annotated[tuple[IssuerSettings, ...], BeforeValidator(as_tuple)]
AgentIssuers = Annotated[tuple[AgentIssuerSettings, ...], BeforeValidator(as_tuple)]
