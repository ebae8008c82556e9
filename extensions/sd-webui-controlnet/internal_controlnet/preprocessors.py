"""Preprocessors: a picture -> the hint that a control network reads. Those that need weights of their own are named, with the file they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from modules.paths import models_path

from internal_controlnet.hints import opaque, scaled_size
from internal_controlnet.homes import homes
from internal_controlnet.mesh_faces import faces_drawn
from internal_controlnet.pose_networks import PARTS, Pose, within
from internal_controlnet.poses import drawn, faces_alone
from internal_controlnet.preprocessor_rows import LOOKS, NOT_RUN, READS_FACES, ROWS, RUN_BY_NETWORKS, WEIGHTS
from internal_controlnet.settings import setting
from internal_controlnet.whole_body import ANIMALS, KEYS
from modules import shared
from modules.a1111.control_units import ControlRefused
from modules.application.downloads import Published

Picture = np.ndarray                                # (H, W, 3 or 4), uint8
SLIDER_FIELDS = ("processor_res", "threshold_a", "threshold_b")
WEIGHTS_FOLDER = "ControlNetPreprocessor"
_POSES = (*PARTS, *KEYS, ANIMALS)
_PAD = 64
_RESOLUTION = 512
_LAMA_RESOLUTION = 256                              # of the pictures it was trained with
_SHUFFLE_CELL = 256                                 # pixels between the random displacements


@dataclass(frozen=True, kw_only=True)
class Slider:
    """shown: on the page and in the API. One that is hidden still has a value, which infotexts tell."""

    label: str = "EMPTY_LABEL"
    value: float = 0.5
    least: float = 0.0
    most: float = 1.0
    step: float = 0.01
    shown: bool = False

    def described(self) -> dict[str, object]:
        return {"name": self.label, "value": self.value, "min": self.least, "max": self.most, "step": self.step}


@dataclass(frozen=True, kw_only=True)
class Preprocessor:
    """key: its name in the API. label: on the page. tags: control types it belongs to. run: (picture, resolution, slider 1, slider 2) -> hint.

    pose: (picture, resolution) -> the keypoints that ``run`` draws.
    """

    key: str
    label: str
    tags: tuple[str, ...]
    sliders: tuple[Slider, Slider, Slider]
    model_free: bool = False
    run: Callable[[Picture, float, float, float], Picture] = field(compare=False)
    pose: Callable[[Picture, float], Pose] | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """As other extensions ask for it."""
        return self.key

    @staticmethod
    def get_sorted_preprocessors() -> list[Preprocessor]:
        """All, by their labels: other extensions list them in choices of their own."""
        return sorted(all_preprocessors(), key=lambda each: each.label)

    @property
    def reads_mask(self) -> bool:
        return "inpaint" in self.key

    @property
    def softens_hires(self) -> bool:
        """Line drawings: the hires pass takes them softly."""
        return "canny" in self.key or "mlsd" in self.key

    def described(self) -> dict[str, object]:
        return {"model_free": self.model_free, "sliders": [each.described() for each in self.sliders if each.shown]}


@cache
def all_preprocessors() -> tuple[Preprocessor, ...]:
    """In the order in which they are listed."""
    found = []
    for key, label, tags, resolution, sliders, model_free in ROWS:
        if resolution is not None:
            first = Slider(label="Resolution", value=resolution, least=64, most=2048, step=8, shown=True)
        else:
            first = Slider(value=_RESOLUTION) if key == "shuffle" else Slider()
        more = [Slider(label=name, value=value, least=least, most=most, step=step, shown=True) for name, value, least, most, step in sliders]
        more += [Slider()] * (2 - len(more))
        found.append(Preprocessor(key=key, label=label, tags=tags, sliders=(first, more[0], more[1]), model_free=model_free, run=_RUNS.get(key) or _by_network(key, label),
                                  pose=_poses(key, label) if key in _POSES else None))
    return tuple(found)


def find_preprocessor(name: str) -> Preprocessor | None:
    """By label, then by key: some labels are others' keys."""
    listed = all_preprocessors()
    return next((each for each in listed if each.label == name), None) or next((each for each in listed if each.key == name), None)


def control_types() -> list[str]:
    return ["All", *sorted({tag for each in all_preprocessors() for tag in each.tags})]


def of_type(control_type: str) -> list[Preprocessor]:
    """Those of a control type, "none" among them."""
    return [each for each in all_preprocessors() if control_type in ("All", *each.tags) or each.key == "none"]


def resized(picture: Picture, resolution: float) -> tuple[Picture, int, int]:
    """The shorter side at ``resolution``, the sides filled up to multiples of 64 with the border's pixels; then the height and width of the picture in it."""
    if picture.ndim == 2:
        picture = np.stack([picture] * 3, axis=2)
    scale = float(resolution) / min(picture.shape[:2])
    width, height = scaled_size(picture, scale)
    found = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    padded = np.pad(found, [(0, -height % _PAD), (0, -width % _PAD), (0, 0)], mode="edge")
    return np.ascontiguousarray(padded), height, width


def _at_resolution(run: Callable[[Picture, float, float], Picture], *, padded: bool = True) -> Callable[[Picture, float, float, float], Picture]:
    """``run`` on the resized picture. padded: the filled-up rim is there while it works."""

    def whole(picture: Picture, resolution: float, first: float, second: float) -> Picture:
        found, height, width = resized(picture, resolution)
        if padded:
            return np.ascontiguousarray(run(found, first, second)[:height, :width])
        return run(np.ascontiguousarray(found[:height, :width]), first, second)

    return whole


def _canny(picture: Picture, low: float, high: float) -> Picture:
    return cv2.cvtColor(cv2.Canny(picture, int(low), int(high)), cv2.COLOR_GRAY2RGB)


def _xdog(picture: Picture, threshold: float, _second: float) -> Picture:
    """Lines where a narrow and a wide blur differ. Source: Winnemoeller 2011, "XDoG", in its simplest form."""
    narrow, wide = (cv2.GaussianBlur(picture.astype(np.float32), (0, 0), sigma) for sigma in (0.5, 5.0))
    lightness = (255 - (wide - narrow).min(axis=2)).clip(0, 255).astype(np.uint8)
    found = np.zeros_like(picture)
    found[2 * (255 - lightness) > threshold] = 255  # in 8 bits, as the original: a difference above 127 starts again at 0
    return found


def _threshold(picture: Picture, level: float, _second: float) -> Picture:
    found = np.zeros_like(picture)
    found[picture.min(axis=2) > level] = 255
    return found


def standard_lineart(picture: Picture, _first: float, _second: float) -> Picture:
    """Dark lines on a light ground become light ones; their strength is set by the median line."""
    exact = picture.astype(np.float32)
    strength = (cv2.GaussianBlur(exact, (0, 0), 6.0) - exact).min(axis=2).clip(0, 255)
    lines = strength[strength > 8]
    strength = strength / max(16.0, float(np.median(lines)) if lines.size else 0.0) * 127
    return np.repeat(strength.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def _shuffle(picture: Picture, _first: float, _second: float) -> Picture:
    """Pulled about by smooth random displacements, of numpy's global stream: callers seed it."""
    height, width = picture.shape[:2]
    across, down = _random_field(height, width) * float(width - 1), _random_field(height, width) * float(height - 1)
    return cv2.remap(picture, np.dstack([across, down]).astype(np.float32), None, cv2.INTER_LINEAR)


def _random_field(height: int, width: int) -> np.ndarray:
    """Smooth values in 0 .. 1, (height, width, 1)."""
    cell = _SHUFFLE_CELL
    coarse = np.random.uniform(low=0, high=1, size=(height // cell + 2, width // cell + 2, 1))
    fine = cv2.resize(coarse, (width + 2 * cell, height + 2 * cell), interpolation=cv2.INTER_CUBIC)
    fine = fine[cell : cell + height, cell : cell + width]
    fine = fine - fine.min()
    return (fine / fine.max())[:, :, None]


def _smaller(picture: Picture, _resolution: float, rate: float, _second: float) -> Picture:
    picture = opaque(picture)
    if rate < 1.1:
        return picture
    height, width = picture.shape[:2]
    return cv2.resize(picture, (max(int(width / rate), 1), max(int(height / rate), 1)), interpolation=cv2.INTER_AREA)


def _channel(conversion: int, channel: int) -> Callable[[Picture, float, float, float], Picture]:
    """One channel of another colour space, gamma-corrected. The picture is read as BGR, as the original does."""

    def run(picture: Picture, _resolution: float, gamma: float, _second: float) -> Picture:
        found = cv2.cvtColor(opaque(picture), conversion)[:, :, channel].astype(np.float32) / 255.0
        return cv2.cvtColor((found**gamma * 255.0).clip(0, 255).astype(np.uint8), cv2.COLOR_GRAY2RGB)

    return run


def _colour_grid(picture: Picture, resolution: float, _first: float, _second: float) -> Picture:
    """One colour for each square of 64 pixels."""
    picture = opaque(picture)
    height, width = picture.shape[:2]
    resolution = int(resolution)
    if height < width:
        size = round(width / height * resolution), resolution
    else:
        size = resolution, round(height / width * resolution)
    found = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(found, (max(size[0] // 64, 1), max(size[1] // 64, 1)), interpolation=cv2.INTER_CUBIC)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_NEAREST)


def _filled_in(picture: Picture, _resolution: float, _first: float, _second: float) -> Picture:
    """What is masked, painted by a network from what is around it; the mask stays as the fourth channel."""
    files = weight_files(*_named("inpaint_only+lama"))
    if picture.shape[2] < 4:
        raise ControlRefused("The preprocessor 'inpaint_only+lama' paints what is masked, and there is no mask.", "Paint a mask over the picture.", field="mask")
    from internal_controlnet.annotators import annotated

    colour, mask = picture[:, :, :3], picture[:, :, 3:]
    seen, height, width = resized(picture, _LAMA_RESOLUTION)
    painted = annotated("inpaint_only+lama", files, seen, 0, 0)[:height, :width]
    painted = cv2.resize(painted, (picture.shape[1], picture.shape[0]))
    share = mask.astype(np.float32) / 255.0
    return np.concatenate([(painted * share + colour * (1 - share)).clip(0, 255).astype(np.uint8), mask], axis=2)


def _dsine(picture: Picture, resolution: float, field_of_view: float, iterations: float) -> Picture:
    """The camera is reckoned from the picture as it was given, as the original does."""
    files = weight_files(*_named("normal_dsine"))
    from internal_controlnet.annotators import normals
    from internal_controlnet.dsine_network import camera_of

    seen, height, width = resized(opaque(picture), resolution)
    return np.ascontiguousarray(normals(files, seen, camera_of(*picture.shape[:2], float(field_of_view)), int(iterations))[:height, :width])


def _areas(picture: Picture, resolution: float, _first: float, _second: float) -> Picture:
    files = weight_files(*_named("mobile_sam"))
    from internal_controlnet.annotators import annotated
    from internal_controlnet.anything_network import fitted

    return annotated("mobile_sam", files, fitted(opaque(picture), resolution), 0, 0)


def _itself(picture: Picture, _resolution: float, _first: float, _second: float) -> Picture:
    return picture


_RUNS: dict[str, Callable[[Picture, float, float, float], Picture]] = {
    "none": _itself, "reference_only": _itself, "reference_adain": _itself, "reference_adain+attn": _itself, "inpaint": _itself, "inpaint_only": _itself,
    "canny": _at_resolution(_canny), "scribble_xdog": _at_resolution(_xdog), "threshold": _at_resolution(_threshold),
    "lineart_standard": _at_resolution(standard_lineart), "shuffle": _at_resolution(_shuffle, padded=False),
    "blur_gaussian": _at_resolution(lambda picture, sigma, _: cv2.GaussianBlur(picture, (0, 0), float(sigma)), padded=False),
    "invert": lambda picture, *_: 255 - opaque(picture),
    "tile_resample": _smaller, "tile_colorfix": _itself, "tile_colorfix+sharp": _itself,
    "recolor_luminance": _channel(cv2.COLOR_BGR2LAB, 0), "recolor_intensity": _channel(cv2.COLOR_BGR2HSV, 2), "color": _colour_grid, "inpaint_only+lama": _filled_in, "mobile_sam": _areas,
    "normal_dsine": _dsine, "mediapipe_face": _at_resolution(lambda picture, most, least_sure: faces_drawn(opaque(picture), most, least_sure)),
}  # fmt: skip


def weight_folders() -> list[Path]:
    """Where the preprocessors' own folders may lie: the setting's, the flag's, models/ControlNetPreprocessor, the original's."""
    asked = (setting("control_net_modules_path"), getattr(shared.cmd_opts, "controlnet_annotator_models_path", None))
    own = (home / "annotator" / "downloads" for home in homes())
    return [*(Path(each) for each in asked if each), Path(models_path) / WEIGHTS_FOLDER, *own]


def weight_files(label: str, folder: str, addresses: Sequence[str], otherwise: str = ", or choose 'none' and give the finished hint picture") -> list[Path]:
    """The preprocessor's files. Raises ControlRefused, which says what is missing: it is never fetched unasked. otherwise: what else can be done."""
    found, missing = [], []
    for address in addresses:
        name = address.rpartition("/")[2]
        path = next((path for place in (*weight_folders(), Path(models_path)) if (path := place / folder / name).is_file()), None)
        found += [path] if path is not None else []
        missing += [address] if path is None else []
    if missing:
        place = Path(models_path) / WEIGHTS_FOLDER / folder
        names = " and ".join(address.rpartition("/")[2] for address in missing)
        raise ControlRefused(f"The preprocessor {label!r} needs {names} in {place}, which is not there.",
                             f"Download {' and '.join(missing)} into that folder{otherwise}.", field="module")
    return found


def published() -> list[Published]:
    """The files that preprocessors of this version take, to be fetched."""
    place = Path(models_path) / WEIGHTS_FOLDER
    return [Published(final=place / folder / address.rpartition("/")[2], address=address)
            for key, (folder, addresses) in WEIGHTS.items() if key in (*RUN_BY_NETWORKS, *READS_FACES) for address in addresses]


def _named(key: str) -> tuple[str, str, tuple[str, ...]]:
    """(label, folder, addresses) of a preprocessor that needs files."""
    return next(row[1] for row in ROWS if row[0] == key), *WEIGHTS[key]


def pose_drawn(key: str, pose: Pose) -> Picture:
    """As preprocessor ``key`` draws it."""
    return drawn(faces_alone(pose) if key == "openpose_faceonly" else pose)


def _poses(key: str, label: str) -> Callable[[Picture, float], Pose]:
    """Keypoints by the preprocessor's networks."""

    def pose(picture: Picture, resolution: float) -> Pose:
        files = weight_files(label, *WEIGHTS[key])
        from internal_controlnet.annotators import posed

        found, height, width = resized(opaque(picture), resolution)
        return within(posed(key, files, found), height, width)

    return pose


def _by_network(key: str, label: str) -> Callable[[Picture, float, float, float], Picture]:
    """Runs the preprocessor's network, or says what it would need."""

    def run(picture: Picture, resolution: float, first: float, second: float) -> Picture:
        if key in LOOKS:
            raise ControlRefused(f"The preprocessor {label!r} makes no picture: it hands on what networks see in one.", "Generate with it; there is nothing to preview.", field="module")
        if key in NOT_RUN:
            reason, instead = NOT_RUN[key]
            raise ControlRefused(f"The preprocessor {label!r} is not run by this version: {reason}.", instead, field="module")
        if key in _POSES:
            return pose_drawn(key, _poses(key, label)(picture, resolution))
        files = weight_files(label, *WEIGHTS[key])
        from internal_controlnet.annotators import annotated

        return _at_resolution(lambda found, a, b: annotated(key, files, opaque(found), a, b))(opaque(picture), resolution, first, second)

    return run
