"""Scripts' door to the engine's control units: a script puts ``ControlWish``es into ``p.control_wishes``, and every pass of ``p`` gets them.

    from modules.a1111.control_units import ControlWish, find_control_file

    def process(self, p, *args):
        p.control_wishes = [ControlWish(file=find_control_file("canny"), hint=edges)]     # edges: uint8 (H, W, 3), of the picture's size
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modules.a1111.app_slot import current
from modules.a1111.running import running_work
from modules.engine.control import ColourUnit, Control, ControlUnit, Emphasis, NetworkUnit, RestoringUnit, ShownUnit, Window, inpaint_hint
from modules.engine.reference import ReferenceUnit
from modules.families.family import ModelFamily
from modules.library.control_files import control_files, find_control
from modules.library.model_file import ModelFile
from modules.loading.controlnet import ControlKind, ControlNetwork
from modules.schema.errors import InvalidValue, UnknownName

BOTH, FIRST_PASS, HIRES_PASS = "Both", "Low res only", "High res only"
FOLDER = "ControlNet"
_KEPT_SETTING = "control_net_model_cache_size"
_KEPT = 2
_COLOURS = 3


class ControlRefused(InvalidValue):
    """A unit that cannot do what it was asked for. It ends the job: a picture without it is not what was wished for."""

    is_flow_control = True


class ControlModelUnknown(UnknownName):
    """No control model of that name. It ends the job, too."""

    is_flow_control = True


@dataclass(frozen=True, kw_only=True)
class Colours:
    """Take the hint's blurred colours. radius: in cells of 8 pixels. sharpness: 0 .. 1."""

    radius: int
    sharpness: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Take over the hint's look without a network."""

    attention: bool
    statistics: bool
    fidelity: float = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlWish:
    """One control unit, as a script wishes it.

    file: the network, or None for a unit without one. hint: (H, W, 3 or 4), 0 .. 255, of the pass's own size in pixels; a fourth channel is the
    mask of what is painted. hires_hint: the same for the hires pass. passes: one of BOTH, FIRST_PASS, HIRES_PASS.
    soft_hires: weaken the outer blocks in the hires pass, which line drawings need. region: (H, W), 0 .. 255: where the unit acts.
    restores: outside of the mask every prediction becomes the hint. low_vram: leave graphics memory when the pictures are made.
    """

    hint: np.ndarray
    file: ModelFile | None = None
    hires_hint: np.ndarray | None = None
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0
    emphasis: str = Emphasis.BALANCED.value
    passes: str = BOTH
    soft_hires: bool = False
    block_weights: tuple[float, ...] | None = None
    region: np.ndarray | None = None
    restores: bool = False
    colours: Colours | None = None
    reference: Reference | None = None
    low_vram: bool = False
    made: dict[Any, Tensor] = field(default_factory=dict, repr=False, init=False)   # its tensors, the same ones for every batch


def known_control_files(more: Iterable[str | Path] = ()) -> dict[str, ModelFile]:
    """Title -> file of all control models: those in ``models/ControlNet`` and in the folders ``more``."""
    own = [Path(current().paths.models_dir) / FOLDER]
    return control_files([*own, *(Path(each).absolute() for each in more if str(each).strip())])


def find_control_file(asked: str, more: Iterable[str | Path] = ()) -> ModelFile:
    """The control model that ``asked`` means. Raises ControlModelUnknown."""
    known = known_control_files(more)
    title = find_control(list(known), asked)
    if title is None:
        remedy = "" if known else f"There are no control models yet: put their files into {Path(current().paths.models_dir) / FOLDER}."
        raise ControlModelUnknown("control model", asked, list(known), remedy)
    return known[title]


def control_of(p: Any, *, hires: bool, family: ModelFamily) -> Control | None:
    """The engine's units for what scripts wished for ``p``. Raises CannotLoad and ControlRefused."""
    wishes: list[ControlWish] = getattr(p, "control_wishes", None) or []
    other = FIRST_PASS if hires else HIRES_PASS
    units: list[ControlUnit] = []
    for wish in wishes:
        if wish.passes != other or not getattr(p, "enable_hr", False):
            units += _units(wish, family, hires=hires)
    units.sort(key=lambda unit: isinstance(unit, RestoringUnit))    # what is kept is kept after all else
    return Control(units=tuple(units)) if units else None


def release(p: Any) -> None:
    """After the pictures: what asked to leave graphics memory leaves it; all do on a machine where nothing stays there."""
    wishes, policy = getattr(p, "control_wishes", None) or (), current().policy
    if wishes and (policy.load_device != policy.device or any(wish.low_vram for wish in wishes)):
        current().controls.rest()


def _units(wish: ControlWish, family: ModelFamily, *, hires: bool) -> list[ControlUnit]:
    hint = _kept(wish, hires, lambda: _as_tensor(wish.hires_hint if hires and wish.hires_hint is not None else wish.hint))
    picture, mask = hint[:, :_COLOURS], hint[:, _COLOURS:]
    window, emphasis = Window(start=wish.start, end=wish.end), Emphasis(wish.emphasis)
    units: list[ControlUnit] = []
    file = wish.file
    if file is not None:
        network = _network(file, family)
        units.append(NetworkUnit(
            network=network, hint=_kept(wish, (hires, network), lambda: _for_network(network, file, picture, mask)), weight=wish.weight, window=window, emphasis=emphasis, soft=hires and wish.soft_hires,
            block_weights=wish.block_weights, region=None if wish.region is None else _as_tensor(wish.region[:, :, None]),
        ))  # fmt: skip
    if wish.reference is not None:
        units.append(ReferenceUnit(
            picture=picture, attention=wish.reference.attention, statistics=wish.reference.statistics, fidelity=wish.reference.fidelity,
            weight=wish.weight, window=window, emphasis=emphasis, late=hires,
        ))  # fmt: skip
    if wish.colours is not None:
        radius = wish.colours.radius * (2 if hires else 1)
        units.append(ColourUnit(picture=picture, radius=radius, sharpness=wish.colours.sharpness, weight=wish.weight))
    if mask.shape[1]:
        units.append(ShownUnit(picture=picture, mask=mask))
        if wish.restores:
            units.append(RestoringUnit(picture=picture, mask=mask, weight=wish.weight))
    return units


def _kept(wish: ControlWish, key: Any, make: Callable[[], Tensor]) -> Tensor:
    """A network reads a hint once as long as it is the same tensor."""
    if key not in wish.made:
        wish.made[key] = make()
    return wish.made[key]


def _network(file: ModelFile, family: ModelFamily) -> ControlNetwork:
    app, work = current(), running_work()
    kept = (work.settings if work is not None else {}).get(_KEPT_SETTING, app.settings.as_dict().get(_KEPT_SETTING, _KEPT))
    return app.controls.take(file, family, app.policy.for_family(family), keep=int(kept if kept is not None else _KEPT))


def _for_network(network: ControlNetwork, file: ModelFile, picture: Tensor, mask: Tensor) -> Tensor:
    found = inpaint_hint(picture, mask) if mask.shape[1] else picture
    if network.kind is ControlKind.T2I_ADAPTER and network.hint_channels == 1:
        found = found[:, :1]
    if found.shape[1] != network.hint_channels:
        raise ControlRefused(f"The control model {file.stem!r} reads pictures of {network.hint_channels} channels; the preprocessor made one of {found.shape[1]}.",
                             "Choose another preprocessor.")
    return found


def _as_tensor(picture: np.ndarray) -> Tensor:
    """(H, W, C), 0 .. 255 -> (1, C, H, W), float32 in 0 .. 1."""
    return (torch.from_numpy(np.ascontiguousarray(picture)).float() / 255.0).permute(2, 0, 1)[None].to(current().policy.device)
