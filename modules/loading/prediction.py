"""What a checkpoint's UNet predicts: noise or velocity. Few files say it; of SD 2.x the UNet itself is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from modules.families.family import ModelFamily, Prediction
from modules.loading.beside import Beside

if TYPE_CHECKING:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

DECLARED = "modelspec.prediction_type"      # trainers write it into a safetensors header (ModelSpec 1.0)
_VELOCITY = ("v", "v_prediction")
_LAST_TIMESTEP = 999
_CELLS = 8
_BELOW = -1.0


def prediction_of(family: ModelFamily, beside: Beside, unet: UNet2DConditionModel, metadata: Mapping[str, str]) -> Prediction:
    """What ``unet`` predicts: as the yaml beside the checkpoint says, else as its header or family does, else as it behaves.

    metadata: of the file. "epsilon" there is what it was called before somebody went on training it, so that only velocity counts.
    """
    if beside.predicts_v is not None:
        return Prediction.V if beside.predicts_v else Prediction.EPSILON
    if metadata.get(DECLARED, "").strip().lower() in _VELOCITY:
        return Prediction.V
    if family.prediction_varies:
        return Prediction.V if _behaves_like_v(unet) else Prediction.EPSILON
    return family.prediction


@torch.no_grad()
def _behaves_like_v(unet: UNet2DConditionModel) -> bool:
    """Where its input is nearly all noise, a model of the noise answers with its input, one of the velocity with minus the picture,
    which is the input's opposite when there is none: the test that A1111 makes, with its numbers."""
    weight = unet.conv_in.weight
    x = torch.full((1, unet.config.in_channels, _CELLS, _CELLS), 0.5, device=weight.device, dtype=weight.dtype)     # type: ignore[attr-defined]
    context = torch.full((1, 2, unet.config.cross_attention_dim), 0.5, device=weight.device, dtype=weight.dtype)    # type: ignore[attr-defined]
    (output,) = unet(x, torch.tensor([_LAST_TIMESTEP], device=weight.device), encoder_hidden_states=context, return_dict=False)
    return float((output.float() - x[:, : output.shape[1]].float()).mean()) < _BELOW
