"""What a control file holds, read off its tensors' names, and whether it belongs to the loaded checkpoint's family."""

from __future__ import annotations

from dataclasses import dataclass

from modules.families.family import ModelFamily, Shapes
from modules.schema.errors import CannotLoad

_CHOOSE = "Choose another control model."
# widths of the text conditioning -> who has it
_FAMILIES = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "SDXL"}
_SD1, _SD2, _SDXL = _FAMILIES


@dataclass(frozen=True)
class _Kind:
    """marks: parts of tensor names, one of which tells it. what: its name for people."""

    marks: tuple[str, ...]
    what: str


# kinds that are known and not run, the particular before the general
_KINDS = (
    _Kind(("lllite",), "a ControlNet-LLLite"),
    _Kind(("lora_controlnet",), "a Control-LoRA"),
    _Kind((".motion_modules.",), "a SparseCtrl network"),
    _Kind(("ip_adapter.", "image_proj.", "ip-adapter"), "an IP-Adapter"),
    _Kind(("control_add_embedding.", "task_embedding"), "a ControlNet Union"),
    _Kind(("style_embedding",), "a T2I style adapter"),
    _Kind(("double_blocks.", "transformer_blocks.0.attn.add_k_proj", "controlnet_x_embedder"), "a ControlNet for another kind of model (Flux or Stable Diffusion 3)"),
    _Kind(("lora_unet_", "lora_te_", "lora_up", "lora_A."), "a LoRA"),
    _Kind(("first_stage_model.", "cond_stage_model.", "conditioner.embedders."), "a checkpoint"),
)


def refusal_of(shapes: Shapes) -> str | None:
    """What the file is, when it is something that this version knows and does not run as a control network."""
    for kind in _KINDS:
        if any(mark in name for mark in kind.marks for name in shapes):
            return kind.what
    if _is_for_sdxl(shapes.get("conv_in.weight")):
        return "a T2I-Adapter for SDXL"
    if "body.0.in_conv.weight" in shapes and "conv_in.weight" not in shapes:
        return "a light T2I-Adapter"
    return None


def refuse_unknown(path: object, shapes: Shapes) -> None:
    """Raises CannotLoad for what is no network that can be run."""
    what = refusal_of(shapes)
    if what == "a LoRA":
        raise CannotLoad(path, "it is a LoRA, not a control model", "Put it into models/Lora and name it in the prompt.")
    if what == "a checkpoint":
        raise CannotLoad(path, "it is a whole checkpoint, not a control model", "Put it into models/Stable-diffusion.")
    if what is not None:
        raise CannotLoad(path, f"it is {what}, which this version does not run", "Choose a ControlNet or a full T2I-Adapter.")


def refuse_other_family(path: object, shapes: Shapes, family: ModelFamily) -> None:
    """Raises CannotLoad when the network was trained for another family of checkpoints."""
    trained_for = _trained_for(shapes)
    if trained_for is None:
        return
    loaded = _FAMILIES[_SDXL] if family.is_sdxl else _FAMILIES[_SD2] if family.name.startswith("SD2") else _FAMILIES[_SD1]
    if trained_for != loaded:
        raise CannotLoad(path, f"it was trained for {trained_for}, and the loaded checkpoint is {family.name}",
                         f"Choose a control model for {loaded}, or load a {trained_for} checkpoint.")


def _trained_for(shapes: Shapes) -> str | None:
    widths = [shape[1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight")]
    if widths:
        return _FAMILIES.get(widths[0])
    is_adapter = "conv_in.weight" in shapes and any(name.startswith("body.") for name in shapes)     # reads no text
    return _FAMILIES[_SDXL] if is_adapter and _is_for_sdxl(shapes["conv_in.weight"]) else None


def _is_for_sdxl(first: tuple[int, ...] | None) -> bool:
    """SDXL's adapters fold squares of 16 pixels into channels, the others of 8."""
    return first is not None and len(first) == 4 and first[1] in (16 * 16, 3 * 16 * 16)
