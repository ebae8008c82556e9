"""Faces of generated pictures: restored when asked for, told in the text; what is missing is named, with where to get it."""
from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from modules.application import faces, generation
from modules.application.app import App
from modules.schema.request import Txt2ImgRequest
from tests.conftest import RunningServer
from tests.golden.cases import data_dir

SMALL = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64, "seed": 5, "override_settings": {"face_restoration_model": "GFPGAN"}}


def put_weights(folder: Path) -> None:
    for name in ("GFPGANv1.4.pth", "detection_Resnet50_Final.pth"):
        (folder / "GFPGAN").mkdir(parents=True, exist_ok=True)
        (folder / "GFPGAN" / name).write_bytes(b"not read here")


def test_what_is_missing_is_named_with_folder_and_source_and_the_picture_comes_without(make_app: Callable[..., App], fake_engine: Any, tmp_path: Path) -> None:
    """Scripts for A1111 ask for it whether the weights are there or not, and get their picture."""
    app = make_app()
    asked = Txt2ImgRequest.from_flat({**SMALL, "restore_faces": True})

    def made() -> Any:
        job = app.jobs.wait(generation.submit(app, asked, source="api"), 30)
        assert job.error is None and len(job.result.images) == 1
        return job.result

    told = made()
    assert re.search(r"GFPGANv1\.4\.pth, are not in .*GFPGAN\. Download them from https://github.* made without it", told.comments[0])
    assert told.info["restore_faces"] is False and "Face restoration" not in told.images[0].infotext and not fake_engine.requests[-1].face_restoration
    put_weights(tmp_path / "models")
    (tmp_path / "models" / "GFPGAN" / "detection_Resnet50_Final.pth").unlink()
    assert "detection_Resnet50_Final.pth" in made().comments[0]
    put_weights(tmp_path / "models")
    assert not made().comments and fake_engine.requests[-1].face_restoration == "GFPGAN"


def test_the_setting_counts_where_the_request_says_nothing(make_app: Callable[..., App], fake_engine: Any, tmp_path: Path) -> None:
    put_weights(tmp_path / "models")
    app = make_app()
    app.settings.update({"face_restoration": True, "face_restoration_model": "GFPGAN"})
    for own, wanted in ((None, "GFPGAN"), (False, ""), (True, "GFPGAN")):
        job = app.jobs.wait(generation.submit(app, Txt2ImgRequest.from_flat({**SMALL, "override_settings": {}, "restore_faces": own}), source="api"), 30)
        assert fake_engine.requests[-1].face_restoration == wanted
        assert ("Face restoration: GFPGAN" in job.result.images[0].infotext) == bool(wanted)
        assert job.result.info["face_restoration_model"] == (wanted or None)


def test_every_picture_goes_through_the_restorer(running_app: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = data_dir() / "models" / "GFPGAN"
    seen: list[tuple[str, float]] = []

    def restored(picture: Image.Image, tools: Any, *, weights: Path, weight: float, **more: Any) -> Image.Image:
        seen.append((weights.name, weight))
        return Image.new("RGB", picture.size, "#00ff00")

    monkeypatch.setattr(faces, "restored_faces", restored)
    monkeypatch.setattr(faces.Faces, "weights", lambda self, name: folder / f"{name}v1.4.pth")
    monkeypatch.setattr(faces.Faces, "detector", lambda self: folder / "detection_Resnet50_Final.pth")
    job = running_app.app.jobs.wait(
        generation.submit(running_app.app, Txt2ImgRequest.from_flat({**SMALL, "batch_size": 2, "restore_faces": True}), source="api"), 60)
    assert job.error is None
    assert seen == [("GFPGANv1.4.pth", 0.5)] * 2
    assert {image.picture.getpixel((0, 0)) for image in job.result.images} == {(0, 255, 0)}
