"""Whether anything in a chain was revoked, by the issuer's lists and OCSP answers.

Of several lists that speak of one certificate the newest counts, and any source that says revoked wins:
also a list that is out of date, as what was revoked stays so. That a certificate is good is believed
only from a source that is up to date.

An authority that changes its key keeps its name, and its lists name what it issued under the old key as
well. Where the same authority above certified both keys, such a list counts like one by the old key.
Where nothing but the name says that the two are one (two roots), it is believed only when it says revoked.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tsm_gateway.provisioning.certificate_errors import (
    CertificateRefused,
    CertificateRevoked,
    RevocationUnknown,
)
from tsm_gateway.provisioning.issuer import RevocationPolicy
from tsm_gateway.provisioning.ocsp import (
    OcspAnswerUnusable,
    OcspQuestion,
    Standing,
    build_request,
    read_answer,
)
from tsm_gateway.provisioning.revocation_list import SKEW_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptography.x509 import Certificate

    from tsm_gateway.provisioning.chain import Vouching
    from tsm_gateway.provisioning.issuer import Issuer
    from tsm_gateway.provisioning.revocation_list import RevocationList


def check_vouched(vouched: Sequence[Vouching], at: int, ocsp: Mapping[bytes, bytes]) -> None:
    """Pass what satisfies every issuer that vouches for it: of several over one root the strictest decides.

    Each is satisfied by one path: an authority with two certificates may have one of them revoked. Raises
    CertificateRevoked, RevocationUnknown.
    """
    for issuer, paths in vouched:
        refusals = []
        for path in paths:
            try:
                check_revocation(path, issuer, at, ocsp)
            except CertificateRefused as refused:
                refusals.append(refused)
        if len(refusals) == len(paths):
            raise refusals[0]


def check_revocation(
    chain: Sequence[Certificate], issuer: Issuer, at: int, ocsp: Mapping[bytes, bytes]
) -> None:
    """Pass a chain, from device to anchor, that satisfies the issuer's policy at Unix second `at`.

    The anchor is trusted by configuration and not asked about. Raises CertificateRevoked,
    RevocationUnknown.
    """
    if issuer.revocation is RevocationPolicy.OFF:
        return
    for certificate, authority in pairwise(chain):
        standing = standing_of(certificate, authority, issuer, at, ocsp)
        if standing is Standing.REVOKED:
            raise CertificateRevoked
        if standing is Standing.UNKNOWN and issuer.revocation is RevocationPolicy.REQUIRED:
            raise RevocationUnknown


def standing_of(
    certificate: Certificate, authority: Certificate, issuer: Issuer, at: int, ocsp: Mapping[bytes, bytes]
) -> Standing:
    """What lists and answers together say of one certificate."""
    said = {_by_list(certificate, authority, issuer.crls, at)}
    if issuer.ocsp and Standing.REVOKED not in said:
        said.add(_by_answer(certificate, authority, issuer, at, ocsp))
    for standing in (Standing.REVOKED, Standing.GOOD):
        if standing in said:
            return standing
    return Standing.UNKNOWN


def questions_about(vouched: Sequence[Vouching]) -> list[OcspQuestion]:
    """What responders should be asked: about every certificate of every path but the anchors, once each."""
    found = {
        (issuer.ocsp, build_request(certificate, authority)): (certificate, authority)
        for issuer, paths in vouched
        if issuer.ocsp and issuer.revocation is not RevocationPolicy.OFF
        for path in paths
        for certificate, authority in pairwise(path)
    }
    return [OcspQuestion(*asked, *about) for asked, about in found.items()]


def _by_list(
    certificate: Certificate, authority: Certificate, lists: Sequence[RevocationList], at: int
) -> Standing:
    published = [each for each in lists if each.this_update - SKEW_S <= at and each.covers(certificate)]
    own = [each for each in published if each.is_of(authority)]
    said = _newest(own)
    if said is not None and certificate.serial_number in said.revoked:
        return Standing.REVOKED
    namesakes = (each for each in published if each not in own and each.bears_name_of(authority))
    if any(certificate.serial_number in each.revoked for each in namesakes):
        return Standing.REVOKED
    return Standing.GOOD if said is not None and at < said.next_update else Standing.UNKNOWN


def _newest(lists: Sequence[RevocationList]) -> RevocationList | None:
    return max(lists, key=lambda each: each.this_update, default=None)


def _by_answer(
    certificate: Certificate, authority: Certificate, issuer: Issuer, at: int, ocsp: Mapping[bytes, bytes]
) -> Standing:
    octets = ocsp.get(build_request(certificate, authority))
    if octets is None:
        return Standing.UNKNOWN
    try:
        answer = read_answer(octets, certificate, authority, at)
    except OcspAnswerUnusable:
        return Standing.UNKNOWN
    responder = answer.responder
    if responder and _by_list(responder, authority, issuer.crls, at) is Standing.REVOKED:
        return Standing.UNKNOWN
    return answer.standing
