"""No answer, page or log line tells a password, a token or whose home the program lies in; guessing is slow; ending the server needs the password."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modules.rest_api import credentials
from modules.rest_api.credentials import Credentials, credentials_from_flags
from modules.schema.flags import parse_flags
from tests.conftest import FakeEngine, serve
from tests.security.conftest import PASSWORD, Attacked
from tests.security.routes_of import filled, parameters, routes_of
from tests.security.wire import Wire, basic

pytestmark = pytest.mark.group("S11")
STREAMS = ("/heartbeat/", "/queue/data", "/upload_progress", "/events", "/startup-events")


def test_no_answer_holds_a_password(attacked: Attacked, caplog: pytest.LogCaptureFixture) -> None:
    secrets = [PASSWORD, basic(f"ann:{PASSWORD}").split()[1], "hf_abcdefghijklmnop", "geheim-token"]
    attacked.app.settings.keep_unknown("civitai_api_key", "hf_abcdefghijklmnop")
    with caplog.at_level(logging.INFO):
        for method, path in routes_of(attacked.server_app):
            if method not in ("GET", "POST") or any(each in path for each in STREAMS) or "server-" in path:
                continue
            answer = attacked.wire.send(method, filled(path), body=b"{}" if method == "POST" else None, headers={"Content-Type": "application/json"} if method == "POST" else {})
            for secret in secrets:
                assert secret not in answer.text, (method, path)
            assert "Traceback (most recent call last)" not in answer.text, (method, path)
    assert not [record for record in caplog.records if any(secret in record.getMessage() for secret in secrets)]


def test_what_goes_into_reports_names_nobodys_home(attacked: Attacked, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(attacked.folder.parent))
    for path in ("/internal/sysinfo", "/internal/sysinfo-download"):
        text = attacked.wire.send("GET", path).text
        assert str(attacked.folder.parent) not in text and "~/" in text, path


def test_flags_with_secrets_are_told_by_nobody(make_app: Callable[..., Any], fake_engine: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("eva:geheim3\n")
    flags = ("--api", "--gradio-auth", "ann:geheim1", "--api-auth", "bot:geheim2", "--gradio-auth-path", str(tmp_path / "pairs.txt"), "--ngrok", "geheim4", "--ngrok-options", '{"authtoken": "geheim5"}')
    for server in serve(make_app(*flags)):
        wire = Wire(url=server.url, auth="ann:geheim1")
        for path in ("/sdapi/v1/cmd-flags", "/internal/sysinfo", "/sdapi/v1/options", "/internal/settings", "/openapi.json", "/nothing", "/sdapi/v1/jobs/x"):
            answer = wire.send("GET", path)
            assert "geheim" not in answer.text, path


def test_settings_of_extensions_that_hold_keys_are_masked_over_the_api(make_app: Callable[..., Any], fake_engine: FakeEngine) -> None:
    from modules.schema.setting import Section, Setting
    from modules.schema.widgets import TextArea

    app = make_app("--api")
    key = Setting(key="civitai_api_key", default="", label="Key", widget=TextArea())
    app.settings.register(Section(title="Visitor", id="visitor", category="", settings=(key,)))
    app.settings.set("civitai_api_key", "geheim-token")
    for server in serve(app):
        told = server.client.get("/sdapi/v1/options").json()
        assert "geheim" not in str(told)
        assert server.client.post("/sdapi/v1/options", json=told).status_code == 200      # as clients do: all back
        assert app.settings.get("civitai_api_key") == "geheim-token"


def test_guesses_are_slowed_down_for_every_route_and_user(attacked: Attacked) -> None:
    stranger = attacked.stranger()
    began = time.monotonic()
    statuses = [stranger.send("GET", path, auth=f"{user}:try{number}").status for number, (path, user) in enumerate([("/", "ann"), ("/sdapi/v1/options", "bob"), ("/file=x", "ann")] * 8)]
    took = time.monotonic() - began
    assert set(statuses) == {401, 429} and statuses.count(401) <= 5 * (took + 1) + 5
    time.sleep(1.05)
    assert stranger.send("GET", "/internal/ping", auth=f"ann:{PASSWORD}").status == 200


def test_passwords_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    monkeypatch.setattr(credentials.hmac, "compare_digest", lambda a, b: (compared.append(len(a) + len(b)), a == b)[1])
    known: Credentials = credentials_from_flags(parse_flags(["--gradio-auth", "ann:x"], {}).flags)
    for header in (basic("ann:x"), basic("ann:y"), basic("nobody:x"), basic("ann:" + "y" * 3000), "", "nonsense"):
        known.user_of({"authorization": header}, is_api=False)
    assert compared == [64] * 6 and hmac is credentials.hmac        # digests, of known and unknown users alike


def test_ending_the_server_needs_the_password(attacked: Attacked) -> None:
    routes = {path for method, path in routes_of(attacked.server_app) if "server-" in path and not parameters(path)}
    assert routes == {"/sdapi/v1/server-kill", "/sdapi/v1/server-stop", "/sdapi/v1/server-restart"}
    for path in routes:
        assert attacked.stranger().send("POST", path).status == 401
        assert attacked.wire.send("GET", path).status in (404, 405)
        assert attacked.wire.send("POST", path, headers={"Sec-Fetch-Site": "cross-site"}).status == 403
