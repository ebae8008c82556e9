"""Between latents and pictures, by A1111's names."""
from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from modules.a1111.finished_samples import DecodedSamples
from modules.a1111.model_data import cheap_approximation
from modules.a1111.model_view import sd_model
from modules.a1111.state import state

approximation_indexes = {"Full": 0, "Approx NN": 1, "Approx cheap": 2, "TAESD": 3}


def store_latent(decoded: Tensor) -> None:
    """A1111 calls it with what each call of the model has come to. Here it is asked where an extension has put its own in its place."""
    state.tell_latent(decoded)


def decode_first_stage(model: Any, x: Tensor) -> Tensor:
    """Latents (B, 4, h, w) -> (B, 3, 8h, 8w) in -1 .. 1."""
    return (model or sd_model()).decode_first_stage(x)  # type: ignore[no-any-return]


def samples_to_images_tensor(sample: Tensor, approximation: int | None = None, model: Any = None) -> Tensor:
    """(B, 3, H, W) in -1 .. 1; approximation 1 .. 3: small and quick."""
    if approximation:
        return torch.stack([cheap_approximation(each) for each in sample])
    return decode_first_stage(model, sample)


def single_sample_to_image(sample: Tensor, approximation: int | None = None) -> Image.Image:
    picture = samples_to_images_tensor(sample[None], approximation)[0] * 0.5 + 0.5
    values = 255.0 * np.moveaxis(torch.clamp(picture, 0.0, 1.0).float().cpu().numpy(), 0, 2)
    return Image.fromarray(values.astype(np.uint8))


def sample_to_image(samples: Tensor, index: int = 0, approximation: int | None = None) -> Image.Image:
    return single_sample_to_image(samples[index], approximation)


def samples_to_image_grid(samples: Tensor, approximation: int | None = None) -> Image.Image:
    from modules.imaging.grids import grid_rows, image_grid

    pictures = [single_sample_to_image(each, approximation) for each in samples]
    return image_grid(pictures, grid_rows(len(pictures)))


def images_tensor_to_samples(image: Tensor, approximation: int | None = None, model: Any = None) -> Tensor:
    """Pictures (B, 3, H, W) in 0 .. 1 -> latents."""
    model = model or sd_model()
    return model.get_first_stage_encoding(model.encode_first_stage(image * 2 - 1))


def decode_latent_batch(model: Any, batch: Tensor, target_device: Any = None, check_for_nans: bool = False) -> DecodedSamples:
    """Each latent decoded by itself."""
    decoded = [decode_first_stage(model, each[None])[0] for each in batch]
    return DecodedSamples(each.to(target_device) if target_device is not None else each for each in decoded)
