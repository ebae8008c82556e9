"""Hypernetworks: read from A1111's files, added to what attention is given, gone afterwards."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from modules.compute.placement import KeepResident
from modules.engine.adapters import NetworkSwitch
from modules.engine.extra_networks import take_out_tags
from modules.library.model_file import ModelFile
from modules.loading.hypernetwork import HypernetworkShelf, load_hypernetwork
from modules.loading.lora import LoraShelf
from modules.schema.errors import CannotLoad

WIDTH = 4


class Attention(nn.Module):
    """As far as a hypernetwork sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))


class Harmful:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


def state(seed: int, *, old: bool = False, norm: bool = False, places: tuple[int, int] = (0, 1)) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((2 * WIDTH, WIDTH), (WIDTH, 2 * WIDTH))
    found = {}
    for place, (rows, columns) in zip(places, shapes):
        name = f"linear{place + 1}" if old else f"linear.{place}"
        found |= {f"{name}.weight": torch.randn(rows, columns, generator=generator), f"{name}.bias": torch.randn(rows, generator=generator)}
    if norm:
        found |= {f"linear.{places[0] + 2}.weight": torch.randn(2 * WIDTH, generator=generator), f"linear.{places[0] + 2}.bias": torch.zeros(2 * WIDTH)}
    return found


def expected(x: torch.Tensor, tensors: dict[str, torch.Tensor], act: Any, act_last: bool, strength: float) -> torch.Tensor:
    weights = list(tensors.values())
    hidden = act(x @ weights[0].T + weights[1])
    if len(weights) > 4:
        hidden = nn.functional.layer_norm(hidden, hidden.shape[-1:], weights[4], weights[5])
    out = hidden @ weights[2].T + weights[3]
    return x + (act(out) if act_last else out) * strength


def given(unet: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the two layers are given when attention looks at ``x``."""
    seen: list[torch.Tensor] = []
    layers = [unet.get_submodule(name) for name in ("0.to_k", "0.to_v")]
    handles = [layer.register_forward_hook(lambda _, arguments, __: seen.append(arguments[0])) for layer in layers]
    for layer in layers:
        layer(x)
    for handle in handles:
        handle.remove()
    return seen[0], seen[1]


def applied(folder: Path, prompt: str, x: torch.Tensor) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[str, ...]]:
    files = [ModelFile(path=path, name=path.name, kind="hypernetwork") for path in sorted(folder.glob("*.pt"))]
    unet = nn.ModuleList([Attention()])
    components = SimpleNamespace(unet=unet, text_encoders=(SimpleNamespace(module=nn.Module()),), family=SimpleNamespace(name="SD1"), placement=KeepResident())
    with NetworkSwitch(components, LoraShelf(list), HypernetworkShelf(lambda: files)) as switch:  # type: ignore[arg-type]
        active = switch.use(take_out_tags(prompt)[1])
        during = given(unet, x)
    assert all(torch.equal(each, x) for each in given(unet, x))
    return during, active.comments


@pytest.mark.parametrize(
    ("extra", "how", "act", "act_last"),
    [
        ({}, {"old": True}, lambda x: x, False),
        ({"activation_func": "linear"}, {}, lambda x: x, False),
        ({"activation_func": "relu", "activate_output": False}, {"places": (0, 2)}, torch.relu, False),
        ({"activation_func": "swish", "activate_output": True}, {"places": (0, 2)}, nn.functional.hardswish, True),
        ({"activation_func": "softsign", "is_layer_norm": True, "activate_output": False}, {"places": (0, 3), "norm": True}, nn.functional.softsign, False),
    ],
)
def test_keys_and_values_go_through_it_as_in_a1111(tmp_path: Path, extra: dict[str, Any], how: dict[str, Any], act: Any, act_last: bool) -> None:
    keys, values = state(1, **how), state(2, **how)
    torch.save({WIDTH: (keys, values), "step": 5, **extra}, tmp_path / "soft.pt")
    x = torch.randn(2, 3, WIDTH, generator=torch.Generator().manual_seed(9))
    (to_k, to_v), comments = applied(tmp_path, "a cat <hypernet:soft:0.7>", x)
    assert torch.allclose(to_k, expected(x, keys, act, act_last, 0.7), atol=1e-5)
    assert torch.allclose(to_v, expected(x, values, act, act_last, 0.7), atol=1e-5) and comments == ()


def test_several_follow_each_other_in_the_prompts_order(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 5)):
        torch.save({WIDTH: (state(seed), state(seed + 1))}, tmp_path / f"{name}.pt")
    x = torch.randn(1, 2, WIDTH, generator=torch.Generator().manual_seed(9))
    (to_k, _), _ = applied(tmp_path, "<hypernet:two:0.5><hypernet:one>", x)
    linear = lambda x: x
    assert torch.allclose(to_k, expected(expected(x, state(5), linear, False, 0.5), state(1), linear, False, 1.0), atol=1e-5)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [("<hypernet:gone>", "'gone' was not found"), ("<hypernet:wide>", "changes nothing in this checkpoint"), ("<hypernet:harmful>", "left out. Cannot load"),
     ("<hypernet:words>", "left out. Cannot load"), ("<hypernet:good:much>", "'much' is no strength"), ("<hypernet:uneven>", "do not lead from width")],
)
def test_what_does_not_work_is_said_and_changes_nothing(tmp_path: Path, prompt: str, words: str) -> None:
    torch.save({WIDTH: (state(1), state(2))}, tmp_path / "good.pt")
    torch.save({WIDTH: ({"linear.0.weight": torch.ones(9, WIDTH), "linear.0.bias": torch.ones(9)},) * 2}, tmp_path / "uneven.pt")
    wide = {"linear.0.weight": torch.ones(9, 9), "linear.0.bias": torch.ones(9)}
    torch.save({9: (wide, wide)}, tmp_path / "wide.pt")
    torch.save({WIDTH: Harmful()}, tmp_path / "harmful.pt")
    torch.save({"words": "none"}, tmp_path / "words.pt")
    x = torch.ones(1, 2, WIDTH)
    during, comments = applied(tmp_path, prompt, x)
    assert len(comments) == 1 and words in comments[0] and all(torch.equal(each, x) for each in during)


def test_an_unknown_activation_is_named(tmp_path: Path) -> None:
    torch.save({WIDTH: (state(1), state(2)), "activation_func": "magic"}, tmp_path / "odd.pt")
    with pytest.raises(CannotLoad, match="magic"):
        load_hypernetwork(tmp_path / "odd.pt")


ODD = {
    "activation": {"activation_func": ["relu"]}, "no matrix": {WIDTH: ({"linear.0.weight": torch.tensor(1.0), "linear.0.bias": torch.ones(1)},) * 2},
    "no numbers": {WIDTH: ({"linear.0.weight": torch.ones(WIDTH, WIDTH) * float("nan"), "linear.0.bias": torch.ones(WIDTH)},) * 2},
}


@pytest.mark.parametrize("values", ODD.values(), ids=ODD)
def test_values_of_the_wrong_kind_are_named(values: dict[Any, Any], tmp_path: Path) -> None:
    torch.save({WIDTH: (state(1), state(2)), **values}, tmp_path / "odd.pt")
    with pytest.raises(CannotLoad, match=r"odd\.pt"):
        load_hypernetwork(tmp_path / "odd.pt")


def test_a_note_about_the_last_activation_that_says_nothing_is_passed_over(tmp_path: Path) -> None:
    torch.save({WIDTH: (state(1), state(2)), "activation_func": "relu", "activate_output": torch.ones(3)}, tmp_path / "odd.pt")
    assert len(load_hypernetwork(tmp_path / "odd.pt").layers[WIDTH][0]) == 4
