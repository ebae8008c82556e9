"""Every kind of LoRA, at random in its real layout: the weights change by what its definition says, and come back to the last bit.

The definitions are written down here once more, in float64 and by the book, for a linear layer, a convolution and a norm.
"""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from modules.compute.placement import KeepResident
from modules.engine.adapters import NetworkSwitch
from modules.engine.extra_networks import take_out_tags
from modules.library.model_file import ModelFile
from modules.loading.lora import LoraShelf

STRENGTH, OUT, IN, RANK, ALPHA = 0.7, 12, 8, 4, 2.0
_random = torch.Generator()


def r(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=_random)


def outer(a: Tensor, b: Tensor) -> Tensor:
    return a.flatten(1) @ b.flatten(1)


def tucker(core: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """core (i, j, k, k), a (i, out), b (j, in) -> (out, in, k, k)."""
    return (core.permute(2, 3, 0, 1) @ b).transpose(2, 3).matmul(a).permute(3, 2, 0, 1)


def kron(first: Tensor, second: Tensor) -> Tensor:
    rows = [torch.cat([value * second for value in row], dim=1) for row in first]
    return torch.cat(rows, dim=0)


def orthogonal(block: Tensor) -> Tensor:
    skew, one = block - block.T, torch.eye(len(block), dtype=block.dtype)
    return (one + skew) @ torch.linalg.inv(one - skew)


def oft(parts: dict[str, Tensor], weight: Tensor) -> Tensor:
    return torch.block_diag(*[orthogonal(block).T for block in parts["oft_blocks"]]).matmul(weight.flatten(1)).reshape(weight.shape) - weight


def boft(parts: dict[str, Tensor], weight: Tensor) -> Tensor:
    """Stage by stage, pairs of neighbours ever further apart go through a rotation; the pairs of a stage are counted in the order of their first channel."""
    turned = weight.flatten(1).clone()
    for stage, blocks in enumerate(parts["oft_blocks"]):
        size = blocks.shape[1]
        reach = 2**stage * size // 2
        order = [half * reach + start * 2 * reach + place for start in range(len(turned) // (2 * reach)) for place in range(reach) for half in (0, 1)]
        permuted = turned[order]
        permuted = torch.cat([orthogonal(block) @ part for block, part in zip(blocks, permuted.split(size))])
        turned = permuted[torch.tensor(order).argsort()]
    return (turned * parts["rescale"]).reshape(weight.shape) - weight


def dora(parts: dict[str, Tensor], weight: Tensor) -> Tensor:
    merged = weight + outer(parts["lora_up.weight"], parts["lora_down.weight"]) * ALPHA / RANK
    return merged / merged.norm(dim=0, keepdim=True) * parts["dora_scale"] - weight


Delta = Callable[[dict[str, Tensor], Tensor], Tensor]
A = {"alpha": torch.tensor(ALPHA)}
KINDS: dict[str, tuple[str, Callable[[], dict[str, Tensor]], Delta]] = {
    "LoRA": ("linear", lambda: {"lora_up.weight": r(OUT, RANK), "lora_down.weight": r(RANK, IN), **A},
             lambda p, w: outer(p["lora_up.weight"], p["lora_down.weight"]) * ALPHA / RANK),
    "LoCon": ("conv", lambda: {"lora_up.weight": r(OUT, RANK, 1, 1), "lora_down.weight": r(RANK, IN, 3, 3), **A},
              lambda p, w: outer(p["lora_up.weight"], p["lora_down.weight"]).reshape(w.shape) * ALPHA / RANK),
    "LoCon with a core": ("conv", lambda: {"lora_up.weight": r(OUT, RANK, 1, 1), "lora_down.weight": r(RANK, IN, 1, 1), "lora_mid.weight": r(RANK, RANK, 3, 3), **A},
                          lambda p, w: tucker(p["lora_mid.weight"], p["lora_up.weight"].flatten(1).T, p["lora_down.weight"].flatten(1)) * ALPHA / RANK),
    "LoHa": ("linear", lambda: {"hada_w1_a": r(OUT, RANK), "hada_w1_b": r(RANK, IN), "hada_w2_a": r(OUT, RANK), "hada_w2_b": r(RANK, IN), **A},
             lambda p, w: (p["hada_w1_a"] @ p["hada_w1_b"]) * (p["hada_w2_a"] @ p["hada_w2_b"]) * ALPHA / RANK),
    "LoHa with cores": ("conv", lambda: {f"hada_{part}{n}{end}": r(*size) for n in "12" for part, end, size in
                                         (("w", "_a", (RANK, OUT)), ("w", "_b", (RANK, IN)), ("t", "", (RANK, RANK, 3, 3)))} | A,
                        lambda p, w: tucker(p["hada_t1"], p["hada_w1_a"], p["hada_w1_b"]) * tucker(p["hada_t2"], p["hada_w2_a"], p["hada_w2_b"]) * ALPHA / RANK),
    "LoKr": ("linear", lambda: {"lokr_w1": r(3, 2), "lokr_w2_a": r(4, RANK), "lokr_w2_b": r(RANK, 4), **A},
             lambda p, w: kron(p["lokr_w1"], p["lokr_w2_a"] @ p["lokr_w2_b"]) * ALPHA / RANK),
    "LoKr, both whole": ("conv", lambda: {"lokr_w1": r(3, 2), "lokr_w2": r(4, 4, 3, 3), **A}, lambda p, w: kron(p["lokr_w1"], p["lokr_w2"])),
    "LoKr with a core": ("conv", lambda: {"lokr_w1_a": r(3, RANK), "lokr_w1_b": r(RANK, 2), "lokr_w2_a": r(RANK, 4), "lokr_w2_b": r(RANK, 4), "lokr_t2": r(RANK, RANK, 3, 3), **A},
                         lambda p, w: kron(p["lokr_w1_a"] @ p["lokr_w1_b"], tucker(p["lokr_t2"], p["lokr_w2_a"], p["lokr_w2_b"])) * ALPHA / RANK),
    "IA3 on the output": ("linear", lambda: {"weight": r(OUT), "on_input": torch.tensor(False)}, lambda p, w: torch.diag(p["weight"]) @ w),
    "IA3 on the input": ("linear", lambda: {"weight": r(IN), "on_input": torch.tensor(True)}, lambda p, w: w @ torch.diag(p["weight"])),
    "full": ("conv", lambda: {"diff": r(OUT, IN, 3, 3), "diff_b": r(OUT)}, lambda p, w: p["diff"]),
    "norm": ("norm", lambda: {"w_norm": r(OUT), "b_norm": r(OUT)}, lambda p, w: p["w_norm"]),
    "OFT": ("conv", lambda: {"oft_blocks": r(3, 4, 4) * 0.2}, oft),
    "BOFT": ("linear12", lambda: {"oft_blocks": r(2, 4, 4, 4) * 0.2, "rescale": r(16, 1)}, boft),
    "GLoRA": ("linear", lambda: {"a1.weight": r(RANK, IN), "a2.weight": r(IN, RANK), "b1.weight": r(RANK, IN), "b2.weight": r(OUT, RANK)},
              lambda p, w: p["b2.weight"] @ p["b1.weight"] + w @ p["a2.weight"] @ p["a1.weight"]),
    "DoRA": ("linear", lambda: {"lora_up.weight": r(OUT, RANK), "lora_down.weight": r(RANK, IN), "dora_scale": r(1, IN).abs() + 1, **A}, dora),
}  # fmt: skip
BIASES = {"full": "diff_b", "norm": "b_norm"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_lora_adds_its_definitions_change_and_goes_without_a_trace(kind: str, tmp_path: Path) -> None:
    layer, make, delta = KINDS[kind]
    _random.manual_seed(5)
    torch.manual_seed(6)
    unet = nn.ModuleDict({"linear": nn.Linear(IN, OUT), "linear12": nn.Linear(IN, 16), "conv": nn.Conv2d(IN, OUT, 3), "norm": nn.LayerNorm(OUT)})
    components = SimpleNamespace(unet=unet, text_encoders=(), family=SimpleNamespace(name="SD1", denoiser="unet"), placement=KeepResident())
    parts = make()
    save_file({f"lora_unet_{layer}.{name}": tensor for name, tensor in parts.items()}, tmp_path / "some.safetensors")
    shelf = LoraShelf(lambda: [ModelFile(path=tmp_path / "some.safetensors", name="some.safetensors", kind="lora")])
    before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    exact = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in parts.items()}
    wanted = delta(exact, before[f"{layer}.weight"].double()) * STRENGTH
    with NetworkSwitch(components, shelf) as switch:      # type: ignore[arg-type]
        active = switch.use(take_out_tags(f"<lora:some:{STRENGTH}>")[1])
        assert not active.comments
        now = unet.state_dict()
        found = now[f"{layer}.weight"].double() - before[f"{layer}.weight"].double()
        assert float((found - wanted).norm() / wanted.norm()) <= 1e-5
        changed = {name for name, tensor in now.items() if not torch.equal(tensor, before[name])}
        assert changed == {f"{layer}.weight"} | ({f"{layer}.bias"} if kind in BIASES else set())
        if kind in BIASES:
            assert torch.allclose(now[f"{layer}.bias"] - before[f"{layer}.bias"], parts[BIASES[kind]] * STRENGTH, atol=1e-6)
    assert all(torch.equal(tensor, before[name]) for name, tensor in unet.state_dict().items())
