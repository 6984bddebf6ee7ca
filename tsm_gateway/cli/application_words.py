"""What operators are told about deliveries: what comes next, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tsm_gateway.registry.application import Scope

if TYPE_CHECKING:
    from tsm_gateway.daemon.settings import Settings
    from tsm_gateway.registry.application import Rule

UPGRADE: Final = (
    "where another version is installed, an upgrade deletes it with all that it keeps on the card; the "
    "parameters are written anew"
)
REMOVAL: Final = "it is deleted from the card, and all that it keeps there is lost"
NO_PARAMETERS: Final = (
    "it is installed without parameters: they need the address of a --provider, and the gateway's number "
    "([provisioning.delivery] gateway_number)"
)
NOT_CONFIGURED: Final = "nothing is delivered before [provisioning.delivery] is configured"
NEWEST: Final = "newest"  # the version of a rule that names none


def when_devices_get_it(settings: Settings) -> str:
    """Which of them, and how soon."""
    delivery = settings.provisioning.delivery if settings.provisioning else None
    if delivery is None:
        return NOT_CONFIGURED
    return (
        f"devices get it when their agents come next, within {span(delivery.poll_s)} (poll_s) at the latest"
    )


def span(seconds: int) -> str:
    """A time as people say it: "24 hours", "90 minutes", "61 s"."""
    for unit, name in ((3600, "hours"), (60, "minutes")):
        if seconds >= unit and seconds % unit == 0 and seconds != unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def number_told(settings: Settings) -> str:
    """The gateway's own number as applications are told it; "" while there is none they can use."""
    delivery = settings.provisioning.delivery if settings.provisioning else None
    number = (delivery.gateway_number if delivery else "") or settings.gateway.source_address
    return number if number.removeprefix("+").isdigit() else ""


def whom(scope: Scope, subject: str) -> str:
    """Whom a rule is for, in words."""
    if scope is Scope.ALL:
        return "all devices"
    return f"devices of issuer {subject}" if scope is Scope.ISSUER else f"device {subject}"


def rule_row(rule: Rule) -> dict[str, object]:
    """A rule as it may be shown."""
    return {
        "application": rule.application,
        "scope": rule.scope.value,
        "subject": rule.subject or None,
        "version": None if not rule.wanted else str(rule.version or NEWEST),
        "wanted": rule.wanted,
    }
