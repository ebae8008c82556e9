"""The Defaults page: what differs from what the page opens with, and what of it is kept."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from modules.gradio_ui.ui_config import UiConfig
from modules.gradio_ui.ui_defaults import Defaults
from tests.gradio_ui.conftest import BuiltPage


def shown(defaults: Defaults, **changed: Any) -> str:
    """What the browser sends of an untouched page, some fields changed, by elem_id."""
    return json.dumps([changed.get(each.elem_id or "", getattr(each, "value", None)) for each in defaults.components.values()])


def test_changed_fields_are_shown_and_kept(page: BuiltPage, tmp_path: Path) -> None:
    config = tmp_path / "ui-config.json"
    config.write_text('{"extension/Key/value": 5, "txt2img/CFG Scale/value": 4.5}')
    defaults = Defaults.of(page.blocks, config)
    now = shown(defaults, txt2img_steps=33, txt2img_cfg_scale=4.5, txt2img_sampling="Euler a", txt2img_batch_count="many", extras_gfpgan_visibility=0.5,
                extras_codeformer_visibility=0.25, txt2img_width=10**9)
    told = defaults.view(now)
    assert "txt2img/Sampling steps/value" in told and "33" in told and "Euler a" in told
    assert "CFG Scale" not in told and "Batch count" not in told and "<td>512</td><td>2048</td>" in told, "as the field itself does with a width beyond its end"
    assert "written to" in defaults.apply(now)
    kept = UiConfig.read(config).values
    assert kept == {"extension/Key/value": 5, "txt2img/CFG Scale/value": 4.5, "txt2img/Sampling steps/value": 33, "txt2img/Sampling method/value": "Euler a", "txt2img/Width/value": 2048,
                    "customscript/postprocessing_gfpgan.py/extras/Visibility/value": 0.5, "customscript/postprocessing_codeformer.py/extras/Visibility/value": 0.25}
    assert "No field differs" in defaults.view(now)


def test_values_are_text_and_nonsense_changes_nothing(page: BuiltPage, tmp_path: Path) -> None:
    defaults = Defaults.of(page.blocks, tmp_path / "ui-config.json")
    assert "No field differs" in defaults.view(shown(defaults))
    assert "&lt;script&gt;" in defaults.view(shown(defaults, txt2img_prompt="<script>x</script>"))
    for text in ("", "{", "[]", "5", "{}", "[1, 2]"):
        assert "No field differs" in defaults.apply(text)
    assert not (tmp_path / "ui-config.json").exists()


def test_folds_can_be_open_at_the_start(page: BuiltPage, tmp_path: Path) -> None:
    config = tmp_path / "ui-config.json"
    defaults = Defaults.of(page.blocks, config)
    assert "txt2img/Hires. fix/value" in defaults.view(shown(defaults, **{"txt2img_hr-checkbox": True}))
    assert "txt2img/Extra/value" in defaults.view(shown(defaults, txt2img_subseed_show=True))
    defaults.apply(shown(defaults, **{"txt2img_hr-checkbox": True, "txt2img_enable-checkbox": True}))
    stored = UiConfig.read(config)
    assert stored.is_open("txt2img", "Hires. fix", False) and stored.is_open("txt2img", "Refiner", False) and not stored.is_open("img2img", "Refiner", False)
    a1111s = UiConfig(config, {"customscript/refiner.py/img2img/Refiner/value": True, "txt2img/Hires. fix/value": "yes"})
    assert a1111s.is_open("img2img", "Refiner", False) and not a1111s.is_open("txt2img", "Hires. fix", False)


def test_what_is_of_the_moment_or_kept_elsewhere_has_no_key(page: BuiltPage, tmp_path: Path) -> None:
    found = Defaults.of(page.blocks, tmp_path / "ui-config.json").components
    ids = [each.elem_id for each in found.values()]
    assert "txt2img_styles" in ids and not {"txt2img_styles_edit_select", "txt2img_edit_style_prompt", "txt2img_override_settings", "img2img_image"} & {*ids}
