"""Control files are recognised by their headers, fit together, and are refused for another kind of checkpoint with what to choose."""

from __future__ import annotations

import functools
import json
import lzma
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from modules.families.sd2 import SD2
from modules.families.sd15 import SD1
from modules.families.sdxl import SDXL
from modules.library.header import Header, TensorEntry
from modules.library.model_file import ModelFile
from modules.loading import controlnet as loader
from modules.loading.control_kinds import checked, recognised
from modules.loading.control_layout import without_prefix
from modules.loading.controlnet import load_control
from modules.schema.errors import CannotLoad
from tests.golden import stages

FAMILIES = {"SD1": SD1, "SD2": SD2, "SDXL": SDXL}


@functools.cache
def headers() -> dict[str, dict[str, Any]]:
    """Names and shapes of published files, without their weights; see make_control_headers.py."""
    return json.loads(lzma.decompress((Path(__file__).parent / "control_headers.json.xz").read_bytes()))


def shapes_of(name: str) -> dict[str, tuple[int, ...]]:
    return {tensor: tuple(shape) for tensor, shape in headers()[name]["shapes"].items()}


@pytest.mark.parametrize("name", headers())
def test_a_published_file_is_recognised_and_fits_its_own_checkpoints_only(name: str) -> None:
    row, bare = headers()[name], without_prefix(shapes_of(name))[0]
    facts = recognised(bare)
    assert facts is not None
    if row["kind"] is None:
        assert (facts.what, facts.kind) == (row["says"], None)
        with pytest.raises(CannotLoad, match=r"Choose|Put it into"):
            checked(name, bare, SD1)
        return
    assert facts.kind is not None and facts.kind.name == row["kind"]
    for family, each in FAMILIES.items():
        assert facts.fits(each) is (family in row["says"])
        if family in row["says"]:
            checked(name, bare, each)
        else:
            with pytest.raises(CannotLoad, match=r"trained for .*Choose a control model for .*, or load a"):
                checked(name, bare, each)


class NoWeights:
    """A file of which only the header is there."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        self.header = Header.of(Path("header.safetensors"), {name: TensorEntry("F16", shape, 0, 0) for name, shape in shapes.items()}, {}, 0)

    def read(self, name: str, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        return torch.empty(self.header.shapes[name], dtype=dtype, device="meta")

    def close(self) -> None:
        pass


@functools.cache
def base(family: str) -> Any:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    sizes: dict[str, Any] = {"cross_attention_dim": 768, "attention_head_dim": 8}
    if family == "SDXL":
        sizes = {
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"), "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "block_out_channels": (320, 640, 1280), "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20), "cross_attention_dim": 2048,
            "use_linear_projection": True, "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
        }  # fmt: skip
    with torch.device("meta"):
        return UNet2DConditionModel(**sizes)


@pytest.mark.parametrize("name", [
    "control_v11p_sd15_canny", "diffusers_xl_canny_mid", "kohya_controlnet_xl_small_original", "controlnet-union-sdxl-1.0-promax", "control-lora-canny-rank256",
    "t2iadapter_color_sd14v1", "t2iadapter_canny_sd15v2", "t2i-adapter_xl_sketch.original", "t2iadapter_style_sd14v1", "ip-adapter-full-face_sd15",
    "ip-adapter-plus_sdxl_vit-h", "ip-adapter_instant_id_sdxl",
])  # fmt: skip
def test_a_published_files_tensors_all_have_their_place(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = headers()[name]["says"][0]
    monkeypatch.setattr(loader, "open_weights", lambda path: NoWeights(shapes_of(name)))
    needs_base = headers()[name]["kind"] == "LORA"
    components: Any = SimpleNamespace(unet=base(family)) if needs_base else None
    network = load_control(ModelFile(path=Path(f"{name}.safetensors"), name=name, kind="control"), FAMILIES[family], replace(stages.policy()), base=components)
    assert network.kind.name == headers()[name]["kind"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """An IP-Adapter without its last layer, and one of old that is no pickle of tensors at all."""
    whole = {name: torch.zeros(shape) for name, shape in {
        "image_proj.proj.weight": (16, 4), "image_proj.proj.bias": (16,), "image_proj.norm.weight": (4,), "image_proj.norm.bias": (4,),
        "ip_adapter.1.to_k_ip.weight": (4, 4), "ip_adapter.1.to_v_ip.weight": (4, 4),
    }.items()}  # fmt: skip
    half, word = tmp_path / "half.safetensors", tmp_path / "word.bin"
    save_file({name: tensor for name, tensor in whole.items() if "to_v" not in name}, half)
    word.write_bytes(b"no model at all")
    for path, words in ((half, r"half\.safetensors.*to_v_ip"), (word, r"word\.bin")):
        with pytest.raises(CannotLoad, match=words):
            load_control(ModelFile(path=path, name=path.name, kind="control"), SD1, stages.policy())


def test_an_adapter_of_old_is_read_out_of_its_pickle(tmp_path: Path) -> None:
    """Such files hold two tables of tensors, by name."""
    path = tmp_path / "ip.bin"
    torch.save({"image_proj": {"proj.weight": torch.ones(16, 4), "proj.bias": torch.ones(16), "norm.weight": torch.ones(4), "norm.bias": torch.ones(4)},
                "ip_adapter": {"1.to_k_ip.weight": torch.ones(4, 4), "1.to_v_ip.weight": torch.ones(4, 4)}}, path)
    assert load_control(ModelFile(path=path, name=path.name, kind="control"), SD1, stages.policy()).kind.name == "IP_ADAPTER"


def test_diffusers_layout_gives_the_same_residuals_as_the_original_one(tmp_path: Path) -> None:
    """The tiny network, its tensors renamed: the same numbers come out."""
    from tests.golden_cn.stored import control_folder

    path = control_folder() / "control-tiny-canny.safetensors"
    original: Any = load_control(ModelFile(path=path, name=path.name, kind="control"), SD1, stages.policy())
    state = {f"controlnet_cond_embedding.{name}": tensor for name, tensor in original.hint_encoder.state_dict().items()}
    state |= {name: tensor for name, tensor in original.module.state_dict().items() if not name.startswith("controlnet_cond_embedding")}
    renamed = tmp_path / "diffusers.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, renamed)
    ours: Any = load_control(ModelFile(path=renamed, name=renamed.name, kind="control"), SD1, stages.policy())
    x, hint = torch.randn(2, 4, 8, 8), torch.rand(1, 3, 64, 64)
    context = torch.randn(2, 77, original.context_width or 0)
    with torch.no_grad():
        for a, b in zip(original(x, torch.tensor([500.0, 500.0]), context, hint).skips, ours(x, torch.tensor([500.0, 500.0]), context, hint).skips, strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
