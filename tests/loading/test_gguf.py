"""GGUF files, as ComfyUI's converter (bare transformers and UNets) and stable-diffusion.cpp (whole checkpoints) write them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import gguf
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from torch import Tensor

from modules.compute.policy import ComputePolicy
from modules.library.facts import read_facts
from modules.loading.checkpoint import load_checkpoint
from modules.loading.parts import PartFiles
from modules.loading.weights import open_weights
from modules.schema.errors import CannotLoad
from tests.families import tiny_flow as tiny
from tests.loading.files import golden_tensors, listed

CPU = torch.device("cpu")


def write(path: Path, architecture: str, tensors: Mapping[str, Tensor], kind: Kind = Kind.Q8_0, *, shapes: bool = False) -> Path:
    """shapes: tensors of more than two dimensions are flattened, with their shape beside them, as ComfyUI's converter does for some."""
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_array("tokenizer.ggml.tokens", ["a"] * 3000)
    for name, tensor in tensors.items():
        values = tensor.float().numpy()
        if shapes and values.ndim > 2:
            writer.add_array(f"comfy.gguf.orig_shape.{name}", list(values.shape))
            values = values.reshape(-1, values.shape[-1] if values.size % 32 else 32)
        block = gguf.GGML_QUANT_SIZES[kind][0]
        if values.ndim > 1 and values.shape[-1] % block == 0:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("kind", [Kind.F32, Kind.F16, Kind.BF16, Kind.Q4_0, Kind.Q5_1, Kind.Q8_0])
def test_values_are_those_of_the_gguf_package(kind: Kind, tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = {"a.weight": torch.randn(6, 64), "b.bias": torch.randn(5), "c.weight": torch.randn(4, 3, 2, 8)}
    weights = open_weights(write(tmp_path / "a.gguf", "flux", whole, kind, shapes=True))
    assert weights.header.shapes == {name: tuple(tensor.shape) for name, tensor in whole.items()}
    expected = gguf.quants.dequantize(gguf.quants.quantize(whole["a.weight"].numpy(), kind), kind)
    assert torch.equal(weights.read("a.weight", torch.float32, CPU), torch.from_numpy(expected).float())
    assert torch.equal(weights.read("b.bias", torch.float32, CPU), whole["b.bias"])
    assert torch.allclose(weights.read("c.weight", torch.float32, CPU), whole["c.weight"], atol=0.3)
    weights.close()


def test_a_transformer_alone_and_a_whole_checkpoint_load(tmp_path: Path, policy: ComputePolicy) -> None:
    transformer, vae, texts = tiny.transformer_of("FLUX.1 schnell"), tiny.vae_of("FLUX.1 schnell"), tiny.text_encoders_of("FLUX.1 schnell")
    path = write(tmp_path / "flux1-schnell-Q8_0.gguf", "flux", tiny.original_transformer("FLUX.1 schnell", transformer.state_dict()))
    assert read_facts(path).family_name == "FLUX.1 schnell"
    llama = {"shared.weight": "token_embd.weight", "encoder.final_layer_norm.weight": "enc.output_norm.weight"}
    parts = {"layer.0.SelfAttention.q": "attn_q", "layer.0.SelfAttention.k": "attn_k", "layer.0.SelfAttention.v": "attn_v", "layer.0.SelfAttention.o": "attn_o",
             "layer.0.SelfAttention.relative_attention_bias": "attn_rel_b", "layer.0.layer_norm": "attn_norm", "layer.1.layer_norm": "ffn_norm",
             "layer.1.DenseReluDense.wi_0": "ffn_gate", "layer.1.DenseReluDense.wi_1": "ffn_up", "layer.1.DenseReluDense.wo": "ffn_down"}  # fmt: skip
    t5 = {}
    for name, tensor in tiny.text_state("t5xxl", texts["t5xxl"]).items():
        renamed = llama.get(name) or name.replace("encoder.block.", "enc.blk.")
        for theirs, ours in parts.items():
            renamed = renamed.replace(f".{theirs}.", f".{ours}.")
        t5[renamed] = tensor
    files = PartFiles(
        text_encoders=(
            listed(write(tmp_path / "t5-v1_1-xxl-encoder-Q8_0.gguf", "t5encoder", t5)),
            listed(tiny.write(tmp_path / "clip_l.safetensors", tiny.text_state("clip_l", texts["clip_l"]))),
        ),
        vaes=(listed(tiny.write(tmp_path / "ae.safetensors", tiny.original_vae(vae.state_dict()))),),
    )
    loaded = load_checkpoint(listed(path), policy, files=files)
    for ours, theirs in ((loaded.unet, transformer), (loaded.text_encoders[1].module, texts["t5xxl"])):
        for name, tensor in ours.state_dict().items():
            assert torch.allclose(tensor, theirs.state_dict()[name], atol=0.02), name
    whole = write(tmp_path / "sd.gguf", "sd1", {name: tensor for name, tensor in golden_tensors().items() if tensor.is_floating_point()})
    assert load_checkpoint(listed(whole), policy).family.name == "SD1"


def test_a_unet_alone_takes_its_other_parts_from_their_folders(tmp_path: Path, policy: ComputePolicy) -> None:
    golden = golden_tensors()
    prefix, text = "model.diffusion_model.", "cond_stage_model.transformer."
    unet = {name.removeprefix(prefix): tensor for name, tensor in golden.items() if name.startswith(prefix)}
    path = write(tmp_path / "sd15-Q8_0.gguf", "sd1", unet)
    clip = tiny.write(tmp_path / "clip_l.safetensors", {name.removeprefix(text): tensor for name, tensor in golden.items() if name.startswith(text)})
    vae = tiny.write(tmp_path / "vae.safetensors", {name: tensor for name, tensor in golden.items() if name.startswith("first_stage_model.")})
    with pytest.raises(CannotLoad, match="no CLIP-L text encoder"):
        load_checkpoint(listed(path), policy)
    loaded = load_checkpoint(listed(path), policy, files=PartFiles(text_encoders=(listed(clip),)), vae_file=listed(vae))
    assert loaded.family.name == "SD1" and loaded.vae_file == listed(vae)


def _good(tmp_path: Path) -> bytes:
    return write(tmp_path / "good.gguf", "flux", {"a.weight": torch.randn(8, 64)}).read_bytes()


@pytest.mark.parametrize(("change", "words"), [
    (lambda content: content[:100], "truncated"),
    (lambda content: content[:-200], "truncated: 0.0 MB of"),
    (lambda content: content[:8] + struct.pack("<Q", 1 << 60) + content[16:], "damaged"),
    (lambda content: content[:24] + struct.pack("<Q", 1 << 62) + content[32:], "damaged"),
    (lambda content: content[:4] + struct.pack("<I", 99) + content[8:], "version 99"),
    (lambda content: content.replace(b"a.weight" + struct.pack("<I", 2), b"a.weight" + struct.pack("<I", 99)), "damaged"),
    (lambda content: content[:4] + bytes(20) + content[24:], "version 0"),
], ids=range(7))  # fmt: skip
def test_a_damaged_file_says_what_is_wrong(change: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(change(_good(tmp_path)))  # type: ignore[operator]
    with pytest.raises(CannotLoad, match=rf"bad\.gguf.*{words}"):
        open_weights(path)
    assert read_facts(path).family_name is None
