"""A1111's attention functions for extensions that compute attention of their own: PyTorch's, which holds no whole matrix of scores."""
from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def efficient_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, *_chunks: Any, **_more: Any) -> Tensor:
    """(batch times heads, T, C) each -> like the query. The sizes of chunks that A1111 takes are PyTorch's affair."""
    return scaled_dot_product_attention(query[None], key[None], value[None])[0]


def sub_quad_attention(q: Tensor, k: Tensor, v: Tensor, *_chunks: Any, **_more: Any) -> Tensor:
    return efficient_dot_product_attention(q, k, v)


def get_xformers_flash_attention_op(q: Any, k: Any, v: Any) -> None:
    """None leaves the choice to xformers."""
