"""The Defaults page: what differs from what the page opens with, and what of it is kept."""
from __future__ import annotations

import json
from pathlib import Path

from modules.gradio_ui.ui_config import UiConfig
from modules.gradio_ui.ui_defaults import Defaults
from tests.gradio_ui.conftest import BuiltPage


def test_changed_fields_are_shown_and_kept(page: BuiltPage, tmp_path: Path) -> None:
    config = tmp_path / "ui-config.json"
    config.write_text('{"extension/Key/value": 5, "txt2img/CFG Scale/value": 4.5}')
    defaults = Defaults(forms=(page.form,), config_file=config)
    now = {"txt2img_steps": 33, "txt2img_cfg_scale": 4.5, "txt2img_sampling": "Euler a", "txt2img_prompt": "", "txt2img_batch_count": "many", "other": 1}
    shown = defaults.view(json.dumps(now))
    assert "txt2img/Sampling steps/value" in shown and "33" in shown and "Euler a" in shown
    assert "CFG Scale" not in shown and "Batch count" not in shown
    assert "written to" in defaults.apply(json.dumps(now))
    kept = UiConfig.read(config).values
    assert kept == {"extension/Key/value": 5, "txt2img/CFG Scale/value": 4.5, "txt2img/Sampling steps/value": 33, "txt2img/Sampling method/value": "Euler a"}
    assert "No field differs" in defaults.view(json.dumps(now))


def test_values_are_text_and_nonsense_changes_nothing(page: BuiltPage, tmp_path: Path) -> None:
    defaults = Defaults(forms=(page.form,), config_file=tmp_path / "ui-config.json")
    assert "<script>" not in defaults.view(json.dumps({"txt2img_prompt": "<script>x</script>"}))
    for text in ("", "{", "[]", "5"):
        assert "No field differs" in defaults.apply(text)
    assert not (tmp_path / "ui-config.json").exists()


def test_folds_can_be_open_at_the_start(page: BuiltPage, tmp_path: Path) -> None:
    config = tmp_path / "ui-config.json"
    defaults = Defaults(forms=(page.form,), config_file=config)
    assert "txt2img/Hires. fix/value" in defaults.view(json.dumps({"txt2img_hr-checkbox": True}))
    assert "txt2img/Extra/value" in defaults.view(json.dumps({"txt2img_subseed_show": True}))
    defaults.apply(json.dumps({"txt2img_hr-checkbox": True, "txt2img_enable-checkbox": True}))
    stored = UiConfig.read(config)
    assert stored.is_open("txt2img", "Hires. fix", False) and stored.is_open("txt2img", "Refiner", False) and not stored.is_open("img2img", "Refiner", False)
    a1111s = UiConfig(config, {"customscript/refiner.py/img2img/Refiner/value": True, "txt2img/Hires. fix/value": "yes"})
    assert a1111s.is_open("img2img", "Refiner", False) and not a1111s.is_open("txt2img", "Hires. fix", False)
