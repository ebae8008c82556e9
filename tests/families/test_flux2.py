"""FLUX.2: what is its own besides its latents, which test_flow_against_diffusers.py compares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from PIL import Image

from modules.compute.noise import ImageNoise, NoiseSpec
from modules.engine.decode import decode_latent
from modules.engine.encode import encode_pixels
from modules.engine.image_conditioning import further_pictures, masked_picture
from modules.engine.preview import preview_map
from modules.engine.resolved import ResolvedInit
from modules.engine.vae_memory import tiles_for
from modules.families.flux2 import KLEIN_4B
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.loading.parts import PartFiles
from modules.loading.tekken import tekken_tokenizer
from modules.loading.tokenizer import qwen_tokenizer
from modules.schema.errors import CannotLoad
from tests.families import tiny_flow as tiny
from tests.families.flow_pipelines import PICTURE, POLICY, Ours, files_of, folder_of_diffusers, listed, modules_of, reference_latents
from tests.families.lora_changes import assert_adds_to
from tests.loading.test_gguf import write as gguf_file

library: Any = diffusers
NAME = "FLUX.2 klein 4B"
WIDTH, INNER = tiny.WIDTH, 3 * tiny.WIDTH


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Components:
    file, parts = files_of(NAME, tmp_path_factory.mktemp("klein"))
    return load_checkpoint(file, POLICY, files=parts)


@pytest.mark.parametrize("steps", [4, 20, 50])
@pytest.mark.parametrize("side", [32, 64, 80, 128])
def test_steps_are_moved_towards_noise_as_its_makers_measured(side: int, steps: int) -> None:
    scheduler = library.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=1.0)
    plain = torch.linspace(1, 1 / steps, steps)
    scheduler.set_timesteps(sigmas=plain.tolist(), mu=compute_empirical_mu(side * side, steps))
    factor = KLEIN_4B.shift.at(side * side, steps)
    assert torch.allclose(factor * plain / (1 + (factor - 1) * plain), scheduler.sigmas[:-1], atol=1e-6)


def test_a_seed_is_the_noise_of_other_programs() -> None:
    """They draw patches of two by two cells as one of four times the channels; a last row that is half a patch is cut off."""
    spec: dict[str, Any] = {"seeds": (7,), "variation_seeds": (8,), "by_patches": True}
    drawn = torch.randn((1, 128, 4, 6), generator=torch.Generator().manual_seed(7))
    noise = ImageNoise(NoiseSpec(shape=(32, 8, 12), **spec)).first()
    assert torch.equal(library.Flux2KleinPipeline._patchify_latents(noise), drawn)
    assert torch.equal(ImageNoise(NoiseSpec(shape=(32, 7, 11), **spec)).first(), noise[:, :, :7, :11])
    assert ImageNoise(NoiseSpec(shape=(32, 8, 12), variation_strength=0.5, **spec)).first().std() == pytest.approx(1, abs=0.1)


def test_a_prompt_stands_in_the_chat_that_thinks_of_nothing() -> None:
    ids = qwen_tokenizer().encode("<|im_start|>assistant\n<think>\n\n</think>\n\n", add_special_tokens=False).ids
    assert ids == [151644, 77091, 198, 151667, 271, 151668, 271]


@torch.no_grad()
@pytest.mark.parametrize("cells", [(8, 12), (7, 9)])
def test_pictures_and_latents_by_its_vae(model: Components, cells: tuple[int, int]) -> None:
    """As the pipeline does it: normalised by patches. A row too many has the values of a patch's first row."""
    vae, (rows, columns) = modules_of(NAME)[1], cells
    picture = torch.rand(1, 3, rows * 8, columns * 8, generator=torch.Generator().manual_seed(1))
    plain = vae.encode(picture * 2 - 1).latent_dist.mean
    padded = torch.nn.functional.pad(plain, (0, columns % 2, 0, rows % 2))
    mean, deviation = vae.bn.running_mean.view(1, -1, 1, 1), (vae.bn.running_var + vae.config.batch_norm_eps).sqrt().view(1, -1, 1, 1)
    pipeline = library.Flux2KleinPipeline
    latent = pipeline._unpatchify_latents((pipeline._patchify_latents(padded) - mean) / deviation)[..., :rows, :columns]
    assert torch.allclose(encode_pixels(picture, model.vae, model.family.latent, seed=1), latent, atol=1e-4)
    wanted = vae.decode(plain).sample[0] / 2 + 0.5
    assert torch.allclose(decode_latent(latent[0], model.vae, scale=1.0), wanted.clamp(0, 1), atol=1e-4)
    with tiles_for(model.vae, rows, columns):
        vae.tile_latent_min_size, vae.tile_sample_min_size, vae.use_tiling = model.vae.tile_latent_min_size, model.vae.tile_sample_min_size, True
        tiled = vae.decode(plain).sample[0] / 2 + 0.5
        vae.use_tiling = False
        assert torch.allclose(decode_latent(latent[0], model.vae, scale=1.0), tiled.clamp(0, 1), atol=1e-4)
    assert preview_map(model.vae, model.family.latent).weight.shape == (32, 3)


def test_a_vae_with_a_smaller_decoder(tmp_path: Path) -> None:
    file, parts = files_of(NAME, tmp_path)
    small = tiny.randomised(library.AutoencoderKLFlux2(block_out_channels=[64] * 4, decoder_block_out_channels=[32, 32, 32, 64], layers_per_block=1), 4)
    vae_file = listed(tiny.write(tmp_path / "VAE" / "small.safetensors", small.state_dict()))
    vae: Any = load_checkpoint(file, POLICY, files=parts, vae_file=vae_file).vae
    z = torch.randn(1, 32, 4, 4)
    with torch.no_grad():
        assert torch.allclose(vae.decode(z).sample, small.decode(z * (1 + 1e-4) ** 0.5).sample, atol=1e-4)
    assert small.decoder.up_blocks[3].resnets[0].conv1.weight.shape == vae.decoder.up_blocks[3].resnets[0].conv1.weight.shape != (64, 64, 3, 3)


def test_only_its_own_vae_fits(tmp_path: Path) -> None:
    file, parts = files_of(NAME, tmp_path)
    plain = library.AutoencoderKL(latent_channels=32, block_out_channels=[32] * 4, layers_per_block=1,
                                  down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)  # fmt: skip
    other = listed(tiny.write(tmp_path / "VAE" / "flux2-other.safetensors", plain.state_dict()))
    assert load_checkpoint(file, POLICY, files=PartFiles(text_encoders=parts.text_encoders, vaes=(other, *parts.vaes))).vae_file == parts.vaes[0]
    with pytest.raises(CannotLoad, match=r"other models than FLUX\.2"):
        load_checkpoint(file, POLICY, files=parts, vae_file=other)
    flux, flux_parts = files_of("FLUX.1 dev", tmp_path / "flux")
    with pytest.raises(CannotLoad, match=r"that of FLUX\.2"):
        load_checkpoint(flux, POLICY, files=flux_parts, vae_file=parts.vaes[0])
    with pytest.raises(CannotLoad, match=r"Qwen3 4B text encoder.*qwen_3_4b\.safetensors.*flux2-vae\.safetensors"):
        load_checkpoint(file, POLICY)


def test_its_text_encoder_is_built_as_far_as_it_is_read(model: Components) -> None:
    encoder: Any = model.text_encoders[0].module
    assert len(encoder.layers) == 27 and len(modules_of(NAME)[2]["qwen3_4b"].layers) == 29


def test_a_folder_of_diffusers_is_the_same_model(tmp_path: Path) -> None:
    transformer, vae, texts = modules_of(NAME)
    words = {f"model.{key}": tensor for key, tensor in texts["qwen3_4b"].state_dict().items()}
    index = {"_class_name": "Flux2KleinPipeline", "text_encoder": ["transformers", "Qwen3ForCausalLM"]}
    loaded = load_checkpoint(folder_of_diffusers(tmp_path / "some model", NAME, {"text_encoder": words}, index), POLICY)
    assert loaded.family.name == NAME
    for ours, theirs in ((loaded.unet, transformer), (loaded.vae, vae), (loaded.text_encoders[0].module, texts["qwen3_4b"])):
        assert all(torch.equal(tensor, theirs.state_dict()[key]) for key, tensor in ours.state_dict().items())


def test_as_gguf(tmp_path: Path) -> None:
    transformer, vae, texts = modules_of(NAME)
    path = gguf_file(tmp_path / "flux-2-klein-4b-Q8_0.gguf", "flux", tiny.original_transformer(NAME, transformer.state_dict()))
    parts = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
             "self_attn.k_norm": "attn_k_norm", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "mlp.up_proj": "ffn_up", "mlp.gate_proj": "ffn_gate",
             "mlp.down_proj": "ffn_down", "layers": "blk", "embed_tokens": "token_embd"}  # fmt: skip
    qwen = {}
    for name, tensor in texts["qwen3_4b"].state_dict().items():
        for theirs, ours in parts.items():
            name = name.replace(f"{theirs}.", f"{ours}.")
        qwen["output_norm.weight" if name == "norm.weight" else name] = tensor
    files = PartFiles(text_encoders=(listed(gguf_file(tmp_path / "Qwen3-4B-Q8_0.gguf", "qwen3", qwen)),),
                      vaes=(listed(tiny.write(tmp_path / "flux2-vae.safetensors", tiny.original_vae(vae.state_dict()))),))  # fmt: skip
    loaded = load_checkpoint(listed(path), POLICY, files=files)
    for ours, theirs in ((loaded.unet, transformer), (loaded.text_encoders[0].module, texts["qwen3_4b"])):
        assert all(torch.allclose(tensor, theirs.state_dict()[name], atol=0.02) for name, tensor in ours.state_dict().items())


def test_at_full_strength_img2img_shows_the_model_the_picture(model: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its pipeline does with the pictures that it is given; with less strength, or a mask, the picture is drawn over as with other models."""
    ours = Ours(model, monkeypatch, denoising_strength=1.0, init=ResolvedInit(pictures=(PICTURE,)))
    theirs = reference_latents(NAME, ours, image=PICTURE)
    assert float((ours.latents - theirs).norm() / theirs.norm()) < 1e-5
    alone = Ours(model, monkeypatch)
    assert torch.equal(alone.noise, ours.noise) and float((alone.latents - theirs).norm() / theirs.norm()) > 1e-3
    pixels, latents = torch.rand(1, 3, 64, 64), torch.zeros(1, 32, 8, 8)
    asked: dict[str, Any] = {"rounded": True, "weight": 1.0, "seed": 1}
    assert masked_picture(model, pixels, latents, None, strength=0.9, **asked) is None
    assert masked_picture(model, pixels, latents, Image.new("L", (64, 64), 255), **asked) is None


def test_further_pictures_are_shown_beside_the_first(model: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in its own shape; also where the first one is drawn over, with less strength or a mask."""
    other = Image.effect_noise((100, 70), 90).convert("RGB")
    ours = Ours(model, monkeypatch, denoising_strength=1.0, init=ResolvedInit(pictures=(PICTURE, other)))
    theirs = reference_latents(NAME, ours, image=[PICTURE, other])
    assert float((ours.latents - theirs).norm() / theirs.norm()) < 1e-5
    two, one = (Ours(model, monkeypatch, denoising_strength=0.7, init=ResolvedInit(pictures=pictures)) for pictures in ((PICTURE, other), (PICTURE,)))
    assert float((two.latents - one.latents).norm() / one.latents.norm()) > 1e-4
    thin = further_pictures(model, [Image.new("RGB", (300, 9))])
    assert [each.shape for each in thin] == [(1, 32, 2, 36)]


def test_a_folder_of_the_larger_size_has_the_larger_text_encoder(tmp_path: Path) -> None:
    words = modules_of("FLUX.2 klein 9B")[2]["qwen3_8b"].state_dict()
    folder_of_diffusers(tmp_path, "FLUX.2 klein 9B", {"text_encoder": words}, {"text_encoder": ["transformers", "Qwen3ForCausalLM"]})
    (tmp_path / "text_encoder" / "config.json").write_text('{"hidden_size": 4096}')
    assert load_checkpoint(listed(tmp_path), POLICY).family.name == "FLUX.2 klein 9B"


def test_dev_in_a_folder_has_its_tokenizer_beside_it(tmp_path: Path) -> None:
    """Names are those of Mistral's model of pictures and words, of which the part for pictures is left out."""
    texts = modules_of("FLUX.2 dev")[2]
    whole = {f"language_model.model.{key}": tensor for key, tensor in texts["mistral3_24b"].state_dict().items()} | {"vision_tower.patch_conv.weight": torch.zeros(2, 2)}
    folder_of_diffusers(tmp_path, "FLUX.2 dev", {"text_encoder": whole}, {"text_encoder": ["transformers", "Mistral3ForConditionalGeneration"]})
    with pytest.raises(CannotLoad, match=r"Mistral Small 3 text encoder comes without its tokenizer.*mistral_3_small_flux2"):
        load_checkpoint(listed(tmp_path), POLICY)
    (tmp_path / "tokenizer").mkdir()
    tekken_tokenizer(tiny.mistral_tokenizer()).save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    loaded = [load_checkpoint(listed(tmp_path), POLICY)]
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("{}")
    with pytest.raises(CannotLoad, match="cannot be read: it is damaged"):
        load_checkpoint(listed(tmp_path), POLICY)
    (tmp_path / "tokenizer" / "tekken.json").write_bytes(tiny.mistral_tokenizer())
    loaded.append(load_checkpoint(listed(tmp_path), POLICY))
    theirs = texts["mistral3_24b"].state_dict()
    for model in loaded:
        (encoder,) = model.text_encoders
        assert model.family.name == "FLUX.2 dev" and encoder.tokenizer.encode("[INST]", add_special_tokens=False).ids == [3]
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in encoder.module.state_dict().items())


@pytest.mark.parametrize("dev", [False, True])
def test_full_strength_is_for_both(dev: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "FLUX.2 dev" if dev else "FLUX.2 klein 9B"
    file, parts = files_of(name, tmp_path)
    ours = Ours(load_checkpoint(file, POLICY, files=parts), monkeypatch, denoising_strength=1.0, init=ResolvedInit(pictures=(PICTURE,)))
    theirs = reference_latents(name, ours, image=PICTURE)
    assert float((ours.latents - theirs).norm() / theirs.norm()) < 1e-5


@pytest.mark.parametrize(("key", "rows", "layers"), [
    ("lora_unet_double_blocks_0_img_attn_qkv", INNER, [f"transformer_blocks.0.attn.to_{part}.weight" for part in "qkv"]),
    ("diffusion_model.double_blocks.0.txt_attn.qkv", INNER, [f"transformer_blocks.0.attn.add_{part}_proj.weight" for part in "qkv"]),
    ("lora_unet_double_blocks_0_txt_mlp_0", 6 * WIDTH, ["transformer_blocks.0.ff_context.linear_in.weight"]),
    ("lora_unet_single_blocks_1_linear1", 9 * WIDTH, ["single_transformer_blocks.1.attn.to_qkv_mlp_proj.weight"]),
    ("transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj", 9 * WIDTH, ["single_transformer_blocks.0.attn.to_qkv_mlp_proj.weight"]),
    ("transformer.transformer_blocks.0.attn.to_out.0", WIDTH, ["transformer_blocks.0.attn.to_out.0.weight"]),
    ("lora_unet_single_stream_modulation_lin", INNER, ["single_stream_modulation.linear.weight"]),
])  # fmt: skip
def test_loras_in_the_names_of_each_trainer(model: Components, tmp_path: Path, key: str, rows: int, layers: list[str]) -> None:
    assert_adds_to(layers, key, rows, WIDTH, model, tmp_path)
