"""SD 2.x files do not say what they predict: the yaml beside them does, or their own behaviour."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modules.families.family import Prediction
from modules.families.sd2 import SD2
from modules.families.sd15 import SD1
from modules.families.sdxl import SDXL, SDXL_V
from modules.loading.beside import Beside
from modules.loading.prediction import DECLARED, prediction_of


class _Answers(nn.Module):
    """Answers with its input times ``factor``: 1 is what a model of the noise does with nothing but noise, -3 what one of the velocity may do."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(4, 4, 1)
        self.config = SimpleNamespace(in_channels=4, cross_attention_dim=8)
        self.factor = factor

    def forward(self, x: Tensor, *_: Any, **__: Any) -> tuple[Tensor]:
        return (x * self.factor,)


@pytest.mark.parametrize(
    ("family", "says", "declared", "factor", "expected"),
    [
        (SD2, None, None, 1.0, Prediction.EPSILON),
        (SD2, None, None, -3.0, Prediction.V),
        (SD2, True, None, 1.0, Prediction.V),
        (SD2, False, "v", -3.0, Prediction.EPSILON),
        (SD2, None, "epsilon", -3.0, Prediction.V),
        (SD1, None, None, -3.0, Prediction.EPSILON),
        (SD1, None, "v", 1.0, Prediction.V),
        (SDXL, None, "v_prediction", 1.0, Prediction.V),
        (SDXL_V, None, "epsilon", 1.0, Prediction.V),
    ],
)
def test_the_yaml_counts_first_then_header_and_family_then_the_behaviour(
    family: Any, says: bool | None, declared: str | None, factor: float, expected: Prediction) -> None:
    unet: Any = _Answers(factor)
    with torch.no_grad():
        assert prediction_of(family, Beside(predicts_v=says), unet, {} if declared is None else {DECLARED: declared}) is expected
