"""What extensions put into A1111's lists can be chosen, and acts in the picture."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio
import numpy as np
import pytest
import torch
from PIL import Image

from modules.a1111 import app_slot
from modules.a1111.face_restorers import FaceRestoration, face_restorers, restore_faces
from modules.a1111.load_extensions import load_extensions
from modules.a1111.network_types import ExtraNetwork, extra_network_registry, register_extra_network
from modules.a1111.picture_files import FilenameGenerator
from modules.a1111.sampler_list import SamplerData, Scheduler, all_samplers, all_samplers_map, schedulers, schedulers_map, take_up_added
from modules.a1111.script_host import install_scripts
from modules.application import listing
from modules.application.app import App
from modules.application.generation import generate_blocking
from modules.application.outcome import Outcome
from modules.engine.sampler_registry import find_sampler, remove_added_samplers, samplers
from modules.engine.schedules import karras_sigmas
from modules.gradio_ui.choices import ChoiceSources
from modules.schema.request import Txt2ImgRequest
from tests.golden.cases import data_dir


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    from modules.application.build import build_app
    from modules.schema.flags import parse_flags

    flags = ["--data-dir", str(tmp_path_factory.mktemp("lists")), "--models-dir", str(data_dir() / "models"), "--no-half"]
    app = build_app(parse_flags(flags, {}).flags)
    with app_slot.occupied(app):
        install_scripts(app, gradio.Blocks)
        load_extensions(lambda _module, _file: None, lambda: None)
        yield app
    app.close()


def outcome(app: App, **values: Any) -> Outcome:
    asked = {"prompt": "a cat", "steps": 3, "width": 32, "height": 32, "seed": 5, "sampler_name": "Euler", **values}
    return generate_blocking(app, Txt2ImgRequest.from_flat(asked))


@pytest.fixture
def spread(app: App) -> Iterator[list[dict[str, Any]]]:
    """A schedule of an extension's: Karras' by another name. What it was called with."""
    calls: list[dict[str, Any]] = []

    def function(n: int, sigma_min: float, sigma_max: float, inner_model: Any, device: Any) -> torch.Tensor:
        calls.append({"n": n, "t": inner_model.sigma_to_t(inner_model.sigmas[-1]).item(), "device": str(device)})
        return karras_sigmas(n, sigma_min, sigma_max, 7.0)

    added = Scheduler("spread", "Spread out", function, need_inner_model=True, aliases=["spread_old"])
    schedulers.append(added)
    take_up_added()
    yield calls
    schedulers.remove(added)
    remove_added_samplers()


def test_a_sampler_that_is_named_with_a_schedule_stands_beside_its_plain_one() -> None:
    """Seniorious and Seniorious Karras: the second was taken for the first with a schedule, and missing from the lists."""
    added = [SamplerData(name, lambda model: None, [], {}) for name in ("Own one", "Own one Karras")]
    all_samplers.extend(added)
    try:
        take_up_added()
        assert {"Own one", "Own one Karras"} <= {each.name for each in samplers()} and find_sampler("Own one Karras").name == "Own one Karras"
    finally:
        for each in added:
            all_samplers.remove(each)
            all_samplers_map.pop(each.name, None)
        remove_added_samplers()


def test_a_schedule_draws_and_is_told(app: App, spread: list[dict[str, Any]]) -> None:
    by_label, karras = outcome(app, scheduler="Spread out"), outcome(app, scheduler="Karras")
    assert by_label.images[0].picture.tobytes() == karras.images[0].picture.tobytes()
    assert "Schedule type: Spread out" in by_label.images[0].infotext and not by_label.comments
    assert spread[0] == {"n": 3, "t": 999.0, "device": "cpu"}
    for name in ("spread", "spread_old"):
        assert "Schedule type: Spread out" in outcome(app, scheduler=name).images[0].infotext
    assert listing.schedulers()[-1]["label"] == ChoiceSources.of(app)("schedulers")[-1] == "Spread out"


def test_our_schedules_are_called_as_a1111s_are() -> None:
    class Model:
        sigmas = torch.linspace(0.03, 14.6, 1000)

    found = schedulers_map["Karras"].function(n=4, sigma_min=0.03, sigma_max=14.6, device="cpu")
    assert torch.equal(found, karras_sigmas(4, 0.03, 14.6, 7.0))
    assert torch.equal(schedulers_map["karras"].function(4, 0.03, 14.6, 5.0, "cpu"), karras_sigmas(4, 0.03, 14.6, 5.0))
    assert schedulers_map["simple"].function(n=4, sigma_min=0.03, sigma_max=14.6, inner_model=Model(), device="cpu").tolist()[0] == pytest.approx(14.6)


class Inverting(FaceRestoration):
    def name(self) -> str:
        return "Inverting"

    def restore(self, np_image: Any) -> Any:
        return 255 - np_image


@pytest.fixture
def inverting(app: App) -> Iterator[FaceRestoration]:
    restorer = Inverting()
    face_restorers.append(restorer)
    yield restorer
    face_restorers.remove(restorer)


def test_a_face_restorer_is_offered_and_restores(app: App, inverting: FaceRestoration) -> None:
    names = ["CodeFormer", "GFPGAN", "Inverting"]
    assert [each["name"] for each in listing.face_restorers(app)] == list(ChoiceSources.of(app)("face_restorers")) == names
    plain = outcome(app).images[0].picture
    made = outcome(app, restore_faces=True, override_settings={"face_restoration_model": "Inverting"})
    assert not made.comments and np.array_equal(np.asarray(made.images[0].picture), 255 - np.asarray(plain))
    app.settings.set("face_restoration_model", "Inverting")
    assert (restore_faces(np.zeros((2, 2, 3), np.uint8)) == 255).all()
    app.settings.set("face_restoration_model", "CodeFormer")


def test_a_face_restorer_that_fails_leaves_the_picture(app: App, inverting: FaceRestoration, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, np_image: Any) -> Any:
        raise RuntimeError("its model is not there")

    monkeypatch.setattr(Inverting, "restore", broken)
    made = outcome(app, restore_faces=True, override_settings={"face_restoration_model": "Inverting"})
    assert made.images[0].picture.tobytes() == outcome(app).images[0].picture.tobytes()
    assert any("its model is not there" in each.sentence for each in app.extensions.troubles.found)


def test_extensions_find_our_face_restorers_which_leave_the_picture_without_weights(app: App, caplog: pytest.LogCaptureFixture) -> None:
    assert [each.name() for each in face_restorers] == ["CodeFormer", "GFPGAN"]
    picture = np.zeros((64, 64, 3), np.uint8)
    assert face_restorers[0].restore(picture) is picture and "CodeFormer cannot restore faces" in caplog.text


def test_a_network_of_an_extension_is_not_called_unknown(app: App) -> None:
    class Styling(ExtraNetwork):
        told: list[Any] = []

        def activate(self, p: Any, params_list: list[Any]) -> None:
            self.told += [each.items for each in params_list]

        def deactivate(self, p: Any) -> None: ...

    register_extra_network(Styling("styling"))
    try:
        assert not outcome(app, prompt="a cat <styling:warm:2>").comments and Styling.told == [["warm", "2"]]
    finally:
        del extra_network_registry["styling"]
    assert "<styling:..> was left out" in outcome(app, prompt="a cat <styling:warm:2>").comments[0]


def test_a_token_of_an_extension_stands_in_file_names(app: App) -> None:
    FilenameGenerator.replacements["mood"] = lambda self, *words: f"{self.p.prompt}-{self.seed}-{'-'.join(words)}"
    FilenameGenerator.replacements["broken"] = lambda self: 1 / 0
    app.settings.set("samples_filename_pattern", "[mood<a><b>]-[broken]-[steps]")
    try:
        path = outcome(app, save_images=True).images[0].path
    finally:
        app.settings.set("samples_filename_pattern", "")
        for name in ("mood", "broken"):
            del FilenameGenerator.replacements[name]
    assert path is not None and path.stem.endswith("a cat-5-a-b-[broken]-3")
    maker = FilenameGenerator(None, 7, "a dog", Image.new("RGB", (8, 8)))
    assert maker.replacements["seed"](maker) == "7" and maker.apply("[mood]") == "[mood]"
