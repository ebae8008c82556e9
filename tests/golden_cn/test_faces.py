"""Whose face is in a picture: InsightFace's two networks are run as InsightFace does. The networks here are stand-ins with a known answer."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modules.schema.errors import WebuiError
from tests.golden_cn import stored
from tests.golden_cn.face_files import PLACES, write_finder, write_teller

SIDE = 400


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with stored.server(tmp_path_factory.mktemp("data")) as app:
        yield app


@pytest.fixture
def folder(app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from internal_controlnet import preprocessors

    monkeypatch.setattr(preprocessors, "weight_folders", lambda: [tmp_path])
    return tmp_path / "insightface/models/buffalo_l"


def test_the_largest_face_is_cut_out_and_told(folder: Path) -> None:
    from internal_controlnet.vision import faces_in

    picture = np.zeros((SIDE, SIDE - 80, 3), np.uint8)
    picture[20:70, 20:70] = (255, 0, 0)
    picture[150:350, 100:300] = (0, 51, 255)
    write_finder(folder / "det_10g.onnx", SIDE, (20, 20, 50), (100, 150, 200))
    matrix = write_teller(folder / "w600k_r50.onnx", 512)
    (found,) = faces_in([np.dstack([picture, picture[:, :, :1]])])      # with a mask, as units hand their picture on
    expected = matrix @ ((np.array([0, 51, 255]) - 127.5) / 127.5)
    assert found.shape == (1, 512) and found.numpy()[0] == pytest.approx(expected / np.linalg.norm(expected), abs=0.02)
    write_finder(folder / "det_10g.onnx", SIDE)
    with pytest.raises(WebuiError, match="no face was found"):
        faces_in([picture])


def test_a_face_is_turned_upright_without_being_mirrored() -> None:
    from internal_controlnet.faces import similarity

    turned = np.array([(0.0, -1.0), (1.0, 0.0)])
    points = (PLACES @ turned.T) * 2.5 + (300, 40)
    matrix = similarity(points, PLACES)
    assert points @ matrix[:, :2].T + matrix[:, 2] == pytest.approx(PLACES, abs=1e-6)
    mirrored = PLACES * (-1, 1)
    assert np.linalg.det(similarity(mirrored, PLACES)[:, :2]) > 0


def test_what_is_missing_or_damaged_is_named(folder: Path, app: Any) -> None:
    from internal_controlnet.vision import faces_in

    with pytest.raises(WebuiError, match=r"det_10g\.onnx and w600k_r50\.onnx.*into that folder\.") as caught:
        faces_in([np.zeros((64, 64, 3), np.uint8)])
    from internal_controlnet import preprocessors

    assert all(each.address in str(caught.value) for each in preprocessors.published() if "buffalo_l" in each.address)
    folder.mkdir(parents=True)
    for name in ("det_10g.onnx", "w600k_r50.onnx"):
        (folder / name).write_bytes(b"nothing")
    with pytest.raises(WebuiError, match=r"det_10g\.onnx.*Download the file again"):
        faces_in([np.zeros((64, 64, 3), np.uint8)])
