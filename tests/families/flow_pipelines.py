"""Diffusers' pipelines of the flow families over tiny models, for tests that hold ours against them: the models' files, our latents, theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from transformers import BatchFeature, CLIPTokenizer, PreTrainedTokenizerFast
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from modules.compute.hardware import Hardware
from modules.compute.policy import policy_from_flags
from modules.engine import denoise_pass
from modules.engine.generate import generate
from modules.engine.hooks import NullHooks
from modules.engine.prompt_tokens import VOCABULARY_FOLDER
from modules.engine.resolved import ResolvedRequest, SamplingOptions
from modules.library.model_file import ModelFile
from modules.loading import tokenizer as tokenizers
from modules.loading.components import Components
from modules.loading.lora import LoraShelf
from modules.loading.parts import PartFiles
from modules.loading.sentencepiece_model import sentencepiece_tokenizer
from modules.loading.tekken import tekken_tokenizer
from modules.schema.flags import Flags
from tests.families import tiny_flow as tiny

library: Any = diffusers      # it hands out its classes late
SIZE, STEPS, SEED, SCALE = 64, 3, 7, 3.0
PROMPT, NEGATIVE = "a red cat on a table", "blurry, text"
UNET = "model.diffusion_model."
CHAT = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant{{ '\n' }}{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
INSTRUCTION = "<s>{% for m in messages %}{% if m.role == 'system' %}[SYSTEM_PROMPT]{{ m.content[0].text }}[/SYSTEM_PROMPT]{% else %}[INST]{{ m.content[0].text }}[/INST]{% endif %}{% endfor %}"
# how the family's file comes: alone, with everything inside under ComfyUI's names, or with the names of diffusers
FORMS = {"Krea 2 Turbo": "whole", "Qwen-Image-Edit": "whole", "FLUX.1 schnell": "whole", "SD3": "whole", "FLUX.1 fill": "diffusers", "FLUX.2 klein 9B": "whole", "Lumina 2": "whole"}
FILES = {"clip_l": "clip_l.safetensors", "clip_g": "clip_g.safetensors", "t5xxl": "t5xxl_fp16.safetensors", "qwen3_4b": "qwen_3_4b.safetensors",
         "qwen25_7b": "qwen_2.5_vl_7b.safetensors", "qwen3vl_4b": "qwen3vl_4b_fp8_scaled.safetensors", "qwen3_2b": "ovis_2.5.safetensors", "qwen3_06b": "qwen_3_06b_base.safetensors", "qwen3_8b": "qwen_3_8b.safetensors", "gemma2_2b": "gemma_2_2b_fp16.safetensors",
         "mistral3_24b": "mistral_3_small_flux2_bf16.safetensors"}  # fmt: skip
VAES = {"SD3": "sd3_vae.safetensors", "SD3.5": "sd3_vae.safetensors", "Qwen-Image": "qwen_image_vae.safetensors", "Qwen-Image-Edit": "qwen_image_vae.safetensors", "Qwen-Image-Edit Plus": "qwen_image_vae.safetensors", "Anima": "qwen_image_vae.safetensors", "Krea 2": "qwen_image_vae.safetensors", "Krea 2 Turbo": "qwen_image_vae.safetensors", "FLUX.2 klein 4B": "flux2-vae.safetensors"}

PICTURE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8))
MASK = Image.new("L", (SIZE, SIZE))
MASK.paste(255, (0, 0, 40, 27))


@cache
def modules_of(name: str) -> tuple[Any, Any, dict[str, Any]]:
    return tiny.transformer_of(name), tiny.vae_of(name), tiny.text_encoders_of(name)


def files_of(name: str, folder: Path, form: str = "") -> tuple[ModelFile, PartFiles]:
    """The family's files as people have them."""
    transformer, vae, texts = modules_of(name)
    state = transformer.state_dict()
    form = form or FORMS.get(name, "")
    original = state if form == "diffusers" else tiny.original_transformer(name, state)
    model = folder / "Stable-diffusion" / f"{name}.safetensors"
    if form == "whole":
        whole = {UNET + key.removeprefix("net."): tensor for key, tensor in original.items()}
        whole |= {f"{'first_stage_model' if name == 'SD3' else 'vae'}.{key}": tensor for key, tensor in tiny.original_vae(vae.state_dict()).items()}
        for part, module in texts.items():
            own = tiny.text_state(part, module)
            whole |= {f"text_encoders.{key}": own.pop(key) for key in ("spiece_model",) if key in own}
            whole |= {f"text_encoders.{part}.transformer.{key}": tensor for key, tensor in own.items()}
        return listed(tiny.write(model, whole)), PartFiles()
    tiny.write(model, original)
    encoders = [listed(tiny.write(folder / "text_encoder" / FILES[part], tiny.text_state(part, module))) for part, module in texts.items()]
    vae_file = tiny.write(folder / "VAE" / VAES.get(name, "ae.safetensors"), tiny.original_vae(vae.state_dict()))
    return listed(model), PartFiles(text_encoders=tuple(encoders), vaes=(listed(vae_file),))


def folder_of_diffusers(folder: Path, name: str, texts: Mapping[str, Mapping[str, Tensor]], index: Mapping[str, Any]) -> ModelFile:
    """The family's model in diffusers' layout. texts: tensors of each text encoder, by the folder they lie in. index: what model_index.json says."""
    transformer, vae, _ = modules_of(name)
    for part, state in texts.items():
        tiny.write(folder / part / "model.safetensors", dict(state))
    for part, module in (("transformer", transformer), ("vae", vae)):
        tiny.write(folder / part / "diffusion_pytorch_model.safetensors", module.state_dict())
    (folder / "model_index.json").write_text(json.dumps(index))
    return listed(folder)


def listed(path: Path) -> ModelFile:
    return ModelFile(path=path, name=path.name, kind="checkpoint", size=path.stat().st_size)


class Ours(NullHooks):
    """Our latents, and what the reference has to start from."""

    def __init__(self, model: Components, patch: pytest.MonkeyPatch, *, loras: LoraShelf | None = None, **asked: Any) -> None:
        self.latents = self.noise = torch.empty(0)
        self.levels: list[float] = []
        grid = denoise_pass.make_grid

        def noting_grid(*args: Any) -> Any:
            found = grid(*args)
            self.levels = found.whole.tolist()
            return found

        patch.setattr(denoise_pass, "make_grid", noting_grid)
        request = ResolvedRequest(**{
            "prompt": PROMPT, "negative_prompt": NEGATIVE, "width": SIZE, "height": SIZE, "steps": STEPS, "guidance_scale": SCALE, "sampler_name": "Euler",
            "seed": SEED, "options": SamplingOptions(noise_source="CPU"), **asked,
        })  # fmt: skip
        self.result = generate(request, model, policy=POLICY, hooks=self, loras=loras)

    def before_sampling(self, plan: Any, noise: Tensor) -> Tensor:
        self.noise = noise
        return noise

    def latents_ready(self, plan: Any, latents: Tensor) -> Tensor:
        self.latents = latents
        return latents


POLICY = policy_from_flags(Flags(), Hardware(kind="cpu", name="test", memory_bytes=2**33, cpu_count=1, reason="a test"))


def look_at_small_pictures(patch: pytest.MonkeyPatch) -> None:
    """Qwen-Image-Edit looks at pictures of a million pixels; its pipeline shows them to the transformer in that size too."""
    patch.setattr("diffusers.pipelines.qwenimage.pipeline_qwenimage_edit.calculate_dimensions", lambda area, ratio: (SIZE, SIZE, None))
    patch.setattr("modules.engine.seen_pictures.scaled_to", lambda size, area, multiple: (SIZE, SIZE))


def show_small_pictures(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus.VAE_IMAGE_SIZE", SIZE * SIZE)


SMALLER = {"Qwen-Image-Edit": look_at_small_pictures, "Qwen-Image-Edit Plus": show_small_pictures}


# a pipeline's class, its parts besides transformer, VAE and scheduler, and what it is asked besides what all are
Pipeline = tuple[Any, dict[str, Any], dict[str, Any]]
Texts = Mapping[str, Any]


@torch.no_grad()
def reference_latents(name: str, ours: Ours, **more: Any) -> Tensor:
    """more: what the pipeline is asked besides."""
    transformer, vae, texts = modules_of(name)
    if name == "Anima":
        return _anima(transformer, vae, texts["qwen3_06b"], ours, **more)
    kind, parts, asked = _PIPELINES[name](texts, ours.noise.clone())
    pipeline = kind(transformer=transformer, vae=vae, scheduler=library.FlowMatchEulerDiscreteScheduler(), **parts)
    pipeline.set_progress_bar_config(disable=True)
    usual = {"prompt": PROMPT, "height": SIZE, "width": SIZE, "num_inference_steps": STEPS, "sigmas": ours.levels[:-1], "guidance_scale": SCALE, "output_type": "latent"}
    found = pipeline(**{**usual, **asked, **more}).images
    if name == "FLUX.2 dev":
        return pipeline._unpatchify_latents(found.mT.reshape(1, 128, SIZE // 16, SIZE // 16))
    if name in tiny.FLUX2_BLOCKS:       # it has undone what normalises them
        mean, deviation = vae.bn.running_mean.view(1, -1, 1, 1), (vae.bn.running_var + 1e-4).sqrt().view(1, -1, 1, 1)
        return pipeline._unpatchify_latents((pipeline._patchify_latents(found) - mean) / deviation)
    return found if found.ndim == 4 else unpacked(found)


def _anima(transformer: Any, vae: Any, encoder: Any, ours: Ours, **more: Any) -> Tensor:
    """Of diffusers' modular pipeline, up to its decoder. It brings its mask, which is all zeros, to the latent's size by torchvision."""
    blocks = library.AnimaAutoBlocks()
    blocks.sub_blocks.pop("decode")
    pipeline = blocks.init_pipeline()
    pipeline.update_components(
        text_encoder=encoder, tokenizer=fast_tokenizer(tokenizers.qwen_tokenizer(), "<|endoftext|>"), t5_tokenizer=fast_tokenizer(tokenizers.t5_tokenizer(), "<pad>"),
        text_conditioner=tiny.adapter_of_anima(), transformer=transformer, vae=vae, scheduler=library.FlowMatchEulerDiscreteScheduler(),
        guider=library.ClassifierFreeGuidance(guidance_scale=SCALE),
    )
    sized = SimpleNamespace(functional=SimpleNamespace(resize=lambda mask, size, interpolation: mask.new_zeros(*mask.shape[:2], *size)), InterpolationMode=SimpleNamespace(NEAREST=0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("diffusers.models.transformers.transformer_cosmos.transforms", sized, raising=False)
        asked = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "height": SIZE, "width": SIZE, "num_inference_steps": STEPS, "sigmas": ours.levels[:-1]}
        found = pipeline(**{**asked, "latents": ours.noise.clone()[:, :, None], "output": "latents", **more})
    return found[:, :, 0]


def _z_image(texts: Texts, noise: Tensor) -> Pipeline:
    parts = {"text_encoder": texts["qwen3_4b"], "tokenizer": fast_tokenizer(tokenizers.qwen_tokenizer(), "<|endoftext|>")}
    return library.ZImagePipeline, parts, {"latents": noise, "negative_prompt": NEGATIVE, "guidance_scale": SCALE - 1}


def _qwen_image(texts: Texts, noise: Tensor) -> Pipeline:
    parts = {"text_encoder": texts["qwen25_7b"], "tokenizer": fast_tokenizer(tokenizers.qwen_tokenizer(), "<|endoftext|>", 4096)}
    return library.QwenImagePipeline, parts, {"latents": packed(noise), "negative_prompt": NEGATIVE, "true_cfg_scale": SCALE, "guidance_scale": None}


def _ovis(texts: Texts, noise: Tensor) -> Pipeline:
    parts = {"text_encoder": texts["qwen3_2b"], "tokenizer": fast_tokenizer(tokenizers.qwen_tokenizer(), "<|endoftext|>")}
    return library.OvisImagePipeline, parts, {"latents": packed(noise), "negative_prompt": NEGATIVE}


def _krea2(texts: Texts, noise: Tensor) -> Pipeline:
    parts = {"text_encoder": texts["qwen3vl_4b"], "tokenizer": fast_tokenizer(tokenizers.qwen_tokenizer(), "<|endoftext|>")}
    return library.Krea2Pipeline, parts, {"latents": packed(noise), "negative_prompt": NEGATIVE, "guidance_scale": SCALE - 1}


def _qwen_edit(texts: Texts, noise: Tensor) -> Pipeline:
    encoder = texts["qwen25_7b"]
    encoder._forward_pre_hooks.clear()
    encoder._forward_pre_hooks_with_kwargs.clear()
    encoder.register_forward_pre_hook(_with_places, with_kwargs=True)
    _, parts, asked = _qwen_image(texts, noise)
    return library.QwenImageEditPipeline, parts | {"text_encoder": encoder, "processor": EyesAndWords(parts["tokenizer"])}, asked | {"image": PICTURE}


def _qwen_edit_plus(texts: Texts, noise: Tensor) -> Pipeline:
    return library.QwenImageEditPlusPipeline, *_qwen_edit(texts, noise)[1:]


def _with_places(module: Any, args: tuple[Any, ...], asked: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """transformers 5 has to be told which words are pictures to place them by row and column, as it did by itself when the pipeline was written."""
    shown = {} if asked.get("pixel_values") is None else {"mm_token_type_ids": (asked["input_ids"] == module.config.image_token_id).long()}
    return args, asked | shown


class EyesAndWords:
    """Qwen2VLProcessor without torchvision: transformers' own image processor, and each picture's word as often as the picture has parts."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer, self._eyes = tokenizer, Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": 12845056})

    def __call__(self, text: list[str], images: Any, padding: bool, return_tensors: str) -> BatchFeature:
        seen = self._eyes(images=images, return_tensors=return_tensors)
        words = []
        for each in text:
            first, *rest = each.split("<|image_pad|>")
            words.append(first + "".join("<|image_pad|>" * int(grid.prod() // 4) + part for grid, part in zip(seen["image_grid_thw"], rest)))
        return BatchFeature({**self._tokenizer(words, padding=padding, return_tensors=return_tensors), **seen})


def _flux2_dev(texts: Texts, noise: Tensor) -> Pipeline:
    mistral = PreTrainedTokenizerFast(tokenizer_object=tekken_tokenizer(tiny.mistral_tokenizer()), pad_token="<pad>", padding_side="left")
    mistral.chat_template = INSTRUCTION
    return library.Flux2Pipeline, {"text_encoder": texts["mistral3_24b"], "tokenizer": mistral}, {"latents": library.Flux2Pipeline._patchify_latents(noise)}


def _klein(texts: Texts, noise: Tensor) -> Pipeline:
    (encoder,), tokenizer = texts.values(), fast_tokenizer(tokenizers.qwen_tokenizer(), "<|endoftext|>")
    empty = library.Flux2KleinPipeline._get_qwen3_prompt_embeds(encoder, tokenizer, NEGATIVE)
    asked = {"latents": library.Flux2KleinPipeline._patchify_latents(noise), "negative_prompt_embeds": empty}
    return library.Flux2KleinPipeline, {"text_encoder": encoder, "tokenizer": tokenizer}, asked


def _lumina2(texts: Texts, noise: Tensor) -> Pipeline:
    asked = {"latents": noise, "negative_prompt": NEGATIVE, "cfg_normalization": False, "prompt": "a red cat", "system_prompt": "You are an assistant."}
    return library.Lumina2Pipeline, {"text_encoder": texts["gemma2_2b"], "tokenizer": gemma_tokenizer()}, asked


def _sd3(texts: Texts, noise: Tensor) -> Pipeline:
    parts = {"text_encoder": texts["clip_l"], "tokenizer": clip_tokenizer(), "text_encoder_2": texts["clip_g"], "tokenizer_2": clip_tokenizer(pad_token="!"),
             "text_encoder_3": texts["t5xxl"], "tokenizer_3": fast_tokenizer(tokenizers.t5_tokenizer(), "<pad>")}  # fmt: skip
    return library.StableDiffusion3Pipeline, parts, {"latents": noise, "negative_prompt": NEGATIVE}


def _chroma(texts: Texts, noise: Tensor) -> Pipeline:
    parts = {"text_encoder": texts["t5xxl"], "tokenizer": fast_tokenizer(tokenizers.t5_tokenizer(), "<pad>")}
    return library.ChromaPipeline, parts, {"latents": packed(noise), "negative_prompt": NEGATIVE}


def _flux(kind: str, asked: dict[str, Any], texts: Texts, noise: Tensor) -> Pipeline:
    parts = {"text_encoder": texts["clip_l"], "tokenizer": clip_tokenizer(), "text_encoder_2": texts["t5xxl"],
             "tokenizer_2": fast_tokenizer(tokenizers.t5_tokenizer(), "<pad>")}  # fmt: skip
    return getattr(library, kind), parts, {"latents": packed(noise), **asked}


_PIPELINES: Mapping[str, Callable[[Texts, Tensor], Pipeline]] = {
    "SD3": _sd3, "SD3.5": _sd3, "Chroma": _chroma, "Z-Image": _z_image, "Qwen-Image": _qwen_image, "Ovis-Image": _ovis, "Krea 2": _krea2, "Krea 2 Turbo": _krea2, "Qwen-Image-Edit": _qwen_edit, "Qwen-Image-Edit Plus": _qwen_edit_plus, "Lumina 2": _lumina2,
    "FLUX.2 dev": _flux2_dev, "FLUX.2 klein 4B": _klein, "FLUX.2 klein 9B": _klein,
    "FLUX.1 dev": partial(_flux, "FluxPipeline", {}), "FLUX.1 schnell": partial(_flux, "FluxPipeline", {}),
    "FLUX.1 fill": partial(_flux, "FluxFillPipeline", {"image": PICTURE, "mask_image": MASK}),
    "FLUX.1 Kontext": partial(_flux, "FluxKontextPipeline", {"image": PICTURE, "max_area": SIZE * SIZE, "_auto_resize": False}),
    "FLUX.1 depth or canny": partial(_flux, "FluxControlPipeline", {"control_image": PICTURE}),
}  # fmt: skip


def clip_tokenizer(**more: Any) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(VOCABULARY_FOLDER, local_files_only=True, **more)


def fast_tokenizer(made: Any, pad: str, length: int = 512) -> PreTrainedTokenizerFast:
    found = PreTrainedTokenizerFast(tokenizer_object=made, pad_token=pad, model_max_length=length, padding_side="right")
    found.chat_template = CHAT
    return found


def gemma_tokenizer() -> PreTrainedTokenizerFast:
    """With the beginning that Gemma's puts before each text."""
    made = sentencepiece_tokenizer(tiny.gemma_tokenizer())
    made.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])    # type: ignore[assignment]
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", padding_side="right")


def packed(latent: Tensor) -> Tensor:
    return library.FluxPipeline._pack_latents(latent, len(latent), latent.shape[1], *latent.shape[2:])


def unpacked(tokens: Tensor) -> Tensor:
    return library.FluxPipeline._unpack_latents(tokens, SIZE, SIZE, 8)
