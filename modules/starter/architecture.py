"""The three networks of the starter model: Stable Diffusion 1's blocks, narrow.

The original layout fixes what a header cannot say: 32 groups in every GroupNorm, 8 attention heads per UNet level,
64 channels per head in the text encoder.
"""

from __future__ import annotations

from typing import Any

from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor
from transformers.models.clip import CLIPTextConfig, CLIPTextModel

LATENT_CHANNELS = 4
LATENT_SCALE = 0.18215  # Stable Diffusion 1: latent = LATENT_SCALE * mean of the encoder
VAE_FACTOR = 8
TEXT_WIDTH = 128
TEXT_LAYERS = 3
VOCABULARY = 49408
TOKENS = 77
START_TOKEN, END_TOKEN = 49406, 49407

# The decoder's last norm averages over each group of channels. In groups of two a flat colour would come out as
# a sign only; three are the fewest that let an even colour through. Hence 96 = 3 * 32.
VAE_CHANNELS = (96, 96, 96, 96)
UNET_CHANNELS = (64, 128, 128)


def build_vae() -> AutoencoderKL:
    settings: dict[str, Any] = {
        "block_out_channels": VAE_CHANNELS,
        "down_block_types": ("DownEncoderBlock2D",) * len(VAE_CHANNELS),
        "up_block_types": ("UpDecoderBlock2D",) * len(VAE_CHANNELS),
        "layers_per_block": 1,
        "latent_channels": LATENT_CHANNELS,
        "norm_num_groups": 32,
        "sample_size": 96,
        "scaling_factor": LATENT_SCALE,
    }
    vae = AutoencoderKL(**settings)
    vae.set_attn_processor(AttnProcessor())
    return vae


def build_unet() -> UNet2DConditionModel:
    """Attention on the middle level and at the bottom: on the largest it would cost as much as all the rest."""
    unet = UNet2DConditionModel(
        sample_size=12,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=UNET_CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=8,  # diffusers' name for the number of heads in this family
        norm_num_groups=32,
    )
    # The CPU's fused attention has a slow backward pass in bfloat16: plain products take half the time.
    unet.set_attn_processor(AttnProcessor())
    return unet


def build_text_encoder(vocabulary: int = VOCABULARY) -> CLIPTextModel:
    """vocabulary: rows of the token table. Training uses a short table of the words in the captions' grammar."""
    encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            num_hidden_layers=TEXT_LAYERS,
            num_attention_heads=TEXT_WIDTH // 64,
            max_position_embeddings=TOKENS,
            hidden_act="quick_gelu",
            projection_dim=TEXT_WIDTH,
            bos_token_id=START_TOKEN,
            eos_token_id=END_TOKEN,
            pad_token_id=END_TOKEN,
        )
    )
    encoder.set_attn_implementation("eager")
    return encoder


def noise_levels() -> Tensor:
    """Cumulative alphas of Stable Diffusion 1's schedule, shape (1000,), from nearly 1 to nearly 0."""
    schedule = DDPMScheduler(num_train_timesteps=1000, beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    return schedule.alphas_cumprod


def encode(vae: AutoencoderKL, pictures: Tensor) -> DiagonalGaussianDistribution:
    """Pictures (B, 3, H, W) within [-1, 1] to unscaled latents (B, 4, H/8, W/8) with their spread."""
    encoded: Any = vae.encode(pictures)
    return encoded.latent_dist


def decode(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """The reverse of ``encode``; latents unscaled."""
    network: Any = vae
    decoded = network.decode(latents)
    return decoded.sample


def predict_noise(unet: UNet2DConditionModel, noisy: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
    """noisy: (B, 4, h, w) of unit variance; timesteps: one or (B,), 0..999; context: (B, 77, width)."""
    predicted: Any = unet(noisy, timesteps, context)
    return predicted.sample


def text_states(encoder: CLIPTextModel, tokens: Tensor) -> Tensor:
    """Tokens (B, T) to the last layer's normed states (B, T, width)."""
    output: Any = encoder(input_ids=tokens)
    return output.last_hidden_state
