"""dw_openpose_full and animal_openpose: their two ONNX files are run, and what they say is drawn where it is in the picture. The networks here are stand-ins with a known answer."""
from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modules.schema.errors import CannotLoad
from tests.golden_cn.onnx_files import write_onnx

HEIGHT, WIDTH = 400, 300
DRAWN_BY_THE_ORIGINAL = 1915235994                  # the checksum of its sheet
SPOT = (150, 110)                                   # x and y of the only bright place


@pytest.fixture
def folder(weights_folder: Path) -> Path:
    return weights_folder / "openpose"


def picture() -> np.ndarray:
    found = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    found[SPOT[1] - 3 : SPOT[1] + 4, SPOT[0] - 3 : SPOT[0] + 4] = 255
    return found


def write_detector(path: Path, *boxes: tuple[float, float, float, float, float, int]) -> None:
    """Says each time that there are ``boxes``: left, top, width, height in the picture, how sure, of what."""
    found = np.zeros((1, 8400, 85), np.float32)
    for left, top, width, height, sure, kind in boxes:
        x, y = ((start + size / 2) * 640 / HEIGHT for start, size in ((left, width), (top, height)))
        row = found[0, int(y // 8) * 80 + int(x // 8) + (1 if found[0, int(y // 8) * 80 + int(x // 8), 4] else 0)]
        row[:4] = x / 8 - x // 8, y / 8 - y // 8, np.log(width * 640 / HEIGHT / 8), np.log(height * 640 / HEIGHT / 8)
        row[4], row[5 + kind] = 1, sure
    write_onnx(
        path, [("GlobalAveragePool", ["seen"], "mean", {}), ("Conv", ["mean", "nothing"], "one", {"kernel_shape": [1, 1]}),
               ("Reshape", ["one", "flat"], "flatted", {}), ("Add", ["flatted", "found"], "boxes", {})],
        {"nothing": np.zeros((1, 3, 1, 1), np.float32), "flat": np.array([1, 1, 1]), "found": found}, seen=(1, 3, 640, 640), given={"boxes": found.shape})


def write_keypoints(path: Path, count: int = 133, width: int = 288, height: int = 384) -> None:
    """Sees all its points where its picture is brightest. y is told before x."""
    nodes: list[Any] = [("Conv", ["seen", "grey"], "light", {"kernel_shape": [1, 1]})]
    tables, given = {"grey": np.full((1, 3, 1, 1), 1 / 3, np.float32)}, {}
    for name, most, twice, size in (("y", (1, width), (2, 1), height * 2), ("x", (height, 1), (1, 2), width * 2)):
        nodes += [("MaxPool", ["light"], f"most_{name}", {"kernel_shape": most, "strides": (1, 1)}),
                  ("ConvTranspose", [f"most_{name}", f"twice_{name}"], f"fine_{name}", {"kernel_shape": twice, "strides": twice}),
                  ("Reshape", [f"fine_{name}", f"flat_{name}"], f"row_{name}", {}), ("Add", [f"row_{name}", f"all_{name}"], f"simcc_{name}", {})]
        tables |= {f"twice_{name}": np.ones((1, 1, *twice), np.float32), f"flat_{name}": np.array([1, 1, size]), f"all_{name}": np.zeros((1, count, size), np.float32)}
        given[f"simcc_{name}"] = (1, count, size)
    write_onnx(path, nodes, tables, seen=(1, 3, height, width), given=given)


def found_in(shown: np.ndarray) -> Any:
    from internal_controlnet.preprocessors import find_preprocessor

    preprocessor = find_preprocessor("dw_openpose_full")
    assert preprocessor is not None and preprocessor.pose is not None
    drawing = preprocessor.run(shown, min(shown.shape[:2]), 0, 0)
    assert drawing.shape == shown.shape
    return preprocessor.pose(shown, min(shown.shape[:2]))["people"]


def test_keypoints_come_back_to_where_they_are_in_the_picture(folder: Path) -> None:
    write_keypoints(folder / "dw-ll_ucoco_384.onnx")
    write_detector(folder / "yolox_l.onnx", (100, 40, 120, 240, 0.9, 0), (102, 42, 120, 240, 0.5, 0), (10, 300, 40, 40, 0.9, 15))
    (person,) = found_in(picture())                 # one of two boxes for the same person, and no cat
    for part, count in (("pose", 18), ("face", 70), ("hand_left", 21), ("hand_right", 21)):
        points = np.array(person[f"{part}_keypoints_2d"]).reshape(-1, 3)
        assert points.shape == (count, 3) and (points[:, 2] == 1).all()
        assert points[:, :2] * (WIDTH, HEIGHT) == pytest.approx(np.tile(SPOT, (count, 1)), abs=4), part


def test_an_animal_is_drawn_as_the_original_draws_it_and_people_are_left_out(folder: Path) -> None:
    from internal_controlnet.poses import drawn
    from internal_controlnet.preprocessors import find_preprocessor

    write_keypoints(folder / "rtmpose-m_simcc-ap10k_pt-aic-coco_210e-256x256-7a041aa1_20230206.onnx", 17, 256, 256)
    write_detector(folder / "yolox_l.onnx", (100, 40, 120, 240, 0.9, 0), (110, 60, 100, 80, 0.8, 16), (112, 60, 100, 80, 0.4, 16), (10, 300, 40, 40, 0.25, 15))
    preprocessor = find_preprocessor("animal_openpose")
    assert preprocessor is not None and preprocessor.pose is not None
    pose = preprocessor.pose(picture(), WIDTH)
    (dog,) = pose["animals"]
    points = np.array(dog).reshape(-1, 3)
    assert pose["people"] == [] and points.shape == (17, 3) and points[:, :2] == pytest.approx(np.tile(SPOT, (17, 1)), abs=4)
    assert np.array_equal(preprocessor.run(picture(), WIDTH, 0, 0), drawn(pose))
    places = [(20 + 11 * number, 30 + 40 * (number % 4), 1.0) for number in range(17)]
    sheet = drawn({"people": [], "animals": [[value for place in places for value in place]], "canvas_width": 240, "canvas_height": 200})
    assert zlib.crc32(sheet.tobytes()) == DRAWN_BY_THE_ORIGINAL


def test_the_parts_of_the_body_are_openpose_s(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from internal_controlnet import whole_body

    names = ("nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow", "right elbow", "left wrist", "right wrist", "left hip",
             "right hip", "left knee", "right knee", "left ankle", "right ankle")  # fmt: skip
    coco = np.array([(number, number, 1.0) for number in range(133)])
    coco[names.index("left wrist"), 2] = 0.2        # not sure
    person = whole_body._person(coco, np.zeros((1, 1, 3), np.uint8))
    body = np.array(person["pose_keypoints_2d"]).reshape(-1, 3)
    told = ["neck" if x == 5.5 else names[int(x)] if sure else "" for x, _, sure in body]
    assert told == ["nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "", "right hip", "right knee", "right ankle", "left hip",
                    "left knee", "left ankle", "right eye", "left eye", "right ear", "left ear"]  # fmt: skip
    assert person["hand_left_keypoints_2d"] is not None and person["hand_left_keypoints_2d"][0] == 91 and person["face_keypoints_2d"][0] == 23    # pyright: ignore[reportOptionalSubscript]


def test_a_picture_of_nothing_has_nobody_and_a_damaged_file_is_named(folder: Path) -> None:
    write_keypoints(folder / "dw-ll_ucoco_384.onnx")
    write_detector(folder / "yolox_l.onnx")
    assert found_in(picture()) == []
    (folder / "yolox_l.onnx").write_bytes(b"no network")
    with pytest.raises(CannotLoad, match=r"yolox_l\.onnx.*Download the file again"):
        found_in(picture())
    write_keypoints(folder / "yolox_l.onnx")        # one that gives something else
    with pytest.raises(CannotLoad, match=r"yolox_l\.onnx"):
        found_in(picture())
