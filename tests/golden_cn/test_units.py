"""Units with a picture for each run, and with several at once."""

from __future__ import annotations

import base64
import io
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from modules.application.generation import generate_blocking, outcome_of
from modules.application.img2img_batch import BatchOrder, submit_batch
from modules.application.outcome import Outcome
from modules.loading.control_network import ControlNetwork
from modules.schema.errors import WebuiError
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from tests.golden_cn import stored


def drawing(number: int) -> Image.Image:
    found = np.zeros((96, 64, 3), dtype=np.uint8)
    found[8 + 16 * number : 40 + 16 * number, 8:56] = (230, 60 * number, 50)
    return Image.fromarray(found)


def in_base64(picture: Image.Image) -> str:
    png = io.BytesIO()
    picture.save(png, "PNG")
    return base64.b64encode(png.getvalue()).decode()


def made(app: Any, *units: dict[str, Any], **changes: Any) -> Outcome:
    args = [{"enabled": True, "model": "control-tiny-canny", **unit} for unit in units]
    flat = next(each for each in stored.cases() if each.name == "off").request
    return generate_blocking(app, Txt2ImgRequest.from_flat({**flat, "steps": 2, "alwayson_scripts": {"controlnet": {"args": args}}, **changes}))


def pixels(outcome: Outcome) -> list[bytes]:
    return [each.picture.tobytes() for each in outcome.images]


def test_a_batch_makes_each_picture_as_a_unit_with_that_picture_does(app: Any, tmp_path: Path) -> None:
    alone = [pixels(made(app, {"image": in_base64(drawing(number)), "save_detected_map": False})) for number in range(3)]
    for number in range(3):
        drawing(number).save(tmp_path / f"{number + 9}.png")        # 9, 10, 11: as a person counts
    (tmp_path / "notes.txt").write_text("no picture")
    one = {"input_mode": "batch", "save_detected_map": False}
    listed = made(app, {**one, "batch_images": [in_base64(drawing(0)), {"image": in_base64(drawing(1))}, in_base64(drawing(2))]})
    assert pixels(listed) == [each for (each,) in alone] and len({each.infotext for each in listed.images}) == 1
    named = made(app, {**one, "batch_images": str(tmp_path)}, override_settings={"controlnet_increment_seed_during_batch": True})
    assert pixels(named)[0] == alone[0][0] and [f"Seed: {12345 + number}" in each.infotext for number, each in enumerate(named.images)] == [True] * 3


def test_the_maps_of_a_batch_follow_its_pictures_and_the_shortest_list_counts(app: Any) -> None:
    outcome = made(app, {"input_mode": "batch", "batch_images": [in_base64(drawing(n)) for n in range(3)], "module": "canny", "processor_res": 64, "pixel_perfect": True},
                   {"input_mode": "batch", "batch_images": [in_base64(drawing(n)) for n in range(2)], "module": "none", "weight": 0.0, "save_detected_map": False})
    assert len(outcome.images) == 4
    assert [np.asarray(each.picture.convert("L")).max() == 255 and len(np.unique(np.asarray(each.picture))) == 2 for each in outcome.images] == [False, False, True, True]


def test_loopback_hands_each_result_to_the_next_run(app: Any) -> None:
    batch = {"input_mode": "batch", "batch_images": [in_base64(drawing(0))] * 2, "weight": 0.0, "save_detected_map": False}
    looped = made(app, batch, {"image": in_base64(drawing(1)), "loopback": True, "save_detected_map": False})
    again = made(app, {**batch, "input_mode": "simple", "image": in_base64(drawing(0))}, {"image": in_base64(looped.images[0].picture), "save_detected_map": False})
    assert pixels(looped)[1] == pixels(again)[0] != pixels(looped)[0]


@pytest.fixture
def frames(tmp_path: Path) -> tuple[str, ...]:
    """Two pictures for img2img's batch."""
    for number in range(2):
        drawing(3 - number).save(tmp_path / f"{number}.png")
    return tuple(str(tmp_path / f"{number}.png") for number in range(2))


def redrawn(picture: Image.Image | None, *units: dict[str, Any]) -> Img2ImgRequest:
    args = [{"enabled": True, "model": "control-tiny-canny", "save_detected_map": False, **unit} for unit in units]
    given = {"init_images": [in_base64(picture)]} if picture is not None else {}
    return Img2ImgRequest.from_flat({**given, "prompt": "", "seed": 5, "steps": 3, "width": 64, "height": 96, "sampler_name": "Euler", "denoising_strength": 0.9,
                                     "alwayson_scripts": {"controlnet": {"args": args}}})


def batch_of(app: Any, files: tuple[str, ...], *units: dict[str, Any]) -> Outcome:
    return outcome_of(app.jobs.wait(submit_batch(app, redrawn(None, *units), BatchOrder(files=files), source="page")))


def test_in_img2img_s_batch_each_picture_has_its_own_control_picture(app: Any, frames: tuple[str, ...]) -> None:
    """As films are made: picture 1 with control picture 1, not with all of them."""
    unit = {"input_mode": "batch", "batch_images": [in_base64(drawing(0)), in_base64(drawing(1))]}
    single = [pixels(generate_blocking(app, redrawn(drawing(3 - n), {"image": in_base64(drawing(n))}))) for n in range(2)]
    assert pixels(batch_of(app, frames, unit)) == [each for (each,) in single]
    with pytest.raises(WebuiError, match="has 1 control images and this is picture 2"):
        batch_of(app, frames, {**unit, "batch_images": [in_base64(drawing(0))]})


def test_a_unit_that_names_no_pictures_takes_those_of_img2img_s_batch_and_loopback_the_last_result(app: Any, frames: tuple[str, ...]) -> None:
    own, looped = (batch_of(app, frames, {"is_ui": True, "input_mode": "batch", "loopback": loopback}) for loopback in (False, True))
    assert pixels(own) == [pixels(generate_blocking(app, redrawn(drawing(3 - n), {})))[0] for n in range(2)]
    (after,) = pixels(generate_blocking(app, redrawn(drawing(2), {"image": in_base64(looped.images[0].picture)})))
    assert pixels(looped) == [pixels(own)[0], after] != pixels(own)


@pytest.mark.parametrize(("axis", "values", "one", "other"), [
    ("Weight", "0, [1.5,]", ({"weight": 0.0}, {"weight": 0.0}), ({"weight": 1.5}, {})),
    ("Enabled", "False,True", ({"enabled": False}, {}), ({}, {})),
    ("Control Mode", "Balanced,ControlNet is more important", ({}, {}), ({"control_mode": "ControlNet is more important"},) * 2),
])
def test_x_y_z_plot_varies_the_units(app: Any, axis: str, values: str, one: Any, other: Any) -> None:
    units = [{"image": in_base64(drawing(number)), "save_detected_map": False} for number in range(2)]
    args = [f"[ControlNet] {axis}", values, [], "Nothing", "", [], "Nothing", "", [], False, True, False, False, False, False, False, 0, True]
    plot = made(app, *units, script_name="X/Y/Z plot", script_args=args, override_settings={"return_grid": True})
    wanted = [pixels(made(app, *({**unit, **change} for unit, change in zip(units, changes))))[0] for changes in (one, other)]
    assert pixels(plot) == wanted and wanted[0] != wanted[1]


def test_lama_s_picture_is_what_the_noise_begins_with_and_all_that_is_not_masked_stays(app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from internal_controlnet import annotators, preprocessors

    (tmp_path / "lama").mkdir()
    (tmp_path / "lama/ControlNetLama.pth").write_bytes(b"")
    monkeypatch.setattr(preprocessors, "weight_folders", lambda: [tmp_path])
    monkeypatch.setattr(annotators, "annotated", lambda _key, _files, seen, *_: seen[:, :, :3])           # paints what was there before
    mask = Image.fromarray(np.tile(np.array([[0] * 32 + [255] * 32], np.uint8), (96, 1)))
    unit = {"model": "control-tiny-inpaint", "image": in_base64(drawing(1)), "mask": in_base64(mask), "save_detected_map": False}
    plain, painted, other_seed = (np.asarray(made(app, {**unit, "module": module}, override_settings={"control_net_inpaint_blur_sigma": 0}, seed=seed).images[0].picture)
                                  for module, seed in (("inpaint_only", 5), ("inpaint_only+lama", 5), ("inpaint_only+lama", 6)))
    assert np.array_equal(plain[:, :32], np.asarray(drawing(1))[:, :32]) and np.array_equal(plain[:, :32], painted[:, :32])
    assert not np.array_equal(plain, painted) and not np.array_equal(painted, other_seed)


def test_an_adapter_is_asked_in_the_first_pass_only_and_one_of_the_hires_pass_goes_with_it(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The original keeps an adapter's answer for the whole job: its hires pictures differ from those of an adapter that is asked again (22 to 30 dB)."""
    asked: list[tuple[int, int]] = []
    encoded = ControlNetwork.encoded

    def noted(network: ControlNetwork, hint: Tensor, hint_kind: int | None = None) -> Any:
        asked.append((hint.shape[3], hint.shape[2]))
        return encoded(network, hint, hint_kind)

    monkeypatch.setattr(ControlNetwork, "encoded", noted)
    unit = {"image": in_base64(drawing(0)), "model": "t2iadapter-tiny-sketch", "module": "none"}
    hires = {"enable_hr": True, "hr_scale": 2.0, "denoising_strength": 0.7, "hr_upscaler": "Latent"}
    made(app, unit, **hires)
    assert set(asked) == {(64, 96)}
    made(app, unit, {**unit, "hr_option": "High res only"}, **hires)
    assert set(asked) == {(64, 96), (128, 192)}


@pytest.mark.parametrize("pictures", [[], "", "/nowhere/at/all"])
def test_a_batch_without_pictures_is_refused(app: Any, pictures: Any) -> None:
    with pytest.raises(WebuiError, match=r"no pictures|no folder"):
        made(app, {"input_mode": "batch", "batch_images": pictures})


def _others_places(runner: Any) -> list[tuple[int, int]]:
    return [(script.args_from, script.args_to) for script in (*runner.alwayson_scripts, *runner.selectable_scripts)]


def test_an_extension_puts_its_own_units_in_place_and_later_jobs_are_as_before(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As adetailer does it: with a runner of its own, and the script objects that all jobs share."""
    from internal_controlnet import external_code

    from modules.a1111.script_runner import ScriptRunner

    unit = {"image": in_base64(drawing(0)), "save_detected_map": False}
    usual, other = pixels(made(app, unit)), pixels(made(app, {**unit, "image": in_base64(drawing(1))}))
    seen: list[Any] = []

    def swapped(number_of_units: int) -> Any:
        def before_process(self: ScriptRunner, p: Any) -> None:
            places = _others_places(p.scripts)
            mine = external_code.ControlNetUnit(enabled=True, model="control-tiny-canny", image=in_base64(drawing(1)), save_detected_map=False)
            external_code.update_cn_script_in_processing(p, [mine, *[external_code.ControlNetUnit()] * (number_of_units - 1)])
            seen.append((external_code.get_all_units_in_processing(p), places == _others_places(p.scripts)))

        return before_process

    for count in (1, 5):
        with monkeypatch.context() as patch:
            patch.setattr(ScriptRunner, "before_process", swapped(count))
            assert pixels(made(app, unit)) == other
        units, kept = seen.pop()
        assert [each.enabled for each in units] == [True] + [False] * (max(count, 3) - 1) and kept
        assert pixels(made(app, unit)) == usual


def test_units_changed_later_are_read_when_that_is_asked_for(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Extensions with passes of their own call the original's ``controlnet_hack(p)`` after they changed the units."""
    from internal_controlnet import external_code

    from modules.a1111.script_runner import ScriptRunner

    unit = {"image": in_base64(drawing(0)), "save_detected_map": False}
    other, process = pixels(made(app, {**unit, "image": in_base64(drawing(1))})), ScriptRunner.process

    def processed(self: ScriptRunner, p: Any) -> None:
        process(self, p)
        mine = external_code.ControlNetUnit(enabled=True, model="control-tiny-canny", image=in_base64(drawing(1)), save_detected_map=False)
        external_code.update_cn_script_in_processing(p, [mine])
        next(each for each in p.scripts.alwayson_scripts if each.title().lower() == "controlnet").controlnet_hack(p)

    monkeypatch.setattr(ScriptRunner, "process", processed)
    assert pixels(made(app, unit)) == other


def test_units_beyond_the_last_place_count_for_nothing(app: Any) -> None:
    unit = {"image": in_base64(drawing(0)), "save_detected_map": False}
    more = [{**unit, "image": in_base64(drawing(1)), "enabled": False}] * 2
    assert pixels(made(app, unit, *more, {**unit, "image": in_base64(drawing(2))})) == pixels(made(app, unit))


def test_an_empty_text_is_no_picture_and_no_mask(app: Any) -> None:
    unit = {"image": in_base64(drawing(0)), "save_detected_map": False}
    usual = pixels(made(app, unit))
    for empty in ({"mask": ""}, {"effective_region_mask": ""}, {"image": {"image": unit["image"], "mask": ""}}):
        assert pixels(made(app, {**unit, **empty})) == usual


def test_a_field_may_be_given_under_both_of_its_names_if_it_is_the_same(app: Any) -> None:
    """As GIMP's plugin sends its units; two that differ stay refused (bad-alias-conflict)."""
    image = in_base64(drawing(0))
    unit = {"image": image, "guidance_end": 0.5, "low_vram": False, "save_detected_map": False}
    assert pixels(made(app, {**unit, "guidance": 0.5, "lowvram": False, "input_image": image})) == pixels(made(app, unit))


def test_what_stands_in_the_pages_fields_is_a_unit_that_other_scripts_can_switch_off(app: Any) -> None:
    from internal_controlnet.external_code import ControlNetUnit, settle
    from internal_controlnet.panel_values import PAGE_FIELDS

    fields = dict.fromkeys(PAGE_FIELDS) | {"enabled": True, "module": "canny", "model": "control-tiny-canny", "image": drawing(0)}
    for name in ("low_vram", "pixel_perfect", "inpaint_crop_input_image", "loopback"):
        fields[name] = False
    for name in ("weight", "guidance_start", "guidance_end", "processor_res", "threshold_a", "threshold_b", "control_mode", "resize_mode", "hr_option", "union_control_type",
                 "input_mode"):
        fields[name] = getattr(ControlNetUnit(), name)
    off = {**fields, "enabled": False}
    p, script = Namespace(script_args=[0, None, None, *fields.values(), *off.values(), "other"]), Namespace(args_from=1, args_to=3 + 2 * len(PAGE_FIELDS))
    settle(script, p)
    units = p.script_args[1:3]
    assert all(isinstance(each, ControlNetUnit) for each in units) and [each.enabled for each in units] == [True, False]
    assert p.script_args[3:] == [*fields.values(), *off.values(), "other"] and units[0].module == "canny"


def test_other_extensions_find_the_original_s_names_while_they_run(app: Any) -> None:
    """animatediff and replacer import these in the middle of a job."""
    import gradio
    from annotator.util import HWC3
    from scripts.batch_hijack import InputMode
    from scripts.controlnet import Preprocessor
    from scripts.controlnet_ui.controlnet_ui_group import ControlNetUiGroup
    from scripts.enums import ControlMode
    from scripts.external_code import ControlNetUnit
    from scripts.global_state import cn_models, cn_models_names, update_cn_models

    assert ControlNetUnit(control_mode=ControlMode.PROMPT, input_mode=InputMode.BATCH).control_mode is ControlMode.PROMPT
    assert [HWC3(np.zeros(shape, dtype=np.uint8)).shape for shape in ((4, 6), (4, 6, 1), (4, 6, 4))] == [(4, 6, 3)] * 3
    assert {"none", "canny"} <= {each.name for each in Preprocessor.get_sorted_preprocessors()}
    update_cn_models()
    title = cn_models_names["control-tiny-canny"]
    assert next(iter(cn_models)) == "None" and str(cn_models[title]).endswith("control-tiny-canny.safetensors")
    before = len(ControlNetUiGroup.all_ui_groups)
    with gradio.Blocks():
        app.scripts.host.img2img.script("controlnet").ui(True)
    units = ControlNetUiGroup.all_ui_groups[before:]
    assert [(unit.inpaint_crop_input_image.label, unit.register_run_annotator()) for unit in units] == [("Crop input image based on A1111 mask", None)] * 3


def test_settings_that_config_json_holds_in_another_form_are_as_if_not_set(app: Any) -> None:
    """A list where a folder should be named stopped every unit, and the page had none."""
    from importlib import import_module

    unit = {"image": in_base64(drawing(0)), "save_detected_map": False}
    before = pixels(made(app, unit))
    kept = {key: app.settings.get(key) for key in ("control_net_models_path", "control_net_unit_count")}
    try:
        app.settings.update({"control_net_models_path": ["a"], "control_net_unit_count": 10**9})
        assert pixels(made(app, unit)) == before
        assert import_module("internal_controlnet.external_code").get_max_models_num() == 10
    finally:
        app.settings.update(kept)
