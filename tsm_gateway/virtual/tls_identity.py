"""TLS 1.3 as a crypto element's agent speaks it: the element's own certificate, and one pinned root.

Python's `ssl` takes a private key from a file only. The file is one in memory without a name
(`memfd_create`), gone when the context is made, so no key touches a disk on the way.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tsm_gateway.virtual.element_record import pem_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.virtual.signature_literal import SigningKey


def client_context(
    certificates: Sequence[bytes], private_key: SigningKey, root: bytes, *, named: bool = True
) -> ssl.SSLContext:
    """A context that shows `certificates` (X.509 DER, the element's first) and trusts `root` alone.

    `named`: whether the server's certificate has to name the host it was reached by. Raises ssl.SSLError
    when the key is not that of the first certificate, or is too weak for this machine.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = named
    context.load_verify_locations(cadata=pem_of(root))
    chain = "".join(map(pem_of, certificates)).encode()
    key = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor = os.memfd_create("virtual element", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, key + chain)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context
