"""What a control file holds and for which checkpoints it was made, read off its tensors' names and shapes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from modules.families.family import ModelFamily, Shapes
from modules.schema.errors import CannotLoad

SD1, SD2, SDXL = "Stable Diffusion 1", "Stable Diffusion 2", "SDXL"
_WIDTHS = {768: SD1, 1024: SD2, 2048: SDXL}         # widths of the text conditioning -> who has it
XL_CHANNELS = (16**2, 3 * 16**2)                  # an SDXL adapter folds squares of 16 pixels into channels, an SD1 one of 8
_FACE_VECTOR = 512                                  # numbers that a face recogniser makes of a face
_CHOOSE = "Choose another control model."


class ControlKind(Enum):
    """The kinds that run, with their names for people."""

    CONTROLNET = "ControlNet"
    UNION = "ControlNet Union"
    LORA = "Control-LoRA"
    T2I_ADAPTER = "T2I-Adapter"
    STYLE_ADAPTER = "T2I style adapter"
    IP_ADAPTER = "IP-Adapter"

    @property
    def is_controlnet(self) -> bool:
        """Whether it is a second encoder, whose residuals go to the skip connections."""
        return self in (ControlKind.CONTROLNET, ControlKind.UNION, ControlKind.LORA)


@dataclass(frozen=True, kw_only=True)
class ControlFacts:
    """what: its name in a sentence ("an IP-Adapter (plus)"). kind: None for what this version does not run. families: it fits; () where nothing tells."""

    what: str
    kind: ControlKind | None
    families: tuple[str, ...] = ()
    remedy: str = _CHOOSE

    def fits(self, family: ModelFamily) -> bool:
        return self.kind is not None and (not self.families or family_words(family) in self.families)


@dataclass(frozen=True)
class _Row:
    """told: whether tensors of these bare names and shapes are of the kind."""

    what: str
    kind: ControlKind | None
    told: Callable[[Shapes], bool]
    remedy: str = _CHOOSE


def _any(*parts: str) -> Callable[[Shapes], bool]:
    return lambda shapes: any(part in name for part in parts for name in shapes)


def _all(*names: str) -> Callable[[Shapes], bool]:
    return lambda shapes: all(name in shapes for name in names)


def _both(*tests: Callable[[Shapes], bool]) -> Callable[[Shapes], bool]:
    return lambda shapes: all(test(shapes) for test in tests)


def is_instant_id(shapes: Shapes) -> bool:
    """Whether an IP-Adapter is InstantID's: built as those that look at a picture's patches, with a face in their place."""
    return shapes.get("image_proj.proj_in.weight", (0, 0))[1:] == (_FACE_VECTOR,)


def named_instant_id(path: Path) -> bool:
    """Whether a ControlNet is InstantID's. Nothing in the file tells: it is its name or its folder's that does, as in the original."""
    return any("instantid" in re.sub("[-_ ]", "", name.lower()) for name in (path.name, path.parent.name))


_IMAGE = _any("ip_adapter.")
_FACE = "Choose an IP-Adapter, such as ip-adapter-faceid or ip-adapter-plus-face."
# the particular before the general
_ROWS = (
    _Row("a ControlNet-LLLite", None, _any("lllite")),
    _Row("a Control-LoRA", ControlKind.LORA, _all("lora_controlnet")),
    _Row("a SparseCtrl network", None, _any(".motion_modules.")),
    _Row("a PuLID adapter", None, _both(_IMAGE, _any("image_proj.mapping_")), _FACE),
    _Row("an InstantID adapter", ControlKind.IP_ADAPTER, _both(_IMAGE, is_instant_id)),
    _Row("an IP-Adapter FaceID Plus", ControlKind.IP_ADAPTER, _both(_IMAGE, _any("image_proj.perceiver_resampler."))),
    _Row("an IP-Adapter FaceID", ControlKind.IP_ADAPTER, _both(_IMAGE, _all("image_proj.proj.2.weight", "image_proj.norm.weight"))),
    _Row("an IP-Adapter (full face)", ControlKind.IP_ADAPTER, _both(_IMAGE, _all("image_proj.proj.3.weight"))),
    _Row("an IP-Adapter (plus)", ControlKind.IP_ADAPTER, _both(_IMAGE, _all("image_proj.latents"))),
    _Row("an IP-Adapter", ControlKind.IP_ADAPTER, _both(_IMAGE, _all("image_proj.proj.weight"))),
    _Row("an IP-Adapter of a layout that is not known", None, _any("ip_adapter.", "image_proj.", "ip-adapter")),
    _Row("a ControlNet for another kind of model (Flux or Stable Diffusion 3)", None,
         _any("double_blocks.", "transformer_blocks.0.attn.add_k_proj", "controlnet_x_embedder", "single_transformer_blocks.")),
    _Row("a ControlNet Union", ControlKind.UNION, _both(_all("task_embedding"), _any("control_add_embedding."))),
    _Row("a T2I style adapter", ControlKind.STYLE_ADAPTER, _all("style_embedding")),
    _Row("a ControlNet", ControlKind.CONTROLNET, lambda shapes: "input_hint_block.0.weight" in shapes or "controlnet_cond_embedding.conv_in.weight" in shapes),
    _Row("a T2I-Adapter", ControlKind.T2I_ADAPTER, lambda shapes: "body.0.block1.weight" in shapes or "body.0.resnets.0.block1.weight" in shapes),
    _Row("a light T2I-Adapter", ControlKind.T2I_ADAPTER, _all("body.0.in_conv.weight", "body.0.out_conv.weight")),
    _Row("a LoRA", None, _any("lora_unet_", "lora_te_", "lora_up", "lora_A."), "Put it into models/Lora and name it in the prompt."),
    _Row("a whole checkpoint", None, _any("first_stage_model.", "cond_stage_model.", "conditioner.embedders."), "Put it into models/Stable-diffusion."),
)


def recognised(shapes: Shapes) -> ControlFacts | None:
    """Of bare names (see control_layout.without_prefix); None for a file that is nothing of the kind."""
    row = next((row for row in _ROWS if row.told(shapes)), None)
    return None if row is None else ControlFacts(what=row.what, kind=row.kind, families=_families(row.kind, shapes), remedy=row.remedy)


def _families(kind: ControlKind | None, shapes: Shapes) -> tuple[str, ...]:
    if kind in (ControlKind.T2I_ADAPTER, None):
        first = shapes.get("conv_in.weight", shapes.get("body.0.in_conv.weight", ()))
        if kind is None or len(first) != 4:
            return ()
        return (SDXL,) if first[1] in XL_CHANNELS else (SD1, SD2)       # neither reads text: their widths are those of both
    width = _text_width(shapes)
    if width is None:                               # SDXL's small networks read no text
        return (SDXL,) if any(name.startswith(("label_emb.", "add_embedding.")) for name in shapes) else ()
    return (_WIDTHS[width],) if width in _WIDTHS else ()


def _text_width(shapes: Shapes) -> int | None:
    """Of the conditioning that it reads or makes."""
    if "style_embedding" in shapes:
        return shapes["proj"][1]
    endings = ("attn2.to_k.weight", "attn2.to_k.down", ".to_k_ip.weight")
    return next((shape[1] for name, shape in shapes.items() if name.endswith(endings) and len(shape) > 1), None)


def family_words(family: ModelFamily) -> str:
    """The kind of checkpoint as control files have it."""
    return SDXL if family.is_sdxl else SD2 if family.name.startswith("SD2") else SD1


def checked(path: object, shapes: Shapes, family: ModelFamily) -> ControlFacts:
    """What the file is, when it runs with checkpoints of ``family``. Raises CannotLoad saying what it is otherwise, and what to choose."""
    facts = recognised(shapes)
    if facts is None:
        raise CannotLoad(path, "it holds no control network that this version knows", _CHOOSE)
    refuse_misfit(path, facts, family)
    return facts


def refuse_misfit(path: object, facts: ControlFacts, family: ModelFamily) -> None:
    """Raises CannotLoad for what does not run with checkpoints of ``family``."""
    if facts.kind is None:
        runs = "not a control model" if facts.remedy.startswith("Put") else "which this version does not run"
        raise CannotLoad(path, f"it is {facts.what}, {runs}", facts.remedy)
    loaded = family_words(family)
    if not facts.fits(family):
        made_for = " and ".join(facts.families)
        raise CannotLoad(path, f"it is {facts.what} trained for {made_for}, and the loaded checkpoint is {family.name}",
                         f"Choose a control model for {loaded}, or load a {facts.families[0]} checkpoint.")
