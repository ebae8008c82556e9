"""People's poses from OpenPose's original files: body, hands and face, as OpenPose's JSON. The networks and how they are read are controlnet_aux's."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from torch import Tensor, nn

from internal_controlnet.stand_ins import network_package, standing_in

Pose = dict[str, Any]                               # people, animals, canvas_width, canvas_height
_BODY, _HAND, _FACE = "body", "hand", "face"
# key -> the networks it asks besides the body's, in the order of its files
PARTS: dict[str, tuple[str, ...]] = {
    "openpose": (), "openpose_hand": (_HAND,), "openpose_face": (_FACE,), "openpose_faceonly": (_FACE,), "openpose_full": (_HAND, _FACE),
}
_TRUNCATED = 4                                      # standard deviations at which a blur ends


class PoseNetwork(nn.Module):
    """The body's network with those for hands and face, where they were given."""

    def __init__(self, key: str, tables: Sequence[Mapping[str, Tensor]]) -> None:
        super().__init__()
        self.parts: dict[str, Any] = {}
        for part, table in zip((_BODY, *PARTS[key]), tables, strict=True):
            reader_class = _reader_class(part)
            reader = reader_class.__new__(reader_class)         # its own start would read a file of its own
            reader.model = _filled(part, table)
            if part == _FACE:
                reader.sigma, reader.threshold, reader.inference_size = 2.5, 0.1, 736
            self.parts[part] = reader
            self.add_module(part, reader.model)

    def posed(self, picture: np.ndarray) -> Pose:
        """(H, W, 3), uint8, RGB -> every person's keypoints; x and y as shares of the picture's width and height."""
        seen = np.ascontiguousarray(picture[:, :, ::-1])
        body = self.parts[_BODY]
        people = [self._person(each, seen) for each in body.format_body_result(*body(seen))]
        return {"people": people, "animals": [], "canvas_height": picture.shape[0], "canvas_width": picture.shape[1]}

    def _person(self, body: Any, seen: np.ndarray) -> dict[str, list[float] | None]:
        found = {"pose_keypoints_2d": shares([None if each is None else (each.x, each.y) for each in body.keypoints], seen),
                 "face_keypoints_2d": None, "hand_left_keypoints_2d": None, "hand_right_keypoints_2d": None}
        places = _module("util")
        if _HAND in self.parts:
            for left, top, side, is_left in places.handDetect(body, seen):
                peaks = self.parts[_HAND](seen[top : top + side, left : left + side])
                found[f"hand_{'left' if is_left else 'right'}_keypoints_2d"] = shares(_moved(peaks, left, top), seen)
        if _FACE in self.parts and (place := places.faceDetect(body, seen)) is not None:
            left, top, side = place
            reader = self.parts[_FACE]
            peaks = np.array(reader.compute_peaks_from_heatmaps(reader(seen[top : top + side, left : left + side])))
            if peaks.ndim == 2 and peaks.shape[1] == 2:
                found["face_keypoints_2d"] = shares(_moved(peaks, left, top), seen)
        return found


def within(pose: Pose, height: int, width: int) -> Pose:
    """A pose that was found in a picture with a filled-up rim, as one of the picture without."""
    scales = pose["canvas_width"] / width, pose["canvas_height"] / height, 1.0
    people = [{part: numbers and [number * scales[at % 3] for at, number in enumerate(numbers)] for part, numbers in person.items()} for person in pose["people"]]
    return {**pose, "people": people, "canvas_height": height, "canvas_width": width}


def _moved(peaks: np.ndarray, left: int, top: int) -> list[tuple[float, float]]:
    """From a part of the picture to the whole; -1 where a part of a finger or face was not found."""
    return [tuple(-1.0 if value < 1e-6 else float(value) + start for value, start in zip(peak, (left, top), strict=True)) for peak in peaks]  # type: ignore[misc]


def shares(points: Sequence[tuple[float, float] | None], seen: np.ndarray) -> list[float]:
    """x, y, 1 for each point, shares of the picture; three zeros for one that is missing."""
    height, width = seen.shape[:2]
    return [value for point in points for value in ((0.0, 0.0, 0.0) if point is None else (point[0] / width, point[1] / height, 1.0))]


def _filled(part: str, table: Mapping[str, Tensor]) -> nn.Module:
    if part == _FACE:
        network = _module("face").FaceNet()
        network.load_state_dict(dict(table))
        return network
    network = {_BODY: "bodypose_model", _HAND: "handpose_model"}[part]
    network = getattr(_module("model"), network)()
    # the file names layers without the block that holds them
    network.load_state_dict({name: table[name.partition(".")[2]] for name in network.state_dict()})
    return network


def _reader_class(part: str) -> Any:
    return getattr(_module(part), part.capitalize())


def _module(name: str) -> Any:
    package = network_package("open_pose")
    with standing_in(_STAND_INS):
        importlib.import_module(f"{package}.util")              # it and body import each other: only this way round
        return importlib.import_module(f"{package}.{name}")


def _blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    size = 2 * int(_TRUNCATED * sigma + 0.5) + 1
    return cv2.GaussianBlur(values.astype(np.float64), (size, size), sigma, borderType=cv2.BORDER_REFLECT)


def _labelled(areas: np.ndarray, return_num: bool = False, connectivity: int = 2) -> Any:
    """Numbers from 1 for areas that hang together, over corners too."""
    count, labels = cv2.connectedComponents(areas, connectivity=8 if connectivity == 2 else 4)
    return (labels, count - 1) if return_num else labels


# the few functions that the package's files take from elsewhere; the classes of torchvision are only made, never used
_STAND_INS: dict[str, dict[str, Any]] = {
    "scipy.ndimage.filters": {"gaussian_filter": _blurred}, "skimage.measure": {"label": _labelled}, "torchvision.transforms": {"ToTensor": object, "ToPILImage": object},
}  # fmt: skip
