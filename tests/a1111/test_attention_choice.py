"""Attention that an extension puts in the place of the model's, in the classes as A1111's optimisations do: chosen in the settings, or by hand."""
from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import torch

from modules.a1111 import attention_choice, callbacks
from modules.application.app import App
from modules.gradio_ui.choices import ChoiceSources
from tests.a1111.test_model_insides import app, plain  # noqa: F401
from tests.a1111.test_model_insides import drawn as by_scripts

pytestmark = pytest.mark.golden
calls: list[str] = []


def attention_forward(self: Any, x: torch.Tensor, context: Any = None, mask: Any = None, **_: Any) -> torch.Tensor:
    """As extensions write it: over to_q, to_k, to_v, heads and to_out."""
    calls.append("unet")
    context = x if context is None else context
    q, k, v = (each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (self.to_q(x), self.to_k(context), self.to_v(context)))
    return self.to_out(torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def block_forward(self: Any, x: torch.Tensor) -> torch.Tensor:
    calls.append("vae")
    h = self.norm(x)
    q, k, v = (each(h).flatten(2).transpose(1, 2)[:, None] for each in (self.q, self.k, self.v))
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2).reshape(x.shape)
    return x + self.proj_out(out)


class Mine(attention_choice.SdOptimization):
    name, label, cmd_opt, priority = "mine", "an extension's own", "opt_mine", 57

    def apply(self) -> None:
        import_module("ldm.modules.attention").CrossAttention.forward = attention_forward
        import_module("ldm.modules.diffusionmodules.model").AttnBlock.forward = block_forward
        import_module("sgm.modules.attention").CrossAttention.forward = attention_forward


class Broken(attention_choice.SdOptimization):
    name = "broken"

    def apply(self) -> None:
        raise RuntimeError("no such GPU")


@pytest.fixture
def listed(app: App, plain: bytes) -> Iterator[None]:  # noqa: F811
    made = [Mine(), Broken()]
    add = lambda found: found.extend(made)
    callbacks.on_list_optimizers(add)
    attention_choice.list_optimizers()
    calls.clear()
    yield
    app.extensions.registry.remove_function(add)
    attention_choice.list_optimizers()
    attention_choice.apply_optimizations()


def drawn(app: App, **settings: Any) -> bytes:  # noqa: F811
    return by_scripts(app, "", override_settings=settings).images[0].picture.tobytes()


def near(one: bytes, other: bytes) -> bool:
    return all(abs(left - right) <= 1 for left, right in zip(one, other))


def test_it_draws_while_the_setting_names_it(app: App, plain: bytes, listed: None) -> None:  # noqa: F811
    assert "mine - an extension's own" in ChoiceSources.of(app)("attentions")
    assert drawn(app) == plain and calls == []
    assert near(drawn(app, cross_attention_optimization="mine - an extension's own"), plain) and {"unet", "vae"} <= set(calls)
    calls.clear()
    assert drawn(app) == plain and calls == []


def test_its_own_flag_chooses_it(app: App, plain: bytes, listed: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(app.extensions.command_line, "opt_mine", True, raising=False)
    assert near(drawn(app), plain) and "unet" in calls


def test_one_that_fails_leaves_the_programs_own(app: App, plain: bytes, listed: None, caplog: pytest.LogCaptureFixture) -> None:  # noqa: F811
    assert drawn(app, cross_attention_optimization="broken") == plain
    assert "no such GPU" in caplog.text and attention_choice.in_place.optimizer is None


@pytest.mark.parametrize(("place", "name"), [
    ("ldm.modules.attention", "CrossAttention"), ("ldm.modules.attention", "BasicTransformerBlock"), ("ldm.modules.attention", "SpatialTransformer"),
    ("ldm.modules.diffusionmodules.openaimodel", "ResBlock"), ("ldm.modules.diffusionmodules.openaimodel", "UNetModel"),
    ("ldm.modules.diffusionmodules.openaimodel", "TimestepEmbedSequential")])
def test_what_is_put_into_a_class_acts_until_it_is_taken_out(app: App, plain: bytes, place: str, name: str) -> None:  # noqa: F811
    kind = getattr(import_module(place), name)
    own, heard = kind.forward, []

    def forward(self: Any, *given: Any, **named: Any) -> Any:
        heard.append(name)
        return own(self, *given, **named)

    kind.forward = forward
    try:
        assert near(drawn(app), plain) and heard
    finally:
        kind.forward = own
    heard.clear()
    assert drawn(app) == plain and not heard


def test_the_inner_forward_of_a_class_acts_too(app: App, plain: bytes) -> None:  # noqa: F811
    BasicTransformerBlock = import_module("ldm.modules.attention").BasicTransformerBlock
    own = BasicTransformerBlock._forward
    BasicTransformerBlock._forward = lambda self, x, context=None, **_: own(self, x, context) * 0.5
    try:
        assert drawn(app) != plain
    finally:
        BasicTransformerBlock._forward = own
    assert drawn(app) == plain
