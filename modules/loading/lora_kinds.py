"""How much a network changes one layer: LoRA, LoCon, DoRA, LoHa, LoKr, IA3, GLoRA, OFT, BOFT, full and norm differences.

Each form is a function of the layer's tensors by part name and of the layer's weight. All in float32.
Sources: Hu et al. 2021 (arXiv:2106.09685); Yeh et al. 2023, LyCORIS (arXiv:2309.14859); Liu et al. 2024, DoRA (arXiv:2402.09353);
Qiu et al. 2023, OFT (arXiv:2306.07280).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from modules.loading.lora_names import WHOLE

Parts = Mapping[str, Tensor]


class LayerChange(NamedTuple):
    """What to add at strength 1. weight: in the weight's shape; bias: for layers that have one."""

    weight: Tensor
    bias: Tensor | None = None


def layer_change(parts: Parts, weight: Tensor, rank: int | None = None) -> LayerChange | None:
    """The change of one layer; None for parts that make up no known form.

    parts: float32 on the weight's device. weight: the layer's, float32. rank: use only the first so many ranks (LoRA only).
    Raises ValueError when shapes do not fit the layer.
    """
    for needed, form in _FORMS:
        if all(name in parts for name in needed):
            try:
                return _finished(form(parts, weight, rank), parts, weight)
            except (IndexError, TypeError, KeyError) as error:      # a tensor with fewer sides than its form has, or one that it lacks
                raise ValueError(f"its parts are of no shape that such a network has ({error})") from error
    return None


def fault_of(parts: Parts) -> str:
    """What keeps a layer's parts from being a network's for any layer, in words ("its alpha holds 3 values"); "" where nothing does."""
    if not any(all(name in parts for name in needed) for needed, _ in _FORMS):
        return f"its tensors ({', '.join(sorted(parts))[:100]}) are not all that such a network has"
    empty = next((name for name, tensor in parts.items() if not tensor.numel()), None)
    if empty is not None:
        return f"its {empty} is empty"
    several = next((name for name in ("alpha", "scale") if name in parts and parts[name].numel() > 1), None)
    if several is not None:
        return f"its {several} holds {parts[several].numel()} values"
    up, down = parts.get("lora_up.weight"), parts.get("lora_down.weight")
    if up is None or down is None or "lora_mid.weight" in parts:
        return ""
    ranks = up.numel() // (up.shape or [1])[0], (down.shape or [1])[0]
    return "" if ranks[0] == ranks[1] else f"its halves are of rank {ranks[0]} and {ranks[1]}"


class _Raw(NamedTuple):
    change: Tensor
    dimension: int | None = None        # what alpha is divided by
    bias: Tensor | None = None


def _finished(raw: _Raw, parts: Parts, weight: Tensor) -> LayerChange:
    if raw.change.numel() != weight.numel():
        raise ValueError(f"its change is {'x'.join(map(str, raw.change.shape))}, the layer {'x'.join(map(str, weight.shape))}")
    change = raw.change.reshape(weight.shape)
    if "bias_values" in parts:                  # what the first LyCORIS files add to a weight besides, where it is not zero
        change = change + _sparse(parts, weight)
    change = change * _scale(parts, raw.dimension)
    if "dora_scale" in parts:
        change = _with_magnitude(change, parts["dora_scale"], weight)
    elif "lora_magnitude_vector" in parts:      # peft's: one per output channel, whatever its shape, which for a convolution is (1, out, 1, 1)
        change = _with_magnitude(change, parts["lora_magnitude_vector"].flatten(), weight)
    return LayerChange(change, _bias(raw.bias, parts))


def _bias(own: Tensor | None, parts: Parts) -> Tensor | None:
    """With the difference of the bias that extracted networks have beside any form, or alone."""
    added = parts.get("diff_b")
    return own if added is None else added if own is None else own.reshape(-1) + added.reshape(-1)


def _sparse(parts: Parts, weight: Tensor) -> Tensor:
    size = [int(side) for side in parts["bias_size"].tolist()]
    if math.prod(size) != weight.numel():
        raise ValueError(f"what it adds is {'x'.join(map(str, size))}, the layer {'x'.join(map(str, weight.shape))}")
    try:            # without the check an index outside of the layer would be written to wherever it points
        added = torch.sparse_coo_tensor(parts["bias_indices"].long(), parts["bias_values"], size, check_invariants=True)
    except RuntimeError as error:
        raise ValueError(f"what it adds lies outside of the layer: {error}") from error
    return added.to_dense().reshape(weight.shape)


def _scale(parts: Parts, dimension: int | None) -> float:
    if "scale" in parts:
        return parts["scale"].item()
    if "alpha" in parts and dimension:
        return parts["alpha"].item() / dimension
    return 1.0


def _with_magnitude(change: Tensor, magnitude: Tensor, weight: Tensor) -> Tensor:
    """DoRA: the changed weight keeps a trained magnitude per input channel (shape (1, in, ..)) or else per output channel."""
    axis = 1 if magnitude.ndim > 1 and len(magnitude) == 1 else 0
    if magnitude.numel() != weight.shape[axis]:
        raise ValueError(f"its {magnitude.numel()} magnitudes are not one per channel of {weight.shape[axis]}")
    merged = weight + change
    others = [each for each in range(merged.ndim) if each != axis]
    norm = torch.linalg.vector_norm(merged, dim=others, keepdim=True)
    return merged * (magnitude.reshape(norm.shape) / norm) - weight


def _lora(parts: Parts, weight: Tensor, rank: int | None) -> _Raw:
    up, down, middle = parts["lora_up.weight"], parts["lora_down.weight"], parts.get("lora_mid.weight")
    if middle is not None:              # LoCon with a small convolution between two 1x1 ones
        up, flat_down = up.reshape(len(up), -1), down.reshape(len(down), -1)
        return _Raw(torch.einsum("n m k l, i n, m j -> i j k l", middle, up, flat_down), len(down))
    up, down, bias = up.reshape(len(up), -1), down.reshape(len(down), -1), parts.get("lora_up.bias")
    return _Raw(up[:, :rank] @ down[:rank], len(down), None if bias is None else bias * _scale(parts, len(down)))


def _hada(parts: Parts, weight: Tensor, rank: int | None) -> _Raw:
    halves = []
    for number in "12":
        a, b, core = parts[f"hada_w{number}_a"], parts[f"hada_w{number}_b"], parts.get(f"hada_t{number}")
        halves.append(a.reshape(len(a), -1) @ b.reshape(len(b), -1) if core is None else _around_core(core, a, b))
    return _Raw(halves[0] * halves[1], len(parts["hada_w1_b"]))


def _around_core(core: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Tucker form: a (rank, out) and b (rank, in) around a core (rank, rank, k, k)."""
    return torch.einsum("i j k l, j r, i p -> p r k l", core, b, a)


def _kronecker(parts: Parts, weight: Tensor, rank: int | None) -> _Raw:
    dimension = None
    factors = []
    for number in "12":
        factor = parts.get(f"lokr_w{number}")
        if factor is None:
            a, b, core = parts[f"lokr_w{number}_a"], parts[f"lokr_w{number}_b"], parts.get(f"lokr_t{number}")
            dimension = len(b)
            factor = _around_core(core, a, b) if core is not None else (a @ b.reshape(len(b), -1)).reshape(len(a), *b.shape[1:])
        factors.append(factor)
    first, second = factors
    return _Raw(torch.kron(first[..., None, None] if second.ndim == 4 and first.ndim == 2 else first, second.contiguous()), dimension)


def _ia3(parts: Parts, weight: Tensor, rank: int | None) -> _Raw:
    gain = parts["weight"]
    on_input = "on_input" in parts and bool(parts["on_input"].item())
    shape = [1] * weight.ndim
    shape[1 if on_input else 0] = -1
    return _Raw(weight * gain.reshape(shape))


def _glora(parts: Parts, weight: Tensor, rank: int | None) -> _Raw:
    a1, a2, b1, b2 = (parts[f"{name}.weight"] for name in ("a1", "a2", "b1", "b2"))
    return _Raw(b2 @ b1 + weight.reshape(len(weight), -1) @ a2 @ a1)


def _rotation(parts: Parts, weight: Tensor, rank: int | None) -> _Raw:
    """OFT: output channels, in blocks, are turned by orthogonal matrices. BOFT: several such turns one after the other."""
    turns = parts["oft_diag"] if "oft_diag" in parts else _cayley(parts["oft_blocks"], parts.get("alpha"), len(weight))    # the old form has them ready
    count, size = turns.shape[-3], turns.shape[-1]
    if count * size != len(weight):
        raise ValueError(f"its {count} rotations of {size} channels do not make up the layer's {len(weight)}")
    flat = weight.reshape(len(weight), -1)
    turned = _butterfly(turns, flat) if turns.ndim == 4 else torch.einsum("b n m, b n r -> b m r", turns, flat.reshape(count, size, -1))
    turned = turned.reshape(len(weight), -1)
    if "rescale" in parts:
        turned = turned * parts["rescale"].reshape(-1, 1)
    return _Raw(turned.reshape(weight.shape) - weight)


def _cayley(blocks: Tensor, limit: Tensor | None, channels: int) -> Tensor:
    """Orthogonal matrices from any: Cayley's form of their skew part. limit: COFT's, times the channels, of the skew part's length."""
    skew = blocks - blocks.transpose(-1, -2)
    if limit is not None and limit.item():
        length = skew.norm()
        skew = skew * ((length.clamp(max=limit.item() * channels) + 1e-8) / (length + 1e-8))
    identity = torch.eye(blocks.shape[-1], device=blocks.device)
    return (identity + skew) @ torch.linalg.inv(identity - skew)


def _butterfly(stages: Tensor, flat: Tensor) -> Tensor:
    """BOFT: as the stages of a fast Fourier transform, each turns pairs of channels twice as far apart as the one before.

    stages: (m, blocks, size, size). Source: Liu et al. 2024, BOFT (arXiv:2311.06243), as LyCORIS stores it.
    """
    count, size = stages.shape[1], stages.shape[2]
    for number, turn in enumerate(stages):
        reach = 2**number * (size // 2)
        grouped = flat.reshape(-1, 2, reach, flat.shape[1]).transpose(1, 2).reshape(count, size, -1)
        flat = (turn @ grouped).reshape(-1, reach, 2, flat.shape[1]).transpose(1, 2).reshape(flat.shape)
    return flat


def _full(parts: Parts, weight: Tensor, rank: int | None) -> _Raw:
    return _Raw(parts["diff"])


def _bias_alone(parts: Parts, weight: Tensor, rank: int | None) -> _Raw:
    return _Raw(torch.zeros_like(weight))


def _norm(parts: Parts, weight: Tensor, rank: int | None) -> _Raw:
    return _Raw(parts["w_norm"], bias=parts["b_norm"])


_FORMS: tuple[tuple[tuple[str, ...], Callable[[Parts, Tensor, int | None], _Raw]], ...] = (
    (("lora_up.weight", "lora_down.weight"), _lora),
    (("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"), _hada),
    (("lokr_w1", "lokr_w2"), _kronecker),
    (("lokr_w1_a", "lokr_w1_b", "lokr_w2"), _kronecker),
    (("lokr_w1", "lokr_w2_a", "lokr_w2_b"), _kronecker),
    (("lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b"), _kronecker),
    (("a1.weight", "a2.weight", "b1.weight", "b2.weight"), _glora),
    (("oft_blocks",), _rotation),
    (("oft_diag",), _rotation),
    (("diff",), _full),
    ((WHOLE,), lambda parts, weight, rank: _Raw(parts[WHOLE] - weight)),
    (("w_norm", "b_norm"), _norm),
    (("diff_b",), _bias_alone),
    (("weight", "on_input"), _ia3),
    (("weight",), _ia3),
)
