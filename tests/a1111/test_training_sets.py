"""What extensions take from A1111's training for loops, cuts and cards of their own: rates, pictures as latents, batches, crops, embeddings in pictures."""
from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from modules.a1111.app_slot import occupied
from modules.a1111.cropping_names import PointOfInterest, Settings, crop_image, focal_point, image_entropy_points, poi_average
from modules.a1111.embedding_cards import (
    EmbeddingDecoder,
    EmbeddingEncoder,
    caption_image_overlay,
    embedding_from_b64,
    embedding_to_b64,
    extract_image_data_embed,
    insert_image_data_embed,
)  # fmt: skip
from modules.a1111.training_records import save_settings_to_file, write_loss
from modules.a1111.training_sets import LearnRateScheduler, LearnScheduleIterator, PersonalizedBase, PersonalizedDataLoader
from modules.application.app import App
from modules.schema.errors import InvalidValue
from tests.a1111.golden_app import golden_app
from tests.a1111.test_script_host import MakeApp


@pytest.fixture
def app(make_app: MakeApp) -> App:
    return make_app()


@pytest.mark.parametrize(("text", "from_step", "expected"), [
    ("0.005", 0, [(0.005, 1000)]), ("0.005:100, 1e-3:500, 1e-5", 0, [(0.005, 100), (1e-3, 500), (1e-5, 1000)]),
    ("0.005:100, 1e-3:-1", 100, [(1e-3, 1000)]), ("0.1:2000,0.2", 0, [(0.1, 1000)])])
def test_rates_are_read_as_a1111_writes_them(text: str, from_step: int, expected: list[tuple[float, int]]) -> None:
    assert list(LearnScheduleIterator(text, 1000, from_step)) == expected


def test_the_optimisers_rate_changes_where_the_schedule_says() -> None:
    rates, optimiser = LearnRateScheduler("0.5:2, 0.25:4", 10), SimpleNamespace(param_groups=[{"lr": None}])
    seen = []
    for step in range(6):
        rates.apply(optimiser, step)
        seen.append((optimiser.param_groups[0]["lr"], rates.finished))
    assert rates.learn_rate == 0.25 and seen == [(None, False), (None, False), (0.25, False), (0.25, False), (0.25, True), (0.25, True)]
    with pytest.raises(InvalidValue):
        LearnRateScheduler("fast", 10)


def test_a_folder_becomes_batches_of_one_size(tmp_path: Path) -> None:
    folder, template = tmp_path / "pictures", tmp_path / "template.txt"
    folder.mkdir()
    template.write_text("a [name], [filewords]\n")
    for number, size in enumerate([(64, 64), (64, 64), (64, 128), (64, 128)]):
        Image.new("RGBA", size, (40 * number, 90, 120, 255)).save(folder / f"{number}-red wall.png")
    (folder / "2-red wall.txt").write_text("tall, blue")
    (folder / "broken.png").write_bytes(b"none")
    with golden_app(tmp_path / "data") as app:
        app.settings.update({"sd_model_checkpoint": "sd15-tiny.safetensors"})
        from modules.a1111.model_data import sd_model

        found = PersonalizedBase(folder, 64, 64, 1, placeholder_token="zyx", model=sd_model(), template_file=template, batch_size=2, varsize=True, use_weight=True,
                                 latent_sampling_method="deterministic")
    texts = sorted(found[place].cond_text for place in range(len(found)))
    assert texts == ["a zyx, red wall", "a zyx, red wall", "a zyx, red wall", "a zyx, tall, blue"]
    batches = list(PersonalizedDataLoader(found, "deterministic", 2))
    assert sorted(tuple(each.latent_sample.shape) for each in batches) == [(2, 4, 8, 8), (2, 4, 16, 8)]
    assert all(each.weight.shape == each.latent_sample.shape and torch.equal(each.weight, torch.ones_like(each.weight)) for each in batches)     # type: ignore[union-attr]


def test_losses_and_settings_are_written_down(app: App, tmp_path: Path) -> None:
    app.settings.update({"training_write_csv_every": 2})
    with occupied(app):
        for step in range(1, 5):
            write_loss(tmp_path, "loss.csv", step, 3, {"loss": "0.5", "learn_rate": 0.1})
    rows = list(csv.DictReader((tmp_path / "loss.csv").open()))
    assert [(each["step"], each["epoch"], each["epoch_step"], each["loss"]) for each in rows] == [("2", "0", "1", "0.5"), ("4", "1", "0", "0.5")]
    save_settings_to_file(tmp_path, {"steps": 3, "embedding_name": "zyx", "preview_seed": 7, "secret": 1})
    (file,) = tmp_path.glob("settings-*.json")
    assert {key: value for key, value in json.loads(file.read_text()).items() if key != "datetime"} == {"steps": 3, "embedding_name": "zyx"}


def busy_at(left: int) -> Image.Image:
    """A plain picture of 200x80 with a chequered place."""
    picture = Image.new("RGB", (200, 80), "white")
    draw = ImageDraw.Draw(picture)
    for place in range(25):
        if place % 2:
            x, y = left + place % 5 * 8, 20 + place // 5 * 8
            draw.rectangle((x, y, x + 7, y + 7), fill="black")
    return picture


@pytest.mark.parametrize("left", [0, 160])
def test_a_cut_keeps_what_is_to_be_seen(app: App, left: int) -> None:
    asked = Settings(crop_width=64, crop_height=64, annotate_image=True)
    with occupied(app):
        cut, shown = crop_image(busy_at(left), asked)
        point = focal_point(busy_at(left), asked)
        (busiest,) = image_entropy_points(busy_at(left), asked)
    assert cut.size == (64, 64) and shown.size == (200, 80)
    assert np.asarray(cut.convert("L")).mean() < 230 and abs(point.x - left - 20) < 30 and abs(busiest.x - left - 20) < 30


def test_places_have_a_middle() -> None:
    middle = poi_average([PointOfInterest(0, 0, 1.0), PointOfInterest(10, 20, 3.0)])
    assert (middle.x, middle.y) == (8, 15) and middle.bounding(4) == [6, 13, 10, 17]


def same(one: Any, other: Any) -> bool:
    left, right = one["string_to_param"]["*"], other["string_to_param"]["*"]
    return one["name"] == other["name"] and torch.equal(left.double(), right.double())


def test_embeddings_go_into_pictures_and_come_back() -> None:
    values = {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.randn(2, 32)}, "name": "zyx", "step": 3}
    assert same(embedding_from_b64(embedding_to_b64(values)), values)
    assert same(json.loads(json.dumps(values, cls=EmbeddingEncoder), cls=EmbeddingDecoder), values)
    card = caption_image_overlay(Image.new("RGBA", (64, 64), (200, 100, 50, 255)), "<zyx>", "model", "[hash]", "2v 3s")
    carried = insert_image_data_embed(card, values)
    assert card.size == (64, 64) and carried.width > 66 and same(extract_image_data_embed(carried), values)
    assert extract_image_data_embed(Image.new("RGB", (64, 64), "red")) is None
