"""What the Settings tab asks beside settings: report, actions, licences."""
from __future__ import annotations

from tests.conftest import RunningServer


def test_the_report_is_a_file_that_can_be_checked(fake_server: RunningServer) -> None:
    answer = fake_server.client.get("/internal/sysinfo-download")
    assert "attachment" in answer.headers["content-disposition"]
    assert fake_server.client.get("/internal/sysinfo").json()["Program"]
    check = fake_server.client.post("/internal/sysinfo-check", json={"text": answer.text})
    assert check.json() == {"unchanged": True}


def test_actions(fake_server: RunningServer) -> None:
    for name in ("unload-checkpoint", "load-checkpoint", "calculate-hashes"):
        assert fake_server.client.post(f"/internal/actions/{name}", json={}).json()["message"]
    assert fake_server.client.post("/internal/actions/format-disk", json={}).status_code == 404


def test_fresh_settings_and_licences(fake_server: RunningServer) -> None:
    fake_server.app.settings.set("jpeg_quality", 66)
    assert fake_server.client.get("/internal/settings").json()["jpeg_quality"] == 66
    assert "gradio" in fake_server.client.get("/internal/licenses").json()["text"]
