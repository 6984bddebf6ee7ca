"""From configuration to links: `[[smpp]]` tables become the options of binds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsm_gateway.daemon.settings import secret_value
from tsm_gateway.radio.smpp.options import BindMode, Endpoint, IdBase, SmppOptions, TlsOptions, TlsVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tsm_gateway.daemon.settings import GatewaySettings, SmppSettings, TlsSettings

ID_BASES: Mapping[str, IdBase] = {
    "auto": IdBase.AUTO,
    "as_is": IdBase.TEXT,
    "hex": IdBase.HEXADECIMAL,
    "decimal": IdBase.DECIMAL,
}
# Keys that mean the same to a link under the same name.
SAME = (
    *("system_type", "address_range", "address_ton", "address_npi", "service_type"),
    *("source_ton", "source_npi", "destination_ton", "destination_npi"),
    *("window", "rate_per_s", "max_pdu", "bind_s", "enquire_s", "answer_s", "response_s", "pdu_read_s"),
    *("inactivity_s", "denied_s", "throttle_min_s", "throttle_max_s", "rebind_min_s", "rebind_max_s"),
)


def link_options(gateway: GatewaySettings, smpp: SmppSettings) -> SmppOptions:
    """The options of one bind, its password read. Raises SecretUnreadable."""
    return SmppOptions(
        name=smpp.name,
        hosts=tuple(Endpoint(host, port) for host, port in smpp.hosts),
        system_id=smpp.system_id,
        password=secret_value(smpp.password),
        mode=BindMode(smpp.bind),
        tls=_tls(smpp.tls) if smpp.tls is not None else None,
        plain_text=smpp.allow_plaintext,
        source=smpp.source_address or gateway.source_address,
        receipt_id_base=ID_BASES[smpp.receipt_id],
        response_id_base=ID_BASES[smpp.response_id],
        **{name: getattr(smpp, name) for name in SAME},
        connect_s=smpp.bind_s,
    )


def _tls(tls: TlsSettings) -> TlsOptions:
    return TlsOptions(
        ca=str(tls.ca or ""),
        certificate=str(tls.certificate or ""),
        key=str(tls.key or ""),
        server_hostname=tls.server_name,
        minimum=TlsVersion(tls.minimum),
    )
