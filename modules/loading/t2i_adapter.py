"""T2I-Adapter files -> modules: full, light and SDXL's, in the original or in diffusers' layout, and the style adapter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from modules.families.family import Shapes
from modules.loading.control_kinds import XL_CHANNELS, ControlKind
from modules.loading.control_layout import without_prefix
from modules.loading.control_network import ControlNetwork
from modules.loading.fill import prepared
from modules.loading.weights import Weights
from modules.schema.errors import CannotLoad

if TYPE_CHECKING:
    from modules.library.model_file import ModelFile

_SQUARE, _XL_SQUARE = 8, 16                         # pixels that are folded into channels
_LEVELS, _XL_LEVELS = (0, 1, 2, 3), (1, 1, 2, 2)    # SDXL's begin at half the latent's size, and the last is the middle block's
_STYLE_HEADS = 8


def t2i_adapter(file: ModelFile, weights: Weights, *, dtype: torch.dtype, device: torch.device) -> ControlNetwork:
    """Raises CannotLoad for a layout that is not known."""
    from diffusers.models.adapter import T2IAdapter

    shapes, own_names = without_prefix(weights.header.shapes)
    config = adapter_config(file.path, shapes)
    with torch.device("meta"):
        module = T2IAdapter(**config)
        _as_the_file_has_it(module, shapes)
    names = {ours: own_names[bare] for ours, bare in adapter_names(shapes).items()}
    filled = prepared(module, names, weights, part="T2I-Adapter").fill(dtype=dtype, device=device)
    for name, each in list(filled.named_modules()):
        if isinstance(each, nn.AvgPool2d):
            filled.set_submodule(name, _Halving())
    is_xl = config["adapter_type"] == "full_adapter_xl"
    return ControlNetwork(
        kind=ControlKind.T2I_ADAPTER, module=filled, file=file, hint_encoder=filled, hint_channels=config["in_channels"],
        levels=_XL_LEVELS if is_xl else _LEVELS, unshuffle=config["downscale_factor"],
    )  # fmt: skip


class _Halving(nn.Module):
    """The mean of squares of four; as in the original an odd row is left out, not averaged alone, but where it is the only one."""

    def forward(self, x: Tensor) -> Tensor:
        return avg_pool2d(x, 2, ceil_mode=min(x.shape[-2:]) < 2)


def adapter_config(path: object, shapes: Shapes) -> dict[str, Any]:
    """T2IAdapter's config for bare ``shapes``. Raises CannotLoad."""
    is_light = "conv_in.weight" not in shapes
    body = _blocks(shapes)
    first = shapes.get("body.0.in_conv.weight" if is_light else "conv_in.weight")
    if not body or first is None:
        raise CannotLoad(path, "it is an adapter of a layout that this version does not know", "Choose another control model.")
    square = _XL_SQUARE if not is_light and first[1] in XL_CHANNELS else _SQUARE
    if is_light:
        channels = [shapes[f"body.{level}.out_conv.weight"][0] for level in range(len(body))][:-1]      # the last two levels are equally wide
    else:
        channels = [widths[-1] for widths in body]
    kind = "light_adapter" if is_light else "full_adapter_xl" if square == _XL_SQUARE else "full_adapter"
    return {"in_channels": first[1] // square**2, "channels": channels, "num_res_blocks": len(body[0]), "downscale_factor": square, "adapter_type": kind}


def _blocks(shapes: Shapes) -> list[list[int]]:
    """Channels of each residual block, by level."""
    inner = next((part for part in ("resnets", "body") if f"body.0.{part}.0.block1.weight" in shapes), None)
    if inner is not None:
        levels: list[list[int]] = []
        while f"body.{len(levels)}.{inner}.0.block1.weight" in shapes:
            level, widths = len(levels), []
            while f"body.{level}.{inner}.{len(widths)}.block1.weight" in shapes:
                widths.append(shapes[f"body.{level}.{inner}.{len(widths)}.block1.weight"][0])
            levels.append(widths)
        return levels
    flat = []
    while f"body.{len(flat)}.block1.weight" in shapes:
        flat.append(shapes[f"body.{len(flat)}.block1.weight"][0])
    return [flat[start : start + 2] for start in range(0, len(flat), 2)]


def adapter_names(shapes: Shapes) -> dict[str, str]:
    """T2IAdapter's tensor name -> bare name in the file. The original counts a full adapter's residual blocks, two to a level."""
    nested = any(re.match(r"body\.\d+\.(resnets|body)\.", name) for name in shapes)
    found = {}
    for name in shapes:
        ours = re.sub(r"^body\.(\d+)\.body\.", r"body.\1.resnets.", name)
        if not nested:
            ours = re.sub(r"^body\.(\d+)\.(in_conv|down_opt)\.", lambda hit: f"body.{int(hit[1]) // 2}.{hit[2]}.", ours)
            ours = re.sub(r"^body\.(\d+)\.(block[12])\.", lambda hit: f"body.{int(hit[1]) // 2}.resnets.{int(hit[1]) % 2}.{hit[2]}.", ours)
        found["adapter." + ours.replace(".down_opt.op.", ".downsample.")] = name
    return found


def _as_the_file_has_it(module: nn.Module, shapes: Shapes) -> None:
    """Some early adapters have wider kernels, or halve with a convolution."""
    wanted = {ours: shapes[bare] for ours, bare in adapter_names(shapes).items()}
    for name, layer in list(module.named_modules()):
        shape = wanted.get(f"{name}.weight")
        if shape is None or len(shape) != 4:
            continue
        if name.endswith(".downsample"):
            module.set_submodule(name, nn.Conv2d(shape[1], shape[0], shape[2], stride=2, padding=shape[2] // 2))
        elif isinstance(layer, nn.Conv2d) and tuple(layer.kernel_size) != tuple(shape[2:]):
            module.set_submodule(name, nn.Conv2d(shape[1], shape[0], shape[2], padding=shape[2] // 2))


class StyleAdapter(nn.Module):
    """Tokens of a picture's look, for the end of the prompt.

    Source: Mou et al. 2023, "T2I-Adapter" (arXiv:2302.08453), style adapter.
    """

    def __init__(self, *, width: int, text_width: int, tokens: int, layers: int) -> None:
        from diffusers.models.controlnets.controlnet_union import ResidualAttentionBlock

        super().__init__()
        self.style_embedding = nn.Parameter(torch.empty(1, tokens, width))
        self.transformer_layes = nn.ModuleList([ResidualAttentionBlock(width, _STYLE_HEADS) for _ in range(layers)])     # spelled as in the files
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, text_width))

    def forward(self, seen: Tensor) -> Tensor:
        """seen: (B, S, width), what CLIP's last layer made of the picture -> (B, tokens, text_width)."""
        tokens = self.style_embedding.expand(len(seen), -1, -1)
        x = self.ln_pre(torch.cat([seen, tokens], dim=1)).transpose(0, 1)       # its attention takes the sequence first
        for layer in self.transformer_layes:
            x = layer(x)
        return self.ln_post(x.transpose(0, 1)[:, -tokens.shape[1] :]) @ self.proj


def style_adapter(file: ModelFile, weights: Weights, *, dtype: torch.dtype, device: torch.device) -> ControlNetwork:
    """Raises CannotLoad where it is incomplete."""
    shapes, own_names = without_prefix(weights.header.shapes)
    if "proj" not in shapes:
        raise CannotLoad(file.path, "the style adapter is incomplete: it lacks proj", "Download the file again.")
    layers = len({found[1] for name in shapes if (found := re.match(r"transformer_layes\.(\d+)\.", name))})
    _, tokens, width = shapes["style_embedding"]
    with torch.device("meta"):
        module = StyleAdapter(width=width, text_width=shapes["proj"][1], tokens=tokens, layers=layers)
    filled = prepared(module, own_names, weights, part="style adapter").fill(dtype=dtype, device=device)
    return ControlNetwork(kind=ControlKind.STYLE_ADAPTER, module=filled, file=file, hint_encoder=filled, context_width=shapes["proj"][1])
