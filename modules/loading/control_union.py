"""ControlNet Union: one network that is told which kind of picture its hint is (xinsir's, with six kinds or eight)."""

from __future__ import annotations

import torch
from diffusers.models.controlnets.controlnet_union import ResidualAttentionBlock
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from torch import Tensor, nn

KIND_WIDTH = 256                                    # values that each kind's mark, 0 or 1, becomes
HEADS = 8


class UnionHint(nn.Module):
    """The hint's encoder: features of the picture, moved by what their mean and the kind say.

    With one hint at a time the transformer sees a single token, so this depends on nothing but the hint and its kind.
    """

    def __init__(self, encoder: nn.Module, *, kinds: int, width: int, layers: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.task_embedding = nn.Parameter(torch.empty(kinds, width))
        self.transformer_layes = nn.ModuleList([ResidualAttentionBlock(width, HEADS) for _ in range(layers)])    # spelled as in the files
        self.spatial_ch_projs = nn.Linear(width, width)

    def forward(self, hint: Tensor, kind: int | None = None) -> Tensor:
        """hint: (B, C, H, W) -> (B, width, h, w)."""
        found = self.encoder(hint)
        if kind is None:
            return found
        token = (found.mean(dim=(2, 3)) + self.task_embedding[kind])[None]      # one step of a sequence, B of a batch
        for layer in self.transformer_layes:
            token = layer(token)
        return found + self.spatial_ch_projs(token[0])[:, :, None, None]


class KindEmbedding(nn.Module):
    """In the place of SDXL's size embedding: the labels end with a mark for each kind of hint, which is embedded as well."""

    def __init__(self, size: nn.Module, *, kinds: int, time_width: int) -> None:
        super().__init__()
        self.kinds = kinds
        self.size = size
        self.control_type_proj = Timesteps(KIND_WIDTH, True, 0)
        self.control_add_embedding = TimestepEmbedding(KIND_WIDTH * kinds, time_width)

    def forward(self, labels: Tensor) -> Tensor:
        """labels: (R, V + kinds) -> (R, time_width)."""
        marks = self.control_type_proj(labels[:, -self.kinds :].flatten()).reshape(len(labels), -1)
        return self.size(labels[:, : -self.kinds]) + self.control_add_embedding(marks.to(labels.dtype))


def union_name(name: str) -> str | None:
    """A file's bare name of what only union networks have -> the module's, else None."""
    if name.startswith("control_add_embedding."):
        return f"class_embedding.{name}"
    if name == "task_embedding" or name.startswith(("transformer_layes.", "spatial_ch_projs.")):
        return f"controlnet_cond_embedding.{name.replace('.attn.in_proj.', '.attn.in_proj_')}"
    return None
