"""Whose face is in a picture: InsightFace's two networks are run as InsightFace does. The networks here are stand-ins with a known answer."""
from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from modules.imaging.base64_codec import decode_image, encode_image
from modules.schema.errors import WebuiError
from tests.golden_cn.face_files import PLACES, write_finder, write_teller

SIDE = 400


@pytest.fixture
def folder(weights_folder: Path) -> Path:
    return weights_folder / "insightface/models/buffalo_l"


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


@pytest.fixture
def antelope(folder: Path) -> np.ndarray:
    """InstantID's two files: they see faces in pictures of 448 pixels, and tell them by the matrix."""
    place = folder.with_name("antelopev2")
    write_finder(place / "scrfd_10g_bnkps.onnx", 448, (20, 20, 50), (100, 100, 200))
    return write_teller(place / "glintr100.onnx", 512)


def portrait() -> np.ndarray:
    """200x160: at the resolution of 320 it is 400x320, and 448x320 with the rim."""
    picture = np.zeros((160, 200, 3), np.uint8)
    picture[46:154, 46:154] = (0, 51, 255)
    return picture


def test_instant_id_looks_at_the_resized_picture_and_keeps_how_strongly_a_face_is_told(antelope: np.ndarray, app: Any) -> None:
    from internal_controlnet.routes import detect  # pyright: ignore[reportMissingImports]

    asked: dict[str, Any] = {"controlnet_input_images": [encode_image(Image.fromarray(portrait()))], "controlnet_threshold_a": -1, "controlnet_threshold_b": -1,
                             "controlnet_masks": [], "low_vram": False, "controlnet_processor_res": 320}
    (text,) = detect(controlnet_module="instant_id_face_embedding", **asked)["tensor"]
    told = torch.load(io.BytesIO(base64.b64decode(text)), weights_only=True).numpy()[0]
    assert told == pytest.approx(antelope @ ((np.array([0, 51, 255]) - 127.5) / 127.5), abs=0.05) and np.linalg.norm(told) > 5
    (picture,) = detect(controlnet_module="instant_id_face_keypoints", **asked)["images"]
    drawn = np.asarray(decode_image(picture).convert("RGB"))
    places = 100 + PLACES * 200 / 112
    assert drawn.shape == (320, 400, 3)
    for (x, y), colour in zip(places.astype(int), [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255)], strict=True):
        assert tuple(drawn[y, x]) == colour and tuple(drawn[y, x + 8]) == colour
    between = ((places[0] + places[2]) / 2).astype(int)
    assert tuple(drawn[between[1], between[0]]) == (153, 0, 0) and not drawn[:100].any()


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


def test_mediapipe_s_faces_are_drawn_where_it_is_installed_and_else_it_is_said_how(app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from internal_controlnet import mesh_faces
    from internal_controlnet.preprocessors import find_preprocessor

    from modules.a1111.control_units import ControlRefused

    preprocessor = find_preprocessor("mediapipe_face")
    assert preprocessor is not None
    with pytest.raises(ControlRefused, match=r"mediapipe, which is not installed") as refusal:
        preprocessor.run(np.zeros((64, 96, 3), np.uint8), 64, 1, 0.5)
    assert "pip install --no-deps mediapipe" in str(refusal.value)
    monkeypatch.setattr(mesh_faces.importlib.util, "find_spec", lambda name: object())
    asked: list[Any] = []
    monkeypatch.setattr(mesh_faces, "network_class", lambda *_: lambda picture, most, sure: asked.append((picture.shape, most, sure)) or picture + 7)
    found = preprocessor.run(np.zeros((64, 96, 3), np.uint8), 64, 3.0, 0.25)
    assert asked == [((64, 128, 3), 3, 0.25)] and found.shape == (64, 96, 3) and (found == 7).all()
