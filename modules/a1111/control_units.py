"""Scripts' door to the engine's control units: a script puts ``ControlWish``es into ``p.control_wishes``, and every pass of ``p`` gets them.

    from modules.a1111.control_units import ControlWish, find_control_file

    def process(self, p, *args):
        p.control_wishes = [ControlWish(file=find_control_file("canny"), hint=edges)]     # edges: uint8 (H, W, 3), of the picture's size
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from modules.a1111.app_slot import current
from modules.a1111.running import running_work
from modules.application.generation import CHECKPOINT_KEY, chosen_checkpoint
from modules.engine.control import (
    ColourUnit,
    Control,
    ControlUnit,
    Emphasis,
    NetworkUnit,
    RestoringUnit,
    ShownUnit,
    StartUnit,
    Window,
    inpaint_hint,
)
from modules.engine.image_prompt import ImagePromptUnit, RevisionUnit, StyleUnit, cross_attentions
from modules.engine.reference import ReferenceUnit
from modules.families.table import family_named
from modules.library.control_files import control_files, find_control
from modules.library.model_file import ModelFile
from modules.loading.control_kinds import ControlKind, refuse_misfit
from modules.loading.control_network import ControlNetwork
from modules.loading.ip_adapter import ImagePromptNetwork
from modules.schema.errors import InvalidValue, NoCheckpoint, UnknownName

BOTH, FIRST_PASS, HIRES_PASS = "Both", "Low res only", "High res only"
FOLDER = "ControlNet"
if TYPE_CHECKING:
    from modules.families.family import ModelFamily
    from modules.loading.clip_vision import Seen, VisionEncoder
    from modules.loading.components import Components
    from modules.loading.controlnet import AnyNetwork

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
class Sees:
    """pictures: uint8, (H, W, 3), or with a fourth channel, the mask of what is left out. encoder: the file of CLIP's picture encoder.

    given: in place of pictures, what was seen of them before; ``encoder`` may be None then.
    faces: for FaceID and InstantID, whose face is in each picture, (1, 512); the pictures themselves are asked for by FaceID Plus alone.
    instant_id: the faces were told by the network that InstantID was trained with, not by FaceID's.

    revises: without a network, SDXL's pooled prompt is replaced by what is seen; silent: the prompt's words count for nothing then.
    noise: 0 .. 1, mixed into what is seen.
    """

    pictures: tuple[np.ndarray, ...] = ()
    encoder: ModelFile | None = None
    given: tuple[Seen, ...] = ()
    faces: tuple[Tensor, ...] = ()
    instant_id: bool = False
    revises: bool = False
    silent: bool = False
    noise: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlWish:
    """One control unit, as a script wishes it.

    file: the network, or None for a unit without one. hint: (H, W, 3 or 4), 0 .. 255, of the pass's own size in pixels; a fourth channel is the
    mask of what is painted. hires_hint: the same for the hires pass. passes: one of BOTH, FIRST_PASS, HIRES_PASS.
    soft_hires: weaken the outer blocks in the hires pass, which line drawings need. region: (H, W), 0 .. 255: where the unit acts.
    restores: outside of the mask every prediction becomes the hint. starts: the first pass begins with the hint under the highest noise. low_vram: leave graphics memory after each evaluation.
    hint_kind: for a ControlNet Union, the number of the hint's kind; None where it is not known. sees: what is looked at through CLIP, without a hint.
    """

    hint: np.ndarray | None = None
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
    starts: bool = False
    colours: Colours | None = None
    reference: Reference | None = None
    low_vram: bool = False
    hint_kind: int | None = None
    sees: Sees | None = None
    made: dict[Any, Any] = field(default_factory=dict, repr=False, init=False)   # its tensors, the same ones for every batch


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


def check_file(p: Any, file: ModelFile) -> None:
    """Before any work: raises CannotLoad where the control model does not run with the checkpoint of ``p``."""
    facts, family = current().controls.facts(file), _family((p.override_settings or {}).get(CHECKPOINT_KEY))
    if facts is not None and family is not None:
        refuse_misfit(file.path, facts, family)


def misfit(file: ModelFile) -> str:
    """Why a control model is of no use with the checkpoint of the settings, in a few words; "" where it is of use, or nothing tells."""
    facts, family = current().controls.facts(file), _family()
    if facts is None or family is None or facts.fits(family):
        return ""
    return f"for {' and '.join(facts.families)}" if facts.kind is not None else f"{facts.what}: not run"


def _family(name: str | None = None) -> ModelFamily | None:
    """Of the checkpoint ``name``, or of the running job's, or, outside of one, of that of the settings."""
    app, work = current(), running_work()
    usual = work.checkpoint if work is not None else app.settings.as_dict().get(CHECKPOINT_KEY)
    try:
        return family_named(chosen_checkpoint(app, name or usual).family_name or "")
    except (NoCheckpoint, UnknownName):
        return None


def control_of(p: Any, *, hires: bool, components: Components) -> Control | None:
    """The engine's units for what scripts wished for ``p``. Raises CannotLoad and ControlRefused."""
    wishes: list[ControlWish] = getattr(p, "control_wishes", None) or []
    other = FIRST_PASS if hires else HIRES_PASS
    units: list[ControlUnit] = []
    drew_first = hires and getattr(p, "firstpass_image", None) is None
    for before, wish in zip((None, *wishes), wishes):
        silent = wish.passes == other and bool(getattr(p, "enable_hr", False))
        if silent and wish.colours is None:
            continue
        found = _seeing_units(wish, components, units) if wish.sees is not None else _units(wish, before, components, hires=hires)
        if drew_first and wish.passes == BOTH and wish.sees is None:
            found = [_as_in_the_first_pass(unit, wish) for unit in found]
        if silent and wish.colours is not None:     # its colours are kept all the same, as in the original
            found = [replace(each, radius=wish.colours.radius) for each in found if isinstance(each, ColourUnit)]
        units += found
    units.sort(key=lambda unit: isinstance(unit, RestoringUnit))    # what is kept is kept after all else
    return Control(units=tuple(units)) if units else None


def _units(wish: ControlWish, before: ControlWish | None, components: Components, *, hires: bool) -> list[ControlUnit]:
    """before: the unit in front of it, which may be silent in this pass."""
    shown = wish.hires_hint if hires and wish.hires_hint is not None else wish.hint
    if shown is None:
        raise ControlRefused("A control unit without a picture.", "Give it one.")
    hint = _kept(wish, hires, lambda: _as_tensor(shown))
    picture, mask = hint[:, :_COLOURS], hint[:, _COLOURS:]
    window, emphasis = Window(start=wish.start, end=wish.end), Emphasis(wish.emphasis)
    units: list[ControlUnit] = []
    if wish.file is not None:
        network = _network(wish.file, components, wish.low_vram)
        if isinstance(network, ImagePromptNetwork) and network.face:
            raise ControlRefused(f"The control model {wish.file.stem!r} is an IP-Adapter that reads whose face it is.", f"Choose the preprocessor {_face_module(network)} for it"
                                 f"{'; instant_id_face_keypoints goes with the model control_instant_id_sdxl' if network.is_instant_id else ''}.", field="module")
        if not isinstance(network, ControlNetwork) or network.kind is ControlKind.STYLE_ADAPTER:
            raise ControlRefused(f"The control model {wish.file.stem!r} is a kind that looks at the picture through CLIP: {network.kind.value}.",
                                 "Choose a preprocessor of CLIP's: ip-adapter-auto for an IP-Adapter, t2ia_style_clipvision for a style adapter.", field="module")
        units.append(NetworkUnit(
            network=network, hint=_kept(wish, (hires, network.file.path), lambda: _for_network(network, picture, mask)), weight=wish.weight, window=window,
            emphasis=emphasis, soft=hires and wish.soft_hires, late=hires, block_weights=wish.block_weights, region=_region(wish), hint_kind=_hint_kind(network, wish),
            person=_person(network, before, components) if network.reads_person else None,
        ))  # fmt: skip
    if wish.reference is not None:
        units.append(ReferenceUnit(
            picture=picture, attention=wish.reference.attention, statistics=wish.reference.statistics, fidelity=wish.reference.fidelity,
            weight=wish.weight, window=window, emphasis=emphasis, late=hires,
        ))  # fmt: skip
    if wish.colours is not None:
        radius = wish.colours.radius * (2 if hires else 1)
        units.append(ColourUnit(picture=picture, radius=radius, sharpness=wish.colours.sharpness, weight=wish.weight, late=hires))
    if wish.starts and not hires:
        units.append(StartUnit(picture=picture))
    if mask.shape[1]:
        units.append(ShownUnit(picture=picture, mask=mask))
        if wish.restores:
            units.append(RestoringUnit(picture=picture, mask=mask, weight=wish.weight))
    return units


def _as_in_the_first_pass(unit: ControlUnit, wish: ControlWish) -> ControlUnit:
    """A T2I-Adapter's unit of the hires pass: the original asks it once, in the first pass, and stretches the answer."""
    shown = wish.hint
    if not isinstance(unit, NetworkUnit) or unit.network.kind is not ControlKind.T2I_ADAPTER or shown is None:
        return unit
    hint = _kept(wish, False, lambda: _as_tensor(shown))
    return replace(unit, hint=_kept(wish, (False, unit.network.file.path), lambda: _for_network(unit.network, hint[:, :_COLOURS], hint[:, _COLOURS:])))


def _seeing_units(wish: ControlWish, components: Components, before: list[ControlUnit]) -> list[ControlUnit]:
    """Of a wish whose pictures are looked at through CLIP."""
    sees, window = wish.sees, Window(start=wish.start, end=wish.end)
    assert sees is not None
    if sees.revises:
        if not components.family.is_sdxl:
            raise ControlRefused(f"Revision needs an SDXL checkpoint; the loaded one is {components.family.name}.", "Load an SDXL checkpoint.", field="module")
        first = not any(isinstance(unit, RevisionUnit) for unit in before)
        return [RevisionUnit(embeds=_seen(wish, components)[0].embeds, weight=wish.weight, window=window, silent=sees.silent, first=first, noise=sees.noise)]
    if wish.file is None:
        raise ControlRefused("A control unit with a picture for CLIP and no model.", "Choose an IP-Adapter.", field="model")
    network = _network(wish.file, components, wish.low_vram)
    if isinstance(network, ImagePromptNetwork):
        shown, hidden = _image_tokens(wish, network, components)
        return [ImagePromptUnit(network=network, shown=shown, hidden=hidden, weight=wish.weight, window=window, block_weights=wish.block_weights, region=_region(wish))]
    if network.reads_person:
        raise ControlRefused(f"The control model {wish.file.stem!r} is InstantID's ControlNet: it is shown where the face goes.",
                             "Choose the preprocessor instant_id_face_keypoints for it, or the model ip-adapter_instant_id_sdxl.", field="module")
    if network.kind is not ControlKind.STYLE_ADAPTER:
        raise ControlRefused(f"The control model {wish.file.stem!r} is a {network.kind.value}: it does not look at the picture through CLIP.",
                             "Choose another preprocessor, or an IP-Adapter.", field="module")
    return [StyleUnit(tokens=_kept(wish, network.file.path, lambda: _style_tokens(network, _seen(wish, components)[0])), weight=wish.weight, window=window)]


def _encoder(wish: ControlWish, components: Components) -> VisionEncoder:
    if wish.sees is None or wish.sees.encoder is None:
        raise ControlRefused("This IP-Adapter also needs to see no picture at all, for which CLIP's picture encoder must be there.", "Send the picture itself.")
    return current().controls.vision(wish.sees.encoder, components, current().policy, leaves=wish.low_vram)


def _seen(wish: ControlWish, components: Components) -> list[Seen]:
    sees = wish.sees or Sees()
    return _kept(wish, "seen", lambda: [*sees.given] or [_encoder(wish, components)(picture) for picture in sees.pictures])


def _image_tokens(wish: ControlWish, network: ImagePromptNetwork, components: Components) -> tuple[Tensor, Tensor]:
    """What an IP-Adapter makes of the wish's pictures: for the rows with the prompt, and for those without."""
    sees = wish.sees or Sees()
    _check_face(network, sees)
    looked = _seen(wish, components) if network.reads else []
    _check_image_prompt(network, looked, components)
    make = partial(network.face_tokens, [*sees.faces]) if network.face else network.tokens
    return _kept(wish, network.file.path, lambda: make(looked, lambda: _encoder(wish, components).nothing()))


def _person(network: ControlNetwork, before: ControlWish | None, components: Components) -> tuple[Tensor, Tensor]:
    """The tokens that InstantID's ControlNet reads: those of the unit before it."""
    if before is not None and before.sees is not None and before.file is not None:
        adapter = _network(before.file, components, before.low_vram)
        if isinstance(adapter, ImagePromptNetwork):
            return _image_tokens(before, adapter, components)
    raise ControlRefused(
        f"The control model {network.file.stem!r} is InstantID's, as its name says: it reads whose face it is from the unit before it, and there is no IP-Adapter in that.",
        "Enable a unit before it with the preprocessor instant_id_face_embedding and the model ip-adapter_instant_id_sdxl; rename the file if it is another ControlNet.", field="model")


def _face_module(network: ImagePromptNetwork) -> str:
    """The preprocessor that tells it whose face it is."""
    return "instant_id_face_embedding" if network.is_instant_id else "ip-adapter_face_id (ip-adapter_face_id_plus for a FaceID Plus)"


def _check_face(network: ImagePromptNetwork, sees: Sees) -> None:
    module = _face_module(network)
    if network.face and not sees.faces:
        raise ControlRefused(f"The IP-Adapter {network.file.stem!r} reads whose face it is, which CLIP does not tell.",
                             f"Choose the preprocessor {module}, or ip-adapter-auto.", field="module")
    if sees.faces and (network.face != sees.faces[0].shape[-1] or network.is_instant_id is not sees.instant_id):
        remedy = f"Choose the preprocessor {module}, or ip-adapter-auto." if network.face else "Choose ip-adapter-auto, or an adapter that reads faces: FaceID's or InstantID's."
        raise ControlRefused(f"The IP-Adapter {network.file.stem!r} does not read faces as the preprocessor finds them.", remedy, field="module")


def _check_image_prompt(network: ImagePromptNetwork, seen: list[Seen], components: Components) -> None:
    given = (seen[0].hidden if network.reads_patches else seen[0].embeds).shape[-1] if seen else 0
    if network.reads != given:
        raise ControlRefused(
            f"The IP-Adapter {network.file.stem!r} reads {network.reads} numbers, and the picture encoder gives {given}.",
            "Choose the other CLIP preprocessor, or ip-adapter-auto.", field="module")
    places = cross_attentions(components.unet)
    if [layer.out_features for layer in network.module.keys] != [attention.to_q.out_features for _, attention in places]:
        raise ControlRefused(f"The IP-Adapter {network.file.stem!r} does not fit this checkpoint: it was made for another kind of model.",
                             f"Choose an IP-Adapter for {components.family.name}.", field="model")


def _style_tokens(network: ControlNetwork, seen: Seen) -> Tensor:
    with torch.no_grad(), network.placement.beside(network.module, leaves=network.leaves):
        return network.module(seen.last.to(device=network.placement.device, dtype=network.dtype))


def _hint_kind(network: ControlNetwork, wish: ControlWish) -> int | None:
    if wish.hint_kind is not None and network.hint_kinds and wish.hint_kind >= network.hint_kinds:
        raise ControlRefused(f"The ControlNet Union {network.file.stem!r} knows {network.hint_kinds} kinds of pictures, and neither tiles nor inpainting are among them.",
                             "Choose another control type, or a ControlNet Union ProMax.", field="union_control_type")
    return wish.hint_kind


def _region(wish: ControlWish) -> Tensor | None:
    return None if wish.region is None else _as_tensor(wish.region[:, :, None])


def _kept(wish: ControlWish, key: Any, make: Callable[[], Any]) -> Any:
    """What is made once for all batches: a network reads a hint once as long as it is the same tensor."""
    if key not in wish.made:
        wish.made[key] = make()
    return wish.made[key]


def _network(file: ModelFile, components: Components, leaves: bool) -> AnyNetwork:
    app, work = current(), running_work()
    kept = (work.settings if work is not None else {}).get(_KEPT_SETTING, app.settings.as_dict().get(_KEPT_SETTING, _KEPT))
    return app.controls.take(file, components, app.policy, keep=int(kept if kept is not None else _KEPT), leaves=leaves)


def _for_network(network: ControlNetwork, picture: Tensor, mask: Tensor) -> Tensor:
    found = inpaint_hint(picture, mask) if mask.shape[1] else picture
    if network.kind is ControlKind.T2I_ADAPTER and network.hint_channels == 1:
        found = found[:, :1]
    if found.shape[1] != network.hint_channels:
        raise ControlRefused(f"The control model {network.file.stem!r} reads pictures of {network.hint_channels} channels; the preprocessor made one of {found.shape[1]}.",
                             "Choose another preprocessor.")
    return found


def _as_tensor(picture: np.ndarray) -> Tensor:
    """(H, W, C), 0 .. 255 -> (1, C, H, W), float32 in 0 .. 1."""
    return (torch.from_numpy(np.array(picture, order="C")).float() / 255.0).permute(2, 0, 1)[None].to(current().policy.device)
