"""Preprocessors that are networks: edges, lines, depth, normals. Each runs as soon as its file is there; none is ever fetched.

The networks themselves are controlnet_aux's; reading the files, what goes in and what comes out is ours, as the original does it.
"""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from internal_controlnet.anime_networks import face_parts, manga_lines
from internal_controlnet.anything_network import AnythingNetwork
from internal_controlnet.depth_networks import depth_anything
from internal_controlnet.dsine_network import Camera, camera_of, dsine
from internal_controlnet.faces import FaceReader
from internal_controlnet.hints import ridges
from internal_controlnet.leres_boost import boosted
from internal_controlnet.midas_network import dpt_hybrid
from internal_controlnet.onnx_networks import read_onnx
from internal_controlnet.pose_networks import PARTS, Pose, PoseNetwork
from internal_controlnet.preprocessors import standard_lineart
from internal_controlnet.segment_networks import KEYS as SEGMENTING
from internal_controlnet.segment_networks import oneformer
from internal_controlnet.stand_ins import file_as_module, folder_of, network_class, standing_in
from internal_controlnet.uniformer_network import uniformer
from internal_controlnet.whole_body import ANIMALS, KEYS, Animals, WholeBody
from internal_controlnet.zoe_network import zoe
from modules.a1111.app_slot import current
from modules.application.room import make_room
from modules.compute.memory import free_memory, is_out_of_memory
from modules.loading.pickle_weights import is_pickle, read_pickle
from modules.loading.weights import TORCH_DTYPES, open_weights
from modules.schema.errors import CannotLoad

Picture = np.ndarray                                # (H, W, 3), uint8
Table = Mapping[str, Tensor]
Found = TypeVar("Found")
_IMAGENET = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
_FEWEST_PIXELS = 12                                 # of a line that counts: the original asks for 36 in three equal channels
_KEPT = 2                                           # networks that stay loaded


@dataclass(frozen=True, kw_only=True)
class Annotator:
    """build: what ``read`` takes of each file -> network. draw: (network, picture, slider 1, slider 2) -> hint, (H, W) or (H, W, 3). part: of the file, where it holds more."""

    build: Callable[[Sequence[Any]], nn.Module]
    draw: Callable[[Any, Picture, float, float], np.ndarray]
    part: str = ""
    read: Callable[[Path, str], Any] | None = None      # the file's tensors, where not said otherwise


class _Shelf:
    """The networks that were used last, on the device that computes."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], nn.Module] = {}
        self._lock = threading.Lock()

    def draw(self, annotator: Annotator, files: Sequence[Path], picture: Picture, first: float, second: float) -> Picture:
        with self._lock, torch.inference_mode():
            found = annotator.draw(self._network(annotator, files), picture, first, second)
        return np.repeat(found[:, :, None], 3, axis=2) if found.ndim == 2 else np.ascontiguousarray(found)

    def ask(self, annotator: Annotator, files: Sequence[Path], question: Callable[[Any], Found]) -> Found:
        """What ``question`` gets from the network that is no hint."""
        with self._lock, torch.no_grad():
            return question(self._network(annotator, files))

    def let_go(self) -> None:
        """Forget them, unless one is at work."""
        if self._lock.acquire(blocking=False):
            try:
                self._kept.clear()
            finally:
                self._lock.release()

    def _network(self, annotator: Annotator, files: Sequence[Path]) -> nn.Module:
        key = (annotator.build, annotator.part, *((str(each), each.stat().st_mtime_ns) for each in files))
        network = self._kept.pop(key, None)
        if network is None:
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)))
            network = _built(annotator, files)
        self._kept[key] = network
        return network


_SHELF = _Shelf()


def annotated(key: str, files: Sequence[Path], picture: Picture, first: float, second: float) -> Picture:
    """The picture through the network of preprocessor ``key``. Raises CannotLoad for a file that does not hold it."""
    return _with_room(lambda: _SHELF.draw(ANNOTATORS[key], files, picture, first, second))


def posed(key: str, files: Sequence[Path], picture: Picture) -> Pose:
    """The keypoints that preprocessor ``key`` finds. Raises CannotLoad for a file that does not hold its network."""
    return _with_room(lambda: _SHELF.ask(ANNOTATORS[key], files, lambda network: network.posed(picture)))


def normals(files: Sequence[Path], picture: Picture, camera: Camera, iterations: int) -> Picture:
    """DSINE's, as ``camera`` sees the picture, whose sides are multiples of 32. Raises CannotLoad for a file that does not hold it."""
    return _with_room(lambda: _SHELF.ask(ANNOTATORS["normal_dsine"], files, lambda network: network.drawn(picture, camera, iterations)))


def face_read(files: Sequence[Path], picture: Picture) -> Tensor:
    """Whose face is in ``picture``, (1, 512). Raises CannotLoad, and ControlRefused where there is none."""
    return _with_room(lambda: _SHELF.ask(ANNOTATORS["instant_id_face_keypoints"], files, lambda reader: reader.read(picture)))


def _with_room(draw: Callable[[], Found]) -> Found:
    """What ``draw`` gives; where memory runs out, what it gives when what others keep loaded was let go. From now on these networks are let go for others, too."""
    app = current()
    if _SHELF.let_go not in app.spare:
        app.spare.append(_SHELF.let_go)
    try:
        return draw()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        error.with_traceback(None)                  # its frames hold what is in the way
    make_room(app)
    free_memory()
    return draw()


def _built(annotator: Annotator, files: Sequence[Path]) -> nn.Module:
    tables = [(annotator.read or tensors_of)(each, annotator.part) for each in files]
    try:
        network = annotator.build(tables)
    except (RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        if is_out_of_memory(error):
            raise
        reason = f"it does not hold the network that this preprocessor runs ({str(error).splitlines()[0][:160] if str(error) else type(error).__name__})"
        raise CannotLoad(files[0], reason, "Download the file again.") from error
    return network.float().eval().requires_grad_(False).to(current().policy.device)


def tensors_of(path: Path, part: str = "") -> Table:
    """Every tensor of the file, of its ``part`` if it has one; what training put in front of the names is gone. Raises CannotLoad."""
    if is_pickle(path):
        found = read_pickle(path)
    else:
        weights = open_weights(path)
        try:
            found = {name: weights.read(name, TORCH_DTYPES.get(kind, torch.float32), torch.device("cpu")).clone() for name, kind in weights.header.dtypes.items()}
        finally:
            weights.close()
    if isinstance(found, Mapping) and part in found:
        found = found[part]
    if not isinstance(found, Mapping):
        raise CannotLoad(path, f"it holds a {type(found).__name__} instead of a table of tensors", "Download the file again.")
    return {str(name).removeprefix("module."): value for name, value in found.items() if isinstance(value, Tensor)}


def _filled(network: nn.Module, table: Table) -> nn.Module:
    network.load_state_dict(dict(table))
    return network


def _pixels(network: nn.Module, picture: Picture) -> Tensor:
    """(1, 3, H, W), 0 .. 255, where the network is."""
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float().to(next(network.parameters()).device)


def _normalised(network: nn.Module, picture: Picture, *, scale: float = 1 / 255) -> Tensor:
    mean, spread = (each.to(next(network.parameters()).device).view(1, 3, 1, 1) for each in _IMAGENET)
    return (_pixels(network, picture) * scale - mean) / spread


def _grey(values: np.ndarray) -> np.ndarray:
    """0 .. 1 -> uint8."""
    return (values * 255.0).clip(0, 255).astype(np.uint8)


def _stepped(edges: np.ndarray, steps: int = 2) -> np.ndarray:
    """Only so many strengths: what hides in faint ones goes."""
    return (edges.astype(np.float32) * float(steps + 1)).astype(np.int32).astype(np.float32) / float(steps)


def _scribbled(edges: np.ndarray) -> np.ndarray:
    """Soft edges (H, W), uint8, as lines drawn with a thick pen."""
    crest = ridges(cv2.GaussianBlur(edges.astype(np.float32), (0, 0), 3.0)) > 127
    return np.where(cv2.GaussianBlur(crest.astype(np.uint8) * 255, (0, 0), 3.0) > 4, 255, 0).astype(np.uint8)


def _mean_of_levels(network: Any, picture: Picture) -> np.ndarray:
    """Edges found at several sizes, (H, W), 0 .. 1."""
    height, width = picture.shape[:2]
    levels = [each[0, 0].float().cpu().numpy() for each in network(_pixels(network, picture))]
    mean = np.mean([cv2.resize(each, (width, height), interpolation=cv2.INTER_LINEAR) for each in levels], axis=0)
    return 1 / (1 + np.exp(-mean.astype(np.float64)))


def _pidi(network: Any, picture: Picture) -> np.ndarray:
    return network(_pixels(network, picture[:, :, ::-1]) / 255.0)[-1][0, 0].float().cpu().numpy()


def _straight_lines(network: Any, picture: Picture, score: float, distance: float) -> np.ndarray:
    predicted = network_class("mlsd.utils", "pred_lines")
    found = np.zeros(picture.shape[:2], dtype=np.uint8)
    try:
        lines = predicted(picture, network, [picture.shape[0], picture.shape[1]], score, distance)
    except IndexError:                              # its way to say that there are none
        return found
    for x0, y0, x1, y1 in lines.astype(int):
        cv2.line(found, (int(x0), int(y0)), (int(x1), int(y1)), (255,), 1)
    return found


def _line_drawing(network: Any, picture: Picture, _first: float, _second: float) -> np.ndarray:
    return 255 - _grey(network(_pixels(network, picture) / 255.0)[0, 0].cpu().numpy())


def _anime_lines(network: Any, picture: Picture, _first: float, _second: float) -> np.ndarray:
    height, width = picture.shape[:2]
    fitting = cv2.resize(picture, (-(-width // 256) * 256, -(-height // 256) * 256), interpolation=cv2.INTER_CUBIC)
    lines = (network(_pixels(network, fitting) / 127.5 - 1.0)[0, 0] * 127.5 + 127.5).cpu().numpy()
    return 255 - cv2.resize(lines, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def _normals(network: Any, picture: Picture, _first: float, _second: float) -> np.ndarray:
    found = network(_normalised(network, picture))[0][-1][0, :3]
    return _grey(((found + 1) * 0.5).clip(0, 1).permute(1, 2, 0).cpu().numpy())


def _leres(network: Any, picture: Picture, near: float, background: float) -> np.ndarray:
    return _as_nearness(network(_normalised(network, picture[:, :, ::-1], scale=1.0)).squeeze().cpu().numpy(), near, background)


def _as_nearness(depth: np.ndarray, near: float, background: float) -> np.ndarray:
    """Nearer is brighter. near, background: per cent of the range that count as none."""
    spread = float(np.ptp(depth))
    grey = cv2.convertScaleAbs(((depth - depth.min()) / spread * 65535 if spread > 1e-6 else np.zeros_like(depth)).astype(np.uint16), alpha=255 / 65535)
    for share, turns in ((near, True), (background, False)):
        if share:
            grey = cv2.threshold(grey, share / 100 * 255, 255, cv2.THRESH_TOZERO)[1]
        grey = cv2.bitwise_not(grey) if turns else grey
    return grey


def _any_lines(network: Any, picture: Picture, steps: float, _second: float) -> np.ndarray:
    """Soft edges; the faintest lines of a drawing count as such, where they hang together."""
    edges = _mean_of_levels(network, picture)
    found = _grey(_stepped(edges, int(steps)) if steps else edges)
    faint = (standard_lineart(picture, 0, 0)[:, :, 0] == 1).astype(np.uint8)
    _, labels, facts, _ = cv2.connectedComponentsWithStats(faint, connectivity=4)
    long = facts[:, cv2.CC_STAT_AREA] >= _FEWEST_PIXELS
    long[0] = False
    found[long[labels]] = 1
    return found


def _painted(network: Any, picture: Picture, _first: float, _second: float) -> np.ndarray:
    """(H, W, 4), the fourth channel being the mask -> (H, W, 3) with the masked part painted."""
    values = _pixels(network, picture) / 255.0
    mask = (values[:, 3:] > 0.5).float()
    return (network(values[:, :3], mask)[0] * 255.0).permute(1, 2, 0).clip(0, 255).cpu().numpy().astype(np.uint8)


def _build_lama(tables: Sequence[Table]) -> nn.Module:
    """spandrel's network; the original's file holds what is inside of its ``model``."""
    unused = {"torchvision.transforms.functional": {"InterpolationMode": _Unused, "rotate": None},     # of a layer that this network has none of
              "spandrel": {}, "spandrel.util": {"store_hyperparameters": lambda **_: lambda made: made}}     # whose start-up wants torchvision
    file = folder_of("spandrel") / "architectures/LaMa/__arch/LaMa.py"
    with standing_in(unused):
        lama = file_as_module(file, "spandrel_lama")
    table = {f"model.model.{name.partition('model.')[2]}": tensor for name, tensor in tables[0].items() if "model." in name}
    return _filled(lama.LaMa(in_nc=4, out_nc=3), table)


class _Unused:
    """Stands for an enumeration of which a file names one member."""

    BILINEAR = NEAREST = None


def _build_hed(tables: Sequence[Table]) -> nn.Module:
    return _filled(network_class("hed", "ControlNetHED_Apache2")(), tables[0])


def _build_pidi(tables: Sequence[Table]) -> nn.Module:
    return _filled(network_class("pidi.model", "pidinet")(), tables[0])


def _build_leres(tables: Sequence[Table]) -> nn.Module:
    return _whole_leres(tables[0]).depth_model


def _whole_leres(table: Table) -> Any:
    return _filled(network_class("leres.leres.multi_depth_model_woauxi", "RelDepthModel")(backbone="resnext101"), table)


def _build_normals(tables: Sequence[Table]) -> nn.Module:
    settings = types.SimpleNamespace(mode="client", architecture="BN", pretrained="scannet", sampling_ratio=0.4, importance_ratio=0.7)
    return _filled(network_class("normalbae.nets.NNET", "NNET")(settings), tables[0])


def _build_lines(tables: Sequence[Table]) -> nn.Module:
    return _filled(network_class("lineart", "Generator")(3, 1, 3), tables[0])


def _build_anime(tables: Sequence[Table]) -> nn.Module:
    norm = lambda channels: nn.InstanceNorm2d(channels, affine=False, track_running_stats=False)
    generator = network_class("lineart_anime", "UnetGenerator")(3, 1, 8, 64, norm_layer=norm, use_dropout=False)
    return _filled(generator, tables[0])


def _build_teed(tables: Sequence[Table]) -> nn.Module:
    return _filled(network_class("teed.ted", "TED")(), tables[0])


def _build_segments(key: str, tables: Sequence[Table]) -> nn.Module:
    return oneformer(key, tables[0])


def _as_drawn(network: Any, picture: Picture, _first: float, _second: float) -> np.ndarray:
    return network.drawn(picture)


def _soft(after: Callable[[np.ndarray], np.ndarray], edges: Callable[[Any, Picture], np.ndarray]) -> Callable[[Any, Picture, float, float], np.ndarray]:
    return lambda network, picture, _first, _second: after(edges(network, picture))


ANNOTATORS: dict[str, Annotator] = {
    "hed": Annotator(build=_build_hed, draw=_soft(_grey, _mean_of_levels)),
    "hed_safe": Annotator(build=_build_hed, draw=_soft(lambda edges: _grey(_stepped(edges)), _mean_of_levels)),
    "scribble_hed": Annotator(build=_build_hed, draw=_soft(lambda edges: _scribbled(_grey(edges)), _mean_of_levels)),
    "pidinet": Annotator(build=_build_pidi, draw=_soft(_grey, _pidi), part="state_dict"),
    "pidinet_safe": Annotator(build=_build_pidi, draw=_soft(lambda edges: _grey(_stepped(edges)), _pidi), part="state_dict"),
    "pidinet_scribble": Annotator(build=_build_pidi, draw=_soft(lambda edges: _scribbled(_grey(edges)), _pidi), part="state_dict"),
    "pidinet_sketch": Annotator(build=_build_pidi, draw=_soft(lambda edges: _grey(edges > 0.5), _pidi), part="state_dict"),
    "mlsd": Annotator(build=lambda tables: _filled(network_class("mlsd.models.mbv2_mlsd_large", "MobileV2_MLSD_Large")(), tables[0]), draw=_straight_lines),
    "lineart": Annotator(build=_build_lines, draw=_line_drawing),
    "lineart_coarse": Annotator(build=_build_lines, draw=_line_drawing),
    "lineart_anime": Annotator(build=_build_anime, draw=_anime_lines),
    "softedge_teed": Annotator(
        build=_build_teed, draw=lambda network, picture, steps, _: _grey(_stepped(_mean_of_levels(network, picture), int(steps)) if steps else _mean_of_levels(network, picture))
    ),
    "softedge_anyline": Annotator(build=_build_teed, draw=_any_lines),
    "inpaint_only+lama": Annotator(build=_build_lama, draw=_painted),
    **{key: Annotator(build=partial(PoseNetwork, key), draw=lambda network, picture, *_: network.posed(picture)) for key in PARTS},
    **{key: Annotator(build=WholeBody, draw=lambda network, picture, *_: network.posed(picture), read=read_onnx) for key in KEYS},
    ANIMALS: Annotator(build=Animals, draw=lambda network, picture, *_: network.posed(picture), read=read_onnx),
    "normal_bae": Annotator(build=_build_normals, draw=_normals, part="model"),
    "normal_dsine": Annotator(
        build=lambda tables: dsine(tables[0]), part="model",
        draw=lambda network, picture, view, iterations: network.drawn(picture, camera_of(*picture.shape[:2], view), int(iterations)),
    ),
    "depth_leres": Annotator(build=_build_leres, draw=_leres, part="depth_model"),
    "depth_leres++": Annotator(
        build=lambda tables: boosted(_whole_leres(tables[0]), tables[1]), part="depth_model",
        draw=lambda network, picture, near, background: _as_nearness(network.estimated(picture), near, background),
    ),
    "depth": Annotator(build=lambda tables: dpt_hybrid(tables[0]), draw=_as_drawn, part="model"),
    "depth_zoe": Annotator(build=lambda tables: zoe(tables[0]), draw=_as_drawn, part="model"),
    "normal_map": Annotator(build=lambda tables: dpt_hybrid(tables[0]), draw=lambda network, picture, background, _: network.normals(picture, background), part="model"),
    "depth_anything": Annotator(build=lambda tables: depth_anything(tables[0], spread=False), draw=_as_drawn),
    "depth_anything_v2": Annotator(build=lambda tables: depth_anything(tables[0], spread=True), draw=_as_drawn),
    **{key: Annotator(build=partial(_build_segments, key), draw=_as_drawn, part="model") for key in SEGMENTING},
    "mobile_sam": Annotator(build=lambda tables: AnythingNetwork(tables[0]), draw=_as_drawn),
    "segmentation": Annotator(build=lambda tables: uniformer(tables[0]), draw=_as_drawn, part="state_dict"),
    "anime_face_segment": Annotator(build=lambda tables: face_parts(tables[0]), draw=_as_drawn),
    "lineart_anime_denoise": Annotator(build=lambda tables: manga_lines(tables[0]), draw=_as_drawn),
    "instant_id_face_keypoints": Annotator(build=FaceReader, draw=lambda reader, picture, *_: reader.drawn(picture), read=read_onnx),
}  # fmt: skip
