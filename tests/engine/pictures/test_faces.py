"""A face is cut out upright, restored, and put back: around it nothing changes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from modules.engine.faces import SIDE, alignment, cut_square, inverse, with_faces_restored
from modules.loading.face_detector import Face, FaceDetector, find_faces, load_face_detector
from modules.schema.errors import CannotLoad

CPU = torch.device("cpu")
TEMPLATE = np.array([(192.98138, 239.94708), (318.90277, 240.1936), (256.63416, 314.01935), (201.26117, 371.41043), (313.08905, 371.15118)])


def turned_face(centre: tuple[float, float], side: float, angle: float) -> Face:
    """A face whose square of ``side`` pixels lies around ``centre``, turned by ``angle`` degrees."""
    turn = np.array([[math.cos(math.radians(angle)), -math.sin(math.radians(angle))], [math.sin(math.radians(angle)), math.cos(math.radians(angle))]])
    points = (TEMPLATE - SIDE / 2) * side / SIDE @ turn.T + centre
    return Face(box=(0, 0, 1, 1), points=tuple((float(x), float(y)) for x, y in points), score=1.0)


def scene(width: int, height: int) -> Image.Image:
    small = np.random.default_rng(3).integers(0, 256, (9, 11, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(("side", "angle"), [(120.0, 0.0), (200.0, 25.0), (900.0, -60.0)])
def test_the_square_holds_the_face_upright(side: float, angle: float) -> None:
    face = turned_face((400, 300), side, angle)
    matrix = alignment(face.points)
    assert np.allclose(np.asarray(face.points) @ matrix[:, :2].T + matrix[:, 2], TEMPLATE, atol=1e-6)
    back = inverse(matrix)
    assert np.allclose(TEMPLATE @ back[:, :2].T + back[:, 2], face.points, atol=1e-6)


@pytest.mark.parametrize(("side", "angle"), [(180.0, 0.0), (240.0, 20.0), (1100.0, 10.0)])
def test_a_restorer_that_changes_nothing_leaves_the_picture_as_it_is(side: float, angle: float) -> None:
    picture = scene(800, 600)
    result = with_faces_restored(picture, [turned_face((390, 310), side, angle)], lambda pixels: pixels, CPU)
    assert np.abs(np.asarray(result, int) - np.asarray(picture, int)).mean() < 1.5


def test_only_the_face_changes_and_its_edge_is_soft() -> None:
    picture = scene(640, 480)
    result = with_faces_restored(picture, [turned_face((300, 200), 160, 15)], torch.neg, CPU)
    changed = np.abs(np.asarray(result, int) - np.asarray(picture, int)).max(axis=2)
    assert changed[200, 300] > 0 and changed[190:210, 290:310].mean() > 30
    far = np.hypot(*np.mgrid[-200:280, -300:340]) > 160 * math.sqrt(2) / 2 + 2
    assert changed[far].max() == 0


def test_a_face_that_sticks_out_and_one_that_fails_do_no_harm() -> None:
    picture = scene(300, 200)
    outside = turned_face((5, 5), 200, 0)
    assert cut_square(picture, alignment(outside.points)).size == (SIDE, SIDE)
    broken = with_faces_restored(picture, [outside], lambda pixels: torch.full_like(pixels, torch.nan), CPU)
    assert np.array_equal(np.asarray(broken), np.asarray(picture))


def test_the_detector_reads_its_own_layout_and_refuses_others(tmp_path: Path) -> None:
    torch.manual_seed(0)
    detector = FaceDetector().eval()
    torch.save({f"module.{name}": tensor for name, tensor in detector.state_dict().items()}, tmp_path / "detection_Resnet50_Final.pth")
    read = load_face_detector(tmp_path / "detection_Resnet50_Final.pth")
    pixels = torch.rand(1, 3, 70, 90) * 255
    with torch.no_grad():
        for one, other in zip(detector(pixels), read(pixels)):
            assert torch.equal(one, other)
    assert find_faces(read, pixels, at_least=0.999999) == []
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(CannotLoad, match=r"other\.pth.*RetinaFace"):
        load_face_detector(tmp_path / "other.pth")


def test_of_overlapping_boxes_the_surest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = torch.tensor([[0.1, 0.1, 0.5, 0.5], [0.12, 0.1, 0.5, 0.52], [0.6, 0.6, 0.9, 0.9], [0.0, 0.0, 1.0, 1.0]])
    monkeypatch.setattr(FaceDetector, "forward", lambda self, pixels: (torch.tensor([0.98, 0.99, 0.985, 0.5]), boxes, torch.full((4, 10), 0.5)))
    found = find_faces(_empty(), torch.zeros(1, 3, 100, 200))
    assert [round(face.score, 3) for face in found] == [0.99, 0.985]
    assert found[0].box == pytest.approx((24.0, 10.0, 100.0, 52.0))
    assert found[0].points[0] == pytest.approx((100.0, 50.0))


def _empty() -> FaceDetector:
    detector = FaceDetector.__new__(FaceDetector)
    torch.nn.Module.__init__(detector)
    return detector
