"""What pip prints becomes a sentence that helps."""
from __future__ import annotations

import pytest

from modules.launching.network import configured_proxy, exempt_loopback
from modules.launching.pip_failure import Cause, explain

RETRYING = "WARNING: Retrying (Retry(total=4)) after connection broken by "
NOT_FOUND = "\nERROR: Could not find a version that satisfies the requirement torch\nERROR: No matching distribution found for torch"


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", Cause.DISK),
        (f"{RETRYING}'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] unable to get local issuer'))'" + NOT_FOUND, Cause.CERTIFICATE),
        (f"{RETRYING}'ProxyError('Cannot connect to proxy.', NewConnectionError('refused'))'" + NOT_FOUND, Cause.PROXY),
        (f"{RETRYING}'NewConnectionError('Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')'" + NOT_FOUND, Cause.NETWORK),
        ("ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/usr/lib/x'", Cause.PERMISSION),
        ("error: externally-managed-environment\n\n× This environment is externally managed", Cause.MANAGED),
        ("ERROR: ResolutionImpossible: for help visit", Cause.CONFLICT),
        (NOT_FOUND, Cause.NOT_FOUND),
        ("error: subprocess-exited-with-error\n× Building wheel for x did not run successfully.", Cause.BUILD),
        ("Segmentation fault", Cause.OTHER),
        ("", Cause.OTHER),
    ],
)  # fmt: skip
def test_the_cause_is_found_and_answered(output: str, cause: Cause) -> None:
    failure = explain(output, what="torch", place="/home/me/venv", environ={})
    assert failure.cause is cause
    assert failure.message.endswith(".")
    assert failure.remedy.endswith(".")


def test_the_proxy_is_named_without_its_password() -> None:
    environ = {"HTTPS_PROXY": "http://me:secret@proxy.example:3128"}
    failure = explain("ProxyError('Tunnel connection failed: 407 Proxy Authentication Required')", what="torch", place="/v", environ=environ)
    assert "http://proxy.example:3128" in failure.message
    assert "secret" not in failure.message + failure.remedy + failure.details
    assert configured_proxy({}) == ""


def test_only_the_telling_lines_are_kept() -> None:
    failure = explain("Collecting a\n" * 100 + "ERROR: one\n[notice] a new pip\nERROR: two\n", what="a", place="/v", environ={})
    assert failure.details == "ERROR: one\nERROR: two"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, "127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "example.org"}, "example.org,127.0.0.1,localhost,::1"),
        ({"no_proxy": " localhost , .corp "}, "localhost,.corp,127.0.0.1,::1"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_loopback_never_goes_through_the_proxy(before: dict[str, str], after: str) -> None:
    exempt_loopback(before)
    assert before["NO_PROXY"] == before["no_proxy"] == after
    exempt_loopback(before)
    assert before["NO_PROXY"] == after
