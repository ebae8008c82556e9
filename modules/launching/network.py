"""Proxies and certificates as the machine has them; loopback never goes through a proxy."""
from __future__ import annotations

import re
import ssl
import subprocess
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
CERTIFICATE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
LINUX_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
MAC_KEYCHAINS = ("/System/Library/Keychains/SystemRootCertificates.keychain", "/Library/Keychains/System.keychain")


def exempt_loopback(environ: MutableMapping[str, str]) -> None:
    """Add 127.0.0.1, localhost and ::1 to NO_PROXY, in both spellings, whatever else stands there."""
    listed = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    hosts = [host.strip() for host in listed.split(",") if host.strip()]
    if "*" not in hosts:
        hosts += [host for host in LOOPBACK if host not in hosts]
    environ["NO_PROXY"] = environ["no_proxy"] = ",".join(hosts)


def configured_proxy(environ: Mapping[str, str]) -> str:
    """The proxy that downloads go through, without user name and password; "" when none is set."""
    proxy = next((environ[name] for name in PROXY_VARIABLES if environ.get(name)), "")
    return re.sub(r"//[^/@]*@", "//", proxy)


def configured_certificates(environ: Mapping[str, str]) -> str:
    """The certificate file that the user or the company set for pip, "" when none is."""
    return next((f"{name}={environ[name]}" for name in CERTIFICATE_VARIABLES if environ.get(name)), "")


def system_certificates(target: Path) -> Path | None:
    """A PEM file with the authorities that this system trusts, a company's among them; written to ``target`` where the
    system keeps them elsewhere than in a file. None when it has none to give."""
    if sys.platform not in ("win32", "darwin"):
        return next((Path(path) for path in LINUX_BUNDLES if Path(path).is_file()), None)
    pem = _windows_authorities() if sys.platform == "win32" else _mac_authorities()
    if not pem:
        return None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(pem, encoding="ascii")
    except OSError:
        return None
    return target


def _windows_authorities() -> str:
    context = ssl.create_default_context()
    return "".join(ssl.DER_cert_to_PEM_cert(certificate) for certificate in context.get_ca_certs(binary_form=True))


def _mac_authorities() -> str:
    command = ["/usr/bin/security", "find-certificate", "-a", "-p", *MAC_KEYCHAINS]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
