"""/internal/history: only pictures of the output folders, by number."""
from __future__ import annotations

import pytest

from tests.conftest import RunningServer

SMALL = {"prompt": "a heron", "steps": 1, "width": 64, "height": 64, "save_images": True}


def test_what_was_made_is_listed_shown_and_deleted(fake_server: RunningServer) -> None:
    client = fake_server.client
    client.post("/sdapi/v1/txt2img", json=SMALL)
    fake_server.app.pictures.refresh(wait=True)
    listed = client.get("/internal/history?q=heron").json()
    [picture] = listed["pictures"]
    assert listed["total"] == 1 and picture["prompt"] == "a heron" and listed["folders"] == ["txt2img-images"]
    whole = client.get(f"/internal/history/{picture['id']}").json()
    assert whole["infotext"].startswith("a heron\nSteps: 1") and client.get("/" + whole["url"]).status_code == 200
    assert client.get(f"/internal/history/{picture['id']}/thumb").content[8:12] == b"WEBP"
    assert client.post("/internal/history/delete", json={"ids": [picture["id"]]}).json()["deleted"] == 1
    assert client.get("/internal/history").json()["total"] == 0
    assert len(list((fake_server.app.paths.data_dir / "trash").rglob("*.png"))) == 1
    assert client.get("/" + whole["url"]).status_code == 404


@pytest.mark.parametrize("query", ["?offset=-5&count=-1", "?count=999999999", "?q=%25%27%22%5C", "?since=1e308&until=-1e308", "?offset=99999999999999999999999"])
def test_odd_questions_are_answered(fake_server: RunningServer, query: str) -> None:
    assert fake_server.client.get("/internal/history" + query).status_code in (200, 422)
    for id in ("99", "-1", "99999999999999999999999", "x"):
        assert fake_server.client.get(f"/internal/history/{id}").status_code in (404, 422)
        assert fake_server.client.get(f"/internal/history/{id}/thumb").status_code in (404, 422)
    assert fake_server.client.post("/internal/history/delete", json={"ids": [99]}).status_code == 404
