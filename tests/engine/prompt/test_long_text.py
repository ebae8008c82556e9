"""Prompts through language models: where what comes out lies."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from modules.engine.long_text import encode_long_texts, long_text
from modules.families.cosmos import QWEN3_06B
from modules.families.flux2 import MISTRAL_SMALL_3
from modules.families.qwen_text import QWEN3_4B
from modules.loading.components import TextEncoder
from modules.loading.tokenizer import qwen_tokenizer


class AwayFromHome(nn.Module):
    """Has its weights in one place and works in another, as a memory mode has it; the places are the meta device and the processor."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, device="meta"))

    def forward(self, input_ids: torch.Tensor, **asked: Any) -> Any:
        states = torch.ones(*(asked.get("words", input_ids)).shape, 4)
        return states if "words" in asked else SimpleNamespace(last_hidden_state=states, hidden_states=[states] * 31)


@pytest.mark.parametrize("spec", [QWEN3_4B, QWEN3_06B, MISTRAL_SMALL_3], ids=lambda spec: spec.name)
def test_weights_of_words_act_where_the_encoder_worked(spec: Any) -> None:
    encoder = TextEncoder(built=AwayFromHome(), tokenizer=qwen_tokenizer(), spec=spec)
    found = encode_long_texts(encoder, [long_text("a (red:1.5) cat", encoder, "No norm")], torch.tensor([1]), "No norm")
    assert found.tokens.device.type == found.counts.device.type == "cpu" and float(found.tokens.max()) == 1.5
