"""UNets alone, UNets of diffusers and files with one more word before every name load as the checkpoint they are part of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from modules.compute.policy import ComputePolicy
from modules.library.facts import read_facts
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.loading.parts import PartFiles
from modules.schema.errors import CannotLoad
from tests.loading.files import checkpoint, golden_tensors, listed, pickled, vae_tensors

UNET = "model.diffusion_model."
Tensors = Mapping[str, Tensor]


def bare(tensors: Tensors) -> dict[str, Tensor]:
    return {name.removeprefix(UNET): tensor for name, tensor in tensors.items() if name.startswith(UNET)}


ALONE: dict[str, Callable[[Components], dict[str, Tensor]]] = {
    "with its prefix": lambda golden: {UNET + name: tensor for name, tensor in bare(golden_tensors()).items()},
    "without its prefix": lambda golden: bare(golden_tensors()),
    "of diffusers": lambda golden: {name: tensor.half().contiguous() for name, tensor in golden.unet.state_dict().items()},
}


@pytest.mark.parametrize("form", ALONE)
def test_a_unet_alone_takes_its_other_parts_from_their_folders(form: str, golden: Components, tmp_path: Path, policy: ComputePolicy) -> None:
    path = checkpoint(tmp_path / "unet.safetensors", ALONE[form](golden))
    assert read_facts(path).family_name == "SD1"
    with pytest.raises(CannotLoad, match=r"clip_l\.safetensors, in models/text_encoder; no VAE .* choose one in SD VAE"):
        load_checkpoint(listed(path), policy)
    text = {name.removeprefix("cond_stage_model.transformer."): tensor for name, tensor in golden_tensors().items() if name.startswith("cond_stage_model.")}
    save_file(text, tmp_path / "clip_l.safetensors")
    save_file(vae_tensors(), tmp_path / "vae.safetensors")
    loaded = load_checkpoint(listed(path), policy, vae_file=listed(tmp_path / "vae.safetensors"), files=PartFiles(text_encoders=(listed(tmp_path / "clip_l.safetensors"),)))
    assert all(torch.equal(ours, theirs) for part, whole in zip(loaded.modules(), golden.modules()) for ours, theirs in zip(part.parameters(), whole.parameters()))


@pytest.mark.parametrize("word", ["state_dict", "module", "model", "_orig_mod"])
@pytest.mark.parametrize("pickle", [False, True])
def test_one_more_word_before_every_name_changes_nothing(word: str, pickle: bool, golden: Components, tmp_path: Path, policy: ComputePolicy) -> None:
    path = checkpoint(tmp_path / "wrapped.safetensors", {f"{word}.{name}": tensor for name, tensor in golden_tensors().items()})
    if pickle:
        path = pickled(path.with_suffix(".ckpt"), {word: dict(golden_tensors()), "step": torch.tensor(5)})
    loaded = load_checkpoint(listed(path), policy)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(loaded.unet.parameters(), golden.unet.parameters()))


def test_scaled_weights_say_how_they_are_scaled(tmp_path: Path, policy: ComputePolicy) -> None:
    """ComfyUI's newer form: beside each weight a text. Another form than float8 is refused by its name."""
    tensors = dict(golden_tensors())
    name = f"{UNET}middle_block.1.proj_in.weight"
    tensors |= {name: tensors[name].to(torch.float8_e4m3fn), name.replace("weight", "weight_scale"): torch.tensor(2.0)}
    for form, refused in (("float8_e4m3fn", False), ("int8_tensorwise", True)):
        said = torch.tensor(list(b'{"format": "%s"}' % form.encode()), dtype=torch.uint8)
        path = checkpoint(tmp_path / f"{form}.safetensors", tensors | {name.replace("weight", "comfy_quant"): said})
        if refused:
            with pytest.raises(CannotLoad, match="quantised as 'int8_tensorwise'"):
                load_checkpoint(listed(path), policy)
        else:
            weight = load_checkpoint(listed(path), policy).unet.get_submodule("mid_block.attentions.0.proj_in").weight
            assert isinstance(weight, Tensor)
            assert torch.equal(weight.flatten(), tensors[name].float().flatten() * 2)
