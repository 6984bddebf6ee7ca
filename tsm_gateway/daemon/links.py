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
        system_type=smpp.system_type,
        address_range=smpp.address_range,
        source=smpp.source_address or gateway.source_address,
        service_type=smpp.service_type,
        receipt_id_base=ID_BASES[smpp.receipt_id],
        window=smpp.window,
        rate_per_s=smpp.rate_per_s,
        max_pdu=smpp.max_pdu,
        connect_s=smpp.bind_s,
        bind_s=smpp.bind_s,
        enquire_s=smpp.enquire_s,
        answer_s=smpp.answer_s,
        response_s=smpp.response_s,
        pdu_read_s=smpp.pdu_read_s,
        rebind_min_s=smpp.rebind_min_s,
        rebind_max_s=smpp.rebind_max_s,
    )


def _tls(tls: TlsSettings) -> TlsOptions:
    return TlsOptions(
        ca=str(tls.ca or ""),
        certificate=str(tls.certificate or ""),
        key=str(tls.key or ""),
        server_hostname=tls.server_name,
        minimum=TlsVersion(tls.minimum),
    )
