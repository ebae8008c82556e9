"""Control files are recognised by their headers, and what cannot be run is refused with what to do."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from modules.families.sd2 import SD2
from modules.families.sd15 import SD1
from modules.families.sdxl import SDXL
from modules.library.model_file import ModelFile
from modules.loading.control_kinds import refusal_of, refuse_other_family
from modules.loading.controlnet import load_control
from modules.schema.errors import CannotLoad
from tests.golden import stages

HEADERS = {
    "a Control-LoRA": {"lora_controlnet": (0,), "input_blocks.0.0.weight": (320, 4, 3, 3)},
    "an IP-Adapter": {"ip_adapter.1.to_k_ip.weight": (320, 768), "image_proj.proj.weight": (3072, 1024)},
    "a ControlNet Union": {"control_add_embedding.linear_1.weight": (1280, 1536), "controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3)},
    "a ControlNet-LLLite": {"lllite_unet_input_blocks_4_1_proj_in.conditioning1.0.weight": (16, 3, 4, 4)},
    "a SparseCtrl network": {"down_blocks.0.motion_modules.0.temporal_transformer.norm.weight": (320,)},
    "a T2I-Adapter for SDXL": {"conv_in.weight": (320, 768, 3, 3), "body.0.resnets.0.block1.weight": (320, 320, 3, 3)},
    "a light T2I-Adapter": {"body.0.in_conv.weight": (160, 192, 1, 1)},
    "a LoRA": {"lora_unet_down_blocks_0.lora_up.weight": (320, 4)},
}


@pytest.mark.parametrize("what", HEADERS)
def test_each_kind_is_told_by_its_header(what: str) -> None:
    assert refusal_of(HEADERS[what]) == what


@pytest.mark.parametrize(("width", "family", "fits"), [
    (768, SD1, True), (1024, SD1, False), (2048, SD1, False), (768, SD2, False), (1024, SD2, True), (2048, SDXL, True), (768, SDXL, False),
])  # fmt: skip
def test_a_network_for_another_family_is_refused_with_what_to_choose(width: int, family: object, fits: bool) -> None:
    shapes = {"middle_block.1.transformer_blocks.0.attn2.to_k.weight": (1280, width)}
    if fits:
        refuse_other_family("x.safetensors", shapes, family)
        return
    with pytest.raises(CannotLoad, match="Choose a control model for"):
        refuse_other_family("x.safetensors", shapes, family)


def test_diffusers_layout_gives_the_same_residuals_as_the_original_one(tmp_path: object) -> None:
    """The tiny network, its tensors renamed: the same numbers come out."""
    from tests.golden_cn.stored import control_folder

    path = control_folder() / "control-tiny-canny.safetensors"
    original = load_control(ModelFile(path=path, name=path.name, kind="control"), SD1, stages.policy())
    state = {f"controlnet_cond_embedding.{name}": tensor for name, tensor in original.hint_encoder.state_dict().items()}
    state |= {name: tensor for name, tensor in original.module.state_dict().items() if not name.startswith("controlnet_cond_embedding")}
    renamed = tmp_path / "diffusers.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, renamed)
    ours = load_control(ModelFile(path=renamed, name=renamed.name, kind="control"), SD1, stages.policy())
    x, hint = torch.randn(2, 4, 8, 8), torch.rand(1, 3, 64, 64)
    context = torch.randn(2, 77, original.context_width or 0)
    with torch.no_grad():
        for a, b in zip(original(x, torch.tensor([500.0, 500.0]), context, hint).skips, ours(x, torch.tensor([500.0, 500.0]), context, hint).skips, strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
