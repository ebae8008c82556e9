"""What a script sets on ``p`` in its batch acts on the hires pass where it acts in A1111, whose own answers these are."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from modules.application.app import App
from tests.a1111.test_changes_in_hooks import HIRES, app, drawn, pixels, puts, told
from tests.golden.cases import data_dir

__all__ = ["app", "told"]
SECOND = HIRES | {"hr_prompt": "a cow", "denoising_strength": 1.0, "steps": 3}


@pytest.mark.parametrize("hook", ["before_process_batch", "process_batch"])
def test_other_seeds_are_told_and_drawn_with_in_the_hires_pass_alone(app: App, told: dict[str, Any], hook: str) -> None:
    """The first pass's noise is drawn before scripts are asked."""
    usual, other = drawn(app), drawn(app, seed=77)
    usual_hires, other_hires = drawn(app, **SECOND), drawn(app, **SECOND, seed=77)
    told["acts"][hook] = puts(seeds=[77])
    found, hires = drawn(app), drawn(app, **SECOND)
    assert pixels(found) == pixels(usual) != pixels(other) and "Seed: 77" in found.images[0].infotext
    assert pixels(hires) not in (pixels(usual_hires), pixels(other_hires))


def test_the_hires_prompts_of_a_batch_are_cut_out_after_before_process_batch(app: App, told: dict[str, Any]) -> None:
    """So those that are set there are gone, those of all pictures count, and so do those that process_batch sets."""
    usual, other = drawn(app, **SECOND), drawn(app, **SECOND | {"hr_prompt": "a dog"})
    seen: list[Any] = []

    def first(p: Any, _: Any) -> None:
        seen.append(p.hr_prompts)
        p.hr_prompts = ["a dog"]

    told["acts"]["before_process_batch"] = first
    assert pixels(drawn(app, **SECOND)) == pixels(usual) != pixels(other) and seen == [None]
    told["acts"]["before_process_batch"] = puts(all_hr_prompts=["a dog"])
    assert pixels(drawn(app, **SECOND)) == pixels(other)
    told["acts"].clear()
    told["acts"]["process_batch"] = puts(hr_prompts=["a dog"])
    assert pixels(drawn(app, **SECOND)) == pixels(other)


def test_tags_of_a_hires_prompt_are_kept_where_its_words_are_changed(app: App, told: dict[str, Any]) -> None:
    source = data_dir() / "models" / "Lora" / "tiny-lora.safetensors"
    folder = Path(app.flags.data_dir) / "models" / "Lora"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, folder)
    app.catalogue.refresh()
    name = source.stem
    other = drawn(app, **SECOND | {"hr_prompt": f"a dog<lora:{name}:1>"})
    told["acts"]["process_batch"] = puts(hr_prompts=["a dog"])
    assert pixels(drawn(app, **SECOND | {"hr_prompt": f"a cow<lora:{name}:1>"})) == pixels(other)


@pytest.mark.parametrize("hook", ["before_process_batch", "process_batch"])
def test_another_size_of_the_hires_pass_and_another_way_to_enlarge_act(app: App, told: dict[str, Any], hook: str) -> None:
    told["acts"][hook] = puts(hr_upscale_to_x=128, hr_upscale_to_y=128)
    assert pixels(drawn(app, **HIRES)) == pixels(drawn(app, **HIRES | {"hr_scale": 2.0}))
    told["acts"][hook] = puts(hr_upscale_to_x=128)
    assert drawn(app, **HIRES).images[0].picture.size == (128, 96)
    stretched = pixels(drawn(app, **HIRES))
    told["acts"].clear()
    assert stretched != pixels(drawn(app, **HIRES | {"hr_resize_x": 128, "hr_resize_y": 96})), "as in A1111 the whole picture is stretched, nothing is cut off"
    nearest = drawn(app, **HIRES | {"hr_upscaler": "Latent (nearest-exact)"})
    told["acts"][hook] = puts(latent_scale_mode={"mode": "nearest-exact", "antialias": False})
    assert pixels(drawn(app, **HIRES)) == pixels(nearest)
