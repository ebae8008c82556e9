"""NAME.json beside a model: what users write is kept, and what other programs wrote too."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from modules.library.card import read_card
from modules.library.card_edit import save_card, save_preview
from modules.schema.errors import InvalidValue


def test_what_is_saved_is_read_again_and_other_programs_fields_stay(tmp_path: Path) -> None:
    model = tmp_path / "my.model.v1.safetensors"
    sidecar = tmp_path / "my.model.v1.json"
    sidecar.write_text(json.dumps({"modelId": 12, "extensions": {"helper": ["x"]}, "activation text": "old", "notes": "kept"}))
    save_card(model, {"activation_text": "neu ✓", "preferred_weight": 0.7, "sd_version": "SDXL", "description": "two\nlines"})
    written = json.loads(sidecar.read_text(encoding="utf-8"))
    assert written["modelId"] == 12 and written["extensions"] == {"helper": ["x"]}
    assert written["activation text"] == "neu ✓" and written["sd version"] == "SDXL"
    card = read_card(model)
    assert (card.activation_text, card.preferred_weight, card.notes, card.description) == ("neu ✓", 0.7, "kept", "two\nlines")


def test_what_a_checkpoint_asks_for_is_kept_and_taken_away(tmp_path: Path) -> None:
    model = tmp_path / "m.safetensors"
    save_card(model, {"sampler_name": "Euler", "steps": 8, "cfg_scale": 1.5, "width": 0, "notes": "x"})
    assert read_card(model).draw_with == {"sampler_name": "Euler", "steps": 8, "cfg_scale": 1.5}
    save_card(model, {"sampler_name": "", "steps": 0})
    assert json.loads((tmp_path / "m.json").read_text()) == {"cfg scale": 1.5, "notes": "x"}
    (tmp_path / "m.json").write_text('{"steps": "many", "cfg scale": 1e400, "width": true, "clip skip": 2.5, "height": 512}')
    assert read_card(model).draw_with == {"height": 512}


@pytest.mark.parametrize("content", ["{broken", "[1, 2]"])
def test_a_sidecar_that_cannot_be_read_is_not_overwritten(content: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(InvalidValue, match=r"m\.json"):
        save_card(tmp_path / "m.safetensors", {"notes": "new"})
    assert (tmp_path / "m.json").read_text() == content


@pytest.mark.parametrize("values", [{"preferred_weight": "much"}, {"preferred_weight": 1e9}, {"notes": 5}, {"notes": "x" * 100_000}, {"steps": 1000}, {"steps": "8"}, {"sampler_name": 5}])
def test_values_of_the_wrong_kind_are_refused(values: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(InvalidValue):
        save_card(tmp_path / "m.safetensors", values)
    assert not (tmp_path / "m.json").exists()


def test_a_preview_stands_before_older_ones(tmp_path: Path) -> None:
    from modules.library.card import find_preview

    (tmp_path / "m.preview.png").write_bytes(b"old")
    assert find_preview(tmp_path / "m.safetensors") == tmp_path / "m.preview.png"
    assert find_preview(tmp_path / "m.safetensors") != save_preview(tmp_path / "m.safetensors", b"new")
    assert find_preview(tmp_path / "m.safetensors") == tmp_path / "m.png"


@pytest.mark.parametrize(("written", "weight"), [("0.7", 0.7), ('"0.7"', 0.7), ('"much"', 0), ("NaN", 0), ("1" + "0" * 400, 0), ("null", 0)])
def test_a_weight_that_other_programs_wrote_is_read_and_no_number_breaks_a_card(written: str, weight: float, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(f'{{"preferred weight": {written}, "steps": NaN, "width": 1e999, "notes": "mine"}}', encoding="utf-8")
    card = read_card(tmp_path / "a.safetensors")
    assert (card.preferred_weight, card.draw_with, card.notes) == (weight, {}, "mine")
