"""Control files of every kind, with tiny random weights: they give what diffusers' own modules give, or what the same network in another layout does."""

from __future__ import annotations

import copy
import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from modules.engine.control import Control, Evaluation, NetworkUnit
from modules.engine.image_prompt import ImagePromptUnit, cross_attentions, image_prompted
from modules.families.sd15 import SD1
from modules.families.sdxl import SDXL
from modules.library.control_files import lone_file
from modules.loading.clip_vision import Seen, load_clip_vision
from modules.loading.control_kinds import ControlKind
from modules.loading.control_network import ControlNetwork
from modules.loading.control_shelf import ControlShelf
from modules.loading.controlnet import load_control
from modules.loading.ip_adapter import ImagePromptNetwork
from modules.loading.t2i_adapter import StyleAdapter
from modules.schema.errors import CannotLoad
from tests.golden.stages import components, policy
from tests.golden_cn.make_controlnet import controlnet

CLOSE: dict[str, Any] = {"atol": 1e-4, "rtol": 1e-4}
FACE = 16                                           # numbers of whose face it is; 512 in the published ones
INSTANT = 512                                       # by which an adapter is known as InstantID's
ROWS = 2


def drawn(*shape: int, seed: int = 1, scale: float = 1.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def randomised(module: Any) -> Any:
    """Every weight drawn, so that none is 0."""
    for number, parameter in enumerate(module.parameters()):
        parameter.data = drawn(*parameter.shape, seed=number, scale=0.2 / max(parameter[0].numel(), 1) ** 0.5 if parameter.dim() > 1 else 0.2)
    return module.eval()


def saved(path: Path, tensors: dict[str, Tensor]) -> Any:
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, path)
    return lone_file(path)


def loaded(path: Path, tensors: dict[str, Tensor], family: Any, **more: Any) -> Any:
    return load_control(saved(path, tensors), family, policy(), **more)


@functools.cache
def union_model() -> Any:
    from diffusers.models.controlnets.controlnet_union import ControlNetUnionModel

    return randomised(ControlNetUnionModel(
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=64,
        transformer_layers_per_block=(1, 2), attention_head_dim=8, use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=32 + 6 * 256, conditioning_embedding_out_channels=(16, 32, 32, 32), num_control_type=8, num_trans_channel=32,
        num_proj_channel=32,
    ))  # fmt: skip


@pytest.fixture(scope="module")
def union(tmp_path_factory: pytest.TempPathFactory) -> ControlNetwork:
    return loaded(tmp_path_factory.mktemp("union") / "union.safetensors", union_model().state_dict(), SDXL)


@torch.no_grad()
@pytest.mark.parametrize("kind", [0, 3, 7])
def test_a_union_network_is_told_the_hints_kind_as_in_diffusers(union: ControlNetwork, kind: int) -> None:
    theirs, x, context, hint = union_model(), drawn(ROWS, 4, 8, 8), drawn(ROWS, 7, 64, seed=2), drawn(1, 3, 64, 64, seed=3).sigmoid()
    pooled, ids = drawn(ROWS, 32, seed=4), torch.tensor([[64.0, 64, 0, 0, 64, 64]] * ROWS)
    told = torch.zeros(ROWS, 8)
    told[:, kind] = 1
    down, middle = theirs(
        x, torch.tensor(500.0), context, controlnet_cond=[hint.expand(ROWS, -1, -1, -1)], control_type=told, control_type_idx=[kind],
        added_cond_kwargs={"text_embeds": pooled, "time_ids": ids}, return_dict=False,
    )  # fmt: skip
    vector = torch.cat([pooled, theirs.add_time_proj(ids.flatten()).reshape(ROWS, -1)], dim=1)
    ours = union(x, torch.full((ROWS,), 500.0), context, hint, vector, kind).skips
    assert union.kind is ControlKind.UNION and union.hint_kinds == 8
    for a, b in zip(ours, (*down, middle), strict=True):
        torch.testing.assert_close(a, b, **CLOSE)
    assert not torch.allclose(union(x, torch.full((ROWS,), 500.0), context, hint, vector, None).skips[0], ours[0], atol=1e-3)


@torch.no_grad()
def test_two_units_share_one_union_network_and_add_up(union: ControlNetwork) -> None:
    hints = [drawn(1, 3, 64, 64, seed=seed).sigmoid() for seed in (3, 5)]
    call = Evaluation(x=drawn(ROWS, 4, 8, 8), timesteps=torch.full((ROWS,), 500.0), context=drawn(ROWS, 7, 64, seed=2), vector=drawn(ROWS, 32 + 6 * 256, seed=4),
                      is_cond=torch.ones(ROWS, 1, 1, 1), sigma=1.0)
    units = [NetworkUnit(network=union, hint=hint, hint_kind=kind) for hint, kind in zip(hints, (0, 3))]
    alone = [Control(units=(unit,)).unet_arguments(call)["mid_block_additional_residual"] for unit in units]
    both = Control(units=tuple(units)).unet_arguments(call)["mid_block_additional_residual"]
    torch.testing.assert_close(both, alone[0] + alone[1], **CLOSE)


def original_adapter_names(names: Any, *, light: bool) -> dict[str, str]:
    """The names that the first release gave them."""
    import re

    found = {}
    for name in names:
        bare = name.removeprefix("adapter.")
        if light:
            found[name] = bare.replace(".resnets.", ".body.")
            continue
        bare = re.sub(r"body\.(\d+)\.in_conv", lambda hit: f"body.{int(hit[1]) * 2}.in_conv", bare)
        found[name] = re.sub(r"body\.(\d+)\.resnets\.(\d)", lambda hit: f"body.{int(hit[1]) * 2 + int(hit[2])}", bare)
    return found


@torch.no_grad()
@pytest.mark.parametrize(("kind", "channels", "sizes"), [
    ("full_adapter", [32, 64, 64, 64], [8, 4, 2, 1]), ("light_adapter", [32, 64, 64], [8, 4, 2, 1]), ("full_adapter_xl", [32, 64, 64, 64], [4, 4, 2, 2]),
])  # fmt: skip
@pytest.mark.parametrize("original", [True, False])
def test_adapters_of_every_kind_and_layout(tmp_path: Path, kind: str, channels: list[int], sizes: list[int], original: bool) -> None:
    from diffusers.models.adapter import T2IAdapter

    theirs = randomised(T2IAdapter(in_channels=3, channels=channels, num_res_blocks=4 if kind == "light_adapter" else 2,
                                   downscale_factor=16 if kind.endswith("xl") else 8, adapter_type=kind))
    state = theirs.state_dict()
    names = original_adapter_names(state, light=kind == "light_adapter")
    network = loaded(tmp_path / "adapter.safetensors", {names[name] if original else name: tensor for name, tensor in state.items()}, SDXL if kind.endswith("xl") else SD1)
    hint = drawn(1, 3, 64, 64).sigmoid()
    found = network(drawn(ROWS, 4, 8, 8), torch.zeros(ROWS), drawn(ROWS, 7, 64), hint)
    for a, b, size in zip(found.inside, theirs(hint), sizes, strict=True):
        torch.testing.assert_close(a, b, **CLOSE)
        assert a.shape[-1] == size
    call = Evaluation(x=drawn(ROWS, 4, 8, 8), timesteps=torch.zeros(ROWS), context=drawn(ROWS, 7, 64), vector=None, is_cond=torch.ones(ROWS, 1, 1, 1), sigma=1.0)
    given = Control(units=(NetworkUnit(network=network, hint=hint),)).unet_arguments(call)["down_intrablock_additional_residuals"]
    assert [each.shape[-1] for each in given] == sizes and all(len(each) == ROWS for each in given)
    assert network.encoded(torch.rand(1, 3, 72, 72))[0].shape[-1] == (5 if kind.endswith("xl") else 9)      # no whole number of squares


@functools.cache
def checkpoint_encoder() -> dict[str, Tensor]:
    """The UNet of the tiny checkpoint by original names, without the model's prefix."""
    prefix = "model.diffusion_model."
    return {name.removeprefix(prefix): tensor.float() for name, tensor in load_file(components().checkpoint.path).items() if name.startswith(prefix)}


def answers(network: ControlNetwork) -> tuple[Tensor, ...]:
    with torch.no_grad():
        return network(drawn(ROWS, 4, 12, 8), torch.full((ROWS,), 300.0), drawn(ROWS, 77, 64, seed=2), drawn(1, 3, 96, 64, seed=3).sigmoid()).skips


@pytest.mark.parametrize("value", [float("nan"), 1e39])
def test_a_network_whose_values_are_no_numbers_is_named(value: float, tmp_path: Path) -> None:
    """Else it would look like the checkpoint's fault, at the first step."""
    tensors = {name: tensor.float() for name, tensor in controlnet("canny").items()}
    last = next(name for name in sorted(tensors, reverse=True) if tensors[name].numel() > 1)
    tensors[last] = torch.full_like(tensors[last], value, dtype=torch.float64).float()
    with pytest.raises(CannotLoad, match="are not all numbers"):
        loaded(tmp_path / "broken.safetensors", tensors, SD1)


def test_a_difference_model_is_the_checkpoint_and_the_difference(tmp_path: Path) -> None:
    whole = {name.removeprefix("control_model."): tensor.float() for name, tensor in controlnet("canny").items()}
    own = checkpoint_encoder()
    difference = {name: tensor - own[name] if name in own else tensor for name, tensor in whole.items()}
    made = loaded(tmp_path / "diff.safetensors", difference | {"difference": torch.zeros(1)}, SD1, base=components())
    plain = loaded(tmp_path / "whole.safetensors", whole, SD1)
    for a, b in zip(answers(made), answers(plain), strict=True):
        torch.testing.assert_close(a, b, **CLOSE)
    with pytest.raises(CannotLoad, match="checkpoint in use"):
        load_control(made.file, SD1, policy())


def lora_and_whole(rank: int = 4) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A Control-LoRA in stabilityai's layout, and the ControlNet that it means with the tiny checkpoint."""
    own, file, whole = checkpoint_encoder(), {"lora_controlnet": torch.zeros(0)}, {}
    for number, (long, tensor) in enumerate(controlnet("canny").items()):
        name, tensor = long.removeprefix("control_model."), tensor.float()
        if name in own and name.endswith(".weight") and tensor.dim() > 1:
            up, down = drawn(len(tensor), rank, seed=number, scale=0.1), drawn(rank, *tensor.shape[1:], seed=number + 999, scale=0.1)
            stem = name.removesuffix(".weight")
            file |= {f"{stem}.up": up.reshape(*up.shape, 1, 1) if tensor.dim() == 4 else up, f"{stem}.down": down}
            whole[name] = own[name] + (up @ down.flatten(1)).reshape(tensor.shape)
        else:
            file[name] = whole[name] = tensor
    return file, whole


def test_a_control_lora_is_the_checkpoint_with_small_changes(tmp_path: Path) -> None:
    """Its layers are those of the checkpoint in use: where that changes, they change."""
    file, whole = lora_and_whole()
    base = components()
    network = loaded(tmp_path / "lora.safetensors", file, SD1, base=base)
    assert network.kind is ControlKind.LORA and network.base is base.unet
    found = answers(network)
    for a, b in zip(found, answers(loaded(tmp_path / "whole.safetensors", whole, SD1)), strict=True):
        torch.testing.assert_close(a, b, **CLOSE)
    shared = base.unet.conv_in.weight
    original = shared.data
    try:
        shared.data = original + 1.0
        assert not torch.allclose(answers(network)[0], found[0], atol=1e-2)
    finally:
        shared.data = original
    assert sum(each.numel() for each in network.module.parameters()) < 0.4 * sum(tensor.numel() for tensor in whole.values())


def image_adapter(kind: str, unet: Any, width: int, seen: int, tokens: int) -> dict[str, Tensor]:
    """A file of that kind, in the original layout."""
    tensors: dict[str, tuple[int, ...]]
    if kind == "base":
        tensors = {"proj.weight": (tokens * width, seen), "proj.bias": (tokens * width,), "norm.weight": (width,), "norm.bias": (width,)}
    elif kind == "full":
        tensors = {"proj.0.weight": (seen, seen), "proj.0.bias": (seen,), "proj.2.weight": (width, seen), "proj.2.bias": (width,), "proj.3.weight": (width,), "proj.3.bias": (width,)}
    elif kind == "face":
        tensors = face_head(tokens, width)
    else:
        inner = 64
        tensors = {"latents": (1, tokens, inner), "proj_in.weight": (inner, seen), "proj_in.bias": (inner,), "proj_out.weight": (width, inner), "proj_out.bias": (width,),
                   "norm_out.weight": (width,), "norm_out.bias": (width,)}
        for layer in range(4):
            for name, shape in {"0.norm1.weight": (inner,), "0.norm1.bias": (inner,), "0.norm2.weight": (inner,), "0.norm2.bias": (inner,), "0.to_q.weight": (64, inner),
                                "0.to_kv.weight": (128, inner), "0.to_out.weight": (inner, 64), "1.0.weight": (inner,), "1.0.bias": (inner,), "1.1.weight": (4 * inner, inner),
                                "1.3.weight": (inner, 4 * inner)}.items():
                tensors[f"layers.{layer}.{name}"] = shape
        if kind.startswith("face"):
            tensors = face_head(tokens, inner) | {f"perceiver_resampler.{name}": shape for name, shape in tensors.items() if name != "latents"}
    found = {f"image_proj.{name}": shape for name, shape in tensors.items()}
    for number, (_, attention) in enumerate(cross_attentions(unet)):
        found |= {f"ip_adapter.{number * 2 + 1}.{part}.weight": (attention.to_q.out_features, width) for part in ("to_k_ip", "to_v_ip")}
    return {name: drawn(*shape, seed=number, scale=0.3) for number, (name, shape) in enumerate(found.items())}


def face_head(tokens: int, width: int) -> dict[str, tuple[int, ...]]:
    return {"proj.0.weight": (2 * FACE, FACE), "proj.0.bias": (2 * FACE,), "proj.2.weight": (tokens * width, 2 * FACE), "proj.2.bias": (tokens * width,),
            "norm.weight": (width,), "norm.bias": (width,)}


@functools.cache
def tiny_unet() -> Any:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    return randomised(UNet2DConditionModel(
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), block_out_channels=(32, 64),
        layers_per_block=1, cross_attention_dim=64, attention_head_dim=8, transformer_layers_per_block=(2, 1),  # pyright: ignore[reportArgumentType]
    ))  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("kind", ["base", "plus", "full", "face", "face-plus", "face-plusv2", "instant"])
def test_image_prompts_are_those_of_diffusers(tmp_path: Path, kind: str) -> None:
    unet, seen, tokens = tiny_unet(), 48, 4
    tensors = image_adapter(kind, unet, 64, INSTANT if kind == "instant" else seen, tokens)
    network = loaded(tmp_path / f"ip-{kind}.safetensors", tensors, SD1)
    is_face, numbers = kind.startswith(("face", "instant")), INSTANT if kind == "instant" else FACE
    assert isinstance(network, ImagePromptNetwork) and network.reads_patches == (kind not in ("base", "face", "instant"))
    assert (network.reads, network.face) == (0 if kind in ("face", "instant") else seen, numbers if is_face else 0)
    looked = Seen(embeds=drawn(1, seen, seed=7), hidden=drawn(1, 10, seen, seed=8), last=drawn(1, 10, seen, seed=9))
    nothing = Seen(embeds=drawn(1, seen, seed=10), hidden=drawn(1, 10, seen, seed=11), last=drawn(1, 10, seen, seed=12))
    person = drawn(1, numbers, seed=15)
    shown, hidden = network.face_tokens([person], [looked], lambda: nothing) if is_face else network.tokens([looked], lambda: nothing)
    x, context = drawn(ROWS, 4, 8, 8, seed=13), drawn(ROWS, 7, 64, seed=14)
    call = Evaluation(x=x, timesteps=torch.full((ROWS,), 300.0), context=context, vector=None, is_cond=torch.tensor([1.0, 0.0]).view(-1, 1, 1, 1), sigma=1.0)
    unit = ImagePromptUnit(network=network, shown=shown, hidden=hidden, weight=0.7, _places=cross_attentions(unet))
    plain = unet(x, 300.0, context).sample
    with image_prompted([unit], call):
        ours = unet(x, 300.0, context).sample
    torch.testing.assert_close(unet(x, 300.0, context).sample, plain, atol=0, rtol=0)       # nothing is left behind

    groups: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        groups[part][rest] = tensor
    theirs = copy.deepcopy(unet)
    theirs._load_ip_adapter_weights([groups], low_cpu_mem_usage=False)
    for processor in theirs.attn_processors.values():
        if hasattr(processor, "scale"):
            processor.scale = [0.7]
    if kind.startswith("face-"):                  # a second input, which diffusers' pipelines hand over this way, too
        (projection,) = theirs.encoder_hid_proj.image_projection_layers      # pyright: ignore[reportOptionalMemberAccess]
        projection.clip_embeds, projection.shortcut = torch.cat([looked.hidden, nothing.hidden])[:, None], kind.endswith("v2")     # type: ignore[assignment]
    pair = torch.cat([person, torch.zeros_like(person)]) if is_face else torch.cat([looked.embeds, torch.zeros_like(looked.embeds)]) if kind == "base" else torch.cat([looked.hidden, nothing.hidden])
    expected = theirs(x, 300.0, context, added_cond_kwargs={"image_embeds": [pair[:, None, None] if kind == "instant" else pair[:, None]]}).sample
    assert not torch.allclose(expected, plain, atol=1e-3)
    torch.testing.assert_close(ours, expected, **CLOSE)


@torch.no_grad()
@pytest.mark.parametrize("name", ["control_instant_id_sdxl.safetensors", "InstantID/diffusion_pytorch_model.safetensors"])
def test_a_network_by_the_name_of_instant_id_reads_a_person_in_place_of_the_prompt(tmp_path: Path, name: str) -> None:
    tensors = {name: tensor.float() for name, tensor in controlnet("canny").items()}
    (tmp_path / name).parent.mkdir(exist_ok=True)
    plain, network = loaded(tmp_path / "canny.safetensors", tensors, SD1), loaded(tmp_path / name, tensors, SD1)
    assert network.reads_person and not plain.reads_person
    hint, person = drawn(1, 3, 64, 64, seed=3).sigmoid(), (drawn(1, 4, 64, seed=5), drawn(1, 4, 64, seed=6))
    call = Evaluation(x=drawn(ROWS, 4, 8, 8), timesteps=torch.full((ROWS,), 500.0), context=drawn(ROWS, 7, 64, seed=2), vector=None,
                      is_cond=torch.tensor([1.0, 0.0]).view(-1, 1, 1, 1), sigma=1.0)
    found = NetworkUnit(network=network, hint=hint, person=person).residuals(call)
    expected = NetworkUnit(network=plain, hint=hint).residuals(replace(call, context=torch.cat(person)))
    for a, b in zip(found.skips, expected.skips, strict=True):
        torch.testing.assert_close(a, b, **CLOSE)
    assert not torch.allclose(NetworkUnit(network=plain, hint=hint).residuals(call).skips[-1], expected.skips[-1], atol=1e-3)


@torch.no_grad()
def test_image_prompts_act_by_layer_region_and_weight(tmp_path: Path) -> None:
    unet = tiny_unet()
    network = loaded(tmp_path / "ip.safetensors", image_adapter("base", unet, 64, 48, 4), SD1)
    looked = Seen(embeds=drawn(1, 48, seed=7), hidden=drawn(1, 1, 1), last=drawn(1, 1, 1))
    shown, hidden = network.tokens([looked, looked], lambda: looked)
    x, context, places = drawn(ROWS, 4, 9, 8, seed=13), drawn(ROWS, 7, 64, seed=14), cross_attentions(unet)
    call = Evaluation(x=x, timesteps=torch.full((ROWS,), 300.0), context=context, vector=None, is_cond=torch.ones(ROWS, 1, 1, 1), sigma=1.0)

    def with_units(*units: dict[str, Any]) -> Tensor:
        with image_prompted([ImagePromptUnit(network=network, shown=shown, hidden=hidden, _places=places, **each) for each in units], call):
            return unet(x, 300.0, context).sample

    plain, whole = unet(x, 300.0, context).sample, with_units({})
    groups = max(group for group, _ in places) + 1
    assert not torch.allclose(plain, whole, atol=1e-3)
    torch.testing.assert_close(with_units({"weight": 0.0}), plain, atol=0, rtol=0)
    torch.testing.assert_close(with_units({"block_weights": (1.0,) * groups, "weight": 0.1}), whole, **CLOSE)
    torch.testing.assert_close(with_units({"block_weights": (0.0,) * groups}), plain, atol=0, rtol=0)
    torch.testing.assert_close(with_units({"weight": 0.5}, {"weight": 0.5}), whole, **CLOSE)
    torch.testing.assert_close(with_units({"region": torch.ones(1, 1, 72, 64)}), whole, **CLOSE)
    torch.testing.assert_close(with_units({"region": torch.zeros(1, 1, 72, 64)}), plain, **CLOSE)


def vision_module() -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return randomised(CLIPVisionModelWithProjection(CLIPVisionConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=1, image_size=28, patch_size=14, projection_dim=48, hidden_act="quick_gelu",
    )))  # fmt: skip


@torch.no_grad()
def test_pictures_are_seen_as_transformers_sees_them(tmp_path: Path) -> None:
    from transformers import CLIPImageProcessor

    theirs = vision_module()
    encoder = load_clip_vision(saved(tmp_path / "clip_h.safetensors", theirs.state_dict()), policy())
    picture = (drawn(28, 28, 3).sigmoid() * 255).to(torch.uint8).numpy()
    pixels = CLIPImageProcessor(size=28, crop_size=28)(images=picture, return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(encoder.pixels(picture), pixels, atol=1e-5, rtol=1e-5)
    found = theirs(pixels, output_hidden_states=True)
    seen = encoder(picture)
    for a, b in ((seen.embeds, found.image_embeds), (seen.hidden, found.hidden_states[-2]), (seen.last, found.last_hidden_state)):
        torch.testing.assert_close(a, b, **CLOSE)
    masked = np.concatenate([picture, np.full((28, 28, 1), 255, np.uint8)], axis=2)
    torch.testing.assert_close(encoder(masked).embeds, encoder.nothing().embeds, **CLOSE)


@torch.no_grad()
def test_a_style_adapter_makes_tokens_of_what_clip_saw(tmp_path: Path) -> None:
    module = randomised(StyleAdapter(width=64, text_width=64, tokens=8, layers=3))
    network = loaded(tmp_path / "style.safetensors", module.state_dict(), SD1)
    assert network.kind is ControlKind.STYLE_ADAPTER
    seen = drawn(1, 5, 64)
    torch.testing.assert_close(network.module(seen), module(seen), **CLOSE)
    assert network.module(seen).shape == (1, 8, 64)


def test_the_shelf_keeps_as_many_as_asked_and_one_that_shares_weights_for_its_checkpoint_only(tmp_path: Path) -> None:
    here, elsewhere = components(), replace(components(), unet=copy.deepcopy(components().unet))
    file, whole = lora_and_whole()
    lent = saved(tmp_path / "lora.safetensors", file)
    plain, other = (saved(tmp_path / f"{name}.safetensors", whole) for name in ("one", "two"))
    shelf = ControlShelf()
    first = shelf.take(lent, here, policy(), keep=2)
    assert shelf.take(lent, here, policy(), keep=2) is first
    second = shelf.take(lent, elsewhere, policy(), keep=2)
    assert second is not first and second.base is elsewhere.unet
    one = shelf.take(plain, here, policy(), keep=2)
    assert shelf.take(plain, elsewhere, policy(), keep=2).module is one.module      # one that needs nothing of the checkpoint stays
    shelf.take(other, here, policy(), keep=2)
    assert shelf.take(lent, elsewhere, policy(), keep=2) is not second              # three were used, two are kept
    assert shelf.take(other, here, policy(), keep=2, leaves=True).leaves
