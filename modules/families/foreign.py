"""Model files that are no checkpoints: what each is, told by its tensors' names, and where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from modules.families.family import UNET, Shapes

_LORA_ENDINGS = (
    ".lora_down.weight",
    ".lora_up.weight",
    ".lora_A.weight",
    ".lora_B.weight",
    ".lora.down.weight",
    ".hada_w1_a",
    ".lokr_w1",
    ".lokr_w1_a",
    ".oft_blocks",
    ".oft_diag",
    ".on_input",
)


@dataclass(frozen=True, kw_only=True)
class ForeignKind:
    """title: with its article, as in "this is a LoRA". advice: what to do with such a file."""

    title: str
    advice: str
    fits: Callable[[Shapes], bool]


def _begins(*prefixes: str) -> Callable[[Shapes], bool]:
    return lambda shapes: any(name.startswith(prefixes) for name in shapes)


def _has_one(*names: str) -> Callable[[Shapes], bool]:
    return lambda shapes: any(name in shapes for name in names)


def _is_lora(shapes: Shapes) -> bool:
    return any(name.endswith(_LORA_ENDINGS) for name in shapes)


def _is_embedding(shapes: Shapes) -> bool:
    return bool(shapes) and set(shapes) <= {"emb_params", "clip_l", "clip_g", "t5xxl"}


LORA = ForeignKind(title="a LoRA", advice="Put it into models/Lora and write <lora:its name:1> in the prompt.", fits=_is_lora)

# In the order in which they are tried: a LoRA for a ControlNet is a LoRA.
FOREIGN_KINDS: tuple[ForeignKind, ...] = (
    LORA,
    ForeignKind(title="a textual inversion embedding", advice="Put it into embeddings/ and write its name in the prompt.", fits=_is_embedding),
    ForeignKind(
        title="a ControlNet",
        advice="Put it into models/ControlNet.",
        fits=_begins("control_model.", "controlnet_cond_embedding.", "input_hint_block.", "controlnet_blocks.", "control_layers."),
    ),
    ForeignKind(title="an IP-Adapter", advice="Put it into models/ControlNet.", fits=_begins("ip_adapter.", "image_proj.")),
    ForeignKind(title="a motion module of AnimateDiff", advice="This version makes no films.", fits=lambda shapes: any(".motion_modules." in name for name in shapes)),
    ForeignKind(title="FLUX.1 Redux, which shows pictures to a FLUX.1 model", advice="This version cannot use it yet.", fits=_has_one("redux_down.weight")),
    ForeignKind(
        title="a T2I adapter",
        advice="Put it into models/ControlNet.",
        fits=_has_one("body.0.block1.weight", "adapter.body.0.resnets.0.block1.weight"),
    ),
    ForeignKind(
        title="one part of a model in diffusers' folder layout",
        advice="Single files in the original layout can be loaded; save the model as one .safetensors checkpoint.",
        fits=_has_one("down_blocks.0.resnets.0.conv1.weight", "decoder.up_blocks.0.resnets.0.conv1.weight", "transformer_blocks.0.attn.to_q.weight"),
    ),
    ForeignKind(
        title="only the averaged weights (model_ema) of a checkpoint's UNet",
        advice="Choose the file that has its usual weights too, which are called model.diffusion_model.",
        fits=_begins("model_ema.diffusion_model"),     # a VAE in training has averages too, of its encoder and decoder
    ),
    ForeignKind(
        title="a VAE without the rest of a model",
        advice="Put it into models/VAE and choose it as SD VAE.",
        fits=_has_one("decoder.conv_in.weight", "first_stage_model.decoder.conv_in.weight", "decoder.upsamples.0.residual.0.gamma"),
    ),
    ForeignKind(
        title="a text encoder",
        advice="Put it into models/text_encoder.",
        fits=_has_one(
            "text_model.embeddings.token_embedding.weight",
            "text_model.encoder.layers.0.layer_norm1.weight",
            "encoder.block.0.layer.0.SelfAttention.q.weight",
            "model.embed_tokens.weight",
            "model.language_model.embed_tokens.weight",
            "token_embd.weight",
        ),
    ),
    ForeignKind(
        title="CLIP's picture encoder",
        advice="Put it into models/ControlNetPreprocessor/clip_vision.",
        fits=_has_one("vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight"),
    ),
    ForeignKind(
        title="TAESD, a small VAE for previews",
        advice="Put it into models/VAE-approx.",
        fits=lambda shapes: "3.conv.0.weight" in shapes or "decoder.layers.2.conv.0.weight" in shapes,
    ),
    ForeignKind(
        title="an upscaler",
        advice="Put it into models/ESRGAN and choose it as upscaler.",
        fits=_has_one("conv_first.weight", "model.0.weight", "params_ema.conv_first.weight", "body.0.rdb1.conv1.weight"),
    ),
)


# Of whatever family: its weights are in a form that nothing here reads.
QUANTISED_KINDS: tuple[ForeignKind, ...] = (
    ForeignKind(
        title="a model quantised by SVDQuant (nunchaku)",
        advice="Choose the same model in fp16, bf16, fp8 or GGUF.",
        fits=lambda shapes: any(name.endswith((".wscales", ".smooth_factor")) for name in shapes),
    ),
    ForeignKind(
        title="a model in the 4 bits of bitsandbytes (nf4, fp4)",
        advice="Choose the same model in fp16, bf16, fp8 or GGUF.",
        fits=lambda shapes: any(".quant_state.bitsandbytes__" in name for name in shapes),
    ),
    ForeignKind(
        title="a model in the 4 bits of NVIDIA's newest cards (nvfp4)",
        advice="Choose the same model in fp16, bf16, fp8 or GGUF.",
        fits=lambda shapes: any(name.endswith((".weight_scale_2", ".weight_double_scale")) for name in shapes),
    ),
)


def quantised_kind(shapes: Shapes) -> ForeignKind | None:
    """What the file is, when its weights are in a form that cannot be read."""
    return next((kind for kind in QUANTISED_KINDS if kind.fits(shapes)), None)


def foreign_kind(shapes: Shapes) -> ForeignKind | None:
    """What the file is, when it is a known thing other than a checkpoint."""
    if any(name.startswith(UNET) for name in shapes):
        return None
    return next((kind for kind in FOREIGN_KINDS if kind.fits(shapes)), None)
