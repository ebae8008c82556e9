"""Each family that runs, on tiny random weights in its real layout, against the plain diffusers pipeline: same noise and sigmas, same latents.

The reference shares no code of ours: sizes are written down here, weights go through diffusers' own converters.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint, convert_open_clip_checkpoint
from PIL import Image
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from modules.compute.hardware import Hardware
from modules.compute.policy import policy_from_flags
from modules.engine import denoise_pass, img2img
from modules.engine.generate import generate
from modules.engine.hooks import NullHooks
from modules.engine.prompt_tokens import VOCABULARY_FOLDER
from modules.engine.resolved import ResolvedInit, ResolvedRequest, SamplingOptions
from modules.families.sdxl import SDXL
from modules.families.table import FAMILIES
from modules.library.facts import read_facts
from modules.library.model_file import ModelFile
from modules.library.roots import Place
from modules.library.scan import scan
from modules.loading.checkpoint import load_checkpoint
from modules.loading.components import Components
from modules.loading.unet_layout import unet_config
from modules.schema.flags import Flags
from tests.families.tiny import FIRST, UNET, checkpoint_of, tensors_of
from tests.short_form import one_in

FAMILY_NAMES = tuple(family.name for family in FAMILIES if family.runs and not family.is_flow)
SIZE, STEPS, SEED, SCALE, PICTURE_SCALE = 64, 4, 7, 5.0, 1.7
PROMPT, NEGATIVE = "a red cat on a table", "blurry, text"
TOLERANCE = 1e-3

CROSS, PLAIN = "CrossAttn", ""
SD_LEVELS = {"block_out_channels": (32, 64, 64, 64), "layers_per_block": 2}
UNETS: Mapping[str, Mapping[str, Any]] = {
    "SD1": SD_LEVELS | {"levels": (CROSS, CROSS, CROSS, PLAIN), "cross_attention_dim": 64, "attention_head_dim": 8},
    "SD2": SD_LEVELS | {"levels": (CROSS, CROSS, CROSS, PLAIN), "cross_attention_dim": 48, "attention_head_dim": 1, "use_linear_projection": True},
    "SDXL": {
        "block_out_channels": (32, 64, 64), "layers_per_block": 2, "levels": (PLAIN, CROSS, CROSS), "transformer_layers_per_block": [1, 1, 2],
        "cross_attention_dim": 56, "attention_head_dim": 1, "use_linear_projection": True, "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 32 + 6 * 256,
    },
    "SDXL refiner": SD_LEVELS | {
        "levels": (PLAIN, CROSS, CROSS, PLAIN), "transformer_layers_per_block": [1, 2, 2, 1],
        "cross_attention_dim": 32, "attention_head_dim": 1, "use_linear_projection": True, "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 32 + 5 * 256,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", one_in(8, FAMILY_NAMES))
def test_latents_are_those_of_the_diffusers_pipeline(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    ours = _Ours(name, tmp_path, monkeypatch)
    theirs = reference_latents(name, ours)
    assert ours.latents.shape == theirs.shape
    off = float((ours.latents - theirs).norm() / theirs.norm())
    assert off <= TOLERANCE, f"off by {off:.2g}"


@pytest.mark.long
@pytest.mark.parametrize("name", ["SD2", "SDXL refiner", "SDXL v-prediction, zero terminal SNR"])
def test_a_folder_of_diffusers_draws_what_the_single_file_does(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    single = _Ours(name, tmp_path, monkeypatch)
    tensors = {key: tensor.float() for key, tensor in tensors_of(name).items()}
    pipeline, _ = reference_pipeline(name, single, tensors)
    folder = tmp_path / "Stable-diffusion" / "some model"
    pipeline.save_pretrained(folder)
    (listed,) = scan([Place(folder=folder.parent, endings=(".safetensors",), folders=True)])
    assert (listed.path, listed.name) == (folder, "some model")
    assert read_facts(folder).family_name == name.partition(" v-pred")[0]       # what it predicts is told by its scheduler
    as_folder = _Ours(name, tmp_path, monkeypatch, path=folder)
    assert as_folder.components.prediction is single.components.prediction
    assert float((as_folder.latents - single.latents).norm() / single.latents.norm()) < 1e-5


def test_a_unet_without_some_of_its_transformers_runs_by_its_shapes() -> None:
    """As SSD-1B: one residual block in the middle, and fewer transformer blocks in some places than in others."""
    def left_out(name: str) -> bool:
        middle = name.startswith((f"{UNET}middle_block.1.", f"{UNET}middle_block.2."))
        return middle or any(f"{block}.1.transformer_blocks.1." in name for block in ("output_blocks.1", "input_blocks.8"))

    tensors = {name: tensor.float() for name, tensor in tensors_of("SDXL").items() if name.startswith(UNET) and not left_out(name)}
    row = dict(UNETS["SDXL"])
    del row["levels"]
    expected = row | {
        "in_channels": 4, "out_channels": 4, "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "mid_block_type": "UNetMidBlock2D", "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 1, [2, 1]], "reverse_transformer_layers_per_block": [[2, 1, 2], 1, 1],
        "block_out_channels": [32, 64, 64], "attention_head_dim": [1, 1, 1],
    }  # fmt: skip
    config = unet_config("x", {name: tuple(tensor.shape) for name, tensor in tensors.items()}, SDXL)
    assert config == expected
    made = diffusers.UNet2DConditionModel(**config)
    made.load_state_dict(convert_ldm_unet_checkpoint(tensors, config))
    added = {"text_embeds": torch.randn(1, 32), "time_ids": torch.ones(1, 6)}
    with torch.no_grad():
        assert made(torch.randn(1, 4, 8, 8), 5, torch.randn(1, 7, 56), added_cond_kwargs=added).sample.isfinite().all()


class _Ours(NullHooks):
    """Our latents, and what the reference has to start from."""

    def __init__(self, name: str, folder: Path, patch: pytest.MonkeyPatch, path: Path | None = None) -> None:
        made, path = path is None, path or checkpoint_of(name, folder)
        policy = policy_from_flags(Flags(), Hardware(kind="cpu", name="test", memory_bytes=2**33, cpu_count=1, reason="a test"))
        model = load_checkpoint(ModelFile(path=path, name=path.name, kind="checkpoint", size=path.stat().st_size), policy)
        assert not made or model.family.name == name
        self.components: Components = model
        self.picture = Image.fromarray(np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8))
        self.latents = self.noise = self.init = torch.empty(0)
        self.levels: list[float] = []
        self.image_cond: Tensor | None = None
        grid, encode = denoise_pass.make_grid, img2img.encode_pixels

        def noting_grid(*args: Any) -> Any:
            found = grid(*args)
            self.levels = found.whole.tolist()
            return found

        def noting_init(*args: Any, **kwargs: Any) -> Tensor:
            self.init = encode(*args, **kwargs)
            return self.init

        patch.setattr(denoise_pass, "make_grid", noting_grid)
        patch.setattr(img2img, "encode_pixels", noting_init)
        from_picture = model.family.is_pix2pix or model.family.is_depth or name == "SDXL refiner"
        generate(
            ResolvedRequest(
                prompt=PROMPT, negative_prompt=NEGATIVE, width=SIZE, height=SIZE, steps=STEPS, guidance_scale=SCALE, sampler_name="Euler",
                seed=SEED, denoising_strength=1.0, options=SamplingOptions(noise_source="CPU"),
                init=ResolvedInit(pictures=(self.picture,) if from_picture else (), image_guidance_scale=PICTURE_SCALE,
                                  depth_map=self.picture.convert("L") if model.family.is_depth else None),
            ),
            model, policy=policy, hooks=self,
        )  # fmt: skip

    def before_sampling(self, plan: Any, noise: Tensor) -> Tensor:
        self.noise = noise
        return noise

    def denoiser_input(self, call: Any) -> Any:
        self.image_cond = None if call.image_cond is None else call.image_cond[:1]
        return call

    def latents_ready(self, plan: Any, latents: Tensor) -> Tensor:
        self.latents = latents
        return latents


@torch.no_grad()
def reference_latents(name: str, ours: _Ours) -> Tensor:
    tensors = {key: tensor.float() for key, tensor in tensors_of(name).items()}
    pipeline, asked = reference_pipeline(name, ours, tensors)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(**asked).images


def reference_pipeline(name: str, ours: _Ours, tensors: Mapping[str, Tensor]) -> tuple[Any, dict[str, Any]]:
    """The pipeline of the family, and what it is to be called with."""
    parts: dict[str, Any] = {"unet": unet_of(name, tensors), "vae": vae_of(tensors), "scheduler": scheduler_of(name, ours)}
    asked: dict[str, Any] = {
        "prompt": PROMPT, "negative_prompt": NEGATIVE, "height": SIZE, "width": SIZE, "guidance_scale": SCALE, "output_type": "latent",
        "sigmas": ours.levels, "num_inference_steps": STEPS, "latents": ours.noise.clone(),
    }  # fmt: skip
    kind = name.rpartition(" ")[2]
    if name.startswith("SDXL"):
        parts |= {"force_zeros_for_empty_prompt": True, "add_watermarker": False, **xl_text(tensors)}
        pipelines = {"inpainting": diffusers.StableDiffusionXLInpaintPipeline, "pix2pix": diffusers.StableDiffusionXLInstructPix2PixPipeline,
                     "refiner": diffusers.StableDiffusionXLImg2ImgPipeline}
        pipeline = pipelines.get(kind, diffusers.StableDiffusionXLPipeline)
    else:
        parts |= {"safety_checker": None, "feature_extractor": None, **sd_text(name, tensors)}
        if kind == "depth":
            parts |= {"depth_estimator": None, "feature_extractor": None}
            del parts["safety_checker"]
        pipelines = {"inpainting": diffusers.StableDiffusionInpaintPipeline, "pix2pix": diffusers.StableDiffusionInstructPix2PixPipeline,
                     "depth": diffusers.StableDiffusionDepth2ImgPipeline}
        pipeline = pipelines.get(kind, diffusers.StableDiffusionPipeline)
    if kind == "inpainting":
        assert ours.image_cond is not None
        asked |= {"image": ours.picture, "mask_image": Image.new("L", (SIZE, SIZE), 255), "masked_image_latents": ours.image_cond[:, 1:], "strength": 1.0}
    elif kind == "pix2pix":
        start = ours.noise + ours.init / ours.levels[0]         # ours goes on from the picture, which is next to nothing in that noise
        asked |= {"image": ours.picture, "image_guidance_scale": PICTURE_SCALE, "latents": start}
        for key in ("sigmas",) if name.startswith("SDXL") else ("sigmas", "height", "width"):
            del asked[key]
    elif kind == "depth":
        values = torch.from_numpy(np.asarray(ours.picture.convert("L"), dtype=np.float32))[None]
        asked |= {"image": ours.picture, "depth_map": values, "strength": 1.0}
        for key in ("latents", "height", "width", "sigmas"):
            del asked[key]
    elif kind == "refiner":
        parts["requires_aesthetics_score"] = True
        asked |= {"image": ours.init, "strength": 1.0, "generator": torch.Generator().manual_seed(SEED), "original_size": (SIZE, SIZE), "target_size": (SIZE, SIZE)}
        for key in ("latents", "height", "width"):
            del asked[key]
    made = pipeline(**parts)
    if kind == "depth":
        made.prepare_latents = lambda image, timestep, *rest, **more: made.scheduler.add_noise(ours.init, ours.noise, timestep)    # type: ignore[method-assign]
    return made, asked


def scheduler_of(name: str, ours: _Ours) -> Any:
    """A pipeline that takes no sigmas finds ours in the scheduler."""
    family = ours.components.family
    made = diffusers.EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="linspace",
        prediction_type="v_prediction" if "v-prediction" in name else "epsilon", rescale_betas_zero_snr=family.zero_terminal_snr,
    )  # fmt: skip
    if family.is_pix2pix or family.is_depth:
        own = made.set_timesteps
        made.set_timesteps = lambda *args, **kwargs: own(sigmas=ours.levels)    # type: ignore[method-assign]
    return made


def unet_of(name: str, tensors: Mapping[str, Tensor]) -> diffusers.UNet2DConditionModel:
    row = dict(UNETS[name if name in UNETS else name.split(" ")[0]])
    levels = row.pop("levels")
    config = row | {
        "in_channels": tensors[FIRST].shape[1],
        "down_block_types": tuple(f"{kind}DownBlock2D" for kind in levels),
        "up_block_types": tuple(f"{kind}UpBlock2D" for kind in reversed(levels)),
        "sample_size": SIZE // 8,
    }
    made = diffusers.UNet2DConditionModel(**config)
    made.load_state_dict(convert_ldm_unet_checkpoint(dict(tensors), config))
    return made.eval()


def vae_of(tensors: Mapping[str, Tensor]) -> diffusers.AutoencoderKL:
    levels = 1 + max(int(name.split("decoder.up.")[1].split(".")[0]) for name in tensors if "decoder.up." in name)
    widths = [tensors[f"first_stage_model.encoder.down.{level}.block.0.conv2.weight"].shape[0] for level in range(levels)]
    layers = sum(1 for number in range(9) if f"first_stage_model.encoder.down.0.block.{number}.conv1.weight" in tensors)
    config = {"block_out_channels": widths, "layers_per_block": layers, "latent_channels": 4, "down_block_types": ["DownEncoderBlock2D"] * levels,
              "up_block_types": ["UpDecoderBlock2D"] * levels}
    made = diffusers.AutoencoderKL(**config)
    made.load_state_dict(convert_ldm_vae_checkpoint(dict(tensors), config))
    return made.eval()


def tokenizer(**how: Any) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(VOCABULARY_FOLDER, local_files_only=True, **how)


def text_model(kind: Any, state: Mapping[str, Tensor], layers: int, act: str) -> Any:
    """A text encoder of transformers with the weights in ``state``, its first ``layers`` layers, one head."""
    flat = {name.removeprefix("text_model."): tensor for name, tensor in state.items() if "position_ids" not in name}
    width = flat["final_layer_norm.weight"].shape[0]
    config = CLIPTextConfig(
        hidden_size=width, intermediate_size=flat["encoder.layers.0.mlp.fc1.weight"].shape[0], num_hidden_layers=layers, num_attention_heads=1,
        hidden_act=act, projection_dim=width, eos_token_id=49407, bos_token_id=49406,
    )  # fmt: skip
    made = kind(config)
    own = {name.replace("text_model.", ""): name for name in made.state_dict()}
    made.load_state_dict({own[name]: tensor for name, tensor in flat.items() if name in own})
    return made.eval()


def sd_text(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    if name.startswith("SD1"):
        prefix = "cond_stage_model.transformer."
        state = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
        return {"text_encoder": text_model(CLIPTextModel, state, 3, "quick_gelu"), "tokenizer": tokenizer()}
    state = open_clip_state(tensors, "cond_stage_model.model.", 48)
    return {"text_encoder": text_model(CLIPTextModel, state, 3, "gelu"), "tokenizer": tokenizer(pad_token="!")}     # of 4 layers, as the original uses it


def xl_text(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    prefix = "conditioner.embedders.0.transformer."
    first = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
    second = open_clip_state(tensors, "conditioner.embedders.1.model." if first else "conditioner.embedders.0.model.", 32)
    return {
        "text_encoder": text_model(CLIPTextModel, first, 12, "quick_gelu") if first else None, "tokenizer": tokenizer() if first else None,
        "text_encoder_2": text_model(CLIPTextModelWithProjection, second, 10, "gelu"), "tokenizer_2": tokenizer(pad_token="!"),
    }  # fmt: skip


def open_clip_state(tensors: Mapping[str, Tensor], prefix: str, width: int) -> dict[str, Tensor]:
    class _Model:
        config = CLIPTextConfig(hidden_size=width)

    return convert_open_clip_checkpoint(_Model(), dict(tensors), prefix=prefix)
