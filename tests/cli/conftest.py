"""A configuration, keys and certificates of its own for every test, and the command line as one calls it."""

from __future__ import annotations

import datetime as dt
import io
import json
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tsm_gateway.cli import main

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
[gateway]
id = "t"
[store]
url = "sqlite://{folder}/gateway.db"
min_free_mb = 1
[keys]
master = "file:{folder}/master.key"
[[smpp]]
name = "a"
host = "127.0.0.1"
port = {smpp}
system_id = "x"
password = "file:{folder}/password"
[metrics]
listen = "127.0.0.1:{metrics}"
"""


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def one(self, name: str) -> Any:
        """A field of the one record on stdout, by its name in JSON."""
        return self.json[name]


class Site:
    """A gateway's files in a folder."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capfd = folder, capfd
        self.config = folder / "gateway.toml"
        self.smpp, self.metrics = free_port(), free_port()
        text = CONFIG.format(folder=folder, smpp=self.smpp, metrics=self.metrics)
        self.config.write_text(text, encoding="utf-8")
        password = folder / "password"
        password.touch(mode=0o600)
        password.write_text("pw\n", encoding="ascii")

    def __call__(self, *arguments: object, config: Path | None = None) -> Result:
        """Run one command; its exit code, stdout and stderr."""
        self._capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["--config", str(config or self.config), *map(str, arguments)])
        out, err = self._capfd.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Result(code, out, err)

    def done(self, *arguments: object) -> Result:
        """Run one command that must end well."""
        result = self(*arguments)
        assert result.code == 0, result
        return result

    def certificate(self, name: str = "c.pem", **options: Any) -> Path:
        path = self.folder / name
        path.write_bytes(make_certificate(**options)[0])
        return path

    def add_provider(self, name: str = "shop", address: str = "+4930123456") -> Path:
        out = self.folder / f"{name}.json"
        options = ("--msisdn", "+4930999000", "--certificate", self.certificate(), "--key-out", out)
        self.done("provider", "add", name, "--address", address, *options)
        return out

    def add_device(self, *more: object) -> str:
        out = self.folder / "device.key"
        out.unlink(missing_ok=True)
        options = ("--certificate", self.certificate("d.pem"), "--key-out", out, *more)
        return str(self.done("device", "add", *options, "-o", "json").one("device"))


@pytest.fixture
def empty(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Site:
    """Before `key init`; nobody is there to answer questions."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return Site(tmp_path, capfd)


@pytest.fixture
def site(empty: Site) -> Site:
    """With a master key."""
    empty.done("key", "init")
    return empty


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def make_certificate(
    key: Any = None,
    *,
    signer: Any = None,
    age_days: int = 0,
    life_days: int = 30,
    may_sign: bool | None = None,
    encoding: Encoding = Encoding.PEM,
) -> tuple[bytes, Any]:
    """A certificate over `key` (P-256 unless given), signed by `signer` or itself; and the private key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    born = dt.datetime.now(dt.UTC) - dt.timedelta(days=age_days, minutes=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(born)
        .not_valid_after(born + dt.timedelta(days=life_days))
    )
    if may_sign is not None:
        others = ("content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign", "crl_sign")
        uses = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
        usage = x509.KeyUsage(digital_signature=may_sign, key_agreement=True, **uses)
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(signer or key, SHA256()).public_bytes(encoding), key


Make = Callable[..., tuple[bytes, Any]]


@pytest.fixture
def make() -> Make:
    return make_certificate
