"""A disk that is full, read-only or broken, or whose folder is taken away: the picture still comes, with a sentence, and the server goes on."""

from __future__ import annotations

import base64
import io
import json
import shutil
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from modules.files.atomic import write_text
from modules.files.storage import TEMP_PREFIX, StorageError, hindrance
from modules.gradio_ui.finished import ShownImage
from modules.gradio_ui.shown_files import ShownFiles
from modules.jobs.job import JobState
from tests.conftest import FakeEngine, RunningServer
from tests.reliability.broken_disk import BROKEN, FORBIDDEN, FULL, READ_ONLY, refusing

pytestmark = pytest.mark.group("R3")
ASKED = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64, "seed": 5, "save_images": True, "override_settings": {"save_txt": True}}
WORDS = {FULL: "disk is full", FORBIDDEN: "No permission", BROKEN: "was not written", READ_ONLY: "No permission"}


def asked(server: RunningServer, **values: Any) -> tuple[list[Image.Image], str]:
    """The pictures of one request, and what is said about them."""
    answer = server.client.post("/sdapi/v1/txt2img", json={**ASKED, **values})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return [Image.open(io.BytesIO(base64.b64decode(each))) for each in body["images"]], json.loads(body["info"]).get("comments", "")


def saved(server: RunningServer) -> list[Path]:
    return sorted(each for each in server.app.paths.outputs_dir.rglob("*") if each.is_file())


@pytest.mark.parametrize("code", WORDS)
def test_every_step_may_fail(code: int, fake_server: RunningServer) -> None:
    """At the n-th step alone, for all n, and at all of them: what is there afterwards is whole, and nothing temporary is left."""
    with refusing(code, below=fake_server.app.paths.outputs_dir, steps=range(0)) as seen:
        asked(fake_server)
    for steps in (*(range(n, n + 1) for n in range(len(seen))), range(10**6)):
        with refusing(code, below=fake_server.app.paths.outputs_dir, steps=steps):
            pictures, said = asked(fake_server)
        assert len(pictures) == 1 and WORDS[code] in said
        beside = ".txt was not written" in said or ("No permission to write" in said and ".txt" in said)
        assert ("The picture itself is saved" in said) is beside is bool(fake_server.app.jobs.recent(1)[0].summary["images"][0]["path"])
    for path in saved(fake_server):
        assert not path.name.startswith(TEMP_PREFIX)
        assert path.suffix == ".txt" or Image.open(path).load()
    before = len(saved(fake_server))
    pictures, said = asked(fake_server)
    assert len(pictures) == 1 and not said and len(saved(fake_server)) == before + 2


def test_grids_and_several_pictures_come_too(fake_server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    with refusing(FULL, below=fake_server.app.paths.outputs_dir):
        pictures, said = asked(fake_server, n_iter=3)
    assert len(pictures) == 4 and "disk is full" in said and not saved(fake_server)
    assert sum("not saved" in each.getMessage() for each in caplog.records) == 4       # each once


def test_nothing_at_all_can_be_written(fake_server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs, params.txt, settings and the queue's own file."""
    config = fake_server.app.paths.config_file
    assert fake_server.client.post("/sdapi/v1/options", json={"jpeg_quality": 77}).status_code == 200
    store: Any = fake_server.app.jobs._store

    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with refusing(FULL, below=fake_server.app.paths.data_dir), monkeypatch.context() as patched:
        for name in ("add", "save", "trim", "set_fact"):
            patched.setattr(store, name, full)
        for _ in range(3):
            assert len(asked(fake_server)[0]) == 1
        answer = fake_server.client.post("/sdapi/v1/options", json={"jpeg_quality": 33})
        assert answer.status_code == 507 and "disk is full" in answer.json()["detail"]
        assert json.loads(config.read_text())["jpeg_quality"] == 77
    assert len(asked(fake_server)[0]) == 1 and saved(fake_server)
    assert fake_server.client.post("/sdapi/v1/options", json={"jpeg_quality": 34}).status_code == 200


@pytest.mark.parametrize("instead", ["nothing", "a file", "a dangling link"])
def test_the_output_folder_goes_away_in_the_middle(instead: str, fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    outputs, answers = fake_server.app.paths.outputs_dir, []
    fake_engine.gate.clear()
    thread = threading.Thread(target=lambda: answers.append(asked(fake_server, n_iter=2)))
    thread.start()
    assert fake_engine.started.wait(20)
    shutil.rmtree(outputs, ignore_errors=True)
    if instead == "a file":
        outputs.write_text("x")
    elif instead == "a dangling link":
        outputs.symlink_to(outputs.parent / "nowhere" / "else")
    fake_engine.gate.set()
    thread.join(20)
    pictures, said = answers[0]
    assert len(pictures) == 3
    assert "not a usable folder" in said if instead != "nothing" else not said
    assert len(asked(fake_server)[0]) == 1


@pytest.mark.parametrize(("above", "said"), [("link", "is a link to nowhere, which is not there"), ("file", "is a file"), ("fine", "")])
def test_what_stands_where_a_folder_should_is_named(above: str, said: str, tmp_path: Path) -> None:
    """The system says "File exists" of a link to nothing."""
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "file").write_text("x")
    (tmp_path / "fine").mkdir()
    assert hindrance(tmp_path / above / "Lora") == (f"{tmp_path / above} {said}" if said else "")
    if above == "file":
        with pytest.raises(StorageError, match=said):
            write_text(tmp_path / above / "Lora" / "card.txt", "x")


def test_others_jobs_go_on(fake_server: RunningServer) -> None:
    with refusing(BROKEN, below=fake_server.app.paths.outputs_dir):
        threads = [threading.Thread(target=asked, args=(fake_server,)) for _ in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(20)
    assert [each.state for each in fake_server.app.jobs.recent(6)] == [JobState.DONE] * 6


def test_the_page_says_what_cannot_be_shown_and_shows_the_rest(fake_server: RunningServer) -> None:
    shown = ShownFiles((fake_server.app.paths.outputs_dir,))
    images = [ShownImage(path=None, picture=Image.new("RGB", (8, 8)), infotext="", seed=1) for _ in range(2)]
    with refusing(FULL, below=shown.folder, steps=range(1)):
        assert len(shown.of("job", images)) == 1
    assert [Image.open(path).size for path in shown.of("job", images)] == [(8, 8)] * 2
