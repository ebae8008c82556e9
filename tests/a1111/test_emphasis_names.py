"""An extension's own way in which (word:1.2) acts: it can be chosen in the settings, and draws."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from modules.a1111 import emphasis_names
from modules.application.app import App
from modules.application.generation import generate_blocking
from modules.gradio_ui.choices import ChoiceSources
from modules.schema.request import Txt2ImgRequest
from tests.a1111.golden_app import golden_app

seen: list[Any] = []


class Doubling(emphasis_names.EmphasisOriginalNoNorm):
    name = "Doubling: all"
    description = "everything counts twice"

    def after_transformers(self) -> None:
        seen.append((tuple(self.z.shape), self.tokens[0][:2], tuple(self.multipliers.shape)))
        super().after_transformers()
        self.z = self.z * 2


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    emphasis_names.options.append(Doubling)
    with golden_app(tmp_path) as app:
        app.jobs.start()
        app.settings.update({"sd_model_checkpoint": "sd15-tiny.safetensors"})
        yield app
    emphasis_names.options.remove(Doubling)
    seen.clear()


def drawn(app: App, **override: str) -> Any:
    asked = {"prompt": "a (cat:1.3)", "steps": 2, "width": 64, "height": 64, "seed": 1, "override_settings": override}
    return generate_blocking(app, Txt2ImgRequest.from_flat(asked))


def test_an_added_mode_is_offered_and_draws_another_picture(app: App) -> None:
    assert list(ChoiceSources.of(app)("emphasis_modes")) == ["None", "Ignore", "Original", "No norm", "Doubling: all"]
    assert "Doubling: all: everything counts twice" in emphasis_names.get_options_descriptions()
    plain, doubled = drawn(app, emphasis="No norm"), drawn(app, emphasis="Doubling: all")
    assert plain.images[0].picture.tobytes() != doubled.images[0].picture.tobytes()
    assert ((1, 77, 64), [49406, 320], (1, 77)) in seen
    assert 'Emphasis: "Doubling: all"' in doubled.images[0].infotext
    app.settings.update({"emphasis": "Doubling: all"})
    assert drawn(app).images[0].picture.tobytes() == doubled.images[0].picture.tobytes()


def test_a_mode_that_is_gone_acts_as_original(app: App) -> None:
    assert drawn(app, emphasis="of another day").images[0].picture.tobytes() == drawn(app).images[0].picture.tobytes()


@pytest.mark.parametrize("kind", [emphasis_names.EmphasisOriginal, emphasis_names.EmphasisOriginalNoNorm, emphasis_names.EmphasisIgnore])
def test_a1111s_classes_weigh(kind: type[emphasis_names.Emphasis]) -> None:
    z, weights = torch.randn(1, 77, 8) + 1, torch.ones(1, 77)
    weights[0, 3] = 1.5
    found = kind.weigh(z, weights, torch.ones(1), None)
    ratio = (found / z)[0]
    if kind is emphasis_names.EmphasisIgnore:
        assert torch.equal(found, z)
    else:
        assert torch.allclose(ratio[3], ratio[2] * 1.5) and torch.allclose(found.mean(), z.mean()) == (kind.name == "Original")
    assert emphasis_names.get_current_option(kind.name) is kind and emphasis_names.get_current_option("no such").name == "Original"
