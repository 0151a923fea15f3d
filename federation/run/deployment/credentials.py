"""Who may speak to whom: an authority of our own for TLS, and a key for each region's node."""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from domain.errors import ConfigError

VALID_DAYS, RENEW_DAYS = 365, 30
_BEGIN = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
_PEM = serialization.Encoding.PEM


def ensure_authority(keys: Path, hosts: Sequence[str], now_ns: int, *, shared: bool = False) -> str | None:
    """Make `ca.crt`, `server.crt` and `server.key` where there are none that will do, and say what would not.

    The authority's own key is not kept, so that new ones are trusted by nobody who has the old `ca.crt`:
    where other machines have it (`shared`), what will not do is refused.
    """
    odd = None
    if (keys / "server.key").exists():
        now = datetime.datetime.fromtimestamp(now_ns / 1e9, datetime.UTC)
        odd = _odd(keys, hosts, now, datetime.timedelta(days=0 if shared else RENEW_DAYS))
        if odd is None:
            return None
        if shared:
            raise ConfigError(
                odd,
                where=str(keys),
                mend="remove ca.crt, server.crt and server.key there, start anew, "
                "and bring the new ca.crt to the other machines (join --ca)",
            )
    _make_authority(keys, hosts, now_ns)
    return odd


def ensure_trusted(certificate: Path, now_ns: int) -> None:
    """Refuse another machine's certificate that nobody could be known by any more."""
    now = datetime.datetime.fromtimestamp(now_ns / 1e9, datetime.UTC)
    odd = _expired(certificate, now) if certificate.exists() else None
    if odd is not None:
        raise ConfigError(
            odd, where=str(certificate), mend="bring that machine's new ca.crt here and name it with --ca"
        )


def _odd(keys: Path, hosts: Sequence[str], now: datetime.datetime, left: datetime.timedelta) -> str | None:
    """Say what is wrong with the certificates that are there."""
    for name in ("ca.crt", "server.crt"):
        if (odd := _expired(keys / name, now + left)) is not None:
            return odd
    certificate = x509.load_pem_x509_certificate((keys / "server.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    missing = [host for host in hosts if _host(host) not in list(names)]
    return f"server.crt is not for {', '.join(missing)}" if missing else None


def _expired(certificate: Path, by: datetime.datetime) -> str | None:
    try:
        ends = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return f"{certificate.name} cannot be read"
    return f"{certificate.name} ends on {ends:%Y-%m-%d}" if ends <= by else None


def _make_authority(keys: Path, hosts: Sequence[str], now_ns: int) -> None:
    keys.mkdir(parents=True, exist_ok=True)
    (keys / "server.key").unlink(missing_ok=True)  # written last: what was broken off is made again
    ends = datetime.datetime.fromtimestamp(now_ns / 1e9, datetime.UTC) + datetime.timedelta(days=VALID_DAYS)
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("murmuration federation")
    root = (
        _certificate(issuer, issuer, authority.public_key(), ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority.public_key()), critical=False)
        .add_extension(_usage(sign=True), critical=True)
        .sign(authority, hashes.SHA256())
    )
    certificate = (
        _certificate(issuer, _name(hosts[0]), server.public_key(), ends)
        .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False
        )
        .add_extension(_usage(sign=False), critical=True)
        .sign(authority, hashes.SHA256())
    )
    (keys / "ca.crt").write_bytes(root.public_bytes(_PEM))
    (keys / "server.crt").write_bytes(certificate.public_bytes(_PEM))
    _write_private(keys / "server.key", server, serialization.PrivateFormat.PKCS8)


def ensure_node_key(keys: Path, region: str) -> None:
    """Make a region's key pair where it is not there yet: `region.pub` is what the SuperLink learns."""
    path = keys / region
    if path.exists():
        return
    keys.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP384R1())
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    path.with_name(f"{region}.pub").write_bytes(public + b"\n")
    _write_private(path, key, serialization.PrivateFormat.OpenSSH)


def _write_private(path: Path, key: ec.EllipticCurvePrivateKey, form: serialization.PrivateFormat) -> None:
    """Write a key that only its owner can read, whole or not at all."""
    draft = path.with_name(f"{path.name}.draft")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key.private_bytes(_PEM, form, serialization.NoEncryption()))
    draft.replace(path)


def _certificate(
    issuer: x509.Name, subject: x509.Name, public: ec.EllipticCurvePublicKey, ends: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGIN)
        .not_valid_after(ends)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign,
        crl_sign=sign,
        encipher_only=False,
        decipher_only=False,
    )
