"""What control units must do whatever the model: nothing at weight 0, act in their steps and place only, add up, and mind the prompt's rows."""

from __future__ import annotations

import contextlib
import functools
import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from modules.engine.control import Beginning, ColourUnit, Control, Emphasis, NetworkUnit, RestoringUnit, StartUnit, Window, level_sizes
from modules.engine.generate import generate
from modules.engine.hooks import BatchPlan, DenoiserCall, NullHooks
from modules.families.sd15 import SD1
from modules.library.model_file import ModelFile
from modules.loading.control_network import ControlNetwork
from modules.loading.controlnet import load_control
from modules.schema.errors import CannotLoad
from tests.golden.cases import case
from tests.golden.stages import components, policy, resolved_request
from tests.golden_cn.make_controlnet import controlnet, t2i_adapter


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ControlNetwork]:
    folder = tmp_path_factory.mktemp("control")
    made = {"canny": controlnet("canny"), "shuffle": controlnet("shuffle"), "sketch": t2i_adapter("sketch")}
    found = {}
    for name, tensors in made.items():
        path = folder / f"{name}.safetensors"
        save_file(tensors, path)
        found[name] = load_control(ModelFile(path=path, name=path.name, kind="controlnet"), SD1, policy())
    return found


@functools.cache
def hint() -> torch.Tensor:
    return torch.rand(1, 3, 96, 64, generator=torch.Generator().manual_seed(7)).round()


@dataclass
class Listening(NullHooks):
    units: tuple[Any, ...] = ()
    latents: list[torch.Tensor] = field(default_factory=list)
    acted: list[bool] = field(default_factory=list)

    def control(self, plan: BatchPlan, *, hires: bool, components: Any) -> Control | None:
        return Control(units=self.units) if self.units else None

    def denoiser_input(self, call: DenoiserCall) -> DenoiserCall:
        self.acted.append(bool(call.control and call.control.active(call.sampling_step, call.sampling_steps)))
        return call

    def latents_ready(self, plan: BatchPlan, latents: torch.Tensor) -> torch.Tensor:
        self.latents.append(latents)
        return latents


def drawn(*units: Any, **changes: Any) -> tuple[torch.Tensor, list[bool]]:
    hooks = Listening(units=units)
    request = replace(resolved_request(case("sampler-euler")), **{"steps": 2, **changes})
    with contextlib.redirect_stdout(io.StringIO()):
        generate(request, components(), policy=policy(), hooks=hooks)
    return torch.cat(hooks.latents), hooks.acted


@pytest.fixture(scope="module")
def plain() -> torch.Tensor:
    """Without any unit."""
    return drawn()[0]


@pytest.fixture(scope="module")
def canny(networks: dict[str, ControlNetwork]) -> torch.Tensor:
    """With one unit of weight 1."""
    return drawn(NetworkUnit(network=networks["canny"], hint=hint()))[0]


@pytest.mark.parametrize("name", ["canny", "shuffle", "sketch"])
def test_weight_0_is_as_without(networks: dict[str, ControlNetwork], plain: torch.Tensor, name: str) -> None:
    assert torch.equal(drawn(NetworkUnit(network=networks[name], hint=hint(), weight=0.0))[0], plain)
    assert not torch.allclose(drawn(NetworkUnit(network=networks[name], hint=hint()))[0], plain, atol=1e-2)


def test_two_equal_units_are_one_of_twice_the_weight(networks: dict[str, ControlNetwork], canny: torch.Tensor) -> None:
    unit = NetworkUnit(network=networks["canny"], hint=hint(), weight=0.5)
    assert torch.allclose(drawn(unit, unit)[0], canny, atol=1e-4)


def test_a_window_is_closed_at_both_ends_and_one_call_late(networks: dict[str, ControlNetwork]) -> None:
    unit = NetworkUnit(network=networks["canny"], hint=hint())
    assert drawn(unit)[1] == [True] * 2
    assert drawn(replace(unit, window=Window(end=0.25)), steps=4)[1] == [True, True, True, False]
    assert drawn(replace(unit, window=Window(start=1.0)))[1] == [False] * 2


def test_only_where_the_region_is(networks: dict[str, ControlNetwork], plain: torch.Tensor) -> None:
    unit = NetworkUnit(network=networks["sketch"], hint=hint())
    everywhere = drawn(replace(unit, region=torch.ones(1, 1, 96, 64)))[0]
    assert torch.equal(everywhere, drawn(unit)[0])
    assert torch.equal(drawn(replace(unit, region=torch.zeros(1, 1, 96, 64)))[0], plain)


def test_with_the_picture_first_the_negative_prompts_rows_are_left_alone(networks: dict[str, ControlNetwork]) -> None:
    """At guidance scale 0 only the rows without the prompt count."""
    unit = NetworkUnit(network=networks["canny"], hint=hint(), emphasis=Emphasis.CONTROL)
    unprompted, _ = drawn(guidance_scale=0.0)
    assert torch.equal(drawn(unit, guidance_scale=0.0)[0], unprompted)
    assert not torch.allclose(drawn(replace(unit, emphasis=Emphasis.PROMPT), guidance_scale=0.0)[0], unprompted, atol=1e-2)


def test_a_batch_is_its_images(networks: dict[str, ControlNetwork], canny: torch.Tensor) -> None:
    unit = NetworkUnit(network=networks["canny"], hint=hint())
    both = drawn(unit, batch_size=2)[0]
    assert torch.allclose(both[:1], canny, atol=1e-4 * float(canny.abs().max()))


def test_restoring_keeps_what_is_not_masked() -> None:
    known, mask = torch.randn(1, 4, 12, 8, generator=torch.Generator().manual_seed(1)), torch.zeros(1, 1, 96, 64)
    mask[..., 32:, :] = 1
    found, _ = drawn(RestoringUnit(known=known, mask=mask))
    assert torch.allclose(found[:, :, :2], known[:, :, :2], atol=1e-4)
    assert not torch.allclose(found[:, :, 6:], known[:, :, 6:], atol=1e-1)


def test_colours_come_from_the_known_picture() -> None:
    """A flat prediction becomes the known picture's flat colour; detail finer than the blur stays the prediction's."""
    known, call = torch.full((1, 4, 12, 8), 2.0), None
    unit = ColourUnit(known=known, radius=2)
    assert torch.allclose(unit.corrected(call, torch.zeros(2, 4, 12, 8)), known.expand(2, -1, -1, -1), atol=1e-5)  # type: ignore[arg-type]
    checks = (torch.arange(12).view(12, 1) + torch.arange(8)).remainder(2).mul(2.0).sub(1.0).expand(1, 4, 12, 8)
    assert ((unit.corrected(call, checks) - known).sign() == checks.sign()).all()  # type: ignore[arg-type]


def test_a_pass_begins_with_what_the_highest_noise_leaves_of_the_known_picture() -> None:
    """As q_sample at the last timestep; a pass of another size, such as hires, is left alone."""
    latent, noise = torch.randn(1, 4, 3, 2), torch.randn(2, 4, 3, 2)
    unit = StartUnit(picture=torch.zeros(1, 3, 24, 16)).prepared(Beginning(encode=lambda _: latent, stream=None, last_alpha=0.01))
    assert torch.allclose(Control(units=(unit,)).started(noise), 0.1 * latent + 0.99**0.5 * noise)
    assert torch.equal(unit.started(larger := torch.randn(1, 4, 6, 4)), larger)


def test_levels_are_halved_upwards() -> None:
    assert level_sizes((13, 9), 4) == [(13, 9), (7, 5), (4, 3), (2, 2)]


def test_a_file_that_is_no_control_network_is_named(tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(CannotLoad, match=r"odd\.safetensors"):
        load_control(ModelFile(path=path, name=path.name, kind="controlnet"), SD1, policy())


def test_an_inpainting_model_is_shown_the_unit_s_masked_picture() -> None:
    from modules.engine.control import Beginning, ShownUnit

    mask = torch.zeros(1, 1, 32, 32)
    mask[..., :16] = 1
    unit = ShownUnit(picture=torch.rand(1, 3, 32, 32), mask=mask)
    seen: list[torch.Tensor] = []

    def encode(picture: torch.Tensor) -> torch.Tensor:
        seen.append(picture)
        return torch.full((1, 4, 4, 4), 7.0)

    x = torch.randn(2, 9, 4, 4)
    shown = Control(units=(unit.prepared(Beginning(encode=encode, stream=None, shown_channels=5)),)).model_input(x)
    assert torch.equal(shown[:, :4], x[:, :4]), "the latents stay"
    assert shown[:, 4, :, :2].eq(1).all() and shown[:, 4, :, 2:].eq(0).all() and shown[:, 5:].eq(7).all()
    assert seen[0][..., :16].eq(0.5).all(), "what is painted is hidden"
    assert Control(units=(unit.prepared(Beginning(encode=encode, stream=None)),)).model_input(x[:, :4]).shape == (2, 4, 4, 4)
