"""Interrogate: over the API, for the page, behind Loopback, beside the pictures of Extras and for extensions; and without the files that it takes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from modules.a1111.app_slot import occupied
from modules.application.app import App
from modules.schema.errors import InvalidValue
from tests.conftest import FakeEngine, RunningServer
from tests.loading import describer_files as files
from tests.loading.test_describers import noise

QUICK = {"interrogate_clip_min_length": 6, "interrogate_clip_max_length": 12, "interrogate_deepbooru_score_threshold": 0.4}


def encoded(picture: Image.Image) -> str:
    data = io.BytesIO()
    picture.save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with all three."""
    folder = tmp_path_factory.mktemp("describers")
    files.write_blip(folder / "BLIP/model_base_caption_capfilt_large.pth", files.blip())
    files.write_clip(folder / "CLIP/ViT-L-14.pt", files.clip())
    files.write_tagger(folder / "torch_deepdanbooru/model-resnet_custom_v3.pt", files.shaken(files.Tagger(), 3, 0.35))
    return folder


@pytest.fixture
def described(fake_server: RunningServer, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    """A server whose models folder has them."""
    monkeypatch.setattr(Path, "home", lambda: weights / "nobody")
    for each in weights.iterdir():
        (fake_server.app.paths.models_dir / each.name).symlink_to(each, target_is_directory=True)
    fake_server.app.settings.update(QUICK)
    with occupied(fake_server.app):
        yield fake_server


def asked(server: RunningServer, model: str = "clip", route: str = "/sdapi/v1/interrogate", seed: int = 1) -> Any:
    answer = server.client.post(route, json={"image": encoded(noise(seed)), "model": model})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_api_gives_a_sentence_or_tags(described: RunningServer) -> None:
    sentence = asked(described)
    assert set(sentence) == {"caption"} and len(sentence["caption"].split()) >= 1
    tags = asked(described, "deepdanbooru")["caption"].split(", ")
    assert tags and set(tags) <= {"1girl", "blue sky", r"smile \(grin\)", "solo", "tree"} and tags == sorted(tags)
    described.app.settings.set("interrogate_return_ranks", True)
    assert all(each.startswith("(") and 0.4 <= float(each.rsplit(":", 1)[1].rstrip(")")) <= 1 for each in asked(described, "deepdanbooru")["caption"].split(", "))


def test_lists_add_what_fits_best(described: RunningServer) -> None:
    described.app.settings.set("interrogate_keep_models_in_memory", True)
    alone = asked(described)["caption"]
    lists = described.app.paths.data_dir / "interrogate"
    lists.mkdir()
    (lists / "mediums.txt").write_text("a photo\n\nan oil painting\na sculpture\n")
    (lists / "flavors.top2.txt").write_text("dark\nsunny\nfoggy\n")
    more = asked(described)["caption"].removeprefix(f"{alone}, ").split(", ")
    assert len(more) == 3 and {more[0], more[1]} < {"dark", "sunny", "foggy"} and more[2] in ("a photo", "an oil painting", "a sculpture")
    described.app.settings.set("interrogate_clip_skip_categories", ["flavors.top2"])
    assert asked(described)["caption"] == f"{alone}, {more[2]}"
    described.app.settings.set("interrogate_clip_dict_limit", 1)
    assert asked(described)["caption"] == f"{alone}, a photo"
    (described.app.paths.models_dir / "CLIP").unlink()
    page = asked(described, route="/internal/describe")
    assert page["words"] == alone and "ViT-L-14.pt" in page["notes"][0]


def test_models_are_let_go_unless_they_are_to_be_kept(described: RunningServer) -> None:
    kept = described.app.describer.tools._kept
    asked(described, "deepdanbooru")
    assert not kept
    described.app.settings.set("interrogate_keep_models_in_memory", True)
    asked(described, "deepdanbooru")
    assert len(kept) == 1
    asked(described)
    assert len(kept) == 2


def test_what_is_missing_is_named_with_its_place_and_nothing_else_happens(fake_server: RunningServer) -> None:
    for model, file in (("clip", "model_base_caption_capfilt_large.pth"), ("deepdanbooru", "model-resnet_custom_v3.pt")):
        answer = fake_server.client.post("/sdapi/v1/interrogate", json={"image": encoded(noise(1)), "model": model})
        assert answer.status_code == 422 and file in answer.json()["detail"]
        assert any(address in answer.json()["detail"] for address, final in fake_server.app.downloads.published_files().items() if final.name == file), "the page fetches it"
    assert fake_server.client.post("/sdapi/v1/interrogate", json={"image": encoded(noise(1)), "model": "blip9"}).status_code == 404
    assert fake_server.client.post("/sdapi/v1/interrogate", json={"image": "nonsense", "model": "clip"}).status_code == 422


def test_extras_write_captions_beside_the_pictures(described: RunningServer) -> None:
    from modules.application import extras
    from modules.schema.params_extras import ExtrasRequest

    app = described.app
    request = ExtrasRequest.from_flat({"caption_enabled": True, "captioners": ["Deepbooru", "BLIP"]})
    sources = [extras.Source(name=f"{seed}.png", data=encoded(noise(seed))) for seed in (1, 2)]
    job = app.jobs.wait(extras.submit(app, request, sources, source="page", save=True), 60)
    assert job.state.value == "done", job.error
    texts = [each.path.with_suffix(".txt").read_text("utf-8") for each in job.result.images]
    assert texts[0] == f"{asked(described, 'deepdanbooru')['caption']}, {asked(described)['caption']}" and len(texts) == 2
    assert not app.describer.tools._kept


def test_extras_let_go_of_what_described_a_picture_though_the_next_could_not(described: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from modules.application import extras
    from modules.schema.params_extras import ExtrasRequest

    def broken(*_: object) -> str:
        raise InvalidValue("no words for this")

    app = described.app
    monkeypatch.setattr(type(app.describer), "caption", broken)
    request = ExtrasRequest.from_flat({"caption_enabled": True, "captioners": ["Deepbooru", "BLIP"]})
    job = app.jobs.wait(extras.submit(app, request, [extras.Source(name="1.png", data=encoded(noise(1)))], source="page", save=True), 60)
    assert job.state.value == "failed" and not app.describer.tools._kept


def test_loopback_appends_what_each_picture_shows(described: RunningServer, fake_engine: FakeEngine) -> None:
    import gradio

    from modules.a1111.script_host import install_scripts
    from modules.application.generation import generate_blocking
    from modules.schema.request import Img2ImgRequest

    install_scripts(described.app, gradio.Blocks)
    values = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64, "seed": 200, "init_images": [encoded(noise(1))], "script_name": "Loopback"}
    generate_blocking(described.app, Img2ImgRequest.from_flat(values | {"script_args": [2, 0.5, "Linear", "DeepBooru"]}))
    first, second = (each.prompt for each in fake_engine.requests)
    assert first == f"a cat, {asked(described, 'deepdanbooru')['caption']}" and second == r"a cat, smile \(grin\)" != first      # what the network says of that seed's colour
    (described.app.paths.models_dir / "BLIP").unlink()
    outcome = generate_blocking(described.app, Img2ImgRequest.from_flat(values | {"script_args": [1, 0.5, "Linear", "CLIP"]}))
    assert fake_engine.requests[-1].prompt == "a cat" and any("capfilt_large.pth" in each for each in outcome.comments)


def test_extensions_ask_by_a1111s_names(described: RunningServer) -> None:
    from modules import deepbooru, interrogate, shared

    picture = noise(1)
    assert shared.interrogator.interrogate(picture) == shared.interrogator.generate_caption(picture) == asked(described)["caption"]
    deepbooru.model.start()
    assert deepbooru.model.tag_multi(picture) == deepbooru.model.tag(picture) == asked(described, "deepdanbooru")["caption"]
    deepbooru.model.stop()
    shared.interrogator.load()
    shared.interrogator.unload()
    assert interrogate.category_types() == [] and isinstance(shared.interrogator, interrogate.InterrogateModels)


def test_memory_that_is_needed_takes_the_models_away(described: RunningServer, make_app: Callable[..., App]) -> None:
    from modules.application.room import make_room

    described.app.settings.set("interrogate_keep_models_in_memory", True)
    asked(described)
    described.app.jobs.call(lambda: make_room(described.app))
    assert not described.app.describer.tools._kept
